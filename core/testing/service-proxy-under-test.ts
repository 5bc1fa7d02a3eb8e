import { mkdtemp, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError, Resources } from '../plugin-api/index.js';
import { hasOwnNetwork, PodNamespace, runTool } from './cni-pods.js';
import { answer, answerIn, ask, askIn } from './network-talk.js';
import type { Place, ServiceProxyUnderTest } from './service-proxy-suite.js';
import { startCluster } from './start-cluster.js';
import type { TestCluster } from './start-cluster.js';

const nodeAddress = '192.0.2.1';

/**
 * A sandbox with the service proxy that the arguments choose (`--plugin`, `--slot service-proxy=ID`). As root in a network namespace
 * of its own: with two pods on a bridge, 10.42.0.5 and 10.42.0.6, and a node at 192.0.2.1, which it makes and takes away. Elsewhere
 * endpoints are on an address of this machine, and ClusterIPs are not looked at.
 */
export async function startServiceProxyUnderTest(options: {
  readonly arguments: readonly string[];
  /** Services go on while k3s is stopped, as rules of the kernel do. */
  readonly outlivesStop?: boolean;
  /** Starts a proxy beside the cluster, where none is in it. */
  attach?(cluster: TestCluster): Promise<{ stop(): Promise<void> }>;
}): Promise<ServiceProxyUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-proxy-'));
  const network = hasOwnNetwork() ? await makeNetwork() : machineNetwork();
  let cluster: TestCluster | undefined;
  let beside: { stop(): Promise<void> } | undefined;
  const stop = async (): Promise<void> => {
    await beside?.stop();
    await cluster?.stop();
    beside = cluster = undefined;
  };
  const start = async (): Promise<TestCluster> => {
    const only = ['metrics=none', 'helm=none', 'datastore=sqlite'].flatMap(each => ['--slot', each]);
    const node = ['--node-ip', network.nodeAddress, '--node-name', 'node-a'];
    cluster = await startCluster({ arguments: ['--data-dir', join(directory, 'data'), ...only, ...node, ...options.arguments] });
    beside = await options.attach?.(cluster);
    return cluster;
  };
  const dispose = async (): Promise<void> => {
    await stop();
    await network.dispose();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const { client } = await start();
    await client.resource(Resources.Nodes).get('node-a');
    return {
      ...network,
      client,
      nodeName: 'node-a',
      outlivesStop: options.outlivesStop ?? false,
      async restart(whileStopped) {
        await stop();
        await whileStopped?.();
        return (await start()).client;
      },
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

type Network = Pick<ServiceProxyUnderTest, 'nodeAddress' | 'node' | 'pods' | 'carriesClusterIps'> & { dispose(): Promise<void> };

function here(name: string, address: string): Place {
  return { name, address, ask, answer: (port, protocol) => answer(name, address, port, protocol) };
}

/** An address of this machine that endpoints can have. Throws `NO_ADDRESS`. */
export function ownAddress(): string {
  const own = Object.values(networkInterfaces())
    .flatMap(addresses => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  if (own === undefined) {
    throw new CodedError('NO_ADDRESS', 'this machine has no address but loopback, which endpoints cannot have', {
      mend: 'run it by root in a network namespace of its own: unshare --net',
    });
  }
  return own;
}

function machineNetwork(): Network {
  const own = ownAddress();
  const pods = [here('pod-a', own), here('pod-b', own)] as const;
  return { nodeAddress: own, node: here('node', own), pods, carriesClusterIps: false, dispose: () => Promise.resolve() };
}

async function makeNetwork(): Promise<Network> {
  const undo: (() => Promise<unknown>)[] = [];
  const dispose = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  const link = async (...words: string[]): Promise<void> => {
    await runTool('ip', 'link', 'add', ...words);
    undo.push(() => runTool('ip', 'link', 'delete', words[0]!));
  };
  try {
    await link('uplink', 'type', 'veth', 'peer', 'name', 'far-end');
    await link('pods0', 'type', 'bridge');
    await runTool('ip', 'link', 'set', 'far-end', 'up');
    await runTool('ip', 'address', 'add', `${nodeAddress}/24`, 'dev', 'uplink');
    await runTool('ip', 'address', 'add', '10.42.0.1/24', 'dev', 'pods0');
    for (const name of ['uplink', 'pods0']) await runTool('ip', 'link', 'set', name, 'up');
    const pods: Place[] = [];
    for (const [index, name] of ['pod-a', 'pod-b'].entries()) {
      const pod = await PodNamespace.make();
      undo.push(() => pod.dispose());
      const address = `10.42.0.${5 + index}`;
      await link(name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.path);
      await runTool('ip', 'link', 'set', name, 'up', 'master', 'pods0');
      await runTool('ip', 'link', 'set', name, 'type', 'bridge_slave', 'hairpin', 'on');
      await pod.run('ip', 'link', 'set', 'lo', 'up');
      await pod.run('ip', 'address', 'add', `${address}/24`, 'dev', 'eth0');
      await pod.run('ip', 'link', 'set', 'eth0', 'up');
      await pod.run('ip', 'route', 'add', 'default', 'via', '10.42.0.1');
      pods.push({
        name,
        address,
        ask: question => askIn(pod.path, question),
        answer: (port, protocol) => answerIn(pod.path, name, '0.0.0.0', port, protocol),
      });
    }
    return {
      nodeAddress,
      node: here('node', nodeAddress),
      pods: [pods[0]!, pods[1]!],
      carriesClusterIps: true,
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
