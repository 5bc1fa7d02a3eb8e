import {
  ApiEventRecorder,
  Client,
  NodeEndpoints,
  Resources,
  serviceAccountIdentity,
  SharedInformer,
  SharedInformerFactory,
} from '../../../core/plugin-api/index.js';
import type {
  ApiTransport,
  Clock,
  ClusterSettings,
  ConfigMap,
  Dataplane,
  DataplaneChannel,
  Informer,
  Logger,
  Namespace,
  Node,
  EndpointSlice,
  Part,
  Service,
} from '../../../core/plugin-api/index.js';
import { readCustomConfiguration } from './corefile.js';
import type { DnsConfig, DnsCustom, DnsEntry, DnsReport } from './dataplane/state.js';
import { dnsService, dnsSlice } from './entries.js';
import type { CorednsOptions } from './index.js';
import { NodeHostsWriter, nodeHosts, nodeHostsText } from './node-hosts.js';

export interface CorednsPartOptions {
  readonly transport: ApiTransport;
  readonly dataplane: Dataplane;
  readonly settings: ClusterSettings;
  readonly options: CorednsOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Running {
  readonly factory: SharedInformerFactory;
  readonly maps: SharedInformer<ConfigMap>;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly namespaces: Informer<Namespace>;
  readonly nodes: Informer<Node>;
  readonly recorder: ApiEventRecorder;
  readonly endpoints: NodeEndpoints;
  readonly nodeHosts: NodeHostsWriter;
  channel?: DataplaneChannel<DnsEntry>;
}

const namespace = 'kube-system';
const customName = 'coredns-custom';
const ttlSeconds = 5;
const settleMs = 10_000;

/** Publishes what names mean to the dataplane, and where it listens to the cluster, as CoreDNS' service account. */
export class CorednsPart implements Part {
  readonly #given: CorednsPartOptions;
  #running: Running | undefined;
  #listening: DnsReport['listening'] = [];
  #reportedProblems = '';

  constructor(options: CorednsPartOptions) {
    this.#given = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { transport, settings, clock, logger } = this.#given;
    const client = new Client(transport, serviceAccountIdentity(namespace, 'coredns'), 'coredns');
    const factory = new SharedInformerFactory({ client, clock, logger });
    const running: Running = {
      factory,
      maps: new SharedInformer({ client, clock, logger, namespace, resource: Resources.ConfigMaps }),
      services: factory.informer(Resources.Services),
      slices: factory.informer(Resources.EndpointSlices),
      namespaces: factory.informer(Resources.Namespaces),
      nodes: factory.informer(Resources.Nodes),
      recorder: new ApiEventRecorder({ client, clock, logger, component: 'coredns', host: settings.nodeName }),
      endpoints: new NodeEndpoints({
        client,
        clock,
        logger,
        nodeName: settings.nodeName,
        service: { namespace, name: 'kube-dns' },
        manager: 'coredns.k3s.cattle.io',
      }),
      nodeHosts: new NodeHostsWriter({ client, clock, logger }),
    };
    this.#running = running;
    this.#reportedProblems = '';
    factory.start();
    running.maps.start();
    await Promise.all([factory.whenSynced(signal), running.maps.whenSynced(signal)]);
    // Only now is everything known: what a snapshot does not hold, the dataplane forgets.
    running.channel = this.#given.dataplane.channel<DnsEntry>({
      name: 'coredns',
      snapshot: () => this.#snapshot(running),
      onReport: report => this.#reported(running, report as DnsReport),
    });
    this.#watch(running, running.channel);
  }

  async ready(): Promise<void> {
    await this.#running?.channel?.settled(settleMs);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    running.channel?.close();
    await Promise.all([running.factory.stop(), running.maps.stop(), running.endpoints.stop(), running.nodeHosts.stop()]);
    await running.recorder.stop();
  }

  *#snapshot(running: Running): Generator<readonly [string, DnsEntry]> {
    yield ['config', this.#config(running)];
    yield ['custom', this.#custom(running)];
    for (const { name } of running.namespaces.entries()) yield [`namespace/${name}`, { kind: 'namespace', name }];
    for (const { namespace: of, name, object } of running.services.entries()) yield [`service/${of}/${name}`, dnsService(object)];
    for (const { namespace: of, name, object } of running.slices.entries()) {
      const slice = dnsSlice(object);
      if (slice) yield [`slice/${of}/${name}`, slice];
    }
  }

  #watch(running: Running, channel: DataplaneChannel<DnsEntry>): void {
    const { services, slices, namespaces, nodes, maps } = running;
    const setService = ({ object }: { object: Service }): void => {
      channel.set(`service/${object.metadata.namespace}/${object.metadata.name}`, dnsService(object));
    };
    services.addHandler({
      added: setService,
      updated: (_, next) => setService(next),
      deleted: entry => channel.delete(`service/${entry.namespace}/${entry.name}`),
    });
    const setSlice = ({ object }: { object: EndpointSlice }): void => {
      const key = `slice/${object.metadata.namespace}/${object.metadata.name}`;
      const slice = dnsSlice(object);
      if (slice) channel.set(key, slice);
      else channel.delete(key);
    };
    slices.addHandler({
      added: setSlice,
      updated: (_, next) => setSlice(next),
      deleted: entry => channel.delete(`slice/${entry.namespace}/${entry.name}`),
    });
    namespaces.addHandler({
      added: ({ name }) => channel.set(`namespace/${name}`, { kind: 'namespace', name }),
      deleted: ({ name }) => channel.delete(`namespace/${name}`),
    });
    // Nodes report themselves again and again; what names need of them seldom changes.
    let nodesText: string | undefined;
    const nodesChanged = (): void => {
      const text = JSON.stringify([this.#config(running), nodeHosts(nodes.list())]);
      if (text === nodesText) return;
      nodesText = text;
      channel.set('config', this.#config(running));
      channel.set('custom', this.#custom(running));
      running.nodeHosts.write(nodeHostsText(nodes.list()));
      this.#publishEndpoints(running);
    };
    nodes.addHandler({ added: nodesChanged, updated: nodesChanged, deleted: nodesChanged });
    const mapChanged = ({ name }: { name: string }): void => {
      if (name === customName) channel.set('custom', this.#custom(running));
    };
    maps.addHandler({ added: mapChanged, updated: (_, next) => mapChanged(next), deleted: mapChanged });
  }

  #config({ nodes }: Running): DnsConfig {
    const { settings, options } = this.#given;
    const addresses = this.#addresses(nodes.get('', settings.nodeName));
    return {
      kind: 'config',
      listen: addresses.map(address => ({ address, port: options.port })),
      metrics: options.metricsPort === 0 ? [] : addresses.map(address => ({ address, port: options.metricsPort })),
      allowed: [...settings.clusterCidrs, ...settings.serviceCidrs, ...nodes.list().flatMap(node => internalAddresses(node))],
      domain: settings.clusterDomain,
      dnsAddresses: settings.clusterDns,
      ttlSeconds,
      resolvConf: options.upstream || options.resolvConf,
    };
  }

  #custom({ maps, nodes, recorder }: Running): DnsCustom {
    const map = maps.get(namespace, customName);
    const { problems, ...configuration } = readCustomConfiguration(map?.data ?? {});
    const text = problems.join('; ');
    if (text !== this.#reportedProblems) {
      this.#reportedProblems = text;
      if (map && text !== '') {
        this.#given.logger.warn('the ConfigMap coredns-custom asks for what is not built', { problems: text });
        recorder.event({ ...map, apiVersion: 'v1', kind: 'ConfigMap' }, 'Warning', 'CorefileNotSupported', text.slice(0, 1000));
      }
    }
    return { kind: 'custom', nodeHosts: nodeHosts(nodes.list()), ...configuration };
  }

  /** The node's own addresses, one of each family; none before the node is registered. */
  #addresses(node: Node | undefined): string[] {
    const { options, settings } = this.#given;
    if (options.listenAddresses.length > 0) return [...options.listenAddresses];
    const known = node ? internalAddresses(node) : settings.nodeIps;
    return [known.find(address => !address.includes(':')), known.find(address => address.includes(':'))].filter(
      address => address !== undefined,
    );
  }

  #reported(running: Running, { listening, failures }: DnsReport): void {
    this.#listening = listening;
    for (const failure of failures) this.#given.logger.warn('cluster DNS cannot listen, trying again', { failure });
    this.#publishEndpoints(running);
  }

  #publishEndpoints(running: Running): void {
    const { settings, options } = this.#given;
    const node = running.nodes.get('', settings.nodeName);
    const [first] = this.#listening;
    if (!node || !first) return;
    const metrics = options.metricsPort === 0 ? [] : [{ name: 'metrics', protocol: 'TCP' as const, port: options.metricsPort }];
    running.endpoints.publish({
      nodeUid: node.metadata.uid!,
      addresses: this.#listening.map(({ address }) => address),
      ports: [
        { name: 'dns', protocol: 'UDP', port: first.port },
        { name: 'dns-tcp', protocol: 'TCP', port: first.port },
        ...metrics,
      ],
    });
  }
}

function internalAddresses(node: Node): string[] {
  return (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
}
