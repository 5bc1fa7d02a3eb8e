import type { Case, Step } from '../replay.js';

const named = (name: string, more: object = {}): { metadata: object } => ({ metadata: { name, ...more } });
const creates = (list: readonly object[]): Step[] =>
  list.map((spec, index): Step => ({ do: 'create', body: { ...named(`case-${index}`), spec } }));

const service = (name: string, port: object = { number: 80 }): object => ({ service: { name, port } });
const rule = (path: string | undefined, more: object = {}): object => ({
  rules: [{ host: 'a.example', http: { paths: [{ path, pathType: 'Prefix', backend: service('web'), ...more }] } }],
});
const balancer = (...ingress: object[]): object => ({ status: { loadBalancer: { ingress } } });

const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
const slice = (index: number, body: object): Step => ({ do: 'create', body: { ...named(`slice-${index}`), ...body } });

export const networkingCases: readonly Case[] = [
  {
    name: 'EndpointSlice: what is refused',
    at: slices,
    steps: [
      slice(0, { endpoints: [] }),
      slice(1, { addressType: 'IPX', endpoints: [{ addresses: [] }] }),
      slice(2, {
        addressType: 'IPv4',
        endpoints: [
          {
            addresses: ['127.0.0.1', '0.0.0.0', '169.254.1.1', '224.0.0.9', '010.0.0.1', 'x', '::ffff:1.2.3.4', 'fe80::1'],
          },
        ],
        ports: [{ name: 'Bad', protocol: 'HTTP', appProtocol: 'a/b/c' }, { name: '' }, {}],
      }),
      slice(3, {
        addressType: 'IPv6',
        endpoints: [{ addresses: ['fe80::1', '::1', '::', 'ff02::1', '2001:DB8::1', '1.2.3.4'] }],
      }),
      slice(4, { addressType: 'FQDN', endpoints: [{ addresses: ['a.b.', 'a', '', 'A.b'] }] }),
      slice(5, {
        addressType: 'IPv4',
        endpoints: [
          {
            addresses: Array.from({ length: 101 }, (_, index) => `10.0.0.${index}`),
            nodeName: 'Bad_',
            hostname: 'a.b',
            hints: {
              forZones: [{ name: 'a' }, { name: 'a' }, { name: 'a b' }],
              forNodes: [{ name: 'x' }, { name: 'x' }, { name: 'X_' }],
            },
          },
        ],
      }),
      slice(6, {
        addressType: 'IPv4',
        endpoints: [
          { addresses: ['1.2.3.4'], hints: { forZones: Array.from({ length: 9 }, (_, index) => ({ name: `z${index}` })) } },
        ],
      }),
    ],
  },
  {
    name: 'EndpointSlice: defaults, topology, generation',
    at: slices,
    steps: [
      slice(0, {
        addressType: 'IPv4',
        endpoints: [
          {
            addresses: ['10.0.0.1'],
            nodeName: 'n',
            hostname: 'h',
            zone: 'z',
            deprecatedTopology: { 'kubernetes.io/hostname': 'q' },
            targetRef: { kind: 'Pod', name: 'p', namespace: 'default' },
          },
        ],
        ports: [{ port: 80 }, { name: 'b', protocol: 'UDP', port: 81, appProtocol: 'kubernetes.io/h2c' }],
      }),
      { do: 'update', patch: { metadata: { annotations: { a: 'b' } } } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { endpoints: [{ addresses: ['10.0.0.2'], conditions: { ready: true } }] } },
      { do: 'update', patch: { addressType: 'IPv6' } },
      { do: 'table' },
      slice(1, { addressType: 'FQDN', endpoints: [{ addresses: ['a.example.'] }] }),
      { do: 'table' },
      slice(2, {
        addressType: 'IPv6',
        endpoints: [{ addresses: ['2001:db8::1'] }],
        ports: [1, 2, 3, 4].map(port => ({ name: `p${port}`, port })),
      }),
      { do: 'table' },
    ],
  },
  {
    name: 'Ingress: what is refused',
    at: '/apis/networking.k8s.io/v1/namespaces/default/ingresses',
    steps: creates([
      {},
      rule('a//b/./c/../%2f%2F/..'),
      rule('a', { pathType: 'ImplementationSpecific' }),
      rule('/', { pathType: 'Bad' }),
      rule('/', { pathType: undefined }),
      rule(undefined, { pathType: 'Exact' }),
      rule('/', { backend: {} }),
      rule('/', { backend: { service: { name: '' } } }),
      rule('/', { backend: service('A_', { name: 'Ab', number: 70000 }) }),
      rule('/', { backend: service('a', { name: '-A_' }) }),
      rule('/', { backend: service('1a', { number: 70000 }) }),
      rule('/', { backend: { resource: { kind: 'K', name: 'n' } } }),
      rule('/', { backend: { resource: { apiGroup: 'A', kind: '', name: 'a/b' } } }),
      rule('/', { backend: { ...service('a'), resource: { kind: 'a', name: 'b' } } }),
      {
        defaultBackend: service('x'),
        ingressClassName: 'A_',
        rules: [{ host: '1.2.3.4' }, { host: '*.x' }, { host: 'a*' }, { http: { paths: [] } }, { http: {} }],
        tls: [{ hosts: ['*.a', '*a', 'A'], secretName: 'A_' }],
      },
    ]),
  },
  {
    name: 'Ingress: annotation, status, columns',
    at: '/apis/networking.k8s.io/v1/namespaces/default/ingresses',
    steps: [
      {
        do: 'create',
        body: { ...named('annotated', { annotations: { 'kubernetes.io/ingress.class': 'nginx' } }), spec: rule('/a') },
      },
      {
        do: 'create',
        body: {
          ...named('both', { annotations: { 'kubernetes.io/ingress.class': 'nginx' } }),
          spec: { ...rule('/a'), ingressClassName: 'other' },
        },
      },
      { do: 'create', body: { ...named('web'), spec: rule('/a'), ...balancer({ ip: '1.2.3.4' }) } },
      { do: 'update', patch: { spec: rule('/b') } },
      { do: 'update', patch: balancer({ ip: '1.2.3.4' }) },
      {
        do: 'update',
        sub: 'status',
        patch: {
          metadata: { labels: { a: 'b' } },
          spec: rule('/c'),
          ...balancer(
            { ip: '1.2.3.4' },
            { hostname: 'foo.example.com', ports: [{ port: 80, protocol: 'TCP' }] },
            { ip: '2001:DB8::1' },
          ),
        },
      },
      { do: 'update', sub: 'status', patch: balancer({ ip: '01.2.3.4', hostname: '1.2.3.4' }, { hostname: 'A_' }) },
      { do: 'table' },
      {
        do: 'create',
        body: {
          ...named('many'),
          spec: {
            defaultBackend: service('x'),
            rules: ['a', 'b', 'c', 'd', 'e'].map(host => ({ host })),
            tls: [{ hosts: ['a'] }],
          },
        },
      },
      { do: 'table' },
      {
        do: 'patch',
        type: 'application/apply-patch+yaml',
        patch: {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'Ingress',
          ...named('many', { labels: { c: 'd' } }),
          spec: { ingressClassName: 'x' },
          ...balancer({ ip: '5.6.7.8' }),
        },
      },
      {
        do: 'patch',
        sub: 'status',
        type: 'application/apply-patch+yaml',
        patch: {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'Ingress',
          ...named('many', { labels: { e: 'f' } }),
          spec: { ingressClassName: 'y' },
          ...balancer({ ip: '5.6.7.8' }),
        },
      },
    ],
  },
  {
    name: 'IngressClass',
    at: '/apis/networking.k8s.io/v1/ingressclasses',
    steps: [
      ...creates([
        {},
        { controller: 'plain' },
        { controller: `Bad_.io/${'a'.repeat(250)}` },
        { controller: 'a.io/b c' },
        { controller: 'a.io/b', parameters: {} },
        { controller: 'a.io/b', parameters: { apiGroup: 'A', kind: 'a/b', name: '..', scope: 'Planet' } },
        { controller: 'a.io/b', parameters: { kind: 'K', name: 'n', scope: 'Namespace' } },
        { controller: 'a.io/b', parameters: { kind: 'K', name: 'n', scope: 'Namespace', namespace: 'A_' } },
        { controller: 'a.io/b', parameters: { kind: 'K', name: 'n', namespace: 'a' } },
      ]),
      {
        do: 'create',
        body: {
          ...named('right', { annotations: { 'ingressclass.kubernetes.io/is-default-class': 'false' } }),
          spec: { controller: 'a.io/b', parameters: { apiGroup: 'g.example', kind: 'K', name: 'n' } },
        },
      },
      { do: 'update', patch: { spec: { controller: 'a.io/c' } } },
      { do: 'update', patch: { spec: { parameters: null } } },
      { do: 'table' },
    ],
  },
  {
    name: 'NetworkPolicy',
    at: '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies',
    steps: [
      ...creates([
        {
          podSelector: {
            matchLabels: { 'a b': 'c d' },
            matchExpressions: [
              { key: 'k', operator: 'In' },
              { key: 'k', operator: 'Near' },
            ],
          },
          policyTypes: ['Ingress', 'Sideways'],
        },
        { podSelector: {}, policyTypes: ['Ingress', 'Egress', 'Ingress'] },
        {
          podSelector: {},
          ingress: [
            {
              ports: [
                { protocol: 'ICMP', port: 0 },
                { port: 80, endPort: 79 },
                { port: 80, endPort: 70000 },
                { port: 'Web_', endPort: 3 },
                { endPort: 3 },
              ],
              from: [{}, { podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }, { ipBlock: {} }],
            },
          ],
          egress: [
            {
              to: [
                { ipBlock: { cidr: '10.0.0.1/8', except: ['10.0.0.0/8', '11.0.0.0/16', 'x', '10.1.1.1/16'] } },
                { ipBlock: { cidr: '010.0.0.0/8' } },
                { ipBlock: { cidr: '::ffff:1.2.3.0/120' } },
                { ipBlock: { cidr: 'nonsense', except: ['y'] } },
                { namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } },
              ],
            },
          ],
        },
      ]),
      {
        do: 'create',
        body: {
          ...named('right'),
          spec: {
            podSelector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }] },
            ingress: [{ ports: [{ port: 80, endPort: 90 }, { port: 'web' }], from: [{ podSelector: {} }] }],
            egress: [{ to: [{ ipBlock: { cidr: '2001:DB8::/32', except: ['2001:db8:1::/48'] } }] }],
          },
        },
      },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { spec: { egress: null, policyTypes: null } } },
      { do: 'table' },
      { do: 'create', body: named('bare') },
      { do: 'table' },
    ],
  },
  {
    name: 'IPAddress',
    at: '/apis/networking.k8s.io/v1/ipaddresses',
    steps: [
      { do: 'create', body: { ...named('192.0.2.300'), spec: {} } },
      { do: 'create', body: { ...named('192.0.2.03'), spec: { parentRef: {} } } },
      {
        do: 'create',
        body: { ...named('2001:DB8::1'), spec: { parentRef: { group: 'A', resource: 'a/b', name: '..', namespace: 'x%' } } },
      },
      {
        do: 'create',
        body: { ...named('192.0.2.7'), spec: { parentRef: { resource: 'services', namespace: 'default', name: 'web' } } },
      },
      { do: 'update', patch: { spec: { parentRef: { name: 'other' } } } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'table' },
      {
        do: 'create',
        body: { ...named('2001:db8::7'), spec: { parentRef: { group: 'g.example', resource: 'gates', name: 'web' } } },
      },
      { do: 'table' },
    ],
  },
  {
    name: 'ServiceCIDR',
    at: '/apis/networking.k8s.io/v1/servicecidrs',
    steps: [
      ...creates([
        {},
        { cidrs: ['10.96.0.0/12', '2001:db8::/108', '10.0.0.0/8'] },
        { cidrs: ['10.96.0.1/12'] },
        { cidrs: ['10.96.0.0/16', '10.97.0.0/16'] },
        { cidrs: ['x', '2001:DB8::/108'] },
      ]),
      { do: 'create', body: { ...named('right'), spec: { cidrs: ['10.98.0.0/16'] }, status: { conditions: [] } } },
      { do: 'update', patch: { spec: { cidrs: ['10.99.0.0/16'] } } },
      { do: 'update', patch: { spec: { cidrs: ['10.99.0.0/16', 'x'] } } },
      { do: 'update', patch: { spec: { cidrs: [] } } },
      { do: 'update', patch: { spec: { cidrs: ['10.98.0.0/16', '2001:db8::/108'] } } },
      { do: 'table' },
    ],
  },
];
