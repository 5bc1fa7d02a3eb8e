import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DeviceClasses, Nodes, Pods, ResourceClaims, ResourceSlices } from '../../api/generated/resources.js';
import type { DeviceClass, ResourceClaim, ResourceSlice } from '../../api/generated/types.js';
import { settle } from '../../client/testing/settle.js';
import { conflict, serviceUnavailable } from '../../machinery/status-error.js';
import { SchedulerHarness } from '../testing/harness.js';
import { node, pod } from '../testing/objects.js';

const driver = 'gpu.example.com';
const slice = (nodeName: string, devices: readonly object[], more: object = {}): ResourceSlice =>
  ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: `${nodeName}-gpu` },
    spec: { driver, nodeName, pool: { name: nodeName, generation: 1, resourceSliceCount: 1 }, devices, ...more },
  }) as unknown as ResourceSlice;
const deviceClass = (name: string, spec: object = {}): DeviceClass =>
  ({ apiVersion: 'resource.k8s.io/v1', kind: 'DeviceClass', metadata: { name }, spec }) as unknown as DeviceClass;
const claim = (name: string, request: object, more: object = {}): ResourceClaim =>
  ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name, namespace: 'default' },
    spec: { devices: { requests: [{ name: 'one', ...request }] } },
    status: {},
    ...more,
  }) as unknown as ResourceClaim;
const exactly = (fields: object = {}): object => ({
  exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1, ...fields },
});
const wants = (...names: string[]): object => ({ resourceClaims: names.map(name => ({ name, resourceClaimName: name })) });

describe('pods with claims', () => {
  let harness: SchedulerHarness;

  beforeEach(async () => {
    harness = new SchedulerHarness();
    await harness.start();
    await harness.create(Nodes, node('n1'), node('n2'));
    await harness.create(DeviceClasses, deviceClass('gpu'));
    await until(async () => (await harness.admin.resource(DeviceClasses).objects()).length === 1);
  });
  afterEach(() => harness.stop());

  /** The allocator is imported when the first class is seen, which takes turns of the loop that nobody can count. */
  async function until(isSo: () => Promise<boolean>): Promise<void> {
    for (let turn = 0; turn < 2000; turn++) {
      await settle(1);
      if (await isSo()) return;
    }
    throw new Error('it never came to be so');
  }
  const bound = async (name: string): Promise<string | undefined> => {
    await until(async () => Boolean(await harness.nodeOf(name)));
    return harness.nodeOf(name);
  };
  const refused = async (name: string): Promise<string | undefined> => {
    await until(async () => Boolean(await harness.reasonOf(name)));
    return harness.reasonOf(name);
  };
  const current = (name: string): Promise<ResourceClaim> => harness.admin.resource(ResourceClaims, 'default').get(name);

  it('go where the device is, and are reserved for before they are bound', async () => {
    await harness.create(ResourceSlices, slice('n2', [{ name: 'a' }]));
    await harness.create(ResourceClaims, claim('card', exactly()));
    await harness.create(Pods, pod('web', wants('card')));
    expect(await bound('web')).toBe('n2');
    const { metadata, status } = await current('card');
    expect(metadata.finalizers).toEqual(['resource.kubernetes.io/delete-protection']);
    expect(status.allocation?.devices.results).toEqual([{ request: 'one', driver, pool: 'n2', device: 'a' }]);
    expect(status.reservedFor).toEqual([{ resource: 'pods', name: 'web', uid: (await harness.pod('web')).metadata.uid }]);
  });

  it('never get a device twice, however far the informers are behind', async () => {
    await harness.create(ResourceSlices, slice('n1', [{ name: 'a' }, { name: 'b' }]), slice('n2', [{ name: 'c' }]));
    const names = ['p', 'q', 'r', 's'];
    await harness.create(ResourceClaims, ...names.map(name => claim(name, exactly())));
    await harness.create(Pods, ...names.map(name => pod(name, wants(name))));
    await until(async () => (await Promise.all(names.map(name => harness.nodeOf(name)))).filter(Boolean).length === 3);
    const claims = await Promise.all(names.map(current));
    const devices = claims.flatMap(({ status }) => status.allocation?.devices.results ?? []).map(({ device }) => device);
    expect(devices.sort()).toEqual(['a', 'b', 'c']);
  });

  it('wait for a class that is missing, in upstream words', async () => {
    await harness.create(ResourceClaims, claim('card', exactly({ deviceClassName: 'none' })));
    await harness.create(Pods, pod('web', wants('card')));
    expect(await refused('web')).toContain('0/2 nodes are available: request one: device class none does not exist.');
    await harness.create(ResourceSlices, slice('n1', [{ name: 'a' }]));
    await harness.create(DeviceClasses, deviceClass('none'));
    await harness.clock.advance(60_000);
    expect(await bound('web')).toBe('n1');
  });

  it('prefer nodes with an alternative that stands further in front', async () => {
    const large = { name: 'a', attributes: { large: { bool: true } } };
    await harness.create(
      ResourceSlices,
      slice('n1', [{ name: 'b', attributes: { large: { bool: false } } }]),
      slice('n2', [large]),
    );
    const selectors = [{ cel: { expression: `device.attributes["${driver}"].large` } }];
    const choice = { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 };
    const firstAvailable = [
      { name: 'large', ...choice, selectors },
      { name: 'any', ...choice },
    ];
    await harness.create(ResourceClaims, claim('card', { firstAvailable }));
    await harness.create(Pods, pod('web', wants('card')));
    expect(await bound('web')).toBe('n2');
    expect((await current('card')).status.allocation?.devices.results).toEqual([
      { request: 'one/large', driver, pool: 'n2', device: 'a' },
    ]);
  });

  it('fail where an expression does, and are tried again', async () => {
    await harness.create(ResourceSlices, slice('n1', [{ name: 'a' }]));
    const selectors = [{ cel: { expression: `device.attributes["${driver}"].none` } }];
    await harness.create(ResourceClaims, claim('card', exactly({ selectors })));
    await harness.create(Pods, pod('web', wants('card')));
    expect(await refused('web')).toContain('claim default/card: selector #0: CEL runtime error: no such key: none');
    expect((await harness.pod('web')).status.conditions?.[0]?.reason).toBe('SchedulerError');
  });

  it('wait until the devices are ready for the node', async () => {
    const conditions = { bindingConditions: ['Ready'], bindingFailureConditions: ['Broken'], bindsToNode: true };
    await harness.create(ResourceSlices, slice('n1', [{ name: 'a', ...conditions }]));
    await harness.create(ResourceClaims, claim('card', exactly()));
    await harness.create(Pods, pod('web', wants('card')));
    await until(async () => Boolean((await current('card')).status.reservedFor));
    await settle(50);
    expect(await harness.nodeOf('web')).toBeUndefined();
    expect(harness.recorder.lines('BindingConditionsPending')).toHaveLength(1);
    const ready = { driver, pool: 'n1', device: 'a', conditions: [{ type: 'Ready', status: 'True' }] };
    await harness.admin
      .resource(ResourceClaims, 'default')
      .subresource('status')
      .patch('card', 'merge', { status: { devices: [ready] } });
    expect(await bound('web')).toBe('n1');
  });

  it('give a claim up whose device could not be made ready, and try others', async () => {
    const conditions = { bindingConditions: ['Ready'], bindingFailureConditions: ['Broken'] };
    await harness.create(ResourceSlices, slice('n1', [{ name: 'a', ...conditions }]));
    await harness.create(ResourceClaims, claim('card', exactly()));
    await harness.create(Pods, pod('web', wants('card')));
    await until(async () => Boolean((await current('card')).status.reservedFor));
    const broken = { type: 'Broken', status: 'True', reason: 'Dead', message: 'gone' };
    const status = { devices: [{ driver, pool: 'n1', device: 'a', conditions: [broken] }] };
    await harness.admin.resource(ResourceClaims, 'default').subresource('status').patch('card', 'merge', { status });
    expect(await refused('web')).toContain('device binding failed: claim=card, reason=Dead, message="gone"');
    await harness.admin.resource(ResourceSlices).delete('n1-gpu');
    await harness.create(ResourceSlices, slice('n2', [{ name: 'b' }]));
    for (let attempt = 0; attempt < 5 && !(await harness.nodeOf('web')); attempt++) {
      await harness.clock.advance(20_000);
      await settle(50);
    }
    expect(await bound('web')).toBe('n2');
  });

  it('take the newest state of a claim after a conflict, and free the device when writing fails', async () => {
    await harness.create(ResourceSlices, slice('n1', [{ name: 'a' }]));
    let writes = 0;
    harness.transport.reactors.push(({ verb, resource, subresource }) => {
      if (resource !== 'resourceclaims' || verb !== 'update') return;
      writes++;
      if (writes === 1) throw conflict({ group: 'resource.k8s.io', resource: 'resourceclaims', name: 'card' });
      if (writes === 2 && !subresource) throw serviceUnavailable('busy');
    });
    await harness.create(ResourceClaims, claim('card', exactly()));
    await harness.create(Pods, pod('web', wants('card')));
    expect(await refused('web')).toContain('running PreBind plugin "DynamicResources": busy');
    await harness.clock.advance(20_000);
    expect(await bound('web')).toBe('n1');
  });

  it('get devices for extended resources where nodes have none of their own', async () => {
    await harness.create(DeviceClasses, deviceClass('nic', { extendedResourceName: 'example.com/nic' }));
    await harness.create(ResourceSlices, slice('n1', [{ name: 'a' }]));
    await harness.create(Pods, pod('web', { requests: { 'example.com/nic': '1' } }));
    expect(await bound('web')).toBe('n1');
    const [made] = await harness.admin.resource(ResourceClaims, 'default').objects();
    expect(made).toMatchObject({
      metadata: { annotations: { 'resource.kubernetes.io/extended-resource-claim': 'true' }, ownerReferences: [{ name: 'web' }] },
      spec: { devices: { requests: [{ name: 'container-0-request-0', exactly: { deviceClassName: 'nic', count: 1 } }] } },
      status: { reservedFor: [{ name: 'web' }] },
    });
    await harness.create(Nodes, node('n3', { allocatable: { cpu: '4', 'example.com/nic': '1' } }));
    await harness.create(Pods, pod('second', { requests: { 'example.com/nic': '1' } }));
    expect(await bound('second')).toBe('n3');
    expect(await harness.admin.resource(ResourceClaims, 'default').objects()).toHaveLength(1);
  });
});
