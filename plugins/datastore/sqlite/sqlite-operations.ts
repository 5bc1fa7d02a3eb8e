import { DatastoreCompacted, DatastoreConflict, datastoreError } from '../../../core/plugin-api/index.js';
import type { CodedError, DatastoreErrorCode, DatastoreEvent, KeyValue, ListPage } from '../../../core/plugin-api/index.js';
import type { HistoryChunk } from '../sql-common/watch-hub.js';
import type { BatchAnswer, BatchRequest, Failure, Flat } from './sqlite-protocol.js';
import { SlabReader, operation, result, writeFlag } from './sqlite-protocol.js';

export interface WriteOperation {
  readonly kind: typeof operation.create | typeof operation.update | typeof operation.remove;
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly expectedRevision: number;
  readonly expiresAtMs: number;
  readonly relaxed: boolean;
  /** The value that an update replaces, when the main thread has it: the worker need not send it. */
  readonly previousValue: Uint8Array | undefined;
  readonly resolve: (revision: number) => void;
  readonly reject: (error: unknown) => void;
}

export interface ReadOperation {
  readonly kind: typeof operation.get | typeof operation.list | typeof operation.count | typeof operation.history;
  readonly key: string;
  readonly revision: number;
  readonly after: string;
  readonly limit: number;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

export interface ExpireOperation {
  readonly kind: typeof operation.expire;
  readonly nowMs: number;
  readonly resolve: (nextExpiryMs: number) => void;
  readonly reject: (error: unknown) => void;
}

export type Operation = WriteOperation | ReadOperation | ExpireOperation;

/** A page of a list is cut at so many bytes, so that neither thread handles megabytes in one go. */
const listByteLimit = 4 * 1024 * 1024;

/** Packs operations for the worker. The values are copied into one buffer, which is transferred. */
export function encodeBatch(pending: readonly Operation[]): BatchRequest {
  const operations: Flat = [];
  let bytes = 0;
  let writes = 0;
  let durable = false;
  for (const each of pending) {
    switch (each.kind) {
      case operation.create:
        bytes += each.value!.byteLength;
        operations.push(each.kind, each.key, each.expiresAtMs, 0, each.value!.byteLength);
        break;
      case operation.update:
        bytes += each.value!.byteLength;
        operations.push(each.kind, each.key, each.expectedRevision, each.expiresAtMs);
        operations.push(each.previousValue ? writeFlag.previousKnown : 0, each.value!.byteLength);
        break;
      case operation.remove:
        operations.push(each.kind, each.key, each.expectedRevision);
        break;
      case operation.get:
        operations.push(each.kind, each.key, each.revision);
        break;
      case operation.list:
        operations.push(each.kind, each.key, each.after, each.limit, each.revision, listByteLimit);
        break;
      case operation.count:
        operations.push(each.kind, each.key);
        break;
      case operation.history:
        operations.push(each.kind, each.key, each.revision);
        break;
      case operation.expire:
        operations.push(each.kind, each.nowMs);
        break;
    }
    if (each.kind === operation.expire || each.kind <= operation.remove) {
      writes++;
      durable ||= each.kind === operation.expire || !(each as WriteOperation).relaxed;
    }
  }
  const values = new ArrayBuffer(bytes);
  if (bytes > 0) {
    const target = new Uint8Array(values);
    let at = 0;
    for (const each of pending) {
      if (each.kind !== operation.create && each.kind !== operation.update) continue;
      target.set(each.value!, at);
      at += each.value!.byteLength;
    }
  }
  return { type: 'batch', operations, values, count: pending.length, writes, durable };
}

/** What a worker's answer means: the changes that were committed, and how to settle each operation afterwards. */
export interface DecodedBatch {
  readonly events: DatastoreEvent[];
  settle(): void;
}

export function decodeBatch(answer: BatchAnswer, answered: readonly Operation[]): DecodedBatch {
  const decoder = new BatchDecoder(answer);
  const outcomes: unknown[] = [];
  const errors: (Error | undefined)[] = [];
  for (const each of answered) {
    const error = decoder.error(each);
    errors.push(error);
    outcomes.push(error ? undefined : decoder.outcome(each));
  }
  return {
    events: decoder.events,
    settle: () => {
      for (let index = 0; index < answered.length; index++) {
        const error = errors[index];
        if (error) answered[index]!.reject(error);
        else (answered[index]!.resolve as (value: unknown) => void)(outcomes[index]);
      }
    },
  };
}

export function toError(failure: Failure): CodedError {
  // The code was chosen by the worker from the same list; the file system's own codes pass through.
  return datastoreError(failure.code as DatastoreErrorCode, failure.message, { mend: failure.mend });
}

class BatchDecoder {
  readonly events: DatastoreEvent[] = [];
  readonly #results: Flat;
  readonly #slabs: SlabReader;
  readonly #failures: readonly Failure[];
  #at = 0;

  constructor(answer: BatchAnswer) {
    this.#results = answer.results;
    this.#slabs = new SlabReader(answer.slabs);
    this.#failures = answer.failures;
  }

  error(asked: Operation): Error | undefined {
    switch (this.#number()) {
      case result.done:
        return undefined;
      case result.conflict: {
        const { key } = asked as WriteOperation;
        return new DatastoreConflict(key, this.#keyValue(key));
      }
      case result.compacted:
        return new DatastoreCompacted(this.#number(), this.#number());
      case result.future:
        return datastoreError(
          'DATASTORE_FUTURE_REVISION',
          `revision ${this.#number()} is not reached yet (now: ${this.#number()})`,
        );
      default:
        return toError(this.#failures[this.#number()]!);
    }
  }

  outcome(asked: Operation): unknown {
    switch (asked.kind) {
      case operation.create: {
        const revision = this.#number();
        this.events.push({ type: 'put', key: asked.key, revision, value: asked.value, createRevision: revision });
        return revision;
      }
      case operation.update: {
        const revision = this.#number();
        const createRevision = this.#number();
        const byteLength = this.#number();
        const previousValue = byteLength < 0 ? asked.previousValue : this.#slabs.next(byteLength);
        this.events.push({ type: 'put', key: asked.key, revision, value: asked.value, createRevision, previousValue });
        return revision;
      }
      case operation.remove:
        return this.#removal(asked.key);
      case operation.get:
        return this.#keyValue(asked.key);
      case operation.list:
        return this.#page();
      case operation.count:
        return this.#number();
      case operation.history:
        return this.#history();
      case operation.expire: {
        const nextExpiryMs = this.#number();
        for (let count = this.#number(); count > 0; count--) this.#removal(this.#text());
        return nextExpiryMs;
      }
    }
  }

  #removal(key: string): number {
    const revision = this.#number();
    this.events.push({ type: 'delete', key, revision, previousValue: this.#value() });
    return revision;
  }

  #keyValue(key: string): KeyValue | undefined {
    const modRevision = this.#number();
    const createRevision = this.#number();
    const value = this.#value();
    return modRevision === 0 ? undefined : { key, value, createRevision, modRevision };
  }

  #page(): ListPage {
    const revision = this.#number();
    const more = this.#number() === 1;
    const items: KeyValue[] = [];
    for (let count = this.#number(); count > 0; count--) items.push(this.#keyValue(this.#text())!);
    return { revision, items, more };
  }

  #history(): HistoryChunk {
    const through = this.#number();
    const events: DatastoreEvent[] = [];
    for (let count = this.#number(); count > 0; count--) {
      const removed = this.#number() === 1;
      const key = this.#text();
      const revision = this.#number();
      const createRevision = this.#number();
      const byteLength = this.#number();
      const value = removed ? undefined : this.#slabs.next(byteLength);
      const previousLength = this.#number();
      const previousValue = previousLength < 0 ? undefined : this.#slabs.next(previousLength);
      if (removed) events.push({ type: 'delete', key, revision, previousValue });
      else if (previousValue) events.push({ type: 'put', key, revision, value, createRevision, previousValue });
      else events.push({ type: 'put', key, revision, value, createRevision });
    }
    return { events, through };
  }

  #value(): Uint8Array {
    return this.#slabs.next(this.#number());
  }

  #number(): number {
    return this.#results[this.#at++] as number;
  }

  #text(): string {
    return this.#results[this.#at++] as string;
  }
}
