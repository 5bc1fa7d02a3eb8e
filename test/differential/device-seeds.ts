import type { Seed } from './seeds.js';

/** Seeds of resource.k8s.io, and of a pod that has claims. */

const apiVersion = 'resource.k8s.io/v1';
const space = '/namespaces/default';
const metadata = (name: string): object => ({
  name,
  labels: { app: 'web' },
  annotations: { note: 'x' },
  finalizers: ['example.com/kept'],
});
const opaque = { driver: 'driver.example.com', parameters: { a: 1 } };
const selector = { cel: { expression: 'device.driver == "driver.example.com" && device.attributes["driver.example.com"].ok' } };
const toleration = { key: 'a', operator: 'Equal', value: 'b', effect: 'NoExecute', tolerationSeconds: 5 };

const claimSpec = {
  devices: {
    requests: [
      {
        name: 'one',
        exactly: {
          deviceClassName: 'gpu.example.com',
          selectors: [selector],
          allocationMode: 'ExactCount',
          count: 2,
          tolerations: [toleration],
          capacity: { requests: { memory: '1Gi' } },
        },
      },
      {
        name: 'some',
        firstAvailable: [
          { name: 'large', deviceClassName: 'gpu.example.com', selectors: [selector], count: 1, tolerations: [toleration] },
          { name: 'small', deviceClassName: 'gpu.example.com', allocationMode: 'All' },
        ],
      },
    ],
    constraints: [
      { requests: ['one', 'some/large'], matchAttribute: 'driver.example.com/numa' },
      { distinctAttribute: 'driver.example.com/slot' },
    ],
    config: [{ requests: ['one'], opaque }],
  },
};

const one = { driver: 'driver.example.com', pool: 'pool/a', device: 'dev-0' };
const share = '11111111-2222-3333-4444-555555555555';
const claimStatus = {
  allocation: {
    devices: {
      results: [
        { request: 'one', ...one, tolerations: [toleration] },
        {
          request: 'some/large',
          driver: 'driver.example.com',
          pool: 'pool/a',
          device: 'dev-1',
          adminAccess: false,
          shareID: share,
          consumedCapacity: { memory: '1Gi' },
          bindingConditions: ['Ready'],
          bindingFailureConditions: ['Broken'],
        },
      ],
      config: [{ source: 'FromClass', requests: ['one'], opaque }],
    },
    nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }] },
    allocationTimestamp: '2026-01-01T00:00:00Z',
  },
  reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }],
  devices: [
    {
      ...one,
      conditions: [
        { type: 'Ready', status: 'True', reason: 'Because', message: 'm', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
      data: { a: { b: 1 } },
      networkData: { interfaceName: 'eth0', ips: ['192.0.2.1/24'], hardwareAddress: 'aa:bb' },
    },
  ],
};

const devices = [
  {
    name: 'dev-0',
    attributes: {
      numa: { int: 1 },
      'other.example.com/ok': { bool: true },
      model: { string: 'x' },
      firmware: { version: '1.2.3-rc.1+b' },
    },
    capacity: {
      memory: { value: '8Gi', requestPolicy: { default: '1Gi', validRange: { min: '1Gi', max: '4Gi', step: '1Gi' } } },
      cores: { value: '4', requestPolicy: { default: '1', validValues: ['1', '2'] } },
    },
    allowMultipleAllocations: true,
    consumesCounters: [{ counterSet: 'set', counters: { slices: { value: '1' } } }],
    taints: [{ key: 'a', value: 'b', effect: 'NoSchedule', timeAdded: '2026-01-01T00:00:00Z' }],
    bindsToNode: true,
    bindingConditions: ['Ready'],
    bindingFailureConditions: ['Broken'],
    nodeName: 'n',
  },
  { name: 'dev-1', capacity: { memory: { value: '8Gi' } }, allNodes: true },
  { name: 'dev-2', nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }] } },
];
const pool = { name: 'pool/a', generation: 1, resourceSliceCount: 2 };

export const deviceSeeds: readonly Seed[] = [
  {
    kind: 'DeviceClass',
    at: `/apis/${apiVersion}/deviceclasses`,
    body: {
      apiVersion,
      kind: 'DeviceClass',
      metadata: metadata('seed'),
      spec: { selectors: [selector], config: [{ opaque }], extendedResourceName: 'example.com/gpu' },
    },
  },
  {
    kind: 'ResourceClaim',
    at: `/apis/${apiVersion}${space}/resourceclaims`,
    body: { apiVersion, kind: 'ResourceClaim', metadata: metadata('seed'), spec: claimSpec },
    status: claimStatus,
  },
  {
    kind: 'ResourceClaimTemplate',
    at: `/apis/${apiVersion}${space}/resourceclaimtemplates`,
    body: {
      apiVersion,
      kind: 'ResourceClaimTemplate',
      metadata: metadata('seed'),
      spec: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, spec: claimSpec },
    },
  },
  {
    kind: 'ResourceSlice',
    at: `/apis/${apiVersion}/resourceslices`,
    body: {
      apiVersion,
      kind: 'ResourceSlice',
      metadata: metadata('seed'),
      spec: { driver: 'driver.example.com', pool, perDeviceNodeSelection: true, devices },
    },
  },
];
