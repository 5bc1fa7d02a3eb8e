import type { Call } from './replay.js';

export type AuditStep = Omit<Call, 'headers'> & {
  readonly name: string;
  /** Beside those of the comparison. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whoever asks shows no certificate. */
  readonly isStranger?: boolean;
};

/** Each is audited at its own level; the policy says which. */
export const auditedNamespaces = ['none', 'metadata', 'request', 'response', 'bare', 'late', 'strict'] as const;

/** Namespaces have the names of their levels. */
export const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: None, namespaces: [none]}
- {level: None, nonResourceURLs: [/healthz*]}
- {level: Metadata, resources: [{group: "", resources: [secrets, serviceaccounts/token]}]}
- {level: Metadata, namespaces: [metadata]}
- {level: Request, namespaces: [request, strict]}
- {level: RequestResponse, namespaces: [bare], omitManagedFields: true}
- {level: Metadata, namespaces: [late], omitStages: [RequestReceived, ResponseStarted]}
- {level: RequestResponse, namespaces: [response]}
- {level: Metadata, userGroups: [audited]}
- {level: RequestResponse, resources: [{group: "*", resources: ["namespaces", "*/finalize", "nodes/*"]}]}
- {level: None, users: ["system:serviceaccount:nowhere:nobody"]}
- {level: Metadata}
`;

const maps = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`;
const pods = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;
const deployments = '/apis/apps/v1/namespaces/response/deployments';
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const pod = (name: string, more: object = {}): object => ({
  metadata: { name },
  spec: { automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i', ...more }] },
});
const merge = 'application/merge-patch+json';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const protobuf = 'application/vnd.kubernetes.protobuf';

function ofLevel(namespace: string): AuditStep[] {
  const at = maps(namespace);
  const name = (what: string): string => `${what} at ${namespace}`;
  return [
    { name: name('create'), method: 'POST', path: at, body: { metadata: { name: 'one' }, data: { a: '<b>&' } } },
    { name: name('create, generated'), method: 'POST', path: `${at}?dryRun=All`, body: { metadata: { generateName: 'made-' } } },
    { name: name('create again'), method: 'POST', path: at, body: { metadata: { name: 'one' } } },
    { name: name('create, invalid'), method: 'POST', path: at, body: { metadata: { name: 'NO' } } },
    { name: name('create, no JSON'), method: 'POST', path: at, text: '{"metadata":' },
    { name: name('get'), method: 'GET', path: `${at}/one` },
    { name: name('get of nothing'), method: 'GET', path: `${at}/none?pretty=1` },
    { name: name('put'), method: 'PUT', path: `${at}/one`, body: { metadata: { name: 'one' }, data: { a: 'c' } } },
    { name: name('merge patch'), method: 'PATCH', path: `${at}/one`, type: merge, text: '{\n  "data": {"x": "y"}\n}' },
    { name: name('broken patch'), method: 'PATCH', path: `${at}/one`, type: merge, text: '[1]' },
    {
      name: name('apply'),
      method: 'PATCH',
      path: `${at}/one?fieldManager=me&force=true`,
      type: 'application/apply-patch+yaml',
      text: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"},"data":{"z":"1"}}',
    },
    { name: name('list'), method: 'GET', path: `${at}?labelSelector=a%3Db&limit=5` },
    { name: name('list by name'), method: 'GET', path: `${at}?fieldSelector=metadata.name%3Done` },
    { name: name('watch'), method: 'GET', path: `${at}?watch=1&timeoutSeconds=1` },
    { name: name('delete with options'), method: 'DELETE', path: `${at}/one`, body: { propagationPolicy: 'Background' } },
    {
      name: name('delete with options of a version'),
      method: 'DELETE',
      path: `${at}/one`,
      body: { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0 },
    },
    { name: name('delete of nothing'), method: 'DELETE', path: `${at}/one` },
    { name: name('delete of all'), method: 'DELETE', path: `${at}?labelSelector=a%3Db` },
  ];
}

/** What is asked of both servers. */
export const auditSteps: readonly AuditStep[] = [
  ...auditedNamespaces.filter(each => each !== 'strict').flatMap(ofLevel),
  { name: 'create of YAML', method: 'POST', path: maps('response'), type: 'application/yaml', text: 'metadata: {name: yaml}\n' },
  { name: 'get as a table', method: 'GET', path: `${maps('response')}/yaml`, accept: table },
  { name: 'list as a table', method: 'GET', path: `${maps('bare')}?includeObject=Object&labelSelector=a%3Db`, accept: table },
  { name: 'get as protobuf', method: 'GET', path: `${maps('response')}/yaml`, accept: protobuf },
  { name: 'get as YAML', method: 'GET', path: `${maps('response')}/yaml`, accept: 'application/yaml' },
  { name: 'get as nothing that is known', method: 'GET', path: `${maps('response')}/yaml`, accept: 'text/css' },
  { name: 'pod', method: 'POST', path: pods('response'), body: pod('p') },
  { name: 'pod at metadata', method: 'POST', path: pods('metadata'), body: pod('p') },
  {
    name: 'binding',
    method: 'POST',
    path: `${pods('response')}/p/binding`,
    body: { metadata: { name: 'p' }, target: { name: 'n' } },
  },
  {
    name: 'binding again',
    method: 'POST',
    path: `${pods('response')}/p/binding`,
    body: { metadata: { name: 'p' }, target: { name: 'n' } },
  },
  {
    name: 'status of a pod',
    method: 'PATCH',
    path: `${pods('response')}/p/status`,
    type: merge,
    body: { status: { phase: 'Running' } },
  },
  { name: 'log of a pod without a node', method: 'GET', path: `${pods('metadata')}/p/log` },
  { name: 'log of no pod', method: 'GET', path: `${pods('metadata')}/none/log` },
  { name: 'exec without an upgrade', method: 'POST', path: `${pods('metadata')}/none/exec?command=x` },
  { name: 'delete of a pod', method: 'DELETE', path: `${pods('response')}/p?gracePeriodSeconds=0` },
  {
    name: 'deployment',
    method: 'POST',
    path: deployments,
    body: { metadata: { name: 'd' }, spec: { selector: { matchLabels: { a: 'b' } }, template } },
  },
  { name: 'scale', method: 'GET', path: `${deployments}/d/scale` },
  { name: 'patch of a scale', method: 'PATCH', path: `${deployments}/d/scale`, type: merge, body: { spec: { replicas: 0 } } },
  { name: 'a strict pod', method: 'POST', path: `${pods('strict')}?dryRun=All`, body: pod('p') },
  {
    name: 'a pod that is refused',
    method: 'POST',
    path: pods('strict'),
    body: pod('p', { securityContext: { privileged: true } }),
  },
  {
    name: 'a deployment of strict pods',
    method: 'POST',
    path: '/apis/apps/v1/namespaces/strict/deployments?dryRun=All',
    body: { metadata: { name: 'd' }, spec: { selector: { matchLabels: { a: 'b' } }, template } },
  },
  { name: 'endpoints', method: 'GET', path: '/api/v1/namespaces/metadata/endpoints' },
  { name: 'component statuses', method: 'GET', path: '/api/v1/componentstatuses?labelSelector=a%3Db' },
  {
    name: 'secret',
    method: 'POST',
    path: '/api/v1/namespaces/response/secrets',
    body: { metadata: { name: 's' }, stringData: { a: 'b' } },
  },
  { name: 'token', method: 'POST', path: '/api/v1/namespaces/default/serviceaccounts/default/token', body: {} },
  {
    name: 'token of another account',
    method: 'POST',
    path: '/api/v1/namespaces/default/serviceaccounts/default/token',
    body: { metadata: { uid: 'other' } },
  },
  { name: 'namespace', method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'made' } } },
  { name: 'namespace, get', method: 'GET', path: '/api/v1/namespaces/response' },
  {
    name: 'access review',
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: { spec: { nonResourceAttributes: { path: '/x', verb: 'get' } } },
  },
  { name: 'a user who may not', method: 'GET', path: maps('response'), as: 'jane', groups: ['system:authenticated', 'a'] },
  { name: 'a user who may', method: 'GET', path: '/apis/apps/v1', as: 'jane' },
  { name: 'a user of no name', method: 'GET', path: '/api', headers: { 'impersonate-group': 'x' } },
  { name: 'an account', method: 'GET', path: maps('response'), as: 'system:serviceaccount:default:default' },
  {
    name: 'more of a user',
    method: 'GET',
    path: '/api',
    as: 'jane',
    headers: { 'impersonate-uid': '7', 'impersonate-extra-scopes': 'view' },
  },
  { name: 'a time that is none', method: 'GET', path: '/version?timeout=x' },
  { name: 'health', method: 'GET', path: '/healthz' },
  { name: 'readiness', method: 'GET', path: '/livez' },
  { name: 'version', method: 'GET', path: '/version' },
  { name: 'discovery', method: 'GET', path: '/apis/apps/v1' },
  { name: 'a path of nobody', method: 'GET', path: '/nope?a=b&c=d' },
  { name: 'a resource of nobody', method: 'GET', path: '/api/v1/nopes/x' },
  { name: 'a group of nobody', method: 'GET', path: '/apis/nope.example.com/v1/nopes/x' },
  { name: 'a method of nobody', method: 'POST', path: `${maps('response')}/yaml`, body: {} },
  {
    name: 'proxies',
    method: 'GET',
    path: '/version',
    headers: { 'x-forwarded-for': '192.0.2.7, nobody, 2001:DB8::1', 'x-real-ip': '192.0.2.8' },
  },
  { name: 'a long user agent', method: 'GET', path: '/version', headers: { 'user-agent': 'a'.repeat(2000) } },
  { name: 'a bad token', method: 'GET', path: '/api', headers: { authorization: 'Bearer nonsense' }, isStranger: true },
  {
    name: 'a bad token for an object',
    method: 'GET',
    path: `${maps('response')}/yaml`,
    headers: { authorization: 'Bearer nonsense' },
    isStranger: true,
  },
];
