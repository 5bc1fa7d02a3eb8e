import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, Pod, PodStatus } from '../../api/generated/types.js';
import type { Refusal } from '../admission/admit-pod.js';
import { ClaimManager } from '../claims/claim-manager.js';
import { DeviceManager } from '../devices/device-manager.js';
import { DeviceRegistration } from '../devices/device-registration.js';
import type { DeviceOptions } from '../devices/pod-devices.js';
import type { KubeletContext } from '../kubelet-context.js';
import { PluginRegistry } from './plugin-registry.js';
import type { KubeletPlugins } from './pod-plugins.js';
import { PodResourcesServer } from './pod-resources.js';
import { SocketWatcher } from './socket-watcher.js';

export interface NodePluginsOptions {
  readonly context: KubeletContext;
  /** Pods that hold resources of the node; undefined while they are not all known. */
  readonly activePods: () => readonly Pod[] | undefined;
  /** What the node offers has changed. */
  readonly changed: () => void;
  /** The status of the pod is another one. */
  readonly wake: (podUid: string) => void;
}

/** All that plugins on this host bring, where pods run on it. */
export class NodePlugins implements KubeletPlugins {
  readonly #options: NodePluginsOptions;
  readonly devices: DeviceManager;
  readonly #claims: ClaimManager;
  readonly #registration: DeviceRegistration;
  readonly #registry: PluginRegistry;
  readonly #watcher: SocketWatcher;
  readonly #podResources: PodResourcesServer;

  constructor(options: NodePluginsOptions) {
    this.#options = options;
    const { context, activePods, changed, wake } = options;
    const { rootDir } = context.settings;
    const directory = join(rootDir, 'device-plugins');
    const active = (): ReadonlySet<string> | undefined => {
      const pods = activePods();
      return pods && new Set(pods.map(({ metadata }) => metadata.uid ?? ''));
    };
    this.devices = new DeviceManager({ context, directory, activePods: active, changed, wake });
    this.#claims = new ClaimManager({ context, activePods: active, wake });
    this.#registration = new DeviceRegistration(directory, this.devices);
    this.#registry = new PluginRegistry(context, { DevicePlugin: this.devices, DRAPlugin: this.#claims.drivers });
    this.#podResources = new PodResourcesServer({ rootDir, pods: activePods, devices: this.devices, claims: this.#claims });
    this.#watcher = new SocketWatcher({
      directory: join(rootDir, 'plugins_registry'),
      listener: this.#registry,
      logger: context.logger,
    });
  }

  /** Learns what earlier kubelets did. Before the Node says what it offers. */
  async load(): Promise<void> {
    const { rootDir } = this.#options.context.settings;
    // Drivers keep their own sockets there, and mount the folder.
    await mkdir(join(rootDir, 'plugins'), { recursive: true, mode: 0o750 });
    await this.devices.start();
    await this.#claims.load();
  }

  /** Takes up plugins. What cannot be had of it is told of, and pods that need none run all the same. */
  async start(): Promise<void> {
    const { logger } = this.#options.context;
    this.#claims.start();
    const parts = [this.#registration, this.#watcher, this.#podResources];
    for (const result of await Promise.allSettled(parts.map(part => part.start()))) {
      if (result.status === 'rejected') logger.error('plugins of this node cannot register', { error: result.reason });
    }
  }

  /** Plugins and what pods have of them stay as they are. */
  async stop(): Promise<void> {
    await this.#podResources.stop();
    await this.#watcher.stop();
    await this.#registry.stop();
    await this.#registration.stop();
    await this.devices.stop();
    await this.#claims.stop();
  }

  admit(pod: Pod): Promise<Refusal | undefined> {
    return this.devices.admit(pod);
  }

  heldFor(pod: Pod): ReadonlyMap<string, number> {
    return this.devices.heldFor(pod);
  }

  prepare(pod: Pod): Promise<void> {
    return this.#claims.prepare(pod);
  }

  async containerOptions(pod: Pod, container: Container): Promise<DeviceOptions | undefined> {
    const claimed = this.#claims.cdiDevices(pod, container);
    const options = await this.devices.containerOptions(pod, container);
    if (claimed.length === 0) return options;
    const none = { environment: new Map<string, string>(), mounts: [], devices: [], annotations: {}, cdiDevices: [] };
    return { ...(options ?? none), cdiDevices: [...new Set([...claimed, ...(options?.cdiDevices ?? [])])] };
  }

  decorate(pod: Pod, status: PodStatus): PodStatus {
    return this.#claims.decorate(pod, this.devices.decorate(pod, status));
  }

  release(pod: Pod): Promise<void> {
    return this.#claims.release(pod);
  }
}
