import type { Role } from '../../../api/generated/types.js';
import { Roles } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { nameIsPathSegment } from '../../../machinery/names.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import type { RoleGuard } from './rules.js';
import { changesOnlyOwnership, validatePolicyRule } from './rules.js';

export function roleDefinition(guard: RoleGuard): ResourceDefinition {
  return defineResource<Role>({
    reference: Roles,
    generation: false,
    allowCreateOnUpdate: true,
    validateName: name => nameIsPathSegment(name, false),
    prepareForCreate(role, { caller, namespace }) {
      guard.checkRole({ user: caller, resource: 'roles', role, namespace, requestName: '' });
    },
    prepareForUpdate(role, old, { caller, namespace, name }) {
      if (changesOnlyOwnership(role, old)) return;
      guard.checkRole({ user: caller, resource: 'roles', role, old, namespace, requestName: name });
    },
    validate: validateRole,
    checks: { update: ['object', 'validate', 'change'] },
  });
}

function validateRole(role: Role, errors: FieldErrors): void {
  for (const [index, rule] of (role.rules ?? []).entries()) {
    validatePolicyRule(rule, true, fieldPath('rules').index(index), errors);
  }
}
