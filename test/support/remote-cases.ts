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

/** This side: starts the other one and asks it to run cases. */
export class RemoteCases {
  readonly #command: readonly [string, ...string[]];
  #child: ChildProcess | undefined;
  #output = '';

  constructor(command: readonly [string, ...string[]]) {
    this.#command = command;
  }

  /** Resolves when its set-up is done. */
  async start(environment: NodeJS.ProcessEnv): Promise<void> {
    const [program, ...args] = this.#command;
    const child = spawn(program, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#child = child;
    const answer = await this.#next(({ type }) => type === 'ready' || type === 'failed');
    if (answer.type === 'failed') throw new Error(answer.error);
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
        runner.it(name, () => this.#run(full));
      },
    });
  }

  async #run(name: string): Promise<void> {
    this.#send({ type: 'run', name });
    this.#output = '';
    const answer = await this.#next(entry => entry.type === 'done' && entry.name === name);
    if (answer.type === 'done' && answer.error !== undefined) throw new Error(`${answer.error}\n${this.#output}`);
  }

  /** Resolves when it has cleaned up and ended. */
  async end(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    if (child.exitCode !== null || child.signalCode !== null || !child.connected) return;
    const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
    child.send({ type: 'end' } satisfies Request);
    await exited;
    if (child.exitCode !== 0) throw new Error(`the other side ended with ${child.exitCode}\n${this.#output}`);
  }

  #send(request: Request): void {
    if (!this.#child?.connected) throw new Error(`the other side does not run\n${this.#output}`);
    this.#child.send(request);
  }

  #next(wanted: (answer: Answer) => boolean): Promise<Answer> {
    const child = this.#child!;
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
