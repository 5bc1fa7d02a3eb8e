import { readFileSync, statSync } from 'node:fs';
import type { Failure } from './sqlite-protocol.js';

/** An error that already says what the user is to be told. */
export class EngineError extends Error {
  readonly failure: Failure;

  constructor(code: string, message: string, mend?: string) {
    super(message);
    this.failure = { code, message, mend };
  }
}

/** Translates what SQLite or the file system said; done once, here. */
export function toFailure(error: unknown, file: string): Failure {
  if (error instanceof EngineError) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  const code = sqliteCode(error);
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT') {
    return {
      code: 'DATASTORE_FULL',
      message: `${file}: no space left for the datastore (${message})`,
      mend: 'free space on the disk or raise the quota; nothing that was acknowledged is lost, and writes go on as soon as there is room',
    };
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB' || code === 'SQLITE_IOERR_CORRUPTFS') {
    return {
      code: 'DATASTORE_CORRUPT',
      message: `${file}: the datastore file is damaged (${message})`,
      mend: `stop the server, move ${file} and ${file}-wal away and restore a backup in their place, or save what is readable with "sqlite3 ${file} .recover"`,
    };
  }
  if (code === 'SQLITE_BUSY' || code.startsWith('SQLITE_BUSY_')) {
    const holder = lockHolder(file);
    return {
      code: 'DATASTORE_UNAVAILABLE',
      message: `${file}: the datastore is in use by ${holder}`,
      mend: 'stop the other process or choose another --data-dir',
    };
  }
  return { code: 'DATASTORE_UNAVAILABLE', message: `${file}: ${message}${code ? ` (${code})` : ''}`, mend: undefined };
}

/** Whether the disk itself failed: after a failed sync nobody knows what it has. */
export function isFatal(error: unknown): boolean {
  const code = sqliteCode(error);
  return (code.startsWith('SQLITE_IOERR') && code !== 'SQLITE_IOERR_NOMEM') || code.startsWith('SQLITE_CORRUPT');
}

function sqliteCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** The process that holds SQLite's lock on the file, as the kernel knows it: no lock file can be left behind. */
function lockHolder(file: string): string {
  try {
    const { ino } = statSync(file);
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      // "1: POSIX  ADVISORY  WRITE 4711 fe:00:131 0 EOF"
      const fields = line.trim().split(/\s+/);
      if (fields[1] !== 'POSIX' || fields[5]?.split(':')[2] !== String(ino)) continue;
      const pid = Number(fields[4]);
      if (pid === process.pid) return `this process (pid ${pid})`;
      if (pid > 0) return `process ${pid}${processName(pid)}`;
    }
  } catch {
    // No /proc/locks on this system: the holder stays unnamed.
  }
  return 'another process';
}

function processName(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`;
  } catch {
    return '';
  }
}
