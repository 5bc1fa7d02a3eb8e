import type { Clock } from '../base/clock.js';

/** After this long a lost watch event no longer keeps a controller asleep. */
const timeoutMs = 300_000;

interface Expectation {
  creations: number;
  readonly deletions: Set<string>;
  readonly sinceMs: number;
}

/**
 * What a controller did and has not yet seen in its informers, by key of the controlling object. Until it has, or time runs out,
 * it must not count its children. Deletions are told apart by child key, because a graceful one is seen twice.
 * Source: pkg/controller UIDTrackingControllerExpectations.
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #byKey = new Map<string, Expectation>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Replaces what was expected for `key`. */
  expect(key: string, creations: number, deletions: Iterable<string> = []): void {
    this.#byKey.set(key, { creations, deletions: new Set(deletions), sinceMs: this.#clock.monotonicMs() });
  }

  creationObserved(key: string, count = 1): void {
    const expectation = this.#byKey.get(key);
    if (expectation) expectation.creations -= count;
  }

  deletionObserved(key: string, childKey: string): void {
    this.#byKey.get(key)?.deletions.delete(childKey);
  }

  satisfied(key: string): boolean {
    const expectation = this.#byKey.get(key);
    if (!expectation) return true;
    if (expectation.creations <= 0 && expectation.deletions.size === 0) return true;
    return this.#clock.monotonicMs() - expectation.sinceMs > timeoutMs;
  }

  delete(key: string): void {
    this.#byKey.delete(key);
  }
}
