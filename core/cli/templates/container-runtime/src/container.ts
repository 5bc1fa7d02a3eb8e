import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { PassThrough } from 'node:stream';
import { CodedError, deferred } from 'k3s-ts/plugin';
import type {
  AttachOptions,
  ContainerSpec,
  ContainerState,
  ContainerStats,
  ExecOptions,
  ExecSession,
  ImageState,
} from 'k3s-ts/plugin';
import { ContainerLog } from './container-log.js';

type Hearer = (stream: 'stdout' | 'stderr', chunk: Buffer) => void;

/** One container: a process with a group of its own, its log and its end. */
export class Container {
  readonly id: string;
  readonly sandboxId: string;
  readonly spec: ContainerSpec;
  readonly log = new ContainerLog();
  readonly #image: ImageState;
  readonly #onExit: (container: Container) => void;
  readonly #createdAtMs = Date.now();
  readonly #hearers = new Set<Hearer>();
  readonly #execs = new Set<ChildProcess>();
  readonly #ended = deferred<void>();
  #child: ChildProcess | undefined;
  #starting: Promise<void> | undefined;
  #startedAtMs: number | undefined;
  #end: { readonly exitCode: number; readonly signal?: number; readonly atMs: number } | undefined;

  constructor(id: string, sandboxId: string, spec: ContainerSpec, image: ImageState, onExit: (container: Container) => void) {
    this.id = id;
    this.sandboxId = sandboxId;
    this.spec = spec;
    this.#image = image;
    this.#onExit = onExit;
  }

  get running(): boolean {
    return this.#startedAtMs !== undefined && !this.#end;
  }

  get state(): ContainerState {
    const { id, sandboxId, spec } = this;
    const { name, attempt, labels, annotations, logPath } = spec;
    return {
      id,
      sandboxId,
      name,
      attempt,
      labels,
      annotations,
      logPath,
      state: this.#end ? 'exited' : this.#startedAtMs === undefined ? 'created' : 'running',
      createdAtMs: this.#createdAtMs,
      ...(this.#startedAtMs !== undefined && { startedAtMs: this.#startedAtMs }),
      ...(this.#end && {
        finishedAtMs: this.#end.atMs,
        exitCode: this.#end.exitCode,
        ...(this.#end.signal !== undefined && { signal: this.#end.signal }),
        reason: this.#end.exitCode === 0 ? 'Completed' : 'Error',
      }),
      imageId: this.#image.id,
      imageReference: this.#image.id,
    };
  }

  /** A second call is the first one's. Rejects RUNTIME_FAILED when there is no such program. */
  start(onStarted: () => void): Promise<void> {
    this.#starting ??= this.#start(onStarted);
    return this.#starting;
  }

  /** SIGTERM, and SIGKILL after the grace. Resolves when it has ended. */
  async stop(graceSeconds: number): Promise<void> {
    if (!this.running) return;
    if (graceSeconds > 0) signalGroup(this.#child!, 'SIGTERM');
    const kill = setTimeout(() => signalGroup(this.#child!, 'SIGKILL'), graceSeconds * 1000);
    await this.#ended.promise;
    clearTimeout(kill);
  }

  /** Runs a command in the container's place. Rejects RUNTIME_FAILED when nothing runs, or there is no such program. */
  async exec(options: ExecOptions): Promise<ExecSession> {
    if (!this.running) throw new CodedError('RUNTIME_FAILED', `container ${this.spec.name} does not run`);
    const child = await this.#spawn(options.command, options.stdin);
    this.#execs.add(child);
    const exited = new Promise<number>(resolve => {
      child.once('close', (code, signal) => {
        this.#execs.delete(child);
        resolve(exitCodeOf(code, signal));
      });
      child.once('exit', () => signalGroup(child, 'SIGKILL'));
    });
    // What nobody reads must not hold the command up.
    if (!options.stdout) child.stdout!.resume();
    if (!options.stderr) child.stderr!.resume();
    return {
      ...(options.stdin && { stdin: child.stdin! }),
      ...(options.stdout && { stdout: child.stdout! }),
      ...(options.stderr && { stderr: child.stderr! }),
      exited,
      resize: () => undefined,
      close: () => signalGroup(child, 'SIGKILL'),
    };
  }

  attach(options: AttachOptions): ExecSession {
    if (!this.running) throw new CodedError('RUNTIME_FAILED', `container ${this.spec.name} does not run`);
    const outputs = { stdout: new PassThrough(), stderr: new PassThrough() };
    const hear: Hearer = (stream, chunk) => void (options[stream] && outputs[stream].write(chunk));
    this.#hearers.add(hear);
    const stdin = new PassThrough();
    if (this.#child?.stdin) stdin.pipe(this.#child.stdin, { end: this.spec.stdinOnce });
    const close = (): void => {
      this.#hearers.delete(hear);
      stdin.unpipe();
      outputs.stdout.end();
      outputs.stderr.end();
    };
    return {
      ...(options.stdin && { stdin }),
      ...(options.stdout && { stdout: outputs.stdout }),
      ...(options.stderr && { stderr: outputs.stderr }),
      exited: this.#ended.promise.then(() => {
        close();
        return 0;
      }),
      resize: () => undefined,
      close,
    };
  }

  /** Undefined when it does not run. */
  async stats(): Promise<ContainerStats | undefined> {
    if (!this.running) return undefined;
    const status = await readFile(`/proc/${this.#child!.pid}/stat`, 'utf8').catch(() => '');
    // After the program's name, which may hold blanks; ticks of 10 ms (proc_pid_stat(5)).
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    const number = (field: number): number => Number(fields[field - 3] ?? 0);
    // Exact, also right after the start, when the kernel's cheaper figures may still be 0 (proc_pid_smaps(5)).
    const rollup = await readFile(`/proc/${this.#child!.pid}/smaps_rollup`, 'utf8').catch(() => '');
    const memoryBytes = Number(/^Rss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024;
    return {
      containerId: this.id,
      sandboxId: this.sandboxId,
      name: this.spec.name,
      timeMs: Date.now(),
      cpuUsageCoreNanos: (number(14) + number(15)) * 10_000_000,
      memoryWorkingSetBytes: memoryBytes,
      memoryUsageBytes: memoryBytes,
      memoryRssBytes: memoryBytes,
      pageFaults: number(10),
      majorPageFaults: number(12),
      writableLayerBytes: 0,
      writableLayerInodes: 0,
    };
  }

  async #start(onStarted: () => void): Promise<void> {
    const child = await this.#spawn([...this.spec.command, ...this.spec.args], this.spec.stdin);
    this.#child = child;
    this.#startedAtMs = Date.now();
    onStarted();
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]!.on('data', (chunk: Buffer) => {
        this.log.write(stream, chunk);
        for (const hear of this.#hearers) hear(stream, chunk);
      });
    }
    // With the first process all others of the container end, and close its output.
    child.once('exit', () => [child, ...this.#execs].forEach(each => signalGroup(each, 'SIGKILL')));
    child.once('close', (code, signal) => {
      this.#end = {
        exitCode: exitCodeOf(code, signal),
        ...(signal && { signal: constants.signals[signal] }),
        atMs: Date.now(),
      };
      this.log.close();
      this.#ended.resolve();
      this.#onExit(this);
    });
  }

  #spawn([program, ...words]: readonly string[], stdin: boolean): Promise<ChildProcess> {
    const variables = this.spec.environment.map(({ name, value }) => [name, value] as const);
    return new Promise((resolve, reject) => {
      const child = spawn(program!, words, {
        cwd: this.spec.workingDirectory || tmpdir(),
        env: { PATH: process.env['PATH'], ...Object.fromEntries(variables) },
        // A group of its own, so that its children end with it.
        detached: true,
        stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      });
      child.stdin?.on('error', () => undefined);
      child.once('spawn', () => resolve(child));
      child.once('error', cause => {
        reject(new CodedError('RUNTIME_FAILED', `failed to run "${program}": ${cause.message}`, { cause }));
      });
    });
  }
}

/** Also to what the process has started. */
export function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid!, signal);
  } catch {
    // All of them have ended.
  }
}

function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + constants.signals[signal!];
}
