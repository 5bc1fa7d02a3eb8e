import type { Case, Step } from '../replay.js';

const services = '/api/v1/namespaces/default/services';
const endpoints = '/api/v1/namespaces/default/endpoints';
const pods = '/api/v1/namespaces/default/pods';

const ask = (path: string, method = 'GET'): Step => ({ do: 'request', method, path });
const proxied = (name: string): Step => ask(`${services}/${name}/proxy/`);
const service = (name: string, spec: object): Step => ({ do: 'create', at: services, body: { metadata: { name }, spec } });
const endpointsOf = (name: string, ...subsets: object[]): Step => ({
  do: 'create',
  at: endpoints,
  body: { metadata: { name }, subsets },
});
const ports = [
  { name: 'web', port: 80 },
  { name: 'tls', port: 443 },
];
const address = { ip: '192.0.2.1' };

/** As a client names what it wants of a Service. */
const forms = (name: string): string[] => [
  ...['', ':', ':80', ':81', ':443', ':web', ':none', ':-80', ':+80', ':080', ':99999999999999999999'].map(
    port => `${name}${port}`,
  ),
  ...['https', 'http', 'ftp', ''].flatMap(scheme => [`${scheme}:${name}:`, `${scheme}:${name}:80`, `${scheme}:${name}:tls`]),
  `https:${name}:80:80`,
];

/** Proxies as far as nobody is reached. */
export const proxyCases: readonly Case[] = [
  { name: 'no Service', at: services, steps: [...forms('nowhere').map(proxied), ask(`${services}/nowhere/proxy`)] },
  {
    name: 'a Service without endpoints',
    at: services,
    steps: [
      service('lonely', { ports }),
      ...forms('lonely').map(proxied),
      ...['POST', 'DELETE', 'HEAD'].map(each => ask(`${services}/lonely/proxy/a`, each)),
    ],
  },
  {
    name: 'a Service with an empty Endpoints',
    at: services,
    steps: [service('empty', { ports }), endpointsOf('empty'), ...forms('empty').map(proxied)],
  },
  {
    name: 'a Service whose endpoints are not ready',
    at: services,
    steps: [
      service('unready', { ports }),
      endpointsOf('unready', { notReadyAddresses: [address], ports: [{ name: 'web', port: 8080 }] }),
      ...forms('unready').map(proxied),
    ],
  },
  {
    name: 'a Service whose endpoints are no pods',
    at: services,
    steps: [
      service('bare', { ports }),
      endpointsOf('bare', { addresses: [address], ports: [{ name: 'web', port: 8080 }] }),
      ...forms('bare').map(proxied),
    ],
  },
  {
    name: 'a Service whose endpoints are those of other pods',
    at: services,
    steps: [
      service('other', { ports }),
      endpointsOf('other', {
        addresses: [{ ...address, targetRef: { kind: 'Pod', namespace: 'default', name: 'nowhere' } }],
        ports: [{ name: 'web', port: 8080 }],
      }),
      ...forms('other').map(proxied),
    ],
  },
  {
    name: 'a headless Service',
    at: services,
    steps: [service('headless', { clusterIP: 'None' }), ...forms('headless').map(proxied)],
  },
  {
    name: 'a Service that is a name',
    at: services,
    steps: [service('named', { type: 'ExternalName', externalName: 'example.com' }), ...forms('named').map(proxied)],
  },
  {
    name: 'endpoints without a Service',
    at: services,
    steps: [endpointsOf('alone', { addresses: [address], ports: [{ name: 'web', port: 8080 }] }), ...forms('alone').map(proxied)],
  },
  {
    name: 'a pod without an address',
    at: pods,
    steps: [
      { do: 'create', at: '/api/v1/namespaces/default/serviceaccounts', body: { metadata: { name: 'proxied' } } },
      {
        do: 'create',
        at: pods,
        body: {
          metadata: { name: 'unplaced' },
          spec: { serviceAccountName: 'proxied', containers: [{ name: 'a', image: 'a' }] },
        },
      },
      ...[
        'unplaced',
        'unplaced:80',
        'https:unplaced:80',
        'https:unplaced:',
        'unplaced:a',
        'a:unplaced:80:80',
        'nowhere',
        'nowhere:80',
      ].map(name => ask(`${pods}/${name}/proxy/`)),
    ],
  },
  {
    name: 'a node without an address',
    at: '/api/v1/nodes',
    steps: [
      { do: 'create', body: { metadata: { name: 'unplaced' } } },
      ask('/api/v1/nodes/unplaced/proxy/'),
      {
        do: 'update',
        sub: 'status',
        patch: {
          status: {
            addresses: [
              { type: 'Strange', address: 'a' },
              { type: 'Odd', address: 'b' },
            ],
          },
        },
      },
      ...[
        'unplaced',
        'unplaced:80',
        'https:unplaced:80',
        'https:unplaced:',
        'unplaced:a',
        'a:unplaced:80:80',
        'nowhere',
        'nowhere:80',
      ].map(name => ask(`/api/v1/nodes/${name}/proxy/`)),
    ],
  },
];
