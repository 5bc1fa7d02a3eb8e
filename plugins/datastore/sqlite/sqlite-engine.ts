import type Database from 'better-sqlite3';
import { compareKeys, prefixEnd } from '../sql-common/key-range.js';
import { isFatal, toFailure } from './sqlite-failure.js';
import { number, openDatabase } from './sqlite-format.js';
import type { BatchAnswer, BatchRequest, EngineOptions, Failure, Flat } from './sqlite-protocol.js';
import { SlabWriter, operation, result, writeFlag } from './sqlite-protocol.js';

/** Revisions that are promised to the disk ahead of writes that are answered before it has them. */
const reservedRevisions = 10_000;
const historyEvents = 1000;
const historyBytes = 4 * 1024 * 1024;
const expiredAtOnce = 500;

/** Text is below every blob in SQLite's order: the bound behind the last key. */
const aboveAllKeys = Buffer.alloc(0);

type Bound = string | Buffer;
type Value = Buffer;

/**
 * The store's logic on one SQLite connection; synchronous, knows nothing of threads.
 * One call of `apply` is one transaction. Invariants: `revision` is the newest revision that was committed or is lost;
 * `log` holds every change above `compacted`, and `version` every value that `state` or `log` names.
 */
export class SqliteEngine {
  readonly database: Database.Database;
  readonly file: string;
  readonly #statements: Statements;
  #revision = 1;
  #compacted = 0;
  #reserved = 0;
  #lostThrough = 0;
  #synchronous: 'FULL' | 'NORMAL' = 'FULL';
  #fatal: Failure | undefined;

  private constructor(database: Database.Database, file: string) {
    this.database = database;
    this.file = file;
    this.#statements = prepareStatements(database);
  }

  /** Throws SQLite's errors and EngineErrors: translate them with `toFailure`. */
  static open(options: EngineOptions): SqliteEngine {
    const database = openDatabase(options);
    try {
      const engine = new SqliteEngine(database, options.file);
      engine.#recover();
      return engine;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  /** The last revision that may have been seen and is not on the disk; 0 when there is none. */
  get lostThrough(): number {
    return this.#lostThrough;
  }

  nextExpiryMs(): number {
    return number(this.#statements.nextExpiry.get() ?? 0);
  }

  /**
   * Everything is on the disk afterwards, and the next start need not skip revisions. On a full disk it is a stop as any other that
   * was not finished: the log has all that was acknowledged.
   */
  close(): void {
    if (!this.database.open) return;
    try {
      if (!this.#fatal) {
        this.setSynchronous('FULL');
        if (this.#reserved > 0) this.#statements.setMeta.run(0, 'reserved');
        this.database.pragma('wal_checkpoint(TRUNCATE)');
      }
    } catch (error) {
      if (toFailure(error, this.file).code !== 'DATASTORE_FULL') throw error;
    } finally {
      this.database.close();
    }
  }

  setSynchronous(mode: 'FULL' | 'NORMAL'): void {
    if (mode === this.#synchronous) return;
    this.database.pragma(`synchronous = ${mode}`);
    this.#synchronous = mode;
  }

  noteCompacted(revision: number): void {
    this.#compacted = revision;
  }

  /** After an unclean stop the counter goes on above all that writes answered before their sync may have shown. */
  #recover(): void {
    const { getMeta, setMeta, lastLogged, lastLost, addLost } = this.#statements;
    this.#compacted = number(getMeta.get('compacted'));
    const reserved = number(getMeta.get('reserved'));
    this.#lostThrough = number(lastLost.get() ?? 0);
    const last = Math.max(1, number(lastLogged.get() ?? 0), this.#compacted, this.#lostThrough);
    this.#revision = last;
    if (reserved === 0) return;
    this.database.transaction(() => {
      if (reserved > last) {
        addLost.run(last + 1, reserved + 1);
        this.#revision = reserved + 1;
        this.#lostThrough = reserved + 1;
      }
      setMeta.run(0, 'reserved');
    })();
  }

  /** Runs the operations of the requests in one transaction and answers them in order. Never throws. */
  apply(requests: readonly BatchRequest[]): BatchAnswer {
    let durable = false;
    let writes = 0;
    let count = 0;
    for (const request of requests) {
      count += request.count;
      durable ||= request.durable;
      writes += request.writes;
    }
    if (this.#fatal) return this.#failed(this.#fatal, count);
    const before = { revision: this.#revision, reserved: this.#reserved };
    const batch: Batch = { results: [], slabs: new SlabWriter(), failures: [] };
    try {
      // A write that may be lost must not hand out a revision that the disk does not know to be taken.
      const reserve = writes > 0 && !durable && this.#revision + writes > this.#reserved;
      if (writes > 0) this.setSynchronous(durable || reserve ? 'FULL' : 'NORMAL');
      this.#statements.begin.run();
      if (reserve) {
        this.#reserved = this.#revision + writes + reservedRevisions;
        this.#statements.setMeta.run(this.#reserved, 'reserved');
      }
      for (const request of requests) this.#run(request, batch);
      this.#statements.commit.run();
      const { results, slabs, failures } = batch;
      return { type: 'batch', results, slabs: slabs.finish(), failures, fatal: undefined, count };
    } catch (error) {
      this.#revision = before.revision;
      this.#reserved = before.reserved;
      const failure = toFailure(error, this.file);
      if (writes > 0 && isFatal(error)) this.#fatal = failure;
      try {
        if (this.database.inTransaction) this.database.exec('rollback');
      } catch (rollbackError) {
        this.#fatal ??= toFailure(rollbackError, this.file);
      }
      return this.#failed(failure, count);
    }
  }

  #failed(failure: Failure, count: number): BatchAnswer {
    const results: Flat = [];
    for (let index = 0; index < count; index++) results.push(result.failed, 0);
    return { type: 'batch', results, slabs: [], failures: [failure], fatal: this.#fatal, count };
  }

  #run(request: BatchRequest, batch: Batch): void {
    const input = new OperationReader(request);
    while (input.hasMore()) {
      const kind = input.number();
      if (kind === operation.create) this.#create(input, batch);
      else if (kind === operation.update) this.#update(input, batch);
      else if (kind === operation.remove) this.#removeKey(input, batch);
      else if (kind === operation.expire) this.#expire(input, batch);
      else this.#read(kind, input, batch);
    }
  }

  #create(input: OperationReader, batch: Batch): void {
    const key = input.text();
    const expires = input.number();
    input.number();
    const value = input.value();
    const revision = this.#revision + 1;
    if (this.#statements.insertState.run(key, revision, revision, expires || null).changes === 0)
      return this.#conflict(key, batch);
    this.#statements.insertVersion.run(revision, value);
    this.#statements.insertLog.run(revision, key, 0, revision, 0);
    this.#revision = revision;
    batch.results.push(result.done, revision);
  }

  #update(input: OperationReader, batch: Batch): void {
    const key = input.text();
    const expected = input.number();
    const expires = input.number();
    const flags = input.number();
    const value = input.value();
    const revision = this.#revision + 1;
    const created = this.#statements.updateState.get(revision, expires || null, key, expected);
    if (created === undefined) return this.#conflict(key, batch);
    this.#statements.insertVersion.run(revision, value);
    this.#statements.insertLog.run(revision, key, expected, created, 0);
    this.#revision = revision;
    batch.results.push(result.done, revision, created);
    if (flags & writeFlag.previousKnown) batch.results.push(-1);
    else this.#pushValue(expected, batch);
  }

  #removeKey(input: OperationReader, batch: Batch): void {
    const key = input.text();
    const expected = input.number();
    const created = this.#statements.deleteState.get(key, expected);
    if (created === undefined) return this.#conflict(key, batch);
    const revision = ++this.#revision;
    this.#statements.insertLog.run(revision, key, expected, created, 1);
    batch.results.push(result.done, revision);
    this.#pushValue(expected, batch);
  }

  #expire(input: OperationReader, batch: Batch): void {
    const rows = this.#statements.expired.all(input.number(), expiredAtOnce);
    const removed: Flat = [];
    for (const [key, modRevision, created] of rows) {
      this.#statements.deleteState.get(key, modRevision);
      const revision = ++this.#revision;
      this.#statements.insertLog.run(revision, key, modRevision, created, 1);
      const value = this.#value(modRevision);
      batch.slabs.add(value);
      removed.push(key, revision, value.byteLength);
    }
    batch.results.push(result.done, this.nextExpiryMs(), rows.length, ...removed);
  }

  #conflict(key: string, batch: Batch): void {
    const current = this.#statements.getState.get(key);
    batch.results.push(result.conflict);
    if (!current) batch.results.push(0, 0, 0);
    else {
      batch.results.push(current[0], current[1]);
      this.#pushValue(current[0], batch);
    }
  }

  /** A read that fails, fails alone: the writes beside it go on as long as the transaction lives. */
  #read(kind: number, input: OperationReader, batch: Batch): void {
    const own: Batch = { results: [], slabs: batch.slabs, failures: batch.failures };
    const values: Value[] = [];
    try {
      if (kind === operation.get) this.#get(input, own, values);
      else if (kind === operation.list) this.#list(input, own, values);
      else if (kind === operation.count) this.#count(input, own);
      else if (kind === operation.history) this.#history(input, own, values);
      else throw new RangeError(`unknown operation ${kind}`);
    } catch (error) {
      if (!this.database.inTransaction || error instanceof RangeError) throw error;
      batch.results.push(result.failed, batch.failures.length);
      batch.failures.push(toFailure(error, this.file));
      return;
    }
    for (const value of values) batch.slabs.add(value);
    for (const each of own.results) batch.results.push(each);
  }

  #get(input: OperationReader, batch: Batch, values: Value[]): void {
    const key = input.text();
    const revision = input.number();
    if (revision !== 0 && !this.#checkRevision(revision, batch)) return;
    const current = this.#statements.getState.get(key);
    let [modRevision, created] = current ?? [0, 0];
    if (revision !== 0 && revision < this.#revision) {
      const undone = this.#statements.firstChange.get(key, revision);
      if (undone) [modRevision, created] = undone;
    }
    batch.results.push(result.done, modRevision);
    if (modRevision === 0) return void batch.results.push(0, 0);
    const value = this.#value(modRevision);
    values.push(value);
    batch.results.push(created, value.byteLength);
  }

  #list(input: OperationReader, batch: Batch, values: Value[]): void {
    const prefix = input.text();
    const after = input.text();
    const limit = input.number();
    const asked = input.number();
    const byteLimit = input.number();
    if (asked !== 0 && !this.#checkRevision(asked, batch)) return;
    const revision = asked || this.#revision;
    // The first key above `after` is `after` with the lowest character behind it.
    const from = after >= prefix && after !== '' ? `${after}\u0000` : prefix;
    const to: Bound = prefixEnd(prefix) ?? aboveAllKeys;
    const rows = revision < this.#revision ? this.#rowsAt(revision, from, to) : this.#statements.rows.iterate(from, to);
    const items: Flat = [];
    let bytes = 0;
    let more = 0;
    for (const [key, modRevision, created] of rows) {
      if (values.length === limit || bytes >= byteLimit) {
        more = 1;
        break;
      }
      const value = this.#value(modRevision);
      values.push(value);
      bytes += value.byteLength + key.length;
      items.push(key, modRevision, created, value.byteLength);
    }
    batch.results.push(result.done, revision, more, values.length);
    for (const each of items) batch.results.push(each);
  }

  /** The keys as they were: those of now, with every change above `revision` undone. Costs as much as was changed since. */
  *#rowsAt(revision: number, from: string, to: Bound): Generator<StateRow> {
    const undone = this.#statements.firstChanges.all(revision, from, to);
    let at = 0;
    for (const row of this.#statements.rows.iterate(from, to)) {
      const order = (): number => (at < undone.length ? compareKeys(undone[at]![0], row[0]) : 1);
      let compared = order();
      for (; compared < 0; at++, compared = order()) {
        if (undone[at]![1] !== 0) yield undone[at]!;
      }
      if (compared > 0) yield row;
      else {
        if (undone[at]![1] !== 0) yield undone[at]!;
        at++;
      }
    }
    for (; at < undone.length; at++) if (undone[at]![1] !== 0) yield undone[at]!;
  }

  #count(input: OperationReader, batch: Batch): void {
    const prefix = input.text();
    batch.results.push(result.done, number(this.#statements.count.get(prefix, prefixEnd(prefix) ?? aboveAllKeys)));
  }

  #history(input: OperationReader, batch: Batch, values: Value[]): void {
    const prefix = input.text();
    const after = input.number();
    if (!this.#checkRevision(after, batch)) return;
    const rows = this.#statements.changes.iterate(after, prefix, prefixEnd(prefix) ?? aboveAllKeys);
    const items: Flat = [];
    let bytes = 0;
    let count = 0;
    let through = this.#revision;
    let last = after;
    for (const [revision, key, previous, created, removed] of rows) {
      if (count === historyEvents || bytes >= historyBytes) {
        through = last;
        break;
      }
      const value = removed ? undefined : this.#value(revision);
      const previousValue = previous === 0 ? undefined : this.#value(previous);
      if (value) values.push(value);
      if (previousValue) values.push(previousValue);
      items.push(removed, key, revision, created, value?.byteLength ?? 0, previousValue?.byteLength ?? -1);
      bytes += (value?.byteLength ?? 0) + (previousValue?.byteLength ?? 0);
      last = revision;
      count++;
    }
    batch.results.push(result.done, through, count);
    for (const each of items) batch.results.push(each);
  }

  /** Revisions that were lost to a power failure show what is not in the store: whoever has seen them must begin anew. */
  #checkRevision(revision: number, batch: Batch): boolean {
    if (revision > this.#revision) {
      batch.results.push(result.future, revision, this.#revision);
      return false;
    }
    const lost = revision < this.#lostThrough && this.#statements.isLost.get(revision, revision) !== undefined;
    if (revision < this.#compacted || lost) {
      batch.results.push(result.compacted, revision, lost ? this.#lostThrough - 1 : this.#compacted);
      return false;
    }
    return true;
  }

  #pushValue(revision: number, batch: Batch): void {
    const value = this.#value(revision);
    batch.slabs.add(value);
    batch.results.push(value.byteLength);
  }

  #value(revision: number): Value {
    const value = this.#statements.getVersion.get(revision);
    if (!value) throw Object.assign(new Error(`the value of revision ${revision} is missing`), { code: 'SQLITE_CORRUPT' });
    return value;
  }
}

interface Batch {
  readonly results: Flat;
  readonly slabs: SlabWriter;
  readonly failures: Failure[];
}

/** Reads a request's operations one after the other. */
class OperationReader {
  readonly #operations: Flat;
  readonly #values: ArrayBuffer;
  #at = 0;
  #offset = 0;

  constructor(request: BatchRequest) {
    this.#operations = request.operations;
    this.#values = request.values;
  }

  hasMore(): boolean {
    return this.#at < this.#operations.length;
  }

  number(): number {
    return this.#operations[this.#at++] as number;
  }

  text(): string {
    return this.#operations[this.#at++] as string;
  }

  value(): Value {
    const byteLength = this.number();
    const value = Buffer.from(this.#values, this.#offset, byteLength);
    this.#offset += byteLength;
    return value;
  }
}

/** key, modification revision, create revision */
type StateRow = [string, number, number];

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(database: Database.Database) {
  const range = 'key >= ? and key < ?';
  return {
    begin: database.prepare('begin immediate'),
    commit: database.prepare('commit'),
    getMeta: database.prepare<[string]>('select value from meta where name = ?').pluck(),
    setMeta: database.prepare<[number, string]>('update meta set value = ? where name = ?'),
    lastLogged: database.prepare<[]>('select max(revision) from log').pluck(),
    lastLost: database.prepare<[]>('select max(last) from lost').pluck(),
    addLost: database.prepare<[number, number]>('insert into lost values (?, ?)'),
    isLost: database.prepare<[number, number], unknown>('select 1 from lost where first <= ? and last > ?').pluck(),
    insertState: database.prepare<[string, number, number, number | null]>(
      'insert into state (key, revision, created, expires) values (?, ?, ?, ?) on conflict do nothing',
    ),
    updateState: database
      .prepare<[number, number | null, string, number], number>(
        'update state set revision = ?, expires = ? where key = ? and revision = ? returning created',
      )
      .pluck(),
    deleteState: database
      .prepare<[string, number], number>('delete from state where key = ? and revision = ? returning created')
      .pluck(),
    getState: database.prepare<[string], [number, number]>('select revision, created from state where key = ?').raw(),
    expired: database
      .prepare<[number, number], StateRow>(
        'select key, revision, created from state where expires <= ? order by expires, key limit ?',
      )
      .raw(),
    nextExpiry: database.prepare<[]>('select min(expires) from state where expires is not null').pluck(),
    insertVersion: database.prepare<[number, Value]>('insert into version values (?, ?)'),
    getVersion: database.prepare<[number], Value>('select value from version where revision = ?').pluck(),
    insertLog: database.prepare<[number, string, number, number, number]>('insert into log values (?, ?, ?, ?, ?)'),
    rows: database
      .prepare<[string, Bound], StateRow>(`select key, revision, created from state where ${range} order by key`)
      .raw(),
    count: database.prepare<[string, Bound]>(`select count(*) from state where ${range}`).pluck(),
    firstChange: database
      .prepare<[string, number], [number, number]>(
        'select previous, created from log where key = ? and revision > ? order by revision limit 1',
      )
      .raw(),
    // SQLite takes the bare columns from the row that has the minimum.
    firstChanges: database
      .prepare<[number, string, Bound], StateRow>(
        `select key, previous, created, min(revision) from log where revision > ? and ${range} group by key order by key`,
      )
      .raw(),
    changes: database
      .prepare<[number, string, Bound], [number, string, number, number, number]>(
        `select revision, key, previous, created, removed from log where revision > ? and ${range} order by revision`,
      )
      .raw(),
  };
}
