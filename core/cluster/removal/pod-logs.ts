import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import type { ClusterPaths } from '../../contracts/cluster-paths.js';
import { entriesIn } from './entries.js';

/**
 * The folders below /var/log/pods of pods that this node ran: those that the kubelet still keeps, and those that a link leads to, which
 * pods that have ended have, too. `killall` takes the links and lets the logs be, so that it notes the names for a later uninstall.
 */
export async function notePodLogs({ agent }: ClusterPaths): Promise<void> {
  const kept = new Set(await entriesIn(join(agent.kubeletDir, 'pods')));
  const linked = new Set(await notedPodLogs({ agent }));
  for (const name of await entriesIn(agent.containerLogsDir)) {
    const folder = dirname(dirname(await targetOf(join(agent.containerLogsDir, name))));
    if (dirname(folder) === agent.podLogsDir) linked.add(basename(folder));
  }
  const names = (await entriesIn(agent.podLogsDir)).filter(name => kept.has(name.split('_')[2] ?? '') || linked.has(name));
  if (names.length === 0) return;
  await mkdir(agent.dir, { recursive: true });
  await writeFile(noteIn(agent), JSON.stringify(names));
}

/** What was noted. */
export async function notedPodLogs({ agent }: Pick<ClusterPaths, 'agent'>): Promise<string[]> {
  try {
    return JSON.parse(await readFile(noteIn(agent), 'utf8')) as string[];
  } catch (error) {
    // None yet, or cut off by a crash.
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return [];
    throw error;
  }
}

const noteIn = ({ dir }: ClusterPaths['agent']): string => join(dir, 'pod-logs.json');

async function targetOf(link: string): Promise<string> {
  try {
    return await readlink(link);
  } catch (error) {
    // No link, or just removed.
    if (errorCode(error) === 'EINVAL' || errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
