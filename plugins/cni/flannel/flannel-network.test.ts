import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../../core/base/clock.js';
import { FakeTransport } from '../../../core/client/testing/fake-transport.js';
import type { ClusterPaths } from '../../../core/contracts/cluster-paths.js';
import type { ClusterSettings } from '../../../core/contracts/cluster-settings.js';
import { ConntrackCommand } from '../../../core/host/conntrack.js';
import { NftCommand } from '../../../core/host/nftables.js';
import { SysctlCommand } from '../../../core/host/sysctl.js';
import { mayUseNamespaces, NetworkNamespace } from '../../../core/host/testing/network-namespace.js';
import { Client, Resources, silentLogger } from '../../../core/plugin-api/index.js';
import { FlannelCni } from './flannel-cni.js';
import { MemoryLedger } from './testing/memory-ledger.js';
import { nodeObject, podObject } from './testing/node-object.js';

const real = mayUseNamespaces() || process.env['K3S_TEST_REQUIRE'] === '1' ? describe : describe.skip;

real('the pod network of two nodes (needs root, nft)', () => {
  const undo: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  async function namespace(label: string): Promise<NetworkNamespace> {
    const made = await NetworkNamespace.create(label);
    undo.push(() => made.dispose());
    return made;
  }

  /** A node with one pod, wired as the bridge plugin would by the configuration that the part wrote. */
  async function startNode(transport: FakeTransport, index: number, backend: string) {
    const host = await namespace(`node-${index}`);
    const directory = await mkdtemp(join(tmpdir(), 'flannel-'));
    undo.push(() => rm(directory, { recursive: true, force: true }));
    const ledger = new MemoryLedger();
    const part = new FlannelCni({
      transport,
      settings: {
        nodeName: `node-${index}`,
        nodeIps: [`192.0.2.${index}`],
        nodeExternalIps: [],
        clusterCidrs: ['10.42.0.0/16'],
      } as unknown as ClusterSettings,
      clusterPaths: { binDir: directory, agent: { dir: directory, etcDir: directory } } as unknown as ClusterPaths,
      options: {
        backend,
        ipv6Masquerade: false,
        externalIp: false,
        interface: '',
        configurationFile: '',
        cniConfigurationFile: '',
        binaryDirectories: [],
      },
      clock: new SystemClock(),
      logger: silentLogger,
      ledger,
      host: {
        links: host.links,
        conntrack: new ConntrackCommand(host.commands),
        nftables: new NftCommand(host.commands),
        sysctl: new SysctlCommand(host.commands),
      },
    });
    const start = async (): Promise<void> => {
      const { signal } = new AbortController();
      await part.init(signal);
      await part.start(signal);
      undo.push(() => part.stop());
      await until(async () => (await configuration()).plugins[0]!.ipam.ranges[0]![0]!.subnet === `10.42.${index}.0/24`);
    };
    const configuration = async () =>
      JSON.parse(await readFile(join(directory, 'cni', 'net.d', '10-flannel.conflist'), 'utf8').catch(() => empty)) as Conflist;
    const pod = async (): Promise<NetworkNamespace> => {
      const { mtu } = (await configuration()).plugins[0]!;
      const made = await namespace(`pod-${index}`);
      await host.ip(
        ['link', 'add', 'cni0', 'mtu', String(mtu), 'type', 'bridge'],
        ['addr', 'add', `10.42.${index}.1/24`, 'dev', 'cni0'],
        ['link', 'set', 'cni0', 'up'],
      );
      await host.connect('veth0', made, 'eth0');
      await host.ip(
        ['link', 'set', 'veth0', 'mtu', String(mtu), 'master', 'cni0', 'up'],
        ['link', 'set', 'veth0', 'type', 'bridge_slave', 'hairpin', 'on'],
      );
      await made.ip(
        ['link', 'set', 'eth0', 'mtu', String(mtu), 'up'],
        ['addr', 'add', `10.42.${index}.2/24`, 'dev', 'eth0'],
        ['route', 'add', 'default', 'via', `10.42.${index}.1`],
      );
      await made.listen(8080, `pod-${index}`);
      return made;
    };
    return { host, part, ledger, start, pod };
  }

  it.each(['vxlan', 'host-gw'])(
    'carries packets between pods by %s, and the node address to the rest of the world',
    async backend => {
      const transport = new FakeTransport(new SystemClock());
      const nodes = new Client(transport, { name: 'tester', groups: [] }).resource(Resources.Nodes);
      const one = await startNode(transport, 1, backend);
      const two = await startNode(transport, 2, backend);
      await one.host.connect('eth0', two.host, 'eth0');
      for (const [index, { host }] of [one, two].entries()) {
        await host.ip(['addr', 'add', `192.0.2.${index + 1}/24`, 'dev', 'eth0'], ['link', 'set', 'eth0', 'up']);
      }
      for (const index of [1, 2]) await nodes.create(nodeObject(`node-${index}`, [`10.42.${index}.0/24`]));
      await one.start();
      await two.start();
      const podOne = await one.pod();
      const podTwo = await two.pod();
      await until(async () => (await podOne.ask('10.42.2.2', 8080)).startsWith('pod-2'));
      // Pods see each other's own address.
      expect(await podOne.ask('10.42.2.2', 8080)).toBe('pod-2 10.42.1.2');
      expect(await podTwo.ask('10.42.1.2', 8080)).toBe('pod-1 10.42.2.2');
      // Outside of the cluster a pod is its node.
      await two.host.listen(9000, 'outside', { address: '192.0.2.2' });
      expect(await podOne.ask('192.0.2.2', 9000)).toBe('outside 192.0.2.1');
      // A node reaches pods of the other one, by an address that they can answer to.
      expect(await one.host.ask('10.42.2.2', 8080)).toMatch(/^pod-2 (10\.42\.1\.\d+|192\.0\.2\.1)$/);

      // A port of the node leads to the pod, from everywhere; loopback included.
      const pods = new Client(transport, { name: 'tester', groups: [] }).resource(Resources.Pods, 'default');
      await pods.create(podObject('web', 'node-1', '10.42.1.2', 8088));
      await until(async () => (await two.host.ask('192.0.2.1', 8088)).startsWith('pod-1'));
      expect(await two.host.ask('192.0.2.1', 8088)).toBe('pod-1 192.0.2.2');
      expect(await podOne.ask('192.0.2.1', 8088)).toBe('pod-1 10.42.1.1');
      expect(await one.host.ask('127.0.0.1', 8088)).toBe('pod-1 10.42.1.1');
      await pods.delete('web', { gracePeriodSeconds: 0 });
      await until(async () => (await two.host.ask('192.0.2.1', 8088)) === 'error ECONNREFUSED');

      await nodes.delete('node-2');
      await until(async () => !(await one.host.links.routes(4)).some(({ destination }) => destination === '10.42.2.0/24'));
      await until(async () => !one.ledger.names().includes('route 10.42.2.0/24'));
      // What the network is made of stays when the part stops.
      await one.part.stop();
      const names = (await one.host.links.list()).map(({ name }) => name.replace(/@.*/, ''));
      expect(names.includes('flannel.1')).toBe(backend === 'vxlan');
    },
  );
});

interface Conflist {
  readonly plugins: readonly {
    readonly mtu: number;
    readonly ipam: { readonly ranges: readonly (readonly { subnet: string }[])[] };
  }[];
}
const empty = '{"plugins":[{"mtu":0,"ipam":{"ranges":[[{"subnet":""}]]}}]}';

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    if (await condition()) return;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error('it did not come true');
}
