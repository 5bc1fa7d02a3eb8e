import type { AuditEvent } from './audit-event.js';

/** Where events go. */
export interface AuditBackend {
  /** Called at every stage of every request. False: the request must not go on, where it can still be stopped. Never throws. */
  process(events: readonly AuditEvent[]): boolean;
  /** Writes out what it still holds; called once, when no request is left. */
  stop(): Promise<void>;
}

/** Several at once: each gets all events. */
export class UnionBackend implements AuditBackend {
  readonly #members: readonly AuditBackend[];

  constructor(members: readonly AuditBackend[]) {
    this.#members = members;
  }

  process(events: readonly AuditEvent[]): boolean {
    return this.#members.map(member => member.process(events)).every(Boolean);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(member => member.stop()));
  }
}
