import { describe, expect, it } from '@jest/globals';
import type { FlowSchema, PolicyRulesWithSubjects } from '../../api/generated/types.js';
import type { UserInfo } from '../auth/user-info.js';
import { FlowControlBench, queuingLevel, schemaOf, user } from './testing/flow-control-bench.js';

const any = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] };

describe('which schema a request falls under', () => {
  const defaults = new FlowControlBench(600);
  const found = (who: UserInfo, method: string, url: string, bench = defaults): string => {
    const { schema, distinguisher } = bench.levels.matcher.match(who, bench.request(method, url));
    return `${schema.name} ${distinguisher}`.trim();
  };
  const account = (namespace: string): UserInfo =>
    user(`system:serviceaccount:${namespace}:x`, 'system:serviceaccounts', `system:serviceaccounts:${namespace}`);
  const node = user('system:node:n', 'system:nodes');

  it.each<[string, UserInfo, string, string]>([
    ['exempt', user('admin', 'system:masters'), 'GET', '/api/v1/pods'],
    ['probes', user('somebody'), 'GET', '/readyz/ping'],
    ['global-default somebody', user('somebody'), 'POST', '/readyz'],
    ['global-default somebody', user('somebody'), 'GET', '/readyzz'],
    ['probes', { name: 'system:anonymous', groups: ['system:unauthenticated'] }, 'GET', '/livez'],
    ['service-accounts system:serviceaccount:default:x', account('default'), 'GET', '/api/v1/pods'],
    ['kube-system-service-accounts', account('kube-system'), 'GET', '/api/v1/nodes'],
    ['kube-system-service-accounts web', account('kube-system'), 'GET', '/api/v1/namespaces/web/pods'],
    ['service-accounts system:serviceaccount:kube-system-2:x', account('kube-system-2'), 'GET', '/api/v1/nodes'],
    [
      'system-leader-election system:serviceaccount:kube-system:x',
      account('kube-system'),
      'PUT',
      '/apis/coordination.k8s.io/v1/namespaces/a/leases/b',
    ],
    ['system-node-high system:node:n', node, 'PATCH', '/api/v1/nodes/n/status'],
    ['system-nodes system:node:n', node, 'GET', '/api/v1/nodes/n/proxy'],
    ['system-nodes system:node:n', node, 'GET', '/version'],
    ['kube-scheduler default', user('system:kube-scheduler'), 'GET', '/api/v1/namespaces/default/pods'],
    // Nobody's: as upstream does it, all the same.
    ['catch-all', { name: 'nobody', groups: [] }, 'GET', '/api/v1/pods'],
  ])('%s', (expected, who, method, url) => {
    expect(found(who, method, url)).toBe(expected);
  });

  it('looks at verbs, groups, resources, namespaces and scope', () => {
    const rules: PolicyRulesWithSubjects[] = [
      {
        subjects: [{ kind: 'User', user: { name: 'picky' } }],
        resourceRules: [
          { verbs: ['get'], apiGroups: ['apps'], resources: ['deployments', 'deployments/status'], namespaces: ['a'] },
        ],
        nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/a/*', '/b'] }],
      },
      { subjects: [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'n', name: 's' } }], resourceRules: [any] },
      { subjects: [{ kind: 'User' }, { kind: 'Group' }, { kind: 'ServiceAccount' }, { kind: 'Other' }], resourceRules: [any] },
    ];
    const schema: FlowSchema = { ...schemaOf('picked', 'workload-low'), spec: { ...schemaOf('x', 'workload-low').spec, rules } };
    const bench = new FlowControlBench(600, [], [schema]);
    const picky = user('picky');
    const picked = (method: string, url: string, who = picky): boolean => found(who, method, url, bench).startsWith('picked ');
    expect(picked('GET', '/apis/apps/v1/namespaces/a/deployments/x')).toBe(true);
    expect(picked('GET', '/apis/apps/v1/namespaces/a/deployments/x/status')).toBe(true);
    expect(picked('GET', '/apis/apps/v1/namespaces/a/deployments/x/scale')).toBe(false);
    expect(picked('GET', '/apis/apps/v1/namespaces/a/deployments')).toBe(false);
    expect(picked('PUT', '/apis/apps/v1/namespaces/a/deployments/x')).toBe(false);
    expect(picked('GET', '/apis/apps/v1/namespaces/b/deployments/x')).toBe(false);
    expect(picked('GET', '/apis/other/v1/namespaces/a/deployments/x')).toBe(false);
    expect(picked('GET', '/apis/apps/v1/deployments/x')).toBe(false);
    expect(picked('GET', '/a/b/c')).toBe(true);
    expect(picked('GET', '/b')).toBe(true);
    expect(picked('GET', '/b/c')).toBe(true);
    expect(picked('GET', '/bc')).toBe(false);
    expect(picked('POST', '/b')).toBe(false);
    expect(picked('GET', '/api/v1/pods', user('system:serviceaccount:n:s'))).toBe(true);
    expect(picked('GET', '/api/v1/pods', user('system:serviceaccount:n:s2'))).toBe(false);
  });

  it('goes by precedence, then by name, and takes the groups that a name has now', () => {
    const levels = [queuingLevel('level', 1, { queues: 1, handSize: 1, queueLengthLimit: 1 })];
    const late = { matchingPrecedence: 60 };
    const schemas = [schemaOf('a', 'level', late), schemaOf('c', 'level'), schemaOf('b', 'level'), schemaOf('d', 'missing')];
    const bench = new FlowControlBench(600, levels, schemas);
    const of = (...groups: string[]): string => found(user('u', ...groups), 'GET', '/api/v1/pods', bench);
    expect(of('a', 'b', 'c', 'd')).toBe('b u');
    expect(of('a', 'c')).toBe('c u');
    expect(of('a')).toBe('a u');
    expect(of('d')).toBe('catch-all u');
    const undistinguished = new FlowControlBench(600, levels, [schemaOf('a', 'level', { distinguisherMethod: undefined })]);
    expect(found(user('u', 'a'), 'GET', '/api/v1/pods', undistinguished)).toBe('a');
  });
});
