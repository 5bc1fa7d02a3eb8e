import type { Clock } from '../../base/clock.js';
import type { AuditBackend } from './audit-backend.js';
import type { AuditMetrics } from './audit-metrics.js';
import type { AuditPolicy } from './audit-policy.js';
import type { AuditedRequest } from './audit-record.js';
import { AuditRecord } from './audit-record.js';

export interface AuditorOptions {
  readonly policy: AuditPolicy;
  readonly backend: AuditBackend;
  readonly metrics: AuditMetrics;
  readonly clock: Clock;
}

/** Decides for each request whether anything is written of it. There is none where audit is off. */
export class Auditor {
  readonly #options: AuditorOptions;

  constructor(options: AuditorOptions) {
    this.#options = options;
  }

  get nowMs(): number {
    return this.#options.clock.now();
  }

  /** Undefined: nothing is written of this one. */
  begin(request: AuditedRequest): AuditRecord | undefined {
    const { policy, backend, metrics, clock } = this.#options;
    const decision = policy.decide(request.attributes);
    metrics.level(decision.level);
    if (decision.level === 'None') return undefined;
    return new AuditRecord({ request, decision, backend, metrics, nowMs: () => clock.now() });
  }

  /** The first stage. False: the request has to be refused, since nothing could be written of it. */
  received(record: AuditRecord): boolean {
    if (record.stage('RequestReceived')) return true;
    this.#options.metrics.rejected();
    return false;
  }

  /** After the last request. */
  async stop(): Promise<void> {
    await this.#options.backend.stop();
  }
}
