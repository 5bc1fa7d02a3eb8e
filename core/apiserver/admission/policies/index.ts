import type { Clock } from '../../../base/clock.js';
import type { AdmissionPlugin } from '../../../contracts/admission.js';
import type { Authorizer } from '../../auth/authorizer.js';
import type { MatchConditionMetrics } from '../match-condition-metrics.js';
import type { ObjectLookup } from '../object-lookup.js';
import type { MergingShapes } from '../webhooks/admission-shapes.js';
import type { MutatingPolicySet } from './mutating-policies.js';
import { MutatingPolicies } from './mutating-policies.js';
import type { MutatingEvaluator, MutatingPolicy } from './mutation.js';
import type { MutationMetrics } from './mutation-metrics.js';
import type { ParamResources } from './policy-params.js';
import { PolicySet } from './policy-set.js';
import type { ValidatingEvaluator, ValidatingPolicy } from './validating-decision.js';
import type { ValidatingPolicyMetrics } from './validating-metrics.js';
import type { ValidatingPolicySet } from './validating-policies.js';
import { ValidatingPolicies } from './validating-policies.js';

export interface PolicyServices {
  readonly authorizer: Authorizer;
  readonly shapes: MergingShapes;
  readonly params: ParamResources;
  readonly conditionMetrics: MatchConditionMetrics;
  readonly mutationMetrics: MutationMetrics;
  readonly validatingMetrics: ValidatingPolicyMetrics;
  readonly clock: Clock;
}

/** Admission by policies: the sets are fed with policies and bindings, the plugins heed them. */
export class PolicyAdmission {
  readonly mutating: MutatingPolicySet;
  readonly validating: ValidatingPolicySet;
  readonly #services: PolicyServices;

  constructor(services: PolicyServices) {
    this.#services = services;
    this.mutating = new PolicySet(policy => mutatingEvaluator(policy, services));
    this.validating = new PolicySet(policy => validatingEvaluator(policy, services));
  }

  mutatingPlugin(lookup: ObjectLookup): AdmissionPlugin {
    const { shapes, params, conditionMetrics, mutationMetrics: metrics, clock } = this.#services;
    return new MutatingPolicies({ set: this.mutating, lookup, shapes, params, metrics, conditionMetrics, clock });
  }

  validatingPlugin(lookup: ObjectLookup): AdmissionPlugin {
    const { shapes, params, conditionMetrics, validatingMetrics: metrics } = this.#services;
    return new ValidatingPolicies({
      set: this.validating,
      lookup,
      shapes,
      params,
      metrics,
      conditionMetrics,
    });
  }
}

/** Imports the CEL engine, and compiles, with the first request that the policy is for. */
function validatingEvaluator(policy: ValidatingPolicy, { authorizer, clock }: PolicyServices): ValidatingEvaluator {
  let compiled: Promise<ValidatingEvaluator> | undefined;
  const compile = async (): Promise<ValidatingEvaluator> => {
    const { CelValidatingEvaluator } = await import('./validating-evaluator.js');
    return new CelValidatingEvaluator(policy, authorizer, () => clock.monotonicMs());
  };
  return { evaluate: async input => (await (compiled ??= compile())).evaluate(input) };
}

/** The same for a mutating policy. */
function mutatingEvaluator(policy: MutatingPolicy, { authorizer, clock }: PolicyServices): MutatingEvaluator {
  let compiled: Promise<MutatingEvaluator> | undefined;
  const compile = async (): Promise<MutatingEvaluator> => {
    const { CelMutatingEvaluator } = await import('./mutating-evaluator.js');
    return new CelMutatingEvaluator(policy, authorizer, () => clock.monotonicMs());
  };
  return {
    matches: async variables =>
      policy.spec.matchConditions?.length ? (await (compiled ??= compile())).matches(variables) : undefined,
    evaluate: async (index, variables) => (await (compiled ??= compile())).evaluate(index, variables),
  };
}
