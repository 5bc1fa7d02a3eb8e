import { randomUUID } from 'node:crypto';
import { AsyncQueue } from '../base/async-queue.js';
import { sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { validateDns1123Subdomain } from '../machinery/names.js';
import type { ObjectMeta } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { Client } from './client.js';
import { EventCorrelator } from './event-correlator.js';
import type { CorrelatedEvent } from './event-correlator.js';

export interface EventObjectReference {
  apiVersion?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  resourceVersion?: string;
  fieldPath?: string;
}

/** core/v1 Event, as far as recorders write it. */
export interface CoreEvent {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  involvedObject: EventObjectReference;
  reason?: string;
  message?: string;
  type?: string;
  source?: { component?: string; host?: string };
  firstTimestamp?: string;
  lastTimestamp?: string;
  count?: number;
  reportingComponent?: string;
  reportingInstance?: string;
}

const CoreEvents: ResourceReference<CoreEvent> = {
  group: '',
  version: 'v1',
  resource: 'events',
  kind: 'Event',
  namespaced: true,
};

/** An object read from the API, or a reference to one (with `fieldPath` for a container of a pod). */
export type EventSubject = EventObjectReference | { apiVersion?: string; kind?: string; metadata?: ObjectMeta };

export interface EventRecorder {
  /** Never waits and never throws: events are best effort. */
  event(subject: EventSubject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface ApiEventRecorderOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `source.component` and `reportingComponent`: upstream's name of the part (`deployment-controller`, `kubelet`). */
  readonly component: string;
  readonly host?: string;
}

const queueLimit = 1000;
const maximumTries = 12;
const retryMs = 10_000;

/** Writes core/v1 Events one after the other in the background. Source: client-go tools/record. */
export class ApiEventRecorder implements EventRecorder {
  readonly #options: ApiEventRecorderOptions;
  readonly #correlator: EventCorrelator;
  readonly #stopping = new AbortController();
  #queue: AsyncQueue<CorrelatedEvent> | undefined;
  #writing: Promise<void> | undefined;
  #dropped = 0;
  /** Of a million: two recorders that speak of one object in the same millisecond must not give their events the same name. */
  #order = Math.floor(Math.random() * 900_000);

  constructor(options: ApiEventRecorderOptions) {
    this.#options = options;
    this.#correlator = new EventCorrelator(options.clock);
  }

  event(subject: EventSubject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (this.#stopping.signal.aborted) return;
    const correlated = this.#correlator.correlate(this.#make(eventReference(subject), type, reason, message));
    if (!correlated) return;
    this.#queue ??= new AsyncQueue<CorrelatedEvent>(Number.MAX_SAFE_INTEGER);
    if (this.#queue.length >= queueLimit) {
      if (this.#dropped++ === 0) this.#options.logger.warn('too many events at once, dropping some');
      return;
    }
    this.#queue.push(correlated);
    this.#writing ??= this.#write(this.#queue);
  }

  /** Writes what is queued, then no more; retries are given up. */
  async stop(): Promise<void> {
    this.#queue?.end();
    this.#stopping.abort();
    await this.#writing;
  }

  #make(reference: EventObjectReference, type: string, reason: string, message: string): CoreEvent {
    const { clock, component, host } = this.#options;
    const nowMs = clock.now();
    const timestamp = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
    // Names carry nanoseconds in hexadecimal; the counter stands in for what the clock cannot tell apart.
    const stamp = (BigInt(nowMs) * 1_000_000n + BigInt(this.#order++ % 1_000_000)).toString(16);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: eventName(`${reference.name}.${stamp}`), namespace: reference.namespace || 'default' },
      involvedObject: reference,
      reason,
      message,
      type,
      source: { component, ...(host ? { host } : {}) },
      firstTimestamp: timestamp,
      lastTimestamp: timestamp,
      count: 1,
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  async #write(queue: AsyncQueue<CorrelatedEvent>): Promise<void> {
    for await (const correlated of queue) await this.#writeOne(correlated);
  }

  async #writeOne(correlated: CorrelatedEvent): Promise<void> {
    const { client, clock, logger } = this.#options;
    const { event } = correlated;
    const events = client.resource(CoreEvents, event.metadata.namespace);
    for (let tries = 1; ; tries++) {
      try {
        if (correlated.repeated) {
          const { count, lastTimestamp, message } = event;
          try {
            await events.patch(event.metadata.name!, 'merge', { count, lastTimestamp, message });
            return;
          } catch (error) {
            // It has expired meanwhile: it is written anew under its old name.
            if (!isStatusError(error, 'NotFound')) throw error;
          }
        }
        await events.create(event);
        return;
      } catch (error) {
        // What the server refused it will refuse again; only a server that did not answer is worth another try.
        if (isStatusError(error) && !isStatusError(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests')) {
          if (!isStatusError(error, 'AlreadyExists')) {
            this.#correlator.forget(correlated.cacheKey);
            logger.debug('event refused', { reason: event.reason, object: event.involvedObject.name, error });
          }
          return;
        }
        if (tries >= maximumTries || this.#stopping.signal.aborted) {
          logger.warn('event not written', { reason: event.reason, object: event.involvedObject.name, error });
          return;
        }
        try {
          await sleep(clock, tries === 1 ? retryMs * Math.random() : retryMs, this.#stopping.signal);
        } catch {
          // Stopped while waiting: the next round is the last one.
        }
      }
    }
  }
}

/** Names of objects may be longer than allowed with a stamp, or hold what an event's name may not. */
function eventName(wanted: string): string {
  return validateDns1123Subdomain(wanted).length === 0 ? wanted : randomUUID();
}

/** The reference that an event carries about an object. */
export function eventReference(subject: EventSubject): EventObjectReference {
  if (!('metadata' in subject) || !subject.metadata) return subject as EventObjectReference;
  const { apiVersion, kind, metadata } = subject;
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    apiVersion,
    resourceVersion: metadata.resourceVersion,
  };
}
