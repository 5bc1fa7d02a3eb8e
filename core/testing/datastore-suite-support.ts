import assert from 'node:assert/strict';
import type { Datastore, DatastoreEvent, KeyValue, WatchListener } from '../contracts/datastore.js';
import type { Disposable } from '../plugin-api/index.js';

/** A store under test, already open. */
export interface StoreUnderTest {
  readonly store: Datastore;
  /** Closes the store and opens what it left; absent for stores that keep nothing. */
  reopen?(): Promise<Datastore>;
  /** Moves the store's clock; absent: real time is waited for. */
  advanceTime?(byMs: number): Promise<void>;
  /** A file name that does not exist yet, for a backup; absent: the store must refuse backups. */
  backupPath?(): string;
  /** Opens a backup as a store of the same kind; absent: what is in it is not looked at. */
  openBackup?(path: string): Promise<Datastore>;
  dispose(): Promise<void> | void;
}

export type Case = (name: string, body: (subject: StoreUnderTest) => Promise<void>) => void;

/** How long the suite waits for what an engine promises to do soon. */
const patienceMs = 5000;

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value && Buffer.from(value).toString();
}

export async function assertSound(store: Datastore): Promise<void> {
  assert.equal((await store.checkIntegrity()).join('; '), '');
}

export interface ConflictError extends Error {
  readonly current: KeyValue | undefined;
}

export function shown(item: KeyValue | undefined): unknown {
  return item && { ...item, value: text(item.value) };
}

/** An event with readable values and without absent fields. */
export function plain(event: DatastoreEvent): Record<string, unknown> {
  const { type, key, revision, value, createRevision, previousValue } = event;
  return {
    type,
    key,
    revision,
    ...(value && { value: text(value) }),
    ...(createRevision !== undefined && { createRevision }),
    ...(previousValue && { previousValue: text(previousValue) }),
  };
}

/** Listens to a watch and checks on every call what every watch must keep: order, bounds and no calls after the end. */
export class Recorder implements WatchListener {
  readonly events: DatastoreEvent[] = [];
  readonly faults: string[] = [];
  /** Told on every batch, synchronously. */
  onBatch: ((events: readonly DatastoreEvent[], revision: number) => void) | undefined;
  revision: number;
  ended = false;
  error: Error | undefined;
  readonly #prefix: string;
  readonly #subscription: Disposable;
  #disposed = false;
  #wakes: (() => void)[] = [];

  constructor(store: Datastore, prefix: string, afterRevision: number) {
    this.revision = afterRevision;
    this.#prefix = prefix;
    this.#subscription = store.watch(prefix, afterRevision, this);
  }

  batch(events: readonly DatastoreEvent[], revision: number): void {
    if (this.ended || this.#disposed) this.faults.push('batch after the end');
    if (revision < this.revision) this.faults.push(`progress went back from ${this.revision} to ${revision}`);
    let last = this.revision;
    for (const event of events) {
      if (event.revision <= last) this.faults.push(`event ${event.revision} after ${last}`);
      if (event.revision > revision) this.faults.push(`event ${event.revision} above its batch's revision ${revision}`);
      if (!event.key.startsWith(this.#prefix)) this.faults.push(`event for ${event.key} in a watch of ${this.#prefix}`);
      last = event.revision;
      this.events.push(event);
    }
    this.revision = Math.max(this.revision, revision);
    this.onBatch?.(events, revision);
    this.#wake();
  }

  end(error: Error | undefined): void {
    if (this.ended) this.faults.push('ended twice');
    this.ended = true;
    this.error = error;
    this.#wake();
  }

  dispose(): void {
    this.#disposed = true;
    void this.#subscription.dispose();
  }

  /** Waits until nothing up to `revision` can be missing any more. */
  async reached(revision: number): Promise<this> {
    await this.#until(() => this.revision >= revision || this.ended, `a watch at ${revision}`);
    assert.deepEqual(this.faults, []);
    assert.ok(this.revision >= revision, `the watch ended (${this.error?.message}) at ${this.revision} before ${revision}`);
    return this;
  }

  async finished(): Promise<this> {
    await this.#until(() => this.ended, 'the end of a watch');
    assert.deepEqual(this.faults, []);
    return this;
  }

  plain(): Record<string, unknown>[] {
    return this.events.map(plain);
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const giveUp = AbortSignal.timeout(patienceMs);
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        this.#wakes.push(resolve);
        giveUp.addEventListener('abort', () => reject(new Error(`waited in vain for ${what}, got to ${this.revision}`)), {
          once: true,
        });
      });
    }
  }

  #wake(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }
}

/** What the store must show at every revision, kept the simple way. */
export class Model {
  readonly events: Record<string, unknown>[] = [];
  readonly #states = new Map<number, ReadonlyMap<string, { value: string; createRevision: number; modRevision: number }>>();
  #state = new Map<string, { value: string; createRevision: number; modRevision: number }>();

  constructor(readonly firstRevision: number) {
    this.#states.set(firstRevision, new Map());
  }

  put(key: string, value: string, revision: number): void {
    const before = this.#state.get(key);
    const createRevision = before?.createRevision ?? revision;
    this.#change(state => state.set(key, { value, createRevision, modRevision: revision }), revision);
    const event = { type: 'put', key, revision, value, createRevision };
    this.events.push(before ? { ...event, previousValue: before.value } : event);
  }

  remove(key: string, revision: number): void {
    const before = this.#state.get(key)!;
    this.#change(state => state.delete(key), revision);
    this.events.push({ type: 'delete', key, revision, previousValue: before.value });
  }

  current(key: string): { value: string; modRevision: number } | undefined {
    return this.#state.get(key);
  }

  get revisions(): number[] {
    return [...this.#states.keys()];
  }

  list(prefix: string, revision: number): unknown[] {
    return [...this.#states.get(revision)!]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, item]) => ({ key, ...item }))
      .sort((left, right) => Buffer.compare(Buffer.from(left.key), Buffer.from(right.key)));
  }

  #change(
    edit: (state: Map<string, { value: string; createRevision: number; modRevision: number }>) => void,
    revision: number,
  ): void {
    this.#state = new Map(this.#state);
    edit(this.#state);
    this.#states.set(revision, this.#state);
  }
}

/** A small seeded generator (mulberry32): the same choices in every run. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Random creates, updates and removals of few keys, one after the other, mirrored in a model. */
export async function randomHistory(store: Datastore, steps: number, seed: number): Promise<Model> {
  const random = seededRandom(seed);
  const model = new Model(await store.currentRevision());
  for (let step = 0; step < steps; step++) {
    const key = `/model/${['pods', 'nodes'][random(2)]}/${random(8)}`;
    const value = `step ${step}`;
    const current = model.current(key);
    if (!current) model.put(key, value, await store.create(key, bytes(value)));
    else if (random(3) > 0) model.put(key, value, await store.update(key, bytes(value), current.modRevision));
    else model.remove(key, await store.delete(key, current.modRevision));
  }
  return model;
}
