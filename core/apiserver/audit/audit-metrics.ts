import type { Clock } from '../../base/clock.js';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';
import { CounterSeries, metricsText } from '../admission/metric-series.js';
import type { AuditEvent } from './audit-event.js';
import type { AuditLevel } from './audit-policy.js';

const prefix = 'apiserver_audit';
const quietMs = 10_000;

/** Counts events, and tells of those that were lost. Source: the names and labels of apiserver pkg/audit/metrics.go. */
export class AuditMetrics implements ExposedMetrics {
  #events = 0;
  #rejected = 0;
  readonly #errors = new CounterSeries(`${prefix}_error_total`, 'Audit events that could not be written, by who failed.');
  readonly #levels = new CounterSeries(`${prefix}_level_total`, 'Requests by their level in the audit policy.');
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** Since the log last told of any. */
  #lost = 0;
  #quiet = false;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  event(): void {
    this.#events++;
  }

  level(level: AuditLevel): void {
    this.#levels.add(`level="${level}"`);
  }

  rejected(): void {
    this.#rejected++;
  }

  /** Events were lost, or not written as they should be. */
  failed(plugin: string, error: unknown, impacted: readonly AuditEvent[]): void {
    this.#errors.add(`plugin="${plugin}"`, impacted.length);
    this.#lost += impacted.length;
    if (this.#quiet) return;
    // What fails at every request would fill the log, which may lie on the same full disk.
    this.#quiet = true;
    this.#clock.setTimer(quietMs, () => (this.#quiet = false));
    this.#logger.error(`${this.#lost} audit events are lost`, { plugin, error: errorText(error), last: impacted.at(-1)?.line });
    this.#lost = 0;
  }

  text(): string {
    const single = (name: string, help: string, count: number): string =>
      `# HELP ${prefix}_${name} ${help}\n# TYPE ${prefix}_${name} counter\n${prefix}_${name} ${count}\n`;
    return (
      single('event_total', 'Audit events made and handed to the backends.', this.#events) +
      single('requests_rejected_total', 'Requests refused because an audit backend failed.', this.#rejected) +
      metricsText(this.#errors, this.#levels)
    );
  }
}
