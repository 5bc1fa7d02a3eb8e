import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backoffMs } from '../base/backoff.js';
import type { BackoffOptions } from '../base/backoff.js';
import { sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { CodedError, errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { findByArgument, isAlive, processIdentity } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

export interface SupervisedProcess {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** An argument that no other process has, like the path of its configuration: by it one is found whose owner file was lost. */
  readonly mark: string;
  /** What it was started with. One that runs with something else is started anew. */
  readonly fingerprint: string;
  readonly ownerFile: string;
  readonly logFile: string;
  readonly logLimitBytes: number;
  /** Path of a network namespace to enter; the other namespaces and the cgroup are left alone. */
  readonly networkNamespace?: string;
  /** Resolves when it answers; asked repeatedly. */
  answers(signal: AbortSignal): Promise<boolean>;
}

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backoff?: BackoffOptions;
  /** It died and answers again. */
  readonly onRestarted?: () => void;
}

interface OwnerRecord extends ProcessIdentity {
  readonly fingerprint: string;
}

const pollMs = 1000;
const answerPollMs = 25;
const answerLimitMs = 60_000;
const logCheckMs = 30_000;
const steadyMs = 60_000;
const defaultBackoff: BackoffOptions = { initialMs: 200, maximumMs: 10_000, jitter: 0.2 };

/**
 * Keeps one daemon running that outlives this process: started in a session of its own, adopted by the next start when it is alive
 * and ours, started again with back-off when it dies. `release` leaves it running, `kill` ends it.
 */
export class ProcessSupervisor {
  readonly #process: SupervisedProcess;
  readonly #options: SupervisorOptions;
  readonly #logger: Logger;
  #running: ProcessIdentity | undefined;
  #state: 'idle' | 'watching' | 'released' = 'idle';
  #giveUp = new AbortController();
  #pollTimer: Disposable | undefined;
  #logTimer: Disposable | undefined;
  #failures = 0;
  #startedAtMs = 0;
  #stderrTail = '';

  constructor(supervised: SupervisedProcess, options: SupervisorOptions) {
    this.#process = supervised;
    this.#options = options;
    this.#logger = options.logger;
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** Resolves when it answers. Throws `PROCESS_FOREIGN` when what answers is not ours, `PROCESS_FAILED` when it does not come up. */
  async start(signal: AbortSignal): Promise<'adopted' | 'started'> {
    this.#giveUp = new AbortController();
    const own = this.#findOwn();
    const adopted = own !== undefined && own.fingerprint === this.#process.fingerprint;
    if (adopted) this.#adopt(own);
    else {
      if (own) {
        this.#logger.info(`${this.#process.name} runs with other settings and is started anew`, { pid: own.pid });
        await this.#end(own, signal);
      } else if (await this.#answersNow(signal)) {
        throw new CodedError('PROCESS_FOREIGN', `another ${this.#process.name} answers where ours would`, {
          mend: `stop it, or choose another data directory (--data-dir)`,
        });
      }
      this.#spawn();
    }
    await this.#untilAnswers(signal);
    this.#state = 'watching';
    this.#watch();
    return adopted ? 'adopted' : 'started';
  }

  /** Stops watching and leaves the process as it is. */
  release(): void {
    this.#state = 'released';
    this.#giveUp.abort();
    this.#disarm();
  }

  /** Ends the process: SIGTERM, after `graceMs` SIGKILL. No error when it is gone. */
  async kill(signal: AbortSignal, graceMs = 10_000): Promise<void> {
    this.release();
    const own = this.#running ?? this.#findOwn();
    if (own) await this.#end(own, signal, graceMs);
    rmSync(this.#process.ownerFile, { force: true });
    this.#running = undefined;
  }

  #findOwn(): OwnerRecord | undefined {
    const recorded = this.#readOwner();
    if (recorded && isAlive(recorded)) return recorded;
    const found = findByArgument(this.#process.mark)[0];
    return found && { ...found, fingerprint: recorded?.pid === found.pid ? recorded.fingerprint : '' };
  }

  #readOwner(): OwnerRecord | undefined {
    try {
      const value: unknown = JSON.parse(readFileSync(this.#process.ownerFile, 'utf8'));
      if (typeof value !== 'object' || value === null) return undefined;
      const { pid, startTicks, bootId, fingerprint } = value as Record<string, unknown>;
      if (typeof pid !== 'number' || typeof startTicks !== 'number') return undefined;
      return { pid, startTicks, bootId: String(bootId), fingerprint: String(fingerprint) };
    } catch {
      // No file, or one that a crash cut short: then it is found by its mark, or not at all.
      return undefined;
    }
  }

  #adopt(own: OwnerRecord): void {
    this.#running = own;
    this.#startedAtMs = this.#options.clock.monotonicMs();
  }

  #spawn(): void {
    const { command, args, networkNamespace, logFile, environment } = this.#process;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a', 0o600);
    try {
      const [program, programArguments] =
        networkNamespace === undefined ? [command, args] : ['nsenter', [`--net=${networkNamespace}`, '--', command, ...args]];
      const child = spawn(program, programArguments, { detached: true, stdio: ['ignore', log, log], env: environment, cwd: '/' });
      const pid = child.pid;
      child.on('error', error => (this.#stderrTail = errorText(error)));
      child.unref();
      if (pid === undefined) {
        throw new CodedError('PROCESS_FAILED', `${this.#process.name} cannot be run: ${program}`, {
          mend: `check that ${program} exists and may be executed`,
        });
      }
      const identity = processIdentity(pid);
      this.#running = identity ?? { pid, startTicks: -1, bootId: '' };
      this.#startedAtMs = this.#options.clock.monotonicMs();
      if (identity) this.#writeOwner({ ...identity, fingerprint: this.#process.fingerprint });
    } finally {
      closeSync(log);
    }
  }

  #writeOwner(record: OwnerRecord): void {
    const { ownerFile } = this.#process;
    mkdirSync(dirname(ownerFile), { recursive: true });
    writeFileSync(`${ownerFile}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    renameSync(`${ownerFile}.new`, ownerFile);
  }

  async #answersNow(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#process.answers(signal);
    } catch {
      // Any failure means that nothing usable is there.
      return false;
    }
  }

  async #untilAnswers(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonicMs() + answerLimitMs;
    for (;;) {
      if (await this.#answersNow(signal)) return;
      if (!this.#running || !isAlive(this.#running)) {
        throw new CodedError('PROCESS_FAILED', `${this.#process.name} ended at once: ${await this.#lastWords()}`, {
          mend: `see ${this.#process.logFile}`,
        });
      }
      if (clock.monotonicMs() > deadline) {
        throw new CodedError('PROCESS_FAILED', `${this.#process.name} does not answer after ${answerLimitMs / 1000} s`, {
          mend: `see ${this.#process.logFile}`,
        });
      }
      await sleep(clock, answerPollMs, signal);
    }
  }

  /** The last line of its log that says something. */
  async #lastWords(): Promise<string> {
    if (this.#stderrTail) return this.#stderrTail;
    const tail = await readTail(this.#process.logFile, 4096);
    return tail.trim().split('\n').at(-1)?.slice(0, 500) || 'no reason given';
  }

  #watch(): void {
    const { clock } = this.#options;
    const poll = (): void => {
      if (this.#state !== 'watching') return;
      if (this.#running && isAlive(this.#running)) this.#pollTimer = clock.setTimer(pollMs, poll);
      else void this.#revive();
    };
    this.#disarm();
    this.#pollTimer = clock.setTimer(pollMs, poll);
    this.#checkLog();
  }

  #disarm(): void {
    void this.#pollTimer?.dispose();
    void this.#logTimer?.dispose();
  }

  #checkLog(): void {
    const again = (): void => {
      void this.#logTimer?.dispose();
      if (this.#state === 'watching') this.#logTimer = this.#options.clock.setTimer(logCheckMs, () => this.#checkLog());
    };
    void this.#limitLog()
      // A full disk, for one: it may have room again.
      .catch((error: unknown) => this.#logger.warn('a log cannot be shortened', { file: this.#process.logFile, error }))
      .then(again);
  }

  async #revive(): Promise<void> {
    const { clock, backoff = defaultBackoff, onRestarted } = this.#options;
    const signal = this.#giveUp.signal;
    this.#disarm();
    if (clock.monotonicMs() - this.#startedAtMs > steadyMs) this.#failures = 0;
    while (!signal.aborted) {
      const waitMs = backoffMs(backoff, this.#failures++);
      this.#logger.warn(`${this.#process.name} has ended and is started again`, { waitMs: Math.round(waitMs) });
      try {
        await sleep(clock, waitMs, signal);
        // One that takes its time gets more of it, and no other beside it.
        if (!this.#running || !isAlive(this.#running)) this.#spawn();
        await this.#untilAnswers(signal);
        this.#watch();
        onRestarted?.();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.error(`${this.#process.name} does not come up`, { error: errorText(error) });
      }
    }
  }

  async #end(identity: ProcessIdentity, signal: AbortSignal, graceMs = 10_000): Promise<void> {
    const { clock } = this.#options;
    for (const [name, waitMs] of [
      ['SIGTERM', graceMs],
      ['SIGKILL', 5000],
    ] as const) {
      if (!isAlive(identity)) return;
      try {
        process.kill(identity.pid, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
        throw error;
      }
      for (const deadline = clock.monotonicMs() + waitMs; clock.monotonicMs() < deadline;) {
        if (!isAlive(identity)) return;
        await sleep(clock, answerPollMs, signal);
      }
    }
    throw new CodedError('PROCESS_FAILED', `${this.#process.name} (pid ${identity.pid}) cannot be ended`);
  }

  /** Keeps one older part beside the log. Its writer appends, so that cutting the file is safe; a line may be lost in between. */
  async #limitLog(): Promise<void> {
    const { logFile, logLimitBytes } = this.#process;
    const { size } = await stat(logFile);
    if (size <= logLimitBytes || this.#state !== 'watching') return;
    await writeFile(`${logFile}.1`, await readTail(logFile, logLimitBytes), { mode: 0o600 });
    const handle = await open(logFile, 'r+');
    try {
      await handle.truncate(0);
    } finally {
      await handle.close();
    }
  }
}

async function readTail(file: string, bytes: number): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, bytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
