import { datastoreError, errorCode } from 'k3s-ts/plugin';
import type {
  Clock,
  Datastore,
  DatastoreEvent,
  Disposable,
  KeyValue,
  ListPage,
  ListRange,
  Logger,
  WatchListener,
  WriteOptions,
} from 'k3s-ts/plugin';
import { futureRevision, History } from './history.js';
import type { Change } from './history.js';
import type { JournalRecord } from './frames.js';
import { JournalFile, writeJournal } from './journal-file.js';
import { Watches } from './watches.js';

export interface JournalDatastoreOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Made when it is not there; belongs to this store alone. */
  readonly directory: string;
  /** A journal below this size is never rewritten by itself. */
  readonly rewriteAboveBytes: number;
}

interface Task {
  /** Awaited, alone, with nothing of a commit around it. */
  readonly alone: boolean;
  run(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/**
 * Values and history in memory, every commit in a file. Calls that come while a commit is on its way to the disk are the next one:
 * they run, their changes are appended and synced together, the watches hear of them, and only then are they answered.
 */
export class JournalDatastore implements Datastore {
  readonly #options: JournalDatastoreOptions;
  #history = new History();
  #file: JournalFile | undefined;
  #watches: Watches;
  #state: 'new' | 'open' | 'closed' = 'new';
  #queue: Task[] = [];
  #working: Promise<void> | undefined;
  #changes: Change[] = [];
  #compactTo = 0;
  #expiry: { atMs: number; timer: Disposable } | undefined;

  constructor(options: JournalDatastoreOptions) {
    this.#options = options;
    this.#watches = this.#makeWatches();
  }

  async open(): Promise<void> {
    if (this.#state !== 'new') throw datastoreError('DATASTORE_CLOSED', 'the datastore was opened before');
    const { file, history } = await JournalFile.open(this.#options.directory);
    this.#file = file;
    this.#history = history;
    this.#watches = this.#makeWatches();
    this.#state = 'open';
    this.#armExpiry();
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    await this.#working;
    void this.#expiry?.timer.dispose();
    this.#watches.close(undefined);
    await this.#file?.close();
    this.#file = undefined;
  }

  currentRevision(): Promise<number> {
    return this.#enqueue(() => this.#history.revision);
  }

  get(key: string, options: { revision?: number } = {}): Promise<KeyValue | undefined> {
    return this.#enqueue(() => this.#history.get(key, options.revision));
  }

  list(prefix: string, range?: ListRange): Promise<ListPage> {
    return this.#enqueue(() => this.#history.list(prefix, range));
  }

  count(prefix: string): Promise<number> {
    return this.#enqueue(() => this.#history.count(prefix));
  }

  create(key: string, value: Uint8Array, options?: WriteOptions): Promise<number> {
    return this.#write(() => this.#history.put(key, value, undefined, this.#expiresAtMs(options)));
  }

  update(key: string, value: Uint8Array, expectedRevision: number, options?: WriteOptions): Promise<number> {
    return this.#write(() => this.#history.put(key, value, expectedRevision, this.#expiresAtMs(options)));
  }

  delete(key: string, expectedRevision: number): Promise<number> {
    return this.#write(() => this.#history.remove(key, expectedRevision));
  }

  watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable {
    if (this.#state === 'open') return this.#watches.watch(prefix, afterRevision, listener);
    queueMicrotask(() => listener.end(closed()));
    return { dispose: () => undefined };
  }

  /** Every commit is told at once: there is nothing to ask for. */
  requestProgress(): void {}

  compact(revision: number): Promise<void> {
    return this.#enqueue(() => {
      if (revision > this.#history.revision) throw futureRevision(revision, this.#history.revision);
      this.#compactTo = Math.max(this.#compactTo, revision);
    });
  }

  size(): Promise<{ totalBytes: number; usedBytes: number }> {
    return this.#enqueue(() => ({
      totalBytes: this.#file!.bytes,
      usedBytes: Math.min(this.#history.bytes(), this.#file!.bytes),
    }));
  }

  defragment(): Promise<void> {
    return this.#enqueueAlone(() => this.#file!.rewrite(this.#history));
  }

  backup(path: string): Promise<void> {
    return this.#enqueueAlone(async () => void (await writeJournal(path, this.#history)));
  }

  checkIntegrity(): Promise<string[]> {
    return this.#enqueueAlone(() => this.#file!.check(this.#history));
  }

  #write(make: () => Change): Promise<number> {
    return this.#enqueue(() => {
      const change = make();
      this.#changes.push(change);
      return change.event.revision;
    });
  }

  #enqueue<T>(run: () => T): Promise<T> {
    return this.#push(run, false) as Promise<T>;
  }

  #enqueueAlone<T>(run: () => Promise<T>): Promise<T> {
    return this.#push(run, true) as Promise<T>;
  }

  #push(run: () => unknown, alone: boolean): Promise<unknown> {
    if (this.#state !== 'open') return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#queue.push({ run, alone, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  async #work(): Promise<void> {
    // All calls of this turn go together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const first = this.#queue.findIndex(task => task.alone);
      if (first === 0) await this.#runAlone(this.#queue.shift()!);
      else await this.#commit(this.#queue.splice(0, first < 0 ? this.#queue.length : first));
    }
    this.#working = undefined;
  }

  async #runAlone(task: Task): Promise<void> {
    try {
      task.resolve(await task.run());
    } catch (error) {
      task.reject(error);
    }
  }

  async #commit(tasks: readonly Task[]): Promise<void> {
    const answers = tasks.map(task => {
      try {
        const value = task.run();
        return () => task.resolve(value);
      } catch (error) {
        return () => task.reject(error);
      }
    });
    const changes = this.#changes;
    this.#changes = [];
    try {
      if (changes.length > 0 || this.#compactTo > this.#history.compacted) await this.#persist(changes);
    } catch (error) {
      for (const change of changes.toReversed()) this.#history.undo(change);
      this.#compactTo = 0;
      const failure = translated(error);
      for (const task of tasks) task.reject(failure);
      return;
    }
    const events: DatastoreEvent[] = changes.map(change => change.event);
    if (events.length > 0) this.#watches.publish(events, this.#history.revision);
    if (this.#compactTo > 0) this.#history.compact(this.#compactTo);
    const compacted = this.#compactTo > 0;
    this.#compactTo = 0;
    this.#armExpiry();
    for (const answer of answers) answer();
    if (compacted) await this.#rewriteIfWorthIt();
  }

  /** Resolves when a crash cannot lose the changes any more; rejects when none of them was kept. */
  async #persist(changes: readonly Change[]): Promise<void> {
    const records = changes.map(({ event, expiresAtMs }): JournalRecord => {
      const { type, key, revision, createRevision, value } = event;
      return { kind: type, key, revision, createRevision, expiresAtMs, value };
    });
    if (this.#compactTo > 0) records.push({ kind: 'compact', revision: this.#compactTo });
    await this.#file!.append(records);
  }

  async #rewriteIfWorthIt(): Promise<void> {
    const { rewriteAboveBytes, logger } = this.#options;
    const file = this.#file!;
    if (file.bytes < rewriteAboveBytes || file.bytes < 2 * this.#history.bytes()) return;
    try {
      await file.rewrite(this.#history);
    } catch (error) {
      logger.warn('the journal cannot be rewritten now, it goes on growing', { error });
    }
  }

  #makeWatches(): Watches {
    return new Watches(this.#history, error => this.#options.logger.error('a watch listener failed', { error }));
  }

  #expiresAtMs(options: WriteOptions | undefined): number {
    return options?.timeToLiveSeconds ? this.#options.clock.now() + options.timeToLiveSeconds * 1000 : 0;
  }

  #armExpiry(): void {
    const atMs = this.#history.nextExpiryMs();
    if (atMs === this.#expiry?.atMs) return;
    void this.#expiry?.timer.dispose();
    this.#expiry = undefined;
    if (atMs === undefined) return;
    const { clock } = this.#options;
    const timer = clock.setTimer(Math.max(0, atMs - clock.now()), () => {
      this.#expiry = undefined;
      if (this.#state !== 'open') return;
      void this.#enqueue(() => {
        for (const item of this.#history.due(clock.now())) {
          this.#changes.push(this.#history.remove(item.key, item.modRevision));
        }
        // What could not be kept is tried again with the next commit.
      }).catch((error: unknown) => this.#options.logger.warn('expired keys cannot be removed', { error }));
    });
    this.#expiry = { atMs, timer };
  }
}

function closed(): Error {
  return datastoreError('DATASTORE_CLOSED', 'the datastore is not open');
}

function translated(error: unknown): Error {
  if (errorCode(error)?.startsWith('DATASTORE_')) return error as Error;
  const full = errorCode(error) === 'ENOSPC' || errorCode(error) === 'EDQUOT';
  return datastoreError(full ? 'DATASTORE_FULL' : 'DATASTORE_UNAVAILABLE', 'the changes cannot be kept', { cause: error });
}
