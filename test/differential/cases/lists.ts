import type { Case, Step } from '../replay.js';

const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const partial = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const space = '/namespaces/listed';
// A namespace that stays, since its deletion takes a controller; the default account has one upstream.
const made: Step[] = [
  { do: 'request', method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'listed' } } },
  { do: 'request', method: 'POST', path: `/api/v1${space}/serviceaccounts`, body: { metadata: { name: 'lister' } } },
];

/** Three objects, the first two with a label. */
function three(at: string, more: object = {}): Step[] {
  return ['a', 'b', 'c'].map(name => ({
    do: 'create',
    at,
    body: { metadata: { name, ...(name === 'c' ? {} : { labels: { app: 'web' } }) }, ...more },
  }));
}

const listings: Step[] = [
  { do: 'list', query: 'limit=1' },
  { do: 'list', query: 'limit=1', more: true },
  { do: 'list', query: 'limit=1', more: true },
  { do: 'list', query: 'limit=2' },
  { do: 'list', more: true },
  { do: 'list', query: 'limit=2', accept: table },
  { do: 'list', query: 'limit=2', accept: partial },
  { do: 'list', query: 'limit=1&labelSelector=app%3Dweb' },
  { do: 'list', query: 'limit=1&labelSelector=app%3Dweb', more: true },
  { do: 'list', query: 'limit=0' },
  { do: 'list', query: 'limit=-1' },
  { do: 'list', query: 'limit=x' },
  { do: 'list', query: 'limit=1&continue=bogus' },
  { do: 'list', query: 'continue=e30' },
  { do: 'list', query: 'limit=1' },
  { do: 'list', query: 'resourceVersion=5', more: true },
  { do: 'list', query: 'limit=1' },
  { do: 'list', query: 'resourceVersionMatch=Exact', more: true },
  { do: 'list', query: 'labelSelector=app' },
  { do: 'list', query: 'labelSelector=!app' },
  { do: 'list', query: 'labelSelector=app+in+(web,x),app!%3Dy' },
  { do: 'list', query: 'labelSelector=a+b' },
  { do: 'list', query: 'labelSelector=app+in+()' },
  { do: 'list', query: 'fieldSelector=metadata.name%3Db' },
  { do: 'list', query: 'fieldSelector=metadata.name!%3Db,metadata.namespace%3Dlisted' },
  { do: 'list', query: 'fieldSelector=metadata.name' },
  { do: 'list', query: 'fieldSelector=spec.nowhere%3Db' },
  { do: 'list', query: 'fieldSelector=metadata.name+in+(b)' },
  { do: 'list', query: 'resourceVersion=0' },
  { do: 'list', query: 'resourceVersion=x' },
  { do: 'list', query: 'resourceVersion=-1' },
  { do: 'list', query: 'resourceVersionMatch=NotOlderThan' },
  { do: 'list', query: 'resourceVersionMatch=Nonsense&resourceVersion=1' },
  { do: 'list', query: 'resourceVersion=0&resourceVersionMatch=Exact' },
  { do: 'list', query: 'resourceVersion=0&resourceVersionMatch=NotOlderThan' },
  { do: 'list', since: 'b', query: 'resourceVersionMatch=Exact' },
  { do: 'list', since: 'b', query: 'resourceVersionMatch=NotOlderThan' },
  { do: 'list', since: 'b' },
  { do: 'list', since: 'b', query: 'limit=1' },
  { do: 'list', since: 'b', query: 'limit=1&resourceVersionMatch=Exact' },
  { do: 'list', more: true },
  { do: 'list', query: 'sendInitialEvents=true' },
  { do: 'list', query: 'timeoutSeconds=x' },
  { do: 'list', query: 'resourceVersion=999999999' },
  { do: 'list', query: 'pretty=true&limit=1' },
];

const watches: Step[] = [
  { do: 'watch', since: 'a' },
  { do: 'watch', since: 'a', query: 'labelSelector=app%3Dweb' },
  { do: 'watch', since: 'a', query: 'labelSelector=!app' },
  { do: 'watch', since: 'a', query: 'fieldSelector=metadata.name%3Db' },
  { do: 'watch', since: 'a', accept: table },
  { do: 'watch', since: 'a', query: 'limit=1&fieldSelector=metadata.name%3Da', accept: partial.replace('List', '') },
  { do: 'watch', since: 'a', query: 'resourceVersion=x' },
  { do: 'watch', since: 'a', query: 'resourceVersion=0&labelSelector=app%3Dweb&fieldSelector=metadata.namespace%3Dlisted' },
  { do: 'watch', since: 'a', query: 'resourceVersion=' },
  { do: 'watch', since: 'a', query: 'resourceVersionMatch=NotOlderThan' },
  { do: 'watch', since: 'a', query: 'resourceVersionMatch=Exact&sendInitialEvents=true' },
  { do: 'watch', since: 'a', query: 'sendInitialEvents=true' },
  { do: 'watch', since: 'a', query: 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true' },
  { do: 'watch', since: 'a', query: 'sendInitialEvents=false&resourceVersionMatch=NotOlderThan' },
  { do: 'watch', since: 'a', query: 'labelSelector=a+b' },
  { do: 'watch', since: 'a', query: 'fieldSelector=spec.nowhere%3Db' },
  { do: 'watch', since: 'a', query: 'timeoutSeconds=x' },
];

/** What depends on the kind. */
const someListings = [...listings.slice(0, 4), ...listings.filter(step => step.do === 'list' && step.query?.includes('nowhere'))];
const someWatches = watches.filter(
  (step, index) => index < 4 || (step.do === 'watch' && /nowhere|allowWatchBookmarks/.test(step.query ?? '')),
);

/** What deletes answer and leave, whatever is deleted. */
function deletes(at: string): Step[] {
  return [
    { do: 'delete', at: `${at}/none` },
    { do: 'delete', at: `${at}/a`, query: '?dryRun=All' },
    { do: 'delete', at: `${at}/a`, query: '?dryRun=x' },
    { do: 'delete', at: `${at}/a`, query: '?propagationPolicy=Sometimes' },
    { do: 'delete', at: `${at}/a`, query: '?propagationPolicy=Orphan&orphanDependents=true' },
    { do: 'delete', at: `${at}/a`, query: '?gracePeriodSeconds=x' },
    { do: 'delete', at: `${at}/a`, body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'other' } } },
    { do: 'delete', at: `${at}/a`, body: { preconditions: { resourceVersion: '1' } } },
    { do: 'delete', at: `${at}/a`, body: { kind: 'Nonsense', apiVersion: 'v1' } },
    { do: 'delete', at: `${at}/a`, body: { noSuchField: 1 } },
    { do: 'delete', at: `${at}/a`, body: { gracePeriodSeconds: 'x' } },
    { do: 'delete', at: `${at}/a`, body: { propagationPolicy: 'Foreground', orphanDependents: false } },
    { do: 'delete', at: `${at}/a`, body: { propagationPolicy: 'Orphan', gracePeriodSeconds: 0 } },
    { do: 'request', method: 'GET', path: `${at}/a` },
    { do: 'delete', at: `${at}/a`, body: { propagationPolicy: 'Foreground', gracePeriodSeconds: 0 } },
    { do: 'request', method: 'GET', path: `${at}/a` },
    { do: 'delete', at: `${at}/b`, body: { propagationPolicy: 'Foreground' } },
    { do: 'delete', at: `${at}/b`, body: { propagationPolicy: 'Background', gracePeriodSeconds: 0 } },
    { do: 'request', method: 'GET', path: `${at}/b` },
  ];
}

const finish = (at: string): Step[] => [
  {
    do: 'request',
    method: 'PATCH',
    path: `${at}/a`,
    type: 'application/merge-patch+json',
    body: { metadata: { finalizers: null } },
  },
  {
    do: 'request',
    method: 'PATCH',
    path: `${at}/b`,
    type: 'application/merge-patch+json',
    body: { metadata: { finalizers: null } },
  },
  { do: 'delete', at, query: '?labelSelector=a+b' },
  { do: 'delete', at, query: '?fieldSelector=spec.nowhere%3Db' },
  { do: 'delete', at, query: '?labelSelector=app%3Dnone' },
  { do: 'delete', at, query: '?fieldSelector=metadata.name%3Dc&dryRun=All' },
  {
    do: 'delete',
    at,
    query: '?fieldSelector=metadata.name%3Dc',
    body: { propagationPolicy: 'Background', gracePeriodSeconds: 0 },
  },
  { do: 'delete', at, body: { gracePeriodSeconds: 0 } },
  { do: 'list' },
];

const container = { name: 'c', image: 'i' };
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [container] } };

/** On no node, hence gone at once. */
const kinds: readonly [name: string, at: string, body: object][] = [
  ['ConfigMap', `/api/v1${space}/configmaps`, { data: { a: 'b' } }],
  [
    'Pod',
    `/api/v1${space}/pods`,
    { spec: { serviceAccountName: 'lister', automountServiceAccountToken: false, containers: [container] } },
  ],
  ['Deployment', `/apis/apps/v1${space}/deployments`, { spec: { selector: { matchLabels: { app: 'web' } }, template } }],
  ['Job', `/apis/batch/v1${space}/jobs`, { spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } }],
  ['Service', `/api/v1${space}/services`, { spec: { clusterIP: 'None' } }],
];

export const listCases: readonly Case[] = [
  ...kinds.flatMap(([kind, at, body]): Case[] => [
    { name: `${kind}: lists`, at, steps: [...made, ...three(at, body), ...(kind === 'ConfigMap' ? listings : someListings)] },
    {
      name: `${kind}: watches`,
      at,
      steps: [
        ...made,
        ...three(at, body),
        { do: 'patch', type: 'application/merge-patch+json', patch: { metadata: { labels: { app: 'web' } } } },
        { do: 'patch', type: 'application/merge-patch+json', patch: { metadata: { labels: { app: 'other' } } } },
        { do: 'delete', at: `${at}/b`, query: '?propagationPolicy=Background&gracePeriodSeconds=0' },
        ...(kind === 'ConfigMap' ? watches : someWatches),
      ],
    },
    { name: `${kind}: deletes`, at, steps: [...made, ...three(at, body), ...deletes(at), ...finish(at)] },
  ]),
  {
    name: 'Pod: grace',
    at: `/api/v1${space}/pods`,
    steps: [
      ...made,
      {
        do: 'create',
        body: {
          metadata: { name: 'bound' },
          spec: {
            nodeName: 'n',
            serviceAccountName: 'lister',
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 20,
            containers: [container],
          },
        },
      },
      { do: 'delete', query: '?dryRun=All' },
      { do: 'delete', body: { gracePeriodSeconds: -1, dryRun: ['All'] } },
      { do: 'delete', body: { gracePeriodSeconds: 3000000000 } },
      { do: 'delete' },
      { do: 'get' },
      { do: 'delete' },
      { do: 'delete', query: '?gracePeriodSeconds=40' },
      { do: 'delete', query: '?gracePeriodSeconds=10' },
      { do: 'get' },
      { do: 'delete', body: { gracePeriodSeconds: 5, propagationPolicy: 'Foreground' } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { metadata: { deletionGracePeriodSeconds: 1 } } },
      { do: 'update', patch: { metadata: { deletionTimestamp: null } } },
      { do: 'update', patch: { metadata: { finalizers: ['example.com/late'] } } },
      { do: 'update', patch: { spec: { terminationGracePeriodSeconds: 1 } } },
      { do: 'patch', type: 'application/merge-patch+json', patch: { metadata: { finalizers: null } } },
      { do: 'delete', query: '?gracePeriodSeconds=0' },
      { do: 'get' },
    ],
  },
];
