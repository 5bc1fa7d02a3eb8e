import type { Case } from '../replay.js';

const authorization = '/apis/authorization.k8s.io/v1';
const authentication = '/apis/authentication.k8s.io/v1';
const local = `${authorization}/namespaces/default/localsubjectaccessreviews`;
const pods = { verb: 'get', resource: 'pods', namespace: 'default' };

const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const transforms = [table, 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io', `${table},application/json`];

export const reviewCases: readonly Case[] = [
  {
    name: 'SelfSubjectAccessReview',
    at: `${authorization}/selfsubjectaccessreviews`,
    steps: [
      { do: 'create', body: { spec: { resourceAttributes: pods } } },
      { do: 'create', body: { spec: { resourceAttributes: pods } }, as: 'jane' },
      { do: 'create', body: { spec: { nonResourceAttributes: { path: '/api', verb: 'get' } } }, as: 'jane' },
      { do: 'create', body: { metadata: { name: 'x' }, spec: {} } },
      { do: 'create', body: { spec: { resourceAttributes: pods, nonResourceAttributes: { path: '/version' } } } },
      {
        do: 'create',
        body: {
          spec: {
            resourceAttributes: {
              ...pods,
              verb: 'list',
              fieldSelector: { rawSelector: 'a=b', requirements: [{ key: '', operator: 'In' }] },
              labelSelector: {},
            },
          },
        },
      },
      {
        do: 'create',
        body: {
          spec: {
            resourceAttributes: {
              ...pods,
              verb: 'list',
              fieldSelector: { rawSelector: 'a=b,,' },
              labelSelector: {
                requirements: [
                  { key: 'a', operator: 'In', values: ['b'] },
                  { key: 'a', operator: 'Near', values: ['b'] },
                ],
              },
            },
          },
        },
      },
    ],
  },
  {
    name: 'SubjectAccessReview',
    at: `${authorization}/subjectaccessreviews`,
    steps: [
      { do: 'create', body: { spec: { resourceAttributes: pods } } },
      { do: 'create', body: { spec: { resourceAttributes: pods, user: 'jane' } } },
      { do: 'create', body: { spec: { resourceAttributes: pods, user: 'jane', groups: ['system:masters'] } } },
      { do: 'create', body: { spec: { resourceAttributes: pods, user: 'system:kube-scheduler' } } },
      {
        do: 'create',
        body: { spec: { nonResourceAttributes: { path: '/healthz', verb: 'get' }, groups: ['system:monitoring'] } },
      },
    ],
  },
  {
    name: 'LocalSubjectAccessReview',
    at: local,
    steps: [
      { do: 'create', body: { spec: { resourceAttributes: pods, user: 'jane' } } },
      { do: 'create', body: { metadata: { namespace: 'default' }, spec: { resourceAttributes: pods, user: 'jane' } } },
      {
        do: 'create',
        body: { metadata: { namespace: 'default' }, spec: { resourceAttributes: { ...pods, namespace: 'x' }, user: 'jane' } },
      },
      { do: 'create', body: { metadata: { namespace: 'x' }, spec: { resourceAttributes: pods, user: 'jane' } } },
      {
        do: 'create',
        body: { metadata: { namespace: 'default' }, spec: { nonResourceAttributes: { path: '/' }, user: 'jane' } },
      },
    ],
  },
  {
    name: 'SelfSubjectRulesReview',
    at: `${authorization}/selfsubjectrulesreviews`,
    steps: [{ do: 'create', body: { spec: {} } }],
  },
  {
    name: 'TokenReview',
    at: `${authentication}/tokenreviews`,
    steps: [
      { do: 'create', body: { spec: {} } },
      { do: 'create', body: { spec: { token: 'nonsense' } } },
    ],
  },
  {
    name: 'SelfSubjectReview',
    at: `${authentication}/selfsubjectreviews`,
    steps: [{ do: 'create', body: {}, as: 'jane', groups: ['a', 'b'] }],
  },
  ...['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'subjectaccessreviews'].map((resource): Case => ({
    name: `${resource}: transformed`,
    at: `${authorization}/${resource}`,
    steps: transforms.map(accept => ({
      do: 'create',
      accept,
      body: { spec: resource === 'selfsubjectrulesreviews' ? { namespace: 'x' } : { resourceAttributes: pods, user: 'jane' } },
    })),
  })),
  {
    name: 'eviction and token: transformed',
    at: '/api/v1/namespaces/default/serviceaccounts',
    steps: [
      { do: 'create', accept: table, at: '/api/v1/namespaces/default/serviceaccounts/default/token', body: {} },
      { do: 'create', accept: table, at: '/api/v1/namespaces/default/pods/none/eviction', body: {} },
      { do: 'create', accept: table, at: '/api/v1/namespaces/default/bindings', body: {} },
    ],
  },
];
