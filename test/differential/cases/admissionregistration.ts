import type { Case } from '../replay.js';

const metadata = (name: string): object => ({ metadata: { name } });
const rule = { operations: ['CREATE'], apiGroups: ['nowhere.example.com'], apiVersions: ['v1'], resources: ['things'] };
const webhook = (name: string, more: object = {}): object => ({
  name,
  clientConfig: { url: 'https://nowhere.example.com/check' },
  rules: [rule],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  ...more,
});
const url = (text: string): object => ({ clientConfig: { url: text } });
const service = (fields: object): object => ({ clientConfig: { service: fields } });
const rules = (...fields: object[]): object => ({ rules: fields.map(field => ({ ...rule, ...field })) });

const conditions = (...expressions: string[]): object => ({
  matchConditions: expressions.map((expression, index) => ({ name: `c${index}`, expression })),
});

const rightConditions = conditions(
  ' true ',
  'object.metadata.anything == oldObject',
  'request.namespace == "n" && request.userInfo.groups.exists(g, g == "x") && has(request.subResource)',
  'request.kind.group == request.requestResource.version && request.options.fieldManager == "x" && !request.dryRun',
  'authorizer.requestResource.check("get").allowed()',
  'authorizer.group("apps").resource("deployments").subresource("scale").namespace("n").name("x").check("list").allowed()',
  'authorizer.serviceAccount("n", "x").path("/healthz").check("get").reason() == ""',
  'namespaceObject.metadata.name == "x"',
  'quantity("1Gi").isGreaterThan(quantity("1Mi")) && isIP("1.2.3.4") && "a".lowerAscii() == "a"',
  'object.?spec.orValue({}) == {}',
);

const wrongConditions = [
  '1',
  'object',
  '"true"',
  'request',
  'request.userInfo.extra',
  'request.options',
  'true &&',
  'object.',
  '(',
  'nothing == 1',
  'params.x == 1',
  'variables.x == 1',
  'request.object == null',
  'request.uid == ""',
  'request.dryRun == "x"',
  'request.name == 1',
  'namespaceObject.metadata.uid == ""',
  'authorizer.allowed()',
  'authorizer.requestResource.allowed()',
  'authorizer.path(1).check("get").allowed()',
  '"a".matches("(")',
  '"a".find("(") == ""',
  '[1, "a"].size() == 2',
  'duration("x") == duration("1s")',
  'object.all(x, y)',
  'request.kind.exists(k, true)',
  'int("x") == 1',
  'object.metadata.name + 1 == "x"',
  'true\n&& what\n',
];

const wrong: readonly object[] = [
  { name: '', clientConfig: {} },
  webhook('short'),
  webhook('Not.A.Name_'),
  webhook('a.example.com', { sideEffects: 'Some', failurePolicy: 'Perhaps', matchPolicy: 'Nearly', timeoutSeconds: 31 }),
  webhook('b.example.com', { timeoutSeconds: 0, admissionReviewVersions: [] }),
  webhook('c.example.com', { admissionReviewVersions: ['v2', 'v2', 'V1'] }),
  webhook('d.example.com', { clientConfig: { url: 'https://a', service: { name: 'a', namespace: 'b' } } }),
  ...[
    'http://a/b',
    'https://',
    'https://user:word@a/b',
    'https://a/b#c',
    'https://a/b?c=d',
    'nothing',
    ':',
    'https://a:port/b',
    'https://a/%zz',
    '1a:b',
  ].map((text, index) => webhook(`url-${index}.example.com`, url(text))),
  webhook('s1.example.com', service({ name: '', namespace: '', port: 0 })),
  webhook('s2.example.com', service({ name: 'a', namespace: '', path: 'nothing' })),
  webhook('s3.example.com', service({ name: '', namespace: 'b', path: '//', port: 65536 })),
  webhook('s4.example.com', service({ name: 'a', namespace: 'b', path: '/a//b/C_/' })),
  webhook('r1.example.com', { rules: [{}] }),
  webhook('r2.example.com', rules({ operations: ['*', 'CREATE', 'GET'], apiGroups: ['*', 'a'], apiVersions: ['*', 'v1', ''] })),
  webhook('r3.example.com', rules({ resources: ['*', 'pods'], scope: 'Somewhere' }, { resources: ['pods', '*'] })),
  webhook('r4.example.com', rules({ resources: ['a/*', 'a/b', '*/c', 'd/c', '*/*', ''] }, { resources: [] })),
  webhook('n1.example.com', { namespaceSelector: { matchLabels: { 'a b': 'c' } } }),
  webhook('n2.example.com', {
    namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] },
    objectSelector: {
      matchExpressions: [
        { key: 'a', operator: 'Near' },
        { key: 'b', operator: 'In', values: ['x y'] },
      ],
    },
  }),
  webhook('same.example.com'),
  webhook('same.example.com'),
  webhook('m1.example.com', { matchConditions: [{ name: '', expression: ' ' }] }),
  webhook('m2.example.com', conditions(...wrongConditions)),
  webhook('m3.example.com', {
    matchConditions: [
      { name: 'same', expression: 'true' },
      { name: 'same', expression: 'false' },
      { name: 'a b', expression: 'true' },
    ],
  }),
  webhook('m4.example.com', conditions(...Array.from({ length: 65 }, () => 'true'))),
];

const kindCases = (kind: string, at: string): Case => ({
  name: kind,
  at,
  steps: [
    { do: 'create', body: metadata('empty') },
    { do: 'create', body: { ...metadata('wrong'), webhooks: wrong } },
    { do: 'create', body: { ...metadata('odd'), webhooks: [webhook('a.example.com', { reinvocationPolicy: 'Often' })] } },
    { do: 'create', body: { ...metadata('right.static.k8s.io'), webhooks: [] } },
    {
      do: 'create',
      body: {
        ...metadata('right'),
        webhooks: [
          webhook('a.example.com'),
          webhook('b.example.com', {
            ...service({ name: 'a', namespace: 'b' }),
            rules: [{ ...rule, resources: ['things', 'things/status'], scope: 'Cluster' }],
            failurePolicy: 'Ignore',
            matchPolicy: 'Exact',
            timeoutSeconds: 1,
            namespaceSelector: { matchLabels: { a: 'b' } },
          }),
        ],
      },
    },
    { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
    { do: 'update', patch: { webhooks: [webhook('c.example.com')] } },
    { do: 'update', patch: { webhooks: [webhook('c.example.com', rightConditions)] } },
    { do: 'update', patch: { webhooks: [webhook('c.example.com', { ...rightConditions, timeoutSeconds: 5 })] } },
    { do: 'update', patch: { webhooks: [webhook('c.example.com', conditions('true', '2', 'object.x =='))] } },
    { do: 'update', patch: { webhooks: [webhook('c.example.com', { sideEffects: 'Some' })] } },
    { do: 'update', patch: { metadata: { resourceVersion: null }, webhooks: null } },
    { do: 'update', patch: { webhooks: null } },
    { do: 'table' },
  ],
});

const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
const bindings = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
const matchConstraints = { resourceRules: [rule] };
const expressions = (...given: string[]): object => ({ validations: given.map(expression => ({ expression })) });
const policy = (name: string, spec: object): object => ({ ...metadata(name), spec: { matchConstraints, ...spec } });
const binding = (name: string, spec: object): object => ({
  ...metadata(name),
  spec: { policyName: 'a.example.com', validationActions: ['Deny'], ...spec },
});
const params = { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } };
const annotations = (...given: [string, string][]): object => ({
  auditAnnotations: given.map(([key, valueExpression]) => ({ key, valueExpression })),
});
const variables = (...given: [string, string][]): object => ({
  variables: given.map(([name, expression]) => ({ name, expression })),
});

/** Specs that upstream refuses or takes though they are odd. */
const policySpecs: readonly object[] = [
  {},
  { matchConstraints: null, ...expressions('true') },
  { matchConstraints: {}, ...expressions('true') },
  { failurePolicy: 'Perhaps', ...expressions('true') },
  { matchConstraints: { matchPolicy: 'Nearly', resourceRules: [{}], excludeResourceRules: [{}] }, ...expressions('true') },
  {
    matchConstraints: { resourceRules: [{ ...rule, resourceNames: ['a', 'a', '', '..', 'a/b', 'a%b'], scope: 'Here' }] },
    ...expressions('true'),
  },
  {
    matchConstraints: {
      namespaceSelector: { matchLabels: { 'a b': 'c' } },
      objectSelector: { matchExpressions: [{ key: 'b', operator: 'In', values: ['x y'] }] },
      resourceRules: [rule],
    },
    ...expressions('true'),
  },
  ...wrongConditions.map(expression => expressions(expression)),
  ...wrongConditions.map(expression => ({ validations: [{ expression: 'true', messageExpression: expression }] })),
  expressions(' ', '', ' true ', 'true &&', 'variables.x', 'params.x == 1'),
  { ...params, ...expressions('params.data.x == "1"', 'params == null', 'variables.x == 1') },
  {
    validations: [
      { expression: 'true', message: ' ', messageExpression: ' ' },
      { expression: 'true', message: 'a\nb' },
      { expression: 'true', message: ' \n a \r\n ' },
      { expression: 'true', reason: 'NotFound' },
      { expression: 'true', reason: '' },
      { expression: 'true', messageExpression: 'object.metadata.name' },
      { expression: 'true', messageExpression: 'string(object.metadata.name)' },
      { expression: 'true', messageExpression: 'authorizer.path("/").check("get").reason()' },
      { expression: 'true', messageExpression: 'request.userInfo' },
    ],
  },
  { ...conditions('1', 'variables.x == 1', 'params.x == 1', 'true'), ...expressions('true') },
  { ...params, ...conditions('params.x == 1', 'params.x'), ...expressions('true') },
  {
    matchConditions: [
      { name: '', expression: ' ' },
      { name: 'a b', expression: 'true' },
      { name: 'a b', expression: 'true' },
    ],
    ...expressions('true'),
  },
  { ...conditions(...Array.from({ length: 65 }, () => 'true')), ...expressions('true') },
  {
    ...variables(
      ['', ''],
      [' ', ' '],
      ['a', 'object.'],
      ['b', 'variables.a + 1'],
      ['b', 'variables.b'],
      ['in', '1'],
      ['1a', '1'],
      ['a-b', '1'],
      ['namespace', '1'],
      ['c', 'variables.none'],
    ),
    ...expressions('variables.a == 1', 'variables.b == "x"', 'variables.none == 1', 'variables["a"] == 1'),
  },
  {
    ...variables(
      ['l', '[1]'],
      ['m', '{"a": 1u}'],
      ['t', 'timestamp("2026-01-01T00:00:00Z")'],
      ['d', 'duration("1s")'],
      ['q', 'quantity("1")'],
      ['o', 'request.kind'],
      ['n', 'null'],
      ['y', 'b"x"'],
      ['f', '1.5'],
      ['p', '[request.kind]'],
      ['k', 'optional.of(1)'],
      ['z', 'type(1)'],
    ),
    ...expressions(
      ...'lmtdqonyfpkz'.split('').map(name => `variables.${name} == "x"`),
      'variables.l[0] == "x"',
      'variables.m["a"] == "x"',
      'variables.p[0] == "x"',
      'variables.o.kind == 1',
      'variables.q.isInteger()',
    ),
  },
  annotations(
    ['', ''],
    ['a', ' '],
    ['a', '"x"'],
    ['a b', '"x"'],
    ['k/k', '1'],
    ['n', 'null'],
    ['t', 'timestamp("2026-01-01T00:00:00Z")'],
    ['d', 'object.x'],
  ),
  annotations(
    ['l', `"${'x'.repeat(5200)}"`],
    ['c', 'true ? "x" : null'],
    ['u', 'authorizer.path("/").check("get").reason()'],
    ['e', ' 1 + '],
    ['s', ' "x" '],
  ),
  annotations(...Array.from({ length: 21 }, (_, index): [string, string] => [`k${index}`, '"x"'])),
  ...[
    {},
    { apiVersion: 'v1' },
    { kind: 'ConfigMap' },
    { apiVersion: '/', kind: '' },
    { apiVersion: 'a/', kind: 'A_' },
    { apiVersion: 'a/b/c', kind: 'Kind' },
    { apiVersion: 'A_/V1', kind: '1a' },
    { apiVersion: '/v1', kind: 'Kind' },
    { apiVersion: 'a.b/v1', kind: 'a'.repeat(64) },
  ].map(paramKind => ({ paramKind, ...expressions('true') })),
];

const bindingSpecs: readonly object[] = [
  { policyName: '', validationActions: [] },
  { policyName: 'A_', validationActions: ['Deny', 'Deny', 'Warn', 'Tell'] },
  { validationActions: ['Audit', 'Warn', 'Audit'] },
  { validationActions: null, paramRef: {} },
  ...[
    { name: 'a' },
    { name: 'a/b', parameterNotFoundAction: '' },
    { name: '..', selector: {}, parameterNotFoundAction: 'Perhaps' },
    { namespace: 'A_', selector: { matchLabels: { 'a b': 'c' } }, parameterNotFoundAction: 'Allow' },
    { namespace: 'n', name: 'x', parameterNotFoundAction: 'Deny' },
    { selector: { matchExpressions: [{ key: 'a', operator: 'Near' }] }, parameterNotFoundAction: 'Deny' },
  ].map(paramRef => ({ paramRef })),
  { matchResources: {} },
  { matchResources: { matchPolicy: 'Nearly', resourceRules: [{}], namespaceSelector: { matchLabels: { 'a b': 'c' } } } },
];

const reader = { as: 'reader', groups: ['system:authenticated'] };
const reading = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', ...metadata('policy-writers') };
const subject = { kind: 'User', name: 'reader', apiGroup: 'rbac.authorization.k8s.io' };
const rbac = '/apis/rbac.authorization.k8s.io/v1';

/** Whoever writes them has to be able to read parameters. */
const permissionCase: Case = {
  name: 'permissions of policies',
  at: policies,
  steps: [
    {
      do: 'create',
      at: `${rbac}/clusterroles`,
      body: {
        ...reading,
        rules: [
          { verbs: ['*'], apiGroups: ['admissionregistration.k8s.io'], resources: ['*'] },
          { verbs: ['get'], apiGroups: [''], resources: ['secrets'] },
          { verbs: ['list'], apiGroups: [''], resources: ['secrets'] },
        ],
      },
    },
    {
      do: 'create',
      at: `${rbac}/clusterrolebindings`,
      body: {
        ...metadata('policy-writers'),
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'policy-writers' },
        subjects: [subject],
      },
    },
    { do: 'wait', path: `${rbac}/clusterroles/policy-writers`, shows: 'secrets' },
    { do: 'create', at: policies, ...reader, body: policy('plain.example.com', expressions('true')) },
    { do: 'create', at: policies, ...reader, body: policy('maps.example.com', { ...params, ...expressions('true') }) },
    {
      do: 'create',
      at: policies,
      ...reader,
      body: policy('none.example.com', {
        paramKind: { apiVersion: 'none.example.com/v1', kind: 'None' },
        ...expressions('true'),
      }),
    },
    {
      do: 'create',
      at: policies,
      ...reader,
      body: policy('secrets.example.com', { paramKind: { apiVersion: 'v1', kind: 'Secret' }, ...expressions('true') }),
    },
    { do: 'update', ...reader, patch: { spec: { failurePolicy: 'Ignore' } } },
    { do: 'update', ...reader, patch: { spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } } } },
    { do: 'create', at: policies, body: policy('maps.example.com', { ...params, ...expressions('true') }) },
    {
      do: 'create',
      at: policies,
      body: policy('none.example.com', {
        paramKind: { apiVersion: 'none.example.com/v1', kind: 'None' },
        ...expressions('true'),
      }),
    },
    ...['plain', 'maps', 'none', 'secrets', 'not-there'].flatMap((name): Case['steps'] =>
      [{ name: 'a' }, { name: 'a', namespace: 'default' }, { selector: {} }].map((paramRef, index) => ({
        do: 'create',
        at: bindings,
        ...reader,
        body: binding(`${name}-${index}`, {
          policyName: `${name}.example.com`,
          paramRef: { ...paramRef, parameterNotFoundAction: 'Deny' },
        }),
      })),
    ),
  ],
};

const policyCase: Case = {
  name: 'ValidatingAdmissionPolicy',
  at: policies,
  steps: [
    { do: 'create', body: metadata('empty') },
    ...policySpecs.map((spec, index): Case['steps'][number] => ({
      do: 'create',
      body: policy(`odd-${index}.example.com`, spec),
    })),
    { do: 'create', body: policy('right.static.k8s.io', expressions('true')) },
    { do: 'create', body: policy('a.example.com', { ...params, ...conditions('true'), ...expressions('true') }) },
    { do: 'table' },
    { do: 'update', patch: { metadata: { labels: { a: 'b' } }, status: { observedGeneration: 5 } } },
    { do: 'update', patch: { spec: { failurePolicy: 'Ignore' } } },
    { do: 'update', patch: { spec: conditions('1') } },
    { do: 'update', patch: { spec: { paramKind: null, ...conditions('params.x == 1') } } },
    { do: 'update', patch: { metadata: { resourceVersion: null }, spec: { paramKind: null } } },
    { do: 'update', patch: { spec: { paramKind: null } } },
    { do: 'table' },
    { do: 'update', sub: 'status', patch: { spec: null, status: { observedGeneration: 2, typeChecking: {} } } },
    ...[
      '',
      ' ',
      'spec',
      '.spec',
      'spec.',
      '..',
      '....',
      'spec[',
      'spec[0]',
      'spec[x]',
      'spec[-]',
      'spec[1:-:2]',
      "['a']",
      '{',
      '}x{y}',
      '!',
      '"a',
      "'a\\q'",
      '+',
      '1.2.3',
      '[?(',
      '[?(@.a==1)]',
      '[?(@.a==1)',
      '[?(!)]',
      'a b',
      'a,b',
      '[0,1]',
      '[0,x]',
      'é',
      'true',
      '$@',
    ].map((fieldRef): Case['steps'][number] => ({
      do: 'update',
      sub: 'status',
      patch: { status: { typeChecking: { expressionWarnings: [{ fieldRef, warning: fieldRef ? 'w' : '' }] } } },
    })),
    { do: 'update', sub: 'status', patch: { status: { conditions: [{ type: 'A b', status: 'Perhaps' }] } } },
    { do: 'get', sub: 'status' },
  ],
};

const bindingCase: Case = {
  name: 'ValidatingAdmissionPolicyBinding',
  at: bindings,
  steps: [
    { do: 'create', body: metadata('empty') },
    ...bindingSpecs.flatMap((spec, index): Case['steps'] => [
      { do: 'create', body: binding(`odd-${index}.example.com`, spec) },
      { do: 'table' },
    ]),
    { do: 'create', body: binding('right.static.k8s.io', {}) },
    { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
    { do: 'update', patch: { spec: { policyName: 'b.example.com' } } },
    { do: 'update', patch: { spec: { validationActions: ['Deny', 'Warn'] } } },
    { do: 'table' },
  ],
};

export const admissionRegistrationCases: readonly Case[] = [
  policyCase,
  bindingCase,
  permissionCase,
  kindCases('ValidatingWebhookConfiguration', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'),
  kindCases('MutatingWebhookConfiguration', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'),
];
