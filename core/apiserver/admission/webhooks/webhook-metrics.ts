import type { ExposedMetrics } from '../../../contracts/exposed-metrics.js';

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

interface Durations {
  readonly buckets: number[];
  sumSeconds: number;
  count: number;
}

/** Counts and times calls of webhooks. Source: the names and labels of apiserver pkg/admission/metrics. */
export class WebhookMetrics implements ExposedMetrics {
  readonly #requests = new Map<string, number>();
  readonly #rejections = new Map<string, number>();
  readonly #failOpens = new Map<string, number>();
  readonly #durations = new Map<string, Durations>();

  observe({ name, type, operation, seconds, code, rejection, failedOpen }: WebhookOutcome): void {
    const shownCode = Math.min(code, highestCode);
    const rejected = rejection !== undefined;
    const [named, rest] = [`name="${name}",operation="${operation}"`, `rejected="${rejected}",type="${type}"`];
    raise(this.#requests, `code="${shownCode}",${named},${rest}`);
    if (rejection) {
      raise(
        this.#rejections,
        `error_type="${rejection}",${named},rejection_code="${rejection === 'apiserver_internal_error' ? 0 : shownCode}",type="${type}"`,
      );
    }
    if (failedOpen) raise(this.#failOpens, `name="${name}",type="${type}"`);
    const labels = `${named},${rest}`;
    let durations = this.#durations.get(labels);
    if (!durations) {
      durations = { buckets: boundsSeconds.map(() => 0), sumSeconds: 0, count: 0 };
      this.#durations.set(labels, durations);
    }
    durations.count++;
    durations.sumSeconds += seconds;
    boundsSeconds.forEach((bound, index) => {
      if (seconds <= bound) durations.buckets[index]!++;
    });
  }

  /** '' before the first call. */
  text(): string {
    if (this.#requests.size === 0) return '';
    const lines = [
      ...counter('request_total', 'Calls of admission webhooks.', this.#requests),
      ...counter('rejection_count', 'Requests that admission webhooks rejected.', this.#rejections),
      ...counter('fail_open_count', 'Calls of admission webhooks that failed and were ignored.', this.#failOpens),
    ];
    const name = `${prefix}_admission_duration_seconds`;
    lines.push(`# HELP ${name} How long admission webhooks took.`, `# TYPE ${name} histogram`);
    for (const [labels, { buckets, sumSeconds, count }] of this.#durations) {
      boundsSeconds.forEach((bound, index) => lines.push(`${name}_bucket{${labels},le="${bound}"} ${buckets[index]}`));
      lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}`);
      lines.push(`${name}_sum{${labels}} ${sumSeconds}`, `${name}_count{${labels}} ${count}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

function counter(name: string, help: string, series: ReadonlyMap<string, number>): string[] {
  const lines = [`# HELP ${prefix}_${name} ${help}`, `# TYPE ${prefix}_${name} counter`];
  for (const [labels, count] of series) lines.push(`${prefix}_${name}{${labels}} ${count}`);
  return lines;
}

function raise(series: Map<string, number>, labels: string): void {
  series.set(labels, (series.get(labels) ?? 0) + 1);
}
