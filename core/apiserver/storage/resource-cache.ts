import type { Disposable } from '../../base/disposable.js';
import type { DatastoreEvent } from '../../contracts/datastore.js';
import type { KubeObject } from '../../machinery/object.js';
import type { ParseCache } from './stored-object.js';
import { StoredObject } from './stored-object.js';

/** A change as watchers see it. `entry` is the new state, for deletes the last state at the deletion's revision. */
export interface CacheEvent<T extends KubeObject = KubeObject> {
  readonly type: 'put' | 'delete';
  readonly revision: number;
  readonly entry: StoredObject<T>;
  /** The state before; undefined for a creation. */
  readonly previous: StoredObject<T> | undefined;
  /** Encoded watch frames of this event, shared by all watchers; filled by the watch handler. */
  frames: Map<string, Buffer> | undefined;
}

export type CacheListener<T extends KubeObject> = (event: CacheEvent<T> | undefined, revision: number) => void;

/** What happens to the cache as a whole. */
export interface CacheLifeListener {
  /** The stream broke and changes were missed: watchers have to list again. */
  onReset?(): void;
  /** The cache is complete, for the first time or again. */
  onLoaded?(): void;
  /** The resource is not served any more, or not as it was. */
  onClosed?(): void;
}

export interface ResourceCacheOptions<T extends KubeObject> {
  /** `/registry/pods/`. */
  readonly prefix: string;
  readonly namespaced: boolean;
  readonly fields?: ((object: T) => Record<string, string>) | undefined;
  readonly parseCache: ParseCache;
  /** The object that was just encoded to these bytes by a write of this process. */
  readonly known: WeakMap<Uint8Array, KubeObject>;
}

/** What is about to be read. */
export interface Reading {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  /** The history from this revision on, beside the state. */
  readonly since?: number;
}

/** Of caches whose objects somebody outside of this process has to convert. */
export interface PreparedCache<T extends KubeObject> {
  /** Before anything is read: what is asked for is readable then. Rejects with what a client is to be told. */
  prepare?(reading: Reading): Promise<void>;
  /** As `decode`, for what is in no cache. */
  decodePrepared?(value: Uint8Array, revision: number): Promise<StoredObject<T>>;
}

/** What reads a cache: a resource's own, or a view of another's in a second version. */
export type ObjectCache<T extends KubeObject = KubeObject> = PreparedCache<T> &
  Pick<
    ResourceCache<T>,
    | 'prefix'
    | 'namespaced'
    | 'revision'
    | 'bytes'
    | 'count'
    | 'watcherCount'
    | 'countIn'
    | 'key'
    | 'get'
    | 'entries'
    | 'listen'
    | 'history'
    | 'decode'
  >;

const historyLimit = 1024;
const emptyNames: readonly string[] = [];

/**
 * All objects of one resource, as of `revision`, with a short history for watches from the recent past.
 * Fed by the storage hub only; readers see a consistent state because nothing here is asynchronous.
 */
export class ResourceCache<T extends KubeObject = KubeObject> {
  readonly prefix: string;
  readonly namespaced: boolean;
  revision = 0;
  readonly #options: ResourceCacheOptions<T>;
  #namespaces = new Map<string, Map<string, StoredObject<T>>>();
  #sortedNamespaces: readonly string[] | undefined;
  readonly #sortedNames = new Map<string, readonly string[]>();
  #count = 0;
  #bytes = 0;
  #history: CacheEvent<T>[] = [];
  #historyHead = 0;
  /** Watches from this revision on can be served from the history. */
  #historyStart = 0;
  readonly #listeners = new Set<CacheListener<T>>();
  readonly #lifeListeners = new Set<CacheLifeListener>();

  constructor(options: ResourceCacheOptions<T>) {
    this.#options = options;
    this.prefix = options.prefix;
    this.namespaced = options.namespaced;
  }

  get count(): number {
    return this.#count;
  }

  /** Of all objects, as clients get them in JSON. */
  get bytes(): number {
    return this.#bytes;
  }

  get watcherCount(): number {
    return this.#listeners.size;
  }

  countIn(namespace: string): number {
    return this.#namespaces.get(namespace)?.size ?? 0;
  }

  key(namespace: string, name: string): string {
    return this.namespaced ? `${this.prefix}${namespace}/${name}` : `${this.prefix}${name}`;
  }

  get(namespace: string, name: string): StoredObject<T> | undefined {
    return this.#namespaces.get(this.namespaced ? namespace : '')?.get(name);
  }

  /** In key order; of one namespace or of all ('' or absent), above `after` (a key below the prefix: `ns/name` or `name`). */
  *entries(namespace?: string, after?: string): Generator<StoredObject<T>> {
    const [afterNamespace, afterName] = this.#splitAfter(after);
    for (const space of namespace && this.namespaced ? [namespace] : this.#namespaceOrder()) {
      if (afterNamespace !== undefined && keyOrder(space, afterNamespace) < 0) continue;
      const objects = this.#namespaces.get(space);
      if (!objects) continue;
      for (const name of this.#nameOrder(space, objects)) {
        if (space === afterNamespace && afterName !== undefined && name <= afterName) continue;
        yield objects.get(name)!;
      }
    }
  }

  #splitAfter(after: string | undefined): [string | undefined, string | undefined] {
    if (after === undefined) return [undefined, undefined];
    if (!this.namespaced) return ['', after];
    const slash = after.indexOf('/');
    return slash < 0 ? [after, undefined] : [after.slice(0, slash), after.slice(slash + 1)];
  }

  #namespaceOrder(): readonly string[] {
    return (this.#sortedNamespaces ??= [...this.#namespaces.keys()].sort(keyOrder));
  }

  #nameOrder(namespace: string, objects: Map<string, StoredObject<T>>): readonly string[] {
    let names = this.#sortedNames.get(namespace);
    if (!names) {
      names = objects.size === 0 ? emptyNames : [...objects.keys()].sort(byteOrder);
      this.#sortedNames.set(namespace, names);
    }
    return names;
  }

  /** Hears every event from now on, and progress (no event). Must not throw. */
  listen(listener: CacheListener<T>, life: CacheLifeListener): Disposable {
    this.#listeners.add(listener);
    this.#lifeListeners.add(life);
    return {
      dispose: () => {
        this.#listeners.delete(listener);
        this.#lifeListeners.delete(life);
      },
    };
  }

  /** The events after `revision`, or undefined when the history does not reach back so far. */
  history(revision: number): readonly CacheEvent<T>[] | undefined {
    if (revision < this.#historyStart) return undefined;
    let low = this.#historyHead;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#history[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#history.slice(low);
  }

  decode(value: Uint8Array, revision: number): StoredObject<T> {
    const known = this.#options.known.get(value) as T | undefined;
    if (known) this.#options.known.delete(value);
    return StoredObject.decode<T>(this.#options.parseCache, value, revision, { known, fields: this.#options.fields });
  }

  /** Hub only: a first load, in any order. */
  load(value: Uint8Array, revision: number): void {
    this.#put(this.decode(value, revision));
  }

  /** Hub only: empties the cache before a new load; tells watchers. */
  reset(): void {
    this.#namespaces = new Map();
    this.#sortedNamespaces = undefined;
    this.#sortedNames.clear();
    this.#count = 0;
    this.#bytes = 0;
    this.#history = [];
    this.#historyHead = 0;
    for (const life of [...this.#lifeListeners]) life.onReset?.();
  }

  /** Hub only: the resource has gone. */
  close(): void {
    for (const life of [...this.#lifeListeners]) life.onClosed?.();
  }

  /** Hub only: the load is complete as of `revision`. */
  loaded(revision: number): void {
    this.revision = revision;
    this.#historyStart = revision;
    for (const life of [...this.#lifeListeners]) life.onLoaded?.();
  }

  /** Hub only: one change. */
  apply(change: DatastoreEvent): void {
    const [namespace, name] = this.#split(change.key);
    const previous = this.get(namespace, name);
    let event: CacheEvent<T>;
    if (change.type === 'put') {
      const entry = this.decode(change.value!, change.revision);
      this.#put(entry);
      event = { type: 'put', revision: change.revision, entry, previous, frames: undefined };
    } else {
      if (!previous) return;
      this.#remove(namespace, name);
      event = {
        type: 'delete',
        revision: change.revision,
        entry: previous.deletedAt(change.revision),
        previous,
        frames: undefined,
      };
    }
    this.revision = change.revision;
    this.#history.push(event);
    if (this.#history.length - this.#historyHead > historyLimit) {
      this.#historyStart = this.#history[this.#historyHead]!.revision;
      this.#historyHead++;
      if (this.#historyHead >= historyLimit) {
        this.#history = this.#history.slice(this.#historyHead);
        this.#historyHead = 0;
      }
    }
    for (const listener of this.#listeners) listener(event, change.revision);
  }

  /** Hub only: nothing is missing up to `revision`. */
  progress(revision: number): void {
    if (revision <= this.revision) return;
    this.revision = revision;
    for (const listener of this.#listeners) listener(undefined, revision);
  }

  #split(key: string): [string, string] {
    const rest = key.slice(this.prefix.length);
    if (!this.namespaced) return ['', rest];
    const slash = rest.indexOf('/');
    return [rest.slice(0, slash), rest.slice(slash + 1)];
  }

  #put(entry: StoredObject<T>): void {
    const namespace = this.namespaced ? entry.namespace : '';
    let objects = this.#namespaces.get(namespace);
    if (!objects) {
      objects = new Map();
      this.#namespaces.set(namespace, objects);
      this.#sortedNamespaces = undefined;
    }
    const old = objects.get(entry.name);
    if (!old) {
      this.#count++;
      this.#sortedNames.delete(namespace);
    }
    this.#bytes += entry.bytes.length - (old?.bytes.length ?? 0);
    objects.set(entry.name, entry);
  }

  #remove(namespace: string, name: string): void {
    const space = this.namespaced ? namespace : '';
    const objects = this.#namespaces.get(space);
    const old = objects?.get(name);
    if (!objects || !old) return;
    objects.delete(name);
    this.#count--;
    this.#bytes -= old.bytes.length;
    this.#sortedNames.delete(space);
    if (objects.size === 0) {
      this.#namespaces.delete(space);
      this.#sortedNamespaces = undefined;
    }
  }
}

function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Namespaces in the order of their keys, which end in `/`: `a-b/` sorts before `a/`. */
function keyOrder(a: string, b: string): number {
  return byteOrder(`${a}/`, `${b}/`);
}
