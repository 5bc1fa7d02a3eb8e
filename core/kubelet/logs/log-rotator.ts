import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { errorCode } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ContainerRuntime, ContainerState } from '../../contracts/container-runtime.js';

export interface LogRotatorOptions {
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Running containers of this node. */
  readonly containers: () => readonly ContainerState[];
  readonly maximumBytes?: number;
  /** With the current one. */
  readonly maximumFiles?: number;
  readonly periodMs?: number;
}

const defaults = { maximumBytes: 10 * 1024 * 1024, maximumFiles: 5, periodMs: 10_000 };

/** Renames logs that have grown too long, compresses the older ones and removes the oldest. Source: pkg/kubelet/logs/container_log_manager.go. */
export class LogRotator {
  readonly #options: LogRotatorOptions & typeof defaults;
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #stopped = true;

  constructor(options: LogRotatorOptions) {
    this.#options = { ...defaults, ...options };
  }

  start(): void {
    this.#stopped = false;
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    void this.#timer?.dispose();
    await this.#running;
  }

  /** Looks at all logs once. Never rejects. */
  async rotate(): Promise<void> {
    for (const container of this.#options.containers()) {
      if (container.state !== 'running' || container.logPath === '') continue;
      try {
        const { size } = await stat(container.logPath);
        if (size >= this.#options.maximumBytes) await this.#rotateLog(container);
      } catch (error) {
        if (errorCode(error) === 'ENOENT') continue;
        this.#options.logger.warn('the log of a container could not be rotated', { container: container.name, error });
      }
    }
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.setTimer(this.#options.periodMs, () => {
      this.#running = this.rotate().then(() => this.#arm());
    });
  }

  async #rotateLog({ id, logPath }: ContainerState): Promise<void> {
    const { runtime, clock, maximumFiles } = this.#options;
    const directory = dirname(logPath);
    const prefix = `${basename(logPath)}.`;
    const names = (await readdir(directory)).filter(name => name.startsWith(prefix));
    // Half-compressed files are of a run that was cut off.
    for (const name of names.filter(own => own.endsWith('.tmp'))) await rm(join(directory, name), { force: true });
    const rotated = names.filter(name => !name.endsWith('.tmp')).sort();
    // Room for the current file and the one that is made of it now.
    const excess = rotated.splice(0, Math.max(0, rotated.length - Math.max(0, maximumFiles - 2)));
    for (const name of excess) await rm(join(directory, name), { force: true });
    for (const name of rotated.filter(own => !own.endsWith('.gz'))) await compress(join(directory, name));
    const target = `${logPath}.${stamp(clock.now())}`;
    await rename(logPath, target);
    try {
      await runtime.reopenLog(id);
    } catch (error) {
      // The runtime goes on writing to the file it has: under its old name again, nothing is lost.
      await rename(target, logPath);
      throw error;
    }
  }
}

async function compress(path: string): Promise<void> {
  const temporary = `${path}.gz.tmp`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(temporary, { mode: 0o640 }));
  await rename(temporary, `${path}.gz`);
  await rm(path, { force: true });
}

/** `20060102-150405`, as upstream names rotated logs. */
function stamp(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}
