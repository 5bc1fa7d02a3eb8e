import { describe, expect, it } from '@jest/globals';
import type { Attributes } from './authorizer.js';
import { resourceAttributes } from './authorizer.js';
import { Impersonation } from './impersonation.js';
import type { UserInfo } from './user-info.js';

const admin: UserInfo = { name: 'admin', groups: ['ops'], extra: {} };

/** An authorizer that allows what the list names: `VERB GROUP/RESOURCE[/SUB] [NS/]NAME`. */
function allowing(...allowed: string[]): { impersonation: Impersonation; asked: string[] } {
  const asked: string[] = [];
  const authorize = (a: Attributes): { decision: 'allow' | 'no-opinion'; reason: string } => {
    const resource = [a.group, a.resource, a.subresource].filter(part => part !== '').join('/');
    const text = `${a.verb} ${resource} ${[a.namespace, a.name].filter(part => part !== '').join('/')}`.trim();
    asked.push(text);
    return { decision: allowed.includes('*') || allowed.includes(text) ? 'allow' : 'no-opinion', reason: '' };
  };
  return { impersonation: new Impersonation({ authorize }), asked };
}

const refused = (message: string, httpStatus = 403): Error =>
  expect.objectContaining({ message, httpStatus }) as unknown as Error;

describe('the old impersonate verb', () => {
  it('checks user, UID, groups and extra one by one', () => {
    const { impersonation, asked } = allowing('*');
    const headers = ['Impersonate-User', 'bob', 'impersonate-group', 'a', 'Impersonate-Group', 'b', 'Impersonate-Uid', 'u1'];
    headers.push('Impersonate-Extra-Scopes', 'view', 'IMPERSONATE-EXTRA-Acme.com%2fProject', 'p');
    expect(impersonation.impersonate(admin, headers)).toEqual({
      name: 'bob',
      uid: 'u1',
      groups: ['a', 'b', 'system:authenticated'],
      extra: { scopes: ['view'], 'acme.com/project': ['p'] },
    });
    expect(asked).toEqual([
      'impersonate users bob',
      'impersonate authentication.k8s.io/uids u1',
      'impersonate groups a',
      'impersonate groups b',
      'impersonate authentication.k8s.io/userextras/scopes view',
      'impersonate authentication.k8s.io/userextras/acme.com/project p',
    ]);
  });

  it('leaves requests without such headers alone', () => {
    const { impersonation, asked } = allowing();
    expect(impersonation.impersonate(admin, ['If-Match', 'x', 'Accept', '*/*', 'Impersonate-User', ''])).toBe(admin);
    expect(asked).toEqual([]);
  });

  it('gives service accounts their groups and anonymous its own', () => {
    const { impersonation } = allowing('*');
    expect(impersonation.impersonate(admin, ['Impersonate-User', 'system:serviceaccount:ns:sa'])).toMatchObject({
      groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
    });
    expect(impersonation.impersonate(admin, ['Impersonate-User', 'system:anonymous'])).toMatchObject({
      groups: ['system:unauthenticated'],
    });
    const headers = ['Impersonate-User', 'x', 'Impersonate-Group', 'system:unauthenticated'];
    expect(impersonation.impersonate(admin, headers)).toMatchObject({ groups: ['system:unauthenticated'] });
  });

  it('refuses with the texts that clients know', () => {
    const { impersonation } = allowing('impersonate users bob');
    expect(() => impersonation.impersonate(admin, ['Impersonate-User', 'eve'])).toThrow(
      refused('users "eve" is forbidden: User "admin" cannot impersonate resource "users" in API group "" at the cluster scope'),
    );
    expect(() => impersonation.impersonate(admin, ['Impersonate-User', 'system:serviceaccount:ns:sa'])).toThrow(
      refused(
        'serviceaccounts "sa" is forbidden: User "admin" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "ns"',
      ),
    );
    expect(() => impersonation.impersonate(admin, ['Impersonate-User', 'bob', 'Impersonate-Group', 'system:masters'])).toThrow(
      refused(
        'groups "system:masters" is forbidden: User "admin" cannot impersonate resource "groups" in API group "" at the cluster scope',
      ),
    );
    expect(() => impersonation.impersonate(admin, ['Impersonate-Group', 'g'])).toThrow(
      refused(
        'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"g"}, Extra:map[string][]string(nil)} without impersonating a user name',
        400,
      ),
    );
  });

  it('takes __proto__ as a key like any other', () => {
    const { impersonation } = allowing('*');
    const user = impersonation.impersonate(admin, ['Impersonate-User', 'bob', 'Impersonate-Extra-__proto__', 'x']);
    expect(Object.keys(user.extra ?? {})).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('constrained impersonation', () => {
  const listPods = (user: UserInfo): Attributes => resourceAttributes({ user, verb: 'list', resource: 'pods', namespace: 'ns' });

  it('needs the user and the request', () => {
    const onlyUser = allowing('impersonate:user-info authentication.k8s.io/users bob');
    expect(() => onlyUser.impersonation.impersonate(admin, ['Impersonate-User', 'bob'], listPods(admin))).toThrow(
      refused(
        'pods is forbidden: User "admin" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "ns"',
      ),
    );
    const both = allowing('impersonate:user-info authentication.k8s.io/users bob', 'impersonate-on:user-info:list pods ns');
    expect(both.impersonation.impersonate(admin, ['Impersonate-User', 'bob'], listPods(admin))).toMatchObject({ name: 'bob' });
    expect(both.asked).toEqual([
      'impersonate-on:user-info:list pods ns',
      'impersonate:user-info authentication.k8s.io/users bob',
    ]);
  });

  it('never gives system:masters, though the old verb may', () => {
    const headers = ['Impersonate-User', 'bob', 'Impersonate-Group', 'system:masters'];
    const constrained = allowing(
      'impersonate-on:user-info:list pods ns',
      'impersonate:user-info authentication.k8s.io/users bob',
      'impersonate:user-info authentication.k8s.io/groups system:masters',
    );
    expect(() => constrained.impersonation.impersonate(admin, headers, listPods(admin))).toThrow(
      /impersonating the system:masters group is not allowed/,
    );
    const old = allowing('impersonate users bob', 'impersonate groups system:masters');
    expect(old.impersonation.impersonate(admin, headers, listPods(admin))).toMatchObject({
      groups: ['system:masters', 'system:authenticated'],
    });
  });

  it('lets an agent act as its own node only', () => {
    const agent: UserInfo = {
      name: 'system:serviceaccount:ns:agent',
      groups: [],
      extra: { 'authentication.kubernetes.io/node-name': ['n1'] },
    };
    const rights = ['impersonate-on:associated-node:list pods ns', 'impersonate:associated-node authentication.k8s.io/nodes *'];
    const { impersonation } = allowing(...rights);
    expect(impersonation.impersonate(agent, ['Impersonate-User', 'system:node:n1'], listPods(agent))).toMatchObject({
      name: 'system:node:n1',
      groups: ['system:nodes', 'system:authenticated'],
    });
    expect(() => impersonation.impersonate(agent, ['Impersonate-User', 'system:node:n2'], listPods(agent))).toThrow(
      /arbitrary-node/,
    );
  });

  it('refuses extra keys without a domain', () => {
    const { impersonation } = allowing(
      'impersonate-on:user-info:list pods ns',
      'impersonate:user-info authentication.k8s.io/users b',
    );
    expect(() =>
      impersonation.impersonate(admin, ['Impersonate-User', 'b', 'Impersonate-Extra-Scopes', 'x'], listPods(admin)),
    ).toThrow(/must be a domain-prefixed path/);
  });
});
