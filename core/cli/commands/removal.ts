import { CodedError } from '../../base/errors.js';
import { discardCluster, prepareCluster } from '../../cluster/prepare-cluster.js';
import type { PreparedCluster } from '../../cluster/prepare-cluster.js';
import { killAll } from '../../cluster/removal/kill-all.js';
import { uninstall as uninstallCluster } from '../../cluster/removal/uninstall.js';
import type { CommandContext } from '../command.js';
import { removeService, stopService } from './service.js';

/** `k3s killall [--force] [flags of k3s server]`: everything off this host but the data. */
export async function killall(context: CommandContext): Promise<number> {
  const words = context.arguments.filter(word => word !== '--force');
  return withCluster({ ...context, arguments: words }, async prepared => {
    requireRoot(prepared, 'killall');
    let count = 0;
    const report = (line: string): void => {
      count++;
      context.print(line);
    };
    const force = words.length < context.arguments.length;
    if (force && isDefaultPlace(prepared)) for (const line of await stopService()) report(line);
    await killAll({ prepared, force, report });
    context.print(count === 0 ? 'nothing was left running' : `done; the data in ${prepared.paths.dataDir} is kept`);
  });
}

/** `k3s uninstall --yes [flags of k3s server]`: killall, and the data, the kubeconfig and the service with it. */
export async function uninstall(context: CommandContext): Promise<number> {
  const words = context.arguments.filter(word => word !== '--yes' && word !== '--force');
  return withCluster({ ...context, arguments: words }, async prepared => {
    requireRoot(prepared, 'uninstall');
    const { paths } = prepared;
    if (!context.arguments.includes('--yes')) {
      throw new CodedError('NOT_CONFIRMED', `this removes all pods and all data of the cluster in ${paths.dataDir}`, {
        mend: 'add --yes when that is meant',
      });
    }
    let count = 0;
    const report = (line: string): void => {
      count++;
      context.print(line);
    };
    // A service would start the server again in the middle of it.
    if (isDefaultPlace(prepared)) for (const line of await removeService()) report(line);
    await uninstallCluster({ prepared, force: context.arguments.includes('--force'), report });
    context.print(count === 0 ? `nothing is installed in ${paths.dataDir}` : 'done; downloads are kept in ~/.cache/k3s-ts');
  });
}

async function withCluster(context: CommandContext, run: (prepared: PreparedCluster) => Promise<void>): Promise<number> {
  const { arguments: argumentList, environment } = context;
  const prepared = await prepareCluster({ command: 'server', arguments: argumentList, environment });
  try {
    await run(prepared);
  } finally {
    await discardCluster(prepared);
  }
  return 0;
}

/** The service is of the cluster there. */
function isDefaultPlace({ ownsHost, paths }: PreparedCluster): boolean {
  return ownsHost && paths.runDir === '/run/k3s';
}

function requireRoot({ preset }: PreparedCluster, command: string): void {
  if (preset.temporary || process.getuid?.() === 0) return;
  throw new CodedError('NEEDS_ROOT', `"k3s ${command}" needs root`, { mend: `sudo npx k3s ${command}` });
}
