import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError, toFailure } from './sqlite-failure.js';
import { number, syncDirectory } from './sqlite-format.js';
import type { SqliteEngine } from './sqlite-engine.js';

const changesPerStep = 500;
const pagesPerStep = 500;

export interface CompactStep {
  readonly done: boolean;
  readonly compactedRevision: number;
}

/** Forgets a part of the history at and below `revision`; called again until it is done, so that writes go on between. */
export function compactStep(engine: SqliteEngine, revision: number): CompactStep {
  const { database } = engine;
  if (revision > engine.revision) {
    throw new EngineError('DATASTORE_FUTURE_REVISION', `revision ${revision} is not reached yet (now: ${engine.revision})`);
  }
  const first = revision > engine.compactedRevision;
  // What a power failure undoes here is done again by the next compaction: no need to wait for the disk.
  engine.setSynchronous('NORMAL');
  const done = database.transaction((): boolean => {
    if (first) {
      database.prepare("update meta set value = ? where name = 'compacted'").run(revision);
      database.prepare('delete from lost where last <= ?').run(revision);
    }
    const upTo = Math.max(engine.compactedRevision, revision);
    const last = database
      .prepare<[number, number], number | null>(
        'select max(revision) from (select revision from log where revision <= ? order by revision limit ?)',
      )
      .pluck()
      .get(upTo, changesPerStep);
    if (last === null || last === undefined) return true;
    database
      .prepare('delete from version where revision in (select previous from log where revision <= ? and previous > 0)')
      .run(last);
    return database.prepare('delete from log where revision <= ?').run(last).changes < changesPerStep;
  })();
  if (first) engine.noteCompacted(revision);
  return { done, compactedRevision: engine.compactedRevision };
}

export function size(engine: SqliteEngine): { totalBytes: number; usedBytes: number } {
  const pages = pragmaNumber(engine, 'page_count');
  const free = pragmaNumber(engine, 'freelist_count');
  const pageBytes = pragmaNumber(engine, 'page_size');
  const log = statSync(`${engine.file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  return { totalBytes: pages * pageBytes + log, usedBytes: (pages - free) * pageBytes };
}

/** Moves a part of the free pages out of the file; true when none is left. */
export function vacuumStep(engine: SqliteEngine): boolean {
  engine.database.pragma(`incremental_vacuum(${pagesPerStep})`);
  if (pragmaNumber(engine, 'freelist_count') > 0) return false;
  // Only a checkpoint makes the file itself shorter.
  engine.database.pragma('wal_checkpoint(TRUNCATE)');
  return true;
}

/** Copies the store while it serves. The name appears when the copy is whole and on the disk. */
export async function backup(engine: SqliteEngine, path: string): Promise<void> {
  if (existsSync(path)) throw new EngineError('EEXIST', `${path} exists already`, 'choose another file for the backup');
  const partial = `${path}.partial-${process.pid}`;
  try {
    closeSync(openSync(partial, 'wx', 0o600));
    await engine.database.backup(partial, { progress: () => pagesPerStep });
    const descriptor = openSync(partial, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    // Unlike a rename, a link never replaces a file that appeared in the meantime.
    linkSync(partial, path);
    syncDirectory(dirname(path));
  } finally {
    rmSync(partial, { force: true });
  }
}

const ownChecks: readonly [statement: string, fault: string][] = [
  [
    'select s.key from state s left join version v on v.revision = s.revision where v.revision is null limit 20',
    'has no value for its newest revision',
  ],
  [
    'select l.key from log l left join version v on v.revision = l.previous where l.previous > 0 and v.revision is null limit 20',
    'has no value for a revision in its history',
  ],
  [
    `select l.key from log l left join version v on v.revision = l.revision where l.removed = 0 and v.revision is null limit 20`,
    'has no value for a change in its history',
  ],
  [
    `select 'revision ' || revision from (select revision from version except select revision from state
     except select previous from log except select revision from log) limit 20`,
    'is stored but nothing names it',
  ],
];

/** SQLite's own check of the file, and ours of what the tables promise each other. */
export function checkIntegrity(engine: SqliteEngine): string[] {
  const { database } = engine;
  const faults: string[] = [];
  attempt(engine, faults, () => {
    const rows = database.pragma('integrity_check(100)') as { integrity_check: string }[];
    for (const { integrity_check: text } of rows) if (text !== 'ok') faults.push(text);
  });
  for (const [statement, fault] of ownChecks) {
    attempt(engine, faults, () => {
      for (const name of database.prepare<[], string>(statement).pluck().all()) faults.push(`${name} ${fault}`);
    });
  }
  attempt(engine, faults, () => {
    const newest = database.prepare<[], number | null>('select max(revision) from state').pluck().get() ?? 0;
    if (newest > engine.revision) faults.push(`a key has revision ${newest}, above the store's revision ${engine.revision}`);
  });
  return faults;
}

/** A file too damaged to be checked is a fault that was found, not a check that failed. */
function attempt(engine: SqliteEngine, faults: string[], check: () => void): void {
  try {
    check();
  } catch (error) {
    const failure = toFailure(error, engine.file);
    if (failure.code !== 'DATASTORE_CORRUPT') throw error;
    if (!faults.includes(failure.message)) faults.push(failure.message);
  }
}

function pragmaNumber(engine: SqliteEngine, name: string): number {
  return number(engine.database.pragma(name, { simple: true }));
}
