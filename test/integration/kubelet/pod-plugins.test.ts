import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Nodes } from '../../../core/api/generated/resources.js';
import type { Node, Pod, PodStatus } from '../../../core/api/generated/types.js';
import type { ContainerSpec } from '../../../core/contracts/container-runtime.js';
import type { Refusal } from '../../../core/kubelet/admission/admit-pod.js';
import type { NodeDevices } from '../../../core/kubelet/devices/device-manager.js';
import type { DeviceOptions } from '../../../core/kubelet/devices/pod-devices.js';
import type { KubeletPlugins } from '../../../core/kubelet/extensions/pod-plugins.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

const resource = 'example.com/gpu';

/** Plugins that do as they are told. */
class ScriptedPlugins implements KubeletPlugins {
  readonly calls: string[] = [];
  isNew = false;
  offered: NodeDevices = { capacity: {}, allocatable: {} };
  refusal: Refusal | undefined;
  held = new Map<string, number>();
  options: DeviceOptions | undefined;
  readonly failures: Partial<Record<'prepare' | 'containerOptions' | 'release', Error>> = {};

  get devices() {
    return { isNew: this.isNew, resources: () => this.offered };
  }

  readonly #note = async (what: string): Promise<void> => void this.calls.push(what);
  readonly load = () => this.#note('load');
  readonly start = () => this.#note('start');
  readonly stop = () => this.#note('stop');

  async admit(pod: Pod): Promise<Refusal | undefined> {
    await this.#note(`admit ${pod.metadata.name}`);
    return this.refusal;
  }

  heldFor(): ReadonlyMap<string, number> {
    return this.held;
  }

  async #step(what: 'prepare' | 'containerOptions' | 'release', pod: Pod): Promise<void> {
    await this.#note(`${what} ${pod.metadata.name}`);
    const failure = this.failures[what];
    if (failure) throw failure;
  }

  prepare(pod: Pod): Promise<void> {
    return this.#step('prepare', pod);
  }

  async containerOptions(pod: Pod): Promise<DeviceOptions | undefined> {
    await this.#step('containerOptions', pod);
    return this.options;
  }

  release(pod: Pod): Promise<void> {
    return this.#step('release', pod);
  }

  decorate(_pod: Pod, status: PodStatus): PodStatus {
    const allocatedResourcesStatus = [{ name: resource, resources: [{ resourceID: 'a', health: 'Healthy' }] }];
    return { ...status, containerStatuses: status.containerStatuses?.map(own => ({ ...own, allocatedResourcesStatus })) ?? [] };
  }
}

describe('plugins of the node', () => {
  let plugins: ScriptedPlugins;
  let fixture: KubeletFixture;

  beforeEach(() => {
    plugins = new ScriptedPlugins();
    fixture = new KubeletFixture('node-a', undefined, plugins);
  });

  afterEach(() => fixture.stop());

  const resources = async (): Promise<(string | undefined)[]> => {
    const { status } = await fixture.node();
    return [status?.capacity?.[resource], status?.allocatable?.[resource]];
  };

  it('give containers devices, and have them back before the API hears of the end', async () => {
    const specs: ContainerSpec[] = [];
    const create = fixture.runtime.createContainer.bind(fixture.runtime);
    fixture.runtime.createContainer = (sandboxId, spec) => {
      specs.push(spec);
      return create(sandboxId, spec);
    };
    plugins.options = {
      environment: new Map([
        ['GPUS', 'a'],
        ['OWN', 'of the plugin'],
      ]),
      mounts: [{ containerPath: '/lib', hostPath: '/opt', readOnly: true, propagation: 'private' }],
      devices: [{ containerPath: '/dev/a', hostPath: '/dev/gpu-a', permissions: 'rw' }],
      annotations: { 'example.com/gpus': 'a' },
      cdiDevices: ['example.com/gpu=a'],
    };
    await fixture.start();
    const env = [{ name: 'OWN', value: 'of the pod' }];
    const pod = await fixture.createPod('web', { containers: [testContainer('web', { env, args: ['$(GPUS)'] })] });
    expect(specs).toHaveLength(1);
    expect(specs[0]).toMatchObject({
      args: ['a'],
      mounts: [plugins.options.mounts[0]],
      devices: plugins.options.devices,
      annotations: { 'example.com/gpus': 'a' },
      cdiDevices: ['example.com/gpu=a'],
    });
    expect(specs[0]!.environment).toEqual(expect.arrayContaining([{ name: 'GPUS', value: 'a' }, env[0]]) as unknown);
    expect(pod.status.containerStatuses![0]!.allocatedResourcesStatus).toEqual([
      { name: resource, resources: [{ resourceID: 'a', health: 'Healthy' }] },
    ]);
    expect(plugins.calls).toEqual(['load', 'start', 'admit web', 'prepare web', 'containerOptions web']);
    plugins.failures.release = new Error('the driver is away');
    await fixture.deletePod('web', 0);
    await fixture.advance(1);
    expect(plugins.calls.filter(call => call === 'release web').length).toBeGreaterThan(1);
    expect(await fixture.runtime.listSandboxes()).toHaveLength(1);
    delete plugins.failures.release;
    await fixture.advance(60);
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
  });

  it('do not give a pod back to the API that a driver still has', async () => {
    await fixture.start();
    await fixture.createPod('web');
    plugins.failures.release = new Error('the driver is away');
    await fixture.deletePod('web', 1);
    await fixture.advance(5);
    expect(await fixture.exists('web')).toBe(true);
    delete plugins.failures.release;
    await fixture.advance(60);
    expect(await fixture.exists('web')).toBe(false);
  });

  it('refuse a pod before anything of it runs', async () => {
    plugins.refusal = { reason: 'UnexpectedAdmissionError', message: 'Allocate failed due to x, which is unexpected' };
    await fixture.start();
    const { status } = await fixture.createPod('web');
    expect(status).toMatchObject({
      phase: 'Failed',
      reason: 'UnexpectedAdmissionError',
      message: 'Pod was rejected: Allocate failed due to x, which is unexpected',
    });
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
  });

  it('let a pod have what it was given, whatever the Node says, and ask nothing of what the Node does not know', async () => {
    plugins.held = new Map([[resource, 1]]);
    await fixture.start();
    const limits = { [resource]: '1', 'example.com/of-the-cluster': '1' };
    const containers = [testContainer('web', { resources: { limits, requests: limits } })];
    expect((await fixture.createPod('web', { containers })).status.phase).toBe('Running');
    plugins.offered = { capacity: { [resource]: '1' }, allocatable: { [resource]: '1' } };
    await fixture.advance(10);
    plugins.held = new Map();
    expect((await fixture.createPod('other', { containers })).status.reason).toBe(`OutOf${resource}`);
  });

  it('hold up a pod whose claims are not ready', async () => {
    plugins.failures.prepare = new Error('prepare dynamic resources: ResourceClaim c: not allocated');
    await fixture.start();
    await fixture.createPod('web');
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
    expect(fixture.recorder.lines('FailedPrepareDynamicResources')).toEqual([
      'FailedPrepareDynamicResources Failed to prepare dynamic resources: prepare dynamic resources: ResourceClaim c: not allocated',
    ]);
    delete plugins.failures.prepare;
    await fixture.advance(10);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('hold up a container that cannot have its devices', async () => {
    plugins.failures.containerOptions = new Error('too hot');
    await fixture.start();
    const pod = await fixture.createPod('web');
    const waiting = { reason: 'CreateContainerConfigError', message: 'too hot' };
    expect(pod.status.containerStatuses![0]!.state.waiting).toEqual(waiting);
    delete plugins.failures.containerOptions;
    await fixture.advance(10);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('make the Node offer their devices, beside what users write there', async () => {
    await fixture.start();
    expect(await resources()).toEqual([undefined, undefined]);
    plugins.offered = { capacity: { [resource]: '3' }, allocatable: { [resource]: '2' } };
    await fixture.advance(10);
    expect(await resources()).toEqual(['3', '2']);
    const own = 'example.com/own';
    const status = fixture.client.resource(Nodes).subresource<Node>('status');
    await status.patch('node-a', 'merge', { status: { capacity: { [own]: '5' } } });
    await fixture.advance(10);
    expect((await fixture.node()).status).toMatchObject({
      capacity: { [own]: '5', [resource]: '3' },
      allocatable: { [own]: '5' },
    });
    await status.patch('node-a', 'merge', { status: { capacity: { [own]: null } } });
    await fixture.advance(10);
    const after = (await fixture.node()).status!;
    expect([after.capacity![own], after.allocatable![own]]).toEqual([undefined, undefined]);
    const writes = (): number =>
      fixture.transport.actions.filter(({ resource: kind, verb }) => kind === 'nodes' && verb === 'patch').length;
    const before = writes();
    await fixture.advance(60);
    expect(writes()).toBe(before);
  });

  it.each([
    ['but 0 of what the Node offered, on a machine that is new', true, '0'],
    ['what the Node offered, until they say otherwise', false, '3'],
  ])('leave %s', async (_name, isNew, expected) => {
    plugins.offered = { capacity: { [resource]: '3' }, allocatable: { [resource]: '3' } };
    await fixture.start();
    await fixture.kubelet.stop();
    plugins.isNew = isNew;
    plugins.offered = { capacity: {}, allocatable: {} };
    fixture.kubelet = fixture.newKubelet();
    await fixture.kubelet.start();
    await fixture.settle();
    expect(await resources()).toEqual([expected, expected]);
  });
});
