import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../../api/generated/types.js';
import type { MatchOutcome } from '../../match-expressions.js';
import type { AdmissionVariables } from './admission-activation.js';

export type MutatingPolicy = MutatingAdmissionPolicy;
export type MutatingBinding = MutatingAdmissionPolicyBinding;

/** What an expression wants done to the object. */
export type Mutation =
  | { readonly configuration: Readonly<Record<string, unknown>> }
  | { readonly operations: readonly Readonly<Record<string, unknown>>[] };

/** One mutating policy, compiled. */
export interface MutatingEvaluator {
  /** Whether the request is for the policy; undefined where it has no conditions. */
  matches(variables: AdmissionVariables): Promise<MatchOutcome | undefined>;
  /** What the mutation in that place says. Rejects with POLICY_FAULT. */
  evaluate(index: number, variables: AdmissionVariables): Promise<Mutation>;
}
