import type { ClusterRoleBinding } from '../../../api/generated/types.js';
import { ClusterRoleBindings } from '../../../api/generated/resources.js';
import { nameIsPathSegment } from '../../../machinery/names.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { bindingRow, defaultBinding, validateBinding, validateBindingUpdate } from './binding.js';
import type { RoleGuard } from './rules.js';
import { changesOnlyOwnership } from './rules.js';

export function clusterRoleBindingDefinition(guard: RoleGuard): ResourceDefinition {
  return defineResource<ClusterRoleBinding>({
    reference: ClusterRoleBindings,
    generation: false,
    allowCreateOnUpdate: true,
    validateName: name => nameIsPathSegment(name, false),
    defaults: defaultBinding,
    prepareForCreate(binding, { caller }) {
      guard.checkBinding({ user: caller, resource: 'clusterrolebindings', binding, namespace: '' });
    },
    prepareForUpdate(binding, old, { caller }) {
      if (changesOnlyOwnership(binding, old)) return;
      guard.checkBinding({ user: caller, resource: 'clusterrolebindings', binding, namespace: '' });
    },
    validate: (binding, errors) => validateBinding(binding, false, errors),
    checks: { update: ['object', 'validate', 'change', 'validateUpdate'] },
    validateUpdate: validateBindingUpdate,
    row: bindingRow,
  });
}
