import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { TestRunner } from '../../core/testing/test-runner.js';

/**
 * Cases that run in another process, for instance in a network namespace of their own, and are still single tests here: both sides
 * define the same cases, one by its runner and one by `serveCases`.
 */
type Request = { readonly type: 'run'; readonly name: string } | { readonly type: 'end' };

type Answer =
  | { readonly type: 'ready' | 'ended' }
  | { readonly type: 'failed'; readonly error: string }
  | { readonly type: 'done'; readonly name: string; readonly error?: string };

/** The names of the cases in order, each with its groups before it. */
function collect(define: (runner: TestRunner) => void): Map<string, () => Promise<void>> {
  const cases = new Map<string, () => Promise<void>>();
  const groups: string[] = [];
  define({
    describe(name, body) {
      groups.push(name);
      body();
      groups.pop();
    },
    it(name, body) {
      const full = [...groups, name].join(' > ');
      if (cases.has(full)) throw new Error(`two cases are called "${full}"`);
      cases.set(full, body);
    },
  });
  return cases;
}

/** One process of the other side. It runs one case at a time. */
class RemoteProcess {
  readonly #child: ChildProcess;
  #output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
  }

  /** Resolves when its set-up is done. */
  static async start([program, ...args]: readonly [string, ...string[]], environment: NodeJS.ProcessEnv): Promise<RemoteProcess> {
    const env = { ...process.env, ...environment };
    const remote = new RemoteProcess(spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }));
    const answer = await remote.#next(({ type }) => type === 'ready' || type === 'failed');
    if (answer.type === 'failed') throw new Error(answer.error);
    return remote;
  }

  async run(name: string): Promise<void> {
    if (!this.#child.connected) throw new Error(`the other side does not run\n${this.#output}`);
    this.#output = '';
    this.#child.send({ type: 'run', name } satisfies Request);
    const answer = await this.#next(entry => entry.type === 'done' && entry.name === name);
    if (answer.type === 'done' && answer.error !== undefined) throw new Error(`${answer.error}\n${this.#output}`);
  }

  /** Resolves when it has cleaned up and ended. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null || !child.connected) return;
    const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
    child.send({ type: 'end' } satisfies Request);
    await exited;
    if (child.exitCode !== 0) throw new Error(`the other side ended with ${child.exitCode}\n${this.#output}`);
  }

  #next(wanted: (answer: Answer) => boolean): Promise<Answer> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        child.off('message', onMessage);
        child.off('exit', onExit);
      };
      const onMessage = (answer: Answer): void => {
        if (!wanted(answer)) return;
        stop();
        resolve(answer);
      };
      const onExit = (): void => {
        stop();
        reject(new Error(`the other side ended\n${this.#output}`));
      };
      child.on('message', onMessage);
      child.once('exit', onExit);
    });
  }
}

/** This side: starts the other one and asks it to run cases. */
export class RemoteCases {
  readonly #command: readonly [string, ...string[]];
  readonly #count: number;
  #processes: RemoteProcess[] = [];
  readonly #free: RemoteProcess[] = [];
  readonly #waiting: ((remote: RemoteProcess) => void)[] = [];
  readonly #names: string[] = [];
  readonly #outcomes = new Map<string, Promise<void>>();

  /**
   * With `processes`, the cases that come next are begun while the runner waits for one, each in a process that has no other: for
   * those that mostly wait, and share nothing.
   */
  constructor(command: readonly [string, ...string[]], { processes = 1 }: { readonly processes?: number } = {}) {
    this.#command = command;
    this.#count = processes;
  }

  /** Resolves when the set-up of all is done. */
  async start(environment: NodeJS.ProcessEnv): Promise<void> {
    const started = Array.from({ length: this.#count }, async () => {
      const remote = await RemoteProcess.start(this.#command, environment);
      this.#processes.push(remote);
      this.#free.push(remote);
    });
    for (const result of await Promise.allSettled(started)) if (result.status === 'rejected') throw result.reason;
  }

  /** Defines with the runner what `define` defines there. */
  define(runner: TestRunner, define: (runner: TestRunner) => void): void {
    const groups: string[] = [];
    define({
      describe: (name, body) =>
        runner.describe(name, () => {
          groups.push(name);
          body();
          groups.pop();
        }),
      it: name => {
        const full = [...groups, name].join(' > ');
        this.#names.push(full);
        runner.it(name, () => this.#outcomeOf(full));
      },
    });
  }

  /** Resolves when all have cleaned up and ended. */
  async end(): Promise<void> {
    // What was begun ahead of a runner that asked for less.
    await Promise.allSettled(this.#outcomes.values());
    const processes = this.#processes;
    this.#processes = [];
    for (const remote of processes) await remote.end();
  }

  #outcomeOf(name: string): Promise<void> {
    const at = this.#names.indexOf(name);
    for (const each of this.#names.slice(at, at + this.#count)) {
      if (this.#outcomes.has(each)) continue;
      const outcome = this.#run(each);
      this.#outcomes.set(each, outcome);
      // The runner may never ask for what was begun ahead.
      outcome.catch(() => undefined);
    }
    return this.#outcomes.get(name)!;
  }

  async #run(name: string): Promise<void> {
    const remote = this.#free.shift() ?? (await new Promise<RemoteProcess>(resolve => this.#waiting.push(resolve)));
    try {
      await remote.run(name);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(remote);
      else this.#free.push(remote);
    }
  }
}

/** The other side: sets up, runs the cases that it is asked for, one at a time, and cleans up. */
export async function serveCases(
  define: (runner: TestRunner) => void,
  stages: { setUp(): Promise<void>; cleanUp(): Promise<void> },
): Promise<void> {
  const cases = collect(define);
  const tell = (answer: Answer): void => void process.send!(answer);
  const text = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
  const end = async (): Promise<void> => {
    try {
      await stages.cleanUp();
      tell({ type: 'ended' });
      process.exitCode = 0;
    } catch (error) {
      process.stderr.write(`${text(error)}\n`);
      process.exitCode = 1;
    }
    process.disconnect();
  };
  process.on('message', (request: Request) => {
    if (request.type === 'end') return void end();
    const run = cases.get(request.name) ?? (() => Promise.reject(new Error(`no case "${request.name}"`)));
    run().then(
      () => tell({ type: 'done', name: request.name }),
      (error: unknown) => tell({ type: 'done', name: request.name, error: text(error) }),
    );
  });
  try {
    await stages.setUp();
    tell({ type: 'ready' });
  } catch (error) {
    tell({ type: 'failed', error: text(error) });
  }
}
