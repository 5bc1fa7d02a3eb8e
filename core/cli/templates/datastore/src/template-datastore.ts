import { datastoreError } from 'k3s-ts/plugin';
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
import { Watches } from './watches.js';

export interface TemplateDatastoreOptions {
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Task {
  run(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/**
 * A datastore that keeps everything in memory. Calls of one turn are one commit: all run, `#persist` makes their changes durable,
 * the watches hear of them, and only then are the calls answered. To keep objects for good, write them in `#persist` and read them
 * in `open`; `backup`, `size` and `defragment` follow.
 */
export class TemplateDatastore implements Datastore {
  readonly #options: TemplateDatastoreOptions;
  readonly #history = new History();
  readonly #watches: Watches;
  #state: 'new' | 'open' | 'closed' = 'new';
  #queue: Task[] = [];
  #working: Promise<void> | undefined;
  #changes: Change[] = [];
  #compactTo = 0;
  #expiry: { atMs: number; timer: Disposable } | undefined;

  constructor(options: TemplateDatastoreOptions) {
    this.#options = options;
    this.#watches = new Watches(this.#history, error => options.logger.error('a watch listener failed', { error }));
  }

  open(): Promise<void> {
    if (this.#state !== 'new') return Promise.reject(datastoreError('DATASTORE_CLOSED', 'the datastore was opened before'));
    this.#state = 'open';
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    await this.#working;
    void this.#expiry?.timer.dispose();
    this.#watches.close(undefined);
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
    return this.#enqueue(() => ({ totalBytes: this.#history.bytes(), usedBytes: this.#history.bytes() }));
  }

  defragment(): Promise<void> {
    return this.#enqueue(() => undefined);
  }

  backup(): Promise<void> {
    return this.#enqueue(() => {
      throw datastoreError('DATASTORE_UNSUPPORTED', 'this datastore cannot be backed up');
    });
  }

  checkIntegrity(): Promise<string[]> {
    return this.#enqueue(() => []);
  }

  #write(make: () => Change): Promise<number> {
    return this.#enqueue(() => {
      const change = make();
      this.#changes.push(change);
      return change.event.revision;
    });
  }

  #enqueue<T>(run: () => T): Promise<T> {
    if (this.#state !== 'open') return Promise.reject(closed());
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run, resolve: resolve as (value: unknown) => void, reject });
      this.#working ??= this.#work();
    });
  }

  async #work(): Promise<void> {
    // All calls of this turn go together.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#commit(this.#queue.splice(0));
    this.#working = undefined;
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
      if (changes.length > 0) await this.#persist(changes);
    } catch (error) {
      for (const change of changes.toReversed()) this.#history.undo(change);
      this.#compactTo = 0;
      const failure = datastoreError('DATASTORE_UNAVAILABLE', 'the changes cannot be kept', { cause: error });
      for (const task of tasks) task.reject(failure);
      return;
    }
    const events: DatastoreEvent[] = changes.map(change => change.event);
    if (events.length > 0) this.#watches.publish(events, this.#history.revision);
    if (this.#compactTo > 0) this.#history.compact(this.#compactTo);
    this.#compactTo = 0;
    this.#armExpiry();
    for (const answer of answers) answer();
  }

  /** Resolves when a crash cannot lose the changes any more; rejects when none of them was kept. */
  #persist(_changes: readonly Change[]): Promise<void> {
    return Promise.resolve();
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
