import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { clusterRoleBindingDefinition } from './cluster-role-binding.js';
import { clusterRoleDefinition } from './cluster-role.js';
import { roleBindingDefinition } from './role-binding.js';
import { roleDefinition } from './role.js';
import type { RoleGuard } from './rules.js';

/** rbac.authorization.k8s.io/v1. The guard is asked before every create and update. */
export function rbacDefinitions(guard: RoleGuard): readonly ResourceDefinition[] {
  return [clusterRoleBindingDefinition(guard), clusterRoleDefinition(guard), roleBindingDefinition(guard), roleDefinition(guard)];
}
