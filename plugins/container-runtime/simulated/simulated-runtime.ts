import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import { CodedError, sleep, toDisposable } from '../../../core/plugin-api/index.js';
import type {
  AttachOptions,
  Clock,
  ContainerRuntime,
  ContainerSelector,
  ContainerSpec,
  ContainerState,
  ContainerStats,
  Disposable,
  ExecOptions,
  ExecResult,
  ExecSession,
  ImageState,
  Part,
  ProbeAnswer,
  ProbeTarget,
  PullOptions,
  RuntimeEvent,
  RuntimeStatus,
  SandboxSpec,
  SandboxState,
  SimulatedControl,
} from '../../../core/plugin-api/index.js';
import { AddressPool, nodeRange } from './address-pool.js';
import { SimulatedContainer, wish } from './simulated-container.js';
import { Scripts, selects } from './simulated-control.js';
import { planProcess } from './simulated-process.js';

/** The plugin's options. */
export interface SimulatedOptions {
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: number;
  readonly 'pod-cidr'?: string;
}

export interface SimulatedRuntimeOptions extends SimulatedOptions {
  readonly clock: Clock;
  readonly nodeName: string;
  readonly clusterCidrs: readonly string[];
}

interface Sandbox {
  readonly id: string;
  readonly spec: SandboxSpec;
  readonly createdAtMs: number;
  readonly ips: readonly string[];
  ready: boolean;
}

type Listener = Parameters<ContainerRuntime['watch']>[0];

const outputLimit = 16 * 1024;

/** Containers in memory: they start at once, run until told otherwise, and touch nothing of the host. */
export class SimulatedRuntime implements ContainerRuntime, Part {
  readonly #options: SimulatedRuntimeOptions;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #containers = new Map<string, SimulatedContainer>();
  readonly #images = new Map<string, ImageState>();
  readonly #listeners = new Set<Listener>();
  readonly #scripts = new Scripts();
  #pools: AddressPool[] | undefined;

  /** What tests tell it to do. */
  readonly control: SimulatedControl = {
    exit: (selector, exitCode, reason) =>
      this.#each(
        selector,
        c => c.running,
        container => container.exit(exitCode, reason),
      ),
    killSandbox: selector => this.#killSandboxes(selector),
    failImage: (reference, code, message = 'told to fail') => this.#scripts.setImage(reference, { code, message }),
    clearImage: reference => this.#scripts.setImage(reference, undefined),
    setPullMs: delayMs => void (this.#scripts.pullMs = delayMs),
    setProbe: (selector, answer) => this.#scripts.setProbe(selector, typeof answer === 'object' ? () => answer : answer),
    setExec: (selector, answer) => this.#scripts.setExec(selector, answer),
    setDelayMs: (method, delayMs) => this.#scripts.setDelayMs(method, delayMs),
    setStats: (selector, usage) => {
      // What was used so far was used as before.
      for (const container of this.#containers.values()) container.cpuNanos(this.#cpuMillis(container));
      this.#scripts.setUsage(selector, usage);
    },
    failNext: (method, error, times = 1) => this.#scripts.failNext(method, error, times),
    setNetworkReady: ready => void (this.#scripts.networkReady = ready),
    log: (selector, text) =>
      void this.#each(
        selector,
        c => c.running,
        container => container.log.write('stdout', text, this.#options.clock.now()),
      ),
  };

  constructor(options: SimulatedRuntimeOptions) {
    this.#options = options;
  }

  /** Containers end with the runtime: nothing of it outlives the process. */
  stop(): void {
    this.#listeners.clear();
    for (const container of this.#containers.values()) container.exit(137);
  }

  status(): Promise<RuntimeStatus> {
    const { cpu = '32', memory = '256Gi', pods = 250 } = this.#options;
    const { networkReady } = this.#scripts;
    return Promise.resolve({
      name: 'simulated',
      version: '1.0.0',
      ready: true,
      message: '',
      networkReady,
      networkMessage: networkReady ? '' : 'simulated network is switched off',
      // Nothing runs that could break a rule.
      handlers: [{ name: '', recursiveReadOnlyMounts: true, userNamespaces: true }],
      features: { supplementalGroupsPolicy: true, appArmor: true },
      onHost: false,
      capacity: { cpu, memory, pods: String(pods), 'ephemeral-storage': '1Ti' },
    });
  }

  setPodCidrs(podCidrs: readonly string[]): Promise<void> {
    if (podCidrs.join() !== this.#pools?.map(pool => pool.range).join()) {
      this.#pools = podCidrs.map(range => new AddressPool(range));
    }
    return Promise.resolve();
  }

  async runSandbox(spec: SandboxSpec): Promise<string> {
    await this.#scripts.strike('runSandbox', this.#options.clock);
    const id = this.#id(`sandbox ${spec.podUid} ${spec.attempt}`);
    if (this.#sandboxes.has(id)) return id;
    if (!this.#scripts.networkReady && !spec.hostNetwork) throw new CodedError('RUNTIME_NETWORK', 'network is not ready');
    if (spec.runtimeHandler !== '') {
      throw new CodedError('RUNTIME_FAILED', `no runtime for "${spec.runtimeHandler}" is configured`);
    }
    const refusal = wish(spec, 'fail-sandbox');
    if (refusal !== undefined) throw new CodedError('RUNTIME_FAILED', refusal);
    const ips = spec.hostNetwork ? [] : this.#addressPools().map(pool => pool.take());
    this.#sandboxes.set(id, { id, spec, createdAtMs: this.#options.clock.now(), ips, ready: true });
    this.#emit({ type: 'created', kind: 'sandbox', id });
    this.#emit({ type: 'started', kind: 'sandbox', id });
    return id;
  }

  async stopSandbox(sandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (!sandbox?.ready) return;
    sandbox.ready = false;
    for (const container of this.#of(sandboxId)) if (container.running) container.exit(137);
    for (const pool of this.#pools ?? []) for (const ip of sandbox.ips) pool.release(ip);
    this.#emit({ type: 'exited', kind: 'sandbox', id: sandboxId });
  }

  async removeSandbox(sandboxId: string): Promise<void> {
    if (!this.#sandboxes.has(sandboxId)) return;
    await this.stopSandbox(sandboxId);
    for (const container of this.#of(sandboxId)) await this.removeContainer(container.id);
    this.#sandboxes.delete(sandboxId);
    this.#emit({ type: 'removed', kind: 'sandbox', id: sandboxId });
  }

  async listSandboxes(): Promise<SandboxState[]> {
    return Array.from(this.#sandboxes.values(), sandboxState);
  }

  async sandbox(sandboxId: string): Promise<SandboxState> {
    return sandboxState(this.#sandbox(sandboxId));
  }

  async createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    await this.#scripts.strike('createContainer', this.#options.clock);
    const sandbox = this.#sandbox(sandboxId);
    const id = this.#id(`container ${sandboxId} ${spec.name} ${spec.attempt}`);
    if (this.#containers.has(id)) return id;
    const image = this.#find(spec.image);
    if (!image) throw new CodedError('RUNTIME_NOT_FOUND', `image "${spec.image}": not found`);
    const refusal = wish(sandbox.spec, 'fail-create', spec.name);
    if (refusal !== undefined) throw new CodedError('RUNTIME_FAILED', refusal);
    const container = new SimulatedContainer({
      id,
      sandboxId,
      sandbox: sandbox.spec,
      spec,
      imageId: image.id,
      imageReference: image.digests[0] ?? image.id,
      imageName: image.tags[0],
      clock: this.#options.clock,
      onExit: ended => this.#exited(ended),
    });
    this.#containers.set(id, container);
    this.#emit({ type: 'created', kind: 'container', id });
    return id;
  }

  async startContainer(containerId: string): Promise<void> {
    await this.#scripts.strike('startContainer', this.#options.clock);
    const container = this.#container(containerId);
    const refusal = wish(container.sandbox, 'fail-start', container.name);
    if (refusal !== undefined) throw new CodedError('RUNTIME_FAILED', refusal);
    if (!this.#sandbox(container.sandboxId).ready) throw new CodedError('RUNTIME_FAILED', 'sandbox container is not running');
    // Told before the start, so that an exit at once is told after it.
    this.#emit({ type: 'started', kind: 'container', id: containerId });
    container.start();
  }

  async stopContainer(containerId: string, graceSeconds: number): Promise<void> {
    await this.#scripts.strike('stopContainer', this.#options.clock);
    await this.#containers.get(containerId)?.stop(graceSeconds);
  }

  async removeContainer(containerId: string): Promise<void> {
    const container = this.#containers.get(containerId);
    if (!container) return;
    if (container.running) container.exit(137);
    this.#containers.delete(containerId);
    container.log.close();
    this.#emit({ type: 'removed', kind: 'container', id: containerId });
  }

  async listContainers(): Promise<ContainerState[]> {
    return Array.from(this.#containers.values(), container => container.state);
  }

  async container(containerId: string): Promise<ContainerState> {
    return this.#container(containerId).state;
  }

  async updateContainerResources(containerId: string): Promise<void> {
    this.#container(containerId);
  }

  async reopenLog(containerId: string): Promise<void> {
    this.#container(containerId);
  }

  async execSync(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const container = this.#runningContainer(containerId);
    const scripted = this.#scripts.exec(container, command);
    if (scripted) return scripted;
    const plan = planProcess(command, container.environment);
    const waitMs =
      plan.exitCode === undefined ? 0 : plan.steps.reduce((sum, step) => sum + (step.type === 'wait' ? step.ms : 0), 0);
    if (timeoutMs > 0 && waitMs > timeoutMs) {
      await sleep(this.#options.clock, timeoutMs);
      const seconds = timeoutMs / 1000;
      throw new CodedError('RUNTIME_TIMEOUT', `command "${command.join(' ')}" timed out after ${seconds}s`);
    }
    if (waitMs > 0) await sleep(this.#options.clock, waitMs);
    const output = plan.steps.map(step => (step.type === 'output' ? `${step.text}\n` : '')).join('');
    // A program of which nothing is known has done its work: the simulation cannot know better.
    return { exitCode: plan.exitCode ?? 0, stdout: Buffer.from(output).subarray(0, outputLimit), stderr: Buffer.alloc(0) };
  }

  async exec(containerId: string, options: ExecOptions): Promise<ExecSession> {
    this.#runningContainer(containerId);
    const session = openSession(options);
    const result = this.execSync(containerId, options.command, 0);
    session.exited = result.then(({ exitCode, stdout, stderr }) => {
      session.stdout?.end(stdout);
      session.stderr?.end(stderr);
      return exitCode;
    });
    return session;
  }

  async attach(containerId: string, options: AttachOptions): Promise<ExecSession> {
    const container = this.#runningContainer(containerId);
    const session = openSession(options);
    const source = container.log.read(true);
    session.exited = new Promise(resolve => {
      source.on('data', (record: Buffer) => {
        for (const line of record.toString().trimEnd().split('\n'))
          session.stdout?.write(`${line.split(' ').slice(3).join(' ')}\n`);
      });
      source.once('close', () => resolve(0));
      source.once('end', () => session.stdout?.end());
    });
    session.close = () => void source.destroy();
    return session;
  }

  async portForward(sandboxId: string, port: number): Promise<NodeJS.ReadWriteStream> {
    this.#sandbox(sandboxId);
    throw new CodedError('RUNTIME_FAILED', `nothing listens on port ${port}: the container is simulated`);
  }

  async pullImage(reference: string, { signal }: PullOptions): Promise<string> {
    if (this.#scripts.pullMs > 0) await sleep(this.#options.clock, this.#scripts.pullMs, signal);
    const ordered = this.#scripts.image(reference);
    if (ordered) throw new CodedError(ordered.code, ordered.message);
    const name = reference.replace(/^docker\.io\/(library\/)?/, '');
    if (name.startsWith('invalid.')) {
      throw new CodedError('RUNTIME_REGISTRY_UNAVAILABLE', `failed to pull and unpack image "${reference}": no such host`);
    }
    if (name.startsWith('fail/')) {
      throw new CodedError('RUNTIME_IMAGE_NOT_FOUND', `failed to pull and unpack image "${reference}": not found`);
    }
    const known = this.#find(reference);
    if (known) return known.id;
    const digest = `sha256:${createHash('sha256').update(reference).digest('hex')}`;
    const repository = reference.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
    this.#images.set(digest, {
      id: digest,
      tags: reference.includes('@') ? [] : [reference],
      digests: [reference.includes('@') ? reference : `${repository}@${digest}`],
      sizeBytes: 10_000_000,
      userId: 1000,
      pinned: false,
    });
    return digest;
  }

  async image(reference: string): Promise<ImageState | undefined> {
    return this.#find(reference);
  }

  async listImages(): Promise<ImageState[]> {
    return [...this.#images.values()];
  }

  async removeImage(reference: string): Promise<void> {
    const image = this.#find(reference);
    if (image) this.#images.delete(image.id);
  }

  async importImages(archivePath: string): Promise<string[]> {
    throw new CodedError('RUNTIME_FAILED', `a simulated runtime reads no archives (${archivePath})`);
  }

  async imageFilesystem(): Promise<{ path: string; usedBytes: number; usedInodes: number }> {
    let usedBytes = 0;
    for (const image of this.#images.values()) usedBytes += image.sizeBytes;
    return { path: '/simulated', usedBytes, usedInodes: this.#images.size };
  }

  async stats(sandboxId?: string): Promise<ContainerStats[]> {
    const nowMs = this.#options.clock.now();
    const found: ContainerStats[] = [];
    for (const container of this.#containers.values()) {
      if (!container.running || (sandboxId !== undefined && container.sandboxId !== sandboxId)) continue;
      const memoryBytes =
        this.#scripts.usage(container)?.memoryBytes ??
        Number(wish(container.sandbox, 'memory-bytes', container.name) ?? 8_388_608);
      found.push({
        containerId: container.id,
        sandboxId: container.sandboxId,
        name: container.name,
        timeMs: nowMs,
        cpuUsageCoreNanos: container.cpuNanos(this.#cpuMillis(container)),
        memoryWorkingSetBytes: memoryBytes,
        memoryUsageBytes: memoryBytes,
        memoryRssBytes: memoryBytes,
        pageFaults: 0,
        majorPageFaults: 0,
        writableLayerBytes: 4096,
        writableLayerInodes: 1,
      });
    }
    return found;
  }

  watch(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return toDisposable(() => void this.#listeners.delete(listener));
  }

  async probe(containerId: string, target: ProbeTarget): Promise<ProbeAnswer> {
    const container = this.#runningContainer(containerId);
    const scripted = this.#scripts.probe(container, target);
    if (scripted) return scripted;
    if (wish(container.sandbox, 'probe-fails', container.name) !== 'true') return { ok: true, output: '' };
    return { ok: false, output: target.type === 'http' ? 'HTTP probe failed with statuscode: 500' : 'connection refused' };
  }

  logs(containerId: string, options: { readonly follow: boolean; readonly signal?: AbortSignal }): Readable {
    return this.#container(containerId).log.read(options.follow, options.signal);
  }

  #emit(event: RuntimeEvent): void {
    queueMicrotask(() => {
      for (const listener of [...this.#listeners]) listener.event(event);
    });
  }

  #exited(container: SimulatedContainer): void {
    const { exitCode, finishedAtMs } = container.state;
    this.#emit({ type: 'exited', kind: 'container', id: container.id, exitCode, exitedAtMs: finishedAtMs });
  }

  #cpuMillis(container: SimulatedContainer): number {
    const scripted = this.#scripts.usage(container)?.cpuMillicores;
    return scripted ?? Number(wish(container.sandbox, 'cpu-millicores', container.name) ?? 1);
  }

  #id(seed: string): string {
    return createHash('sha256').update(`${this.#options.nodeName} ${seed}`).digest('hex');
  }

  #addressPools(): AddressPool[] {
    this.#pools ??= this.#defaultRanges().map(range => new AddressPool(range));
    return this.#pools;
  }

  #defaultRanges(): string[] {
    const { clusterCidrs, nodeName } = this.#options;
    const own = this.#options['pod-cidr'];
    if (own) return own.split(',');
    const index = createHash('sha256').update(nodeName).digest().readUInt16BE(0);
    return clusterCidrs.map(range => nodeRange(range, index, range.includes(':') ? 64 : 24));
  }

  #sandbox(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new CodedError('RUNTIME_NOT_FOUND', `an error occurred when try to find sandbox: ${id}: not found`);
    return sandbox;
  }

  #container(id: string): SimulatedContainer {
    const container = this.#containers.get(id);
    if (!container) throw new CodedError('RUNTIME_NOT_FOUND', `an error occurred when try to find container "${id}": not found`);
    return container;
  }

  #runningContainer(id: string): SimulatedContainer {
    const container = this.#container(id);
    if (!container.running) throw new CodedError('RUNTIME_FAILED', `container "${id}" is not running`);
    return container;
  }

  #find(reference: string): ImageState | undefined {
    const direct = this.#images.get(reference);
    if (direct) return direct;
    for (const image of this.#images.values()) {
      if (image.tags.includes(reference) || image.digests.includes(reference)) return image;
    }
    return undefined;
  }

  #of(sandboxId: string): SimulatedContainer[] {
    return [...this.#containers.values()].filter(container => container.sandboxId === sandboxId);
  }

  #each(
    selector: ContainerSelector,
    wanted: (container: SimulatedContainer) => boolean,
    action: (container: SimulatedContainer) => void,
  ): boolean {
    const found = [...this.#containers.values()].filter(container => selects(selector, container) && wanted(container));
    found.forEach(action);
    return found.length > 0;
  }

  #killSandboxes(selector: ContainerSelector): boolean {
    const found = [...this.#sandboxes.values()].filter(({ ready, spec }) => ready && selects(selector, { ...spec, name: '' }));
    for (const { id } of found) void this.stopSandbox(id);
    return found.length > 0;
  }
}

function sandboxState({ id, spec, createdAtMs, ips, ready }: Sandbox): SandboxState {
  const { podUid, podName, podNamespace, attempt, labels, annotations, runtimeHandler } = spec;
  // As containerd has it: without its network a sandbox has no address to tell.
  const told = ready ? ips : [];
  return { id, podUid, podName, podNamespace, attempt, ready, createdAtMs, ips: told, labels, annotations, runtimeHandler };
}

interface OpenSession extends ExecSession {
  readonly stdout?: PassThrough;
  readonly stderr?: PassThrough;
  exited: Promise<number>;
  close(): void;
}

function openSession(options: AttachOptions): OpenSession {
  return {
    ...(options.stdin ? { stdin: new PassThrough().resume() } : {}),
    ...(options.stdout ? { stdout: new PassThrough() } : {}),
    ...(options.stderr && !options.tty ? { stderr: new PassThrough() } : {}),
    exited: Promise.resolve(0),
    resize: () => undefined,
    close: () => undefined,
  };
}
