import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cni, Resources } from '../plugin-api/index.js';
import { hasOwnNetwork } from './cni-pods.js';
import type { CniUnderTest } from './cni-suite.js';
import { startCluster } from './start-cluster.js';
import type { TestCluster } from './start-cluster.js';

/**
 * A sandbox with the pod network that the arguments choose (`--plugin`, `--slot cni=ID`), with a simulated runtime on a Node that has
 * its range. Pods are wired where the process may do that.
 */
export async function startCniUnderTest(options: { readonly arguments: readonly string[] }): Promise<CniUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-cni-'));
  const only = ['--slot', 'metrics=none', '--slot', 'helm=none'];
  // Few addresses, so that a case can use them all.
  const range = ['--kube-controller-manager-arg', 'node-cidr-mask-size=29'];
  const start = (): Promise<TestCluster> =>
    startCluster({ arguments: ['--data-dir', join(directory, 'data'), ...only, ...range, ...options.arguments] });
  let cluster: TestCluster | undefined;
  const dispose = async (): Promise<void> => {
    await cluster?.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    cluster = await start();
    return {
      cni: cluster.get<Cni>(Cni),
      podCidrs: await podCidrsOf(cluster),
      wiresPods: hasOwnNetwork(),
      async restart() {
        await cluster?.stop();
        cluster = undefined;
        cluster = await start();
        await podCidrsOf(cluster);
        return cluster.get<Cni>(Cni);
      },
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Of the one Node, as soon as it has them. */
async function podCidrsOf({ client }: TestCluster): Promise<readonly string[]> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline;) {
    const { entries } = await client.resource(Resources.Nodes).list();
    const podCidrs = entries[0]?.object.spec.podCIDRs ?? [];
    if (podCidrs.length > 0) return podCidrs;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error('the node got no range of pod addresses');
}
