import type { ClusterRole } from '../../../api/generated/types.js';
import { ClusterRoles } from '../../../api/generated/resources.js';
import { errorCode } from '../../../base/errors.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { labelSelectorFromObject, validateLabelSelector } from '../../../machinery/label-selector.js';
import { nameIsPathSegment } from '../../../machinery/names.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import type { RoleGuard } from './rules.js';
import { changesOnlyOwnership, validatePolicyRule } from './rules.js';

export function clusterRoleDefinition(guard: RoleGuard): ResourceDefinition {
  return defineResource<ClusterRole>({
    reference: ClusterRoles,
    generation: false,
    allowCreateOnUpdate: true,
    validateName: name => nameIsPathSegment(name, false),
    prepareForCreate(role, { caller }) {
      guard.checkRole({ user: caller, resource: 'clusterroles', role, namespace: '', requestName: '' });
    },
    prepareForUpdate(role, old, { caller, name }) {
      if (changesOnlyOwnership(role, old)) return;
      guard.checkRole({ user: caller, resource: 'clusterroles', role, old, namespace: '', requestName: name });
    },
    validate: (role, errors) => validateClusterRole(role, errors, false),
    checks: { update: ['object', 'validateUpdate', 'change'] },
    validateUpdate: (role, old, errors) => validateClusterRole(role, errors, hasInvalidSelector(old)),
  });
}

function validateClusterRole(role: ClusterRole, errors: FieldErrors, allowInvalidValues: boolean): void {
  for (const [index, rule] of (role.rules ?? []).entries()) {
    validatePolicyRule(rule, false, fieldPath('rules').index(index), errors);
  }
  if (!role.aggregationRule) return;
  const path = fieldPath('aggregationRule', 'clusterRoleSelectors');
  const selectors = role.aggregationRule.clusterRoleSelectors ?? [];
  if (!selectors.length) errors.required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil');
  for (const [index, selector] of selectors.entries()) {
    validateLabelSelector(selector, path.index(index), errors, { allowInvalidValues });
    try {
      labelSelectorFromObject(selector);
    } catch (error) {
      if (errorCode(error) !== 'INVALID_SELECTOR') throw error;
      errors.invalid(path.index(index), null, 'invalid label selector.');
    }
  }
}

/** Values that an older version let through may stay. */
function hasInvalidSelector(role: Readonly<ClusterRole>): boolean {
  const errors = new FieldErrors();
  for (const selector of role.aggregationRule?.clusterRoleSelectors ?? []) validateLabelSelector(selector, fieldPath(), errors);
  return !errors.empty;
}
