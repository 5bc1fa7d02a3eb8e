import type { Clock } from '../../base/clock.js';
import { sleep } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import type { AuditBackend } from './audit-backend.js';
import type { AuditEvent } from './audit-event.js';
import type { AuditMetrics } from './audit-metrics.js';

export interface BatchSettings {
  /** More events than this that wait are lost. */
  readonly bufferSize: number;
  readonly maxBatchSize: number;
  /** How long the first event of a batch waits for others. */
  readonly maxBatchWaitMs: number;
  /** Batches a second. */
  readonly throttle: { readonly perSecond: number; readonly burst: number } | undefined;
}

/** Takes whole batches. */
export interface BatchReceiver {
  /** Never rejects: says itself what is lost. */
  process(events: readonly AuditEvent[]): boolean | Promise<boolean>;
  /** No more batches come. Resolves when what was under way is done. */
  stop(): Promise<void>;
}

export interface BufferedBackendOptions extends BatchSettings {
  readonly receiver: BatchReceiver;
  readonly clock: Clock;
  readonly metrics: AuditMetrics;
}

/** The mode `batch`: requests never wait for the log. Source: apiserver plugin/pkg/audit/buffered. */
export class BufferedBackend implements AuditBackend {
  readonly #options: BufferedBackendOptions;
  #waiting: AuditEvent[] = [];
  #timer: Disposable | undefined;
  #draining: Promise<void> | undefined;
  readonly #bucket: TokenBucket | undefined;
  #isStopped = false;

  constructor(options: BufferedBackendOptions) {
    this.#options = options;
    this.#bucket = options.throttle && new TokenBucket(options.throttle, options.clock);
  }

  process(events: readonly AuditEvent[]): boolean {
    const { bufferSize, maxBatchSize, maxBatchWaitMs, metrics, clock } = this.#options;
    if (this.#isStopped) {
      metrics.failed('buffered', new Error('audit backend shut down'), events);
      return true;
    }
    const room = bufferSize - this.#waiting.length;
    this.#waiting.push(...events.slice(0, room));
    if (events.length > room) metrics.failed('buffered', new Error('audit buffer queue blocked'), events.slice(room));
    if (this.#draining) return true;
    if (this.#waiting.length >= maxBatchSize) this.#drain(false);
    else this.#timer ??= clock.setTimer(maxBatchWaitMs, () => this.#drain(true));
    return true;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#draining;
    this.#drain(true);
    await this.#draining;
    await this.#options.receiver.stop();
  }

  /** Hands over full batches, and the last one too where `all` says so. */
  #drain(all: boolean): void {
    void this.#timer?.dispose();
    this.#timer = undefined;
    this.#draining = this.#handOver(all).finally(() => {
      this.#draining = undefined;
      const { clock, maxBatchSize, maxBatchWaitMs } = this.#options;
      if (this.#waiting.length === 0 || this.#isStopped) return;
      if (this.#waiting.length >= maxBatchSize) this.#drain(false);
      else this.#timer = clock.setTimer(maxBatchWaitMs, () => this.#drain(true));
    });
  }

  async #handOver(all: boolean): Promise<void> {
    const { maxBatchSize, receiver } = this.#options;
    let atOnce = all;
    // A request's own turn is not the time to write.
    await Promise.resolve();
    while (this.#waiting.length >= maxBatchSize || (atOnce && this.#waiting.length > 0)) {
      if (this.#waiting.length <= maxBatchSize) atOnce = false;
      const batch = this.#waiting.splice(0, maxBatchSize);
      await this.#bucket?.take();
      // Not awaited: a slow receiver gets the next batch meanwhile.
      void receiver.process(batch);
    }
  }
}

class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #atMs: number;

  constructor({ perSecond, burst }: NonNullable<BatchSettings['throttle']>, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#clock = clock;
    this.#tokens = burst;
    this.#atMs = clock.monotonicMs();
  }

  /** For one taker at a time. */
  async take(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) * this.#perSecond) / 1000);
    this.#atMs = nowMs;
    this.#tokens--;
    if (this.#tokens < 0) await sleep(this.#clock, (-this.#tokens * 1000) / this.#perSecond);
  }
}
