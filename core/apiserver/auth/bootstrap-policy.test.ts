import { beforeAll, describe, expect, it } from '@jest/globals';
import { generatedData } from '../../api/schema-data.js';
import { pathAttributes, resourceAttributes } from './authorizer.js';
import type { BootstrapPolicy, BootstrapPolicyData, BootstrapResource } from './bootstrap-policy.js';
import { bootstrapPolicy, reconcileBootstrapRoles } from './bootstrap-policy.js';
import { RbacAuthorizer } from './rbac-authorizer.js';
import { RbacStore } from './rbac-store.js';
import type { ClusterRole, RoleBinding } from './rbac-types.js';
import { aggregateRules } from '../../api/role-aggregation.js';
import type { UserInfo } from './user-info.js';
import { serviceAccountGroups, serviceAccountUsername } from './user-info.js';

const policy = bootstrapPolicy(generatedData<BootstrapPolicyData>('bootstrap-rbac'));
type Objects = Map<string, ClusterRole | RoleBinding>;

const keyOf = (resource: string, namespace: string, name: string): string => `${resource}/${namespace}/${name}`;

function reconcile(objects: Objects, expected: BootstrapPolicy = policy): ReturnType<typeof reconcileBootstrapRoles> {
  return reconcileBootstrapRoles(expected, (resource, namespace, name) => objects.get(keyOf(resource, namespace, name)));
}

function apply(objects: Objects, steps: ReturnType<typeof reconcileBootstrapRoles>): Objects {
  const result = new Map(objects);
  for (const { resource, object } of steps) {
    result.set(keyOf(resource, object.metadata.namespace ?? '', object.metadata.name ?? ''), object);
  }
  return result;
}

describe('reconcileBootstrapRoles', () => {
  it('creates everything on a new cluster, roles before what binds them, and then nothing', () => {
    const steps = reconcile(new Map());
    const count =
      policy.clusterroles.length + policy.clusterrolebindings.length + policy.roles.length + policy.rolebindings.length;
    expect(steps).toHaveLength(count);
    expect(steps.every(step => step.operation === 'create')).toBe(true);
    expect(steps[0]).toMatchObject({
      resource: 'clusterroles',
      object: { kind: 'ClusterRole', apiVersion: 'rbac.authorization.k8s.io/v1' },
    });
    expect(reconcile(apply(new Map(), steps))).toEqual([]);
  });

  const change = (resource: BootstrapResource, name: string, edit: (object: ClusterRole & RoleBinding) => void): Objects => {
    const objects = apply(new Map(), reconcile(new Map()));
    const object = structuredClone(objects.get(keyOf(resource, '', name))) as ClusterRole & RoleBinding;
    edit(object);
    return objects.set(keyOf(resource, '', name), object);
  };

  it('adds missing rules and keeps added ones', () => {
    const mine = { verbs: ['frobnicate'], apiGroups: ['x'], resources: ['y'] };
    const objects = change('clusterroles', 'system:discovery', role => (role.rules = [mine]));
    const [step, ...more] = reconcile(objects);
    expect(more).toEqual([]);
    expect(step).toMatchObject({ operation: 'update', resource: 'clusterroles' });
    const { rules = [] } = step!.object as ClusterRole;
    expect(rules[0]).toEqual(mine);
    expect(rules).toContainEqual({ verbs: ['get'], nonResourceURLs: ['/apis/*'] });
    expect(reconcile(apply(objects, [step!]))).toEqual([]);
  });

  it('leaves alone what opted out', () => {
    const objects = change('clusterroles', 'system:discovery', role => {
      role.rules = [];
      role.metadata.annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' };
    });
    expect(reconcile(objects)).toEqual([]);
  });

  it('restores subjects, labels and annotations, and keeps those of others', () => {
    const eve = { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'eve' };
    const objects = change('clusterrolebindings', 'system:basic-user', binding => {
      binding.subjects = [eve];
      binding.metadata.labels = { mine: 'yes' };
    });
    const [step] = reconcile(objects);
    expect(step).toMatchObject({
      operation: 'update',
      object: {
        metadata: { labels: { mine: 'yes', 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
        subjects: [eve, { kind: 'Group', name: 'system:authenticated' }],
      },
    });
  });

  it('recreates a binding of another role', () => {
    const objects = change('clusterrolebindings', 'system:basic-user', binding => {
      binding.roleRef = { ...binding.roleRef, name: 'cluster-admin' };
    });
    expect(reconcile(objects)).toMatchObject([{ operation: 'recreate', object: { roleRef: { name: 'system:basic-user' } } }]);
  });

  it('adds missing selectors of an aggregation and takes an unexpected one away', () => {
    const selector = { matchLabels: { mine: 'yes' } };
    const admin = change('clusterroles', 'admin', role => (role.aggregationRule = { clusterRoleSelectors: [selector] }));
    const [step] = reconcile(admin);
    expect((step!.object as ClusterRole).aggregationRule?.clusterRoleSelectors).toEqual([
      selector,
      ...policy.clusterroles.find(role => role.metadata.name === 'admin')!.aggregationRule!.clusterRoleSelectors!,
    ]);
    const plain = change(
      'clusterroles',
      'system:discovery',
      role => (role.aggregationRule = { clusterRoleSelectors: [selector] }),
    );
    expect(reconcile(plain)[0]!.object).not.toHaveProperty('aggregationRule');
  });
});

describe('the bootstrap roles', () => {
  let rbac: RbacAuthorizer;
  const user = (name: string): UserInfo => ({ name, groups: ['system:authenticated'] });

  beforeAll(() => {
    const store = new RbacStore();
    let roles = [...policy.clusterroles];
    // Aggregations build on each other (admin on edit on view): as the controller, until nothing changes.
    for (let round = 0; round < 5; round++) {
      roles = roles.map(role => {
        const rules = aggregateRules(role, roles);
        return rules ? { ...role, rules } : role;
      });
    }
    expect(roles.every(role => aggregateRules(role, roles) === undefined)).toBe(true);
    for (const role of roles) store.upsert('clusterroles', role);
    for (const role of policy.roles) store.upsert('roles', role);
    for (const binding of policy.clusterrolebindings) store.upsert('clusterrolebindings', binding);
    for (const binding of policy.rolebindings) store.upsert('rolebindings', binding);
    for (const name of ['view', 'edit', 'admin', 'cluster-admin']) {
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
      const subjects = [{ kind: 'User', name }];
      store.upsert('rolebindings', { metadata: { namespace: 'team', name }, roleRef, subjects });
    }
    rbac = new RbacAuthorizer(store);
  });

  const can = (name: string, verb: string, what: string, namespace = 'team'): boolean => {
    const [path = '', subresource = ''] = what.split('/');
    const dot = path.indexOf('.');
    const resource = dot < 0 ? path : path.slice(0, dot);
    const group = dot < 0 ? '' : path.slice(dot + 1);
    const attributes = resourceAttributes({ user: user(name), verb, group, resource, subresource, namespace });
    return rbac.authorize(attributes).decision === 'allow';
  };

  // verb, resource, then who may: view, edit, admin, cluster-admin (bound in the namespace)
  it.each<[string, string, string]>([
    ['list', 'pods', 'vead'],
    ['get', 'pods/log', 'vead'],
    ['get', 'pods/status', 'vead'],
    ['create', 'pods', '_ead'],
    ['create', 'pods/exec', '_ead'],
    ['create', 'pods/attach', '_ead'],
    ['get', 'pods/exec', '_ead'],
    ['create', 'pods/eviction', '_ead'],
    ['update', 'pods/status', '___d'],
    ['get', 'configmaps', 'vead'],
    ['get', 'secrets', '_ead'],
    ['list', 'secrets', '_ead'],
    ['get', 'services', 'vead'],
    ['get', 'services/proxy', '_ead'],
    ['create', 'serviceaccounts/token', '_ead'],
    ['impersonate', 'serviceaccounts', '_ead'],
    ['list', 'deployments.apps', 'vead'],
    ['patch', 'deployments.apps', '_ead'],
    ['update', 'deployments.apps/scale', '_ead'],
    ['list', 'ingresses.networking.k8s.io', 'vead'],
    ['delete', 'networkpolicies.networking.k8s.io', '_ead'],
    ['get', 'roles.rbac.authorization.k8s.io', '__ad'],
    ['create', 'roles.rbac.authorization.k8s.io', '__ad'],
    ['create', 'rolebindings.rbac.authorization.k8s.io', '__ad'],
    ['escalate', 'roles.rbac.authorization.k8s.io', '___d'],
    ['bind', 'clusterroles.rbac.authorization.k8s.io', '___d'],
    ['create', 'localsubjectaccessreviews.authorization.k8s.io', '__ad'],
    ['get', 'resourcequotas', 'vead'],
    ['create', 'resourcequotas', '___d'],
    ['update', 'limitranges', '___d'],
    ['get', 'endpointslices.discovery.k8s.io', 'vead'],
    ['create', 'endpointslices.discovery.k8s.io', '___d'],
    ['create', 'pods/binding', '___d'],
    ['create', 'events', '_ead'],
    ['list', 'nodes', '___d'],
    ['get', 'things.example.com', '___d'],
  ])('%s %s: %s', (verb, what, expected) => {
    const letters = { view: 'v', edit: 'e', admin: 'a', 'cluster-admin': 'd' };
    const actual = Object.entries(letters).map(([name, letter]) => (can(name, verb, what) ? letter : '_'));
    expect(actual.join('')).toBe(expected);
    // A binding in one namespace opens no other, nor the cluster.
    for (const name of Object.keys(letters)) {
      expect(can(name, verb, what, 'other')).toBe(false);
      expect(can(name, verb, what, '')).toBe(false);
    }
  });

  it('let every user discover the API and ask what they may do', () => {
    const get = (path: string): boolean => rbac.authorize(pathAttributes(user('anyone'), 'get', path)).decision === 'allow';
    for (const path of ['/api', '/apis/apps/v1', '/openapi/v3', '/version', '/healthz', '/livez'])
      expect([path, get(path)]).toEqual([path, true]);
    for (const path of ['/metrics', '/logs/', '/debug/pprof']) expect([path, get(path)]).toEqual([path, false]);
    expect(can('anyone', 'create', 'selfsubjectaccessreviews.authorization.k8s.io', '')).toBe(true);
    expect(can('anyone', 'create', 'subjectaccessreviews.authorization.k8s.io', '')).toBe(false);
    expect(can('anyone', 'list', 'pods', 'default')).toBe(false);
  });

  it('give the parts of the control plane theirs', () => {
    const account = (name: string): UserInfo => ({
      name: serviceAccountUsername('kube-system', name),
      groups: [...serviceAccountGroups('kube-system'), 'system:authenticated'],
    });
    const may = (who: UserInfo, verb: string, resource: string, more: { group?: string; subresource?: string } = {}): boolean =>
      rbac.authorize(resourceAttributes({ user: who, verb, resource, namespace: 'x', ...more })).decision === 'allow';
    expect(may(user('system:kube-scheduler'), 'create', 'pods', { subresource: 'binding' })).toBe(true);
    expect(may(user('system:kube-scheduler'), 'get', 'secrets')).toBe(false);
    expect(may(user('system:kube-controller-manager'), 'create', 'secrets')).toBe(true);
    expect(may(account('deployment-controller'), 'update', 'replicasets', { group: 'apps' })).toBe(true);
    expect(may(account('deployment-controller'), 'get', 'secrets')).toBe(false);
    expect(may(account('namespace-controller'), 'deletecollection', 'whatever', { group: 'example.com' })).toBe(true);
    expect(may({ name: 'root', groups: ['system:masters'] }, 'delete', 'nodes')).toBe(true);
  });
});
