import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodedError, errorCode } from '../base/errors.js';
import { isAlive, processStartTime, readRecord, readRetiring, recordPath, signalChild, writeRetiring } from './child-record.js';
import type { ChildRecord } from './child-record.js';

/** The program that `startChild` runs. */
export const childProgramUrl = new URL('./child-entry.js', import.meta.url).href;

/** A small young generation keeps the child small; its state is long-lived and its garbage short-lived. */
const nodeFlags = ['--max-semi-space-size=2', '--max-old-space-size=512', '--disable-warning=ExperimentalWarning'];

/** What the kernel takes as the path of a socket. */
const maximumSocketPathBytes = 107;
const maximumLogBytes = 1024 * 1024;
const startDeadlineMs = 15_000;
const pollMs = 20;

export interface StartChildOptions {
  readonly directory: string;
  readonly build: string;
  readonly signal?: AbortSignal;
}

/**
 * Starts the child in a session of its own and resolves when its control socket answers. Output goes to `child.log`.
 * Errors: DATAPLANE_START.
 */
export async function startChild({ directory, build, signal }: StartChildOptions): Promise<ChildRecord> {
  const socket = join(directory, `${randomBytes(4).toString('hex')}.sock`);
  if (Buffer.byteLength(socket) > maximumSocketPathBytes) {
    throw startError(`the path of its control socket is too long: ${socket}`, 'choose a shorter --data-dir');
  }
  await removeStaleSockets(directory);
  const log = await openLog(join(directory, 'child.log'));
  try {
    const child = spawn(process.execPath, [...nodeFlags, fileURLToPath(childProgramUrl), directory, socket, build], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd, 'pipe'],
      // Nothing of what this process was started with (debuggers, test runners) is for the child.
      env: { PATH: process.env['PATH'] ?? '', ...(process.env['TZ'] !== undefined && { TZ: process.env['TZ'] }) },
    });
    child.unref();
    const ready = child.stdio[3]!;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => fail('it was not ready in time'), startDeadlineMs);
      const onAbort = (): void => fail('stopped meanwhile');
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        ready.destroy();
      };
      const fail = (why: string, cause?: unknown): void => {
        settle();
        child.kill('SIGKILL');
        reject(startError(why, `see ${join(directory, 'child.log')}`, cause));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      child.once('error', error => fail(error.message, error));
      child.once('exit', (code, killedBy) => fail(`it ended at once (${killedBy ?? code})`));
      ready.once('error', error => fail(error.message, error));
      ready.once('data', () => {
        settle();
        child.removeAllListeners('exit');
        resolve();
      });
    });
    return { pid: child.pid!, startTime: processStartTime(child.pid!) ?? '', socket, protocol: 0 };
  } finally {
    await log.close();
  }
}

/** Connects to the control socket. Rejects with what connecting gave. */
export function connectChild(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}

/**
 * Ends the child of a directory, for `k3s killall` and uninstall: asks, waits, then kills. False when there is none alive.
 * The directory is left without a record.
 */
export async function killDataplane(directory: string, graceMs = 0): Promise<boolean> {
  const record = await readRecord(directory);
  const alive = record !== undefined && isAlive(record);
  if (alive) await endChild(record, graceMs);
  for (const retiring of await readRetiring(directory)) await endChild(retiring, graceMs);
  await writeRetiring(directory, []);
  await rm(recordPath(directory), { force: true });
  return alive;
}

/** SIGTERM, which drains, then SIGKILL after `graceMs`. Resolves when the process is gone. */
export async function endChild(record: Pick<ChildRecord, 'pid' | 'startTime'>, graceMs: number): Promise<void> {
  if (graceMs > 0) signalChild(record, 'SIGTERM');
  const killAtMs = performance.now() + graceMs;
  let killed = false;
  // The child is nobody's child after its parent's restart: its end can only be looked at, not waited for.
  while (isAlive(record)) {
    if (!killed && performance.now() >= killAtMs) {
      signalChild(record, 'SIGKILL');
      killed = true;
    }
    await new Promise(resolve => setTimeout(resolve, pollMs));
  }
}

async function removeStaleSockets(directory: string): Promise<void> {
  const record = await readRecord(directory);
  const keep = record && isAlive(record) ? record.socket : undefined;
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.endsWith('.sock') && path !== keep) await rm(path, { force: true });
  }
}

async function openLog(path: string): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    if ((await stat(path)).size > maximumLogBytes) await rename(path, `${path}.old`);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  return open(path, 'a', 0o600);
}

function startError(why: string, mend: string, cause?: unknown): CodedError {
  return new CodedError('DATAPLANE_START', `the dataplane process cannot be started: ${why}`, { mend, cause });
}
