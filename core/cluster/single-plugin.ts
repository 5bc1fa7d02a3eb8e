import { SystemClock } from '../base/clock.js';
import { silentLogger } from '../base/logger.js';
import { Clock } from '../contracts/clock.js';
import { ClusterPaths } from '../contracts/cluster-paths.js';
import { ClusterSettings } from '../contracts/cluster-settings.js';
import { Ledger } from '../contracts/ledger.js';
import { Logger } from '../contracts/logger.js';
import { PartReporter } from '../contracts/part.js';
import { PluginOptions } from '../contracts/plugin-options.js';
import { loadModule, PartContainers } from '../kernel/containers.js';
import { LedgerFile } from '../kernel/ledger-file.js';
import { planWiring } from '../kernel/wiring.js';
import type { PartDescriptor } from '../plugin-api/descriptor.js';
import { contractToken, slots } from '../plugin-api/slots.js';
import { makeClusterPaths } from './paths.js';
import { discardCluster, prepareCluster } from './prepare-cluster.js';

/** One plugin of a package, wired into a sandbox and not running. */
export interface SinglePlugin {
  readonly descriptor: PartDescriptor;
  /** A new object bound to its slot's contract, with `directory` as the data directory. Nothing is started. Loads the plugin. */
  makeContract<T>(directory: string): Promise<{ contract: T; dispose(): Promise<void> }>;
}

/** For `k3s plugin check`: no file of this machine's configuration has a say. */
export const checkEnvironment: Readonly<Record<string, string>> = { K3S_CONFIG_FILE: '/dev/null' };

/** Flags of a sandbox with the package in it, and `flags`, which say what it cannot guess. */
export function checkArguments(directory: string, flags: readonly string[]): string[] {
  return ['--preset', 'sandbox', '--plugin', directory, ...flags];
}

/**
 * Loads the descriptors of the package in `directory` (absolute) and wires them into a sandbox. Throws what is wrong with them, as
 * the start of a server would: id taken, another contract version, options, requirements.
 */
export async function prepareSinglePlugin(directory: string, flags: readonly string[] = []): Promise<SinglePlugin[]> {
  const prepared = await prepareCluster({
    command: 'server',
    arguments: checkArguments(directory, flags),
    environment: checkEnvironment,
  });
  await discardCluster(prepared);
  const { catalogue, selection, sides, settings } = prepared;
  const plan = planWiring({ slots, catalogue, selection: selection.plugins, sides });
  return plan.parts
    .filter(part => part.origin === directory)
    .map(planned => ({
      descriptor: planned.descriptor,
      async makeContract<T>(dataDir: string) {
        const paths = makeClusterPaths({ dataDir, ownsHost: false, registriesFile: '/dev/null', homeDir: dataDir });
        const ledger = new LedgerFile(paths.ledgerFile);
        const containers = new PartContainers([
          { token: Clock, value: new SystemClock() },
          { token: ClusterSettings, value: settings },
          { token: ClusterPaths, value: paths },
        ]);
        containers.add(planned, await loadModule(planned), [
          { token: Logger, value: silentLogger },
          { token: PluginOptions, value: planned.options },
          { token: PartReporter, value: { failed: () => undefined } },
          { token: Ledger, value: ledger.forOwner(planned.descriptor.id) },
        ]);
        return {
          contract: containers.get<T>(contractToken(planned.slot)),
          dispose: async () => {
            await containers.unbindAll();
            await ledger.close();
          },
        };
      },
    }));
}
