import { DatastoreCompacted, DatastoreConflict, datastoreError } from '../../../core/plugin-api/index.js';
import type {
  Clock,
  Datastore,
  DatastoreEvent,
  Disposable,
  KeyValue,
  ListPage,
  ListRange,
  Logger,
  WatchListener,
  WriteOptions,
} from '../../../core/plugin-api/index.js';
import { compareKeys } from '../sql-common/key-range.js';
import { WatchHub } from '../sql-common/watch-hub.js';
import type { HistoryChunk } from '../sql-common/watch-hub.js';
import { ExpiryQueue } from './expiry-queue.js';
import { SortedKeys } from './sorted-keys.js';

export interface MemoryDatastoreOptions {
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Change {
  readonly event: DatastoreEvent;
  readonly previous: KeyValue | undefined;
}

/** Small, because the history itself is in memory: saves young watches the detour over a promise. */
const recentEvents = 1024;

/**
 * The store of sandboxes and tests: everything in this process, nothing on the disk, gone with the object.
 * What is asked in one turn is committed together when the turn's microtasks run: first the watches hear of it, then the
 * writes are resolved, as with engines that have a disk. Values are kept, not copied: they must not be changed afterwards.
 */
export class MemoryDatastore implements Datastore {
  readonly #options: MemoryDatastoreOptions;
  readonly #hub: WatchHub;
  readonly #values = new Map<string, KeyValue>();
  readonly #keys = new SortedKeys();
  /** Every change above `#compacted`: the one with revision N is at N - compacted - 1. */
  #history: Change[] = [];
  #compacted = 1;
  #revision = 1;
  #state: 'new' | 'open' | 'closed' = 'new';
  #queue: (() => void)[] = [];
  #committed: DatastoreEvent[] = [];
  readonly #expiries = new ExpiryQueue();
  #expiryTimer: Disposable | undefined;
  #expiryDueMs = Infinity;

  constructor(options: MemoryDatastoreOptions) {
    this.#options = options;
    this.#hub = new WatchHub({
      maximumEvents: recentEvents,
      maximumBytes: Infinity,
      readHistory: (prefix, afterRevision) => this.#enqueue(() => this.#readHistory(prefix, afterRevision)),
      onListenerError: error => options.logger.error('a watch listener failed and was ended', { error }),
    });
  }

  open(): Promise<void> {
    if (this.#state !== 'new') return Promise.reject(datastoreError('DATASTORE_CLOSED', 'the datastore was opened before'));
    this.#state = 'open';
    this.#hub.start(this.#revision);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      // Behind what is queued already; new calls are refused from here on.
      const last = this.#enqueue(() => undefined);
      this.#state = 'closed';
      await last;
    }
    this.#state = 'closed';
    void this.#expiryTimer?.dispose();
    this.#hub.end(undefined);
  }

  currentRevision(): Promise<number> {
    return this.#enqueue(() => this.#revision);
  }

  get(key: string, options: { revision?: number } = {}): Promise<KeyValue | undefined> {
    return this.#enqueue(() => {
      const { revision } = options;
      if (revision === undefined) return this.#values.get(key);
      this.#checkRevision(revision);
      for (let at = revision - this.#compacted; at < this.#history.length; at++) {
        if (this.#history[at]!.event.key === key) return this.#history[at]!.previous;
      }
      return this.#values.get(key);
    });
  }

  list(prefix: string, range: ListRange = {}): Promise<ListPage> {
    return this.#enqueue(() => {
      const revision = range.revision ?? this.#revision;
      this.#checkRevision(revision);
      const limit = range.limit ?? Infinity;
      const items: KeyValue[] = [];
      for (const item of this.#itemsAt(revision, prefix, range.after ?? '')) {
        if (items.length === limit) return { revision, items, more: true };
        items.push(item);
      }
      return { revision, items, more: false };
    });
  }

  count(prefix: string): Promise<number> {
    return this.#enqueue(() => {
      let count = 0;
      for (const key of this.#keys.from(prefix)) {
        if (!key.startsWith(prefix)) break;
        count++;
      }
      return count;
    });
  }

  create(key: string, value: Uint8Array, options?: WriteOptions): Promise<number> {
    const expiresAtMs = this.#expiresAtMs(options);
    return this.#enqueue(() => {
      const previous = this.#values.get(key);
      if (previous) throw new DatastoreConflict(key, previous);
      const revision = this.#revision + 1;
      this.#put({ key, value, createRevision: revision, modRevision: revision }, undefined, expiresAtMs);
      return revision;
    });
  }

  update(key: string, value: Uint8Array, expectedRevision: number, options?: WriteOptions): Promise<number> {
    const expiresAtMs = this.#expiresAtMs(options);
    return this.#enqueue(() => {
      const previous = this.#values.get(key);
      if (previous?.modRevision !== expectedRevision) throw new DatastoreConflict(key, previous);
      const revision = this.#revision + 1;
      this.#put({ key, value, createRevision: previous.createRevision, modRevision: revision }, previous, expiresAtMs);
      return revision;
    });
  }

  delete(key: string, expectedRevision: number): Promise<number> {
    return this.#enqueue(() => {
      const previous = this.#values.get(key);
      if (previous?.modRevision !== expectedRevision) throw new DatastoreConflict(key, previous);
      return this.#remove(previous);
    });
  }

  watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable {
    if (this.#state !== 'open') {
      queueMicrotask(() => listener.end(this.#closedError()));
      return { dispose: () => undefined };
    }
    return this.#hub.watch(prefix, afterRevision, listener);
  }

  /** Every commit is reported at once: there is nothing to ask for. */
  requestProgress(): void {}

  compact(revision: number): Promise<void> {
    return this.#enqueue(() => {
      if (revision > this.#revision) throw this.#futureError(revision);
      if (revision <= this.#compacted) return;
      this.#history = this.#history.slice(revision - this.#compacted);
      this.#compacted = revision;
      this.#hub.forget(revision);
    });
  }

  size(): Promise<{ totalBytes: number; usedBytes: number }> {
    return this.#enqueue(() => {
      let bytes = 0;
      for (const { key, value } of this.#values.values()) bytes += key.length + value.byteLength;
      for (const { previous } of this.#history) bytes += previous ? previous.key.length + previous.value.byteLength : 0;
      return { totalBytes: bytes, usedBytes: bytes };
    });
  }

  defragment(): Promise<void> {
    return this.#enqueue(() => undefined);
  }

  backup(): Promise<void> {
    return this.#enqueue(() => {
      throw datastoreError('DATASTORE_UNSUPPORTED', 'the memory datastore cannot be backed up', {
        mend: 'use the sqlite datastore where the data is to be kept',
      });
    });
  }

  checkIntegrity(): Promise<string[]> {
    return this.#enqueue(() => {
      const faults: string[] = [];
      if (this.#keys.size !== this.#values.size) faults.push(`${this.#keys.size} keys, but ${this.#values.size} values`);
      if (this.#history.length !== this.#revision - this.#compacted) faults.push('the history has a gap');
      return faults;
    });
  }

  /** Runs the task with all others of this turn; its result is handed out when the watches have heard of the commit. */
  #enqueue<T>(task: () => T): Promise<T> {
    if (this.#state !== 'open') return Promise.reject(this.#closedError());
    return new Promise<T>((resolve, reject) => {
      if (this.#queue.length === 0) queueMicrotask(() => this.#commit());
      this.#queue.push(() => {
        try {
          const value = task();
          this.#settled.push(() => resolve(value));
        } catch (error) {
          this.#settled.push(() => reject(error as Error));
        }
      });
    });
  }

  #settled: (() => void)[] = [];

  #commit(): void {
    const tasks = this.#queue;
    this.#queue = [];
    for (const task of tasks) task();
    const settled = this.#settled;
    this.#settled = [];
    const events = this.#committed;
    this.#committed = [];
    this.#hub.publish(events);
    for (const settle of settled) settle();
  }

  #put(item: KeyValue, previous: KeyValue | undefined, expiresAtMs: number): void {
    const { key, value, createRevision, modRevision: revision } = item;
    this.#values.set(key, item);
    if (!previous) this.#keys.add(key);
    this.#expiries.set(key, expiresAtMs);
    if (expiresAtMs > 0) this.#armExpiry(expiresAtMs);
    const event: DatastoreEvent = previous
      ? { type: 'put', key, revision, value, createRevision, previousValue: previous.value }
      : { type: 'put', key, revision, value, createRevision };
    this.#record({ event, previous });
  }

  #remove(previous: KeyValue): number {
    const { key } = previous;
    const revision = this.#revision + 1;
    this.#values.delete(key);
    this.#keys.remove(key);
    this.#expiries.set(key, 0);
    this.#record({ event: { type: 'delete', key, revision, previousValue: previous.value }, previous });
    return revision;
  }

  #record(change: Change): void {
    this.#revision = change.event.revision;
    this.#history.push(change);
    this.#committed.push(change.event);
  }

  /** The items as they were: those of now, with every change above `revision` undone. */
  *#itemsAt(revision: number, prefix: string, after: string): Generator<KeyValue> {
    const undone = new Map<string, KeyValue | undefined>();
    for (let at = this.#history.length - 1; at >= revision - this.#compacted; at--) {
      const { event, previous } = this.#history[at]!;
      if (event.key.startsWith(prefix)) undone.set(event.key, previous);
    }
    // Keys that are gone now come in between; the others are met in order anyway.
    const gone = [...undone.keys()].filter(key => !this.#values.has(key)).sort(compareKeys);
    const inRange = function* (this: MemoryDatastore): Generator<string> {
      let at = 0;
      for (const key of this.#keys.from(compareKeys(after, prefix) > 0 ? after : prefix)) {
        if (!key.startsWith(prefix)) break;
        for (; at < gone.length && compareKeys(gone[at]!, key) < 0; at++) yield gone[at]!;
        yield key;
      }
      for (; at < gone.length; at++) yield gone[at]!;
    };
    for (const key of inRange.call(this)) {
      if (after !== '' && compareKeys(key, after) <= 0) continue;
      const item = undone.has(key) ? undone.get(key) : this.#values.get(key);
      if (item) yield item;
    }
  }

  #readHistory(prefix: string, afterRevision: number): HistoryChunk {
    this.#checkRevision(afterRevision);
    const events: DatastoreEvent[] = [];
    // Up to what was published: what this turn commits comes live.
    const through = this.#hub.revision;
    for (let at = afterRevision - this.#compacted; at < through - this.#compacted; at++) {
      const { event } = this.#history[at]!;
      if (event.key.startsWith(prefix)) events.push(event);
    }
    return { events, through };
  }

  #checkRevision(revision: number): void {
    if (revision > this.#revision) throw this.#futureError(revision);
    if (revision < this.#compacted) throw new DatastoreCompacted(revision, this.#compacted);
  }

  #expiresAtMs(options: WriteOptions | undefined): number {
    return options?.timeToLiveSeconds ? this.#options.clock.now() + Math.ceil(options.timeToLiveSeconds * 1000) : 0;
  }

  /** Wakes at the first full second at or behind the earliest expiry. */
  #armExpiry(atMs: number): void {
    const dueMs = Math.ceil(atMs / 1000) * 1000;
    if (dueMs >= this.#expiryDueMs) return;
    void this.#expiryTimer?.dispose();
    this.#expiryDueMs = dueMs;
    this.#expiryTimer = this.#options.clock.setTimer(Math.max(0, dueMs - this.#options.clock.now()), () => {
      this.#expiryDueMs = Infinity;
      if (this.#state !== 'open') return;
      void this.#enqueue(() => this.#expire());
    });
  }

  #expire(): void {
    for (const key of this.#expiries.due(this.#options.clock.now())) this.#remove(this.#values.get(key)!);
    const nextMs = this.#expiries.nextMs();
    if (nextMs !== undefined) this.#armExpiry(nextMs);
  }

  #futureError(revision: number): Error {
    return datastoreError('DATASTORE_FUTURE_REVISION', `revision ${revision} is not reached yet (now: ${this.#revision})`);
  }

  #closedError(): Error {
    return datastoreError(
      'DATASTORE_CLOSED',
      this.#state === 'new' ? 'the datastore is not open yet' : 'the datastore is closed',
    );
  }
}
