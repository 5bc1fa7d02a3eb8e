import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { SystemClock } from '../../../../core/base/clock.js';
import { FakeTransport } from '../../../../core/client/testing/fake-transport.js';
import type { ClusterSettings } from '../../../../core/contracts/cluster-settings.js';
import { ConntrackCommand } from '../../../../core/host/conntrack.js';
import { IpCommand } from '../../../../core/host/links.js';
import { NftCommand } from '../../../../core/host/nftables.js';
import { SysctlCommand } from '../../../../core/host/sysctl.js';
import { NetworkNamespace } from '../../../../core/host/testing/network-namespace.js';
import { Client, cloneJson, Resources, silentLogger } from '../../../../core/plugin-api/index.js';
import type { KubeObject, Ledger, LedgerEntry, ResourceReference, Service } from '../../../../core/plugin-api/index.js';
import { NftablesServiceProxy } from '../nftables-service-proxy.js';
import { slice } from './objects.js';
import type { EndpointInput } from './objects.js';

/**
 * A node with a bridge and two pods, and a client outside, each in a network namespace of its own, and a service proxy that runs on
 * the node against an API server in memory. Neither node nor client has a default route beyond what the test needs.
 *
 * node: 192.0.2.1 and 10.42.0.1; client: 192.0.2.9, routes everything to the node; pods: 10.42.0.5 and 10.42.0.6.
 */
export class ProxyNetwork {
  readonly node: NetworkNamespace;
  readonly client: NetworkNamespace;
  readonly podA: NetworkNamespace;
  readonly podB: NetworkNamespace;
  readonly transport = new FakeTransport(new SystemClock());
  readonly api = new Client(this.transport, { name: 'tester', groups: [] });
  readonly ledger = new MemoryLedger();
  readonly proxy: NftablesServiceProxy;
  readonly nftables: NftCommand;
  #probes = 0;

  /** Of this process's own network: the proxy's rules are elsewhere, its listeners are not. */
  readonly healthzPort: number;
  readonly metricsPort: number;

  private constructor(namespaces: readonly NetworkNamespace[], [healthz, metrics]: readonly [number, number]) {
    this.healthzPort = healthz;
    this.metricsPort = metrics;
    [this.node, this.client, this.podA, this.podB] = namespaces as [
      NetworkNamespace,
      NetworkNamespace,
      NetworkNamespace,
      NetworkNamespace,
    ];
    const { commands } = this.node;
    this.nftables = new NftCommand(commands);
    this.proxy = new NftablesServiceProxy({
      transport: this.transport,
      settings: {
        nodeName: 'node-a',
        nodeIps: ['192.0.2.1'],
        nodeExternalIps: [],
        httpsListenPort: 6443,
        clusterCidrs: ['10.42.0.0/16'],
        serviceCidrs: ['10.43.0.0/16'],
      } as unknown as ClusterSettings,
      options: {
        nodePortAddresses: [],
        nodePortsOnLoopback: true,
        arguments: [`healthz-bind-address=127.0.0.1:${healthz}`, `metrics-bind-address=127.0.0.1:${metrics}`],
      },
      clock: new SystemClock(),
      logger: silentLogger,
      ledger: this.ledger,
      host: {
        commands,
        nftables: this.nftables,
        links: new IpCommand(commands),
        sysctl: new SysctlCommand(commands),
        conntrack: new ConntrackCommand(commands),
      },
    });
  }

  static async create(): Promise<ProxyNetwork> {
    const namespaces: NetworkNamespace[] = [];
    for (const label of ['node', 'client', 'pod-a', 'pod-b']) namespaces.push(await NetworkNamespace.create(label));
    const network = new ProxyNetwork(namespaces, [await freePort(), await freePort()]);
    const { node, client } = network;
    await node.connect('eth0', client, 'eth0');
    await node.ip(
      ['addr', 'add', '192.0.2.1/24', 'dev', 'eth0'],
      ['link', 'set', 'eth0', 'up'],
      ['link', 'add', 'cni0', 'type', 'bridge'],
      ['addr', 'add', '10.42.0.1/24', 'dev', 'cni0'],
      ['link', 'set', 'cni0', 'up'],
    );
    await client.ip(
      ['addr', 'add', '192.0.2.9/24', 'dev', 'eth0'],
      ['addr', 'add', '192.0.2.10/24', 'dev', 'eth0'],
      ['link', 'set', 'eth0', 'up'],
      ['route', 'add', 'default', 'via', '192.0.2.1'],
    );
    for (const [pod, address, link] of [
      [network.podA, '10.42.0.5', 'veth-a'],
      [network.podB, '10.42.0.6', 'veth-b'],
    ] as const) {
      await node.connect(link, pod, 'eth0');
      await node.ip(['link', 'set', link, 'master', 'cni0'], ['link', 'set', link, 'type', 'bridge_slave', 'hairpin', 'on']);
      await node.ip(['link', 'set', link, 'up']);
      await pod.ip(
        ['addr', 'add', `${address}/24`, 'dev', 'eth0'],
        ['link', 'set', 'eth0', 'up'],
        ['route', 'add', 'default', 'via', '10.42.0.1'],
      );
      await pod.listen(8080, address === '10.42.0.5' ? 'pod-a' : 'pod-b');
      await pod.listen(5353, address === '10.42.0.5' ? 'pod-a' : 'pod-b', { protocol: 'udp' });
    }
    return network;
  }

  async start(): Promise<void> {
    const { signal } = new AbortController();
    await this.proxy.init(signal);
    await this.proxy.start(signal);
    await this.proxy.ready();
  }

  /** Writes a Service with its endpoints, and waits until the kernel knows. */
  async serve(object: Service, endpoints: readonly (string | EndpointInput)[], options: SliceOptions = {}): Promise<void> {
    const { name } = object.metadata;
    await this.#put(Resources.Services, object);
    await this.#put(Resources.EndpointSlices, slice(name!, endpoints, options));
    await this.settled();
  }

  /** Resolves when a Service written after all others is in the kernel. */
  async settled(): Promise<void> {
    const address = `10.43.255.${++this.#probes}`;
    const probe = { clusterIP: address, clusterIPs: [address], ports: [{ port: 1, targetPort: 1 }] };
    const object = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `probe-${this.#probes}`, namespace: 'probes' },
      spec: probe,
    };
    await this.api.resource(Resources.Services, 'probes').create(object as unknown as Service);
    for (const end = Date.now() + 10_000; Date.now() < end;) {
      const [set] = await this.nftables.list(['set', 'inet', 'k3s-services', 'cluster-ips-4']);
      if (((set?.['set']?.['elem'] as string[] | undefined) ?? []).includes(address)) return;
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    throw new Error('the rules did not come');
  }

  async dispose(): Promise<void> {
    await this.proxy.stop();
    for (const namespace of [this.node, this.client, this.podA, this.podB]) await namespace.dispose();
  }

  async #put<T extends KubeObject>(resource: ResourceReference<T>, object: T): Promise<void> {
    const target = this.api.resource(resource, 'default');
    const name = object.metadata.name!;
    const { entries } = await target.list({ fieldSelector: `metadata.name=${name}` });
    if (entries.length === 0) await target.create(cloneJson(object));
    else await target.update(name, cloneJson(object));
    if (object.kind === 'Service') await target.updateStatus(name, cloneJson(object));
  }
}

interface SliceOptions {
  readonly port?: number;
  readonly protocol?: string;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

class MemoryLedger implements Ledger {
  readonly entries: LedgerEntry[] = [];

  async record(kind: string, name: string): Promise<void> {
    this.entries.push({ owner: 'nftables', kind, name });
  }
  async forget(kind: string, name: string): Promise<void> {
    const index = this.entries.findIndex(entry => entry.kind === kind && entry.name === name);
    if (index >= 0) this.entries.splice(index, 1);
  }
  async list(): Promise<readonly LedgerEntry[]> {
    return this.entries;
  }
}
