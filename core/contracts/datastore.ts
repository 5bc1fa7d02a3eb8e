import type { Disposable } from '../base/disposable.js';

/**
 * The store under the API server: etcd's model, because everyone above relies on it. Bytes in, bytes out.
 *
 * - One revision counter for the whole store. A change gets the next revision; nobody sees revision N before all below it.
 * - After an unclean stop the counter goes on above anything that anybody may have seen.
 * - A resolved write is durable (fdatasync or the engine's equal happened before).
 * - Keys are `/`-separated UTF-8 and ordered bytewise. Values are never empty.
 *
 * Errors are CodedErrors: `DATASTORE_CONFLICT` (class DatastoreConflict, the condition did not hold), `DATASTORE_COMPACTED`
 * (the revision lies before the kept history), `DATASTORE_FUTURE_REVISION` (not reached yet), `DATASTORE_CORRUPT`,
 * `DATASTORE_NEWER_FORMAT`, `DATASTORE_FULL` (disk or quota), `DATASTORE_UNAVAILABLE` (retry may help), `DATASTORE_CLOSED`.
 * Source of the model: etcd's data model and API guarantees.
 */
export interface Datastore {
  /** Opens or creates the store. Called once, before anything else. */
  open(): Promise<void>;
  /** Refuses further calls, lets running ones end, closes. Watches end without an error. Twice is safe. */
  close(): Promise<void>;

  /** The revision of the newest committed change; 1 for an empty store. */
  currentRevision(): Promise<number>;

  /** The value at `revision` (newest when absent). Resolves undefined for an absent key. */
  get(key: string, options?: { revision?: number }): Promise<KeyValue | undefined>;

  /** Keys that begin with `prefix`, in order. All pages of one listing name the revision of the first. */
  list(prefix: string, options?: ListRange): Promise<ListPage>;

  /** How many keys begin with `prefix` now. */
  count(prefix: string): Promise<number>;

  /** Writes a key that must not exist. Resolves the new revision. Rejects DatastoreConflict with what is there. */
  create(key: string, value: Uint8Array, options?: WriteOptions): Promise<number>;

  /** Replaces the value whose modification revision is `expectedRevision`. Rejects DatastoreConflict otherwise. */
  update(key: string, value: Uint8Array, expectedRevision: number, options?: WriteOptions): Promise<number>;

  /** Removes the key whose modification revision is `expectedRevision`. Resolves the revision of the removal. */
  delete(key: string, expectedRevision: number): Promise<number>;

  /**
   * Reports every change under `prefix` with a revision above `afterRevision`, in order, then goes on live.
   * `listener.batch` is called with the changes of one or more commits and the revision up to which nothing is missing
   * (also with no changes: progress). The store reports progress for every commit, in any key, without delay when it is
   * embedded; engines for which that is dear do it after `requestProgress`. The listener must not throw and must not block.
   * Ends by `listener.end(error)`: `DATASTORE_COMPACTED` when `afterRevision` is not in the history any more; undefined after close.
   */
  watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable;

  /** Asks that open watches report progress up to the current revision soon. Never needed for embedded stores. */
  requestProgress(): void;

  /** Forgets history at and below `revision`; current values stay. A revision that was compacted already is a no-op. */
  compact(revision: number): Promise<void>;

  /** Sizes in bytes as the engine knows them. */
  size(): Promise<{ totalBytes: number; usedBytes: number }>;

  /** Gives free space back to the operating system, as far as the engine can while it serves. */
  defragment(): Promise<void>;

  /** Writes a consistent copy to the file `path`, which must not exist, while serving. Rejects `DATASTORE_UNSUPPORTED` where the engine has tools of its own. */
  backup(path: string): Promise<void>;

  /** Resolves a list of faults, empty when the store is sound. */
  checkIntegrity(): Promise<string[]>;
}

export const Datastore: unique symbol = Symbol.for('k3s/datastore@1');

export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
}

export interface ListRange {
  /** Only keys above this one. */
  readonly after?: string;
  /** At most so many; all when absent. */
  readonly limit?: number;
  /** At this revision instead of the newest. */
  readonly revision?: number;
}

export interface ListPage {
  /** The revision that the page shows. */
  readonly revision: number;
  readonly items: readonly KeyValue[];
  /** Whether keys follow behind the last item. */
  readonly more: boolean;
}

export interface WriteOptions {
  /** The key is removed by the store so long after this write, to the second. A later write without it makes the key stay. */
  readonly timeToLiveSeconds?: number;
  /** The answer may come before the disk has the change (never before it is committed): renewals of leases only. */
  readonly relaxed?: boolean;
}

export interface DatastoreEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** The revision of this change. */
  readonly revision: number;
  /** For puts: the new value. */
  readonly value?: Uint8Array;
  /** For puts: equals `revision` when the key was created by it. */
  readonly createRevision?: number;
  /** The value before: for deletes always, for updates always. */
  readonly previousValue?: Uint8Array;
}

export interface WatchListener {
  batch(events: readonly DatastoreEvent[], revision: number): void;
  end(error: Error | undefined): void;
}
