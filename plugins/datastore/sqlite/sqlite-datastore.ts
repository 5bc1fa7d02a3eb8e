import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { datastoreError, deferred } from '../../../core/plugin-api/index.js';
import type {
  Clock,
  Datastore,
  Deferred,
  Disposable,
  KeyValue,
  ListPage,
  ListRange,
  Logger,
  WatchListener,
  WriteOptions,
} from '../../../core/plugin-api/index.js';
import { WatchHub } from '../sql-common/watch-hub.js';
import type { HistoryChunk } from '../sql-common/watch-hub.js';
import type { CompactStep } from './sqlite-maintenance.js';
import { decodeBatch, encodeBatch, toError } from './sqlite-operations.js';
import type { Operation, ReadOperation, WriteOperation } from './sqlite-operations.js';
import { operation } from './sqlite-protocol.js';
import type { Answer, BatchAnswer, ControlAnswer, ControlName, EngineOptions, OpenAnswer } from './sqlite-protocol.js';

export interface SqliteDatastoreOptions {
  /** The folder for `state.db`; made when it is absent. */
  readonly directory: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** `state.db` may grow to so many bytes; as far as the disk allows when absent. */
  readonly quotaBytes?: number;
  /** The disk or the worker failed, and the store is of no use any more until the process starts again. */
  readonly onFailure?: (error: Error) => void;
}

/** A request to the worker is cut at so many operations, so that one flood does not make one endless commit. */
const operationsPerRequest = 512;
const recentEvents = 4096;
const recentBytes = 4 * 1024 * 1024;
const expiryRetryMs = 5_000;

/**
 * The default store: one SQLite file, written by one worker thread. This side gathers what is asked in one turn of the event
 * loop into one message, and turns the worker's answers into watch events. An answer stands for one commit: first its events
 * go to the watches, then its writes are resolved, so that a cache behind a watch shows a writer its own write.
 * Values that are handed over must not be changed afterwards: watches get the very same bytes.
 */
export class SqliteDatastore implements Datastore {
  readonly #options: SqliteDatastoreOptions;
  readonly #hub: WatchHub;
  #worker: Worker | undefined;
  #opened: Deferred<OpenAnswer> | undefined;
  readonly #exited = deferred();

  /** Gathered in this turn, not sent yet. */
  #outbox: Operation[] = [];
  #flushScheduled = false;
  /** Sent, in the order of their answers. */
  #sent: Operation[] = [];
  #sentHead = 0;
  readonly #controls = new Map<number, Deferred<unknown>>();
  #controlId = 0;

  #state: 'new' | 'open' | 'closing' | 'failed' = 'new';
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;
  readonly #running = new Set<Promise<unknown>>();
  #idle: Deferred<void> | undefined;

  #expiryTimer: Disposable | undefined;
  #expiryDueMs = Infinity;

  constructor(options: SqliteDatastoreOptions) {
    this.#options = options;
    this.#hub = new WatchHub({
      maximumEvents: recentEvents,
      maximumBytes: recentBytes,
      readHistory: (prefix, afterRevision) => this.#readHistory(prefix, afterRevision),
      onListenerError: error => options.logger.error('a watch listener failed and was ended', { error }),
    });
  }

  get file(): string {
    return join(this.#options.directory, 'state.db');
  }

  async open(): Promise<void> {
    if (this.#state !== 'new') throw datastoreError('DATASTORE_CLOSED', 'the datastore was opened before');
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    const workerData: EngineOptions = { file: this.file, quotaBytes: this.#options.quotaBytes ?? 0 };
    this.#opened = deferred<OpenAnswer>();
    this.#worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), {
      workerData,
      name: 'sqlite',
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    this.#worker.on('message', (answer: Answer) => this.#receive(answer));
    this.#worker.on('error', error =>
      this.#fail(datastoreError('DATASTORE_UNAVAILABLE', 'the datastore worker failed', { cause: error })),
    );
    this.#worker.on('exit', () => {
      if (this.#state !== 'closing' || this.#inFlight > 0 || this.#controls.size > 0) {
        this.#fail(datastoreError('DATASTORE_UNAVAILABLE', 'the datastore worker has ended'));
      }
      this.#exited.resolve();
    });
    const opened = await this.#opened.promise;
    if (opened.failure) {
      this.#state = 'failed';
      this.#failure = toError(opened.failure);
      await this.#exited.promise;
      throw this.#failure;
    }
    if (opened.lostThrough > 0) {
      this.#options.logger.info('revisions were skipped after an unclean stop', { revision: opened.revision });
    }
    this.#hub.start(opened.revision);
    this.#state = 'open';
    if (opened.nextExpiryMs > 0) this.#armExpiry(opened.nextExpiryMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const wasOpen = this.#state === 'open';
    if (this.#state !== 'failed') this.#state = 'closing';
    void this.#expiryTimer?.dispose();
    if (wasOpen) {
      await Promise.allSettled([...this.#running]);
      if (this.#inFlight > 0) {
        this.#idle = deferred();
        await this.#idle.promise;
      }
      this.#hub.end(undefined);
      const closed = this.#sendControl('close', 0);
      await this.#exited.promise;
      await closed;
    } else if (this.#worker) {
      await this.#worker.terminate();
    }
    this.#hub.end(undefined);
  }

  currentRevision(): Promise<number> {
    // Nobody can have seen more than what came back from the worker.
    return this.#refusal() ?? Promise.resolve(this.#hub.revision);
  }

  get(key: string, options: { revision?: number } = {}): Promise<KeyValue | undefined> {
    return this.#read(operation.get, key, { revision: options.revision });
  }

  list(prefix: string, range: ListRange = {}): Promise<ListPage> {
    return this.#refusal() ?? this.#track(this.#list(prefix, range));
  }

  async #list(prefix: string, range: ListRange): Promise<ListPage> {
    const first = await this.#read<ListPage>(operation.list, prefix, range);
    const items = [...first.items];
    let page = first;
    // The worker cuts pages at a number of bytes: the rest is fetched at the same revision.
    while (page.more && (range.limit === undefined || items.length < range.limit)) {
      page = await this.#send<ListPage>(operation.list, prefix, {
        after: page.items.at(-1)!.key,
        limit: range.limit === undefined ? undefined : range.limit - items.length,
        revision: first.revision,
      });
      for (const item of page.items) items.push(item);
    }
    return { revision: first.revision, items, more: page.more };
  }

  count(prefix: string): Promise<number> {
    return this.#read(operation.count, prefix, {});
  }

  create(key: string, value: Uint8Array, options?: WriteOptions): Promise<number> {
    return this.#write(operation.create, key, { value, expectedRevision: 0, options });
  }

  update(key: string, value: Uint8Array, expectedRevision: number, options?: WriteOptions): Promise<number> {
    return this.#write(operation.update, key, { value, expectedRevision, options });
  }

  delete(key: string, expectedRevision: number): Promise<number> {
    return this.#write(operation.remove, key, { expectedRevision });
  }

  watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable {
    if (this.#state !== 'open') {
      queueMicrotask(() => listener.end(this.#refusalError()));
      return { dispose: () => undefined };
    }
    return this.#hub.watch(prefix, afterRevision, listener);
  }

  /** Every commit is reported at once: there is nothing to ask for. */
  requestProgress(): void {}

  compact(revision: number): Promise<void> {
    return this.#refusal() ?? this.#track(this.#compact(revision));
  }

  async #compact(revision: number): Promise<void> {
    let step: CompactStep;
    do {
      step = (await this.#sendControl('compact', revision)) as CompactStep;
      this.#hub.forget(step.compactedRevision);
    } while (!step.done);
  }

  size(): Promise<{ totalBytes: number; usedBytes: number }> {
    return this.#control('size') as Promise<{ totalBytes: number; usedBytes: number }>;
  }

  defragment(): Promise<void> {
    return this.#refusal() ?? this.#track(this.#defragment());
  }

  async #defragment(): Promise<void> {
    while (!(await this.#sendControl('vacuum', 0)));
  }

  backup(path: string): Promise<void> {
    return this.#control('backup', path) as Promise<void>;
  }

  checkIntegrity(): Promise<string[]> {
    return this.#control('integrity') as Promise<string[]>;
  }

  #write(
    kind: WriteOperation['kind'],
    key: string,
    write: { value?: Uint8Array; expectedRevision: number; options?: WriteOptions },
  ): Promise<number> {
    if (this.#state !== 'open') return this.#refusal()!;
    const { value, expectedRevision, options } = write;
    let expiresAtMs = 0;
    if (options?.timeToLiveSeconds) {
      expiresAtMs = this.#options.clock.now() + Math.ceil(options.timeToLiveSeconds * 1000);
      this.#armExpiry(expiresAtMs);
    }
    const previous = kind === operation.update ? this.#hub.recent(expectedRevision) : undefined;
    const previousValue = previous?.key === key ? previous.value : undefined;
    const relaxed = options?.relaxed === true;
    return new Promise((resolve, reject) => {
      this.#enqueue({ kind, key, value, expectedRevision, expiresAtMs, relaxed, previousValue, resolve, reject });
    });
  }

  #read<T>(kind: ReadOperation['kind'], key: string, range: ListRange): Promise<T> {
    return this.#refusal() ?? this.#send<T>(kind, key, range);
  }

  #send<T>(kind: ReadOperation['kind'], key: string, range: ListRange): Promise<T> {
    if (this.#state === 'failed') return Promise.reject(this.#refusalError());
    const { revision = 0, after = '', limit = -1 } = range;
    return new Promise<T>((resolve, reject) => {
      this.#enqueue({ kind, key, revision, after, limit, resolve, reject });
    });
  }

  #readHistory(prefix: string, afterRevision: number): Promise<HistoryChunk> {
    return this.#read(operation.history, prefix, { revision: afterRevision });
  }

  #enqueue(asked: Operation): void {
    this.#outbox.push(asked);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    const outbox = this.#outbox;
    this.#outbox = [];
    for (let at = 0; at < outbox.length; at += operationsPerRequest) {
      const part = outbox.length <= operationsPerRequest ? outbox : outbox.slice(at, at + operationsPerRequest);
      const request = encodeBatch(part);
      for (const each of part) this.#sent.push(each);
      this.#worker!.postMessage(request, [request.values]);
    }
  };

  get #inFlight(): number {
    return this.#outbox.length + this.#sent.length - this.#sentHead;
  }

  #receive(answer: Answer): void {
    if (answer.type === 'batch') this.#receiveBatch(answer);
    else if (answer.type === 'control') this.#receiveControl(answer);
    else this.#opened!.resolve(answer);
  }

  #receiveBatch(answer: BatchAnswer): void {
    const end = this.#sentHead + answer.count;
    const answered = this.#sent.slice(this.#sentHead, end);
    this.#sentHead = end;
    if (end === this.#sent.length) {
      this.#sent = [];
      this.#sentHead = 0;
    } else if (end > 4096) {
      this.#sent = this.#sent.slice(end);
      this.#sentHead = 0;
    }
    const decoded = decodeBatch(answer, answered);
    this.#hub.publish(decoded.events);
    decoded.settle();
    if (answer.fatal) this.#fail(toError(answer.fatal));
    if (this.#idle && this.#inFlight === 0) this.#idle.resolve();
  }

  #receiveControl(answer: ControlAnswer): void {
    const waiting = this.#controls.get(answer.id);
    this.#controls.delete(answer.id);
    if (answer.failure) waiting?.reject(toError(answer.failure));
    else waiting?.resolve(answer.value);
  }

  #control(name: ControlName, argument: number | string = 0): Promise<unknown> {
    return this.#refusal() ?? this.#track(this.#sendControl(name, argument));
  }

  #sendControl(name: ControlName, argument: number | string): Promise<unknown> {
    if (this.#state === 'failed') return Promise.reject(this.#refusalError());
    // What was asked before comes first.
    if (this.#outbox.length > 0) this.#flush();
    const waiting = deferred<unknown>();
    const id = ++this.#controlId;
    this.#controls.set(id, waiting);
    this.#worker!.postMessage({ type: 'control', id, name, argument });
    return waiting.promise;
  }

  /** Lets `close` wait for what takes more than one message. */
  #track<T>(running: Promise<T>): Promise<T> {
    this.#running.add(running);
    const forget = (): void => void this.#running.delete(running);
    running.then(forget, forget);
    return running;
  }

  /** Wakes at the first full second at or behind the earliest expiry. */
  #armExpiry(atMs: number): void {
    const dueMs = Math.ceil(atMs / 1000) * 1000;
    if (dueMs >= this.#expiryDueMs || this.#state === 'closing' || this.#state === 'failed') return;
    void this.#expiryTimer?.dispose();
    this.#expiryDueMs = dueMs;
    this.#expiryTimer = this.#options.clock.setTimer(Math.max(0, dueMs - this.#options.clock.now()), () => this.#expire());
  }

  #expire(): void {
    this.#expiryDueMs = Infinity;
    if (this.#state !== 'open') return;
    new Promise<number>((resolve, reject) => {
      this.#enqueue({ kind: operation.expire, nowMs: this.#options.clock.now(), resolve, reject });
    }).then(
      nextExpiryMs => nextExpiryMs > 0 && this.#armExpiry(nextExpiryMs),
      (error: unknown) => {
        this.#options.logger.warn('expired keys could not be removed', { error });
        this.#armExpiry(this.#options.clock.now() + expiryRetryMs);
      },
    );
  }

  #refusal(): Promise<never> | undefined {
    return this.#state === 'open' ? undefined : Promise.reject(this.#refusalError());
  }

  #refusalError(): Error {
    if (this.#failure) return this.#failure;
    return datastoreError(
      'DATASTORE_CLOSED',
      this.#state === 'new' ? 'the datastore is not open yet' : 'the datastore is closed',
    );
  }

  /** The worker is gone or its disk failed: nothing that is under way can be answered. */
  #fail(error: Error): void {
    this.#opened?.reject(error);
    if (this.#failure) return;
    const wasOpen = this.#state === 'open';
    if (this.#state !== 'closing') this.#state = 'failed';
    this.#failure = error;
    void this.#expiryTimer?.dispose();
    const lost = [...this.#sent.slice(this.#sentHead), ...this.#outbox];
    this.#sent = [];
    this.#sentHead = 0;
    this.#outbox = [];
    this.#hub.end(error);
    for (const each of lost) each.reject(error);
    for (const waiting of this.#controls.values()) waiting.reject(error);
    this.#controls.clear();
    this.#idle?.resolve();
    if (wasOpen) this.#options.onFailure?.(error);
  }
}
