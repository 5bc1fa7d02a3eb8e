import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { DisposableStore } from '../../base/disposable.js';
import { errorCode } from '../../base/errors.js';
import type { DatastoreEvent } from '../../contracts/datastore.js';
import type { KubeObject } from '../../machinery/object.js';
import { quote } from '../../machinery/field-errors.js';
import { expired, StatusError } from '../../machinery/status-error.js';
import type { ResourceStore } from '../registry/resource-store.js';
import type { Selection } from '../registry/selection.js';
import { matches } from '../registry/selection.js';
import type { CacheEvent } from '../storage/resource-cache.js';
import type { StorageHub } from '../storage/storage-hub.js';
import type { StoredObject } from '../storage/stored-object.js';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Where a watch's events go. Calls are synchronous and must not throw. */
export interface WatchSink<T extends KubeObject> {
  /** `source` is shared by all watchers of one change and may hold encoded frames; absent for initial events. */
  change(type: ChangeType, entry: StoredObject<T>, source: CacheEvent<T> | undefined): void;
  bookmark(revision: number, initialEventsEnd: boolean): void;
  /** The watch is over; with an error the client has to list again. */
  end(error: Error | undefined): void;
}

export interface WatchOptions {
  /** '' or absent: from the newest, after initial events. '0': the same without waiting for the newest. */
  readonly resourceVersion?: string | undefined;
  readonly sendInitialEvents?: boolean | undefined;
  readonly allowWatchBookmarks?: boolean | undefined;
  readonly timeoutSeconds?: number | undefined;
}

const bookmarkEveryMs = 60_000;
/** So long before its end a watch tells how far it came. */
const lastBookmarkMs = 2_000;
const shortestDefaultTimeoutSeconds = 1800;

/** Throws 500, as upstream does everywhere but in lists. */
export function parseResourceVersion(text: string): number {
  const version = versionOf(text);
  if (version === undefined) throw new StatusError(500, '', badVersionText(text));
  return version;
}

/** The number of a version; undefined for what is no unsigned number of 64 bits. */
export function versionOf(text: string): number | undefined {
  return /^\d+$/.test(text) && BigInt.asUintN(64, BigInt(text)) === BigInt(text) ? Number(text) : undefined;
}

export function badVersionText(text: string): string {
  const fault = /^\d+$/.test(text) ? 'value out of range' : 'invalid syntax';
  return `resourceVersion: Invalid value: ${quote(text)}: strconv.ParseUint: parsing ${quote(text)}: ${fault}`;
}

/** The text and reason that clients know for a version before the history. */
export function tooOld(revision: number, kept: number): Error {
  return expired(`too old resource version: ${revision} (${kept})`);
}

/** Starts a watch; everything that the sink gets before this resolves is initial. Dispose ends it without telling the sink. */
export async function openWatch<T extends KubeObject>(
  source: { store: ResourceStore<T>; hub: StorageHub; clock: Clock },
  selection: Selection,
  options: WatchOptions,
  sink: WatchSink<T>,
): Promise<Disposable> {
  const { store, hub, clock } = source;
  const { cache } = store;
  const version = options.resourceVersion ?? '';
  const { sendInitialEvents } = options;
  const minimum = version === '' ? 0 : parseResourceVersion(version);
  const unversioned = minimum === 0;
  const fromState = sendInitialEvents ?? unversioned;
  const held = new DisposableStore();
  let over = false;
  const end = (error: Error | undefined): void => {
    if (over) return;
    over = true;
    void held.dispose();
    sink.end(error);
  };
  const deliver = (event: CacheEvent<T>): void => {
    if (over) return;
    const before = event.previous !== undefined && matches(selection, event.previous);
    if (event.type === 'delete') {
      if (before) sink.change('DELETED', event.entry, event);
      return;
    }
    const now = matches(selection, event.entry);
    if (now) sink.change(before ? 'MODIFIED' : 'ADDED', event.entry, event);
    else if (before) sink.change('DELETED', event.previous!.deletedAt(event.revision), undefined);
  };
  held.addCallback(() => void (over = true));

  if (version === '') await hub.fresh();
  else if (fromState && minimum > hub.revision) await hub.reached(minimum);

  const { namespace, name } = selection;
  await cache.prepare?.({ namespace, name, ...(fromState ? {} : { since: minimum }) });
  // From here to `listen` nothing is asynchronous: no event can fall between state and stream.
  if (fromState) {
    for (const entry of store.select(selection)) sink.change('ADDED', entry, undefined);
    if (sendInitialEvents && options.allowWatchBookmarks) sink.bookmark(cache.revision, true);
  } else if (minimum > cache.revision) {
    // A version from the future: nothing was missed, and what comes before it is not wanted.
  } else if (!unversioned) {
    let seen = minimum;
    // While the datastore tells of the past the cache goes on, and may forget as much again.
    for (let missed = cache.history(seen); ; missed = cache.history(seen)) {
      if (missed) {
        for (const event of missed) deliver(event);
        break;
      }
      if (cache.prepare) throw tooOld(minimum, cache.revision);
      const upTo = cache.revision;
      await replay(store, hub, { after: seen, upTo }, deliver);
      seen = upTo;
    }
  }
  held.add(
    cache.listen(
      event => {
        if (event && event.revision > minimum) deliver(event);
      },
      { onReset: () => end(expired('the watch cache was loaded anew: list again')), onClosed: () => end(undefined) },
    ),
  );
  if (options.allowWatchBookmarks) {
    let timer: Disposable | undefined;
    const arm = (): void => {
      timer = clock.setTimer(bookmarkEveryMs, () => {
        if (over) return;
        sink.bookmark(cache.revision, false);
        arm();
      });
    };
    arm();
    held.addCallback(() => timer?.dispose());
  }
  const timeoutSeconds = options.timeoutSeconds || shortestDefaultTimeoutSeconds * (1 + Math.random());
  const timeoutMs = timeoutSeconds * 1000;
  if (options.allowWatchBookmarks && timeoutMs > lastBookmarkMs) {
    held.add(clock.setTimer(timeoutMs - lastBookmarkMs, () => void (over || sink.bookmark(cache.revision, false))));
  }
  held.add(clock.setTimer(timeoutMs, () => end(undefined)));
  return held;
}

/** Changes that the cache has forgotten, read from the datastore's history. Throws Expired where that was compacted. */
async function replay<T extends KubeObject>(
  store: ResourceStore<T>,
  hub: StorageHub,
  range: { after: number; upTo: number },
  deliver: (event: CacheEvent<T>) => void,
): Promise<void> {
  const { cache } = store;
  await new Promise<void>((resolve, reject) => {
    let watch: Disposable | undefined;
    let settled = false;
    const settle = (error?: unknown): void => {
      if (settled) return;
      settled = true;
      queueMicrotask(() => void watch?.dispose());
      if (error === undefined) resolve();
      else reject(error);
    };
    watch = hub.datastore.watch(cache.prefix, range.after, {
      batch: (events, revision) => {
        for (const event of events) if (!settled && event.revision <= range.upTo) deliver(cacheEvent(store, event));
        if (revision >= range.upTo) settle();
      },
      end: error =>
        settle(
          error && errorCode(error) === 'DATASTORE_COMPACTED'
            ? tooOld(range.after, cache.revision)
            : (error ?? tooOld(range.after, cache.revision)),
        ),
    });
  });
}

function cacheEvent<T extends KubeObject>(store: ResourceStore<T>, event: DatastoreEvent): CacheEvent<T> {
  const { cache } = store;
  const previous = event.previousValue ? cache.decode(event.previousValue, event.revision) : undefined;
  if (event.type === 'put') {
    return {
      type: 'put',
      revision: event.revision,
      entry: cache.decode(event.value!, event.revision),
      previous,
      frames: undefined,
    };
  }
  return { type: 'delete', revision: event.revision, entry: previous!, previous, frames: undefined };
}
