import type { Case, Step } from '../replay.js';

const at = '/apis/apiregistration.k8s.io/v1/apiservices';
const name = 'v1.case.example.com';
const local = { group: 'case.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 15 };
const service = { namespace: 'default', name: 'nowhere' };
const named = (spec: object, metadata: object = { name }): object => ({ metadata, spec });
const get = (path: string): Step => ({ do: 'request', method: 'GET', path });

export const apiregistrationCases: readonly Case[] = [
  {
    name: 'APIService: what is refused',
    at,
    steps: [
      { do: 'create', body: named({}) },
      { do: 'create', body: named(local, { name: 'other' }) },
      { do: 'create', body: named(local, { name: 'a/b' }) },
      { do: 'create', body: named({ ...local, group: '' }) },
      { do: 'create', body: named({ ...local, group: 'A_b', version: '1' }) },
      { do: 'create', body: named({ ...local, groupPriorityMinimum: 20001, versionPriority: 1001 }) },
      { do: 'create', body: named({ ...local, caBundle: 'YWJj', insecureSkipTLSVerify: true }) },
      { do: 'create', body: named({ ...local, service: {} }) },
      { do: 'create', body: named({ ...local, service: { ...service, port: 0 } }) },
      {
        do: 'create',
        body: named({ ...local, service: { ...service, port: 70000 }, caBundle: 'YWJj', insecureSkipTLSVerify: true }),
      },
    ],
  },
  {
    name: 'APIService: a local one',
    at,
    steps: [
      { do: 'create', body: { ...named(local), status: { conditions: [{ type: 'Available', status: 'False' }] } } },
      { do: 'table' },
      { do: 'update', patch: { spec: { versionPriority: 0 } } },
      { do: 'update', patch: { spec: { group: 'another.example.com' } } },
      { do: 'update', patch: { spec: { versionPriority: 16 }, metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { metadata: { resourceVersion: null } } },
      {
        do: 'update',
        sub: 'status',
        patch: { metadata: { labels: { c: 'd' } }, status: { conditions: [{ type: 'X', status: 'Maybe' }] } },
      },
      {
        do: 'patch',
        type: 'application/strategic-merge-patch+json',
        sub: 'status',
        patch: { status: { conditions: [{ type: 'X', status: 'True' }] } },
      },
      { do: 'get' },
      { do: 'delete' },
    ],
  },
  {
    name: 'APIService: a Service that is not there',
    at,
    steps: [
      { do: 'create', body: named({ ...local, service }) },
      { do: 'wait', path: `${at}/${name}`, shows: 'ServiceNotFound' },
      { do: 'get' },
      { do: 'table' },
      get('/apis/case.example.com'),
      get('/apis/case.example.com/v1'),
      get('/apis/case.example.com/v1/namespaces/default/things'),
      { do: 'request', method: 'POST', path: '/apis/case.example.com/v1/namespaces/default/things', body: {} },
      get('/apis/case.example.com/v2/things'),
      { do: 'delete' },
      { do: 'wait', path: '/apis', shows: 'apiregistration' },
    ],
  },
  {
    name: 'APIService: a Service without the port, without endpoints',
    at,
    steps: [
      {
        do: 'create',
        at: '/api/v1/namespaces/default/services',
        body: { metadata: { name: 'extension' }, spec: { ports: [{ name: 'https', port: 443, targetPort: 8443 }] } },
      },
      { do: 'create', body: named({ ...local, service: { ...service, name: 'extension', port: 444 } }) },
      { do: 'wait', path: `${at}/${name}`, shows: 'ServicePortError' },
      { do: 'get' },
      { do: 'patch', type: 'application/merge-patch+json', patch: { spec: { service: { port: 443 } } } },
      { do: 'wait', path: `${at}/${name}`, shows: 'EndpointsNotFound' },
      { do: 'get' },
      {
        do: 'create',
        at: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
        body: {
          metadata: { name: 'extension-1', labels: { 'kubernetes.io/service-name': 'extension' } },
          addressType: 'IPv4',
          endpoints: [{ addresses: ['192.0.2.9'], conditions: { ready: false } }],
          ports: [{ name: 'https', port: 8443 }],
        },
      },
      { do: 'wait', path: `${at}/${name}`, shows: 'MissingEndpoints' },
      { do: 'request', method: 'GET', path: `${at}/${name}` },
      { do: 'delete', at: `${at}/${name}` },
      { do: 'delete', at: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/extension-1' },
      { do: 'delete', at: '/api/v1/namespaces/default/services/extension' },
    ],
  },
  {
    name: 'APIService: those of the server and of custom resources',
    at,
    steps: [
      get(`${at}/v1.`),
      get(`${at}/v1.apps`),
      get(`${at}/v2.autoscaling`),
      get(`${at}/v1.apiregistration.k8s.io`),
      {
        do: 'create',
        at: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
        body: {
          metadata: { name: 'things.auto.example.com' },
          spec: {
            group: 'auto.example.com',
            scope: 'Cluster',
            names: { plural: 'things', kind: 'Thing' },
            versions: [
              { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
              { name: 'v1beta1', served: true, storage: false, schema: { openAPIV3Schema: { type: 'object' } } },
              { name: 'v2', served: false, storage: false, schema: { openAPIV3Schema: { type: 'object' } } },
            ],
          },
        },
      },
      { do: 'wait', path: `${at}/v1.auto.example.com`, shows: 'automanaged' },
      get(`${at}/v1.auto.example.com`),
      { do: 'wait', path: `${at}/v1beta1.auto.example.com`, shows: 'automanaged' },
      get(`${at}/v1beta1.auto.example.com`),
      get(`${at}/v2.auto.example.com`),
      { do: 'wait', path: '/apis/auto.example.com', shows: 'v1beta1' },
      get('/apis/auto.example.com'),
      { do: 'delete', at: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.auto.example.com' },
    ],
  },
];
