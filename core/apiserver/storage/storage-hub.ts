import type { Clock } from '../../base/clock.js';
import type { Deferred } from '../../base/deferred.js';
import { deferred } from '../../base/deferred.js';
import type { Disposable } from '../../base/disposable.js';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Datastore, DatastoreEvent, KeyValue } from '../../contracts/datastore.js';
import type { KubeObject } from '../../machinery/object.js';
import type { StatusError } from '../../machinery/status-error.js';
import { timeout } from '../../machinery/status-error.js';
import type { ObjectCache } from './resource-cache.js';
import { ResourceCache } from './resource-cache.js';
import { ParseCache } from './stored-object.js';
import type { ViewCacheOptions } from './view-cache.js';
import { ViewCache } from './view-cache.js';

export const registryPrefix = '/registry/';

/** A cache that is being filled while the others already serve. */
interface Opening {
  readonly cache: ResourceCache;
  readonly events: DatastoreEvent[];
}

interface Waiter {
  readonly revision: number;
  readonly done: Deferred<void>;
}

export interface StorageHubOptions {
  readonly datastore: Datastore;
  readonly logger: Logger;
  readonly clock: Clock;
  /** How long a read waits for the cache to catch up before it fails with 504. */
  readonly freshTimeoutMs?: number;
}

/**
 * One listing and one watch of the whole store, dispatched to the caches of the resources: every cache shows the same revision,
 * and an object of one resource is never seen before what was written before it.
 */
export class StorageHub {
  readonly datastore: Datastore;
  readonly #options: StorageHubOptions;
  readonly #parseCache = new ParseCache();
  readonly #customParseCache = new ParseCache({ isExact: true });
  readonly #known = new WeakMap<Uint8Array, KubeObject>();
  readonly #caches = new Map<string, ResourceCache>();
  readonly #opening = new Map<string, Opening>();
  /** How often everything was loaded: what was listed before is of another stream. */
  #loads = 0;
  #revision = 0;
  #running = false;
  #stopped = false;
  #watch: Disposable | undefined;
  /** Whether the caches are followed; a new one while they are loaded anew. */
  #loaded = deferred();
  #waiters: Waiter[] = [];
  #retry: Disposable | undefined;
  #failures = 0;

  constructor(options: StorageHubOptions) {
    this.#options = options;
    this.datastore = options.datastore;
  }

  /** The revision up to which every cache is complete. */
  get revision(): number {
    return this.#revision;
  }

  /** Remembers what was encoded, so that the cache need not parse the bytes of this process's own writes. */
  remember(bytes: Uint8Array, object: KubeObject): void {
    this.#known.set(bytes, object);
  }

  /** Before `start`. `storagePrefix` is one or two key segments; undefined for what is not stored, whose cache stays empty. */
  register<T extends KubeObject>(
    storagePrefix: string | undefined,
    options: { namespaced: boolean; fields?: ((object: T) => Record<string, string>) | undefined },
  ): ResourceCache<T> {
    this.#checkPrefix(storagePrefix);
    const cache = this.#make<T>(storagePrefix, options);
    if (storagePrefix !== undefined) this.#caches.set(storagePrefix, cache as unknown as ResourceCache);
    return cache;
  }

  #checkPrefix(storagePrefix: string | undefined): void {
    if (storagePrefix === undefined || (!this.#caches.has(storagePrefix) && !this.#opening.has(storagePrefix))) return;
    throw new Error(`two resources share the storage prefix ${storagePrefix}`);
  }

  #make<T extends KubeObject>(
    storagePrefix: string | undefined,
    options: { namespaced: boolean; fields?: ((object: T) => Record<string, string>) | undefined },
    parseCache = this.#parseCache,
  ): ResourceCache<T> {
    return new ResourceCache<T>({
      prefix: `${registryPrefix}${storagePrefix}/`,
      namespaced: options.namespaced,
      fields: options.fields,
      parseCache,
      known: this.#known,
      onListenerFault: error =>
        this.#options.logger.error('a listener of a cache failed', { resource: storagePrefix, error: errorText(error) }),
    });
  }

  /** A cache of one more resource while the others serve; resolves when it is complete. Rejects when the datastore cannot be read. */
  async open(storagePrefix: string, options: { namespaced: boolean }): Promise<ResourceCache> {
    this.#checkPrefix(storagePrefix);
    try {
      for (;;) {
        await this.#loaded.promise;
        const opening: Opening = { cache: this.#make(storagePrefix, options, this.#customParseCache), events: [] };
        this.#opening.set(storagePrefix, opening);
        const loads = this.#loads;
        const revision = await this.#fill(opening.cache);
        await this.reached(revision);
        if (!this.#running) throw timeout('the server is stopping');
        if (loads !== this.#loads || !this.#watch) continue;
        // From here to the end nothing is asynchronous: no event can fall between the list and the stream.
        opening.cache.complete(revision);
        for (const event of opening.events) if (event.revision > revision) this.#apply(opening.cache, event);
        opening.cache.progress(this.#revision);
        this.#caches.set(storagePrefix, opening.cache);
        return opening.cache;
      }
    } finally {
      this.#opening.delete(storagePrefix);
    }
  }

  /** Forgets a resource that `open` gave a cache; its watches end. */
  close(storagePrefix: string): void {
    const cache = this.#caches.get(storagePrefix);
    if (!this.#caches.delete(storagePrefix)) return;
    cache!.close();
  }

  async #fill(cache: ResourceCache): Promise<number> {
    cache.begin();
    let after: string | undefined;
    let revision: number | undefined;
    for (;;) {
      const page = await this.#options.datastore.list(cache.prefix, { limit: 1000, after, revision });
      revision = page.revision;
      for (const item of page.items) this.#loadItem(cache, item);
      if (!page.more) return revision;
      after = page.items.at(-1)!.key;
    }
  }

  /** A second version of the objects in `source`. */
  view<T extends KubeObject>(
    source: ObjectCache,
    { isCustom, ...options }: Pick<ViewCacheOptions<T>, 'toView' | 'fields' | 'conversion'> & { readonly isCustom?: boolean },
  ): ViewCache<T> {
    return new ViewCache<T>({ source, ...options, parseCache: isCustom ? this.#customParseCache : this.#parseCache });
  }

  /** Loads everything, then follows the store. */
  async start(): Promise<void> {
    this.#running = true;
    this.#stopped = false;
    await this.#load();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#stopped = true;
    await this.#watch?.dispose();
    await this.#retry?.dispose();
    this.#loaded.reject(timeout('the server is stopping'));
    for (const waiter of this.#waiters.splice(0)) waiter.done.reject(timeout('the server is stopping'));
    // Readers that are still served see the last state, and watches end without a word: their clients go on where they were.
    for (const cache of this.#caches.values()) cache.close();
  }

  async #load(): Promise<void> {
    const { datastore } = this.#options;
    let after: string | undefined;
    let revision: number | undefined;
    this.#loads++;
    // Until all is there readers see what was there before: it is old, and no one takes what is not loaded yet for gone.
    for (const cache of this.#caches.values()) cache.begin();
    for (;;) {
      const page = await datastore.list(registryPrefix, { limit: 1000, after, revision });
      revision = page.revision;
      for (const item of page.items) this.#loadItem(this.#cacheOf(item.key), item);
      if (!page.more) break;
      after = page.items.at(-1)!.key;
    }
    if (!this.#running) return;
    const loaded = [...this.#caches.values()];
    for (const cache of loaded) cache.complete(revision);
    this.#advance(revision);
    for (const cache of loaded) cache.announce();
    this.#failures = 0;
    this.#watch = datastore.watch(registryPrefix, revision, {
      batch: (events, upTo) => this.#batch(events, upTo),
      end: error => this.#broken(error),
    });
    this.#loaded.resolve();
  }

  #loadItem(cache: ResourceCache | undefined, { key, value, modRevision }: KeyValue): void {
    try {
      cache?.load(value, modRevision);
    } catch (error) {
      this.#unreadable(key, error);
    }
  }

  #unreadable(key: string, error: unknown): void {
    this.#options.logger.error('an object in the store cannot be read and is not served', { key, error: errorText(error) });
  }

  #batch(events: readonly DatastoreEvent[], revision: number): void {
    for (const event of events) {
      const cache = this.#cacheOf(event.key);
      if (cache) this.#apply(cache, event);
      if (this.#opening.size > 0) {
        for (const opening of this.#opening.values()) if (event.key.startsWith(opening.cache.prefix)) opening.events.push(event);
      }
    }
    this.#advance(revision);
    for (const cache of this.#caches.values()) cache.progress(revision);
  }

  #apply(cache: ResourceCache, event: DatastoreEvent): void {
    try {
      cache.apply(event);
    } catch (error) {
      this.#unreadable(event.key, error);
    }
  }

  #advance(revision: number): void {
    this.#revision = revision;
    if (this.#waiters.length === 0) return;
    const waiting = this.#waiters;
    this.#waiters = waiting.filter(waiter => waiter.revision > revision);
    for (const waiter of waiting) if (waiter.revision <= revision) waiter.done.resolve();
  }

  /** The watch ended by itself: load again, so that nobody misses a change; watchers are told to list again. */
  #broken(error: Error | undefined): void {
    this.#watch = undefined;
    if (!this.#running) return;
    this.#loaded = deferred();
    this.#options.logger.warn('the watch of the datastore ended; loading again', { error: error ? errorText(error) : undefined });
    const retry = (): void => {
      if (!this.#running) return;
      this.#load().catch((failure: unknown) => {
        this.#options.logger.error('loading from the datastore failed', { error: errorText(failure) });
        this.#retry = this.#options.clock.setTimer(Math.min(10_000, 100 * 2 ** this.#failures++), retry);
      });
    };
    retry();
  }

  #cacheOf(key: string): ResourceCache | undefined {
    const first = key.indexOf('/', registryPrefix.length);
    if (first < 0) return undefined;
    const second = key.indexOf('/', first + 1);
    if (second > 0) {
      const two = this.#caches.get(key.slice(registryPrefix.length, second));
      if (two) return two;
    }
    return this.#caches.get(key.slice(registryPrefix.length, first));
  }

  /** Resolves when the caches show everything that was committed before the call. */
  async fresh(): Promise<number> {
    const revision = await this.#options.datastore.currentRevision();
    if (this.#revision < revision) await this.reached(revision);
    return this.#revision;
  }

  /** Resolves when the caches show `revision`, or rejects with 504 at once where `revision` is beyond the newest: nobody waits for what is asked for exactly. */
  async exactly(revision: number): Promise<void> {
    if ((await this.fresh()) < revision) throw this.#tooLarge(revision, 0);
  }

  #tooLarge(revision: number, retryAfterSeconds: number): StatusError {
    const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
    return timeout(`Too large resource version: ${revision}, current: ${this.#revision}`, retryAfterSeconds, causes);
  }

  /** Resolves when the caches show `revision`; 504 after the time limit, as upstream answers a version from the future. */
  async reached(revision: number): Promise<void> {
    if (this.#revision >= revision) return;
    if (this.#stopped) throw timeout('the server is stopping');
    const waiter: Waiter = { revision, done: deferred() };
    this.#waiters.push(waiter);
    this.#options.datastore.requestProgress();
    const { clock, freshTimeoutMs = 3000 } = this.#options;
    const giveUp = (): void => {
      this.#waiters = this.#waiters.filter(other => other !== waiter);
      waiter.done.reject(this.#tooLarge(revision, 1));
    };
    // After a turn that was busy for so long, what came meanwhile is heard before it counts as late.
    let timer = clock.setTimer(freshTimeoutMs, () => void (timer = clock.setTimer(0, giveUp)));
    try {
      await waiter.done.promise;
    } finally {
      await timer.dispose();
    }
  }
}
