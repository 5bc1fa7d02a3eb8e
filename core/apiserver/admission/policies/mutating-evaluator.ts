import { errorCode } from '../../../base/errors.js';
import { applyConfigurationOf, jsonPatchOf } from '../../../machinery/cel/mutation-results.js';
import type { CelValue } from '../../../machinery/cel/values.js';
import type { Authorizer } from '../../auth/authorizer.js';
import type { MatchOutcome } from '../../match-expressions.js';
import type { AdmissionVariables } from './admission-activation.js';
import { AdmissionActivation } from './admission-activation.js';
import type { CompiledExpression } from './admission-environment.js';
import type { Stopwatch } from './expression-run.js';
import { policyBudget, runConditions, runExpressions } from './expression-run.js';
import type { Mutation, MutatingEvaluator, MutatingPolicy } from './mutation.js';
import { PolicyCompiler } from './policy-compiler.js';
import { policyFault } from './policy-fault.js';

interface CompiledMutation {
  readonly isPatch: boolean;
  readonly expression: CompiledExpression;
}

/** The expressions of one mutating policy. Source: apiserver pkg/admission/plugin/policy/mutating. */
export class CelMutatingEvaluator implements MutatingEvaluator {
  readonly #authorizer: Authorizer;
  readonly #stopwatch: Stopwatch;
  readonly #composed: ReadonlyMap<string, CompiledExpression>;
  readonly #conditions: readonly CompiledExpression[];
  readonly #mutations: readonly CompiledMutation[];

  constructor({ spec }: MutatingPolicy, authorizer: Authorizer, stopwatch: Stopwatch) {
    this.#authorizer = authorizer;
    this.#stopwatch = stopwatch;
    const compiler = new PolicyCompiler({ isComposed: true });
    const declared = { hasParams: spec.paramKind !== undefined, hasAuthorizer: true };
    for (const { name, expression } of spec.variables ?? []) compiler.addVariable(name, expression, declared);
    this.#composed = compiler.variables;
    this.#conditions = (spec.matchConditions ?? []).map(({ expression }) => compiler.compileTo(expression, 'bool', declared));
    this.#mutations = (spec.mutations ?? []).map(({ patchType, applyConfiguration, jsonPatch }) => {
      const isPatch = patchType === 'JSONPatch';
      const text = (isPatch ? jsonPatch : applyConfiguration)?.expression ?? '';
      return { isPatch, expression: compiler.compileTo(text, isPatch ? 'JSON patch' : 'apply configuration', declared) };
    });
  }

  async matches(variables: AdmissionVariables): Promise<MatchOutcome | undefined> {
    if (this.#conditions.length === 0) return undefined;
    return runConditions(this.#conditions, this.#activation(variables), this.#stopwatch);
  }

  async evaluate(index: number, variables: AdmissionVariables): Promise<Mutation> {
    const { isPatch, expression } = this.#mutations[index]!;
    if ('fault' in expression) throw policyFault(expression.fault.detail);
    const run = runExpressions([expression], this.#activation(variables), policyBudget, this.#stopwatch);
    if ('failure' in run) throw policyFault(run.failure);
    const outcome = run.outcomes[0]!;
    if ('error' in outcome) throw policyFault(outcome.error);
    return resultOf(outcome.value, isPatch);
  }

  #activation(variables: AdmissionVariables): AdmissionActivation {
    return new AdmissionActivation(variables, { authorizer: this.#authorizer, composed: this.#composed });
  }
}

function resultOf(value: CelValue, isPatch: boolean): Mutation {
  try {
    return isPatch ? { operations: jsonPatchOf(value) } : { configuration: applyConfigurationOf(value) };
  } catch (error) {
    if (errorCode(error) !== 'MUTATION_RESULT') throw error;
    throw policyFault((error as Error).message, error);
  }
}
