import type { Clock } from '../base/clock.js';
import type { CoreEvent } from './event-recorder.js';

/**
 * Keeps events from flooding the API: the same event again raises a count, many that differ only in their message become one,
 * and one source may write only so much about one object. Numbers and keys are client-go's (tools/record EventCorrelator).
 */
const cacheSize = 4096;
const aggregateAfter = 10;
const aggregateWindowMs = 600_000;
const burst = 25;
const refillMs = 300_000;

export interface CorrelatedEvent {
  readonly event: CoreEvent;
  /** The event is known to the server under its name: raise its count instead of creating it. */
  readonly repeated: boolean;
  readonly cacheKey: string;
}

interface Observation {
  readonly count: number;
  readonly firstTimestamp: string;
  readonly name: string;
}

export class EventCorrelator {
  readonly #clock: Clock;
  readonly #groups = new LruMap<{ messages: Set<string>; lastMs: number }>(cacheSize);
  readonly #observations = new LruMap<Observation>(cacheSize);
  readonly #buckets = new LruMap<{ tokens: number; lastMs: number }>(cacheSize);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to write for `event`; undefined when it is one too many. */
  correlate(event: CoreEvent): CorrelatedEvent | undefined {
    const aggregated = this.#aggregate(event);
    const observed = this.#observe(aggregated.event, aggregated.key);
    return this.#spam(observed.event) ? undefined : { ...observed, cacheKey: aggregated.key };
  }

  /** Tells that the server no longer has the event behind `cacheKey` under its old name. */
  forget(cacheKey: string): void {
    this.#observations.delete(cacheKey);
  }

  #aggregate(event: CoreEvent): { event: CoreEvent; key: string } {
    const nowMs = this.#clock.monotonicMs();
    const groupKey = [sourceKey(event), event.reason, event.reportingComponent, event.reportingInstance].join('\0');
    let group = this.#groups.get(groupKey);
    if (!group || nowMs - group.lastMs > aggregateWindowMs) group = { messages: new Set(), lastMs: nowMs };
    group.lastMs = nowMs;
    group.messages.add(event.message ?? '');
    this.#groups.set(groupKey, group);
    if (group.messages.size < aggregateAfter) {
      return { event, key: [sourceKey(event), event.involvedObject.fieldPath, event.reason, event.message].join('\0') };
    }
    group.messages.delete(group.messages.values().next().value ?? '');
    return { event: { ...event, message: `(combined from similar events): ${event.message}` }, key: groupKey };
  }

  #observe(event: CoreEvent, key: string): { event: CoreEvent; repeated: boolean } {
    const last = this.#observations.get(key);
    const next: CoreEvent = last
      ? {
          ...event,
          metadata: { ...event.metadata, name: last.name },
          firstTimestamp: last.firstTimestamp,
          count: last.count + 1,
        }
      : event;
    this.#observations.set(key, {
      count: next.count ?? 1,
      firstTimestamp: next.firstTimestamp ?? '',
      name: next.metadata.name ?? '',
    });
    return { event: next, repeated: last !== undefined };
  }

  #spam(event: CoreEvent): boolean {
    const nowMs = this.#clock.monotonicMs();
    const key = sourceKey(event);
    const bucket = this.#buckets.get(key) ?? { tokens: burst, lastMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.lastMs) / refillMs);
    bucket.lastMs = nowMs;
    this.#buckets.set(key, bucket);
    if (bucket.tokens < 1) return true;
    bucket.tokens--;
    return false;
  }
}

function sourceKey(event: CoreEvent): string {
  const { kind, namespace, name, uid, apiVersion } = event.involvedObject;
  return [event.source?.component, event.source?.host, kind, namespace, name, uid, apiVersion, event.type].join('\0');
}

/** A map that drops what was not used for longest. */
class LruMap<V> {
  readonly #items = new Map<string, V>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): V | undefined {
    const value = this.#items.get(key);
    if (value !== undefined) {
      this.#items.delete(key);
      this.#items.set(key, value);
    }
    return value;
  }

  set(key: string, value: V): void {
    this.#items.delete(key);
    this.#items.set(key, value);
    if (this.#items.size > this.#limit) this.#items.delete(this.#items.keys().next().value!);
  }

  delete(key: string): void {
    this.#items.delete(key);
  }
}
