import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ResourceSlices } from '../../api/generated/resources.js';
import type { Container, Pod, ResourceSlice } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { SinkLogger } from '../../base/logger.js';
import type { LogRecord } from '../../base/logger.js';
import { Client } from '../../client/client.js';
import { FakeTransport } from '../../client/testing/fake-transport.js';
import { listenAtSocket } from '../../host/unix-socket.js';
import { until } from '../../testing/until.js';
import type { KubeletContext } from '../kubelet-context.js';
import { FakeDevicePlugin, healthy } from '../devices/testing/fake-device-plugin.js';
import { NodePlugins } from './node-plugins.js';
import { FakePlugin } from './testing/fake-plugin.js';

const resource = 'example.com/gpu';

describe('NodePlugins', () => {
  let root: string;
  let records: LogRecord[];
  let plugins: NodePlugins;
  let client: Client;
  const clock = new FakeClock();

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'plugins-'));
    records = [];
  });

  afterEach(async () => {
    await plugins.stop();
    await rm(root, { recursive: true });
  });

  async function launch(rootDir: string): Promise<void> {
    client = new Client(new FakeTransport(clock), { name: 'system:node:a', groups: [] });
    const logger = new SinkLogger(record => void records.push(record), 'debug');
    const context = { client, clock, logger, settings: { rootDir, nodeName: 'a' } } as unknown as KubeletContext;
    plugins = new NodePlugins({ context, activePods: () => [], changed: () => undefined, wake: () => undefined });
    await plugins.load();
    await plugins.start();
  }

  it('make the folders that drivers mount, and listen in them', async () => {
    // Of a plugin of an earlier kubelet.
    const left = await listenAtSocket(join(root, 'device-plugins', 'old.sock'), () => undefined);
    await launch(root);
    expect((await readdir(root)).sort()).toEqual(['device-plugins', 'plugins', 'plugins_registry', 'pod-resources']);
    expect(await readdir(join(root, 'device-plugins'))).toEqual(['kubelet.sock']);
    expect(await readdir(join(root, 'pod-resources'))).toEqual(['kubelet.sock']);
    await plugins.stop();
    expect(await readdir(join(root, 'device-plugins'))).toEqual([]);
    expect(records.filter(({ level }) => level === 'error')).toEqual([]);
    await left.close();
  });

  it('take device plugins from the registry too', async () => {
    await launch(root);
    const endpoint = join(root, 'plugins', 'gpu.sock');
    const directory = join(root, 'device-plugins');
    const answer = () => ({ envs: { GPU: '1' }, cdiDevices: [{ name: 'a.com/x=1' }] });
    const device = new FakeDevicePlugin({ directory, resource, devices: healthy('a'), socketPath: endpoint, answer });
    await device.listen();
    const info = { type: 'DevicePlugin', name: resource, endpoint, supportedVersions: ['v1beta1'] };
    const registered = new FakePlugin(join(root, 'plugins_registry', 'gpu-reg.sock'), info);
    await registered.listen();
    await until('the device', () => plugins.devices.resources().allocatable[resource] === '1');
    const container: Container = { name: 'main', image: 'box', resources: { limits: { [resource]: '1' } } };
    const pod = { metadata: { name: 'p', namespace: 'default', uid: 'p' }, spec: { containers: [container] } } as unknown as Pod;
    expect(await plugins.admit(pod)).toBeUndefined();
    expect(await plugins.containerOptions(pod, container)).toMatchObject({ cdiDevices: ['a.com/x=1'] });
    await registered.stop();
    await until('no device', () => plugins.devices.resources().allocatable[resource] === '0');
    await device.stop();
  });

  it('withdraw what drivers offered that were removed while there was no kubelet', async () => {
    await launch(root);
    const slices = client.resource(ResourceSlices);
    await slices.create({ metadata: { name: 's' }, spec: { driver: 'd', nodeName: 'a' } } as unknown as ResourceSlice);
    await until('the slice withdrawn', async () => {
      await clock.advance(10_000);
      return (await slices.list()).entries.length === 0;
    });
  });

  it('are not there while nobody needs them, but for a pod that claims something', async () => {
    await launch(root);
    const container: Container = { name: 'main', image: 'box', resources: {} };
    const pod = { metadata: { name: 'p', namespace: 'default', uid: 'p' }, spec: { containers: [container] } } as unknown as Pod;
    expect([await plugins.admit(pod), plugins.heldFor(pod).size, await plugins.containerOptions(pod, container)]).toEqual([
      undefined,
      0,
      undefined,
    ]);
    await plugins.prepare(pod);
    await plugins.release(pod);
    await clock.advance(60_000);
    expect(plugins.devices).toMatchObject({ isNew: true });
    expect(plugins.devices.resources()).toEqual({ capacity: {}, allocatable: {} });
    const claiming = { ...pod, spec: { ...pod.spec, resourceClaims: [{ name: 'c', resourceClaimName: 'c' }] } };
    await expect(plugins.prepare(claiming)).rejects.toThrow(/^prepare dynamic resources: fetch ResourceClaim c: /);
  });

  it('that have no room for their sockets are told of, and the kubelet goes on', async () => {
    await launch(join(root, 'a'.repeat(100)));
    const errors = records.filter(({ level }) => level === 'error');
    expect(errors.map(({ message }) => message)).toEqual(Array(2).fill('plugins of this node cannot register'));
    expect(errors[0]!.fields?.['error']).toMatchObject({ code: 'SOCKET_PATH', mend: 'choose a shorter --data-dir' });
  });
});
