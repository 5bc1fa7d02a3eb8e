import type { ExposedMetrics } from '../../../contracts/exposed-metrics.js';
import { CounterSeries, HistogramSeries, metricsText } from '../metric-series.js';

/** Upper bounds in seconds, upstream's. */
const boundsSeconds = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
const highestCode = 600;
const prefix = 'apiserver_admission_webhook';

export type WebhookType = 'admit' | 'validating';
export type RejectionCause = 'no_error' | 'calling_webhook_error' | 'apiserver_internal_error';

/** How a call ended. */
export interface WebhookOutcome {
  readonly name: string;
  readonly type: WebhookType;
  readonly operation: string;
  readonly seconds: number;
  readonly code: number;
  /** Undefined: the request went on. */
  readonly rejection: RejectionCause | undefined;
  readonly failedOpen: boolean;
}

/** Counts and times calls of webhooks. Source: the names and labels of apiserver pkg/admission/metrics. */
export class WebhookMetrics implements ExposedMetrics {
  readonly #requests = new CounterSeries(`${prefix}_request_total`, 'Calls of admission webhooks.');
  readonly #rejections = new CounterSeries(`${prefix}_rejection_count`, 'Requests that admission webhooks rejected.');
  readonly #failOpens = new CounterSeries(
    `${prefix}_fail_open_count`,
    'Calls of admission webhooks that failed and were ignored.',
  );
  readonly #durations = new HistogramSeries(
    `${prefix}_admission_duration_seconds`,
    'How long admission webhooks took.',
    boundsSeconds,
  );

  observe({ name, type, operation, seconds, code, rejection, failedOpen }: WebhookOutcome): void {
    const shownCode = Math.min(code, highestCode);
    const rejected = rejection !== undefined;
    const [named, rest] = [`name="${name}",operation="${operation}"`, `rejected="${rejected}",type="${type}"`];
    this.#requests.add(`code="${shownCode}",${named},${rest}`);
    if (rejection) {
      const rejectionCode = rejection === 'apiserver_internal_error' ? 0 : shownCode;
      this.#rejections.add(`error_type="${rejection}",${named},rejection_code="${rejectionCode}",type="${type}"`);
    }
    if (failedOpen) this.#failOpens.add(`name="${name}",type="${type}"`);
    this.#durations.observe(`${named},${rest}`, seconds);
  }

  /** '' before the first call. */
  text(): string {
    return metricsText(this.#requests, this.#rejections, this.#failOpens, this.#durations);
  }
}
