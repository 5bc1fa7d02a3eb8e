import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCluster } from '../cluster/index.js';
import type { RunningCluster } from '../cluster/index.js';
import { checkEnvironment } from '../cluster/single-plugin.js';
import { ApiTransport, Client, ContainerRuntime, deferred, silentLogger } from '../plugin-api/index.js';
import type { CallerIdentity, Clock, Logger, SimulatedControl } from '../plugin-api/index.js';

export interface TestClusterOptions {
  /** Further flags of `k3s server`, as on the command line. */
  readonly arguments?: readonly string[];
  /** `sandbox` when absent: objects in memory, a simulated node, a free port, no root. */
  readonly preset?: string;
  readonly logger?: Logger;
  /**
   * Time for every part of the cluster. With a `FakeClock` it stands still until `advance`: back-offs, probes, grace periods, leases
   * and time limits of jobs then pass at once. Begin with the real time (`new FakeClock(Date.now())`), which certificates and
   * tokens are looked at by other processes.
   */
  readonly clock?: Clock;
}

/** A whole cluster in this process. */
export interface TestCluster {
  /** A client of the cluster's administrator. */
  readonly client: Client;
  /** For kubectl, helm and other processes. */
  readonly kubeconfigFile: string;
  /** Says what the containers of the simulated runtime do. Throws where another runtime runs. */
  readonly simulation: SimulatedControl;
  /** What a contract's token is bound to; for control of plugins (the simulated runtime ...). */
  get<T>(token: symbol): T;
  clientAs(caller: CallerIdentity): Client;
  /**
   * Lets a part fail as if it had said so itself, and resolves when it has been stopped and is ready again, about a second later.
   * `whileAway` is called in between. Not for vital parts: those take the cluster with them.
   */
  restartPart(id: string, whileAway?: () => Promise<void>): Promise<void>;
  /** Stops everything and removes what was made. Twice is safe. */
  stop(): Promise<void>;
}

const administrator: CallerIdentity = { name: 'system:admin', groups: ['system:masters', 'system:authenticated'] };

/**
 * Starts a cluster for tests: `const cluster = await startCluster(); ... await cluster.stop()`. Resolves when every part is ready.
 * Several may run in one process.
 */
export async function startCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-test-'));
  const kubeconfigFile = join(directory, 'k3s.yaml');
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const running = await runCluster({
      command: 'server',
      arguments: ['--preset', options.preset ?? 'sandbox', '--write-kubeconfig', kubeconfigFile, ...(options.arguments ?? [])],
      environment: checkEnvironment,
      logger: options.logger ?? silentLogger,
      ...(options.clock && { clock: options.clock }),
    });
    const transport = running.kernel.get<ApiTransport>(ApiTransport);
    return {
      client: new Client(transport, administrator, 'k3s-testing'),
      kubeconfigFile,
      get simulation() {
        const { control } = running.kernel.get<{ control?: SimulatedControl }>(ContainerRuntime);
        if (!control) throw new Error('the container runtime of this cluster is not a simulated one');
        return control;
      },
      get: token => running.kernel.get(token),
      clientAs: caller => new Client(transport, caller, 'k3s-testing'),
      restartPart: (id, whileAway) => restartPart(running, id, whileAway),
      async stop() {
        await running.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function restartPart({ kernel }: RunningCluster, id: string, whileAway?: () => Promise<void>): Promise<void> {
  const back = deferred<void>();
  let away: Promise<void> | undefined;
  const watching = kernel.onStatus(status => {
    if (status.id !== id) return;
    if (status.state === 'restarting') {
      away ??= whileAway?.() ?? Promise.resolve();
      // With a clock that stands still nobody would come back.
      away.catch(error => back.reject(error));
    }
    if (status.state === 'ready' && away) back.resolve();
    if (status.state === 'failed' && away) back.reject(status.error);
  });
  try {
    kernel.fail(id, new Error('told to fail by a test'));
    await back.promise;
    await away;
  } finally {
    await watching.dispose();
  }
}
