import type { AuditAnnotation, Validation } from '../../../api/generated/types.js';
import { typeOf } from '../../../machinery/cel/values.js';
import type { Authorizer } from '../../auth/authorizer.js';
import type { AdmissionVariables } from './admission-activation.js';
import { AdmissionActivation } from './admission-activation.js';
import type { CompiledExpression } from './admission-environment.js';
import type { ExpressionOutcome, Stopwatch } from './expression-run.js';
import { policyBudget, runConditions, runExpressions } from './expression-run.js';
import { PolicyCompiler } from './policy-compiler.js';
import type {
  AuditAnnotationResult,
  PolicyDecision,
  PolicyInput,
  PolicyVerdict,
  ValidatingEvaluator,
  ValidatingPolicy,
} from './validating-decision.js';

const longestMessageBytes = 5 * 1024;
const defaultReason = 'Invalid';

/** The expressions of one validating policy. Source: apiserver pkg/admission/plugin/policy/validating. */
export class CelValidatingEvaluator implements ValidatingEvaluator {
  readonly #authorizer: Authorizer;
  readonly #stopwatch: Stopwatch;
  readonly #ignoresFailure: boolean;
  readonly #composed: ReadonlyMap<string, CompiledExpression>;
  readonly #conditions: readonly CompiledExpression[];
  readonly #validations: readonly Validation[];
  readonly #checks: readonly CompiledExpression[];
  readonly #messages: readonly (CompiledExpression | undefined)[];
  readonly #auditAnnotations: readonly AuditAnnotation[];
  readonly #auditValues: readonly CompiledExpression[];

  constructor({ spec }: ValidatingPolicy, authorizer: Authorizer, stopwatch: Stopwatch) {
    this.#authorizer = authorizer;
    this.#stopwatch = stopwatch;
    this.#ignoresFailure = spec.failurePolicy === 'Ignore';
    const compiler = new PolicyCompiler({ isComposed: true });
    const declared = { hasParams: spec.paramKind !== undefined, hasAuthorizer: true };
    for (const { name, expression } of spec.variables ?? []) compiler.addVariable(name, expression, declared);
    this.#composed = compiler.variables;
    this.#conditions = (spec.matchConditions ?? []).map(({ expression }) => compiler.compileTo(expression, 'bool', declared));
    this.#validations = spec.validations ?? [];
    this.#checks = this.#validations.map(({ expression }) => compiler.compileTo(expression, 'bool', declared));
    this.#messages = this.#validations.map(({ messageExpression }) =>
      messageExpression ? compiler.compileTo(messageExpression, 'string', { ...declared, hasAuthorizer: false }) : undefined,
    );
    this.#auditAnnotations = spec.auditAnnotations ?? [];
    this.#auditValues = this.#auditAnnotations.map(({ valueExpression }) =>
      compiler.compileTo(valueExpression, 'string or null', declared),
    );
  }

  async evaluate(input: PolicyInput): Promise<PolicyVerdict> {
    if (this.#conditions.length === 0) return this.#judge(input);
    const { conditionRequest: request } = input;
    // Conditions never see the namespace.
    const shown = new ShownVariables(input, { request, namespaceObject: undefined });
    const conditions = runConditions(this.#conditions, this.#activation(shown, true), this.#stopwatch);
    if (conditions.failure !== undefined && !this.#ignoresFailure) return { ...this.#failed(conditions.failure), conditions };
    return conditions.matches ? { ...this.#judge(input), conditions } : { decisions: [], auditAnnotations: [], conditions };
  }

  #activation(variables: AdmissionVariables, hasAuthorizer: boolean): AdmissionActivation {
    return new AdmissionActivation(variables, {
      authorizer: hasAuthorizer ? this.#authorizer : undefined,
      composed: this.#composed,
    });
  }

  #judge(input: PolicyInput): PolicyVerdict {
    const checked = runExpressions(this.#checks, this.#activation(input, true), policyBudget, this.#stopwatch);
    if ('failure' in checked) return this.#failed(checked.failure);
    const messages = runExpressions(this.#messages, this.#activation(input, false), checked.remaining, this.#stopwatch);
    const decisions = checked.outcomes.map((outcome, index) => {
      const { seconds } = outcome!;
      if ('error' in outcome!) return this.#error(outcome.error, seconds);
      if ('failure' in messages) return this.#error(`failed messageExpression: ${messages.failure}`, seconds);
      if (outcome!.value === true) return { action: 'admit', evaluation: 'admit', message: '', reason: '', seconds } as const;
      const validation = this.#validations[index]!;
      return {
        action: 'deny',
        evaluation: 'deny',
        message: refusalText(validation, messages.outcomes[index]),
        reason: validation.reason ?? defaultReason,
        seconds,
      } as const;
    });
    // The authorizer is declared for them and yet not there, which is upstream's doing.
    const shown = new ShownVariables(input, { request: input.request, namespaceObject: input.wholeNamespace });
    const audited = runExpressions(this.#auditValues, this.#activation(shown, false), policyBudget, this.#stopwatch);
    if ('failure' in audited) return this.#failed(audited.failure);
    return { decisions, auditAnnotations: audited.outcomes.map((outcome, index) => this.#auditAnnotation(outcome!, index)) };
  }

  #auditAnnotation(outcome: ExpressionOutcome, index: number): AuditAnnotationResult {
    const { key, valueExpression } = this.#auditAnnotations[index]!;
    const { seconds } = outcome;
    if ('error' in outcome) return this.#ignoresFailure ? excluded : { action: 'error', message: outcome.error, seconds };
    if (outcome.value === null) return excluded;
    if (typeof outcome.value === 'string') {
      const value = outcome.value.trim();
      return value ? { action: 'publish', key, value } : excluded;
    }
    const type = typeOf(outcome.value).declaredName;
    const text = `valueExpression '${valueExpression}' resulted in unsupported return type: ${type}.`;
    return { action: 'error', message: `${text} Return type must be either string or null.`, seconds };
  }

  #failed(message: string): PolicyVerdict {
    return { decisions: [this.#error(message, 0)], auditAnnotations: [] };
  }

  #error(message: string, seconds: number): PolicyDecision {
    return { action: this.#ignoresFailure ? 'admit' : 'deny', evaluation: 'error', message, reason: '', seconds };
  }
}

const excluded: AuditAnnotationResult = { action: 'exclude' };

/** `messageExpression` where it gives a usable line, `message`, or the expression. */
function refusalText({ expression, message = '' }: Validation, outcome: ExpressionOutcome | undefined): string {
  const value = outcome && 'value' in outcome && typeof outcome.value === 'string' ? outcome.value.trim() : '';
  const isUsable = value && !value.includes('\n') && Buffer.byteLength(value) <= longestMessageBytes;
  return (isUsable && value) || message.trim() || `failed expression: ${expression.trim()}`;
}

/** The variables of a request with others in the place of some; what is made on demand still is. */
class ShownVariables implements AdmissionVariables {
  readonly #input: PolicyInput;
  readonly request: PolicyInput['request'];
  readonly namespaceObject: object | undefined;

  constructor(input: PolicyInput, { request, namespaceObject }: Pick<PolicyInput, 'request' | 'namespaceObject'>) {
    this.#input = input;
    this.request = request;
    this.namespaceObject = namespaceObject;
  }

  get object(): object | undefined {
    return this.#input.object;
  }

  get oldObject(): object | undefined {
    return this.#input.oldObject;
  }

  get params(): object | undefined {
    return this.#input.params;
  }

  get user(): PolicyInput['user'] {
    return this.#input.user;
  }

  get target(): PolicyInput['target'] {
    return this.#input.target;
  }
}
