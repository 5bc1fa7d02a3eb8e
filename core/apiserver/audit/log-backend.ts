import type { AuditBackend } from './audit-backend.js';
import type { AuditEvent } from './audit-event.js';
import type { AuditMetrics } from './audit-metrics.js';

export type LogFormat = 'json' | 'legacy';

/** Where lines go: a file, or the process's output. */
export interface LogOutput {
  /** Throws where the line is not written. */
  write(line: string): void;
  close(): Promise<void>;
}

export interface LogBackendOptions {
  readonly output: LogOutput;
  readonly format: LogFormat;
  readonly metrics: AuditMetrics;
}

/** One line an event. Source: apiserver plugin/pkg/audit/log. */
export class LogBackend implements AuditBackend {
  readonly #options: LogBackendOptions;

  constructor(options: LogBackendOptions) {
    this.#options = options;
  }

  process(events: readonly AuditEvent[]): boolean {
    const { output, format, metrics } = this.#options;
    let isWritten = true;
    for (const event of events) {
      try {
        output.write(`${format === 'json' ? event.json : event.line}\n`);
      } catch (error) {
        metrics.failed('log', error, [event]);
        isWritten = false;
      }
    }
    return isWritten;
  }

  async stop(): Promise<void> {
    await this.#options.output.close();
  }
}

/** The mode `blocking`: what fails is counted, and requests go on. */
export class ForgivingBackend implements AuditBackend {
  readonly #inner: AuditBackend;

  constructor(inner: AuditBackend) {
    this.#inner = inner;
  }

  process(events: readonly AuditEvent[]): boolean {
    this.#inner.process(events);
    return true;
  }

  stop(): Promise<void> {
    return this.#inner.stop();
  }
}
