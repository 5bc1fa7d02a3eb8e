import { backoffMs } from '../base/backoff.js';
import type { BackoffOptions } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import type { Deferred } from '../base/deferred.js';
import type { Disposable } from '../base/disposable.js';

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** The wait of `addRateLimited`; 5 ms doubling to 1000 s when absent. */
  readonly backoff?: BackoffOptions;
}

const defaultBackoff: BackoffOptions = { initialMs: 5, maximumMs: 1_000_000 };

/**
 * Keys to work on, each at most once in the queue and never with two workers at a time: a key added while it is worked on comes
 * again after `done`. Source: client-go util/workqueue.
 */
export class WorkQueue<K> {
  readonly #clock: Clock;
  readonly #backoff: BackoffOptions;
  readonly #ready = new Set<K>();
  readonly #processing = new Set<K>();
  readonly #again = new Set<K>();
  readonly #waiting = new Map<K, { readonly dueMs: number; readonly timer: Disposable }>();
  readonly #failures = new Map<K, number>();
  readonly #takers: Deferred<K | undefined>[] = [];
  #shuttingDown = false;
  #drained: Deferred<void> | undefined;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#backoff = options.backoff ?? defaultBackoff;
  }

  /** Keys ready to be taken. */
  get length(): number {
    return this.#ready.size;
  }

  /** Keys being worked on. */
  get processing(): number {
    return this.#processing.size;
  }

  get shuttingDown(): boolean {
    return this.#shuttingDown;
  }

  add(key: K): void {
    if (this.#shuttingDown) return;
    if (this.#processing.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.#ready.has(key)) return;
    const taker = this.#takers.shift();
    if (taker) {
      this.#processing.add(key);
      taker.resolve(key);
    } else this.#ready.add(key);
  }

  /** Adds after a wait; of several waits for one key the shortest counts. */
  addAfter(key: K, delayMs: number): void {
    if (this.#shuttingDown) return;
    if (delayMs <= 0) return this.add(key);
    const dueMs = this.#clock.monotonicMs() + delayMs;
    const waiting = this.#waiting.get(key);
    if (waiting && waiting.dueMs <= dueMs) return;
    void waiting?.timer.dispose();
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#waiting.delete(key);
      this.add(key);
    });
    this.#waiting.set(key, { dueMs, timer });
  }

  /** Adds after a wait that grows with each call until `forget`. */
  addRateLimited(key: K): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.addAfter(key, backoffMs(this.#backoff, failures));
  }

  /** Calls of `addRateLimited` since the last `forget`. */
  requeues(key: K): number {
    return this.#failures.get(key) ?? 0;
  }

  forget(key: K): void {
    this.#failures.delete(key);
  }

  /** The next key, undefined when the queue is shut down and empty. Every key taken must be given to `done`. */
  take(): Promise<K | undefined> {
    for (const key of this.#ready) {
      this.#ready.delete(key);
      this.#processing.add(key);
      return Promise.resolve(key);
    }
    if (this.#shuttingDown) return Promise.resolve(undefined);
    const taker = deferred<K | undefined>();
    this.#takers.push(taker);
    return taker.promise;
  }

  done(key: K): void {
    this.#processing.delete(key);
    if (this.#again.delete(key)) this.add(key);
    if (this.#shuttingDown && this.#processing.size === 0) this.#drained?.resolve();
  }

  /** Takes no more keys, wakes idle workers; resolves when the keys being worked on are done. Keys not begun are dropped. */
  shutDown(): Promise<void> {
    if (!this.#shuttingDown) {
      this.#shuttingDown = true;
      this.#ready.clear();
      this.#again.clear();
      for (const { timer } of this.#waiting.values()) void timer.dispose();
      this.#waiting.clear();
      for (const taker of this.#takers.splice(0)) taker.resolve(undefined);
    }
    this.#drained ??= deferred();
    if (this.#processing.size === 0) this.#drained.resolve();
    return this.#drained.promise;
  }
}
