import type { ReviewedRequest, Verdict } from '../support/webhook-server.js';

/** Two mutating webhooks, of which the first comes back after changes, and a validating one. */
export type WebhookName = 'first' | 'second' | 'last';

export interface WebhookStep {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly type?: string;
  /** What webhooks say; those that are not named let it pass. */
  readonly verdicts?: Partial<Record<WebhookName, (request: ReviewedRequest) => Verdict>>;
}

const maps = '/api/v1/namespaces/{namespace}/configmaps';
const pods = '/api/v1/namespaces/{namespace}/pods/none';
const deployment = '/apis/apps/v1/namespaces/{namespace}/deployments/d';
const merge = 'application/merge-patch+json';
const map = (name: string, data: object = {}): object => ({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name }, data });
const event = { metadata: { name: 'e' }, involvedObject: { namespace: 'hooked' }, message: 'm', reason: 'r', type: 'Normal' };
const scale = {
  kind: 'Scale',
  apiVersion: 'autoscaling/v1',
  metadata: { name: 'd', namespace: 'hooked' },
  spec: { replicas: 2 },
};
const eviction = { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name: 'none' } };
const review = { user: 'u', resourceAttributes: { namespace: 'hooked', verb: 'get', resource: 'pods' } };
const owned = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'applied' }, data: { y: '2' } };

const plain: readonly WebhookStep[] = [
  { name: 'create', method: 'POST', path: `${maps}?fieldManager=me&fieldValidation=Strict`, body: map('a', { x: '1' }) },
  { name: 'create with a generated name', method: 'POST', path: maps, body: { metadata: { generateName: 'made-' } } },
  { name: 'update that changes nothing', method: 'PUT', path: `${maps}/a`, body: map('a', { x: '1' }) },
  { name: 'update', method: 'PUT', path: `${maps}/a`, body: map('a', { x: '2' }) },
  { name: 'patch as a dry run', method: 'PATCH', path: `${maps}/a?dryRun=All`, body: { data: { y: '2' } }, type: merge },
  {
    name: 'apply of something new',
    method: 'PATCH',
    path: `${maps}/applied?fieldManager=app&force=true`,
    body: owned,
    type: 'application/apply-patch+yaml',
  },
  { name: 'patch of a scale', method: 'PATCH', path: `${deployment}/scale`, body: { spec: { replicas: 1 } }, type: merge },
  { name: 'update of a scale', method: 'PUT', path: `${deployment}/scale`, body: scale },
  {
    name: 'patch of a status',
    method: 'PATCH',
    path: `${deployment}/status`,
    body: { status: { observedGeneration: 1 } },
    type: merge,
  },
  {
    name: 'review',
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews',
    body: { metadata: { namespace: 'hooked' }, spec: review },
  },
  { name: 'eviction', method: 'POST', path: `${pods}/eviction`, body: eviction },
  { name: 'attach', method: 'GET', path: `${pods}/attach?container=c&stdin=true&stdout=false` },
  { name: 'exec', method: 'POST', path: `${pods}/exec?command=ls&command=-l&stdin=1` },
  { name: 'port-forward', method: 'POST', path: `${pods}/portforward?ports=80&ports=90` },
  { name: 'log', method: 'GET', path: `${pods}/log` },
  { name: 'event', method: 'POST', path: '/api/v1/namespaces/{namespace}/events', body: event },
  {
    name: 'patch of the namespace',
    method: 'PATCH',
    path: '/api/v1/namespaces/{namespace}',
    body: { metadata: { labels: { q: 'r' } } },
    type: merge,
  },
  {
    name: 'delete with options',
    method: 'DELETE',
    path: `${maps}/applied`,
    body: { gracePeriodSeconds: 3, propagationPolicy: 'Background', preconditions: {} },
  },
  { name: 'delete in older words', method: 'DELETE', path: `${maps}/nope?orphanDependents=true` },
  { name: 'delete in older words, in a body', method: 'DELETE', path: deployment, body: { orphanDependents: false } },
  { name: 'delete of nothing', method: 'DELETE', path: `${maps}/nope` },
  { name: 'create of what is there', method: 'POST', path: maps, body: map('a') },
  { name: 'update of what is not there', method: 'PUT', path: `${maps}/nope`, body: map('nope') },
  { name: 'create of something invalid', method: 'POST', path: maps, body: map('A_B') },
];

const add = (path: string, value: unknown): object => ({ op: 'add', path, value });

/** What the first webhook does to a new object. */
const patches: Readonly<Record<string, readonly object[]>> = {
  data: [add('/data', { k: 'v' })],
  'a failing test': [{ op: 'test', path: '/metadata/name', value: 'q' }],
  'what is not there away': [{ op: 'remove', path: '/data/none' }],
  'another type': [add('/data', 'text')],
  'an unknown field': [add('/spec', { a: 1 })],
  'an unknown operation': [{ op: 'frob', path: '/x' }],
  'another name': [{ op: 'replace', path: '/metadata/name', value: 'renamed' }],
  'another namespace': [{ op: 'replace', path: '/metadata/namespace', value: 'default' }],
  'no namespace': [{ op: 'remove', path: '/metadata/namespace' }],
  'another version': [{ op: 'replace', path: '/apiVersion', value: 'v2' }],
  'another kind': [{ op: 'replace', path: '/kind', value: 'Secret' }],
  'a kind that there is not': [{ op: 'replace', path: '/kind', value: 'Nothing' }],
  'another kind of another group': [
    { op: 'replace', path: '/kind', value: 'Lease' },
    { op: 'replace', path: '/apiVersion', value: 'coordination.k8s.io/v1' },
  ],
  'a bad finalizer': [add('/metadata/finalizers', ['nodomain'])],
  'a deletion': [add('/metadata/deletionTimestamp', '2026-01-01T00:00:00Z')],
  'a uid': [add('/metadata/uid', 'mine')],
  nothing: [],
  'the whole': [{ op: 'replace', path: '', value: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'root' } } }],
  'a bad label': [add('/metadata/labels', { 'a b': 'c' })],
};

const patching: readonly WebhookStep[] = Object.entries(patches).flatMap(([name, patch], index) => [
  { name: `a patch: ${name}`, method: 'POST', path: maps, body: map(`patched-${index}`), verdicts: { first: () => ({ patch }) } },
]);

/** What the second webhook makes of what the first has made another kind. */
const setRight: readonly WebhookStep[] = [
  {
    name: 'a patch: another kind, and back',
    method: 'POST',
    path: maps,
    body: map('there-and-back'),
    verdicts: {
      first: () => ({ patch: [{ op: 'replace', path: '/kind', value: 'Secret' }] }),
      second: () => ({ patch: [{ op: 'replace', path: '/kind', value: 'ConfigMap' }, add('/data', { k: 'v' })] }),
    },
  },
];

const replicas = (value: number) => (): Verdict => ({ patch: [{ op: 'replace', path: '/spec/replicas', value }] });
const labelled = (): Verdict => ({ patch: [add('/metadata/labels', { z: 'z' })] });
const scaling = { method: 'PATCH', path: `${deployment}/scale`, body: { spec: { replicas: 3 } }, type: merge };

const statuses: Readonly<Record<string, object | undefined>> = {
  none: undefined,
  empty: {},
  'a message': { message: 'm' },
  'a reason': { reason: 'R' },
  success: { code: 200, message: 'ok', status: 'Success' },
  whole: {
    code: 418,
    reason: 'Teapot',
    message: 'm',
    details: { name: 'n', causes: [{ reason: 'r', message: 'm', field: 'f' }], retryAfterSeconds: 3 },
  },
};

const refusing: readonly WebhookStep[] = Object.entries(statuses).map(([name, status]) => ({
  name: `a refusal: ${name}`,
  method: 'POST',
  path: maps,
  body: map('refused'),
  verdicts: { last: () => ({ allowed: false, ...(status ? { status } : {}) }) },
}));

const long = ['x'.repeat(3000), 'y'.repeat(3000), 'w1'];

export const webhookSteps: readonly WebhookStep[] = [
  ...plain,
  ...patching,
  ...setRight,
  { name: 'a scale changed', ...scaling, verdicts: { first: request => (request.operation === 'UPDATE' ? replicas(5)() : {}) } },
  { name: 'a scale spoiled', ...scaling, verdicts: { first: replicas(-5) } },
  { name: 'an update changed', method: 'PUT', path: `${maps}/a`, body: map('a', { x: '2' }), verdicts: { first: labelled } },
  {
    name: 'an update changed behind',
    method: 'PUT',
    path: `${maps}/a`,
    body: map('a', { x: '7' }),
    verdicts: { second: labelled },
  },
  { name: 'a deletion changed', method: 'DELETE', path: `${maps}/a?dryRun=All`, verdicts: { first: labelled } },
  ...refusing,
  {
    name: 'warnings',
    method: 'POST',
    path: maps,
    body: map('warned'),
    verdicts: {
      first: () => ({ allowed: false, warnings: ['w1', 'w2', '', 'w1', 'not\u0001so'] }),
      last: () => ({ warnings: ['never'] }),
    },
  },
  {
    name: 'long warnings',
    method: 'POST',
    path: maps,
    body: map('warned'),
    verdicts: { first: () => ({ warnings: ['w1', 'ü€'] }), last: () => ({ warnings: long }) },
  },
  {
    name: 'a connection refused',
    method: 'GET',
    path: '/api/v1/namespaces/{namespace}/services/http:s:80/proxy/a/b?c=d',
    verdicts: { last: () => ({ allowed: false }) },
  },
  {
    name: 'a collection refused',
    method: 'DELETE',
    path: `${maps}?labelSelector=z`,
    verdicts: { last: () => ({ allowed: false }) },
  },
  { name: 'a collection', method: 'DELETE', path: `${maps}?labelSelector=z` },
];

/** What the last webhook answers in place of a review: body, status, headers. */
export const webhookAnswers: Readonly<Record<string, readonly [string, number?, Record<string, string>?]>> = {
  empty: [''],
  text: ['hello'],
  half: ['{"kind":'],
  list: ['[]'],
  number: ['1'],
  null: ['null'],
  object: ['{}'],
  'no response': ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}'],
  pod: ['{"kind":"Pod","apiVersion":"v1"}'],
  status: ['{"kind":"Status","apiVersion":"v1","status":"Failure","message":"oops"}'],
  'another uid': ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u","allowed":true}}'],
  'another version': ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","response":{"uid":"u"}}'],
  'another type': ['{"response":{"allowed":"yes"}}'],
  'no base64': ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"allowed":true,"patch":"!!!"}}'],
  yaml: ['kind: AdmissionReview\napiVersion: admission.k8s.io/v1\n'],
  html: ['<html>', 200, { 'content-type': 'text/html' }],
  ...Object.fromEntries([204, 400, 403, 404, 409, 429, 500, 503].map(code => [`${code}`, [code === 204 ? '' : 'said', code]])),
  'json with 500': ['{"a":1}', 500, { 'content-type': 'application/json' }],
  'a status with 500': ['{"kind":"Status","apiVersion":"v1","status":"Failure","message":"oops","code":500}', 500],
};
