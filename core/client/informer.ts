import { backoffMs } from '../base/backoff.js';
import { sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import { toDisposable } from '../base/disposable.js';
import type { Disposable } from '../base/disposable.js';
import { CodedError, abortReason, errorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { ListResult, ObjectEntry, WatchEvent } from '../contracts/api-transport.js';
import type { Client, ResourceClient } from './client.js';
import type { Informer, InformerHandler } from './informer-types.js';

export interface InformerOptions<T> {
  readonly client: Client;
  readonly resource: ResourceReference<T>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly random?: () => number;
}

interface Index<T> {
  readonly keysOf: (object: T) => readonly string[];
  readonly buckets: Map<string, Set<ObjectEntry<T>>>;
  /** What each entry was filed under, so that taking it out needs no second parse of the object. */
  readonly filed: Map<ObjectEntry<T>, readonly string[]>;
}

const retry = { initialMs: 200, maximumMs: 30_000, jitter: 0.5 };
/** A watch that lived this long was healthy: the next failure starts with the shortest wait. */
const healthyMs = 60_000;
const watchTimeoutSeconds = 300;
const listPageSize = 500;

/**
 * A local copy of one resource. Lists by a streaming watch where the server can (WatchList), else by list and watch; watches on
 * from the last resource version; lists again when that is too old or this reader was cut off. Holds entries, not parsed objects.
 */
export class SharedInformer<T> implements Informer<T> {
  readonly resource: ResourceReference<T>;
  readonly #options: InformerOptions<T>;
  readonly #target: ResourceClient<T>;
  readonly #namespaces = new Map<string, Map<string, ObjectEntry<T>>>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #firstSync = deferred();
  readonly #stopping = new AbortController();
  #synced = false;
  #running: Promise<void> | undefined;
  #streamingList = true;

  constructor(options: InformerOptions<T>) {
    this.resource = options.resource;
    this.#options = options;
    this.#target = options.client.resource(options.resource, options.namespace);
  }

  get synced(): boolean {
    return this.#synced;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new CodedError('INFORMER_STOPPED', `the informer of ${this.resource.resource} was stopped`));
    this.#firstSync.reject(abortReason(this.#stopping.signal));
    await this.#running;
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    if (!signal) return this.#firstSync.promise;
    if (signal.aborted) throw abortReason(signal);
    const aborted = deferred<never>();
    const onAbort = (): void => aborted.reject(abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#firstSync.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  addHandler(handler: InformerHandler<T>): Disposable {
    if (handler.added) for (const entry of Array.from(this.entries())) this.#call(() => handler.added?.(entry));
    // A wrapper, so that the same handler twice is two registrations.
    const registration: InformerHandler<T> = {
      added: entry => handler.added?.(entry),
      updated: (previous, next) => handler.updated?.(previous, next),
      deleted: entry => handler.deleted?.(entry),
    };
    this.#handlers.add(registration);
    return toDisposable(() => void this.#handlers.delete(registration));
  }

  get hasHandlers(): boolean {
    return this.#handlers.size > 0;
  }

  get(namespace: string, name: string): T | undefined {
    return this.entry(namespace, name)?.object;
  }

  entry(namespace: string, name: string): ObjectEntry<T> | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }

  list(namespace?: string): T[] {
    return Array.from(this.entries(namespace), entry => entry.object);
  }

  *entries(namespace?: string): Iterable<ObjectEntry<T>> {
    if (namespace !== undefined && namespace !== '') {
      yield* this.#namespaces.get(namespace)?.values() ?? [];
      return;
    }
    for (const entries of this.#namespaces.values()) yield* entries.values();
  }

  addIndex(name: string, keys: (object: T) => readonly string[]): void {
    if (this.#indexes.has(name)) return;
    const index: Index<T> = { keysOf: keys, buckets: new Map(), filed: new Map() };
    this.#indexes.set(name, index);
    for (const entry of this.entries()) file(index, entry);
  }

  byIndex(name: string, key: string): T[] {
    const index = this.#indexes.get(name);
    if (!index) throw new CodedError('UNKNOWN_INDEX', `the informer of ${this.resource.resource} has no index "${name}"`);
    return Array.from(index.buckets.get(key) ?? [], entry => entry.object);
  }

  async #run(): Promise<void> {
    const { clock, logger, random } = this.#options;
    const signal = this.#stopping.signal;
    let failures = 0;
    let resourceVersion: string | undefined;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      const session = { resourceVersion };
      try {
        await this.#follow(session, signal);
        resourceVersion = session.resourceVersion;
        // A watch that ends quietly at once would otherwise be a busy loop.
        failures = clock.monotonicMs() - startedMs < 1000 ? failures + 1 : 0;
        if (failures < 2) continue;
      } catch (error) {
        if (signal.aborted) return;
        const code = errorCode(error);
        resourceVersion = session.resourceVersion;
        if (code === 'Expired' || code === 'Gone' || code === 'QUEUE_OVERFLOW') resourceVersion = undefined;
        else if ((code === 'Invalid' || code === 'BadRequest') && this.#streamingList) {
          this.#streamingList = false;
          resourceVersion = undefined;
          continue;
        }
        if (clock.monotonicMs() - startedMs > healthyMs) failures = 0;
        logger.debug('watch failed, trying again', { resource: this.resource.resource, error });
        failures++;
      }
      try {
        await sleep(clock, backoffMs(retry, failures - 1, random), signal);
      } catch {
        return;
      }
    }
  }

  /** One list (unless a resource version is known) and one watch, until it ends. Keeps `session.resourceVersion` current. */
  async #follow(session: { resourceVersion: string | undefined }, signal: AbortSignal): Promise<void> {
    const selection = { labelSelector: this.#options.labelSelector, fieldSelector: this.#options.fieldSelector, signal };
    const timeoutSeconds = Math.round(watchTimeoutSeconds * (1 + (this.#options.random ?? Math.random)()));
    let initial: Map<string, ObjectEntry<T>> | undefined;
    if (session.resourceVersion === undefined) {
      if (this.#streamingList) initial = new Map();
      else session.resourceVersion = await this.#listAll(selection);
    }
    const events = this.#target.watch({
      ...selection,
      allowWatchBookmarks: true,
      timeoutSeconds,
      ...(initial
        ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
        : { resourceVersion: session.resourceVersion }),
    });
    for await (const event of events) {
      if (signal.aborted) return;
      if (initial) {
        if (event.type !== 'BOOKMARK') collect(initial, event);
        else if (event.initialEventsEnd) {
          this.#replace(initial.values());
          initial = undefined;
          session.resourceVersion = event.resourceVersion;
        }
        continue;
      }
      if (event.type === 'BOOKMARK') session.resourceVersion = event.resourceVersion;
      else {
        this.#apply(event.type, event.entry);
        session.resourceVersion = event.entry.resourceVersion;
      }
    }
  }

  async #listAll(selection: { labelSelector?: string; fieldSelector?: string; signal: AbortSignal }): Promise<string> {
    const found: ObjectEntry<T>[] = [];
    let page: ListResult<T> | undefined;
    do {
      page = await this.#target.list({ ...selection, limit: listPageSize, continue: page?.continue });
      found.push(...page.entries);
    } while (page.continue);
    this.#replace(found);
    return page.resourceVersion;
  }

  #replace(found: Iterable<ObjectEntry<T>>): void {
    const gone = new Set(this.entries());
    for (const entry of found) {
      const known = this.entry(entry.namespace, entry.name);
      if (known) gone.delete(known);
      if (known && known.uid !== entry.uid) this.#apply('DELETED', known);
      if (!known || known.resourceVersion !== entry.resourceVersion) this.#apply('ADDED', entry);
    }
    for (const entry of gone) this.#apply('DELETED', entry);
    if (this.#synced) return;
    this.#synced = true;
    this.#firstSync.resolve();
  }

  #apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', entry: ObjectEntry<T>): void {
    const known = this.entry(entry.namespace, entry.name);
    if (type === 'DELETED') {
      if (!known) return;
      this.#remove(known);
      for (const handler of Array.from(this.#handlers)) this.#call(() => handler.deleted?.(entry));
      return;
    }
    if (known) for (const index of this.#indexes.values()) unfile(index, known);
    let names = this.#namespaces.get(entry.namespace);
    if (!names) this.#namespaces.set(entry.namespace, (names = new Map()));
    names.set(entry.name, entry);
    for (const index of this.#indexes.values()) file(index, entry);
    for (const handler of Array.from(this.#handlers)) {
      this.#call(() => (known ? handler.updated?.(known, entry) : handler.added?.(entry)));
    }
  }

  #remove(entry: ObjectEntry<T>): void {
    for (const index of this.#indexes.values()) unfile(index, entry);
    const names = this.#namespaces.get(entry.namespace);
    names?.delete(entry.name);
    if (names?.size === 0) this.#namespaces.delete(entry.namespace);
  }

  /** A handler's fault is its own: the cache and the other handlers go on. */
  #call(notify: () => void): void {
    try {
      notify();
    } catch (error) {
      this.#options.logger.error('an informer handler threw', { resource: this.resource.resource, error });
    }
  }
}

function collect<T>(into: Map<string, ObjectEntry<T>>, event: Exclude<WatchEvent<T>, { type: 'BOOKMARK' }>): void {
  const key = `${event.entry.namespace}/${event.entry.name}`;
  if (event.type === 'DELETED') into.delete(key);
  else into.set(key, event.entry);
}

function file<T>(index: Index<T>, entry: ObjectEntry<T>): void {
  const keys = index.keysOf(entry.object);
  if (keys.length === 0) return;
  index.filed.set(entry, keys);
  for (const key of keys) {
    let bucket = index.buckets.get(key);
    if (!bucket) index.buckets.set(key, (bucket = new Set()));
    bucket.add(entry);
  }
}

function unfile<T>(index: Index<T>, entry: ObjectEntry<T>): void {
  for (const key of index.filed.get(entry) ?? []) {
    const bucket = index.buckets.get(key);
    bucket?.delete(entry);
    if (bucket?.size === 0) index.buckets.delete(key);
  }
  index.filed.delete(entry);
}
