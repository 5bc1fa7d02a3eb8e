import { readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ClusterPaths } from '../../contracts/cluster-paths.js';
import { hasMarker, markerName } from '../foreign-k3s.js';
import { lockName } from '../server-lock.js';
import { entriesIn, removeIfEmpty } from './entries.js';
import { notedPodLogs } from './pod-logs.js';
import { Attempts, exists, killAll, refuseMounts } from './kill-all.js';
import type { KillAllOptions } from './kill-all.js';

/** Names that a cluster gives to what it puts into its data directory. */
const ownNames = ['agent', 'data', 'ledger.jsonl', 'run', 'server', 'storage', lockName];

/** `killAll`, and then the data: all that is ours in and outside of the data directory. Errors as there. */
export async function uninstall(options: KillAllOptions): Promise<void> {
  const { prepared, report } = options;
  const { paths } = prepared;
  if (!(await exists(paths.dataDir))) return;
  const kubeconfigs = (await isOwnKubeconfig(paths)) ? [paths.kubeconfigFile] : [];
  await killAll(options);
  if (!(await hasMarker(paths))) return;
  const logs = (await notedPodLogs(paths)).map(name => join(paths.agent.podLogsDir, basename(name)));
  const attempt = new Attempts();
  const outside = [...kubeconfigs, ...logs, paths.agent.kubeletDir, paths.agent.nodePasswordFile];
  for (const path of [...outside, ...ownNames.map(name => join(paths.dataDir, name))]) {
    await attempt.run(() => removePath(path, report));
  }
  for (const path of [...outside, paths.agent.podLogsDir])
    await removeIfEmpty(dirname(path) === '/var/log' ? path : dirname(path));
  // Made with what lay in it.
  const configuration = dirname(dirname(paths.kubeconfigFile));
  if (basename(configuration) === 'rancher') await removeIfEmpty(configuration);
  // The mark goes last: what failed before can be tried again.
  attempt.finish();
  await rm(join(paths.dataDir, markerName), { force: true });
  if (await removeIfEmpty(paths.dataDir)) report(`removed ${paths.dataDir}`);
  else if (await exists(paths.dataDir)) {
    report(
      `left ${paths.dataDir}: it holds files that are not ours (${(await entriesIn(paths.dataDir)).slice(0, 3).join(', ')})`,
    );
  }
  if (basename(paths.dataDir) === 'k3s') await removeIfEmpty(dirname(paths.dataDir));
}

/** A kubeconfig is ours when it trusts the authority of this data directory. */
async function isOwnKubeconfig(paths: ClusterPaths): Promise<boolean> {
  const [kubeconfig, authority] = await Promise.all([
    readIfThere(paths.kubeconfigFile),
    readIfThere(join(paths.server.tlsDir, 'server-ca.crt')),
  ]);
  if (kubeconfig === undefined || authority === undefined) return false;
  return kubeconfig.includes(Buffer.from(authority).toString('base64'));
}

async function removePath(path: string, report: (line: string) => void): Promise<void> {
  if (!(await exists(path))) return;
  await refuseMounts(path);
  await rm(path, { recursive: true, force: true });
  report(`removed ${path}`);
}

async function readIfThere(file: string): Promise<string | undefined> {
  return (await exists(file)) ? readFile(file, 'utf8') : undefined;
}
