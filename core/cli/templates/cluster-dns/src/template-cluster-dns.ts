import {
  ApiTransport,
  Client,
  Clock,
  ClusterSettings,
  inject,
  injectable,
  Logger,
  NodeEndpoints,
  PluginOptions,
  Resources,
  serviceAccountIdentity,
  SharedInformerFactory,
} from 'k3s-ts/plugin';
import type { EndpointSlice, Informer, Namespace, Node, Part, Service } from 'k3s-ts/plugin';
import { DnsServer } from './dns-server.js';
import type { TemplateClusterDnsOptions } from './index.js';
import { accountName, namespace, serviceName } from './manifests.js';
import { Upstream } from './upstream.js';
import { addressesOf, reverseKey, Zone } from './zone.js';
import type { Directory } from './zone.js';

/** Answers for names of the cluster on a node's own address. */
@injectable()
export class TemplateClusterDns implements Part {
  #run: Run | undefined;

  constructor(
    @inject(ApiTransport) private readonly transport: ApiTransport,
    @inject(ClusterSettings) private readonly settings: ClusterSettings,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
    @inject(PluginOptions) private readonly options: TemplateClusterDnsOptions,
  ) {}

  async start(signal: AbortSignal): Promise<void> {
    await this.stop();
    const client = new Client(this.transport, serviceAccountIdentity(namespace, accountName), accountName);
    this.#run = new Run(client, this.clock, this.logger, this.settings, this.options);
    await this.#run.start(signal);
  }

  async stop(): Promise<void> {
    await this.#run?.stop();
    this.#run = undefined;
  }
}

/** From one start to its stop. */
class Run implements Directory {
  readonly #nodeName: string;
  readonly #port: number;
  readonly #factory: SharedInformerFactory;
  readonly #namespaces: Informer<Namespace>;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #nodes: Informer<Node>;
  readonly #endpoints: NodeEndpoints;
  readonly #server: DnsServer;

  constructor(client: Client, clock: Clock, logger: Logger, settings: ClusterSettings, options: TemplateClusterDnsOptions) {
    const { nodeName, clusterDomain } = settings;
    this.#nodeName = nodeName;
    this.#port = options.port;
    this.#server = new DnsServer(new Zone(this, clusterDomain), new Upstream(options.upstream));
    this.#factory = new SharedInformerFactory({ client, clock, logger });
    this.#namespaces = this.#factory.informer(Resources.Namespaces);
    this.#services = this.#factory.informer(Resources.Services);
    this.#slices = this.#factory.informer(Resources.EndpointSlices);
    this.#nodes = this.#factory.informer(Resources.Nodes);
    this.#services.addIndex('address', ({ spec }) => addressesOf(spec).map(reverseKey));
    const serviceOf = ({ metadata }: EndpointSlice): string | undefined => metadata.labels?.['kubernetes.io/service-name'];
    this.#slices.addIndex('service', slice => (serviceOf(slice) ? [`${slice.metadata.namespace}/${serviceOf(slice)}`] : []));
    this.#slices.addIndex('address', slice => {
      const endpoints = serviceOf(slice) ? (slice.endpoints ?? []) : [];
      return endpoints.flatMap(({ addresses }) => (addresses ?? []).map(reverseKey));
    });
    const service = { namespace, name: serviceName };
    this.#endpoints = new NodeEndpoints({ client, clock, logger, nodeName, service, manager: accountName });
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#factory.start();
    await this.#factory.whenSynced(signal);
    const node = await this.#ownNode(signal);
    const address = addressOf(node)!;
    const port = await this.#server.listen(address, this.#port);
    this.#endpoints.publish({
      nodeUid: node.metadata.uid!,
      addresses: [address],
      ports: [
        { name: 'dns', protocol: 'UDP', port },
        { name: 'dns-tcp', protocol: 'TCP', port },
      ],
    });
  }

  async stop(): Promise<void> {
    await this.#server.close();
    await this.#endpoints.stop();
    await this.#factory.stop();
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.get('', name) !== undefined;
  }

  service(of: string, name: string): Service | undefined {
    return this.#services.get(of, name);
  }

  slices(of: string, service: string): readonly EndpointSlice[] {
    return this.#slices.byIndex('service', `${of}/${service}`);
  }

  servicesAt(address: string): readonly Service[] {
    return this.#services.byIndex('address', address);
  }

  slicesAt(address: string): readonly EndpointSlice[] {
    return this.#slices.byIndex('address', address);
  }

  /** Once it has an address: pods and the service proxy reach us there. */
  #ownNode(signal: AbortSignal): Promise<Node> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.#nodes.get('', this.#nodeName);
        if (found && addressOf(found) !== undefined) resolve(found);
      };
      this.#nodes.addHandler({ added: look, updated: look });
      signal.addEventListener('abort', () => reject(new Error(`the node ${this.#nodeName} has no address yet`)));
    });
  }
}

function addressOf({ status }: Node): string | undefined {
  return status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
}
