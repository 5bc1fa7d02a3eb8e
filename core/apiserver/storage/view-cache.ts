import type { Disposable } from '../../base/disposable.js';
import type { KubeObject } from '../../machinery/object.js';
import type { CacheEvent, CacheLifeListener, CacheListener, ObjectCache } from './resource-cache.js';
import type { ParseCache } from './stored-object.js';
import { StoredObject, encodeStored } from './stored-object.js';

export interface ViewCacheOptions<T extends KubeObject> {
  /** The cache of the version that is stored. */
  readonly source: ObjectCache;
  /** What needs no change is given back as it is, and costs nothing. May throw a StatusError, which ends watches. */
  readonly toView: (stored: Readonly<KubeObject>) => T;
  readonly fields?: ((object: T) => Record<string, string>) | undefined;
  readonly parseCache: ParseCache;
}

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

  constructor(options: ViewCacheOptions<T>) {
    this.#options = options;
    this.prefix = options.source.prefix;
    this.namespaced = options.source.namespaced;
  }

  get revision(): number {
    return this.#options.source.revision;
  }

  get count(): number {
    return this.#options.source.count;
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
    const listening = this.#options.source.listen((event, revision) => {
      let view: CacheEvent<T> | undefined;
      try {
        view = event && this.#viewEvent(event);
      } catch {
        // Whoever lists again is told why.
        life.onReset?.();
        return;
      }
      listener(view, revision);
    }, life);
    return {
      dispose: () => {
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

  #view(entry: StoredObject): StoredObject<T> {
    let view = this.#entries.get(entry);
    if (!view) {
      const { toView, fields, parseCache } = this.#options;
      const stored = entry.object;
      const shown = toView(stored);
      if ((shown as unknown) === stored && !fields) {
        this.#entries.set(entry, entry as unknown as StoredObject<T>);
        return entry as unknown as StoredObject<T>;
      }
      // The view's own metadata: decoding writes the resourceVersion into it.
      const object = { ...shown, metadata: { ...shown.metadata } };
      view = StoredObject.decode<T>(parseCache, encodeStored(object), entry.revision, { known: object, fields });
      this.#entries.set(entry, view);
    }
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
