import { describe, expect, it } from '@jest/globals';
import { resourceClaimUsage, trackedClaimNames } from './device-quota.js';
import type { DeviceFacts } from './device-quota.js';
import type { DeviceClass, Pod, ResourceClaim } from './generated/types.js';
import { podUsage } from './quota-usage.js';
import { extendedResourceClaimAnnotation } from './resource-claims.js';

type Amounts = Record<string, number>;
interface Choice {
  deviceClassName: string;
  allocationMode?: string;
  count?: number;
  adminAccess?: boolean;
}

const count = 'count/resourceclaims.resource.k8s.io';
const gpus = 'gpu.deviceclass.resource.k8s.io/devices';
const implicit = 'requests.deviceclass.resource.kubernetes.io/gpu';
const named = 'requests.example.com/gpu';

const gpu: Choice = { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 };
const exactly = (...choices: Choice[]) => choices.map(choice => ({ name: 'r', exactly: choice }));
const firstAvailable = (...choices: Choice[]) => [{ name: 'r', firstAvailable: choices }];
const claimOf = (requests: object[], metadata: object = {}): ResourceClaim =>
  ({
    metadata: { name: 'c', namespace: 'ns', ...metadata },
    spec: { devices: { requests } },
    status: {},
  }) as unknown as ResourceClaim;
const classOf = (extendedResourceName?: string): DeviceClass =>
  ({ metadata: { name: 'gpu' }, spec: { extendedResourceName } }) as unknown as DeviceClass;

function usage(claim: ResourceClaim, facts: Partial<DeviceFacts> = {}): Amounts {
  const all: DeviceFacts = {
    classes: [],
    pod: () => undefined,
    claimsIn: () => [claim],
    podUsage: pod => podUsage(pod, 0),
    ...facts,
  };
  return Object.fromEntries([...resourceClaimUsage(claim, all)].map(([name, amount]) => [name, Number(amount.toString())]));
}

describe('what a claim takes of quotas', () => {
  it.each<[string, object[], Amounts]>([
    ['one device', exactly(gpu), { [gpus]: 1, [implicit]: 1 }],
    ['requests add up', exactly(gpu, gpu, { ...gpu, count: 3 }), { [gpus]: 5, [implicit]: 5 }],
    ['all devices are as many as fit', exactly({ ...gpu, allocationMode: 'All' }), { [gpus]: 32, [implicit]: 32 }],
    ['a way of a later release', exactly({ ...gpu, allocationMode: 'Later' }), { [gpus]: 0 }],
    ['administrators pay', exactly({ ...gpu, adminAccess: true }), { [gpus]: 1, [implicit]: 1 }],
    ['of alternatives the largest', firstAvailable(gpu, { ...gpu, count: 2 }, gpu), { [gpus]: 2, [implicit]: 2 }],
    [
      'of alternatives the largest of each class',
      firstAvailable(gpu, { deviceClassName: 'tpu', allocationMode: 'All' }),
      {
        [gpus]: 1,
        [implicit]: 1,
        'tpu.deviceclass.resource.k8s.io/devices': 32,
        'requests.deviceclass.resource.kubernetes.io/tpu': 32,
      },
    ],
  ])('%s', (_what, requests, expected) => {
    expect(usage(claimOf(requests))).toEqual({ [count]: 1, ...expected });
  });

  it('is the extended resource of the class, too', () => {
    expect(usage(claimOf(exactly(gpu)), { classes: [classOf('example.com/gpu')] })).toEqual({
      [count]: 1,
      [gpus]: 1,
      [implicit]: 1,
      [named]: 1,
    });
  });
});

describe('a claim that the scheduler made for extended resources', () => {
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'u', controller: true };
  const made = (metadata: object = {}) =>
    claimOf(exactly(gpu, gpu), {
      annotations: { [extendedResourceClaimAnnotation]: 'true' },
      ownerReferences: [owner],
      creationTimestamp: '2026-01-01T00:00:01Z',
      ...metadata,
    });
  const podOf = (resourceClaimName?: string, uid = 'u'): Pod => {
    const resources = { requests: { 'example.com/gpu': '1' } };
    const status = resourceClaimName === undefined ? {} : { extendedResourceClaimStatus: { resourceClaimName } };
    return {
      metadata: { name: 'web', namespace: 'ns', uid },
      spec: { containers: [{ name: 'c', resources }] },
      status,
    } as unknown as Pod;
  };
  const charged = (claim: ResourceClaim, pod: Pod | undefined, others: ResourceClaim[] = []) =>
    usage(claim, {
      classes: [classOf('example.com/gpu')],
      pod: (_namespace, name) => (name === 'web' ? pod : undefined),
      claimsIn: () => [claim, ...others],
    });
  const lessThePod = { [count]: 1, [gpus]: 2, [implicit]: 2, [named]: 1 };
  const whole = { ...lessThePod, [named]: 2 };

  it('is charged for what its pod does not pay itself', () => {
    expect(charged(made(), podOf('c'))).toEqual(lessThePod);
    expect(charged(made(), podOf())).toEqual(lessThePod);
  });

  it('pays whole when the pod is another or names another claim', () => {
    expect(charged(made(), undefined)).toEqual(whole);
    expect(charged(made(), podOf('c', 'another'))).toEqual(whole);
    expect(charged(made(), podOf('other'))).toEqual(whole);
    expect(charged(made({ annotations: {} }), podOf('c'))).toEqual(whole);
    expect(charged(made({ ownerReferences: [{ ...owner, kind: 'Job' }] }), podOf('c'))).toEqual(whole);
  });

  it('pays whole when an earlier one is for the same pod', () => {
    const earlier = made({ name: 'z', creationTimestamp: '2026-01-01T00:00:00Z' });
    expect(charged(made(), podOf(), [earlier])).toEqual(whole);
    expect(charged(earlier, podOf(), [made()])).toEqual(lessThePod);
    expect(charged(made(), podOf(), [made({ name: 'a' })])).toEqual(whole);
    expect(charged(made(), podOf(), [made({ name: 'd' })])).toEqual(lessThePod);
    expect(charged(made(), podOf(), [made({ name: 'a', ownerReferences: [{ ...owner, uid: 'v' }] })])).toEqual(lessThePod);
  });
});

it('counts claims under their own names and those of classes', () => {
  const names = [count, gpus, named, implicit, 'requests.cpu', 'resourceclaims', 'gpu.deviceclass.resource.k8s.io/storage'];
  const facts = (classes: DeviceClass[]): DeviceFacts => ({
    classes,
    pod: () => undefined,
    claimsIn: () => [],
    podUsage: () => new Map(),
  });
  expect(trackedClaimNames(names, facts([classOf('example.com/gpu')]))).toEqual([count, gpus, named, implicit]);
  expect(trackedClaimNames(names, facts([classOf()]))).toEqual([count, gpus]);
});
