import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Disposable } from '../../base/disposable.js';
import { ResourceSlices } from '../../api/generated/resources.js';
import type { Container, Pod, PodStatus } from '../../api/generated/types.js';
import { listenAtSocket } from '../../host/unix-socket.js';
import type { UnixListener } from '../../host/unix-socket.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { Refusal } from '../admission/admit-pod.js';
import type { NodeDevices } from '../devices/device-manager.js';
import type { DeviceOptions } from '../devices/pod-devices.js';
import type { KubeletContext } from '../kubelet-context.js';
import type { PluginWork } from './plugin-work.js';
import type { PluginServer } from './plugin-wire.js';
import type { KubeletPlugins } from './pod-plugins.js';
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

export interface PluginWorkOptions extends NodePluginsOptions {
  /** Of the kubelet's socket and the device plugins'. */
  readonly deviceDirectory: string;
}

const nothing: NodeDevices = { capacity: {}, allocatable: {} };
/** Drivers that live are back by then. */
const leftoverLookMs = 30_000;

/**
 * All that plugins on this host bring, where pods run on it. As long as there never was one, there is nothing of it but the sockets at
 * which they would knock.
 */
export class NodePlugins implements KubeletPlugins {
  readonly #options: PluginWorkOptions;
  readonly #watcher: SocketWatcher;
  #loading: Promise<PluginWork> | undefined;
  #work: PluginWork | undefined;
  #listeners: UnixListener[] = [];
  #timer: Disposable | undefined;
  #stopped = false;

  constructor(options: NodePluginsOptions) {
    const { context } = options;
    const { rootDir } = context.settings;
    this.#options = { ...options, deviceDirectory: join(rootDir, 'device-plugins') };
    this.#watcher = new SocketWatcher({
      directory: join(rootDir, 'plugins_registry'),
      listener: {
        appeared: path => this.#withWork(work => work.registry.appeared(path)),
        gone: path => this.#withWork(work => work.registry.gone(path)),
      },
      logger: context.logger,
    });
  }

  get devices(): KubeletPlugins['devices'] {
    const work = this.#work;
    return { isNew: work?.devices.isNew ?? true, resources: () => work?.devices.resources() ?? nothing };
  }

  /** Learns what earlier kubelets did. Before the Node says what it offers. */
  async load(): Promise<void> {
    const { context, deviceDirectory } = this.#options;
    const { rootDir } = context.settings;
    // Drivers keep their own sockets in the first, and mount the folder.
    for (const path of [join(rootDir, 'plugins'), deviceDirectory]) await mkdir(path, { recursive: true, mode: 0o750 });
    const kept = [join(deviceDirectory, 'kubelet_internal_checkpoint'), join(rootDir, 'dra_manager_state')];
    if (kept.some(file => existsSync(file))) await this.#loadWork();
  }

  /** Takes up plugins. What cannot be had of it is told of, and pods that need none run all the same. */
  async start(): Promise<void> {
    const { context, deviceDirectory } = this.#options;
    const { logger, settings } = context;
    // What is left of device plugins goes: those that live on make their sockets anew.
    for (const entry of await readdir(deviceDirectory, { withFileTypes: true })) {
      if (entry.isSocket()) await rm(join(deviceDirectory, entry.name), { force: true });
    }
    const tries = [
      this.#listen(join(deviceDirectory, 'kubelet.sock'), work => work.registration),
      this.#listen(join(settings.rootDir, 'pod-resources', 'kubelet.sock'), work => work.podResources),
      this.#watcher.start(),
    ];
    for (const result of await Promise.allSettled(tries)) {
      if (result.status === 'rejected') logger.error('plugins of this node cannot register', { error: result.reason });
    }
    this.#timer = context.clock.setTimer(leftoverLookMs, () => void this.#lookForLeftovers());
  }

  /** Plugins and what pods have of them stay as they are. */
  async stop(): Promise<void> {
    this.#stopped = true;
    void this.#timer?.dispose();
    await this.#watcher.stop();
    for (const listener of this.#listeners) await listener.close();
    await Promise.allSettled([this.#loading]);
    await this.#work?.stop();
  }

  async #listen(socketPath: string, server: (work: PluginWork) => PluginServer): Promise<void> {
    const connected = (socket: Socket): void => this.#withWork(work => server(work).accept(socket));
    this.#listeners.push(await listenAtSocket(socketPath, connected));
  }

  /** In the order of the calls. */
  #withWork(use: (work: PluginWork) => void): void {
    if (this.#stopped) return;
    this.#loadWork()
      .then(work => (this.#stopped ? undefined : use(work)))
      .catch(error => this.#options.context.logger.error('a plugin of this node was not taken up', { error }));
  }

  #loadWork(): Promise<PluginWork> {
    this.#loading ??= (async () => {
      const { PluginWork } = await import('./plugin-work.js');
      const work = new PluginWork(this.#options);
      await work.start();
      this.#work = work;
      return work;
    })();
    return this.#loading;
  }

  /** What drivers offered that were removed while there was no kubelet is withdrawn by who works with drivers. Never rejects. */
  async #lookForLeftovers(): Promise<void> {
    const { client, settings } = this.#options.context;
    if (this.#loading) return;
    try {
      const { entries } = await client.resource(ResourceSlices).list({ fieldSelector: `spec.nodeName=${settings.nodeName}` });
      if (entries.length === 0) return;
    } catch (error) {
      // A server that knows no such objects has none; others are asked again there.
      if (isStatusError(error, 'NotFound')) return;
    }
    this.#withWork(() => undefined);
  }

  async admit(pod: Pod): Promise<Refusal | undefined> {
    return this.#work?.devices.admit(pod);
  }

  heldFor(pod: Pod): ReadonlyMap<string, number> {
    return this.#work?.devices.heldFor(pod) ?? new Map();
  }

  async prepare(pod: Pod): Promise<void> {
    if (!pod.spec.resourceClaims?.length && !pod.status?.extendedResourceClaimStatus) return;
    await (await this.#loadWork()).claims.prepare(pod);
  }

  async containerOptions(pod: Pod, container: Container): Promise<DeviceOptions | undefined> {
    const work = this.#work;
    if (!work) return undefined;
    const claimed = work.claims.cdiDevices(pod, container);
    const options = await work.devices.containerOptions(pod, container);
    if (claimed.length === 0) return options;
    const none = { environment: new Map<string, string>(), mounts: [], devices: [], annotations: {}, cdiDevices: [] };
    return { ...(options ?? none), cdiDevices: [...new Set([...claimed, ...(options?.cdiDevices ?? [])])] };
  }

  decorate(pod: Pod, status: PodStatus): PodStatus {
    const work = this.#work;
    return work ? work.claims.decorate(pod, work.devices.decorate(pod, status)) : status;
  }

  async release(pod: Pod): Promise<void> {
    await this.#work?.claims.release(pod);
  }
}
