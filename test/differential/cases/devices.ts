import type { Case, Step } from '../replay.js';

const group = '/apis/resource.k8s.io/v1';
const claims = `${group}/namespaces/default/resourceclaims`;
const named = (name: string): object => ({ metadata: { name } });
const request = (fields: object): object => ({ name: 'one', exactly: { deviceClassName: 'gpu', ...fields } });
const claim = (fields: object, more: object = {}): object => ({ devices: { requests: [request(fields)], ...more } });
const selected = (expression: string): Step => ({
  do: 'create',
  body: { ...named('selected'), spec: { selectors: [{ cel: { expression } }] } },
});

const expressions = [
  'true',
  '1',
  'device',
  'device.attributes',
  'device.attributes["a"]',
  'device.attributes["a"].b',
  'device.attributes["a"].b + 1',
  'device.attributes.a.b',
  'device.capacity["a"].b',
  'device.capacity["a"].b.compareTo(quantity("1Gi")) >= 0',
  'device.capacity["a"].b.isGreaterThan("1Gi")',
  'device.attributes["a"].version.isGreaterThan(semver("1.0.0"))',
  'device.attributes["a"].version.compareTo(semver("v1", true)) > 0',
  'device.driver',
  'device.driver == "a"',
  'device.driver.startsWith("a")',
  'device.name == "a"',
  'device.allowMultipleAllocations',
  'device.allowMultipleAllocations == 1',
  'cel.bind(a, device.attributes["a"], a.b && a.c == "x")',
  'cel.bind(1, 2, true)',
  'has(device.attributes["a"].b)',
  '"a" in device.attributes',
  'device.attributes.exists(d, device.attributes[d].exists(i, device.attributes[d][i] == 1))',
  'device.attributes["a"].list.exists(x, x == 1)',
  'device.attributes["a"].includes("b")',
  'device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, true))))',
  'device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, a == b && c == d))))',
  'device.attributes["a"].b.matches("^a+$")',
  'device.attributes["a"].b.contains("x") && device.driver.contains("y")',
  'device.capacity.all(a, device.capacity[a].all(b, device.capacity[a][b].isLessThan(quantity("1"))))',
  'device.attributes["a"].?b.orValue(false)',
  'device.attributes[?"a"].hasValue()',
  'device.attributes["a"]["b"] ? 1 : 2',
  'dyn(device.attributes)',
  '[device.attributes["a"].b]',
  'optional.of(device.attributes["a"].b)',
  'duration("1s")',
  'null',
  'self.a',
  'device.attributes["a"',
  '',
];

const allocated = {
  status: {
    allocation: { devices: { results: [{ request: 'one', driver: 'd.example.com', pool: 'p', device: 'x' }] } },
    reservedFor: [{ resource: 'pods', name: 'p', uid: '1' }],
    devices: [{ driver: 'd.example.com', pool: 'p', device: 'x', data: { a: 1 } }],
  },
};

export const deviceCases: readonly Case[] = [
  ...expressions.map((expression): Case => ({
    name: `selector ${expression}`,
    at: `${group}/deviceclasses`,
    steps: [selected(expression)],
  })),
  {
    name: 'DeviceClass',
    at: `${group}/deviceclasses`,
    steps: [
      {
        do: 'create',
        body: { metadata: { name: 'Wrong' }, spec: { extendedResourceName: 'cpu', config: [{}], selectors: [{}] } },
      },
      { do: 'create', body: { ...named('gpu'), spec: { selectors: [{ cel: { expression: 'x'.repeat(10_241) } }] } } },
      { do: 'create', body: { ...named('gpu'), spec: { config: [{ opaque: { driver: 'D.x', parameters: [1] } }] } } },
      { do: 'create', body: { ...named('gpu'), spec: { config: [{ opaque: { driver: 'd.x', parameters: null } }] } } },
      {
        do: 'create',
        body: { ...named('gpu'), spec: { config: [{ opaque: { driver: 'd.x', parameters: { a: 'x'.repeat(10_240) } } }] } },
      },
      { do: 'create', body: { ...named('gpu'), spec: { config: [{ opaque: { driver: 'd.x', parameters: { a: 1 } } }] } } },
      { do: 'update', patch: { spec: { extendedResourceName: 'requests.example.com/a' } } },
      { do: 'update', patch: { spec: { extendedResourceName: 'example.com/a' } } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'table' },
      { do: 'delete' },
    ],
  },
  {
    name: 'ResourceClaim',
    at: claims,
    steps: [
      { do: 'create', body: { ...named('wrong'), spec: {} } },
      {
        do: 'create',
        body: { ...named('wrong'), spec: { devices: { requests: [{ name: 'a' }, { name: 'a' }, { name: 'B' }] } } },
      },
      { do: 'create', body: { ...named('wrong'), spec: claim({ adminAccess: true, count: -1, allocationMode: 'All' }) } },
      { do: 'create', body: { ...named('wrong'), spec: claim({ allocationMode: 'Some', deviceClassName: 'A_b' }) } },
      {
        do: 'create',
        body: {
          ...named('wrong'),
          spec: claim(
            {
              tolerations: [
                { operator: 'Exists', value: 'x', effect: 'Never' },
                { operator: 'Like', key: 'a b' },
                { value: 'a b' },
              ],
            },
            {
              constraints: [{ requests: ['one', 'one', 'two', 'a/b/c'] }, { matchAttribute: 'a' }, { matchAttribute: 'a//b' }],
              config: [{ requests: ['one/x'] }, { opaque: { driver: '', parameters: 'x' } }],
            },
          ),
        },
      },
      {
        do: 'create',
        body: {
          ...named('wrong'),
          spec: {
            devices: {
              requests: [
                { name: 'a', exactly: { deviceClassName: 'x' }, firstAvailable: [{ name: 'b', deviceClassName: 'y' }] },
                { name: 'c', firstAvailable: [{ name: 'b' }, { name: 'b', deviceClassName: 'y' }] },
              ],
            },
          },
        },
      },
      { do: 'create', body: { ...named('claim'), spec: claim({}), status: allocated.status } },
      { do: 'update', patch: { spec: { devices: { requests: [] } } } },
      { do: 'update', sub: 'status', patch: { status: { reservedFor: [{ resource: 'pods' }] } } },
      { do: 'update', sub: 'status', patch: { status: { devices: allocated.status.devices } } },
      { do: 'update', sub: 'status', patch: { ...allocated, metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } } },
      { do: 'table' },
      { do: 'update', sub: 'status', patch: { status: { allocation: { devices: { config: [{ source: 'FromClass' }] } } } } },
      { do: 'update', sub: 'status', patch: { status: { devices: [{ driver: 'd.example.com', pool: 'p', device: 'y' }] } } },
      { do: 'update', sub: 'status', patch: { status: { reservedFor: null } } },
      { do: 'update', sub: 'status', patch: { status: { allocation: null } } },
      { do: 'table' },
      { do: 'delete' },
    ],
  },
  {
    name: 'ResourceClaim: who may change its status',
    at: claims,
    steps: [
      {
        do: 'request',
        method: 'POST',
        path: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
        body: {
          ...named('claim-status'),
          rules: [{ apiGroups: ['resource.k8s.io'], resources: ['resourceclaims/status'], verbs: ['update', 'patch'] }],
        },
      },
      {
        do: 'request',
        method: 'POST',
        path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
        body: {
          ...named('claim-status'),
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'claim-status' },
          subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'someone' }],
        },
      },
      { do: 'create', body: { ...named('authorized'), spec: claim({}) } },
      { do: 'update', sub: 'status', patch: allocated, as: 'someone' },
      { do: 'update', sub: 'status', patch: allocated },
      {
        do: 'update',
        sub: 'status',
        patch: { status: { devices: [{ driver: 'd.example.com', pool: 'p', device: 'x', data: { a: 2 } }] } },
        as: 'someone',
      },
      { do: 'update', sub: 'status', patch: { metadata: { labels: { a: 'c' } } }, as: 'someone' },
    ],
  },
  {
    name: 'ResourceClaim: admin access',
    at: `${group}/namespaces/trusted/resourceclaims`,
    steps: [
      {
        do: 'request',
        method: 'POST',
        path: '/api/v1/namespaces',
        body: { metadata: { name: 'trusted', labels: { 'resource.kubernetes.io/admin-access': 'true' } } },
      },
      { do: 'create', body: { ...named('admin'), spec: claim({ adminAccess: true }) } },
      { do: 'create', at: claims, body: { ...named('admin'), spec: claim({ adminAccess: true }) } },
      {
        do: 'create',
        at: `${group}/namespaces/default/resourceclaimtemplates`,
        body: { ...named('Admin'), spec: { spec: claim({ adminAccess: true }) } },
      },
    ],
  },
  {
    name: 'ResourceClaimTemplate',
    at: `${group}/namespaces/default/resourceclaimtemplates`,
    steps: [
      {
        do: 'create',
        body: { ...named('wrong'), spec: { metadata: { name: 'x', uid: 'y' }, spec: claim({ deviceClassName: '' }) } },
      },
      { do: 'create', body: { ...named('right'), spec: { metadata: { labels: { a: 'b' } }, spec: claim({}) } } },
      { do: 'update', patch: { spec: { metadata: { labels: { a: 'c' } } } } },
      { do: 'update', patch: { metadata: { labels: { a: 'c' } } } },
      { do: 'table' },
      { do: 'delete' },
    ],
  },
  {
    name: 'ResourceSlice',
    at: `${group}/resourceslices`,
    steps: [
      { do: 'create', body: { ...named('wrong'), spec: {} } },
      {
        do: 'create',
        body: {
          ...named('wrong'),
          spec: {
            driver: 'D.Example.com',
            pool: { name: 'a//B', resourceSliceCount: 0, generation: -1 },
            nodeName: '',
            allNodes: false,
            perDeviceNodeSelection: false,
            devices: [
              { name: 'A', attributes: { 'a b': {} }, nodeName: 'x' },
              { name: 'a', attributes: { '/a': { int: 1, bool: true } }, capacity: { 'x/': { value: '1' } } },
              { name: 'a', attributes: { a: { version: '1.2', ints: [1] } }, nodeAllocatableResourceMappings: { cpu: {} } },
              { name: 'b', bindingConditions: ['A', 'A'], taints: [{ key: 'a' }, { key: 'b', effect: 'Never', value: 'a b' }] },
              { name: 'c', attributes: { a: { strings: ['x'] } }, bindingFailureConditions: ['B'] },
              { name: 'd', capacity: { a: { value: '1', requestPolicy: { default: '1' } } } },
            ],
            sharedCounters: [{ name: '' }, { name: 'A', counters: { 'B c': { value: '1' } } }],
          },
        },
      },
      {
        do: 'create',
        body: {
          ...named('slice'),
          spec: {
            driver: 'D.example.com',
            pool: { name: 'p', resourceSliceCount: 1 },
            nodeName: 'n',
            devices: [
              { name: 'a', attributes: { a: { int: 5 } }, nodeAllocatableResourceMappings: { cpu: { capacityKey: 'x' } } },
            ],
          },
        },
      },
      { do: 'update', patch: { spec: { nodeName: 'm', driver: 'e.example.com', pool: { name: 'q' } } } },
      { do: 'update', patch: { spec: { pool: { generation: 2 } } } },
      { do: 'table' },
      { do: 'list', query: 'fieldSelector=spec.nodeName%3Dn' },
      { do: 'list', query: 'fieldSelector=spec.nodeName%3Dm' },
      { do: 'list', query: 'fieldSelector=spec.driver%3DD.example.com' },
      { do: 'list', query: 'fieldSelector=spec.pool.name%3Dp' },
      { do: 'delete' },
    ],
  },
  {
    name: 'ResourceSlice: amounts',
    at: `${group}/resourceslices`,
    steps: [
      ...[
        { validValues: ['2', '1', '9', '1'] },
        { default: '3', validValues: ['2', '1', '9', '1'] },
        { default: '1', validValues: ['1'], validRange: { min: '1' } },
        { validRange: {} },
        { default: '9', validRange: { step: '1' } },
        { default: '9', validRange: { min: '10', max: '5', step: '3' } },
        { default: '2', validRange: { min: '1', max: '6', step: '2' } },
      ].map((requestPolicy): Step => ({
        do: 'create',
        body: {
          ...named('amounts'),
          spec: {
            driver: 'd.example.com',
            pool: { name: 'p', resourceSliceCount: 1 },
            allNodes: true,
            devices: [{ name: 'a', allowMultipleAllocations: true, capacity: { a: { value: '8', requestPolicy } } }],
          },
        },
      })),
    ],
  },
  {
    name: 'Pod: claims',
    at: '/api/v1/namespaces/default/pods',
    steps: [
      {
        do: 'request',
        method: 'POST',
        path: '/api/v1/namespaces/default/serviceaccounts',
        body: { ...named('devices'), automountServiceAccountToken: false },
      },
      {
        do: 'create',
        body: {
          ...named('wrong'),
          spec: {
            serviceAccountName: 'devices',
            resourceClaims: [
              { name: 'A' },
              { name: 'a', resourceClaimName: 'x', resourceClaimTemplateName: 'y' },
              { name: 'a', resourceClaimName: 'X_y' },
              { name: 'b', resourceClaimTemplateName: '-' },
            ],
            containers: [
              {
                name: 'c',
                image: 'x',
                resources: { claims: [{ name: 'a' }, { name: 'a' }, { name: 'z' }, { name: 'b', request: 'R' }] },
              },
            ],
          },
        },
      },
      {
        do: 'create',
        body: {
          ...named('pod'),
          spec: {
            serviceAccountName: 'devices',
            resourceClaims: [
              { name: 'a', resourceClaimTemplateName: 'x' },
              { name: 'b', resourceClaimName: 'y' },
            ],
            containers: [
              {
                name: 'c',
                image: 'x',
                resources: { claims: [{ name: 'a' }, { name: 'b' }], limits: { 'deviceclass.resource.kubernetes.io/gpu': '1' } },
              },
            ],
          },
          status: { resourceClaimStatuses: [{ name: 'a', resourceClaimName: 'z' }] },
        },
      },
      {
        do: 'create',
        body: {
          ...named('pod'),
          spec: {
            serviceAccountName: 'devices',
            resourceClaims: [
              { name: 'a', resourceClaimTemplateName: 'x' },
              { name: 'b', resourceClaimName: 'y' },
            ],
            containers: [{ name: 'c', image: 'x', resources: { claims: [{ name: 'a', request: 'r' }, { name: 'b' }] } }],
          },
          status: { resourceClaimStatuses: [{ name: 'a', resourceClaimName: 'z' }] },
        },
      },
      { do: 'update', patch: { spec: { resourceClaims: [{ name: 'a', resourceClaimTemplateName: 'z' }] } } },
      {
        do: 'update',
        sub: 'status',
        patch: { status: { resourceClaimStatuses: [{ name: 'q' }, { name: 'a', resourceClaimName: 'X_' }, { name: 'a' }] } },
      },
      { do: 'update', sub: 'status', patch: { status: { resourceClaimStatuses: [{ name: 'a', resourceClaimName: 'made' }] } } },
      { do: 'update', sub: 'status', patch: { status: { resourceClaimStatuses: [{ name: 'a' }] } } },
      {
        do: 'update',
        sub: 'status',
        patch: {
          status: {
            extendedResourceClaimStatus: {
              resourceClaimName: 'X_',
              requestMappings: [
                { containerName: 'nobody', resourceName: 'cpu', requestName: 'R' },
                { containerName: 'c', resourceName: 'example.com/x', requestName: 'r' },
                { containerName: 'c', resourceName: 'example.com/x', requestName: 'r' },
              ],
            },
          },
        },
      },
    ],
  },
  {
    name: 'ResourceQuota: devices',
    at: '/api/v1/namespaces/counted/resourcequotas',
    steps: [
      { do: 'request', method: 'POST', path: '/api/v1/namespaces', body: named('counted') },
      {
        do: 'create',
        body: {
          ...named('devices'),
          spec: { hard: { 'gpu.deviceclass.resource.k8s.io/devices': '2', 'count/resourceclaims.resource.k8s.io': '5' } },
        },
      },
      {
        do: 'update',
        sub: 'status',
        patch: {
          status: {
            hard: { 'gpu.deviceclass.resource.k8s.io/devices': '2', 'count/resourceclaims.resource.k8s.io': '5' },
            used: { 'gpu.deviceclass.resource.k8s.io/devices': '0', 'count/resourceclaims.resource.k8s.io': '0' },
          },
        },
      },
      {
        do: 'create',
        at: `${group}/namespaces/counted/resourceclaims`,
        body: { ...named('all'), spec: claim({ allocationMode: 'All' }) },
      },
      { do: 'create', at: `${group}/namespaces/counted/resourceclaims`, body: { ...named('two'), spec: claim({ count: 2 }) } },
      { do: 'create', at: `${group}/namespaces/counted/resourceclaims`, body: { ...named('one'), spec: claim({}) } },
      {
        do: 'create',
        at: `${group}/namespaces/counted/resourceclaims`,
        body: { ...named('other'), spec: claim({ deviceClassName: 'nic' }) },
      },
      { do: 'request', method: 'GET', path: '/api/v1/namespaces/counted/resourcequotas/devices' },
    ],
  },
];
