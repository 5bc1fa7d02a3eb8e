import { DatastoreCompacted, DatastoreConflict, datastoreError } from 'k3s-ts/plugin';
import type { DatastoreEvent, KeyValue, ListPage, ListRange } from 'k3s-ts/plugin';

/** One change and what it takes to undo it. Times are milliseconds since the epoch, 0 for never. */
export interface Change {
  readonly event: DatastoreEvent;
  readonly expiresAtMs: number;
  readonly previous: KeyValue | undefined;
  readonly previousExpiresAtMs: number;
}

/**
 * The values of now and every change since the last compaction. Nothing in here waits: whoever calls it decides when a change is
 * committed and told.
 */
export class History {
  readonly #values = new Map<string, KeyValue>();
  readonly #expiries = new Map<string, number>();
  /** In the order of their UTF-8 bytes. */
  readonly #keys: string[] = [];
  /** The change with revision N is at N - compacted - 1. */
  #changes: Change[] = [];
  #compacted: number;
  #revision: number;

  constructor(compacted = 1) {
    this.#compacted = compacted;
    this.#revision = compacted;
  }

  get revision(): number {
    return this.#revision;
  }

  get compacted(): number {
    return this.#compacted;
  }

  get(key: string, revision = this.#revision): KeyValue | undefined {
    this.#check(revision);
    for (let at = revision - this.#compacted; at < this.#changes.length; at++) {
      if (this.#changes[at]!.event.key === key) return this.#changes[at]!.previous;
    }
    return this.#values.get(key);
  }

  list(prefix: string, { after = '', limit = Infinity, revision = this.#revision }: ListRange = {}): ListPage {
    this.#check(revision);
    const values = new Map<string, KeyValue>();
    for (const key of this.#range(prefix)) values.set(key, this.#values.get(key)!);
    for (let at = this.#changes.length - 1; at >= revision - this.#compacted; at--) {
      const { event, previous } = this.#changes[at]!;
      if (!event.key.startsWith(prefix)) continue;
      if (previous) values.set(event.key, previous);
      else values.delete(event.key);
    }
    let items = [...values.values()];
    if (revision < this.#revision) items.sort((left, right) => compareKeys(left.key, right.key));
    if (after !== '') items = items.filter(item => compareKeys(item.key, after) > 0);
    return { revision, items: items.slice(0, limit), more: items.length > limit };
  }

  count(prefix: string): number {
    return this.#range(prefix).length;
  }

  /** `expectedRevision` undefined: the key must not exist. Throws DatastoreConflict. */
  put(key: string, value: Uint8Array, expectedRevision: number | undefined, expiresAtMs: number): Change {
    const previous = this.#values.get(key);
    if (previous?.modRevision !== expectedRevision) throw new DatastoreConflict(key, previous);
    const revision = this.#revision + 1;
    const event: DatastoreEvent = previous
      ? { type: 'put', key, revision, value, createRevision: previous.createRevision, previousValue: previous.value }
      : { type: 'put', key, revision, value, createRevision: revision };
    return this.apply(event, expiresAtMs);
  }

  /** Throws DatastoreConflict. */
  remove(key: string, expectedRevision: number): Change {
    const previous = this.#values.get(key);
    if (!previous || previous.modRevision !== expectedRevision) throw new DatastoreConflict(key, previous);
    return this.apply({ type: 'delete', key, revision: this.#revision + 1, previousValue: previous.value }, 0);
  }

  /** Takes over a change that has its revision already. */
  apply(event: DatastoreEvent, expiresAtMs: number): Change {
    const { type, key, revision, value, createRevision } = event;
    const previous = this.#values.get(key);
    const change: Change = { event, expiresAtMs, previous, previousExpiresAtMs: this.#expiries.get(key) ?? 0 };
    if (type === 'put') this.#set({ key, value: value!, createRevision: createRevision!, modRevision: revision }, expiresAtMs);
    else this.#unset(key);
    this.#revision = revision;
    this.#changes.push(change);
    return change;
  }

  /** Takes the newest change back, which nobody may have seen. */
  undo({ event, previous, previousExpiresAtMs }: Change): void {
    this.#changes.pop();
    this.#revision = event.revision - 1;
    if (previous) this.#set(previous, previousExpiresAtMs);
    else this.#unset(event.key);
  }

  /** A value from before the kept history, for one that is being built up. */
  restore(item: KeyValue, expiresAtMs: number): void {
    this.#set(item, expiresAtMs);
  }

  compact(revision: number): void {
    if (revision <= this.#compacted) return;
    this.#changes = this.#changes.slice(revision - this.#compacted);
    this.#compacted = revision;
  }

  /** Changes above `afterRevision` up to `through`. Throws DatastoreCompacted. */
  since(afterRevision: number, through: number): Change[] {
    if (afterRevision < this.#compacted) throw new DatastoreCompacted(afterRevision, this.#compacted);
    return this.#changes.slice(afterRevision - this.#compacted, Math.max(0, through - this.#compacted));
  }

  /** The values as they were at the compacted revision: with `since(compacted)` all there is. */
  *base(): Generator<{ item: KeyValue; expiresAtMs: number }> {
    const changed = new Map<string, Change>();
    for (const change of this.#changes) if (!changed.has(change.event.key)) changed.set(change.event.key, change);
    for (const { previous, previousExpiresAtMs } of changed.values()) {
      if (previous) yield { item: previous, expiresAtMs: previousExpiresAtMs };
    }
    for (const [key, item] of this.#values) {
      if (!changed.has(key)) yield { item, expiresAtMs: this.#expiries.get(key) ?? 0 };
    }
  }

  /** Keys whose time is over. */
  due(nowMs: number): KeyValue[] {
    return [...this.#expiries].filter(([, atMs]) => atMs <= nowMs).map(([key]) => this.#values.get(key)!);
  }

  nextExpiryMs(): number | undefined {
    let next = Infinity;
    for (const atMs of this.#expiries.values()) next = Math.min(next, atMs);
    return next === Infinity ? undefined : next;
  }

  /** Of keys and values, old ones included. */
  bytes(): number {
    let bytes = 0;
    for (const { key, value } of this.#values.values()) bytes += key.length + value.byteLength;
    for (const { previous } of this.#changes) if (previous) bytes += previous.key.length + previous.value.byteLength;
    return bytes;
  }

  /** Throws where the revision cannot be read. */
  #check(revision: number): void {
    if (revision > this.#revision) throw futureRevision(revision, this.#revision);
    if (revision < this.#compacted) throw new DatastoreCompacted(revision, this.#compacted);
  }

  #set(item: KeyValue, expiresAtMs: number): void {
    if (!this.#values.has(item.key)) this.#keys.splice(this.#lowerBound(item.key), 0, item.key);
    this.#values.set(item.key, item);
    if (expiresAtMs > 0) this.#expiries.set(item.key, expiresAtMs);
    else this.#expiries.delete(item.key);
  }

  #unset(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#lowerBound(key), 1);
    this.#expiries.delete(key);
  }

  #range(prefix: string): string[] {
    const from = this.#lowerBound(prefix);
    let to = from;
    while (to < this.#keys.length && this.#keys[to]!.startsWith(prefix)) to++;
    return this.#keys.slice(from, to);
  }

  /** The index of the first key at or above `key`. */
  #lowerBound(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle]!, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function futureRevision(revision: number, now: number): Error {
  return datastoreError('DATASTORE_FUTURE_REVISION', `revision ${revision} is not reached yet (now: ${now})`);
}

/** By UTF-8 bytes; JavaScript's own order is that of UTF-16. */
function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
