import type { RoleBinding } from '../../../api/generated/types.js';
import { RoleBindings } from '../../../api/generated/resources.js';
import { nameIsPathSegment } from '../../../machinery/names.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { bindingRow, defaultBinding, validateBinding, validateBindingUpdate } from './binding.js';
import type { RoleGuard } from './rules.js';
import { changesOnlyOwnership } from './rules.js';

export function roleBindingDefinition(guard: RoleGuard): ResourceDefinition {
  return defineResource<RoleBinding>({
    reference: RoleBindings,
    generation: false,
    allowCreateOnUpdate: true,
    validateName: name => nameIsPathSegment(name, false),
    defaults: defaultBinding,
    prepareForCreate(binding, { caller, namespace }) {
      guard.checkBinding({ user: caller, resource: 'rolebindings', binding, namespace });
    },
    prepareForUpdate(binding, old, { caller, namespace }) {
      if (changesOnlyOwnership(binding, old)) return;
      guard.checkBinding({ user: caller, resource: 'rolebindings', binding, namespace });
    },
    validate: (binding, errors) => validateBinding(binding, true, errors),
    checks: { update: ['object', 'validate', 'change', 'validateUpdate'] },
    validateUpdate: validateBindingUpdate,
    row: bindingRow,
  });
}
