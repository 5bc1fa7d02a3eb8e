import 'reflect-metadata';
import { SystemClock } from '../base/clock.js';
import { errorCode } from '../base/errors.js';
import { silentLogger } from '../base/logger.js';
import { Clock } from '../contracts/clock.js';
import { ClusterPaths } from '../contracts/cluster-paths.js';
import { ClusterSettings } from '../contracts/cluster-settings.js';
import { ContainerRuntime } from '../contracts/container-runtime.js';
import type { ContainerState, ImageState, SandboxState } from '../contracts/container-runtime.js';
import { Ledger } from '../contracts/ledger.js';
import { Logger } from '../contracts/logger.js';
import { PluginOptions } from '../contracts/plugin-options.js';
import { loadModule, PartContainers } from '../kernel/containers.js';
import { LedgerFile } from '../kernel/ledger-file.js';
import { planWiring } from '../kernel/wiring.js';
import { slots } from '../plugin-api/slots.js';
import { clusterError } from './cluster-errors.js';
import type { PreparedCluster } from './prepare-cluster.js';
import { SelectedParts } from './selected-parts.js';

export type { ContainerState as ContainerOfRuntime, ImageState as ImageOfRuntime, SandboxState as SandboxOfRuntime };
/** For rooms that may not know contracts. */
export type RuntimeOfNode = ContainerRuntime;

/**
 * The container runtime of a cluster whose server may or may not run, to be asked from another process: its plugin is wired alone and
 * not started, so nothing on the host changes and no events come. Throws `RUNTIME_NOT_HERE` when none answers, or when it lives in
 * the server's own process.
 */
export async function openRuntime(prepared: PreparedCluster): Promise<ContainerRuntime> {
  const { catalogue, selection, sides, settings, paths } = prepared;
  const plan = planWiring({ slots, catalogue, selection: selection.plugins, sides });
  const planned = plan.parts.find(part => part.slot.id === 'container-runtime');
  if (!planned) throw clusterError('RUNTIME_NOT_HERE', 'this cluster has no container runtime on this machine');
  const containers = new PartContainers([
    { token: Clock, value: new SystemClock() },
    { token: ClusterSettings, value: settings },
    { token: ClusterPaths, value: paths },
    { token: SelectedParts, value: plan.parts.map(part => part.descriptor) },
  ]);
  containers.add(planned, await loadModule(planned), [
    { token: Logger, value: silentLogger },
    { token: PluginOptions, value: planned.options },
    { token: Ledger, value: new LedgerFile(paths.ledgerFile).forOwner(planned.descriptor.id) },
  ]);
  const runtime = containers.get<ContainerRuntime>(ContainerRuntime);
  const { onHost } = await answering(runtime, paths.runDir);
  if (onHost) return runtime;
  throw clusterError('RUNTIME_NOT_HERE', `the containers of ${planned.descriptor.id} live in the server itself`, {
    mend: 'ask kubectl about them',
  });
}

async function answering(runtime: ContainerRuntime, runDir: string): Promise<{ readonly onHost: boolean }> {
  try {
    return await runtime.status();
  } catch (error) {
    if (errorCode(error) !== 'RUNTIME_UNAVAILABLE') throw error;
    throw clusterError('RUNTIME_NOT_HERE', `no container runtime answers below ${runDir}`, {
      mend: 'start the server, or name its --data-dir',
    });
  }
}
