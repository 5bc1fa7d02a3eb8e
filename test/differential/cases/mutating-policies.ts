import type { Case } from '../replay.js';

const at = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies';
const bindingsAt = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings';
const metadata = (name: string): object => ({ metadata: { name } });
const rule = { operations: ['CREATE'], apiGroups: ['nowhere.example.com'], apiVersions: ['v1'], resources: ['things'] };
const apply = (expression: string): object => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const patch = (expression: string): object => ({ patchType: 'JSONPatch', jsonPatch: { expression } });
const policy = (name: string, more: object): object => ({
  ...metadata(name),
  spec: { reinvocationPolicy: 'Never', matchConstraints: { resourceRules: [rule] }, mutations: [apply('Object{}')], ...more },
});
const operations = (...lists: string[][]): object => ({
  resourceRules: lists.map(each => ({ ...rule, operations: each })),
});

const wrongExpressions = [
  ...[
    '',
    ' ',
    '1',
    '{}',
    'object',
    '[]',
    '[1]',
    'null',
    'Object.spec{}',
    'Objects{}',
    'Object',
    'Object{spec: }',
    'Object{a: b}',
  ],
  ...['Object{spec: Object.spec{x: params.y}}', 'Object{a: variables.none}', 'JSONPatch{}', '[JSONPatch{}]', '[Object{}]'],
  ...['dyn(Object{})', 'Object{}.spec', ' Object{a: wrong} ', 'Object{"a": 1}', 'Object{`a-b`: 1}', 'true ? Object{} : {}'],
  ...['optional.of(Object{})', 'Object{a: [1, "b"]}', 'Object{\n  spec: Object.spec{\n    x: wrong\n  }\n}'],
];
const wrongPatches = [
  ...['', ' ', '1', '[]', '[1]', '{}', 'object', 'JSONPatch{}', '[JSONPatch{}, 1]', '[JSONPatch{op: 1}]', '[JSONPatch{nope: 1}]'],
  ...['[JSONPatch{op: "add", path: "/" + 1}]', '[JSONPatch{op: "add", path: jsonpatch.escapeKey(1)}]', '[Object{}]', 'Object{}'],
  ...[
    '[JSONPatch{value: params.x}]',
    '[JSONPatch.x{}]',
    'dyn([JSONPatch{}])',
    '[JSONPatch{op: null}]',
    ' [JSONPatch{op: what}] ',
  ],
  ...['jsonpatch.escapeKey("a")', 'escapeKey("a")', 'optional.of([JSONPatch{}])'],
];
const right = {
  variables: [
    { name: 'names', expression: 'object.spec.list.map(x, x.name)' },
    { name: 'more', expression: 'variables.names.map(n, Object.spec.list{name: n})' },
  ],
  matchConditions: [{ name: 'c', expression: 'authorizer.requestResource.check("get").allowed()' }],
  mutations: [
    apply(' Object{spec: Object.spec{list: variables.more, ?none: optional.none()}} '),
    patch('[JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("a/b"), value: variables.names[0]}]'),
    patch('has(object.metadata.labels) ? [JSONPatch{op: "remove", path: "/metadata/labels"}] : []'),
    apply('object.metadata.name == "x" ? Object{metadata: Object.metadata{labels: {"a": "b"}}} : Object{}'),
  ],
};

export const mutatingPolicyCases: readonly Case[] = [
  {
    name: 'MutatingAdmissionPolicy',
    at,
    steps: [
      { do: 'create', body: metadata('empty') },
      { do: 'create', body: { ...metadata('empty-too'), spec: {} } },
      { do: 'create', body: policy('no-mutations', { mutations: [] }) },
      { do: 'create', body: policy('wrong', { mutations: wrongExpressions.map(apply) }) },
      { do: 'create', body: policy('wrong-patches', { mutations: wrongPatches.map(patch) }) },
      {
        do: 'create',
        body: policy('odd', {
          reinvocationPolicy: 'Often',
          failurePolicy: 'Perhaps',
          mutations: [
            {},
            { patchType: 'Merge' },
            { patchType: 'JSONPatch' },
            { patchType: 'ApplyConfiguration' },
            { ...patch('[JSONPatch{}]'), applyConfiguration: { expression: 'Object{}' } },
            { ...apply('Object{}'), jsonPatch: {} },
            { patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } },
            { patchType: 'ApplyConfiguration', applyConfiguration: {} },
          ],
        }),
      },
      { do: 'create', body: policy('no-policy', { reinvocationPolicy: '' }) },
      {
        do: 'create',
        body: policy('operations', { matchConstraints: operations(['*'], ['CONNECT', 'DELETE'], ['CREATE', 'what'], []) }),
      },
      {
        do: 'create',
        body: policy('variables', {
          variables: [
            { name: 'a', expression: 'wrong' },
            { name: 'b', expression: 'variables.a + variables.c' },
            { name: 'c', expression: '1' },
            { name: 'if', expression: '1' },
            { name: 'o', expression: 'Object{}' },
            { name: '', expression: '' },
          ],
          mutations: [apply('Object{a: variables.a, c: variables.c + "x"}'), apply('Object{d: variables.d}')],
        }),
      },
      {
        do: 'create',
        body: policy('conditions', {
          paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
          matchConditions: [
            { name: 'a', expression: 'params.x == object' },
            { name: 'b', expression: 'Object{} == null' },
            { name: 'c', expression: 'variables.x' },
          ],
          mutations: [apply('Object{a: params.data}')],
        }),
      },
      { do: 'create', body: policy('right.static.k8s.io', right) },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { spec: { failurePolicy: 'Ignore', reinvocationPolicy: 'IfNeeded' } } },
      { do: 'update', patch: { spec: { matchConditions: [] } } },
      { do: 'update', patch: { spec: { mutations: [apply('Object{} ')] } } },
      { do: 'update', patch: { spec: { mutations: [apply('Object')] } } },
      { do: 'update', patch: { metadata: { resourceVersion: null }, spec: { failurePolicy: 'Fail' } } },
      { do: 'update', patch: { spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } } } },
      { do: 'table' },
    ],
  },
  {
    name: 'MutatingAdmissionPolicyBinding',
    at: bindingsAt,
    steps: [
      { do: 'create', body: metadata('empty') },
      {
        do: 'create',
        body: { ...metadata('odd'), spec: { policyName: 'A_b', paramRef: {}, matchResources: operations(['DELETE']) } },
      },
      {
        do: 'create',
        body: {
          ...metadata('both'),
          spec: { policyName: 'a', paramRef: { name: 'a/b', selector: {}, parameterNotFoundAction: 'Perhaps' } },
        },
      },
      { do: 'create', body: { ...metadata('right'), spec: { policyName: 'not-there', matchResources: {} } } },
      { do: 'update', patch: { spec: { matchResources: operations(['*', 'CREATE']) } } },
      { do: 'update', patch: { spec: { paramRef: { name: 'a', namespace: 'b', parameterNotFoundAction: 'Deny' } } } },
      { do: 'table' },
      {
        do: 'update',
        patch: { spec: { paramRef: { name: null, selector: { matchLabels: { a: 'b' } }, parameterNotFoundAction: 'Allow' } } },
      },
      { do: 'table' },
    ],
  },
];
