import type { ObjectMeta } from '../../machinery/object.js';
import { jsonEqual } from '../../machinery/object.js';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject } from './rbac-types.js';
import { rbacGroup } from './rbac-types.js';
import { uncoveredRules } from './rule-coverage.js';

/** `core/api/generated/bootstrap-rbac.json`: names, labels and annotations stand beside the fields. */
export interface BootstrapPolicyData {
  readonly clusterRoles: readonly BootstrapRole[];
  readonly clusterRoleBindings: readonly BootstrapBinding[];
  readonly roles: readonly BootstrapRole[];
  readonly roleBindings: readonly BootstrapBinding[];
}

interface BootstrapMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

export interface BootstrapRole extends BootstrapMeta {
  readonly rules?: PolicyRule[];
  readonly aggregationRule?: ClusterRole['aggregationRule'];
}

export interface BootstrapBinding extends BootstrapMeta {
  readonly roleRef: RoleRef;
  readonly subjects?: Subject[];
}

export interface BootstrapPolicy {
  readonly clusterroles: readonly ClusterRole[];
  readonly clusterrolebindings: readonly ClusterRoleBinding[];
  readonly roles: readonly Role[];
  readonly rolebindings: readonly RoleBinding[];
}

/** The data as objects of the API. */
export function bootstrapPolicy(data: BootstrapPolicyData): BootstrapPolicy {
  return {
    clusterroles: data.clusterRoles.map(roleObject('ClusterRole')),
    clusterrolebindings: data.clusterRoleBindings.map(bindingObject('ClusterRoleBinding')),
    roles: data.roles.map(roleObject('Role')),
    rolebindings: data.roleBindings.map(bindingObject('RoleBinding')),
  };
}

const apiVersion = `${rbacGroup}/v1`;

function roleObject(kind: string): (role: BootstrapRole) => ClusterRole {
  return role => ({
    ...{ apiVersion, kind },
    metadata: metaOf(role),
    ...(role.rules ? { rules: role.rules } : {}),
    ...(role.aggregationRule ? { aggregationRule: role.aggregationRule } : {}),
  });
}

function bindingObject(kind: string): (binding: BootstrapBinding) => RoleBinding {
  return binding => ({
    ...{ apiVersion, kind },
    metadata: metaOf(binding),
    roleRef: binding.roleRef,
    ...(binding.subjects ? { subjects: binding.subjects } : {}),
  });
}

function metaOf({ name, namespace, labels, annotations }: BootstrapMeta): ObjectMeta {
  return {
    name,
    ...(namespace ? { namespace } : {}),
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
  };
}

export type BootstrapResource = keyof BootstrapPolicy;

export type BootstrapStep = {
  readonly resource: BootstrapResource;
  /** `recreate`: delete the old one (with its UID as precondition) first, for a role reference cannot be changed. */
  readonly operation: 'create' | 'update' | 'recreate';
  /** Carries the old one's resource version when it is an update. */
  readonly object: ClusterRole | RoleBinding;
};

const autoUpdateAnnotation = 'rbac.authorization.kubernetes.io/autoupdate';

/**
 * What must be written so that everybody's rights include what Kubernetes itself relies on. Rights and subjects that others
 * added stay; objects whose autoupdate annotation is "false" stay as they are. In the order in which to write.
 * Source: component-helpers auth/rbac/reconciliation, pkg/registry/rbac/rest.
 */
export function reconcileBootstrapRoles(
  expected: BootstrapPolicy,
  find: (resource: BootstrapResource, namespace: string, name: string) => ClusterRole | RoleBinding | undefined,
): BootstrapStep[] {
  const steps: BootstrapStep[] = [];
  const existing = <T extends ClusterRole | RoleBinding>(resource: BootstrapResource, { metadata }: T): T | undefined =>
    find(resource, metadata.namespace ?? '', metadata.name ?? '') as T | undefined;
  const roles = (resource: 'clusterroles' | 'roles'): void => {
    for (const wanted of expected[resource] as readonly ClusterRole[]) {
      const step = reconcileRole(existing(resource, wanted), wanted);
      if (step) steps.push({ resource, ...step });
    }
  };
  const bindings = (resource: 'clusterrolebindings' | 'rolebindings'): void => {
    for (const wanted of expected[resource]) {
      const step = reconcileBinding(existing(resource, wanted), wanted);
      if (step) steps.push({ resource, ...step });
    }
  };
  roles('clusterroles');
  bindings('clusterrolebindings');
  roles('roles');
  bindings('rolebindings');
  return steps;
}

type Step = Omit<BootstrapStep, 'resource'> | undefined;

function reconcileRole(existing: ClusterRole | undefined, wanted: ClusterRole): Step {
  if (!existing) return { operation: 'create', object: wanted };
  if (isProtected(existing.metadata)) return undefined;
  const metadata = mergedMeta(existing.metadata, wanted.metadata);
  const missing = uncoveredRules(existing.rules ?? [], wanted.rules ?? []);
  const result: ClusterRole = { ...existing, metadata: metadata ?? existing.metadata };
  if (missing.length > 0) result.rules = [...(existing.rules ?? []), ...missing];
  const aggregation = mergedAggregation(existing.aggregationRule, wanted.aggregationRule);
  if (aggregation.changed) {
    if (aggregation.rule) result.aggregationRule = aggregation.rule;
    else delete result.aggregationRule;
  }
  const changed = metadata !== undefined || missing.length > 0 || aggregation.changed;
  return changed ? { operation: 'update', object: result } : undefined;
}

function mergedAggregation(
  existing: ClusterRole['aggregationRule'],
  wanted: ClusterRole['aggregationRule'],
): { changed: boolean; rule: ClusterRole['aggregationRule'] } {
  if (!wanted) return { changed: existing !== undefined, rule: undefined };
  const have = existing?.clusterRoleSelectors ?? [];
  const missing = (wanted.clusterRoleSelectors ?? []).filter(selector => !have.some(known => jsonEqual(known, selector)));
  return { changed: missing.length > 0, rule: { ...existing, clusterRoleSelectors: [...have, ...missing] } };
}

function reconcileBinding(existing: RoleBinding | undefined, wanted: RoleBinding): Step {
  if (!existing) return { operation: 'create', object: wanted };
  if (isProtected(existing.metadata)) return undefined;
  if (!sameRoleRef(existing.roleRef, wanted.roleRef)) return { operation: 'recreate', object: wanted };
  const metadata = mergedMeta(existing.metadata, wanted.metadata);
  const have = existing.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter(subject => !have.some(known => sameSubject(known, subject)));
  if (!metadata && missing.length === 0) return undefined;
  const subjects = missing.length > 0 ? { subjects: [...have, ...missing] } : {};
  return { operation: 'update', object: { ...existing, metadata: metadata ?? existing.metadata, ...subjects } };
}

function isProtected(metadata: ObjectMeta): boolean {
  return metadata.annotations?.[autoUpdateAnnotation] === 'false';
}

/** With the labels and annotations that are missing; what is there wins. Undefined when nothing is missing. */
function mergedMeta(existing: ObjectMeta, wanted: ObjectMeta): ObjectMeta | undefined {
  const labels = { ...wanted.labels, ...existing.labels };
  const annotations = { ...wanted.annotations, ...existing.annotations };
  const isComplete = jsonEqual(labels, existing.labels ?? {}) && jsonEqual(annotations, existing.annotations ?? {});
  return isComplete ? undefined : { ...existing, labels, annotations };
}

function sameRoleRef(a: RoleRef, b: RoleRef): boolean {
  return a.apiGroup === b.apiGroup && a.kind === b.kind && a.name === b.name;
}

function sameSubject(a: Subject, b: Subject): boolean {
  const group = ({ apiGroup, kind }: Subject): string => apiGroup || (kind === 'ServiceAccount' ? '' : rbacGroup);
  return a.kind === b.kind && a.name === b.name && group(a) === group(b) && (a.namespace ?? '') === (b.namespace ?? '');
}
