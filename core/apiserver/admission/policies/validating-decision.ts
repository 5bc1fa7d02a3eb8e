import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../../api/generated/types.js';
import type { MatchOutcome } from '../../match-expressions.js';
import type { AdmissionVariables } from './admission-activation.js';

/** What one validation, or the policy as a whole, comes to. */
export interface PolicyDecision {
  readonly action: 'admit' | 'deny';
  readonly evaluation: 'admit' | 'deny' | 'error';
  readonly message: string;
  /** '' where nothing was said. */
  readonly reason: string;
  readonly seconds: number;
}

/** What one audit annotation comes to; `exclude`: there is none. */
export type AuditAnnotationResult =
  | { readonly action: 'publish'; readonly key: string; readonly value: string }
  | { readonly action: 'error'; readonly message: string; readonly seconds: number }
  | { readonly action: 'exclude' };

export interface PolicyVerdict {
  /** In the order of the validations; or one for all. */
  readonly decisions: readonly PolicyDecision[];
  readonly auditAnnotations: readonly AuditAnnotationResult[];
  /** How the match conditions ended, where there are some. */
  readonly conditions?: MatchOutcome;
}

/** The variables of the expressions of a policy. */
export interface PolicyInput extends AdmissionVariables {
  /** `request` of match conditions, which name the resource as the request does. */
  readonly conditionRequest: Readonly<Record<string, unknown>>;
  /** `namespaceObject` of audit annotations: the whole. */
  readonly wholeNamespace: object | undefined;
}

/** One policy, compiled. */
export interface ValidatingEvaluator {
  evaluate(input: PolicyInput): Promise<PolicyVerdict>;
}

export type ValidatingPolicy = ValidatingAdmissionPolicy;
export type ValidatingBinding = ValidatingAdmissionPolicyBinding;
