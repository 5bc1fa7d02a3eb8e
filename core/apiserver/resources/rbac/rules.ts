import type { PolicyRule } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import type { EscalationGuard } from '../../auth/escalation.js';
import { semanticEqual } from '../../../machinery/object.js';
import type { KubeObject } from '../../../machinery/object.js';

/** What the RBAC kinds ask before a write: nobody may hand out more than they hold. */
export type RoleGuard = Pick<EscalationGuard, 'checkRole' | 'checkBinding'>;

/** Source: pkg/apis/rbac/validation ValidatePolicyRule. */
export function validatePolicyRule(rule: PolicyRule, namespaced: boolean, path: FieldPath, errors: FieldErrors): void {
  if (!rule.verbs?.length) errors.required(path.child('verbs'), 'verbs must contain at least one value');
  if (rule.nonResourceURLs?.length) {
    const at = path.child('nonResourceURLs');
    if (namespaced) errors.invalid(at, rule.nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs');
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
      errors.invalid(at, rule.nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs');
    }
    return;
  }
  if (!rule.apiGroups?.length) errors.required(path.child('apiGroups'), 'resource rules must supply at least one api group');
  if (!rule.resources?.length) errors.required(path.child('resources'), 'resource rules must supply at least one resource');
}

/** Whether an update changes nothing but what the garbage collector writes, which needs no right to the rules. */
export function changesOnlyOwnership(object: Readonly<KubeObject>, old: Readonly<KubeObject>): boolean {
  const { ownerReferences, finalizers, selfLink, managedFields } = old.metadata;
  return semanticEqual(
    { ...object, metadata: { ...object.metadata, ownerReferences, finalizers, selfLink, managedFields } },
    old,
  );
}
