import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../base/errors.js';
import type { ClusterPaths } from '../contracts/cluster-paths.js';
import { writeFileAtomically } from '../pki/atomic-file.js';
import { clusterError } from './cluster-errors.js';

/** Says that a data directory is ours. */
export const markerName = '.k3s-ts';

/**
 * Refuses a data directory, or a host, where a K3s that is not ours lives; else marks the directory as ours. Changes nothing of the
 * other's. `unitDirectory` is where systemd units lie. Throws `FOREIGN_K3S`.
 */
export async function claimDataDirectory(
  paths: ClusterPaths,
  ownsHost: boolean,
  unitDirectory = '/etc/systemd/system',
): Promise<void> {
  const { dataDir, server } = paths;
  const marker = join(dataDir, markerName);
  if (!(await exists(marker))) {
    for (const trace of [server.databaseFile, join(server.dbDir, 'etcd'), server.tlsDir, join(dataDir, 'data', 'current')]) {
      if (await exists(trace)) throw foreign(`${trace} belongs to a K3s that is not this one`);
    }
  }
  // Another data directory gets files and sockets of its own; only the default one meets the service.
  if (ownsHost && paths.runDir === '/run/k3s') {
    for (const name of ['k3s.service', 'k3s-agent.service']) {
      const unit = await readIfThere(join(unitDirectory, name));
      if (unit !== undefined && !unit.includes('k3s-ts'))
        throw foreign(`${join(unitDirectory, name)} is the service of another K3s`);
    }
  }
  // Everything below is for the owner alone, as K3s has it.
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  if (!(await exists(marker))) await writeFileAtomically(marker, '');
}

/** Whether a server of ours has claimed this data directory. */
export function hasMarker({ dataDir }: Pick<ClusterPaths, 'dataDir'>): Promise<boolean> {
  return exists(join(dataDir, markerName));
}

function foreign(what: string): Error {
  return clusterError('FOREIGN_K3S', what, { mend: 'choose another place with --data-dir' });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return (await exists(path)) ? readFile(path, 'utf8') : undefined;
}
