import { readFileSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { sleep } from '../../base/clock.js';
import type { Clock } from '../../base/clock.js';
import { CodedError, errorCode } from '../../base/errors.js';
import { findByArgument, isAlive, processIdentity } from '../../host/process-identity.js';
import type { ProcessIdentity } from '../../host/process-identity.js';

const pollMs = 20;

/** The processes given and all that descend from them, as they are now. */
export function withDescendants(roots: readonly ProcessIdentity[]): ProcessIdentity[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = new Map<number, ProcessIdentity>();
  const visit = (identity: ProcessIdentity | undefined): void => {
    if (!identity || found.has(identity.pid)) return;
    found.set(identity.pid, identity);
    for (const pid of children.get(identity.pid) ?? []) visit(processIdentity(pid));
  };
  for (const root of roots) if (isAlive(root)) visit(root);
  return [...found.values()];
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** Processes that run a program whose name begins so, with exactly this argument. */
export function findProgram(prefix: string, argument: string): ProcessIdentity[] {
  return findByArgument(argument).filter(({ pid }) => {
    try {
      return basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0', 1)[0]!).startsWith(prefix);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

/** SIGTERM and after `graceMs` SIGKILL, or SIGKILL at once when that is 0. Resolves when all are gone. Throws `PROCESS_FAILED`. */
export async function endProcesses(processes: readonly ProcessIdentity[], graceMs: number, clock: Clock): Promise<void> {
  if (graceMs > 0) {
    for (const identity of processes) send(identity, 'SIGTERM');
    if (await gone(processes, graceMs, clock)) return;
  }
  for (const identity of processes) send(identity, 'SIGKILL');
  if (await gone(processes, 10_000, clock)) return;
  const left = processes.filter(isAlive).map(({ pid }) => pid);
  throw new CodedError('PROCESS_FAILED', `the processes ${left.join(', ')} cannot be ended`);
}

function send(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

async function gone(processes: readonly ProcessIdentity[], limitMs: number, clock: Clock): Promise<boolean> {
  for (const deadline = clock.monotonicMs() + limitMs; ;) {
    if (!processes.some(isAlive)) return true;
    if (clock.monotonicMs() >= deadline) return false;
    await sleep(clock, pollMs);
  }
}
