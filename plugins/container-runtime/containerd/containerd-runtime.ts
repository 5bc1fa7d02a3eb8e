import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import { CodedError, sleep } from '../../../core/plugin-api/index.js';
import type {
  AttachOptions,
  Clock,
  CommandConnectionOptions,
  ContainerRuntime,
  ContainerSpec,
  ContainerState,
  ContainerStats,
  Disposable,
  ExecOptions,
  ExecResult,
  ExecSession,
  ImageState,
  LinuxResources,
  Logger,
  PullOptions,
  RuntimeInspection,
  RuntimeStatus,
  SandboxSpec,
  SandboxState,
} from '../../../core/plugin-api/index.js';
import { resolvesCdi, withCdiDevices } from './cdi-devices.js';
import {
  containerConfig,
  containerState,
  containerStats,
  linuxResources,
  sandboxConfig,
  sandboxState,
  stopSignalAnnotation,
} from './cri-mapping.js';
import { EventFeed } from './event-feed.js';
import type { RuntimeListener } from './event-feed.js';
import { startExec } from './exec-session.js';
import type { ImageMounts } from './image-mounts.js';
import type { ImageService } from './image-service.js';
import { isNotFound, runtimeError } from './runtime-errors.js';
import type { CallArea } from './runtime-errors.js';
import { SandboxConfigs } from './sandbox-configs.js';
import { openAttach, openPortForward, openSpdyConnection } from './streaming.js';
import type { GrpcChannel, Method } from './wire/grpc-channel.js';
import type { Calls, Container, PodSandbox } from './wire/generated/tables.js';

export interface ContainerdRuntimeOptions {
  readonly channel: GrpcChannel;
  readonly images: ImageService;
  readonly imageMounts: ImageMounts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For FIFOs of execs. */
  readonly fifoDirectory: string;
  /** Whether the kernel has AppArmor; without it every profile would be refused. */
  readonly appArmor: boolean;
  /** Resolves when images that are on their way from archives are here. */
  readonly arrived?: () => Promise<void>;
}

interface KnownState {
  /** The list's word for it when the state was read. */
  readonly listed: string;
  readonly state: ContainerState;
  readonly stopSignal: string | undefined;
}

const { signals } = constants;
const outputLimitBytes = 16 * 1024;
const endAttempts = 5;
const endRetryMs = 100;
const reservedRetryMs = 200;
const reservedLimitMs = 60_000;

/** containerd counts in nanoseconds of 64 bits: beyond 292 years it would kill at once. */
const longestGraceSeconds = 2 ** 31;

/** containerd through CRI, with its own services where CRI is late or lacks something: events, exec, import. */
export class ContainerdRuntime implements ContainerRuntime {
  readonly #options: ContainerdRuntimeOptions;
  readonly #channel: GrpcChannel;
  readonly #events: EventFeed;
  readonly #configs: SandboxConfigs;
  /** What does not change any more: states of containers by what the list says of them, addresses of running sandboxes. */
  readonly #states = new Map<string, KnownState>();
  readonly #addresses = new Map<string, readonly string[]>();

  constructor(options: ContainerdRuntimeOptions) {
    this.#options = options;
    this.#channel = options.channel;
    this.#events = new EventFeed(options.channel, options.clock, options.logger);
    this.#configs = new SandboxConfigs(options.channel);
  }

  /** Before anything else is called. */
  start(): Promise<void> {
    return this.#events.start();
  }

  stop(): void {
    this.#events.stop();
  }

  async status(): Promise<RuntimeStatus> {
    const [version, { status, runtimeHandlers = [], features }] = await Promise.all([
      this.#call('sandbox', 'Version', { version: 'v1' }, 10_000),
      this.#call('sandbox', 'Status', {}, 10_000),
    ]);
    const conditions = new Map((status?.conditions ?? []).map(condition => [condition.type, condition]));
    const runtime = conditions.get('RuntimeReady');
    const network = conditions.get('NetworkReady');
    return {
      name: version.runtimeName ?? 'containerd',
      version: (version.runtimeVersion ?? '').replace(/^v/, ''),
      ready: runtime?.status ?? false,
      message: runtime?.message ?? '',
      networkReady: network?.status ?? false,
      networkMessage: (network?.message ?? '').replace(/^Network plugin returns error: /, ''),
      // containerd before 2.0 tells none, and has none of their features.
      handlers: (runtimeHandlers.length > 0 ? runtimeHandlers : [{ name: '' }, { name: 'runc' }]).map(own => ({
        name: own.name ?? '',
        recursiveReadOnlyMounts: own.features?.recursiveReadOnlyMounts ?? false,
        // Sandboxes are made without them, whatever containerd could do.
        userNamespaces: false,
      })),
      features: {
        supplementalGroupsPolicy: features?.supplementalGroupsPolicy ?? false,
        appArmor: this.#options.appArmor,
      },
      onHost: true,
    };
  }

  async setPodCidrs(podCidrs: readonly string[]): Promise<void> {
    await this.#call('sandbox', 'UpdateRuntimeConfig', { runtimeConfig: { networkConfig: { podCidr: podCidrs.join(',') } } });
  }

  async runSandbox(spec: SandboxSpec): Promise<string> {
    const config = sandboxConfig(spec);
    const request = { config, runtimeHandler: spec.runtimeHandler };
    const id = await this.#create('sandbox', async () => (await this.#channel.call('RunPodSandbox', request)).podSandboxId ?? '');
    this.#configs.note(id, config);
    return id;
  }

  async stopSandbox(sandboxId: string): Promise<void> {
    await this.#unlessGone('sandbox', 'StopPodSandbox', { podSandboxId: sandboxId });
    this.#addresses.delete(sandboxId);
  }

  async removeSandbox(sandboxId: string): Promise<void> {
    await this.#unlessGone('sandbox', 'RemovePodSandbox', { podSandboxId: sandboxId });
    this.#addresses.delete(sandboxId);
    this.#configs.forget(sandboxId);
  }

  async listSandboxes(): Promise<SandboxState[]> {
    const { items = [] } = await this.#call('sandbox', 'ListPodSandbox', {});
    const present = new Set(items.map(({ id }) => id));
    for (const id of this.#addresses.keys()) if (!present.has(id)) this.#addresses.delete(id);
    const states = await Promise.all(
      items.map(async item => {
        const ips = await this.#sandboxAddresses(item);
        return ips && this.#sandboxWithExit(sandboxState(item, ips));
      }),
    );
    return states.filter(state => state !== undefined);
  }

  async sandbox(sandboxId: string): Promise<SandboxState> {
    const { status } = await this.#call('sandbox', 'PodSandboxStatus', { podSandboxId: sandboxId });
    if (!status) throw new CodedError('RUNTIME_NOT_FOUND', `sandbox ${sandboxId}: not found`);
    return this.#sandboxWithExit(sandboxState(status, addressesOf(status.network)));
  }

  /** One whose process has died is ready by CRI's word for a while. */
  #sandboxWithExit(state: SandboxState): SandboxState {
    return state.ready && this.#events.exitOf(state.id) ? { ...state, ready: false, ips: [] } : state;
  }

  /** Undefined when the sandbox has gone since it was listed. */
  async #sandboxAddresses(item: PodSandbox): Promise<readonly string[] | undefined> {
    const id = item.id ?? '';
    if ((item.state ?? 'SANDBOX_READY') !== 'SANDBOX_READY') return [];
    const known = this.#addresses.get(id);
    if (known) return known;
    try {
      const { status } = await this.#channel.call('PodSandboxStatus', { podSandboxId: id });
      const ips = addressesOf(status?.network);
      if (ips.length > 0) this.#addresses.set(id, ips);
      return ips;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw runtimeError(error, 'sandbox');
    }
  }

  async createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    const sandbox = await this.#configs.get(sandboxId);
    const options = sandbox.linux?.securityContext?.namespaceOptions;
    const shared = { hostNetwork: options?.network === 'NODE', hostIpc: options?.ipc === 'NODE' };
    const config = containerConfig(await this.#withDevices(spec), shared, this.#options.appArmor);
    const id = await this.#create('container', async () => {
      const request = { podSandboxId: sandboxId, config, sandboxConfig: sandbox };
      return (await this.#channel.call('CreateContainer', request)).containerId ?? '';
    });
    this.#events.noteKind(id, 'container');
    return id;
  }

  async #withDevices(spec: ContainerSpec): Promise<ContainerSpec> {
    if (!spec.cdiDevices?.length) return spec;
    const { runtimeVersion = '' } = await this.#call('sandbox', 'Version', { version: 'v1' }, 10_000);
    return resolvesCdi(runtimeVersion.replace(/^v/, '')) ? spec : withCdiDevices(spec);
  }

  async startContainer(containerId: string): Promise<void> {
    try {
      await this.#channel.call('StartContainer', { containerId });
    } catch (error) {
      // The answer to an earlier call was lost.
      if (/is in CONTAINER_RUNNING state/.test((error as Error).message)) return;
      throw runtimeError(error, 'container');
    }
  }

  async stopContainer(containerId: string, graceSeconds: number): Promise<void> {
    const remaining = await this.#stopByOwnSignal(containerId, Math.min(graceSeconds, longestGraceSeconds));
    const timeoutMs = remaining * 1000 + 2 * 60_000;
    await this.#unlessGone('container', 'StopContainer', { containerId, timeout: remaining }, timeoutMs);
  }

  /** containerd knows the image's signal only; one of the pod's own is sent here. Resolves the seconds that remain. */
  async #stopByOwnSignal(containerId: string, graceSeconds: number): Promise<number> {
    try {
      const { stopSignal, state } = this.#states.get(containerId) ?? (await this.#fetchState(containerId));
      const signal = stopSignal === undefined ? undefined : signalNumber(stopSignal);
      if (signal === undefined || graceSeconds <= 0 || this.#withExit(state).state === 'exited') return graceSeconds;
      const { clock } = this.#options;
      const ended = this.#events.untilExit(containerId);
      const waiting = new AbortController();
      try {
        await this.#channel.call('tasks.Kill', { containerId, signal });
        const late = sleep(clock, graceSeconds * 1000, waiting.signal).catch(() => undefined);
        await Promise.race([ended.promise, late]);
      } finally {
        ended.dispose();
        waiting.abort();
      }
      return 0;
    } catch (error) {
      if (isNotFound(error)) return graceSeconds;
      throw runtimeError(error, 'container');
    }
  }

  async removeContainer(containerId: string): Promise<void> {
    await this.#unlessGone('container', 'RemoveContainer', { containerId });
    this.#states.delete(containerId);
  }

  async listContainers(): Promise<ContainerState[]> {
    const { containers = [] } = await this.#call('container', 'ListContainers', {});
    const present = new Set(containers.map(({ id }) => id));
    for (const id of this.#states.keys()) if (!present.has(id)) this.#states.delete(id);
    const states = await Promise.all(containers.map(container => this.#listedState(container)));
    return states.filter(state => state !== undefined);
  }

  /** Undefined when it has gone since it was listed. */
  async #listedState(container: Container): Promise<ContainerState | undefined> {
    const known = this.#states.get(container.id ?? '');
    if (known?.listed === (container.state ?? 'CONTAINER_CREATED')) return this.#withExit(known.state);
    try {
      return this.#withExit((await this.#fetchState(container.id ?? '', container)).state);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async container(containerId: string): Promise<ContainerState> {
    return this.#withExit((await this.#fetchState(containerId)).state);
  }

  async inspect(containerId: string): Promise<RuntimeInspection> {
    const { status, info = {} } = await this.#call('container', 'ContainerStatus', { containerId, verbose: true });
    if (!status) throw new CodedError('RUNTIME_NOT_FOUND', `container ${containerId}: not found`);
    return { status: { ...status }, info };
  }

  /** The status does not say all; the rest never changes and comes from the list. */
  async #fetchState(containerId: string, given?: Container): Promise<KnownState> {
    let { sandboxId, imageId } = this.#states.get(containerId)?.state ?? {
      sandboxId: given?.podSandboxId,
      imageId: given?.imageRef,
    };
    if (sandboxId === undefined) {
      const { containers = [] } = await this.#call('container', 'ListContainers', { filter: { id: containerId } });
      const found = containers.find(({ id }) => id === containerId);
      if (!found) throw new CodedError('RUNTIME_NOT_FOUND', `container ${containerId}: not found`);
      sandboxId = found.podSandboxId;
      imageId = found.imageRef;
    }
    const { status } = await this.#call('container', 'ContainerStatus', { containerId });
    if (!status) throw new CodedError('RUNTIME_NOT_FOUND', `container ${containerId}: not found`);
    const known: KnownState = {
      listed: status.state ?? 'CONTAINER_CREATED',
      state: containerState(status, { sandboxId: sandboxId ?? '', imageId: imageId ?? '' }),
      stopSignal: status.annotations?.[stopSignalAnnotation],
    };
    this.#states.set(containerId, known);
    return known;
  }

  #withExit(state: ContainerState): ContainerState {
    if (state.state !== 'running') return state;
    const exit = this.#events.exitOf(state.id);
    if (!exit) return state;
    const { exitCode, exitedAtMs, outOfMemory } = exit;
    return {
      ...state,
      state: 'exited',
      exitCode,
      finishedAtMs: exitedAtMs,
      reason: outOfMemory ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error',
      ...(exitCode > 128 && exitCode < 160 && { signal: exitCode - 128 }),
    };
  }

  async updateContainerResources(containerId: string, resources: LinuxResources): Promise<void> {
    await this.#call('container', 'UpdateContainerResources', { containerId, linux: linuxResources(resources) });
  }

  async reopenLog(containerId: string): Promise<void> {
    await this.#call('container', 'ReopenContainerLog', { containerId });
  }

  async execSync(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const limited = timeoutMs > 0;
    try {
      const answer = await this.#channel.call(
        'ExecSync',
        { containerId, cmd: command, timeout: Math.ceil(timeoutMs / 1000) },
        // containerd kills at its own time, in whole seconds; the caller is answered at his.
        { timeoutMs: limited ? timeoutMs : 0 },
      );
      return { exitCode: answer.exitCode ?? 0, stdout: clip(answer.stdout), stderr: clip(answer.stderr) };
    } catch (error) {
      const mapped = runtimeError(error, 'exec');
      if (mapped.code !== 'RUNTIME_TIMEOUT') throw mapped;
      const text = `command "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`;
      throw new CodedError('RUNTIME_TIMEOUT', text, { cause: error });
    }
  }

  exec(containerId: string, options: ExecOptions): Promise<ExecSession> {
    const { fifoDirectory, logger } = this.#options;
    return startExec({ channel: this.#channel, containerId, options, directory: fifoDirectory, logger });
  }

  async attach(containerId: string, options: AttachOptions): Promise<ExecSession> {
    const { url = '' } = await this.#call('exec', 'Attach', { containerId, ...options, stderr: options.stderr && !options.tty });
    return openAttach(url, options, this.#options.logger);
  }

  async portForward(sandboxId: string, port: number): Promise<NodeJS.ReadWriteStream> {
    const { url = '' } = await this.#call('exec', 'PortForward', { podSandboxId: sandboxId, port: [port] });
    return openPortForward(url, port, this.#options.logger);
  }

  async portForwardConnection(sandboxId: string): Promise<Duplex> {
    const { url = '' } = await this.#call('exec', 'PortForward', { podSandboxId: sandboxId });
    return openSpdyConnection(url, 'portforward.k8s.io');
  }

  async commandConnection(containerId: string, options: CommandConnectionOptions): Promise<Duplex> {
    const { command, protocol, tty, stdin, stdout } = options;
    const streams = { containerId, tty, stdin, stdout, stderr: options.stderr && !tty };
    const { url = '' } = command
      ? await this.#call('exec', 'Exec', { ...streams, cmd: command })
      : await this.#call('exec', 'Attach', streams);
    return openSpdyConnection(url, protocol);
  }

  pullImage(reference: string, options: PullOptions): Promise<string> {
    return this.#options.images.pull(reference, options);
  }

  async image(reference: string): Promise<ImageState | undefined> {
    const { images, arrived } = this.#options;
    const known = await images.find(reference);
    if (known || !arrived) return known;
    await arrived();
    return images.find(reference);
  }

  listImages(): Promise<ImageState[]> {
    return this.#options.images.list();
  }

  removeImage(reference: string): Promise<void> {
    return this.#options.images.remove(reference);
  }

  mountImage(imageId: string, directory: string): Promise<void> {
    return this.#options.imageMounts.mount(imageId, directory);
  }

  unmountImage(directory: string): Promise<void> {
    return this.#options.imageMounts.unmount(directory);
  }

  importImages(archivePath: string): Promise<string[]> {
    return this.#options.images.importArchive(archivePath);
  }

  imageFilesystem(): Promise<{ path: string; usedBytes: number; usedInodes: number }> {
    return this.#options.images.filesystem();
  }

  async stats(sandboxId?: string): Promise<ContainerStats[]> {
    const filter = sandboxId === undefined ? {} : { filter: { podSandboxId: sandboxId } };
    const [{ stats = [] }, { containers = [] }] = await Promise.all([
      this.#call('container', 'ListContainerStats', filter),
      this.#call('container', 'ListContainers', filter),
    ]);
    const sandboxes = new Map(containers.map(({ id, podSandboxId }) => [id, podSandboxId]));
    const all = stats.map(entry => containerStats(entry, sandboxes.get(entry.attributes?.id) ?? ''));
    // containerd lists what has ended too, without any measurement.
    return all.filter(({ timeMs }) => timeMs > 0);
  }

  watch(listener: RuntimeListener): Disposable {
    return this.#events.watch(listener);
  }

  async #call<M extends Method>(
    area: CallArea,
    method: M,
    request: Calls[M]['request'],
    timeoutMs?: number,
  ): Promise<Calls[M]['response']> {
    try {
      return await this.#channel.call(method, request, { ...(timeoutMs !== undefined && { timeoutMs }) });
    } catch (error) {
      throw runtimeError(error, area);
    }
  }

  /**
   * For ends of things: gone is success, and a shim that ends while it is asked to is asked again. So is containerd, which counts a
   * container as running for up to 60 ms after the event of its exit.
   */
  async #unlessGone<M extends Method>(
    area: CallArea,
    method: M,
    request: Calls[M]['request'],
    timeoutMs?: number,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#channel.call(method, request, { ...(timeoutMs !== undefined && { timeoutMs }) });
        return;
      } catch (error) {
        if (isNotFound(error)) return;
        if (attempt === endAttempts || !/ttrpc: closed|container is still running/.test((error as Error).message))
          throw runtimeError(error, area);
        await sleep(this.#options.clock, endRetryMs);
      }
    }
  }

  /**
   * Creates by name, once: containerd reserves the name for the first call's id, and tells it to those that come later. While it is
   * being made it cannot be found yet.
   */
  async #create(area: 'sandbox' | 'container', create: () => Promise<string>): Promise<string> {
    const { clock } = this.#options;
    for (const deadline = clock.monotonicMs() + reservedLimitMs; ;) {
      try {
        return await create();
      } catch (error) {
        const holder = /is reserved for "([0-9a-f]{64})"/.exec((error as Error).message)?.[1];
        if (holder === undefined) throw runtimeError(error, area);
        if (await this.#exists(area, holder)) return holder;
        if (clock.monotonicMs() > deadline) throw runtimeError(error, area);
        await sleep(clock, reservedRetryMs);
      }
    }
  }

  async #exists(area: 'sandbox' | 'container', id: string): Promise<boolean> {
    try {
      if (area === 'sandbox') await this.#channel.call('PodSandboxStatus', { podSandboxId: id });
      else await this.#channel.call('ContainerStatus', { containerId: id });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw runtimeError(error, area);
    }
  }
}

/** `SIGUSR1`, `SIGRTMIN+3`; undefined for what is no signal. */
function signalNumber(name: string): number | undefined {
  const realTime = /^SIGRT(MIN|MAX)(?:(?:PLUS|\+|MINUS|-)(\d+))?$/.exec(name);
  if (realTime) return realTime[1] === 'MIN' ? 34 + Number(realTime[2] ?? 0) : 64 - Number(realTime[2] ?? 0);
  return (signals as Readonly<Record<string, number>>)[name];
}

function addressesOf(
  network: { readonly ip?: string; readonly additionalIps?: readonly { readonly ip?: string }[] } | undefined,
): string[] {
  return [network?.ip, ...(network?.additionalIps ?? []).map(({ ip }) => ip)]
    .filter(ip => ip !== undefined)
    .filter(ip => ip !== '');
}

function clip(output: Uint8Array | undefined): Buffer {
  return Buffer.from(output ?? []).subarray(0, outputLimitBytes);
}
