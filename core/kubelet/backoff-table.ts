import type { Clock } from '../base/clock.js';

interface Entry {
  backoffMs: number;
  lastUpdateMs: number;
}

/**
 * Waits that double for each key and are forgotten when nothing failed for twice the longest wait.
 * Source: client-go util/flowcontrol Backoff.
 */
export class BackoffTable {
  readonly #clock: Clock;
  readonly #initialMs: number;
  readonly #maximumMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, initialMs: number, maximumMs: number) {
    this.#clock = clock;
    this.#initialMs = initialMs;
    this.#maximumMs = maximumMs;
  }

  /** Raises the wait of a key after something failed at `eventMs`. */
  next(key: string, eventMs: number): void {
    const entry = this.#entries.get(key);
    if (!entry || this.#expired(entry, eventMs)) {
      this.#entries.set(key, { backoffMs: this.#initialMs, lastUpdateMs: this.#clock.now() });
      return;
    }
    entry.backoffMs = Math.min(entry.backoffMs * 2, this.#maximumMs);
    entry.lastUpdateMs = this.#clock.now();
  }

  waitMs(key: string): number {
    return this.#entries.get(key)?.backoffMs ?? 0;
  }

  /** When the wait counted from an event ends; undefined when it has ended or there is none. */
  dueSince(key: string, eventMs: number): number | undefined {
    const entry = this.#entries.get(key);
    if (!entry || this.#expired(entry, eventMs)) return undefined;
    const dueMs = eventMs + entry.backoffMs;
    return dueMs > this.#clock.now() ? dueMs : undefined;
  }

  /** When the wait counted from the last failure ends; undefined when it has ended or there is none. */
  dueSinceUpdate(key: string): number | undefined {
    const entry = this.#entries.get(key);
    if (!entry || this.#expired(entry, this.#clock.now())) return undefined;
    const dueMs = entry.lastUpdateMs + entry.backoffMs;
    return dueMs > this.#clock.now() ? dueMs : undefined;
  }

  forget(keyPrefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(keyPrefix)) this.#entries.delete(key);
  }

  #expired(entry: Entry, eventMs: number): boolean {
    return eventMs - entry.lastUpdateMs > this.#maximumMs * 2;
  }
}
