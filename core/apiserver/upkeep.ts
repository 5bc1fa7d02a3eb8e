import { backoffMs } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { DisposableStore } from '../base/disposable.js';
import { errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { ResourceEndpoint } from './handlers/resource-endpoint.js';

export interface UpkeepOptions {
  readonly endpoint: (group: string, version: string, resource: string) => ResourceEndpoint | undefined;
  /** Brings everything to what it should be; `isFirst` until it has returned once. Called again after an error. */
  readonly ensure: (isFirst: boolean) => Promise<void>;
  /** What is logged when that fails. */
  readonly failure: string;
  /** Long enough for all that one change takes along. */
  readonly settleMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const retry = { initialMs: 1000, maximumMs: 30_000, jitter: 0.2 };

/** Keeps objects that a cluster has as they should be: at the start, and whenever somebody changes one that is followed. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #held = new DisposableStore();
  #timer: Disposable | undefined;
  #dueMs = 0;
  #running: Promise<void> | undefined;
  /** When it is run again, for what came while it ran. */
  #againMs: number | undefined;
  #isFirst = true;
  #failures = 0;
  #stopped = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Resolves after the first try. Never rejects: what is in the way may be told to go only by a server that runs. */
  async start(): Promise<void> {
    this.#run();
    await this.#running;
  }

  /** Looks again when one of these objects changes. */
  follow({ group, version, resource }: ResourceReference, isOurs: (namespace: string, name: string) => boolean): void {
    const cache = this.#options.endpoint(group, version, resource)?.served.store.cache;
    if (!cache) return;
    const listener = cache.listen(
      event => {
        if (event && isOurs(event.entry.namespace, event.entry.name)) this.soon();
      },
      { onLoaded: () => this.soon() },
    );
    this.#held.add(listener);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#held.dispose();
    await this.#timer?.dispose();
    await this.#running;
  }

  /** Looks again after that time, unless it does so before. */
  soon(waitMs = this.#options.settleMs): void {
    if (this.#stopped) return;
    if (this.#running) {
      this.#againMs = Math.min(this.#againMs ?? Infinity, waitMs);
      return;
    }
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + waitMs;
    if (this.#timer && this.#dueMs <= dueMs) return;
    void this.#timer?.dispose();
    this.#dueMs = dueMs;
    this.#timer = clock.setTimer(waitMs, () => this.#run());
  }

  #run(): void {
    const { ensure, failure, logger } = this.#options;
    this.#timer = undefined;
    this.#againMs = undefined;
    this.#running = ensure(this.#isFirst)
      .then(() => void (this.#failures = 0))
      .catch((error: unknown) => {
        logger.warn(failure, { error: errorText(error) });
        this.#againMs = backoffMs(retry, this.#failures++);
      })
      .finally(() => {
        this.#isFirst = false;
        this.#running = undefined;
        if (this.#againMs !== undefined) this.soon(this.#againMs);
      });
  }
}
