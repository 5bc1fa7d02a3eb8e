import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import type { Readable } from 'node:stream';
import { CodedError, errorText } from 'k3s-ts/plugin';
import type {
  AttachOptions,
  ContainerRuntime,
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
  RuntimeEvent,
  RuntimeStatus,
  SandboxSpec,
  SandboxState,
} from 'k3s-ts/plugin';
import { Addresses } from './addresses.js';
import { Container } from './container.js';

interface Sandbox {
  readonly id: string;
  readonly spec: SandboxSpec;
  readonly createdAtMs: number;
  readonly ips: readonly string[];
  ready: boolean;
}

type Listener = Parameters<ContainerRuntime['watch']>[0];

const outputLimit = 16 * 1024;

/**
 * A runtime whose containers are plain processes of this host: its files, its network, its user, no limits. Images are only names,
 * so a pod has to say its command. Everything ends with k3s. Isolation begins in `container.ts`, images in `pullImage`.
 */
export class TemplateContainerRuntime implements ContainerRuntime, Part {
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #containers = new Map<string, Container>();
  readonly #images = new Map<string, ImageState>();
  readonly #listeners = new Set<Listener>();
  #addresses: Addresses | undefined;

  /** Of the part: nothing is left running. */
  async stop(): Promise<void> {
    await Promise.all([...this.#containers.values()].map(container => container.stop(0)));
  }

  status(): Promise<RuntimeStatus> {
    const networkReady = this.#addresses !== undefined;
    return Promise.resolve({
      name: 'template-container-runtime',
      version: '0.1.0',
      ready: true,
      message: '',
      networkReady,
      networkMessage: networkReady ? '' : 'the node has no range of pod addresses yet',
      handlers: [{ name: '', recursiveReadOnlyMounts: false, userNamespaces: false }],
      features: { supplementalGroupsPolicy: false, appArmor: false },
      // The kubelet would write volumes, logs and cgroups for containers of this host: as root.
      onHost: false,
      capacity: {
        cpu: String(availableParallelism()),
        memory: `${Math.floor(totalmem() / 1024)}Ki`,
        pods: '110',
        'ephemeral-storage': '1Gi',
      },
    });
  }

  setPodCidrs(podCidrs: readonly string[]): Promise<void> {
    const range = podCidrs.find(each => !each.includes(':'));
    if (range !== undefined && range !== this.#addresses?.range) this.#addresses = new Addresses(range);
    return Promise.resolve();
  }

  async runSandbox(spec: SandboxSpec): Promise<string> {
    const id = idOf('sandbox', spec.podUid, spec.attempt);
    if (this.#sandboxes.has(id)) return id;
    if (spec.runtimeHandler !== '')
      throw new CodedError('RUNTIME_FAILED', `there is no runtime handler "${spec.runtimeHandler}"`);
    if (!spec.hostNetwork && !this.#addresses)
      throw new CodedError('RUNTIME_NETWORK', 'the node has no range of pod addresses yet');
    const ips = spec.hostNetwork ? [] : [this.#addresses!.take()];
    this.#sandboxes.set(id, { id, spec, createdAtMs: Date.now(), ips, ready: true });
    this.#tell({ type: 'created', kind: 'sandbox', id });
    this.#tell({ type: 'started', kind: 'sandbox', id });
    return id;
  }

  async stopSandbox(sandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (!sandbox?.ready) return;
    sandbox.ready = false;
    await Promise.all(this.#of(sandboxId).map(container => container.stop(0)));
    for (const address of sandbox.ips) this.#addresses?.release(address);
    this.#tell({ type: 'exited', kind: 'sandbox', id: sandboxId });
  }

  async removeSandbox(sandboxId: string): Promise<void> {
    await this.stopSandbox(sandboxId);
    for (const { id } of this.#of(sandboxId)) await this.removeContainer(id);
    if (this.#sandboxes.delete(sandboxId)) this.#tell({ type: 'removed', kind: 'sandbox', id: sandboxId });
  }

  async listSandboxes(): Promise<SandboxState[]> {
    return [...this.#sandboxes.values()].map(stateOf);
  }

  async sandbox(sandboxId: string): Promise<SandboxState> {
    return stateOf(this.#sandbox(sandboxId));
  }

  async createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    this.#sandbox(sandboxId);
    const id = idOf('container', sandboxId, spec.name, spec.attempt);
    if (this.#containers.has(id)) return id;
    const image = await this.image(spec.image);
    if (!image) throw new CodedError('RUNTIME_NOT_FOUND', `image "${spec.image}": not found`);
    if (spec.command.length + spec.args.length === 0) {
      throw new CodedError('RUNTIME_FAILED', `container ${spec.name} needs a command: images are only names here`);
    }
    this.#containers.set(id, new Container(id, sandboxId, spec, image, ended => this.#exited(ended)));
    this.#tell({ type: 'created', kind: 'container', id });
    return id;
  }

  async startContainer(containerId: string): Promise<void> {
    const container = this.#container(containerId);
    if (!this.#sandbox(container.sandboxId).ready) throw new CodedError('RUNTIME_FAILED', 'the sandbox was stopped');
    await container.start(() => this.#tell({ type: 'started', kind: 'container', id: containerId }));
  }

  async stopContainer(containerId: string, graceSeconds: number): Promise<void> {
    await this.#containers.get(containerId)?.stop(graceSeconds);
  }

  async removeContainer(containerId: string): Promise<void> {
    await this.stopContainer(containerId, 0);
    if (this.#containers.delete(containerId)) this.#tell({ type: 'removed', kind: 'container', id: containerId });
  }

  async listContainers(): Promise<ContainerState[]> {
    return [...this.#containers.values()].map(container => container.state);
  }

  async container(containerId: string): Promise<ContainerState> {
    return this.#container(containerId).state;
  }

  /** Processes have no limits here. */
  async updateContainerResources(containerId: string): Promise<void> {
    this.#container(containerId);
  }

  /** Logs are no files here: `logs` gives them. */
  async reopenLog(containerId: string): Promise<void> {
    this.#container(containerId);
  }

  logs(containerId: string, options: { readonly follow: boolean; readonly signal?: AbortSignal }): Readable {
    return this.#container(containerId).log.read(options.follow, options.signal);
  }

  async execSync(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const session = await this.exec(containerId, { command, tty: false, stdin: false, stdout: true, stderr: true });
    let late = false;
    const kill = (): void => {
      late = true;
      session.close();
    };
    const timer = timeoutMs > 0 ? setTimeout(kill, timeoutMs) : undefined;
    const [stdout, stderr, exitCode] = await Promise.all([start(session.stdout!), start(session.stderr!), session.exited]);
    clearTimeout(timer);
    if (late) throw new CodedError('RUNTIME_TIMEOUT', `command "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`);
    return { exitCode, stdout, stderr };
  }

  async exec(containerId: string, options: ExecOptions): Promise<ExecSession> {
    return this.#container(containerId).exec(options);
  }

  async attach(containerId: string, options: AttachOptions): Promise<ExecSession> {
    return this.#container(containerId).attach(options);
  }

  /** Containers are on the network of the host. */
  async portForward(sandboxId: string, port: number): Promise<NodeJS.ReadWriteStream> {
    this.#sandbox(sandboxId);
    return connected('127.0.0.1', port, 10_000);
  }

  async probe(_containerId: string, target: ProbeTarget, timeoutMs: number): Promise<ProbeAnswer> {
    try {
      if (target.type !== 'http') {
        (await connected('127.0.0.1', target.port, timeoutMs)).destroy();
        return { ok: true, output: '' };
      }
      const { status } = await fetch(`${target.scheme}://127.0.0.1:${target.port}${target.path}`, {
        headers: target.headers.map(({ name, value }): [string, string] => [name, value]),
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      });
      const ok = status >= 200 && status < 400;
      return { ok, output: ok ? '' : `HTTP probe failed with statuscode: ${status}` };
    } catch (error) {
      return { ok: false, output: errorText(error) };
    }
  }

  async pullImage(reference: string): Promise<string> {
    const known = await this.image(reference);
    if (known) return known.id;
    const id = `sha256:${createHash('sha256').update(reference).digest('hex')}`;
    this.#images.set(id, { id, tags: [reference], digests: [], sizeBytes: 1, pinned: false });
    return id;
  }

  async image(reference: string): Promise<ImageState | undefined> {
    return this.#images.get(reference) ?? [...this.#images.values()].find(({ tags }) => tags.includes(reference));
  }

  async listImages(): Promise<ImageState[]> {
    return [...this.#images.values()];
  }

  async removeImage(reference: string): Promise<void> {
    const image = await this.image(reference);
    if (image) this.#images.delete(image.id);
  }

  async importImages(archivePath: string): Promise<string[]> {
    throw new CodedError('RUNTIME_FAILED', `${archivePath}: this runtime reads no archives of images`);
  }

  async imageFilesystem(): Promise<{ path: string; usedBytes: number; usedInodes: number }> {
    return { path: '/', usedBytes: this.#images.size, usedInodes: this.#images.size };
  }

  async stats(sandboxId?: string): Promise<ContainerStats[]> {
    const wanted = [...this.#containers.values()].filter(each => sandboxId === undefined || each.sandboxId === sandboxId);
    const found = await Promise.all(wanted.map(container => container.stats()));
    return found.filter(each => each !== undefined);
  }

  watch(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => void this.#listeners.delete(listener) };
  }

  #exited(container: Container): void {
    const { exitCode, finishedAtMs } = container.state;
    this.#tell({ type: 'exited', kind: 'container', id: container.id, exitCode, exitedAtMs: finishedAtMs });
  }

  /** Never from inside a call. */
  #tell(event: RuntimeEvent): void {
    queueMicrotask(() => {
      for (const listener of [...this.#listeners]) listener.event(event);
    });
  }

  #sandbox(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new CodedError('RUNTIME_NOT_FOUND', `sandbox ${id}: not found`);
    return sandbox;
  }

  #container(id: string): Container {
    const container = this.#containers.get(id);
    if (!container) throw new CodedError('RUNTIME_NOT_FOUND', `container ${id}: not found`);
    return container;
  }

  #of(sandboxId: string): Container[] {
    return [...this.#containers.values()].filter(container => container.sandboxId === sandboxId);
  }
}

function idOf(...words: readonly (string | number)[]): string {
  return createHash('sha256').update(words.join(' ')).digest('hex');
}

function stateOf({ id, spec, createdAtMs, ips, ready }: Sandbox): SandboxState {
  const { podUid, podName, podNamespace, attempt, labels, annotations, runtimeHandler } = spec;
  return { id, podUid, podName, podNamespace, attempt, ready, createdAtMs, ips, labels, annotations, runtimeHandler };
}

/** The first bytes of a stream, which is read to its end. */
async function start(stream: Readable): Promise<Buffer> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream) {
    if (kept.length < outputLimit) kept = Buffer.concat([kept, chunk as Buffer]).subarray(0, outputLimit);
  }
  return kept;
}

async function connected(host: string, port: number, timeoutMs: number): Promise<ReturnType<typeof connect>> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    return socket;
  } catch (cause) {
    socket.destroy();
    throw new CodedError('RUNTIME_FAILED', `nothing listens on port ${port}: ${errorText(cause)}`, { cause });
  }
}
