import { backoffMs } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { sleep } from '../../base/clock.js';
import type { AuditEvent } from './audit-event.js';
import type { AuditMetrics } from './audit-metrics.js';
import type { BatchReceiver } from './buffered-backend.js';

/** Who is sent the events. */
export interface AuditEndpoint {
  /** Rejects for any answer but 2xx, and for none within half a minute. */
  post(body: string): Promise<void>;
  close(): void;
}

export interface WebhookSenderOptions {
  readonly endpoint: AuditEndpoint;
  readonly initialBackoffMs: number;
  readonly clock: Clock;
  readonly metrics: AuditMetrics;
}

const tries = 5;
const factor = 1.5;
const jitter = 0.2;

/** Sends lists of events, several times where that fails, for whatever reason. Source: apiserver plugin/pkg/audit/webhook. */
export class WebhookSender implements BatchReceiver {
  readonly #options: WebhookSenderOptions;
  readonly #stopped = new AbortController();
  readonly #underWay = new Set<Promise<boolean>>();

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
  }

  process(events: readonly AuditEvent[]): Promise<boolean> {
    const sent = this.#send(events).finally(() => this.#underWay.delete(sent));
    this.#underWay.add(sent);
    return sent;
  }

  async #send(events: readonly AuditEvent[]): Promise<boolean> {
    const { endpoint, metrics } = this.#options;
    const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${events.map(({ itemJson }) => itemJson).join()}]}`;
    for (let failures = 0; ;) {
      try {
        await endpoint.post(body);
        return true;
      } catch (error) {
        if (++failures === tries || !(await this.#wait(failures - 1))) {
          metrics.failed('webhook', error, events);
          return false;
        }
      }
    }
  }

  /** Whoever waits for another try has it now, and it is the last. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#underWay);
    this.#options.endpoint.close();
  }

  /** False: there is no other try. */
  async #wait(failures: number): Promise<boolean> {
    const { initialBackoffMs, clock } = this.#options;
    const { signal } = this.#stopped;
    if (signal.aborted) return false;
    const waitMs = backoffMs({ initialMs: initialBackoffMs, maximumMs: Infinity, factor, jitter }, failures);
    await sleep(clock, waitMs, signal).catch(() => undefined);
    return true;
  }
}
