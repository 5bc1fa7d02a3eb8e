import { readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../base/errors.js';

/** How a later start finds the child, and tells it from another process that got its number. */
export interface ChildRecord {
  readonly pid: number;
  /** Clock ticks since boot, from /proc. */
  readonly startTime: string;
  readonly socket: string;
  readonly protocol: number;
}

export function recordPath(directory: string): string {
  return join(directory, 'child.json');
}

/** Undefined when there is none, or none that says what it must. */
export async function readRecord(directory: string): Promise<ChildRecord | undefined> {
  const record = await readJson(recordPath(directory));
  return isWhole(record) ? record : undefined;
}

/** Children that live and are to end when another has taken over: whoever started that one may have ended before. */
export async function readRetiring(directory: string): Promise<ChildRecord[]> {
  const records = await readJson(retiringPath(directory));
  return Array.isArray(records) ? records.filter(isWhole).filter(isAlive) : [];
}

export async function writeRetiring(directory: string, records: readonly ChildRecord[]): Promise<void> {
  const path = retiringPath(directory);
  if (records.length === 0) return rm(path, { force: true });
  await writeFile(`${path}.new`, JSON.stringify(records), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

function retiringPath(directory: string): string {
  return join(directory, 'retiring.json');
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isWhole(value: unknown): value is ChildRecord {
  const { pid, startTime, socket, protocol } = (value ?? {}) as Partial<ChildRecord>;
  return Number.isInteger(pid) && typeof startTime === 'string' && typeof socket === 'string' && Number.isInteger(protocol);
}

/** When a process began; undefined when it is gone, or only waits for its parent. */
export function processStartTime(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function isAlive({ pid, startTime }: Pick<ChildRecord, 'pid' | 'startTime'>): boolean {
  return processStartTime(pid) === startTime;
}

/** Sends a signal to the very process of the record. False when it is gone. */
export function signalChild(record: Pick<ChildRecord, 'pid' | 'startTime'>, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  if (!isAlive(record)) return false;
  try {
    process.kill(record.pid, signal);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}
