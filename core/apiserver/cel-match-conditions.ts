import type { MatchCondition } from '../api/generated/types.js';
import { CodedError } from '../base/errors.js';
import { bindJson } from '../machinery/cel/bind-value.js';
import type { CelType } from '../machinery/cel/cel-type.js';
import { boolType, dynType } from '../machinery/cel/cel-type.js';
import type { VariableSource } from '../machinery/cel/frame.js';
import { kubernetesEnvironment } from '../machinery/cel/kubernetes-environment.js';
import { authorizerType, AuthorizerValue, ResourceCheck, resourceCheckType } from '../machinery/cel/libraries/authorizer.js';
import type { CelProgram } from '../machinery/cel/program.js';
import { compile } from '../machinery/cel/program.js';
import type { CelValue } from '../machinery/cel/values.js';
import { AdmissionTypes, namespaceType, requestType } from './admission-types.js';
import type { Authorizer } from './auth/authorizer.js';
import { aggregateText } from './auth/rbac-authorizer.js';
import { UserExpressionAuthorizer } from './expression-authorizer.js';
import type { ExpressionFault, MatchConditions, MatchVariables } from './match-expressions.js';
import { evaluationFailed } from './match-expressions.js';

/** The most that all conditions of a webhook may cost for one request. Source: RuntimeCELCostBudgetMatchConditions. */
const costBudget = 2_500_000;

const requestResource = 'authorizer.requestResource';

/** Source: apiserver pkg/admission/plugin/cel/compile.go. */
const environment = kubernetesEnvironment().extend({
  variables: {
    object: dynType,
    oldObject: dynType,
    namespaceObject: namespaceType,
    request: requestType,
    authorizer: authorizerType,
    [requestResource]: resourceCheckType,
  },
  provider: new AdmissionTypes(),
});

type Compiled = { readonly program: CelProgram } | { readonly fault: ExpressionFault };

function compileCondition(expression: string): Compiled {
  const result = compile(environment, expression);
  if ('errors' in result) {
    const isInternal = result.stage === 'program';
    const what = isInternal ? 'program instantiation failed' : 'compilation failed';
    return { fault: { detail: `${what}: ${result.errors}`, isInternal } };
  }
  if (!isBool(result.type)) return { fault: { detail: `must evaluate to bool but got ${result.type}`, isInternal: false } };
  return { program: result.program };
}

const isBool = (type: CelType): boolean => type.equals(boolType);

/** What upstream says when the expression is in a configuration that a client writes. */
export function conditionFault(expression: string): ExpressionFault | undefined {
  const compiled = compileCondition(expression);
  return 'fault' in compiled ? compiled.fault : undefined;
}

/** The conditions of one webhook. Source: apiserver pkg/admission/plugin/webhook/matchconditions. */
export class CelMatchConditions implements MatchConditions {
  readonly #authorizer: Authorizer;
  readonly #conditions: readonly { readonly expression: string; readonly compiled: Compiled }[];

  constructor(conditions: readonly MatchCondition[], authorizer: Authorizer) {
    this.#authorizer = authorizer;
    this.#conditions = conditions.map(({ expression }) => ({ expression, compiled: compileCondition(expression) }));
  }

  async matches(variables: MatchVariables): Promise<boolean> {
    const source = new MatchVariableSource(variables, this.#authorizer);
    const faults: string[] = [];
    let isExcluded = false;
    let budget = costBudget;
    for (const { expression, compiled } of this.#conditions) {
      if ('fault' in compiled) {
        faults.push(`compilation error: ${compiled.fault.detail}`);
        continue;
      }
      const result = compiled.program.evaluate(source);
      budget -= result.cost;
      // It counts also where an earlier one was false, as it does upstream.
      if (budget < 0)
        throw evaluationError('validation failed due to running out of cost budget, no further validation rules will be run');
      if ('error' in result) faults.push(`expression '${expression}' resulted in error: ${result.error}`);
      else if (result.value === false) isExcluded = true;
    }
    if (isExcluded) return false;
    if (faults.length > 0) throw evaluationError(aggregateText([...new Set(faults)]));
    return true;
  }
}

const evaluationError = (text: string): CodedError => new CodedError(evaluationFailed, text);

/** Makes values when they are first read, and once for all conditions. */
class MatchVariableSource implements VariableSource {
  readonly #variables: MatchVariables;
  readonly #authorizer: AuthorizerValue;
  readonly #values = new Map<string, CelValue>();

  constructor(variables: MatchVariables, authorizer: Authorizer) {
    this.#variables = variables;
    this.#authorizer = new AuthorizerValue(new UserExpressionAuthorizer(authorizer, variables.user));
  }

  find(name: string): CelValue | undefined {
    let value = this.#values.get(name);
    if (value === undefined) {
      value = this.#make(name);
      if (value !== undefined) this.#values.set(name, value);
    }
    return value;
  }

  #make(name: string): CelValue | undefined {
    switch (name) {
      case 'object':
        return bindJson(this.#variables.object);
      case 'oldObject':
        return bindJson(this.#variables.oldObject);
      case 'request':
        // What is seen past its type.
        return bindJson({ uid: '', ...this.#variables.request, object: null, oldObject: null });
      // Declared for policies, which share this; webhooks never get it.
      case 'namespaceObject':
        return null;
      case 'authorizer':
        return this.#authorizer;
      case requestResource:
        return new ResourceCheck(this.#authorizer, this.#variables.target);
      default:
        return undefined;
    }
  }
}
