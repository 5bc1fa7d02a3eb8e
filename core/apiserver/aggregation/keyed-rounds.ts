import type { BackoffOptions } from '../../base/backoff.js';
import { backoffMs } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';

export interface KeyedRoundsOptions {
  readonly clock: Clock;
  readonly backoff: BackoffOptions;
  /** One round of a key, to be given up at `signal`. Resolves after how many milliseconds the next is due by itself; undefined for none. */
  readonly work: (key: string, signal: AbortSignal) => Promise<number | undefined>;
  /** Told of a round that threw; it is tried again. */
  readonly failed: (key: string, error: unknown) => void;
}

/** Work by key: of each key one round at a time, and another when it was asked for meanwhile. */
export class KeyedRounds implements Disposable {
  readonly #options: KeyedRoundsOptions;
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, Disposable>();
  readonly #failures = new Map<string, number>();
  readonly #stopping = new AbortController();

  constructor(options: KeyedRoundsOptions) {
    this.#options = options;
  }

  add(key: string): void {
    if (this.#stopping.signal.aborted) return;
    void this.#timers.get(key)?.dispose();
    this.#timers.delete(key);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#running.set(key, this.#run(key));
  }

  /** Resolves when nothing is under way; what waits for a timer is not waited for. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  async dispose(): Promise<void> {
    this.#stopping.abort();
    for (const timer of this.#timers.values()) await timer.dispose();
    this.#timers.clear();
    await this.settled();
  }

  async #run(key: string): Promise<void> {
    // What called may be in the middle of an event. Whoever comes before the round begins is served by it.
    await Promise.resolve();
    this.#again.delete(key);
    const { signal } = this.#stopping;
    let nextMs: number | undefined;
    try {
      nextMs = signal.aborted ? undefined : await this.#options.work(key, signal);
      this.#failures.delete(key);
    } catch (error) {
      // What was given up did not fail.
      if (signal.aborted) return void this.#running.delete(key);
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      nextMs = backoffMs(this.#options.backoff, failures);
      this.#options.failed(key, error);
    }
    this.#running.delete(key);
    if (this.#again.delete(key)) this.add(key);
    else if (nextMs !== undefined && !signal.aborted) {
      this.#timers.set(
        key,
        this.#options.clock.setTimer(nextMs, () => this.add(key)),
      );
    }
  }
}
