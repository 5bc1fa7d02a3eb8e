import { describe, expect, it } from '@jest/globals';
import type { Attributes } from './authorizer.js';
import { MastersAuthorizer, pathAttributes, resourceAttributes, UnionAuthorizer } from './authorizer.js';
import { forbiddenError } from './forbidden.js';
import { RbacAuthorizer } from './rbac-authorizer.js';
import { RbacStore } from './rbac-store.js';
import type { PolicyRule, Subject } from './rbac-types.js';
import type { UserInfo } from './user-info.js';

const user = (name: string, ...groups: string[]): UserInfo => ({ name, groups, extra: {} });
const alice = user('alice', 'system:authenticated');

function can(who: UserInfo, verb: string, what: string, where: Partial<Attributes> = {}): Attributes {
  const [resource = '', subresource = ''] = what.split('/');
  return resourceAttributes({ user: who, verb, resource, subresource, ...where });
}

function clusterRole(store: RbacStore, name: string, ...rules: PolicyRule[]): void {
  store.upsert('clusterroles', { metadata: { name }, rules });
}

function bindCluster(store: RbacStore, name: string, role: string, ...subjects: Subject[]): void {
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role };
  store.upsert('clusterrolebindings', { metadata: { name }, roleRef, subjects });
}

function bind(store: RbacStore, namespace: string, name: string, [kind, role]: [string, string], ...subjects: Subject[]): void {
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind, name: role };
  store.upsert('rolebindings', { metadata: { namespace, name }, roleRef, subjects });
}

describe('matching of rules', () => {
  const cases: [string, PolicyRule, Partial<Attributes> & { verb: string; resource: string }, boolean][] = [
    ['exact', { verbs: ['get'], apiGroups: [''], resources: ['pods'] }, { verb: 'get', resource: 'pods' }, true],
    ['other verb', { verbs: ['get'], apiGroups: [''], resources: ['pods'] }, { verb: 'list', resource: 'pods' }, false],
    [
      'other group',
      { verbs: ['get'], apiGroups: [''], resources: ['pods'] },
      { verb: 'get', resource: 'pods', group: 'x' },
      false,
    ],
    ['all verbs', { verbs: ['*'], apiGroups: [''], resources: ['pods'] }, { verb: 'frobnicate', resource: 'pods' }, true],
    ['all groups', { verbs: ['*'], apiGroups: ['*'], resources: ['pods'] }, { verb: 'get', resource: 'pods', group: 'x' }, true],
    [
      'a resource does not cover its subresources',
      { verbs: ['*'], apiGroups: ['*'], resources: ['pods'] },
      { verb: 'get', resource: 'pods', subresource: 'log' },
      false,
    ],
    [
      'a subresource does not cover its resource',
      { verbs: ['*'], apiGroups: ['*'], resources: ['pods/log'] },
      { verb: 'get', resource: 'pods' },
      false,
    ],
    [
      'a subresource',
      { verbs: ['*'], apiGroups: ['*'], resources: ['pods/log'] },
      { verb: 'get', resource: 'pods', subresource: 'log' },
      true,
    ],
    [
      'any resource with that subresource',
      { verbs: ['*'], apiGroups: ['*'], resources: ['*/scale'] },
      { verb: 'get', resource: 'things', subresource: 'scale' },
      true,
    ],
    [
      'no other subresource',
      { verbs: ['*'], apiGroups: ['*'], resources: ['*/scale'] },
      { verb: 'get', resource: 'things', subresource: 'upscale' },
      false,
    ],
    [
      'all resources',
      { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
      { verb: 'get', resource: 'pods', subresource: 'log' },
      true,
    ],
    [
      'pods/* is no pattern',
      { verbs: ['*'], apiGroups: ['*'], resources: ['pods/*'] },
      { verb: 'get', resource: 'pods', subresource: 'log' },
      false,
    ],
    [
      'a name',
      { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] },
      { verb: 'get', resource: 'secrets', name: 'a' },
      true,
    ],
    [
      'another name',
      { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] },
      { verb: 'get', resource: 'secrets', name: 'b' },
      false,
    ],
    [
      'names do not allow collections',
      { verbs: ['list'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] },
      { verb: 'list', resource: 'secrets' },
      false,
    ],
    ['paths are not resources', { verbs: ['*'], nonResourceURLs: ['*'] }, { verb: 'get', resource: 'pods' }, false],
  ];
  it.each(cases)('%s', (_title, rule, asked, allowed) => {
    const store = new RbacStore();
    clusterRole(store, 'r', rule);
    bindCluster(store, 'b', 'r', { kind: 'User', name: 'alice' });
    const verdict = new RbacAuthorizer(store).authorize(resourceAttributes({ user: alice, ...asked }));
    expect(verdict.decision).toBe(allowed ? 'allow' : 'no-opinion');
  });

  it.each([
    ['/healthz', '/healthz', true],
    ['/healthz', '/healthz/etcd', false],
    ['/healthz/*', '/healthz/etcd', true],
    ['/healthz/*', '/healthz', false],
    ['*', '/anything', true],
    ['/api*', '/apis/apps', true],
  ])('path %s and %s', (pattern, path, allowed) => {
    const store = new RbacStore();
    clusterRole(store, 'r', { verbs: ['get'], nonResourceURLs: [pattern] });
    bindCluster(store, 'b', 'r', { kind: 'Group', name: 'system:authenticated' });
    const rbac = new RbacAuthorizer(store);
    expect(rbac.authorize(pathAttributes(alice, 'get', path)).decision).toBe(allowed ? 'allow' : 'no-opinion');
    expect(rbac.authorize(pathAttributes(alice, 'post', path)).decision).toBe('no-opinion');
  });
});

describe('bindings', () => {
  const readPods: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  const getPod = (who: UserInfo, namespace: string): Attributes => can(who, 'get', 'pods', { namespace, name: 'p' });

  it('of a namespace hold only there, also for cluster roles', () => {
    const store = new RbacStore();
    clusterRole(store, 'reader', readPods);
    bind(store, 'one', 'b', ['ClusterRole', 'reader'], { kind: 'User', name: 'alice' });
    const rbac = new RbacAuthorizer(store);
    expect(rbac.authorize(getPod(alice, 'one'))).toEqual({
      decision: 'allow',
      reason: 'RBAC: allowed by RoleBinding "b/one" of ClusterRole "reader" to User "alice"',
    });
    expect(rbac.authorize(getPod(alice, 'two')).decision).toBe('no-opinion');
    expect(rbac.authorize(getPod(alice, '')).decision).toBe('no-opinion');
  });

  it('name service accounts with or without their namespace', () => {
    const store = new RbacStore();
    clusterRole(store, 'reader', readPods);
    bind(store, 'one', 'b', ['ClusterRole', 'reader'], { kind: 'ServiceAccount', name: 'sa' });
    bindCluster(
      store,
      'c',
      'reader',
      { kind: 'ServiceAccount', name: 'sa', namespace: 'two' },
      { kind: 'ServiceAccount', name: 'x' },
    );
    const rbac = new RbacAuthorizer(store);
    expect(rbac.authorize(getPod(user('system:serviceaccount:one:sa'), 'one')).reason).toBe(
      'RBAC: allowed by RoleBinding "b/one" of ClusterRole "reader" to ServiceAccount "sa/one"',
    );
    expect(rbac.authorize(getPod(user('system:serviceaccount:two:sa'), 'three')).reason).toBe(
      'RBAC: allowed by ClusterRoleBinding "c" of ClusterRole "reader" to ServiceAccount "sa/two"',
    );
    expect(rbac.authorize(getPod(user('system:serviceaccount::x'), 'one')).decision).toBe('no-opinion');
  });

  it('of users do not bind groups of that name', () => {
    const store = new RbacStore();
    clusterRole(store, 'reader', readPods);
    bindCluster(store, 'b', 'reader', { kind: 'User', name: 'ops' });
    const rbac = new RbacAuthorizer(store);
    expect(rbac.authorize(getPod(user('alice', 'ops'), 'one')).decision).toBe('no-opinion');
    expect(rbac.authorize(getPod(user('ops'), 'one')).decision).toBe('allow');
  });

  it('follow changes of roles, of bindings, and their end', () => {
    const store = new RbacStore();
    const rbac = new RbacAuthorizer(store);
    bindCluster(store, 'b', 'reader', { kind: 'User', name: 'alice' });
    expect(rbac.authorize(getPod(alice, 'one'))).toEqual({
      decision: 'no-opinion',
      reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "reader" not found',
    });
    clusterRole(store, 'reader', readPods);
    expect(rbac.authorize(getPod(alice, 'one')).decision).toBe('allow');
    clusterRole(store, 'reader');
    expect(rbac.authorize(getPod(alice, 'one')).decision).toBe('no-opinion');
    clusterRole(store, 'reader', readPods);
    bindCluster(store, 'b', 'reader', { kind: 'User', name: 'bob' });
    expect(rbac.authorize(getPod(alice, 'one')).decision).toBe('no-opinion');
    expect(rbac.authorize(getPod(user('bob'), 'one')).decision).toBe('allow');
    store.delete('clusterrolebindings', '', 'b');
    expect(rbac.authorize(getPod(user('bob'), 'one')).decision).toBe('no-opinion');
    store.upsert('roles', { metadata: { namespace: 'one', name: 'reader' }, rules: [readPods] });
    bind(store, 'one', 'b', ['Role', 'reader'], { kind: 'User', name: 'bob' });
    expect(rbac.authorize(getPod(user('bob'), 'one')).decision).toBe('allow');
    store.delete('roles', 'one', 'reader');
    expect(rbac.authorize(getPod(user('bob'), 'one')).reason).toBe('RBAC: role.rbac.authorization.k8s.io "reader" not found');
    store.delete('rolebindings', 'one', 'b');
    expect(rbac.authorize(getPod(user('bob'), 'one'))).toEqual({ decision: 'no-opinion', reason: '' });
  });

  it('take hostile names as names', () => {
    const store = new RbacStore();
    clusterRole(store, '__proto__', readPods);
    bindCluster(store, 'constructor', '__proto__', { kind: 'User', name: '__proto__' });
    const rbac = new RbacAuthorizer(store);
    expect(rbac.authorize(getPod(user('__proto__'), '__proto__')).decision).toBe('allow');
    expect(rbac.authorize(getPod(user('constructor'), '__proto__')).decision).toBe('no-opinion');
  });
});

describe('rulesFor', () => {
  it('lists rules once per binding and what cannot be resolved', () => {
    const store = new RbacStore();
    clusterRole(
      store,
      'r',
      { verbs: ['get'], apiGroups: [''], resources: ['pods'] },
      { verbs: ['get'], nonResourceURLs: ['/x'] },
    );
    bindCluster(store, 'b', 'r', { kind: 'User', name: 'alice' }, { kind: 'Group', name: 'system:authenticated' });
    bind(store, 'one', 'c', ['Role', 'missing'], { kind: 'User', name: 'alice' });
    expect(new UnionAuthorizer([new MastersAuthorizer(), new RbacAuthorizer(store)]).rulesFor(alice, 'one')).toEqual({
      resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
      nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }],
      incomplete: false,
      evaluationError: 'role.rbac.authorization.k8s.io "missing" not found',
    });
  });
});

describe('union', () => {
  it('lets masters do everything and joins the reasons of the others', () => {
    const store = new RbacStore();
    bindCluster(store, 'b', 'gone', { kind: 'User', name: 'alice' });
    const no = { authorize: () => ({ decision: 'no-opinion', reason: 'first' }) as const };
    const union = new UnionAuthorizer([new MastersAuthorizer(), no, new RbacAuthorizer(store)]);
    expect(union.authorize(can(user('root', 'system:masters'), 'delete', 'nodes')).decision).toBe('allow');
    expect(union.authorize(can(alice, 'delete', 'nodes')).reason).toBe(
      'first\nRBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
    );
    const deny = { authorize: () => ({ decision: 'deny', reason: 'never' }) as const };
    expect(new UnionAuthorizer([deny, new MastersAuthorizer()]).authorize(can(user('r', 'system:masters'), 'get', 'x'))).toEqual({
      decision: 'deny',
      reason: 'never',
    });
  });
});

describe('forbiddenError', () => {
  it('is worded as clients know it', () => {
    const texts = [
      forbiddenError(can(user('x'), 'list', 'pods', { namespace: 'default' })),
      forbiddenError(can(user('x'), 'get', 'pods/log', { namespace: 'default', name: 'web' }), 'because'),
      forbiddenError(can(user('x'), 'list', 'deployments', { group: 'apps' })),
      forbiddenError(pathAttributes(user('<b>"&'), 'get', '/metrics')),
    ].map(error => error.message);
    expect(texts).toEqual([
      'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"',
      'pods "web" is forbidden: User "x" cannot get resource "pods/log" in API group "" in the namespace "default": because',
      'deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps" at the cluster scope',
      'forbidden: User "&lt;b&gt;\\"&amp;" cannot get path "/metrics"',
    ]);
  });
});
