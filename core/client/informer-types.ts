import type { Disposable } from '../base/disposable.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { ObjectEntry } from '../contracts/api-transport.js';

/** What a controller does on changes: enqueue keys, nothing else. Must not throw. */
export interface InformerHandler<T> {
  added?(entry: ObjectEntry<T>): void;
  updated?(previous: ObjectEntry<T>, next: ObjectEntry<T>): void;
  /** The last state known; after a missed watch it may be older than the deletion. */
  deleted?(entry: ObjectEntry<T>): void;
}

/** A local copy of one resource, kept by list and watch, shared by everybody in the process who needs it. Objects are frozen. */
export interface Informer<T> {
  readonly resource: ResourceReference<T>;
  /** Handlers that come late get `added` for what is there. */
  addHandler(handler: InformerHandler<T>): Disposable;
  /** `namespace` is '' for cluster-scoped resources. */
  get(namespace: string, name: string): T | undefined;
  entry(namespace: string, name: string): ObjectEntry<T> | undefined;
  list(namespace?: string): T[];
  entries(namespace?: string): Iterable<ObjectEntry<T>>;
  /** Adds an index before or after start; the same name twice is the same index. */
  addIndex(name: string, keys: (object: T) => readonly string[]): void;
  byIndex(name: string, key: string): T[];
  readonly synced: boolean;
  /** Resolves when the first list has been handed to the handlers. */
  whenSynced(signal?: AbortSignal): Promise<void>;
}

/** What part of a resource an informer holds. */
export interface InformerSelection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** One informer a resource and selection. `informer()` before `start` is enough for it to be started; later ones start at once. */
export interface InformerFactory {
  informer<T>(resource: ResourceReference<T>, selection?: InformerSelection): Informer<T>;
  /** For who followed a resource that is served no more: its informer is stopped as soon as nobody has a handler on it. */
  release(resource: ResourceReference): void;
  start(): void;
  whenSynced(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}
