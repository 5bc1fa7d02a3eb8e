import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import {
  ApiTransport,
  Client,
  Clock,
  ClusterSettings,
  errorText,
  inject,
  injectable,
  isStatusError,
  jsonEqual,
  Logger,
  NodeEndpoints,
  PluginOptions,
  Resources,
  serviceAccountIdentity,
  SharedInformerFactory,
  WorkQueue,
} from 'k3s-ts/plugin';
import type { EndpointSlice, Informer, Ingress, IngressClass, Node, Part, Secret, Service } from 'k3s-ts/plugin';
import type { TemplateIngressOptions } from './index.js';
import { controllerName, name, namespace } from './manifests.js';
import { Proxy } from './proxy.js';
import type { Directory, Endpoint } from './proxy.js';
import { Routes } from './routes.js';
import type { Backend } from './routes.js';

/** Serves Ingresses of its class on a node's own address. */
@injectable()
export class TemplateIngress implements Part {
  #run: Run | undefined;

  constructor(
    @inject(ApiTransport) private readonly transport: ApiTransport,
    @inject(ClusterSettings) private readonly settings: ClusterSettings,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
    @inject(PluginOptions) private readonly options: TemplateIngressOptions,
  ) {}

  async start(signal: AbortSignal): Promise<void> {
    await this.stop();
    const client = new Client(this.transport, serviceAccountIdentity(namespace, name), name);
    this.#run = new Run(client, this.clock, this.logger, this.settings.nodeName);
    await this.#run.start(this.options, signal);
  }

  async stop(): Promise<void> {
    await this.#run?.stop();
    this.#run = undefined;
  }
}

/** From one start to its stop. */
class Run implements Directory {
  readonly #client: Client;
  readonly #logger: Logger;
  readonly #nodeName: string;
  readonly #factory: SharedInformerFactory;
  readonly #ingresses: Informer<Ingress>;
  readonly #classes: Informer<IngressClass>;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #secrets: Informer<Secret>;
  readonly #nodes: Informer<Node>;
  readonly #endpoints: NodeEndpoints;
  readonly #queue: WorkQueue<'all'>;
  readonly #proxy = new Proxy(this);
  #routes = new Routes([]);
  #certificates = new Map<string, SecureContext>();
  #working: Promise<void> | undefined;

  constructor(client: Client, clock: Clock, logger: Logger, nodeName: string) {
    this.#client = client;
    this.#logger = logger;
    this.#nodeName = nodeName;
    this.#factory = new SharedInformerFactory({ client, clock, logger });
    this.#ingresses = this.#factory.informer(Resources.Ingresses);
    this.#classes = this.#factory.informer(Resources.IngressClasses);
    this.#services = this.#factory.informer(Resources.Services);
    this.#slices = this.#factory.informer(Resources.EndpointSlices);
    this.#secrets = this.#factory.informer(Resources.Secrets, { fieldSelector: 'type=kubernetes.io/tls' });
    this.#nodes = this.#factory.informer(Resources.Nodes);
    this.#slices.addIndex('service', ({ metadata }) => {
      const service = metadata.labels?.['kubernetes.io/service-name'];
      return service === undefined ? [] : [`${metadata.namespace}/${service}`];
    });
    this.#endpoints = new NodeEndpoints({ client, clock, logger, nodeName, service: { namespace, name }, manager: name });
    this.#queue = new WorkQueue({ clock });
  }

  async start({ port, tlsPort }: TemplateIngressOptions, signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#queue.add('all');
    for (const informer of [this.#ingresses, this.#classes, this.#services, this.#secrets]) {
      informer.addHandler({ added: wake, updated: wake, deleted: wake });
    }
    this.#factory.start();
    await this.#factory.whenSynced(signal);
    await this.#listen(port, tlsPort, signal);
    this.#working = this.#work();
    wake();
  }

  async stop(): Promise<void> {
    await this.#proxy.close();
    await this.#endpoints.stop();
    await this.#factory.stop();
    await this.#queue.shutDown();
    await this.#working;
  }

  find(host: string, path: string): Backend | undefined {
    return this.#routes.find(host, path);
  }

  endpointsOf({ namespace: of, service, port }: Backend): readonly Endpoint[] {
    const ports = this.#services.get(of, service)?.spec.ports ?? [];
    const meant = ports.find(each => (typeof port === 'number' ? each.port === port : each.name === port));
    if (!meant) return [];
    return this.#slices.byIndex('service', `${of}/${service}`).flatMap(({ endpoints, ports: open }) => {
      const target = open?.find(each => (each.name ?? '') === (meant.name ?? ''))?.port;
      if (target === undefined) return [];
      const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
      return ready.flatMap(({ addresses }) => (addresses ?? []).map(address => ({ address, port: target })));
    });
  }

  certificateOf(host: string): SecureContext | undefined {
    return this.#certificates.get(host) ?? this.#certificates.get(host.replace(/^[^.]+/, '*'));
  }

  /** On the node's own address, once it has one: pods and the service proxy reach it there. */
  async #listen(port: number, tlsPort: number, signal: AbortSignal): Promise<void> {
    const node = await new Promise<Node>((resolve, reject) => {
      const look = (): void => {
        const found = this.#nodes.get('', this.#nodeName);
        if (found && addressOf(found) !== undefined) resolve(found);
      };
      this.#nodes.addHandler({ added: look, updated: look });
      signal.addEventListener('abort', () => reject(new Error(`the node ${this.#nodeName} has no address yet`)));
    });
    const address = addressOf(node)!;
    const bound = await this.#proxy.listen(address, port, tlsPort);
    this.#endpoints.publish({
      nodeUid: node.metadata.uid!,
      addresses: [address],
      ports: [
        { name: 'web', protocol: 'TCP', port: bound.port },
        { name: 'websecure', protocol: 'TCP', port: bound.tlsPort },
      ],
    });
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.take(); key !== undefined; key = await this.#queue.take()) {
      try {
        await this.#sync();
        this.#queue.forget(key);
      } catch (error) {
        this.#logger.warn('Ingresses could not be served as they are, trying again', { error: errorText(error) });
        this.#queue.addRateLimited(key);
      } finally {
        this.#queue.done(key);
      }
    }
  }

  async #sync(): Promise<void> {
    const ours = this.#ingresses
      .list()
      .filter(({ spec }) => this.#classes.get('', spec.ingressClassName ?? '')?.spec?.controller === controllerName);
    this.#routes = new Routes(ours);
    this.#certificates = new Map(ours.flatMap(ingress => this.#certificatesOf(ingress)));
    const reachedAt = this.#services.get(namespace, name)?.status?.loadBalancer?.ingress ?? [];
    for (const ingress of ours)
      await this.#tell(
        ingress,
        reachedAt.map(({ ip, hostname }) => ({ ...(ip && { ip }), ...(hostname && { hostname }) })),
      );
  }

  #certificatesOf({ metadata, spec }: Ingress): (readonly [string, SecureContext])[] {
    return (spec.tls ?? []).flatMap(({ hosts = [], secretName = '' }) => {
      const data = this.#secrets.get(metadata.namespace!, secretName)?.data;
      if (!data?.['tls.crt'] || !data['tls.key']) return [];
      try {
        const context = createSecureContext({
          cert: Buffer.from(data['tls.crt'], 'base64'),
          key: Buffer.from(data['tls.key'], 'base64'),
        });
        return hosts.map(host => [host, context] as const);
      } catch (error) {
        this.#logger.warn('a certificate cannot be used', { secret: secretName, error: errorText(error) });
        return [];
      }
    });
  }

  /** Says at the Ingress where it is reached. */
  async #tell({ metadata, status }: Ingress, ingress: readonly { ip?: string; hostname?: string }[]): Promise<void> {
    const current = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ({
      ...(ip && { ip }),
      ...(hostname && { hostname }),
    }));
    if (jsonEqual(current, ingress)) return;
    const patch = { metadata: { uid: metadata.uid }, status: { loadBalancer: { ingress: ingress.length > 0 ? ingress : null } } };
    try {
      await this.#client
        .resource(Resources.Ingresses, metadata.namespace)
        .subresource('status')
        .patch(metadata.name!, 'merge', patch);
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
    }
  }
}

function addressOf({ status }: Node): string | undefined {
  return status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
}
