import type { Case, Step } from '../replay.js';

const group = '/apis/flowcontrol.apiserver.k8s.io/v1';
const schemas = `${group}/flowschemas`;
const levels = `${group}/prioritylevelconfigurations`;
const maps = '/api/v1/namespaces/default/configmaps';

const level = (spec: object): object => ({ metadata: { name: 'level' }, spec });
const limited = (fields: object): object => level({ type: 'Limited', limited: fields });
const queuing = (fields: object): object => limited({ limitResponse: { type: 'Queue', queuing: fields } });
const schema = (spec: object, name = 'schema'): object => ({
  metadata: { name },
  spec: { priorityLevelConfiguration: { name: 'catch-all' }, ...spec },
});
const rules = (...all: object[]): object => schema({ rules: all });
const everybody = [{ kind: 'Group', group: { name: 'system:authenticated' } }];
const anything = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }];
const rule = (fields: object): object => rules({ subjects: everybody, resourceRules: [{ ...anything[0], ...fields }] });
const path = (fields: object): object =>
  rules({ subjects: everybody, nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/x'], ...fields }] });
const creates = (...bodies: object[]): Step[] => bodies.map(body => ({ do: 'create', body }));
const subject = (fields: object): object => rules({ subjects: [fields], resourceRules: anything });

/** As somebody, so that the headers of the answer tell how the request was classified. */
const asked = (as: string, groups: string[], at: string, method = 'GET', body?: object): Step => ({
  do: 'request',
  method,
  path: at,
  as,
  groups,
  body,
  bare: true,
});
const account = (namespace: string, name: string, at: string, method?: string, body?: object): Step =>
  asked(
    `system:serviceaccount:${namespace}:${name}`,
    ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    at,
    method,
    body,
  );
const node = (at: string, method?: string): Step => asked('system:node:n', ['system:nodes', 'system:authenticated'], at, method);
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';
const part = (name: string, at: string): Step => asked(`system:${name}`, ['system:authenticated'], at);

const setPrecedence = (matchingPrecedence: number): Step => ({ do: 'update', patch: { spec: { matchingPrecedence } } });
const replaced = (at: string, spec: object): Step => ({
  do: 'request',
  method: 'PATCH',
  path: at,
  type: 'application/merge-patch+json',
  body: { spec },
});
const shown = (at: string): Step => ({ do: 'request', method: 'GET', path: at });

export const flowControlCases: readonly Case[] = [
  {
    name: 'what a cluster begins with',
    at: schemas,
    steps: [
      { do: 'wait', path: `${schemas}/system-nodes`, shows: '"Found"' },
      { do: 'wait', path: `${schemas}/catch-all`, shows: '"Found"' },
      { do: 'list' },
      { do: 'list', accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
      shown(levels),
      { do: 'request', method: 'GET', path: levels, accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    ],
  },
  {
    name: 'how requests are classified',
    at: maps,
    steps: [
      asked('somebody', ['system:authenticated'], maps),
      asked('somebody', ['system:authenticated'], '/version'),
      asked('somebody', ['system:authenticated'], '/healthz'),
      asked('somebody', ['system:authenticated'], '/readyz/ping'),
      asked('somebody', ['system:authenticated'], '/healthzz'),
      asked('somebody', ['system:authenticated'], '/nowhere'),
      asked('somebody', ['system:authenticated'], '/apis'),
      asked('somebody', ['system:authenticated'], '/api/v1/nowhere'),
      asked('somebody', ['system:masters'], maps),
      account('default', 'default', maps),
      account('default', 'default', '/api/v1/nodes'),
      account('default', 'default', leases),
      account('kube-system', 'x', maps),
      account('kube-system', 'x', leases),
      account('kube-system', 'x', `${leases}/y`),
      account('kube-system', 'x', leases, 'POST', {}),
      account('kube-system-2', 'x', leases, 'POST', {}),
      node(maps),
      node('/api/v1/nodes'),
      node('/api/v1/nodes/n'),
      node('/api/v1/nodes/n/status', 'PATCH'),
      node('/api/v1/nodes/n/proxy'),
      node(leases),
      part('kube-scheduler', maps),
      part('kube-scheduler', `${leases}/kube-scheduler`),
      part('kube-scheduler', '/healthz'),
      part('kube-controller-manager', `${leases}/x`),
      part('kube-controller-manager', '/api/v1/namespaces/default'),
      part('kube-proxy', maps),
    ],
  },
  {
    name: 'what is not limited',
    at: maps,
    steps: [
      { do: 'create', body: { metadata: { name: 'watched' } } },
      { do: 'watch', since: 'watched' },
      { do: 'request', method: 'GET', path: '/api/v1/namespaces/default/pods/none/log' },
      { do: 'request', method: 'POST', path: '/api/v1/namespaces/default/pods/none/exec' },
      { do: 'request', method: 'GET', path: '/api/v1/namespaces/default/services/none/proxy/' },
      { do: 'request', method: 'GET', path: '/api/v1/namespaces/default/configmaps/none/log' },
      { do: 'request', method: 'GET', path: '/%zz' },
    ],
  },
  {
    name: 'defaults of levels',
    at: levels,
    steps: [
      { do: 'create', body: limited({ limitResponse: { type: 'Reject' } }) },
      { do: 'table' },
      { do: 'update', patch: { spec: { limited: { limitResponse: { type: 'Queue', queuing: {} } } } } },
      { do: 'table' },
      { do: 'get', sub: 'status' },
      {
        do: 'update',
        sub: 'status',
        patch: { metadata: { labels: { a: 'b' } }, status: { conditions: [{ type: 'A', status: 'True' }] } },
      },
      {
        do: 'patch',
        type: 'application/apply-patch+yaml',
        patch: {
          apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
          kind: 'PriorityLevelConfiguration',
          metadata: { name: 'level' },
          spec: { limited: { lendablePercent: 5 } },
        },
      },
      { do: 'delete' },
    ],
  },
  {
    name: 'wrong levels',
    at: levels,
    steps: creates(
      level({}),
      level({ type: 'Exempt' }),
      level({ type: 'Exempt', exempt: {}, limited: {} }),
      level({ type: 'Limited' }),
      level({ type: 'Limited', exempt: {} }),
      level({ type: 'Other' }),
      limited({}),
      limited({ limitResponse: { type: 'Other' } }),
      limited({ limitResponse: { type: 'Queue' } }),
      limited({ limitResponse: { type: 'Reject', queuing: {} } }),
      limited({
        nominalConcurrencyShares: -1,
        lendablePercent: 101,
        borrowingLimitPercent: -1,
        limitResponse: { type: 'Reject' },
      }),
      limited({ lendablePercent: -1, limitResponse: { type: 'Reject' } }),
      queuing({ queues: -1, handSize: -1, queueLengthLimit: -1 }),
      queuing({ queues: 10_000_001, handSize: 1 }),
      queuing({ queues: 4, handSize: 5 }),
      queuing({ queues: 512, handSize: 8 }),
      queuing({ queues: 1024, handSize: 6 }),
      {
        metadata: { name: 'level', annotations: { 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares': '' } },
        spec: { type: 'Limited', limited: { nominalConcurrencyShares: 0, limitResponse: { type: 'Reject' } } },
      },
      { metadata: { name: 'Level_' }, spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } } },
    ),
  },
  {
    name: 'what cannot be changed',
    at: levels,
    steps: [
      replaced(`${levels}/catch-all`, { limited: { nominalConcurrencyShares: 6 } }),
      replaced(`${levels}/exempt`, { type: 'Limited' }),
      replaced(`${levels}/exempt`, { exempt: { nominalConcurrencyShares: -1, lendablePercent: 101 } }),
      replaced(`${schemas}/catch-all`, { matchingPrecedence: 9999 }),
      replaced(`${schemas}/catch-all`, { distinguisherMethod: null, rules: null }),
      replaced(`${schemas}/exempt`, { priorityLevelConfiguration: { name: 'catch-all' } }),
    ],
  },
  {
    name: 'levels that are missing',
    at: schemas,
    steps: [
      { do: 'create', body: schema({ priorityLevelConfiguration: { name: 'level' } }) },
      { do: 'wait', path: `${schemas}/schema`, shows: '"NotFound"' },
      { do: 'get' },
      { do: 'table' },
      { do: 'update', patch: { spec: { priorityLevelConfiguration: { name: 'workload-low' } } } },
      { do: 'wait', path: `${schemas}/schema`, shows: '"Found"' },
      { do: 'get' },
      { do: 'table' },
      { do: 'update', sub: 'status', patch: { status: { conditions: null } } },
      { do: 'wait', path: `${schemas}/schema`, shows: '"Found"' },
      { do: 'get' },
      { do: 'delete' },
    ],
  },
  {
    name: 'wrong schemas',
    at: schemas,
    steps: [
      ...creates(
        { metadata: { name: 'schema' } },
        { metadata: { name: 'schema' }, spec: { priorityLevelConfiguration: { name: 'A_' } } },
        schema({ matchingPrecedence: -1 }),
        schema({ matchingPrecedence: 1 }),
        schema({ matchingPrecedence: 10_001 }),
        schema({ distinguisherMethod: {} }),
        schema({ distinguisherMethod: { type: 'ByName' } }),
        rules({}),
        rules({ subjects: [] }, { subjects: everybody, resourceRules: [{}], nonResourceRules: [{}] }),
        subject({}),
        subject({ kind: 'Other' }),
        subject({ kind: 'User' }),
        subject({ kind: 'Group' }),
        subject({ kind: 'ServiceAccount' }),
        subject({ kind: 'User', user: {}, group: { name: 'g' }, serviceAccount: { name: 'x', namespace: 'y' } }),
        subject({ kind: 'Group', user: { name: 'u' }, group: {}, serviceAccount: { name: 'x', namespace: 'y' } }),
        subject({ kind: 'ServiceAccount', user: { name: 'u' }, group: { name: 'g' }, serviceAccount: {} }),
        subject({ kind: 'ServiceAccount', serviceAccount: { name: 'A_', namespace: 'B_' } }),
        rule({ verbs: [] }),
        rule({ verbs: ['*', 'get'] }),
        rule({ verbs: ['get', 'look'] }),
        rule({ apiGroups: [] }),
        rule({ apiGroups: ['*', 'a'] }),
        rule({ resources: [] }),
        rule({ resources: ['*', 'a'] }),
        rule({ namespaces: [] }),
        rule({ namespaces: [], clusterScope: false }),
        rule({ namespaces: ['*', 'a'] }),
        rule({ namespaces: ['A_', '', 'b'] }),
        path({ verbs: ['look'] }),
        path({ nonResourceURLs: [] }),
        path({ nonResourceURLs: ['*', '/a'] }),
        path({ nonResourceURLs: ['', '/', 'a', '/a b', '/a//b', '/*/a', '/a*', '/a/*', '/*/*'] }),
      ),
    ],
  },
  {
    name: 'precedence',
    at: schemas,
    steps: [
      { do: 'create', body: rules({ subjects: everybody, resourceRules: anything }) },
      { do: 'wait', path: `${schemas}/schema`, shows: '"Found"' },
      setPrecedence(9999),
      setPrecedence(10_001),
    ],
  },
];
