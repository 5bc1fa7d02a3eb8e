import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, errorCode } from '../base/errors.js';
import type { ClusterPaths } from '../contracts/cluster-paths.js';
import { isAlive, processIdentity } from '../host/process-identity.js';
import type { ProcessIdentity } from '../host/process-identity.js';
import { clusterError } from './cluster-errors.js';

/** In the data directory. */
export const lockName = 'server.lock';

/**
 * Makes this process the only server of a data directory, until the release that it resolves. Throws `SERVER_RUNNING`. A lock whose
 * process is gone counts for nothing; where the system does not tell processes apart (no /proc) there is none.
 */
export async function lockServer({ dataDir }: Pick<ClusterPaths, 'dataDir'>): Promise<() => Promise<void>> {
  const own = processIdentity(process.pid);
  if (!own) return () => Promise.resolve();
  const file = join(dataDir, lockName);
  for (;;) {
    try {
      await writeFile(file, `${JSON.stringify(own)}\n`, { flag: 'wx', mode: 0o600 });
      return () => rm(file, { force: true });
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'EEXIST') {
        await rm(file, { force: true });
        throw code === undefined ? error : new CodedError(code, `${file} cannot be written`, { cause: error });
      }
    }
    const holder = await runningServer({ dataDir });
    if (holder) {
      throw clusterError('SERVER_RUNNING', `a server of ${dataDir} runs already (pid ${holder.pid})`, {
        mend: 'stop it first, or choose another place with --data-dir',
      });
    }
    await rm(file, { force: true });
  }
}

/** The living server of a data directory. */
export async function runningServer({ dataDir }: Pick<ClusterPaths, 'dataDir'>): Promise<ProcessIdentity | undefined> {
  let text: string;
  try {
    text = await readFile(join(dataDir, lockName), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  const identity = parse(text);
  return identity && isAlive(identity) ? identity : undefined;
}

function parse(text: string): ProcessIdentity | undefined {
  try {
    const { pid, startTicks, bootId } = JSON.parse(text) as Partial<ProcessIdentity>;
    const whole = Number.isInteger(pid) && Number.isInteger(startTicks) && typeof bootId === 'string';
    return whole ? { pid: pid!, startTicks: startTicks!, bootId } : undefined;
  } catch {
    // Cut short by a crash: its process is gone.
    return undefined;
  }
}
