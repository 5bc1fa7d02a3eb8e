import { describe, expect, it } from '@jest/globals';
import type { BindingWrite, RoleWrite } from './escalation.js';
import { EscalationGuard } from './escalation.js';
import { RbacAuthorizer } from './rbac-authorizer.js';
import { RbacStore } from './rbac-store.js';
import type { PolicyRule } from './rbac-types.js';
import { compactRules, coversRules, ruleText, uncoveredRules } from './rule-coverage.js';
import type { UserInfo } from './user-info.js';

const rule = (verbs: string[], group: string, resources: string[], resourceNames?: string[]): PolicyRule => ({
  verbs,
  apiGroups: [group],
  resources,
  ...(resourceNames ? { resourceNames } : {}),
});
const urls = (verbs: string[], ...nonResourceURLs: string[]): PolicyRule => ({ verbs, nonResourceURLs });

describe('coversRules', () => {
  it.each<[string, PolicyRule[], PolicyRule[], boolean]>([
    ['the same', [rule(['get'], '', ['pods'])], [rule(['get'], '', ['pods'])], true],
    [
      'several owners together',
      [rule(['get'], '', ['pods']), rule(['list'], '', ['pods'])],
      [rule(['get', 'list'], '', ['pods'])],
      true,
    ],
    ['star verbs', [rule(['*'], '', ['pods'])], [rule(['get', 'x'], '', ['pods'])], true],
    ['star is more than all that is named', [rule(['get', 'list'], '', ['pods'])], [rule(['*'], '', ['pods'])], false],
    ['star groups', [rule(['*'], '*', ['*'])], [rule(['get'], 'apps', ['deployments/scale'])], true],
    ['star resource of one group', [rule(['*'], '', ['*'])], [rule(['get'], 'apps', ['deployments'])], false],
    ['subresource of any', [rule(['get'], '', ['*/scale'])], [rule(['get'], '', ['pods/scale'])], true],
    ['a resource is not its subresource', [rule(['get'], '', ['pods'])], [rule(['get'], '', ['pods/log'])], false],
    ['names within', [rule(['get'], '', ['pods'], ['a', 'b'])], [rule(['get'], '', ['pods'], ['a'])], true],
    ['names outside', [rule(['get'], '', ['pods'], ['a'])], [rule(['get'], '', ['pods'], ['c'])], false],
    ['all names are more than some', [rule(['get'], '', ['pods'], ['a'])], [rule(['get'], '', ['pods'])], false],
    ['path under a prefix', [urls(['get'], '/api*')], [urls(['get'], '/api/x', '/apis')], true],
    ['path outside', [urls(['get'], '/api/*')], [urls(['get'], '/api')], false],
    ['resources are no paths', [rule(['*'], '*', ['*'])], [urls(['get'], '/x')], false],
    ['nothing is always covered', [], [], true],
  ])('%s', (_title, owner, servant, covered) => expect(coversRules(owner, servant)).toBe(covered));

  it('compacts what is missing', () => {
    const missing = uncoveredRules([], [rule(['get', 'list'], 'apps', ['deployments']), urls(['get'], '/x')]);
    expect(missing).toHaveLength(3);
    expect(compactRules(missing).map(ruleText)).toEqual([
      '{NonResourceURLs:["/x"], Verbs:["get"]}',
      '{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}',
    ]);
    expect(ruleText(rule(['get'], '', ['secrets'], ['s']))).toBe(
      '{APIGroups:[""], Resources:["secrets"], ResourceNames:["s"], Verbs:["get"]}',
    );
  });
});

describe('EscalationGuard', () => {
  const alice: UserInfo = { name: 'alice', groups: ['dev', 'system:authenticated'] };
  const root: UserInfo = { name: 'root', groups: ['system:masters'] };
  const clusterRef = (name: string): { apiGroup: string; kind: string; name: string } => ({
    apiGroup: 'rbac.authorization.k8s.io',
    kind: 'ClusterRole',
    name,
  });
  const refused = (message: string, httpStatus = 403): Error =>
    expect.objectContaining({ message, httpStatus }) as unknown as Error;

  function setUp(...rules: PolicyRule[]): { guard: EscalationGuard; store: RbacStore } {
    const store = new RbacStore();
    store.upsert('clusterroles', { metadata: { name: 'own' }, rules });
    store.upsert('clusterroles', { metadata: { name: 'secrets' }, rules: [rule(['get'], '', ['secrets'])] });
    const subjects = [{ kind: 'User', name: 'alice' }];
    store.upsert('rolebindings', { metadata: { namespace: 'ns', name: 'own' }, roleRef: clusterRef('own'), subjects });
    const rbac = new RbacAuthorizer(store);
    return { guard: new EscalationGuard(rbac, rbac), store };
  }
  const role = (...rules: PolicyRule[]): RoleWrite => ({
    user: alice,
    resource: 'roles',
    namespace: 'ns',
    requestName: '',
    role: { metadata: { name: 'new' }, rules },
  });

  it('lets users hand on what they hold where they hold it', () => {
    const { guard } = setUp(rule(['get', 'list'], '', ['pods']));
    guard.checkRole(role(rule(['get'], '', ['pods'])));
    expect(() => guard.checkRole({ ...role(rule(['get'], '', ['pods'])), namespace: 'other' })).toThrow(/not currently held/);
    expect(() => guard.checkRole(role(rule(['get', 'delete'], '', ['pods', 'secrets'])))).toThrow(
      refused(
        'roles.rbac.authorization.k8s.io "new" is forbidden: user "alice" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
          '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n' +
          '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}',
      ),
    );
    guard.checkRole({ ...role(rule(['*'], '*', ['*'])), user: root });
  });

  it('lets those who may escalate', () => {
    const { guard } = setUp(rule(['escalate'], 'rbac.authorization.k8s.io', ['roles']));
    guard.checkRole(role(rule(['*'], '*', ['*'])));
    const { guard: named } = setUp(rule(['escalate'], 'rbac.authorization.k8s.io', ['roles'], ['x']));
    expect(() => named.checkRole(role(rule(['get'], '', ['pods'])))).toThrow(/not currently held/);
    named.checkRole({ ...role(rule(['get'], '', ['pods'])), requestName: 'x' });
  });

  it('keeps aggregation to those who may do everything', () => {
    const { guard } = setUp(rule(['*'], '*', ['*']));
    const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] };
    const write: RoleWrite = { ...role(), resource: 'clusterroles', namespace: '' };
    expect(() => guard.checkRole({ ...write, role: { metadata: { name: 'agg' }, aggregationRule } })).toThrow(
      refused(
        'clusterroles.rbac.authorization.k8s.io "agg" is forbidden: must have cluster-admin privileges to use the aggregationRule',
      ),
    );
    expect(() => guard.checkRole({ ...write, old: { metadata: { name: 'agg' }, aggregationRule } })).toThrow(/aggregationRule/);
    guard.checkRole(write);
  });

  it('guards bindings by the rules of the role, or the right to bind it', () => {
    const binding = (kind: string, name: string): BindingWrite => ({
      user: alice,
      resource: 'rolebindings',
      namespace: 'ns',
      binding: { metadata: { name: 'b' }, roleRef: { ...clusterRef(name), kind }, subjects: [] },
    });
    const { guard } = setUp(rule(['get'], '', ['pods']));
    expect(() => guard.checkBinding(binding('ClusterRole', 'secrets'))).toThrow(
      refused(
        'rolebindings.rbac.authorization.k8s.io "b" is forbidden: user "alice" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
          '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
      ),
    );
    expect(() => guard.checkBinding(binding('ClusterRole', 'missing'))).toThrow(
      refused('rolebindings.rbac.authorization.k8s.io "missing" not found', 404),
    );
    guard.checkBinding(binding('ClusterRole', 'own'));
    const { guard: binder } = setUp(rule(['bind'], 'rbac.authorization.k8s.io', ['clusterroles'], ['secrets']));
    binder.checkBinding(binding('ClusterRole', 'secrets'));
    expect(() =>
      binder.checkBinding({ ...binding('ClusterRole', 'secrets'), resource: 'clusterrolebindings', namespace: '' }),
    ).toThrow(/not currently held/);
  });

  it('tells of rules that could not be resolved', () => {
    const { guard, store } = setUp(rule(['get'], '', ['pods']));
    store.delete('clusterroles', '', 'own');
    expect(() => guard.checkRole(role(rule(['get'], '', ['pods'])))).toThrow(
      /\n\{.*\}; resolution errors: \[clusterrole\.rbac\.authorization\.k8s\.io "own" not found\]$/,
    );
  });
});
