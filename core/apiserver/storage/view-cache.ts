import type { Disposable } from '../../base/disposable.js';
import type { KubeObject } from '../../machinery/object.js';
import type { CacheEvent, CacheLifeListener, CacheListener, ObjectCache, Reading } from './resource-cache.js';
import type { ParseCache } from './stored-object.js';
import { StoredObject, encodeStored } from './stored-object.js';

export interface ViewCacheOptions<T extends KubeObject> {
  /** The cache of the version that is stored. */
  readonly source: ObjectCache;
  /** What needs no change is given back as it is, and costs nothing. */
  readonly toView: (stored: Readonly<KubeObject>) => T;
  readonly fields?: ((object: T) => Record<string, string>) | undefined;
  readonly parseCache: ParseCache;
  /** For what `toView` cannot do because somebody outside of this process has to. */
  readonly conversion?: OutsideConversion<T> | undefined;
}

export interface OutsideConversion<T extends KubeObject> {
  isNeeded(stored: Readonly<KubeObject>): boolean;
  /** Rejects with what a client is to be told. */
  convert(stored: readonly Readonly<KubeObject>[]): Promise<readonly T[]>;
}

/** So many objects go into one request at most. */
const conversionBatch = 500;

/**
 * The objects of another cache as a second version shows them. Keeps nothing of its own: an entry is converted when it is asked for
 * and lives as long as the entry that it was made of.
 */
export class ViewCache<T extends KubeObject = KubeObject> implements ObjectCache<T> {
  readonly prefix: string;
  readonly namespaced: boolean;
  readonly #options: ViewCacheOptions<T>;
  readonly #entries = new WeakMap<StoredObject, StoredObject<T>>();
  readonly #events = new WeakMap<CacheEvent, CacheEvent<T>>();
  readonly #lives = new Set<CacheLifeListener>();
  readonly prepare?: (reading: Reading) => Promise<void>;
  readonly decodePrepared?: (value: Uint8Array, revision: number) => Promise<StoredObject<T>>;

  constructor(options: ViewCacheOptions<T>) {
    this.#options = options;
    if (options.conversion) {
      this.prepare = reading => this.#prepare(reading);
      this.decodePrepared = async (value, revision) => {
        const entry = options.source.decode(value, revision);
        await this.#convert([entry]);
        return this.#view(entry);
      };
    }
    this.prefix = options.source.prefix;
    this.namespaced = options.source.namespaced;
  }

  get revision(): number {
    return this.#options.source.revision;
  }

  get count(): number {
    return this.#options.source.count;
  }

  /** Of what is stored. */
  get bytes(): number {
    return this.#options.source.bytes;
  }

  get watcherCount(): number {
    return this.#options.source.watcherCount;
  }

  countIn(namespace: string): number {
    return this.#options.source.countIn(namespace);
  }

  key(namespace: string, name: string): string {
    return this.#options.source.key(namespace, name);
  }

  get(namespace: string, name: string): StoredObject<T> | undefined {
    const entry = this.#options.source.get(namespace, name);
    return entry && this.#view(entry);
  }

  *entries(namespace?: string, after?: string): Generator<StoredObject<T>> {
    for (const entry of this.#options.source.entries(namespace, after)) yield this.#view(entry);
  }

  listen(listener: CacheListener<T>, life: CacheLifeListener): Disposable {
    this.#lives.add(life);
    let over = false;
    let queue: Promise<void> | undefined;
    const listening = this.#options.source.listen((event, revision) => {
      const deliver = (): void => {
        if (!over) listener(event && this.#viewEvent(event), revision);
      };
      const entries = event ? [event.entry, ...(event.previous ? [event.previous] : [])] : [];
      if (!queue && !entries.some(entry => this.#isWaiting(entry))) return deliver();
      // In their order: what needs no conversion waits for what does. Whoever cannot be told lists again, and is told why.
      const turn: Promise<void> = (queue ?? Promise.resolve())
        .then(() => this.#convert(entries))
        .then(deliver, () => void (over || life.onReset?.()))
        .finally(() => {
          if (queue === turn) queue = undefined;
        });
      queue = turn;
    }, life);
    return {
      dispose: () => {
        over = true;
        this.#lives.delete(life);
        return listening.dispose();
      },
    };
  }

  /** The view is no longer what is served: its watches end. */
  close(): void {
    for (const life of [...this.#lives]) life.onClosed?.();
  }

  history(revision: number): readonly CacheEvent<T>[] | undefined {
    return this.#options.source.history(revision)?.map(event => this.#viewEvent(event));
  }

  decode(value: Uint8Array, revision: number): StoredObject<T> {
    return this.#view(this.#options.source.decode(value, revision));
  }

  async #prepare(reading: Reading): Promise<void> {
    // What is written meanwhile is waited for, too.
    for (;;) {
      const waiting = [...this.#sources(reading)].filter(entry => this.#isWaiting(entry));
      if (waiting.length === 0) return;
      await this.#convert(waiting);
    }
  }

  *#sources({ namespace, name, since }: Reading): Generator<StoredObject> {
    const { source } = this.#options;
    if (name !== undefined && (namespace || !this.namespaced)) {
      const entry = source.get(namespace ?? '', name);
      if (entry) yield entry;
    } else yield* source.entries(namespace);
    for (const event of (since === undefined ? undefined : source.history(since)) ?? []) {
      yield event.entry;
      if (event.previous) yield event.previous;
    }
  }

  #isWaiting(entry: StoredObject): boolean {
    return this.#options.conversion !== undefined && !this.#entries.has(entry) && this.#options.conversion.isNeeded(entry.exact);
  }

  async #convert(entries: readonly StoredObject[]): Promise<void> {
    const waiting = entries.filter(entry => this.#isWaiting(entry));
    for (let at = 0; at < waiting.length; at += conversionBatch) {
      const batch = waiting.slice(at, at + conversionBatch);
      const shown = await this.#options.conversion!.convert(batch.map(entry => entry.exact));
      for (const [index, entry] of batch.entries()) this.#keep(entry, shown[index]!);
    }
  }

  #view(entry: StoredObject): StoredObject<T> {
    const known = this.#entries.get(entry);
    if (known) return known;
    const stored = entry.exact;
    if (this.#isWaiting(entry)) throw new Error(`${this.prefix}${entry.name} was read before it was converted`);
    const shown = this.#options.toView(stored);
    if ((shown as unknown) !== stored || this.#options.fields) return this.#keep(entry, shown);
    this.#entries.set(entry, entry as unknown as StoredObject<T>);
    return entry as unknown as StoredObject<T>;
  }

  #keep(entry: StoredObject, shown: T): StoredObject<T> {
    const { fields, parseCache } = this.#options;
    // The view's own metadata: decoding writes the resourceVersion into it.
    const object = { ...shown, metadata: { ...shown.metadata } };
    const view = StoredObject.decode<T>(parseCache, encodeStored(object), entry.revision, { known: object, fields });
    this.#entries.set(entry, view);
    return view;
  }

  /** One view of an event for all watchers, since they share its encoded frames. */
  #viewEvent(event: CacheEvent): CacheEvent<T> {
    let view = this.#events.get(event);
    if (!view) {
      const previous = event.previous && this.#view(event.previous);
      if ((this.#view(event.entry) as unknown) === event.entry && (previous as unknown) === event.previous)
        return event as unknown as CacheEvent<T>;
      view = { type: event.type, revision: event.revision, entry: this.#view(event.entry), previous, frames: undefined };
      this.#events.set(event, view);
    }
    return view;
  }
}
