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
