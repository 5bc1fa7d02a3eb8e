import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, errorText } from '../../base/errors.js';
import type { Container, Pod, PodStatus } from '../../api/generated/types.js';
import { isRestartableInitContainer } from '../../api/pod-resources.js';
import { parseQuantity } from '../../machinery/quantity.js';
import type { Refusal } from '../admission/admit-pod.js';
import type { KubeletContext } from '../kubelet-context.js';
import { podText, podUid } from '../kubelet-context.js';
import type { DeviceDevice, PodResourcesContainerDevices } from '../extensions/generated/wire-tables.js';
import type { PluginHandler, RegisteredPlugin } from '../extensions/plugin-registry.js';
import { readDeviceCheckpoint, writeDeviceCheckpoint } from './device-checkpoint.js';
import { DeviceEndpoint } from './device-endpoint.js';
import { checkDevicePlugin } from './device-registration.js';
import { deviceOptions, devicesOf, PodDevices, withoutNode } from './pod-devices.js';
import type { DeviceOptions } from './pod-devices.js';

export interface DeviceManagerOptions {
  readonly context: Pick<KubeletContext, 'clock' | 'logger'>;
  /** Of the kubelet's socket and the plugins'. */
  readonly directory: string;
  /** Pods that may hold devices; undefined while they are not all known. */
  readonly activePods: () => ReadonlySet<string> | undefined;
  /** The node offers other devices than before. */
  readonly changed: () => void;
  /** The health of a device of the pod has changed. */
  readonly wake: (podUid: string) => void;
}

/** What device plugins make the node offer. */
export interface NodeDevices {
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
}

interface Device {
  readonly healthy: boolean;
  /** Of the machine's memory. */
  readonly nodes: readonly number[];
}

interface Resource {
  /** Undefined: its plugin has gone. */
  endpoint: DeviceEndpoint | undefined;
  goneAtMs: number;
  /** As its plugin said last. */
  devices: ReadonlyMap<string, Device>;
}

const gracePeriodMs = 5 * 60_000;

/**
 * Devices that plugins offer, and who holds which. Source: pkg/kubelet/cm/devicemanager.
 * There is no topology manager: a plugin's own preference decides which devices go together.
 */
export class DeviceManager implements PluginHandler {
  readonly #options: DeviceManagerOptions;
  readonly #resources = new Map<string, Resource>();
  /** Once offered, and gone for good: the Node goes on to name them. */
  readonly #removed = new Set<string>();
  #pods = new PodDevices();
  /** One allocation at a time: what the one before was given is known. */
  #allocating: Promise<unknown> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #known = false;
  #stopped = false;

  constructor(options: DeviceManagerOptions) {
    this.#options = options;
  }

  /** Learns who held which devices before. */
  async start(): Promise<void> {
    const { clock, logger } = this.#options.context;
    await mkdir(this.#options.directory, { recursive: true, mode: 0o750 });
    try {
      const state = await readDeviceCheckpoint(this.#file);
      if (!state) return;
      this.#known = true;
      this.#pods = state.pods;
      // Nothing is offered before the plugins are back.
      for (const name of state.registered.keys()) {
        this.#resources.set(name, { endpoint: undefined, goneAtMs: clock.now(), devices: new Map() });
      }
    } catch (error) {
      logger.error('it is not known which devices pods hold', { error });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { endpoint } of this.#resources.values()) endpoint?.close();
    await this.#allocating.catch(() => undefined);
    await this.#writing.catch(() => undefined);
  }

  get #file(): string {
    return join(this.#options.directory, 'kubelet_internal_checkpoint');
  }

  /** What it offered before, it cannot know: the node is a new one. */
  get isNew(): boolean {
    return !this.#known;
  }

  validate(plugin: RegisteredPlugin): void {
    checkDevicePlugin(plugin.name, plugin.versions);
  }

  /** Of the plugins of one resource the last holds. */
  async register({ name, endpoint: socketPath }: RegisteredPlugin): Promise<void> {
    const endpoint = new DeviceEndpoint(socketPath);
    try {
      await endpoint.connect();
      if (this.#stopped) throw new CodedError('DEVICE_PLUGIN', 'the kubelet ends');
    } catch (error) {
      endpoint.close();
      throw error;
    }
    const before = this.#resources.get(name);
    before?.endpoint?.close();
    this.#removed.delete(name);
    this.#resources.set(name, { endpoint, goneAtMs: 0, devices: before?.devices ?? new Map() });
    this.#options.context.logger.info('a device plugin offers a resource', { resource: name, socketPath });
    endpoint.watch({
      devices: list => this.#listed(name, list),
      ended: error => {
        const { logger } = this.#options.context;
        logger.warn('a device plugin has gone', { resource: name, socketPath, ...(error ? { error } : {}) });
        this.#gone(name, endpoint);
      },
    });
  }

  deregister({ name, endpoint: socketPath }: RegisteredPlugin): void {
    const endpoint = this.#resources.get(name)?.endpoint;
    if (endpoint?.socketPath === socketPath) this.#gone(name, endpoint);
  }

  #gone(name: string, endpoint: DeviceEndpoint): void {
    endpoint.close();
    const resource = this.#resources.get(name);
    if (resource?.endpoint !== endpoint) return;
    resource.endpoint = undefined;
    resource.goneAtMs = this.#options.context.clock.now();
    this.#options.changed();
  }

  #listed(name: string, list: readonly DeviceDevice[]): void {
    const resource = this.#resources.get(name);
    if (!resource) return;
    const before = resource.devices;
    const devices = list.map(({ id = '', health, topology }): [string, Device] => {
      const nodes = (topology?.nodes ?? []).map(node => node.id ?? 0);
      return [id, { healthy: health === 'Healthy', nodes }];
    });
    resource.devices = new Map(devices);
    const turned = new Set(devices.filter(([id, { healthy }]) => before.get(id)?.healthy !== healthy).map(([id]) => id));
    for (const podUid of this.#pods.holders(name, turned)) this.#options.wake(podUid);
    this.#write().catch(error => this.#options.context.logger.error('the devices could not be written down', { error }));
    this.#options.changed();
  }

  /** For the Node. What has been away for five minutes is offered no more. */
  resources(): NodeDevices {
    const now = this.#options.context.clock.now();
    const capacity: Record<string, string> = {};
    const allocatable: Record<string, string> = {};
    for (const [name, resource] of this.#resources) {
      if (!resource.endpoint && now - resource.goneAtMs > gracePeriodMs) {
        this.#resources.delete(name);
        this.#removed.add(name);
        this.#write().catch(error => this.#options.context.logger.error('the devices could not be written down', { error }));
        continue;
      }
      capacity[name] = String(resource.devices.size);
      allocatable[name] = String(healthyOf(resource).size);
    }
    for (const name of this.#removed) capacity[name] = allocatable[name] = '0';
    return { capacity, allocatable };
  }

  /** How many of each resource are held, when the pod holds any: it was given them, whatever the Node says. */
  heldFor(pod: Pod): ReadonlyMap<string, number> {
    if (!this.#pods.has(podUid(pod))) return new Map();
    return new Map(Array.from(this.#pods.allocated(), ([name, ids]) => [name, ids.size]));
  }

  /** Gives the pod's containers their devices, unless they have them. Why not, when that cannot be. */
  async admit(pod: Pod): Promise<Refusal | undefined> {
    try {
      await this.#locked(() => this.#allocate(pod));
      return undefined;
    } catch (error) {
      const message = `Allocate failed due to ${errorText(error)}, which is unexpected`;
      return { reason: 'UnexpectedAdmissionError', message };
    }
  }

  /** What the container is to be given, when it starts. */
  async containerOptions(pod: Pod, container: Container): Promise<DeviceOptions | undefined> {
    const uid = podUid(pod);
    const wanted = this.#wanted(pod, container);
    const held = (): ReadonlyMap<string, unknown> => this.#pods.container(uid, container.name);
    // An earlier kubelet admitted the pod and could not write down what it gave.
    if (wanted.some(([name]) => !held().has(name))) await this.#locked(() => this.#allocate(pod));
    const allocations = this.#pods.container(uid, container.name);
    for (const [name] of wanted) {
      const endpoint = this.#resources.get(name)?.endpoint;
      if (endpoint?.wantsPreStart) await endpoint.preStart([...devicesOf(allocations.get(name)!)]);
    }
    if (allocations.size === 0) return undefined;
    const { logger } = this.#options.context;
    return deviceOptions(allocations, (what, name) => {
      logger.error(`two device plugins give a container another ${what}`, { pod: podText(pod), container: container.name, name });
    });
  }

  /** With the health of the devices that its containers hold. */
  decorate(pod: Pod, status: PodStatus): PodStatus {
    const uid = podUid(pod);
    if (!this.#pods.has(uid)) return status;
    const containerStatuses = (status.containerStatuses ?? []).map(own => {
      const held = [...this.#pods.container(uid, own.name)].sort(([a], [b]) => (a < b ? -1 : 1));
      if (held.length === 0) return own;
      const allocatedResourcesStatus = held.map(([name, allocation]) => ({
        name,
        resources: Array.from(devicesOf(allocation), resourceID => {
          const healthy = this.#resources.get(name)?.devices.get(resourceID)?.healthy ?? true;
          return { resourceID, health: healthy ? 'Healthy' : 'Unhealthy' };
        }),
      }));
      return { ...own, allocatedResourcesStatus };
    });
    return { ...status, containerStatuses };
  }

  /** For the pod resources API: what the container holds. */
  held(uid: string, container: string): PodResourcesContainerDevices[] {
    return Array.from(this.#pods.container(uid, container)).flatMap(([resourceName, { devices }]) =>
      Array.from(devices).flatMap(([node, ids]) => ids.map(id => told(resourceName, id, node))),
    );
  }

  /** For the pod resources API: what containers can be given. */
  healthy(): PodResourcesContainerDevices[] {
    return Array.from(this.#resources).flatMap(([name, resource]) =>
      Array.from(healthyOf(resource)).flatMap(id => places(resource.devices.get(id)).map(node => told(name, id, node))),
    );
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#allocating.then(work);
    this.#allocating = done.catch(() => undefined);
    return done;
  }

  /** Limits of the container that device plugins serve; requests are the same. */
  #wanted(pod: Pod, container: Container): [name: string, amount: number][] {
    const allocated = this.#pods.allocated();
    const claimed = pod.status?.extendedResourceClaimStatus?.requestMappings ?? [];
    return Object.entries(container.resources?.limits ?? {}).flatMap(([name, limit]): [string, number][] => {
      // A driver of dynamic resource allocation serves it.
      if (claimed.some(own => own.containerName === container.name && own.resourceName === name)) return [];
      const amount = parseQuantity(limit).value();
      return amount > 0 && (this.#resources.has(name) || allocated.has(name)) ? [[name, amount]] : [];
    });
  }

  async #allocate(pod: Pod): Promise<void> {
    const uid = podUid(pod);
    /** Of init containers that end before others start. */
    const reusable = new Map<string, Set<string>>();
    let given = false;
    for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
      const ends = pod.spec.initContainers?.includes(container) && !isRestartableInitContainer(container);
      for (const [name, amount] of this.#wanted(pod, container)) {
        if (!given) this.#release();
        given = (await this.#allocateOf(pod, container, name, amount, reusable.get(name))) || given;
        const allocation = this.#pods.container(uid, container.name).get(name);
        const ids = allocation ? devicesOf(allocation) : new Set<string>();
        const left = reusable.get(name) ?? new Set();
        for (const id of ids)
          if (ends) left.add(id);
          else left.delete(id);
        reusable.set(name, left);
      }
    }
    if (given) await this.#write();
  }

  /** What pods hold that are no more. */
  #release(): void {
    const active = this.#options.activePods();
    if (!active) return;
    for (const uid of this.#pods.podUids()) if (!active.has(uid)) this.#pods.delete(uid);
  }

  async #allocateOf(
    pod: Pod,
    container: Container,
    name: string,
    amount: number,
    reusable = new Set<string>(),
  ): Promise<boolean> {
    const uid = podUid(pod);
    const before = this.#pods.container(uid, container.name).get(name);
    const held = before ? devicesOf(before) : undefined;
    if (held && held.size !== amount) {
      const text = `pod "${uid}" container "${container.name}" changed request for resource "${name}" from ${held.size} to ${amount}`;
      throw new CodedError('DEVICES', text);
    }
    const resource = this.#resources.get(name);
    if (!resource) throw new CodedError('DEVICES', `cannot allocate unregistered device ${name}`);
    const healthy = healthyOf(resource);
    const { endpoint } = resource;
    if (healthy.size === 0 || !endpoint) {
      throw new CodedError('DEVICES', `no healthy devices present; cannot allocate unhealthy devices ${name}`);
    }
    if (held && [...held].some(id => !healthy.has(id))) {
      throw new CodedError(
        'DEVICES',
        `previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${name}`,
      );
    }
    if (held) return false;
    const chosen = await this.#choose(name, endpoint, { amount, healthy, reusable });
    const response = await endpoint.allocate([...chosen]);
    const devices = new Map<number, string[]>();
    for (const id of chosen) {
      for (const node of places(resource.devices.get(id))) devices.set(node, [...(devices.get(node) ?? []), id]);
    }
    this.#pods.set(uid, container.name, name, { devices, response });
    return true;
  }

  async #choose(
    name: string,
    endpoint: DeviceEndpoint,
    { amount, healthy, reusable }: { amount: number; healthy: ReadonlySet<string>; reusable: ReadonlySet<string> },
  ): Promise<Set<string>> {
    const chosen = new Set([...reusable].slice(0, amount));
    const needed = amount - chosen.size;
    if (needed === 0) return chosen;
    const inUse = this.#pods.allocated().get(name);
    const available = [...healthy].filter(id => !inUse?.has(id));
    if (available.length < needed) {
      const text = `requested number of devices unavailable for ${name}. Requested: ${needed}, Available: ${available.length}`;
      throw new CodedError('DEVICES', text);
    }
    const preferred = endpoint.hasPreferences ? await endpoint.preferred([...chosen, ...available], [...chosen], amount) : [];
    for (const id of [...preferred.filter(own => available.includes(own)), ...available]) {
      if (chosen.size < amount) chosen.add(id);
    }
    return chosen;
  }

  /** What is there when its turn comes. */
  #write(): Promise<void> {
    const written = this.#writing.then(async () => {
      const registered = new Map(Array.from(this.#resources, ([name, resource]) => [name, healthyOf(resource)]));
      await writeDeviceCheckpoint(this.#file, { pods: this.#pods, registered });
      this.#known = true;
    });
    this.#writing = written.catch(() => undefined);
    return written;
  }
}

/** Of a plugin that has gone none is. */
function healthyOf({ devices, endpoint }: Resource): Set<string> {
  const ids = new Set<string>();
  if (endpoint) for (const [id, { healthy }] of devices) if (healthy) ids.add(id);
  return ids;
}

function places(device: Device | undefined): readonly number[] {
  return device && device.nodes.length > 0 ? device.nodes : [withoutNode];
}

function told(resourceName: string, id: string, node: number): PodResourcesContainerDevices {
  return { resourceName, deviceIds: [id], ...(node === withoutNode ? {} : { topology: { nodes: [{ id: node }] } }) };
}
