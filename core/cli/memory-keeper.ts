import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';

/** This process's memory; a form of its own for tests. */
export interface ProcessMemory {
  residentBytes(): number;
  /** How much of the time since the last call the event loop was busy, 0 to 1. */
  busyShare(): number;
  /** Collects all garbage and gives free memory back to the system: some 0.1 s in which nothing else happens. */
  giveBack(): Promise<void>;
}

const intervalMs = 30_000;
const quietShare = 0.05;
/** What piled up since the last time, which is given back at once, */
const muchBytes = 32 * 1024 * 1024;
/** or when some time has gone by: more on a machine that takes long for it. */
const someBytes = 12 * 1024 * 1024;
const someTimeMs = 5 * 60_000;
const timesThePause = 1000;

/**
 * Gives back what a burst of work has left behind, once it is over. V8 grows its heap for the burst and sees no reason to look at it again
 * while little is allocated; glibc keeps what lies between its blocks (docs/decisions/0012-memory-given-back.md).
 */
export class MemoryKeeper implements Disposable {
  readonly #clock: Clock;
  readonly #memory: ProcessMemory;
  readonly #logger: Logger;
  #timer: Disposable | undefined;
  #disposed = false;
  /** What was resident after the last time. */
  #floorBytes = 0;
  /** When less than much is worth the pause again. */
  #nextMs = -Infinity;

  constructor(clock: Clock, memory: ProcessMemory, logger: Logger) {
    this.#clock = clock;
    this.#memory = memory;
    this.#logger = logger;
  }

  start(): void {
    this.#memory.busyShare();
    this.#arm();
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#timer?.dispose();
  }

  #arm(): void {
    if (!this.#disposed) this.#timer = this.#clock.setTimer(intervalMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const isQuiet = this.#memory.busyShare() < quietShare;
    const before = this.#memory.residentBytes();
    const startMs = this.#clock.monotonicMs();
    const worthwhileBytes = startMs < this.#nextMs ? muchBytes : someBytes;
    if (isQuiet && before > this.#floorBytes + worthwhileBytes) {
      try {
        await this.#memory.giveBack();
      } catch (error) {
        this.#logger.warn('memory cannot be given back to the system', { error: errorText(error) });
        return;
      }
      this.#floorBytes = this.#memory.residentBytes();
      const tookMs = this.#clock.monotonicMs() - startMs;
      this.#nextMs = startMs + Math.max(someTimeMs, tookMs * timesThePause);
      const [fromMb, toMb] = [megabytes(before), megabytes(this.#floorBytes)];
      this.#logger.debug('memory was given back', { fromMb, toMb, ms: Math.round(tookMs) });
    }
    this.#arm();
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);
