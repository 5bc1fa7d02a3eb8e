import type { Clock } from '../../../base/clock.js';
import { errorCode } from '../../../base/errors.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../../contracts/admission.js';
import { quote } from '../../../machinery/field-errors.js';
import type { KubeObject } from '../../../machinery/object.js';
import { semanticEqual } from '../../../machinery/object.js';
import type { StatusCause } from '../../../machinery/status-error.js';
import { isStatusError, StatusError } from '../../../machinery/status-error.js';
import type { MatchConditionMetrics } from '../match-condition-metrics.js';
import type { ObjectLookup } from '../object-lookup.js';
import { refusal } from '../refusal.js';
import type { MergingShapes } from '../webhooks/admission-shapes.js';
import { CriteriaMatcher } from './match-criteria.js';
import type { MutatedVersion } from './mutated-version.js';
import { ShownVersion, Versions } from './shown-versions.js';
import type { MutatingBinding, MutatingEvaluator, MutatingPolicy } from './mutation.js';
import type { MutationMetrics } from './mutation-metrics.js';
import { MutationRound } from './mutation-rounds.js';
import { policyFaultCode } from './policy-fault.js';
import type { Misconfiguration, PolicyInvocation } from './policy-invocations.js';
import { collectInvocations } from './policy-invocations.js';
import type { ParamResources } from './policy-params.js';
import { isExcluded, PolicyRequest } from './policy-request.js';
import type { PolicySet } from './policy-set.js';

export type MutatingPolicySet = PolicySet<MutatingPolicy, MutatingBinding, MutatingEvaluator>;
type Invoked = PolicyInvocation<MutatingPolicy, MutatingBinding, MutatingEvaluator>;

export interface MutatingPoliciesOptions {
  readonly set: MutatingPolicySet;
  readonly lookup: ObjectLookup;
  readonly shapes: MergingShapes;
  readonly params: ParamResources;
  readonly metrics: MutationMetrics;
  readonly conditionMetrics: MatchConditionMetrics;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/** A policy that could not do its work. */
interface Failure extends Misconfiguration<MutatingPolicy, MutatingBinding> {
  readonly reason?: 'Invalid';
}

/** Lets mutating admission policies change objects. Source: apiserver pkg/admission/plugin/policy/mutating. */
export class MutatingPolicies implements AdmissionPlugin {
  readonly name = 'MutatingAdmissionPolicy';
  readonly #options: MutatingPoliciesOptions;
  readonly #matcher: CriteriaMatcher;

  constructor(options: MutatingPoliciesOptions) {
    this.#options = options;
    this.#matcher = new CriteriaMatcher(options.lookup, options.shapes);
  }

  handles(attributes: AdmissionAttributes): boolean {
    // What is deleted has nothing to change.
    return this.#options.set.hooks.length > 0 && attributes.object !== undefined && !isExcluded(attributes);
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    const { set, params } = this.#options;
    const { invocations, misconfigured } = await collectInvocations(set.hooks, attributes, { matcher: this.#matcher, params });
    const failures: Failure[] = [...misconfigured];
    if (invocations.length > 0) await this.#invokeAll(invocations, attributes, failures);
    const counted = failures.filter(({ policy }) => policy.spec.failurePolicy !== 'Ignore');
    if (counted.length > 0) throw denied(attributes, counted);
  }

  async #invokeAll(invocations: readonly Invoked[], attributes: AdmissionAttributes, failures: Failure[]): Promise<void> {
    const { shapes, lookup } = this.#options;
    const round = new MutationRound(this.name, attributes);
    const request = new PolicyRequest(attributes, shapes, lookup);
    const namespace = await request.namespace();
    const versions = new Versions(attributes, shapes);
    let last: MutatedVersion | undefined;
    for (const invoked of invocations) {
      const version = await versions.find(invoked.invocation);
      if ('failure' in version) failures.push({ ...invoked.hook, binding: undefined, message: version.failure });
      else {
        const shown = new ShownVersion(version, invoked, { attributes, request, namespace });
        if (await this.#invoke(invoked, shown, { attributes, round, failures })) last = version.mutated;
      }
    }
    if (last?.isDirty) {
      round.changed();
      await versions.write(last);
    }
    round.end();
  }

  /** Whether the policy had something to do. */
  async #invoke(invoked: Invoked, shown: ShownVersion, { attributes, round, failures }: Run): Promise<boolean> {
    const { hook, binding } = invoked;
    const { policy, evaluator } = hook;
    const { mutated } = shown;
    const conditions = await evaluator.matches(shown.conditionVariables);
    if (conditions) {
      const { operation } = attributes;
      const owner = { name: policy.metadata.name!, kind: 'policy', type: 'validate', operation } as const;
      this.#options.conditionMetrics.observe(owner, conditions);
      if (conditions.failure !== undefined) failures.push({ policy, binding, message: conditions.failure, reason: 'Invalid' });
      if (!conditions.matches) return false;
    }
    const key = keyOf(invoked);
    if (round.skips(key)) return false;
    const before = mutated.object;
    for (const index of (policy.spec.mutations ?? []).keys()) {
      const failure = await this.#mutate(invoked, shown, index);
      if (failure !== undefined) failures.push({ policy, binding, message: failure, reason: 'Invalid' });
    }
    if (!semanticEqual(before, mutated.object)) round.changed();
    if (policy.spec.reinvocationPolicy === 'IfNeeded') round.made(key);
    return true;
  }

  /** Why it could not be done; undefined when it was. Rejects with a StatusError where the request fails, whatever the policy says. */
  async #mutate(
    { hook: { policy, evaluator }, binding }: Invoked,
    shown: ShownVersion,
    index: number,
  ): Promise<string | undefined> {
    const { clock, metrics } = this.#options;
    const startMs = clock.monotonicMs();
    const observe = (failure?: string): void => {
      const seconds = (clock.monotonicMs() - startMs) / 1000;
      metrics.observe(policy.metadata.name!, binding.metadata.name!, seconds, failure);
    };
    try {
      const mutation = await evaluator.evaluate(index, shown.variables);
      if ('configuration' in mutation) shown.mutated.apply(mutation.configuration);
      else shown.mutated.patch(mutation.operations);
    } catch (error) {
      const { message } = error as Error;
      if (isStatusError(error) || errorCode(error) === policyFaultCode) observe(message);
      if (errorCode(error) !== policyFaultCode) throw error;
      return message;
    }
    observe();
    return undefined;
  }
}

interface Run {
  readonly attributes: AdmissionAttributes;
  readonly round: MutationRound;
  readonly failures: Failure[];
}

/** The same in both rounds. */
function keyOf({ hook, binding, params }: Invoked): string {
  const { namespace = '', name = '' } = (params as Partial<KubeObject> | undefined)?.metadata ?? {};
  return [hook.policy.metadata.name, binding.metadata.name, namespace, name].join('/');
}

/** The first failure is told, all of them are listed. */
function denied(attributes: AdmissionAttributes, failures: readonly Failure[]): StatusError {
  const causes = failures.map(({ policy, binding, message }): StatusCause => {
    const name = policy.metadata.name!;
    const who = binding ? `policy '${name}' with binding '${binding.metadata.name}'` : `policy ${quote(name)}`;
    return { message: `${who} denied request: ${message}` };
  });
  const { code, reason, details } = refusal(attributes, '').status;
  return new StatusError(code!, failures[0]!.reason ?? reason!, causes[0]!.message!, { ...details, causes });
}
