import type { AdmissionAttributes, AdmissionPlugin } from '../../../contracts/admission.js';
import { StatusError } from '../../../machinery/status-error.js';
import type { MatchConditionMetrics } from '../match-condition-metrics.js';
import type { ObjectLookup } from '../object-lookup.js';
import { refusal } from '../refusal.js';
import type { AdmissionShapes, Invocation } from '../webhooks/admission-shapes.js';
import { namespaceOf } from '../webhooks/request-scope.js';
import { AuditAnnotations, failureAnnotation } from './audit-annotations.js';
import { CriteriaMatcher } from './match-criteria.js';
import type { ParamResource, ParamResources } from './policy-params.js';
import { collectParams, paramResource } from './policy-params.js';
import { isExcluded, PolicyRequest } from './policy-request.js';
import type { BoundPolicy, PolicyHook, PolicySet } from './policy-set.js';
import type {
  PolicyDecision,
  PolicyInput,
  PolicyVerdict,
  ValidatingBinding,
  ValidatingEvaluator,
  ValidatingPolicy,
} from './validating-decision.js';
import type { ValidatingPolicyMetrics } from './validating-metrics.js';

export interface ValidatingPoliciesOptions {
  readonly set: ValidatingPolicySet;
  readonly lookup: ObjectLookup;
  readonly shapes: AdmissionShapes;
  readonly params: ParamResources;
  readonly metrics: ValidatingPolicyMetrics;
  readonly conditionMetrics: MatchConditionMetrics;
}

export type ValidatingPolicySet = PolicySet<ValidatingPolicy, ValidatingBinding, ValidatingEvaluator>;
type Hook = PolicyHook<ValidatingPolicy, ValidatingBinding, ValidatingEvaluator>;

/** A request that is turned down, and by whom. */
interface Denial {
  readonly policy: string;
  /** Undefined where the policy itself cannot be used. */
  readonly binding: string | undefined;
  readonly message: string;
  readonly reason: string;
}

/** Codes of the reasons that a policy may give. */
const codes: Readonly<Record<string, number>> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 };
const invalidCode = 422;
const defaultReason = 'Invalid';

/** Holds requests against validating admission policies. Source: apiserver pkg/admission/plugin/policy/validating. */
export class ValidatingPolicies implements AdmissionPlugin {
  readonly name = 'ValidatingAdmissionPolicy';
  readonly #options: ValidatingPoliciesOptions;
  readonly #matcher: CriteriaMatcher;

  constructor(options: ValidatingPoliciesOptions) {
    this.#options = options;
    this.#matcher = new CriteriaMatcher(options.lookup, options.shapes);
  }

  handles(attributes: AdmissionAttributes): boolean {
    return this.#options.set.hooks.length > 0 && !isExcluded(attributes);
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { set, shapes, lookup } = this.#options;
    const round = new Round(attributes, new PolicyRequest(attributes, shapes, lookup));
    for (const hook of set.hooks) await this.#heed(hook, round);
    const [denial] = round.denials;
    if (denial) throw denied(attributes, denial);
  }

  async #heed(hook: Hook, round: Round): Promise<void> {
    let params: ParamResource | undefined;
    let invocation: Invocation | undefined;
    try {
      if (!hook.criteria) throw new Error('policy contained no match constraints, a required field');
      invocation = await this.#matcher.match(hook.criteria, round.attributes);
      if (!invocation) return;
      params = paramResource(hook.policy.spec.paramKind, this.#options.params);
    } catch (error) {
      return round.misconfigured(hook, undefined, error);
    }
    const annotations = new AuditAnnotations();
    for (const bound of hook.bindings) {
      const inputs = await this.#inputs(hook, bound, invocation, params, round);
      for (const input of inputs) this.#enforce(hook, bound.binding, await hook.evaluator.evaluate(input), round, annotations);
    }
    annotations.publish(hook.policy.metadata.name!, round.attributes);
  }

  /** One for each parameter; none where the binding is not for the request, or cannot be used. */
  async #inputs(
    hook: Hook,
    { binding, criteria }: BoundPolicy<ValidatingBinding>,
    invocation: Invocation,
    resource: ParamResource | undefined,
    { attributes, request, misconfigured }: Round,
  ): Promise<PolicyInput[]> {
    let params: readonly (object | undefined)[];
    try {
      if (criteria && !(await this.#matcher.match(criteria, attributes))) return [];
      params = await collectParams(resource, binding.spec.paramRef, namespaceOf(attributes));
    } catch (error) {
      misconfigured(hook, binding, error);
      return [];
    }
    const wholeNamespace = await request.namespace();
    try {
      const shown = await request.shown(invocation);
      const { group, version, resource: name } = attributes;
      const conditionRequest = request.fields({ ...invocation, resource: { group, version, resource: name } });
      return params.map(each => ({ ...shown, params: each, wholeNamespace, conditionRequest }));
    } catch (error) {
      misconfigured(hook, binding, new Error(`failed to convert object version: ${textOf(error)}`, { cause: error }));
      return [];
    }
  }

  #enforce(
    { policy }: Hook,
    binding: ValidatingBinding,
    { decisions, auditAnnotations, conditions }: PolicyVerdict,
    { attributes, denials }: Round,
    annotations: AuditAnnotations,
  ): void {
    const { metrics, conditionMetrics } = this.#options;
    const [policyName, bindingName] = [policy.metadata.name!, binding.metadata.name!];
    const { operation } = attributes;
    if (conditions) conditionMetrics.observe({ name: policyName, kind: 'policy', type: 'validate', operation }, conditions);
    const deny = (decision: PolicyDecision): void => {
      denials.push({ policy: policyName, binding: bindingName, message: decision.message, reason: decision.reason });
      metrics.observe(policyName, bindingName, decision, 'deny');
    };
    for (const [index, decision] of decisions.entries()) {
      if (decision.action === 'admit') {
        if (decision.evaluation === 'error') metrics.observe(policyName, bindingName, decision, 'allow');
        continue;
      }
      for (const action of binding.spec.validationActions ?? []) {
        if (action === 'Deny') deny(decision);
        else if (action === 'Audit') {
          attributes.annotate?.(...failureAnnotation(binding, index, decision));
          metrics.observe(policyName, bindingName, decision, 'audit');
        } else if (action === 'Warn') {
          const who = `ValidatingAdmissionPolicy '${policyName}' with binding '${bindingName}'`;
          attributes.warn(`Validation failed for ${who}: ${decision.message}`);
          metrics.observe(policyName, bindingName, decision, 'warn');
        }
      }
    }
    for (const annotation of auditAnnotations) {
      if (annotation.action === 'publish') annotations.add(annotation.key, annotation.value);
      else if (annotation.action === 'error') deny({ ...annotation, action: 'deny', evaluation: 'error', reason: '' });
    }
  }
}

/** One request on its way past all policies. */
class Round {
  readonly attributes: AdmissionAttributes;
  readonly request: PolicyRequest;
  readonly denials: Denial[] = [];

  constructor(attributes: AdmissionAttributes, request: PolicyRequest) {
    this.attributes = attributes;
    this.request = request;
  }

  /** The policy or the binding cannot be used for the request, which is let through or not as the policy says. */
  readonly misconfigured = ({ policy }: Hook, binding: ValidatingBinding | undefined, error: unknown): void => {
    if (policy.spec.failurePolicy === 'Ignore') return;
    const message = `failed to configure ${binding ? 'binding' : 'policy'}: ${textOf(error)}`;
    this.denials.push({ policy: policy.metadata.name!, binding: binding?.metadata.name, message, reason: '' });
  };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The first that says no is told. */
function denied(attributes: AdmissionAttributes, { policy, binding, message, reason }: Denial): StatusError {
  const who = `ValidatingAdmissionPolicy '${policy}'${binding === undefined ? '' : ` with binding '${binding}'`}`;
  const text = `${who} denied request: ${message}`;
  const { message: whole, details } = refusal(attributes, text).status;
  const said = reason || defaultReason;
  const code = Object.hasOwn(codes, said) ? codes[said]! : invalidCode;
  return new StatusError(code, said, whole!, { ...details, causes: [{ message: text }] });
}
