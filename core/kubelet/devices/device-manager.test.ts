import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Container, Pod, PodStatus } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { until } from '../../testing/until.js';
import { pluginServer } from '../extensions/plugin-wire.js';
import { DeviceManager } from './device-manager.js';
import type { PluginServer } from '../extensions/plugin-wire.js';
import { deviceRegistration } from './device-registration.js';
import { FakeDevicePlugin, healthy } from './testing/fake-device-plugin.js';
import type { FakeDevicePluginOptions } from './testing/fake-device-plugin.js';

const resource = 'example.com/gpu';

describe('DeviceManager', () => {
  const clock = new FakeClock();
  let directory: string;
  let manager: DeviceManager;
  let registration: PluginServer;
  let plugins: FakeDevicePlugin[];
  let active: Set<string> | undefined;
  let woken: string[];
  let changes: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'devices-'));
    plugins = [];
    active = new Set();
    await launch();
  });

  afterEach(async () => {
    await registration.close();
    await manager.stop();
    for (const plugin of plugins) await plugin.stop();
    await rm(directory, { recursive: true });
  });

  async function launch(): Promise<void> {
    woken = [];
    changes = 0;
    manager = new DeviceManager({
      context: { clock, logger: silentLogger },
      directory,
      activePods: () => active,
      changed: () => changes++,
      wake: uid => woken.push(uid),
    });
    registration = deviceRegistration(directory, manager);
    await manager.start();
    await registration.listen(join(directory, 'kubelet.sock'));
  }

  async function restart(): Promise<void> {
    await registration.close();
    await manager.stop();
    await launch();
  }

  async function plug(options: Partial<FakeDevicePluginOptions> = {}): Promise<FakeDevicePlugin> {
    const plugin = new FakeDevicePlugin({ directory, resource, devices: healthy('a', 'b', 'c'), ...options });
    plugins.push(plugin);
    await plugin.listen();
    const before = manager.resources().allocatable[resource];
    await plugin.register();
    if (!Number(before)) await until('what the plugin lists', () => Number(manager.resources().allocatable[resource]) > 0);
    return plugin;
  }

  function container(name: string, amount: number, changes: Partial<Container> = {}): Container {
    return { name, image: 'box', resources: { limits: amount > 0 ? { [resource]: String(amount) } : {} }, ...changes };
  }

  function pod(uid: string, containers: Container[], initContainers: Container[] = []): Pod {
    active?.add(uid);
    return { metadata: { name: uid, namespace: 'default', uid }, spec: { containers, initContainers } } as unknown as Pod;
  }

  const held = (uid: string, name: string): string[] => manager.held(uid, name).flatMap(({ deviceIds }) => deviceIds ?? []);

  it('offers what plugins list, and counts what is not well in the capacity alone', async () => {
    const plugin = await plug();
    expect(manager.resources()).toEqual({ capacity: { [resource]: '3' }, allocatable: { [resource]: '3' } });
    plugin.setDevices([...healthy('a', 'b'), { id: 'c', health: 'Unhealthy' }]);
    await until('what the plugin lists', () => manager.resources().allocatable[resource] === '2');
    expect(manager.resources().capacity).toEqual({ [resource]: '3' });
    expect(manager.healthy().map(({ deviceIds }) => deviceIds)).toEqual([['a'], ['b']]);
    expect(changes).toBeGreaterThan(1);
  });

  it.each([
    [
      'another version',
      { version: 'v1alpha' },
      'requested API version "v1alpha" is not supported by kubelet. Supported version is ["v1beta1"]',
    ],
    ['a resource of Kubernetes', { resource: 'cpu' }, 'the ResourceName "cpu" is invalid'],
    ['a name that is none', { resource: 'example.com/a b' }, 'the ResourceName "example.com/a b" is invalid'],
  ])('refuses a plugin of %s', async (_name, options, message) => {
    await expect(plug(options)).rejects.toThrow(message);
    expect(manager.resources().capacity).toEqual({});
  });

  it('gives each container devices of its own, with what the plugin says of them', async () => {
    const plugin = await plug({
      answer: ids => ({
        envs: { GPUS: ids.join() },
        mounts: [{ containerPath: '/lib/gpu', hostPath: '/opt/gpu', readOnly: true }],
        devices: ids.map(id => ({ containerPath: `/dev/${id}`, hostPath: `/dev/gpu-${id}`, permissions: 'rw' })),
        annotations: { 'example.com/gpus': ids.join() },
        cdiDevices: ids.map(id => ({ name: `example.com/gpu=${id}` })),
      }),
    });
    const first = pod('one', [container('main', 2), container('side', 0)]);
    expect(await manager.admit(first)).toBeUndefined();
    expect(plugin.asked).toEqual(['allocate a,b']);
    const options = await manager.containerOptions(first, first.spec.containers[0]!);
    expect(options).toEqual({
      environment: new Map([['GPUS', 'a,b']]),
      mounts: [{ containerPath: '/lib/gpu', hostPath: '/opt/gpu', readOnly: true, propagation: 'private' }],
      devices: [
        { containerPath: '/dev/a', hostPath: '/dev/gpu-a', permissions: 'rw' },
        { containerPath: '/dev/b', hostPath: '/dev/gpu-b', permissions: 'rw' },
      ],
      annotations: { 'example.com/gpus': 'a,b' },
      cdiDevices: ['example.com/gpu=a', 'example.com/gpu=b'],
    });
    expect(await manager.containerOptions(first, first.spec.containers[1]!)).toBeUndefined();
    const second = pod('two', [container('main', 1)]);
    expect(await manager.admit(second)).toBeUndefined();
    expect(held('two', 'main')).toEqual(['c']);
    expect(manager.heldFor(second)).toEqual(new Map([[resource, 3]]));
    expect(await manager.admit(pod('three', [container('main', 1)]))).toEqual({
      reason: 'UnexpectedAdmissionError',
      message: `Allocate failed due to requested number of devices unavailable for ${resource}. Requested: 1, Available: 0, which is unexpected`,
    });
    // What a pod held that is no more is free again.
    active!.delete('one');
    expect(await manager.admit(pod('four', [container('main', 2)]))).toBeUndefined();
    expect(held('four', 'main')).toEqual(['a', 'b']);
  });

  it('gives pods that come together no device twice', async () => {
    await plug();
    const pods = ['1', '2', '3', '4'].map(uid => pod(uid, [container('main', 1)]));
    const refusals = await Promise.all(pods.map(own => manager.admit(own)));
    expect(refusals.filter(refusal => refusal)).toHaveLength(1);
    expect(new Set(pods.flatMap(own => held(own.metadata.uid!, 'main')))).toEqual(new Set(['a', 'b', 'c']));
  });

  it('takes nothing of pods while it does not know which there are', async () => {
    await plug();
    expect(await manager.admit(pod('one', [container('main', 3)]))).toBeUndefined();
    active = undefined;
    expect(await manager.admit(pod('two', [container('main', 1)]))).toMatchObject({ reason: 'UnexpectedAdmissionError' });
    expect(held('one', 'main')).toHaveLength(3);
  });

  it('lets containers have what init containers had that end before, and keeps what sidecars have', async () => {
    await plug();
    const sidecar = container('sidecar', 1, { restartPolicy: 'Always' });
    const own = pod('one', [container('main', 2)], [container('first', 2), sidecar]);
    expect(await manager.admit(own)).toBeUndefined();
    expect(held('one', 'first')).toEqual(['a', 'b']);
    expect(held('one', 'sidecar')).toEqual(['a']);
    expect(new Set(held('one', 'main'))).toEqual(new Set(['b', 'c']));
  });

  it('asks the plugin which devices it would have, where it has a wish', async () => {
    const wishes: unknown[] = [];
    await plug({
      options: { getPreferredAllocationAvailable: true },
      preferred: (available, mustInclude, size) => {
        wishes.push([available, mustInclude, size]);
        return ['c', 'unknown', 'b'];
      },
    });
    expect(await manager.admit(pod('one', [container('main', 2)]))).toBeUndefined();
    expect(wishes).toEqual([[['a', 'b', 'c'], [], 2]]);
    expect(held('one', 'main')).toEqual(['c', 'b']);
  });

  it('calls the plugin before each start of a container, where it wants that', async () => {
    const plugin = await plug({ options: { preStartRequired: true } });
    const own = pod('one', [container('main', 1)]);
    await manager.admit(own);
    await manager.containerOptions(own, own.spec.containers[0]!);
    await manager.containerOptions(own, own.spec.containers[0]!);
    expect(plugin.asked).toEqual(['allocate a', 'start a', 'start a']);
  });

  it('knows after a restart who holds what, and offers it when the plugin is back', async () => {
    const plugin = await plug({
      answer: ids => ({ envs: { GPUS: ids.join() } }),
      devices: [{ id: 'a', health: 'Healthy', topology: { nodes: [{ id: 1 }] } }, ...healthy('b')],
    });
    await until('what is written down', () => !manager.isNew);
    const own = pod('one', [container('main', 2)]);
    await manager.admit(own);
    await restart();
    expect(manager.isNew).toBe(false);
    expect(manager.resources()).toEqual({ capacity: { [resource]: '0' }, allocatable: { [resource]: '0' } });
    expect(await manager.admit(pod('two', [container('main', 1)]))).toMatchObject({
      message: `Allocate failed due to no healthy devices present; cannot allocate unhealthy devices ${resource}, which is unexpected`,
    });
    // The socket was removed: as plugins do, it makes it anew.
    await plugin.stop();
    const again = await plug({ devices: healthy('a', 'b', 'c') });
    await until('what the plugin lists', () => manager.resources().capacity[resource] === '3');
    const { environment } = (await manager.containerOptions(own, own.spec.containers[0]!))!;
    expect(environment).toEqual(new Map([['GPUS', 'a,b']]));
    expect(again.asked).toEqual([]);
    expect(manager.held('one', 'main')).toEqual([
      { resourceName: resource, deviceIds: ['a'], topology: { nodes: [{ id: 1 }] } },
      { resourceName: resource, deviceIds: ['b'] },
    ]);
    expect(await manager.admit(pod('three', [container('main', 1)]))).toBeUndefined();
    expect(held('three', 'main')).toEqual(['c']);
  });

  it('gives a container its devices at its start when the kubelet forgot them', async () => {
    await plug();
    const own = pod('one', [container('main', 1)]);
    expect(await manager.containerOptions(own, own.spec.containers[0]!)).toBeDefined();
    expect(held('one', 'main')).toEqual(['a']);
  });

  it('goes on offering nothing of a plugin that has gone, and after five minutes names it no more but with 0', async () => {
    const plugin = await plug();
    const own = pod('one', [container('main', 1)]);
    await manager.admit(own);
    await plugin.stop();
    await until('what the plugin lists', () => manager.resources().allocatable[resource] === '0');
    expect(manager.resources().capacity).toEqual({ [resource]: '3' });
    expect(await manager.admit(pod('two', [container('main', 1)]))).toMatchObject({ reason: 'UnexpectedAdmissionError' });
    await clock.advance(300_001);
    expect(manager.resources()).toEqual({ capacity: { [resource]: '0' }, allocatable: { [resource]: '0' } });
    await plug();
    await until('what the plugin lists', () => manager.resources().allocatable[resource] === '3');
  });

  it('takes the last of two plugins of a resource, whatever becomes of the first', async () => {
    const first = await plug();
    await plug({ devices: healthy('x'), socketPath: join(directory, 'other.sock') });
    await until('what the plugin lists', () => manager.resources().capacity[resource] === '1');
    await first.stop();
    expect(await manager.admit(pod('one', [container('main', 1)]))).toBeUndefined();
    expect(held('one', 'main')).toEqual(['x']);
  });

  it('tells of the health of the devices that a container holds, and wakes the pod when it turns', async () => {
    const plugin = await plug();
    const own = pod('one', [container('main', 2), container('side', 0)]);
    await manager.admit(own);
    plugin.setDevices([{ id: 'a', health: 'Unhealthy' }, ...healthy('b', 'c')]);
    await until('what the plugin lists', () => woken.length > 0);
    expect(woken).toEqual(['one']);
    const status = { containerStatuses: [{ name: 'main' }, { name: 'side' }] } as unknown as PodStatus;
    expect(manager.decorate(own, status).containerStatuses).toEqual([
      {
        name: 'main',
        allocatedResourcesStatus: [
          {
            name: resource,
            resources: [
              { resourceID: 'a', health: 'Unhealthy' },
              { resourceID: 'b', health: 'Healthy' },
            ],
          },
        ],
      },
      { name: 'side' },
    ]);
    await restart();
    await plug({ devices: [{ id: 'a', health: 'Unhealthy' }, ...healthy('b')], socketPath: join(directory, 'other.sock') });
    expect(await manager.admit(own)).toMatchObject({
      message: `Allocate failed due to previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${resource}, which is unexpected`,
    });
    expect(await manager.admit(pod('one', [container('main', 1)]))).toMatchObject({
      message: `Allocate failed due to pod "one" container "main" changed request for resource "${resource}" from 2 to 1, which is unexpected`,
    });
  });

  it('refuses a pod when it cannot write down what it gave', async () => {
    await plug();
    const file = join(directory, 'kubelet_internal_checkpoint');
    await rm(file);
    await mkdir(file);
    const refusal = await manager.admit(pod('one', [container('main', 1)]));
    expect(refusal?.message).toMatch(/^Allocate failed due to .*kubelet_internal_checkpoint.*, which is unexpected$/);
    await rm(file, { recursive: true });
  });

  it('refuses a pod when the plugin fails, and a plugin that cannot say what it is', async () => {
    await plug({
      options: { getPreferredAllocationAvailable: true },
      preferred: () => {
        throw new Error('no wish');
      },
    });
    const message = (text: string): string => `Allocate failed due to ${text}, which is unexpected`;
    expect((await manager.admit(pod('one', [container('main', 1)])))?.message).toBe(
      message('device plugin GetPreferredAllocation rpc failed with err: no wish'),
    );
    const answer = (): never => {
      throw new Error('burnt');
    };
    await plug({ answer, socketPath: join(directory, 'other.sock') });
    expect((await manager.admit(pod('two', [container('main', 1)])))?.message).toBe(message('burnt'));
    const dumb = pluginServer();
    const socketPath = join(directory, 'dumb.sock');
    await dumb.listen(socketPath);
    const registered = manager.register({ name: resource, endpoint: socketPath, versions: ['v1beta1'] });
    await expect(registered).rejects.toThrow(/^failed to get device plugin options: /);
    await dumb.close();
  });

  it('does not start a container when the plugin says no', async () => {
    const plugin = await plug({ options: { preStartRequired: true } });
    const own = pod('one', [container('main', 1)]);
    await manager.admit(own);
    plugin.refusal = 'too hot';
    await expect(manager.containerOptions(own, own.spec.containers[0]!)).rejects.toThrow(
      'device plugin PreStartContainer rpc failed with err: too hot',
    );
  });

  it('takes what the first of two plugins says when they say different things of one container', async () => {
    await plug({ answer: () => ({ envs: { A: '1', B: '1' }, devices: [{ containerPath: '/dev/x', hostPath: '/dev/1' }] }) });
    const other = 'example.com/other';
    const answer = () => ({ envs: { A: '2', B: '1' }, devices: [{ containerPath: '/dev/x', hostPath: '/dev/2' }] });
    await plug({ resource: other, answer });
    await until('both resources', () => manager.resources().allocatable[other] === '3');
    const limits = { [resource]: '1', [other]: '1' };
    const own = pod('one', [{ name: 'main', image: 'box', resources: { limits } }]);
    await manager.admit(own);
    const options = (await manager.containerOptions(own, own.spec.containers[0]!))!;
    expect(Object.fromEntries(options.environment)).toEqual({ A: '1', B: '1' });
    expect(options.devices.map(({ hostPath }) => hostPath)).toEqual(['/dev/1']);
  });

  it('leaves to drivers what they serve of the same resources', async () => {
    await plug();
    const own = pod('one', [container('main', 1)]);
    const requestMappings = [{ containerName: 'main', resourceName: resource, requestName: 'r' }];
    const status = { extendedResourceClaimStatus: { requestMappings, resourceClaimName: 'c' } } as unknown as PodStatus;
    expect(await manager.admit({ ...own, status })).toBeUndefined();
    expect(held('one', 'main')).toEqual([]);
  });

  it('writes what upstream reads, and starts without what cannot be relied on', async () => {
    await plug({ devices: healthy('a') });
    await manager.admit(pod('one', [container('main', 1)]));
    const file = join(directory, 'kubelet_internal_checkpoint');
    const text = await readFile(file, 'utf8');
    expect(JSON.parse(text)).toEqual({
      Data: {
        PodDeviceEntries: [
          { PodUID: 'one', ContainerName: 'main', ResourceName: resource, DeviceIDs: { '-1': ['a'] }, AllocResp: '' },
        ],
        RegisteredDevices: { [resource]: ['a'] },
      },
      Checksum: expect.any(Number),
    });
    await registration.close();
    await manager.stop();
    await writeFile(file, text.replaceAll('"a"', '"b"'));
    await launch();
    expect(held('one', 'main')).toEqual([]);
    expect(manager.isNew).toBe(true);
  });
});
