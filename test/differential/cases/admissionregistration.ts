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

export const admissionRegistrationCases: readonly Case[] = [
  kindCases('ValidatingWebhookConfiguration', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'),
  kindCases('MutatingWebhookConfiguration', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'),
];
