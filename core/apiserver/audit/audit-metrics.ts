import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';
import { CounterSeries, metricsText } from '../admission/metric-series.js';
import type { AuditEvent } from './audit-event.js';
import type { AuditLevel } from './audit-policy.js';

const prefix = 'apiserver_audit';

/** Counts events, and tells of those that were lost. Source: the names and labels of apiserver pkg/audit/metrics.go. */
export class AuditMetrics implements ExposedMetrics {
  #events = 0;
  #rejected = 0;
  readonly #errors = new CounterSeries(`${prefix}_error_total`, 'Audit events that could not be written, by who failed.');
  readonly #levels = new CounterSeries(`${prefix}_level_total`, 'Requests by their level in the audit policy.');
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
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
    this.#logger.error(`${impacted.length} audit events are lost`, {
      plugin,
      error: errorText(error),
      first: impacted[0]?.line,
    });
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
