import { join } from 'node:path';
import {
  ApiEventRecorder,
  Client,
  errorCode,
  errorText,
  NodeEndpoints,
  Resources,
  serviceAccountIdentity,
  SharedInformer,
  SharedInformerFactory,
} from '../../../core/plugin-api/index.js';
import type {
  ApiTransport,
  Clock,
  ClusterPaths,
  ClusterSettings,
  Dataplane,
  DataplaneChannel,
  Disposable,
  EndpointSlice,
  Informer,
  Ingress,
  IngressClass,
  Logger,
  Node,
  Part,
  Secret,
  Service,
} from '../../../core/plugin-api/index.js';
import { CertificateFiles } from './certificate-files.js';
import type { CertificateFile, IngressEntry, IngressReport } from './dataplane/state.js';
import { ingressService, ingressSlice, isOurs, readIngress, serviceNameLabel } from './entries.js';
import type { ReadIngress } from './entries.js';
import type { TraefikOptions } from './index.js';
import { IngressStatusWriter } from './ingress-status.js';
import { readServiceAnnotations } from './service-annotations.js';

export interface TraefikPartOptions {
  readonly transport: ApiTransport;
  readonly dataplane: Dataplane;
  readonly settings: ClusterSettings;
  readonly paths: ClusterPaths;
  readonly options: TraefikOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Keeps strangers from the ports of the listeners; absent where the host is not ours. */
  guard?(): Promise<void>;
}

interface Running {
  readonly factory: SharedInformerFactory;
  readonly secrets: SharedInformer<Secret>;
  readonly ingresses: Informer<Ingress>;
  readonly classes: Informer<IngressClass>;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly nodes: Informer<Node>;
  readonly recorder: ApiEventRecorder;
  readonly endpoints: NodeEndpoints;
  readonly status: IngressStatusWriter;
  readonly stopping: AbortController;
  channel?: DataplaneChannel<IngressEntry>;
}

const namespace = 'kube-system';
const name = 'traefik';
const coalesceMs = 20;
const retryMs = 10_000;
/** What the disk may be free of again. */
const diskCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'EROFS']);
const settleMs = 10_000;

/** Publishes routes to the dataplane, and where it listens to the cluster, as Traefik's service account. */
export class TraefikPart implements Part {
  readonly #given: TraefikPartOptions;
  readonly #files: CertificateFiles;
  /** What the dataplane was told, as JSON by key. */
  readonly #published = new Map<string, string>();
  readonly #problems = new Map<string, string>();
  #wantedServices = new Set<string>();
  #wantedSecrets = new Set<string>();
  #running: Running | undefined;
  #timer: Disposable | undefined;
  #retry: Disposable | undefined;
  #working: Promise<void> | undefined;
  #again = false;
  #default: CertificateFile | undefined;
  #report: IngressReport = { web: [], websecure: [], failures: [] };

  constructor(options: TraefikPartOptions) {
    this.#given = options;
    this.#files = new CertificateFiles(join(options.paths.agent.etcDir, 'traefik'));
  }

  async start(signal: AbortSignal): Promise<void> {
    const { transport, settings, clock, logger } = this.#given;
    const client = new Client(transport, serviceAccountIdentity(namespace, name), 'traefik');
    const factory = new SharedInformerFactory({ client, clock, logger });
    const fieldSelector = 'type!=helm.sh/release.v1';
    const running: Running = {
      factory,
      secrets: new SharedInformer({ client, clock, logger, resource: Resources.Secrets, fieldSelector }),
      ingresses: factory.informer(Resources.Ingresses),
      classes: factory.informer(Resources.IngressClasses),
      services: factory.informer(Resources.Services),
      slices: factory.informer(Resources.EndpointSlices),
      nodes: factory.informer(Resources.Nodes),
      recorder: new ApiEventRecorder({ client, clock, logger, component: name, host: settings.nodeName }),
      endpoints: new NodeEndpoints({
        client,
        clock,
        logger,
        nodeName: settings.nodeName,
        service: { namespace, name },
        manager: 'traefik.k3s.cattle.io',
      }),
      status: new IngressStatusWriter({ client, clock, logger }),
      stopping: new AbortController(),
    };
    this.#running = running;
    await this.#given.guard?.();
    await this.#files.open();
    this.#default = await this.#files.default(clock.now());
    running.slices.addIndex('service', slice => {
      const service = slice.metadata.labels?.[serviceNameLabel];
      return service === undefined ? [] : [`${slice.metadata.namespace}/${service}`];
    });
    factory.start();
    running.secrets.start();
    await Promise.all([factory.whenSynced(signal), running.secrets.whenSynced(signal)]);
    this.#published.clear();
    for (const [key, entry] of await this.#desired(running)) this.#published.set(key, JSON.stringify(entry));
    running.channel = this.#given.dataplane.channel<IngressEntry>({
      name,
      snapshot: () => Array.from(this.#published, ([key, text]) => [key, JSON.parse(text) as IngressEntry] as const),
      onReport: report => this.#reported(running, report as IngressReport),
    });
    this.#watch(running);
  }

  async ready(): Promise<void> {
    await this.#running?.channel?.settled(settleMs);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    running.stopping.abort();
    void this.#timer?.dispose();
    this.#timer = undefined;
    void this.#retry?.dispose();
    this.#retry = undefined;
    await this.#working;
    running.channel?.close();
    await Promise.all([running.factory.stop(), running.secrets.stop(), running.endpoints.stop(), running.status.stop()]);
    await running.recorder.stop();
  }

  #watch(running: Running): void {
    const { ingresses, classes, services, slices, nodes, secrets } = running;
    const wake = (): void => this.#wake(running);
    ingresses.addHandler({ added: wake, updated: wake, deleted: wake });
    classes.addHandler({ added: wake, updated: wake, deleted: wake });
    const ifWanted = (wanted: () => ReadonlySet<string>, key: string): void => {
      if (wanted().has(key)) wake();
    };
    const service = ({ namespace: of, name: called }: { namespace: string; name: string }): void => {
      ifWanted(() => this.#wantedServices, `${of}/${called}`);
      if (of === namespace && called === name) wake();
    };
    services.addHandler({ added: service, updated: (_, next) => service(next), deleted: service });
    const slice = (entry: { namespace: string; labels: Readonly<Record<string, string>> }): void => {
      ifWanted(() => this.#wantedServices, `${entry.namespace}/${entry.labels[serviceNameLabel]}`);
    };
    slices.addHandler({
      added: slice,
      updated: (previous, next) => {
        slice(previous);
        slice(next);
      },
      deleted: slice,
    });
    const secret = (entry: { namespace: string; name: string }): void => {
      ifWanted(() => this.#wantedSecrets, `${entry.namespace}/${entry.name}`);
    };
    secrets.addHandler({ added: secret, updated: (_, next) => secret(next), deleted: secret });
    // Nodes report themselves again and again; what matters of them seldom changes.
    let nodeText: string | undefined;
    const node = (): void => {
      const own = nodes.get('', this.#given.settings.nodeName);
      const text = JSON.stringify([own?.metadata.uid, this.#addresses(own)]);
      if (text === nodeText) return;
      nodeText = text;
      wake();
      this.#publishEndpoints(running);
    };
    nodes.addHandler({ added: node, updated: node, deleted: node });
  }

  /** Many changes become one round; a change during a round brings another. */
  #wake(running: Running): void {
    if (running.stopping.signal.aborted) return;
    if (this.#working) this.#again = true;
    else
      this.#timer ??= this.#given.clock.setTimer(coalesceMs, () => {
        this.#timer = undefined;
        this.#working = this.#publish(running)
          .catch(error => {
            this.#given.logger.error('routes could not be published, trying again', { error: errorText(error) });
            this.#wakeLater(running);
          })
          .finally(() => {
            this.#working = undefined;
            if (!this.#again) return;
            this.#again = false;
            this.#wake(running);
          });
      });
  }

  #wakeLater(running: Running): void {
    if (running.stopping.signal.aborted) return;
    this.#retry ??= this.#given.clock.setTimer(retryMs, () => {
      this.#retry = undefined;
      this.#wake(running);
    });
  }

  async #publish(running: Running): Promise<void> {
    const { channel } = running;
    if (!channel) return;
    const desired = await this.#desired(running);
    for (const key of this.#published.keys()) {
      if (desired.has(key)) continue;
      this.#published.delete(key);
      channel.delete(key);
    }
    let certificatesChanged = false;
    for (const [key, entry] of desired) {
      const text = JSON.stringify(entry);
      if (this.#published.get(key) === text) continue;
      certificatesChanged ||= entry.kind === 'certificate';
      this.#published.set(key, text);
      channel.set(key, entry);
    }
    if (!certificatesChanged) return;
    await channel.settled(settleMs);
    const ids = Array.from(desired.values(), entry => (entry.kind === 'certificate' ? entry.file.id : ''));
    await this.#files.keepOnly(new Set(ids));
  }

  async #desired(running: Running): Promise<Map<string, IngressEntry>> {
    const { ingresses, classes, services, slices, nodes } = running;
    const { options, settings } = this.#given;
    const addresses = this.#addresses(nodes.get('', settings.nodeName));
    const desired = new Map<string, IngressEntry>();
    desired.set('config', {
      kind: 'config',
      web: addresses.map(address => ({ address, port: options.webPort })),
      websecure: addresses.map(address => ({ address, port: options.websecurePort })),
      defaultCertificate: this.#default!,
      ...(options.insecureSkipVerify && { insecureSkipVerify: true }),
    });
    const wantedServices = new Set<string>();
    const wantedSecrets = new Set<string>();
    const ours: Ingress[] = [];
    const seen = new Set<string>();
    for (const ingress of ingresses.list()) {
      if (!isOurs(ingress, className => classes.get('', className))) continue;
      ours.push(ingress);
      const read = readIngress(ingress);
      const { namespace: of } = read.routes;
      desired.set(`ingress/${of}/${read.routes.name}`, read.routes);
      // From now on a change of them counts: it may come between our reading of it and the end of this.
      for (const service of read.services) {
        wantedServices.add(`${of}/${service}`);
        this.#wantedServices.add(`${of}/${service}`);
      }
      for (const secret of read.secrets) {
        wantedSecrets.add(`${of}/${secret}`);
        this.#wantedSecrets.add(`${of}/${secret}`);
      }
      const secretProblems = await this.#certificates(running, read, desired);
      seen.add(ingress.metadata.uid!);
      const subject = { ...ingress, apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' } as const;
      this.#tell(running, subject, [...read.problems, ...secretProblems]);
    }
    for (const key of wantedServices) {
      const [of = '', called = ''] = key.split('/');
      const service = services.get(of, called);
      if (service) {
        desired.set(`service/${key}`, ingressService(service));
        seen.add(service.metadata.uid!);
        this.#tell(running, { ...service, apiVersion: 'v1', kind: 'Service' }, readServiceAnnotations(service).problems);
      }
      for (const slice of slices.byIndex('service', key)) {
        const entry = ingressSlice(slice);
        if (entry) desired.set(`slice/${of}/${slice.metadata.name}`, entry);
      }
    }
    for (const uid of this.#problems.keys()) if (!seen.has(uid)) this.#problems.delete(uid);
    this.#wantedServices = wantedServices;
    this.#wantedSecrets = wantedSecrets;
    const published = services.get(namespace, name)?.status?.loadBalancer?.ingress;
    if (published?.length) running.status.write(ours, published);
    return desired;
  }

  async #certificates(
    running: Running,
    { secrets: names, routes }: ReadIngress,
    into: Map<string, IngressEntry>,
  ): Promise<string[]> {
    const problems: string[] = [];
    for (const secretName of names) {
      const key = `certificate/${routes.namespace}/${secretName}`;
      if (into.has(key)) continue;
      const data = running.secrets.get(routes.namespace, secretName)?.data;
      const certificate = data?.['tls.crt'];
      const privateKey = data?.['tls.key'];
      if (!certificate || !privateKey) {
        problems.push(data ? `the secret ${secretName} has no tls.crt and tls.key` : `the secret ${secretName} does not exist`);
        continue;
      }
      try {
        const file = await this.#files.write(Buffer.from(certificate, 'base64'), Buffer.from(privateKey, 'base64'));
        into.set(key, { kind: 'certificate', file });
      } catch (error) {
        problems.push(`the secret ${secretName} cannot be used: ${errorText(error)}`);
        // Not for what is wrong with the secret, which its next change mends.
        if (diskCodes.has(errorCode(error) ?? '')) this.#wakeLater(running);
      }
    }
    return problems;
  }

  /** Once, until something else is wrong. */
  #tell({ recorder }: Running, subject: Ingress | Service, problems: readonly string[]): void {
    const text = problems.join('; ');
    const uid = subject.metadata.uid!;
    if (text === (this.#problems.get(uid) ?? '')) return;
    this.#problems.set(uid, text);
    if (text !== '') recorder.event(subject, 'Warning', 'IngressNotSupported', text);
  }

  /** The node's own addresses, one of each family; none before the node is registered. */
  #addresses(node: Node | undefined): string[] {
    const { options, settings } = this.#given;
    if (options.listenAddresses.length > 0) return [...options.listenAddresses];
    const reported = (node?.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
    const known = node ? reported : settings.nodeIps;
    return [known.find(address => !address.includes(':')), known.find(address => address.includes(':'))].filter(
      address => address !== undefined,
    );
  }

  #reported(running: Running, report: IngressReport): void {
    this.#report = report;
    for (const failure of report.failures) this.#given.logger.warn('Ingress cannot listen, trying again', { failure });
    this.#publishEndpoints(running);
  }

  #publishEndpoints({ nodes, endpoints }: Running): void {
    const node = nodes.get('', this.#given.settings.nodeName);
    const { web, websecure } = this.#report;
    const [plain] = web;
    const [secure] = websecure;
    if (!node || !plain || !secure) return;
    endpoints.publish({
      nodeUid: node.metadata.uid!,
      addresses: web.map(({ address }) => address),
      ports: [
        { name: 'web', protocol: 'TCP', port: plain.port },
        { name: 'websecure', protocol: 'TCP', port: secure.port },
      ],
    });
  }
}
