import type { AuditBackend } from './audit-backend.js';
import type { AuditEvent } from './audit-event.js';
import type { AuditMetrics } from './audit-metrics.js';

export interface TruncateSettings {
  readonly maxBatchBytes: number;
  readonly maxEventBytes: number;
}

export interface TruncatingBackendOptions extends TruncateSettings {
  readonly inner: AuditBackend;
  readonly metrics: AuditMetrics;
}

/** Takes the bodies out of events that are too large; what is too large even then is lost. Source: apiserver plugin/pkg/audit/truncate. */
export class TruncatingBackend implements AuditBackend {
  readonly #options: TruncatingBackendOptions;

  constructor(options: TruncatingBackendOptions) {
    this.#options = options;
  }

  process(events: readonly AuditEvent[]): boolean {
    const { inner, maxBatchBytes, maxEventBytes, metrics } = this.#options;
    const lost: AuditEvent[] = [];
    let batch: AuditEvent[] = [];
    let batchBytes = 0;
    let isTaken = true;
    for (const whole of events) {
      let event = whole;
      let bytes = sizeOf(event);
      if (bytes > maxEventBytes && event.level !== 'Metadata') {
        event = event.truncated();
        bytes = sizeOf(event);
      }
      if (bytes > maxEventBytes) {
        lost.push(event);
        continue;
      }
      if (batch.length > 0 && batchBytes + bytes > maxBatchBytes) {
        isTaken = inner.process(batch) && isTaken;
        batch = [];
        batchBytes = 0;
      }
      batch.push(event);
      batchBytes += bytes;
    }
    if (batch.length > 0) isTaken = inner.process(batch) && isTaken;
    if (lost.length > 0) metrics.failed('truncate', new Error('event is too large even after truncating'), lost);
    return isTaken;
  }

  stop(): Promise<void> {
    return this.#options.inner.stop();
  }
}

/** As a line. */
const sizeOf = (event: AuditEvent): number => Buffer.byteLength(event.json) + 1;
