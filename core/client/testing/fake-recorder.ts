import { eventReference } from '../event-recorder.js';
import type { EventObjectReference, EventRecorder, EventSubject } from '../event-recorder.js';

export interface RecordedEvent {
  readonly reference: EventObjectReference;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

/** Keeps events for tests. */
export class FakeRecorder implements EventRecorder {
  readonly events: RecordedEvent[] = [];

  event(subject: EventSubject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.events.push({ reference: eventReference(subject), type, reason, message });
  }

  /** `Reason message` of each event, oldest first. */
  lines(reason?: string): string[] {
    return this.events.filter(e => reason === undefined || e.reason === reason).map(e => `${e.reason} ${e.message}`);
  }
}
