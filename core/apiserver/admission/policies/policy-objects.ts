import type { MatchCondition, MatchResources, ParamKind, ParamRef, Variable } from '../../../api/generated/types.js';
import type { KubeObject } from '../../../machinery/object.js';

/** What validating and mutating policies have in common. */
export interface AdmissionPolicy extends KubeObject {
  readonly spec: {
    readonly paramKind?: ParamKind;
    readonly matchConstraints?: MatchResources;
    readonly matchConditions?: readonly MatchCondition[];
    readonly variables?: readonly Variable[];
    readonly failurePolicy?: string;
  };
}

export interface AdmissionPolicyBinding extends KubeObject {
  readonly spec: {
    readonly policyName?: string;
    readonly paramRef?: ParamRef;
    readonly matchResources?: MatchResources;
  };
}
