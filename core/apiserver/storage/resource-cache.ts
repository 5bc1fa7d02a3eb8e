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
  /** The resource is not served any more, or not as it was, or the server is stopping. */
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
  /** A listener threw, which it must not: the others go on. */
  readonly onListenerFault: (error: unknown) => void;
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

/** Objects by namespace and name. */
interface Contents<T extends KubeObject> {
  readonly namespaces: Map<string, Map<string, StoredObject<T>>>;
  count: number;
  bytes: number;
}

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
  #contents: Contents<T> = noContents();
  /** What is being loaded; readers see nothing of it before it is complete. */
  #next: Contents<T> | undefined;
  #sortedNamespaces: readonly string[] | undefined;
  readonly #sortedNames = new Map<string, readonly string[]>();
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
    return this.#contents.count;
  }

  /** Of all objects, as clients get them in JSON. */
  get bytes(): number {
    return this.#contents.bytes;
  }

  get watcherCount(): number {
    return this.#listeners.size;
  }

  countIn(namespace: string): number {
    return this.#contents.namespaces.get(namespace)?.size ?? 0;
  }

  key(namespace: string, name: string): string {
    return this.namespaced ? `${this.prefix}${namespace}/${name}` : `${this.prefix}${name}`;
  }

  get(namespace: string, name: string): StoredObject<T> | undefined {
    return this.#contents.namespaces.get(this.namespaced ? namespace : '')?.get(name);
  }

  /** In key order; of one namespace or of all ('' or absent), above `after` (a key below the prefix: `ns/name` or `name`). */
  *entries(namespace?: string, after?: string): Generator<StoredObject<T>> {
    const [afterNamespace, afterName] = this.#splitAfter(after);
    for (const space of namespace && this.namespaced ? [namespace] : this.#namespaceOrder()) {
      if (afterNamespace !== undefined && keyOrder(space, afterNamespace) < 0) continue;
      const objects = this.#contents.namespaces.get(space);
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
    return (this.#sortedNamespaces ??= [...this.#contents.namespaces.keys()].sort(keyOrder));
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

  /** Hub only: what `load` brings from now on takes the place of everything at `complete`. */
  begin(): void {
    this.#next = noContents();
  }

  /** Hub only, after `begin`: an object, in any order. */
  load(value: Uint8Array, revision: number): void {
    this.#put(this.#next!, this.decode(value, revision));
  }

  #take(): void {
    this.#contents = this.#next ?? this.#contents;
    this.#next = undefined;
    this.#sortedNamespaces = undefined;
    this.#sortedNames.clear();
    this.#history = [];
    this.#historyHead = 0;
  }

  /** Hub only: the resource has gone. */
  close(): void {
    for (const life of [...this.#lifeListeners]) this.#tell(() => life.onClosed?.());
  }

  /** Hub only: what was loaded is all there is as of `revision`, and is what readers see from now on. */
  complete(revision: number): void {
    this.#take();
    this.revision = revision;
    this.#historyStart = revision;
  }

  /** Hub only: tells of what `complete` did, when it is done for all caches. */
  announce(): void {
    for (const life of [...this.#lifeListeners]) this.#tell(() => life.onReset?.());
    for (const life of [...this.#lifeListeners]) this.#tell(() => life.onLoaded?.());
  }

  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.onListenerFault(error);
    }
  }

  /** Hub only: one change. */
  apply(change: DatastoreEvent): void {
    const [namespace, name] = this.#split(change.key);
    const previous = this.get(namespace, name);
    let event: CacheEvent<T>;
    if (change.type === 'put') {
      const entry = this.decode(change.value!, change.revision);
      this.#put(this.#contents, entry);
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
    for (const listener of this.#listeners) this.#tell(() => listener(event, change.revision));
  }

  /** Hub only: nothing is missing up to `revision`. */
  progress(revision: number): void {
    if (revision <= this.revision) return;
    this.revision = revision;
    for (const listener of this.#listeners) this.#tell(() => listener(undefined, revision));
  }

  #split(key: string): [string, string] {
    const rest = key.slice(this.prefix.length);
    if (!this.namespaced) return ['', rest];
    const slash = rest.indexOf('/');
    return [rest.slice(0, slash), rest.slice(slash + 1)];
  }

  #put(contents: Contents<T>, entry: StoredObject<T>): void {
    const namespace = this.namespaced ? entry.namespace : '';
    let objects = contents.namespaces.get(namespace);
    if (!objects) {
      objects = new Map();
      contents.namespaces.set(namespace, objects);
      this.#sortedNamespaces = undefined;
    }
    const old = objects.get(entry.name);
    if (!old) {
      contents.count++;
      this.#sortedNames.delete(namespace);
    }
    contents.bytes += entry.bytes.length - (old?.bytes.length ?? 0);
    objects.set(entry.name, entry);
  }

  #remove(namespace: string, name: string): void {
    const contents = this.#contents;
    const space = this.namespaced ? namespace : '';
    const objects = contents.namespaces.get(space);
    const old = objects?.get(name);
    if (!objects || !old) return;
    objects.delete(name);
    contents.count--;
    contents.bytes -= old.bytes.length;
    this.#sortedNames.delete(space);
    if (objects.size === 0) {
      contents.namespaces.delete(space);
      this.#sortedNamespaces = undefined;
    }
  }
}

function noContents<T extends KubeObject>(): Contents<T> {
  return { namespaces: new Map(), count: 0, bytes: 0 };
}

function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Namespaces in the order of their keys, which end in `/`: `a-b/` sorts before `a/`. */
function keyOrder(a: string, b: string): number {
  return byteOrder(`${a}/`, `${b}/`);
}
