import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import type { Conntrack } from '../../../core/host/conntrack.js';
import { networkRemovals } from '../../../core/host/host-removal.js';
import type { Link, Links } from '../../../core/host/links.js';
import type { Nftables } from '../../../core/host/nftables.js';
import type { Sysctl } from '../../../core/host/sysctl.js';
import {
  Client,
  CodedError,
  defaultCniPaths,
  errorCode,
  errorText,
  Resources,
  SharedInformer,
  WorkQueue,
} from '../../../core/plugin-api/index.js';
import type {
  ApiTransport,
  Clock,
  ClusterPaths,
  ClusterSettings,
  Cni,
  CniPaths,
  Disposable,
  Ledger,
  Logger,
  Node,
  Part,
  Pod,
} from '../../../core/plugin-api/index.js';
import { readBackend, vxlanOverhead } from './backend.js';
import type { Backend } from './backend.js';
import { bridgeName, conflist } from './conflist.js';
import { hostPortScript, hostPortsOf, hostPortTable, staleHostPortFlows } from './host-ports.js';
import type { HostPort } from './host-ports.js';
import type { FlannelOptions } from './index.js';
import { addPeer, nodeAnnotations, networkAddress, peerOf, removePeer, vtepAddressOf } from './peers.js';
import type { Peer } from './peers.js';
import { masqueradeScript, masqueradeTable } from './pod-masquerade.js';

export interface FlannelHostTools {
  readonly links: Links;
  readonly nftables: Nftables;
  readonly sysctl: Sysctl;
  readonly conntrack: Conntrack;
}

export interface FlannelCniOptions {
  readonly transport: ApiTransport;
  readonly settings: ClusterSettings;
  readonly clusterPaths: ClusterPaths;
  readonly options: FlannelOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ledger: Ledger;
  readonly host: FlannelHostTools;
}

/** It may list nodes and patch their status, as flannel's own role; bound by the bootstrap policy. */
const identity = {
  name: 'system:serviceaccount:kube-system:route-controller',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
};
const configurationName = '10-flannel.conflist';

/**
 * The pod network that K3s ships: a bridge for the pods of a node, and a way to the pods of other nodes. It does not wait for the
 * node's pod range: that comes when the kubelet has registered the node, for which the runtime must run, which waits for this part.
 */
export class FlannelCni implements Cni, Part {
  readonly paths: CniPaths;
  readonly #given: FlannelCniOptions;
  #backend: Backend | undefined;
  #run: FlannelRun | undefined;

  constructor(given: FlannelCniOptions) {
    this.#given = given;
    const { options, clusterPaths } = given;
    const own = options.binaryDirectories.length > 0 ? options.binaryDirectories : [join(clusterPaths.binDir, 'cni')];
    this.paths =
      options.backend === 'none'
        ? defaultCniPaths
        : { configurationDirectory: join(clusterPaths.agent.etcDir, 'cni', 'net.d'), binaryDirectories: own };
  }

  async init(signal: AbortSignal): Promise<void> {
    this.#backend = await readBackend(this.#given.options);
    if (this.#backend.type === 'none') return;
    const { clusterCidrs } = this.#given.settings;
    if (clusterCidrs.every(range => range.includes(':'))) {
      throw new CodedError(
        'FLANNEL_IPV6_ONLY',
        `pods with IPv6 addresses alone are not built: --cluster-cidr is ${clusterCidrs.join(',')}`,
        { mend: 'give both families: --cluster-cidr 10.42.0.0/16,fd00:42::/56 --service-cidr 10.43.0.0/16,fd00:43::/112' },
      );
    }
    // Refuse by name where a tool or the kernel's nf_tables is missing.
    await this.#given.host.nftables.list(['tables', masqueradeTable.family], signal);
    await this.#given.host.links.list();
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.stop();
    const backend = (this.#backend ??= await readBackend(this.#given.options));
    if (backend.type === 'none') return this.#removeOwn();
    // The runtime watches the folder for the configuration.
    await mkdir(this.paths.configurationDirectory, { recursive: true });
    this.#run = new FlannelRun(this.#given, backend, join(this.paths.configurationDirectory, configurationName));
    await this.#run.start(signal);
  }

  /** With `none` another network is to be alone: what an earlier start made is taken away. */
  async #removeOwn(): Promise<void> {
    const { ledger, host, logger } = this.#given;
    const removals = networkRemovals(host);
    for (const entry of [...(await ledger.list())].reverse()) {
      await removals[entry.kind]?.(entry);
      await ledger.forget(entry.kind, entry.name);
      logger.info('removed what the pod network had made', { kind: entry.kind, name: entry.name });
    }
  }

  /** Whether all that is known by now is done; what waits for another try counts as done. */
  get idle(): boolean {
    return this.#run?.idle ?? true;
  }

  /** The network itself stays: pods outlive this process. */
  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.stop();
  }
}

interface Uplink {
  readonly link: Link;
  /** Where other nodes send pod packets to. */
  readonly publicIp: string;
}

/** One life of the part, from start to stop. */
class FlannelRun {
  readonly #given: FlannelCniOptions;
  readonly #backend: Backend;
  readonly #configurationFile: string;
  readonly #client: Client;
  readonly #nodes: SharedInformer<Node>;
  readonly #pods: SharedInformer<Pod>;
  readonly #queue: WorkQueue<'network' | 'host-ports'>;
  readonly #peers = new Map<string, Peer>();
  readonly #handlers: Disposable[] = [];
  #hostPorts: readonly HostPort[] | undefined;
  #working: Promise<void> | undefined;
  /** What was set up for; the next one that differs sets up anew. */
  #done: string | undefined;
  #vtepAddress: string | undefined;

  constructor(given: FlannelCniOptions, backend: Backend, configurationFile: string) {
    this.#given = given;
    this.#backend = backend;
    this.#configurationFile = configurationFile;
    const { transport, clock, logger } = given;
    this.#client = new Client(transport, identity, 'flannel');
    this.#nodes = new SharedInformer({ client: this.#client, clock, logger, resource: Resources.Nodes });
    // The node may read its own pods only.
    const nodeIdentity = {
      name: `system:node:${given.settings.nodeName}`,
      groups: ['system:nodes', 'system:authenticated'],
    };
    this.#pods = new SharedInformer({
      client: this.#client.as(nodeIdentity),
      clock,
      logger,
      resource: Resources.Pods,
      fieldSelector: `spec.nodeName=${given.settings.nodeName}`,
    });
    this.#queue = new WorkQueue({ clock, backoff: { initialMs: 500, maximumMs: 30_000 } });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { sysctl } = this.#given.host;
    await sysctl.write('net/ipv4/ip_forward', '1');
    await sysctl.write('net/bridge/bridge-nf-call-iptables', '1');
    if (this.#given.settings.clusterCidrs.some(range => range.includes(':'))) {
      await sysctl.write('net/ipv6/conf/all/forwarding', '1');
      await sysctl.write('net/bridge/bridge-nf-call-ip6tables', '1');
    }
    const wake = (): void => this.#queue.add('network');
    const wakeForPod = ({ object }: { object: Pod }): void => {
      if (hasHostPort(object)) this.#queue.add('host-ports');
    };
    this.#handlers.push(
      this.#nodes.addHandler({ added: wake, updated: wake, deleted: wake }),
      this.#pods.addHandler({ added: wakeForPod, updated: (_, next) => wakeForPod(next), deleted: wakeForPod }),
    );
    const informers = [this.#nodes, this.#pods];
    for (const informer of informers) informer.start();
    await Promise.all(informers.map(informer => informer.whenSynced(signal)));
    // Also with none: there may be rules of pods that went while nobody watched.
    this.#queue.add('host-ports');
    this.#working = this.#work();
  }

  get idle(): boolean {
    return this.#queue.length + this.#queue.processing === 0;
  }

  async stop(): Promise<void> {
    for (const handler of this.#handlers) void handler.dispose();
    const finished = this.#queue.shutDown();
    await Promise.all([this.#nodes, this.#pods].map(informer => informer.stop()));
    await finished;
    await this.#working;
  }

  async #work(): Promise<void> {
    for (;;) {
      const key = await this.#queue.take();
      if (key === undefined) return;
      try {
        await (key === 'network' ? this.#sync() : this.#syncHostPorts());
        this.#queue.forget(key);
      } catch (error) {
        this.#given.logger.warn('the pod network is not set up yet, trying again', { error: errorText(error) });
        this.#queue.addRateLimited(key);
      } finally {
        this.#queue.done(key);
      }
    }
  }

  async #sync(): Promise<void> {
    const own = this.#nodes.get('', this.#given.settings.nodeName);
    const podCidrs = own?.spec.podCIDRs ?? [];
    if (!own || podCidrs.length === 0) return;
    const uplink = await this.#findUplink(own);
    const wanted = JSON.stringify([podCidrs, uplink.link.name, uplink.link.mtu, uplink.publicIp]);
    if (wanted !== this.#done) {
      await this.#setUp(podCidrs, uplink);
      this.#done = wanted;
    }
    await this.#annotate(own, uplink.publicIp);
    await this.#syncPeers();
  }

  async #setUp(podCidrs: readonly string[], uplink: Uplink): Promise<void> {
    const { host, ledger, settings, options, clusterPaths, logger } = this.#given;
    await ledger.record('nftables-table', `${masqueradeTable.family} ${masqueradeTable.name}`);
    await host.nftables.apply(masqueradeScript({ clusterCidrs: settings.clusterCidrs, podCidrs, ipv6: options.ipv6Masquerade }));
    await this.#dropForeignBridge(podCidrs);
    await ledger.record('link', bridgeName);
    await ledger.record('file', this.#configurationFile);
    const allocationDirectory = join(clusterPaths.agent.dir, 'cni', 'networks');
    await ledger.record('directory', allocationDirectory);
    const text = options.cniConfigurationFile
      ? await readFile(options.cniConfigurationFile, 'utf8')
      : conflist({ podCidrs, mtu: this.#mtu(uplink), allocationDirectory });
    if (await writeWhenDifferent(this.#configurationFile, text)) {
      logger.info('pod network configured', { podCIDR: podCidrs.join(','), backend: this.#backend.type });
    }
    const range = podCidrs.find(cidr => cidr.includes('.'));
    if (this.#backend.type === 'vxlan' && range) this.#vtepAddress = await this.#makeVxlan(range, uplink);
  }

  async #syncHostPorts(): Promise<void> {
    const { host, ledger, logger } = this.#given;
    const before = this.#hostPorts;
    const now = hostPortsOf(this.#pods.list());
    const script = hostPortScript(now);
    if (before && script === hostPortScript(before)) return;
    const { family, name } = hostPortTable;
    if (now.length > 0) {
      await ledger.record('nftables-table', `${family} ${name}`);
      await host.sysctl.write('net/ipv4/conf/all/route_localnet', '1');
    }
    // Nothing to take away where nothing ever was.
    if (now.length > 0 || before || (await host.nftables.hasTable(family, name))) await host.nftables.apply(script);
    if (now.length === 0) await ledger.forget('nftables-table', `${family} ${name}`);
    this.#hostPorts = now;
    if (![...now, ...(before ?? [])].some(({ protocol }) => protocol === 'udp')) return;
    try {
      await host.conntrack.forget(staleHostPortFlows(await host.conntrack.udpFlows(4), before ?? [], now));
    } catch (error) {
      logger.warn('UDP clients of host ports may keep pods that are gone', { error: errorText(error) });
    }
  }

  /** A bridge with the address of another range, from an earlier cluster, would make every new pod fail. */
  async #dropForeignBridge(podCidrs: readonly string[]): Promise<void> {
    const { host, logger } = this.#given;
    const bridge = await host.links.get(bridgeName);
    const own = podCidrs.find(range => range.includes('.'));
    const address = bridge?.addresses.find(({ family }) => family === 'inet');
    if (!bridge || !own || !address || isGatewayOf(address, own)) return;
    logger.warn(`the bridge ${bridgeName} belonged to another pod range, making it anew`, {
      address: address.address,
      podCIDR: own,
    });
    await host.links.remove(bridgeName);
  }

  async #makeVxlan(range: string, { link, publicIp }: Uplink): Promise<string> {
    const { host, ledger, settings } = this.#given;
    const device = this.#device;
    const hardware = vtepAddressOf(settings.nodeName, range);
    const known = await host.links.get(device);
    const { networkId, port } = this.#backend;
    const { id, local, port: knownPort } = known?.details ?? {};
    const fits =
      known?.kind === 'vxlan' && known.address === hardware && id === networkId && local === publicIp && knownPort === port;
    await ledger.record('link', device);
    if (known && !fits) await host.links.remove(device);
    const own = ['id', String(networkId), 'local', publicIp, 'dev', link.name, 'dstport', String(port), 'nolearning'];
    const create = [
      'link',
      'add',
      device,
      'address',
      hardware,
      'mtu',
      String(this.#mtu({ link, publicIp })),
      'type',
      'vxlan',
      ...own,
    ];
    try {
      await host.links.apply([
        ...(fits ? [] : [create]),
        ['addr', 'replace', `${networkAddress(range)}/32`, 'dev', device],
        ['link', 'set', device, 'mtu', String(this.#mtu({ link, publicIp })), 'up'],
      ]);
    } catch (error) {
      throw new CodedError('FLANNEL_VXLAN', `the link ${device} could not be made`, {
        cause: error,
        mend: 'load the kernel module vxlan, or use --flannel-backend host-gw',
      });
    }
    return hardware;
  }

  async #annotate(own: Node, publicIp: string): Promise<void> {
    if (this.#backend.type === 'vxlan' && this.#vtepAddress === undefined) return;
    const wanted = nodeAnnotations(this.#backend, publicIp, this.#vtepAddress);
    const given = own.metadata.annotations ?? {};
    if (Object.entries(wanted).every(([key, value]) => given[key] === value)) return;
    const patch = { metadata: { annotations: wanted } };
    await this.#client.resource(Resources.Nodes).subresource('status').patch(own.metadata.name!, 'strategic', patch);
  }

  async #syncPeers(): Promise<void> {
    const { host, ledger, settings, logger } = this.#given;
    const wanted = new Map<string, Peer>();
    for (const node of this.#nodes.list()) {
      const peer = node.metadata.name === settings.nodeName ? undefined : peerOf(node, this.#backend);
      if (peer) wanted.set(peer.name, peer);
    }
    for (const [name, peer] of this.#peers) {
      const next = wanted.get(name);
      if (next && JSON.stringify(next) === JSON.stringify(peer)) continue;
      const { links, bridge } = removePeer(peer, this.#device);
      await host.links.removeRoute(4, peer.podCidr);
      await host.links.apply(links);
      await host.links.applyBridge(bridge);
      await ledger.forget('route', peer.podCidr);
      this.#peers.delete(name);
      logger.info('node left the pod network', { node: name });
    }
    for (const [name, peer] of wanted) {
      if (this.#peers.has(name)) continue;
      const { links, bridge } = addPeer(peer, this.#device);
      await ledger.record('route', peer.podCidr);
      await host.links.applyBridge(bridge);
      await host.links.apply(links);
      this.#peers.set(name, peer);
      logger.info('node joined the pod network', { node: name, address: peer.publicIp, podCIDR: peer.podCidr });
    }
    await this.#forgetStaleRoutes();
  }

  /** Routes to nodes that left while nobody watched. */
  async #forgetStaleRoutes(): Promise<void> {
    const { host, ledger } = this.#given;
    const current = new Set([...this.#peers.values()].map(peer => peer.podCidr));
    for (const { kind, name } of await ledger.list()) {
      if (kind !== 'route' || current.has(name)) continue;
      await host.links.removeRoute(4, name);
      await ledger.forget('route', name);
    }
  }

  get #device(): string {
    return `flannel.${this.#backend.networkId}`;
  }

  #mtu({ link }: Uplink): number {
    if (this.#backend.mtu > 0) return this.#backend.mtu;
    return this.#backend.type === 'vxlan' ? link.mtu - vxlanOverhead : link.mtu;
  }

  async #findUplink(own: Node): Promise<Uplink> {
    const { host, options, settings } = this.#given;
    const links = await host.links.list();
    const reported = (own.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
    const nodeIp = [...settings.nodeIps, ...reported].find(address => isIP(address) === 4);
    const externalIp = options.externalIp ? settings.nodeExternalIps.find(address => isIP(address) === 4) : undefined;
    const hasAddress = (link: Link, address: string): boolean => link.addresses.some(one => one.address === address);
    let link = options.interface ? links.find(({ name }) => name === options.interface) : undefined;
    if (options.interface && !link) {
      throw new CodedError('FLANNEL_INTERFACE', `--flannel-iface ${options.interface}: there is no such link`, {
        mend: `use one of ${links.map(({ name }) => name).join(', ')}`,
      });
    }
    link ??= nodeIp === undefined ? undefined : links.find(one => hasAddress(one, nodeIp));
    if (!link) {
      const route = (await host.links.routes(4)).find(({ destination }) => destination === 'default');
      link = links.find(({ name }) => name === route?.link);
    }
    const ownAddress = link?.addresses.find(({ family, scope }) => family === 'inet' && scope === 'global')?.address;
    const publicIp = externalIp ?? (options.interface ? ownAddress : nodeIp) ?? ownAddress;
    if (link && publicIp) return { link, publicIp };
    throw new CodedError('FLANNEL_INTERFACE', 'no link leads to other nodes', {
      mend: 'name one by --flannel-iface, or the address of this node by --node-ip',
    });
  }
}

function hasHostPort({ spec }: Pod): boolean {
  if (spec.hostNetwork) return false;
  return [...(spec.initContainers ?? []), ...spec.containers].some(({ ports }) => (ports ?? []).some(port => port.hostPort));
}

/** Whether an address is the first of a range, which the bridge holds. */
function isGatewayOf(address: { readonly address: string; readonly prefixLength: number }, range: string): boolean {
  const [network, length] = range.split('/') as [string, string];
  return number(address.address) === number(network) + 1 && address.prefixLength === Number(length);
}

const number = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

/** In one step, so that the runtime never reads half of it. Whether it differed. */
async function writeWhenDifferent(file: string, text: string): Promise<boolean> {
  try {
    if ((await readFile(file, 'utf8')) === text) return false;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return true;
}
