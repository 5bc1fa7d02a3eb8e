import { errorCode } from '../../../core/plugin-api/index.js';
import type { DatastoreEvent, Disposable, WatchListener } from '../../../core/plugin-api/index.js';

export interface HistoryChunk {
  readonly events: readonly DatastoreEvent[];
  /** Nothing under the prefix is missing up to here. */
  readonly through: number;
}

export interface WatchHubOptions {
  /** How many recent events are kept so that young watches need not read the engine's history; a power of two. */
  readonly maximumEvents: number;
  /** The same limit in bytes of keys and values. */
  readonly maximumBytes: number;
  /** Events under `prefix` above `afterRevision` from the engine's history, a part at a time. Rejects DATASTORE_COMPACTED. */
  readonly readHistory: (prefix: string, afterRevision: number) => Promise<HistoryChunk>;
  /** A listener threw, which it must not: its watch is ended, the others go on. */
  readonly onListenerError: (error: unknown) => void;
}

interface Watcher {
  readonly prefix: string;
  readonly listener: WatchListener;
  /** What the listener has been told: everything up to here. */
  position: number;
  ended: boolean;
}

interface Group {
  readonly prefix: string;
  watchers: readonly Watcher[];
  /** Events of the commit that is being published. */
  pending: DatastoreEvent[];
}

const noEvents: readonly DatastoreEvent[] = Object.freeze([]);

/**
 * Hands committed changes to watches, in order and without a gap, and keeps the recent ones.
 * The engine calls `publish` once for each commit, and resolves the commit's writes afterwards.
 * Invariant: from `start` on, the events' revisions are consecutive, so the ring is addressed by revision.
 */
export class WatchHub {
  readonly #options: WatchHubOptions;
  readonly #mask: number;
  readonly #ring: (DatastoreEvent | undefined)[];
  #revision = 0;
  /** The lowest revision in the ring; `#revision + 1` when it is empty. */
  #first = 1;
  #forgotten = 0;
  #bytes = 0;
  /** Live watches by prefix. A prefix that ends with `/` is found by the key's own slashes; the others are scanned. */
  readonly #groups = new Map<string, Group>();
  readonly #irregular = new Set<Group>();
  readonly #watchers = new Set<Watcher>();
  #closed = false;

  constructor(options: WatchHubOptions) {
    this.#options = options;
    this.#mask = options.maximumEvents - 1;
    this.#ring = [];
  }

  /** The newest revision that was published. */
  get revision(): number {
    return this.#revision;
  }

  /** Sets the revision that the engine had when it was opened. Called once, before any publish. */
  start(revision: number): void {
    this.#revision = revision;
    this.#first = revision + 1;
  }

  /** A recent event by its revision, while the ring holds it. */
  recent(revision: number): DatastoreEvent | undefined {
    return revision >= this.#first && revision <= this.#revision ? this.#ring[revision & this.#mask] : undefined;
  }

  publish(events: readonly DatastoreEvent[]): void {
    if (events.length === 0) return;
    for (const event of events) {
      this.#remember(event);
      this.#collect(event);
    }
    // What was compacted in the same turn as it was written.
    this.#dropForgotten();
    const revision = this.#revision;
    // A watch may be added or disposed by a listener: iterate over what was there, and skip what has ended.
    for (const group of [...this.#groups.values()]) {
      const changes = group.pending.length > 0 ? group.pending : noEvents;
      if (changes !== noEvents) group.pending = [];
      for (const watcher of group.watchers) this.#deliver(watcher, changes, revision);
    }
  }

  watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable {
    const watcher: Watcher = { prefix, listener, position: afterRevision, ended: false };
    this.#watchers.add(watcher);
    // Never from inside this call: the caller does not hold the disposable yet.
    queueMicrotask(() => this.#begin(watcher));
    return { dispose: () => this.#remove(watcher) };
  }

  /** The engine was compacted: watches from before get their answer from its history, which is an error. */
  forget(revision: number): void {
    this.#forgotten = Math.max(this.#forgotten, revision);
    this.#dropForgotten();
  }

  /** Ends every watch, and those that come later. */
  end(error: Error | undefined): void {
    this.#closed = true;
    for (const watcher of [...this.#watchers]) this.#finish(watcher, error);
  }

  #begin(watcher: Watcher): void {
    if (watcher.ended) return;
    if (this.#closed) return this.#finish(watcher, undefined);
    if (watcher.position < this.#first - 1) {
      this.#catchUp(watcher).catch((error: unknown) => this.#finish(watcher, endingOf(error)));
      return;
    }
    this.#goLive(watcher);
  }

  async #catchUp(watcher: Watcher): Promise<void> {
    while (watcher.position < this.#first - 1) {
      const chunk = await this.#options.readHistory(watcher.prefix, watcher.position);
      if (watcher.ended) return;
      this.#deliver(watcher, chunk.events, chunk.through);
    }
    if (!watcher.ended) this.#goLive(watcher);
  }

  /** From here to the end of this call nothing can be published, so nothing falls between ring and live. */
  #goLive(watcher: Watcher): void {
    if (watcher.position < this.#revision) {
      const changes: DatastoreEvent[] = [];
      for (let revision = watcher.position + 1; revision <= this.#revision; revision++) {
        const event = this.#ring[revision & this.#mask]!;
        if (event.key.startsWith(watcher.prefix)) changes.push(event);
      }
      this.#deliver(watcher, changes, this.#revision);
      if (watcher.ended) return;
    } else if (watcher.position === this.#revision) {
      this.#deliver(watcher, noEvents, this.#revision);
      if (watcher.ended) return;
    }
    let group = this.#groups.get(watcher.prefix);
    if (!group) {
      group = { prefix: watcher.prefix, watchers: [], pending: [] };
      this.#groups.set(watcher.prefix, group);
      if (!watcher.prefix.endsWith('/')) this.#irregular.add(group);
    }
    group.watchers = [...group.watchers, watcher];
  }

  #deliver(watcher: Watcher, events: readonly DatastoreEvent[], revision: number): void {
    // A watch from a revision that is not reached yet hears nothing before it.
    if (watcher.ended || revision < watcher.position) return;
    const first = events[0];
    const news = first && first.revision <= watcher.position ? events.filter(event => event.revision > watcher.position) : events;
    watcher.position = revision;
    try {
      watcher.listener.batch(news, revision);
    } catch (error) {
      this.#options.onListenerError(error);
      this.#finish(watcher, endingOf(error));
    }
  }

  #finish(watcher: Watcher, error: Error | undefined): void {
    if (watcher.ended) return;
    this.#remove(watcher);
    try {
      watcher.listener.end(error);
    } catch (failure) {
      this.#options.onListenerError(failure);
    }
  }

  #remove(watcher: Watcher): void {
    if (watcher.ended) return;
    watcher.ended = true;
    this.#watchers.delete(watcher);
    const group = this.#groups.get(watcher.prefix);
    if (!group) return;
    group.watchers = group.watchers.filter(each => each !== watcher);
    if (group.watchers.length > 0) return;
    this.#groups.delete(watcher.prefix);
    this.#irregular.delete(group);
  }

  #collect(event: DatastoreEvent): void {
    const { key } = event;
    for (let slash = key.indexOf('/'); slash >= 0; slash = key.indexOf('/', slash + 1)) {
      this.#groups.get(key.slice(0, slash + 1))?.pending.push(event);
    }
    for (const group of this.#irregular) {
      if (key.startsWith(group.prefix)) group.pending.push(event);
    }
  }

  #remember(event: DatastoreEvent): void {
    const bytes = weight(event);
    while (this.#first <= this.#revision && this.#isFull(bytes)) this.#dropFirst();
    this.#revision = event.revision;
    this.#ring[event.revision & this.#mask] = event;
    this.#bytes += bytes;
  }

  #dropForgotten(): void {
    while (this.#first <= Math.min(this.#forgotten, this.#revision)) this.#dropFirst();
  }

  #dropFirst(): void {
    const at = this.#first & this.#mask;
    this.#bytes -= weight(this.#ring[at]!);
    this.#ring[at] = undefined;
    this.#first++;
  }

  #isFull(addedBytes: number): boolean {
    return (
      this.#revision - this.#first + 1 >= this.#options.maximumEvents || this.#bytes + addedBytes > this.#options.maximumBytes
    );
  }
}

/** A watch that was still catching up when the store was closed ends like the others. */
function endingOf(error: unknown): Error | undefined {
  if (errorCode(error) === 'DATASTORE_CLOSED') return undefined;
  return error instanceof Error ? error : new Error(String(error));
}

function weight(event: DatastoreEvent): number {
  return 100 + event.key.length + (event.value?.byteLength ?? 0) + (event.previousValue?.byteLength ?? 0);
}
