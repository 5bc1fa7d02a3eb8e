import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../plugin-api/index.js';
import { startCluster } from './start-cluster.js';
import type { TestCluster } from './start-cluster.js';

/** A sandbox whose objects stay over a restart: what suites of parts that work through the API are run on. */
export interface RestartableCluster extends TestCluster {
  /**
   * Stops everything and starts it again; `client` and the rest are new ones then. `meanwhile` changes objects while the flags under
   * test, and so the plugin that they bring, are not there. With other `flags` it goes on with those.
   */
  restart(meanwhile?: (client: Client) => Promise<void>, flags?: readonly string[]): Promise<void>;
}

/** `flags`: those of `k3s server` that bring the plugin under test: `['--plugin', directory]`. */
export async function startRestartableCluster(flags: readonly string[]): Promise<RestartableCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-test-data-'));
  const start = (more: readonly string[]): Promise<TestCluster> =>
    startCluster({ arguments: ['--data-dir', directory, '--slot', 'datastore=sqlite', ...more] });
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  let current: TestCluster;
  try {
    current = await start(flags);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    get client() {
      return current.client;
    },
    get kubeconfigFile() {
      return current.kubeconfigFile;
    },
    get: token => current.get(token),
    clientAs: caller => current.clientAs(caller),
    async restart(meanwhile, next = flags) {
      await current.stop();
      if (meanwhile) {
        current = await start([]);
        await meanwhile(current.client);
        await current.stop();
      }
      current = await start(next);
    },
    async stop() {
      await current.stop();
      await remove();
    },
  };
}
