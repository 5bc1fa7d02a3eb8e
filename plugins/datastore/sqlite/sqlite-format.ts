import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import type { EngineOptions } from './sqlite-protocol.js';
import { EngineError } from './sqlite-failure.js';

/** "K3ts": tells our files from kine's and others'. */
const applicationId = 0x4b337473;

/** Raised by every change of the tables below; a newer one is refused, an older one is brought up in `migrate`. */
export const formatVersion = 1;

const pageBytes = 4096;
const busyTimeoutMs = 1000;
/** A bigger write-ahead log is cut to this size when it is reset. */
const walLimitBytes = 16 * 1024 * 1024;

/*
 * state    the newest version of every key
 * version  the values, each stored once: the newest of a key, and older ones as long as the log names them
 * log      every change above the compacted revision; `previous` is the revision of the value before (0: none),
 *          `created` the create revision of the key (of the removed key for a removal)
 * lost     ranges of revisions that may have been seen but were not on the disk after a power failure
 * meta     compacted: history at and below it is forgotten
 *          reserved: no revision above it was handed out without being synced; 0 when all is on the disk
 */
const tables = `
  create table state (
    key text not null primary key, revision integer not null, created integer not null, expires integer
  ) strict, without rowid;
  create index state_expires on state (expires) where expires is not null;
  create table version (revision integer primary key, value blob not null) strict;
  create table log (
    revision integer primary key, key text not null, previous integer not null, created integer not null, removed integer not null
  ) strict;
  create table lost (first integer primary key, last integer not null) strict;
  create table meta (name text not null primary key, value integer not null) strict, without rowid;
  insert into meta values ('compacted', 0), ('reserved', 0);
`;

/** Opens the file for this process alone, creates the tables when it is new, and checks whose and which format it is. */
export function openDatabase(options: EngineOptions): Database.Database {
  createPrivately(options.file);
  const database = new Database(options.file, { timeout: busyTimeoutMs });
  try {
    // Before the first access: with an exclusive lock the WAL's index lives in memory, and nobody else can open the file.
    database.pragma('locking_mode = EXCLUSIVE');
    const version = number(database.pragma('user_version', { simple: true }));
    const owner = number(database.pragma('application_id', { simple: true }));
    const isNew = database.prepare('select count(*) from sqlite_master').pluck().get() === 0 && version === 0 && owner === 0;
    if (!isNew) checkFormat(options.file, owner, version);
    else {
      database.pragma(`page_size = ${pageBytes}`);
      database.pragma('auto_vacuum = INCREMENTAL');
    }
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('wal_autocheckpoint = 1000');
    database.pragma(`journal_size_limit = ${walLimitBytes}`);
    database.pragma('cache_size = -4096');
    database.pragma('temp_store = MEMORY');
    database.pragma('foreign_keys = OFF');
    if (options.quotaBytes > 0) database.pragma(`max_page_count = ${Math.max(1, Math.floor(options.quotaBytes / pageBytes))}`);
    if (isNew) {
      database.exec(
        `begin exclusive; ${tables} pragma application_id = ${applicationId}; pragma user_version = ${formatVersion}; commit;`,
      );
    } else {
      // Takes the lock now, not at the first write.
      database.exec('begin exclusive; commit;');
    }
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function checkFormat(file: string, owner: number, version: number): void {
  if (owner !== applicationId) {
    throw new EngineError(
      'DATASTORE_UNSUPPORTED',
      `${file}: this SQLite file was not made by this datastore (application id ${owner})`,
      'choose another --data-dir, or move the file away',
    );
  }
  if (version > formatVersion) {
    throw new EngineError(
      'DATASTORE_NEWER_FORMAT',
      `${file}: the datastore has format ${version}, this version knows formats up to ${formatVersion}`,
      'run the newer version again, or restore a backup that this version made',
    );
  }
}

/**
 * SQLite would create the file readable for others. Only ever opened here when it does not exist: closing a second descriptor
 * of a file drops all locks that this process has on it.
 */
function createPrivately(file: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  closeSync(descriptor);
  syncDirectory(dirname(file));
}

/** Makes a new or renamed name durable. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export function number(value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`expected a number from SQLite, got ${typeof value}`);
  return value;
}
