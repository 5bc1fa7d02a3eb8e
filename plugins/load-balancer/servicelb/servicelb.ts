import { Client, errorText, isStatusError, Resources, SharedInformer, WorkQueue } from '../../../core/plugin-api/index.js';
import type {
  ApiTransport,
  CallerIdentity,
  Clock,
  ClusterSettings,
  Disposable,
  EndpointSlice,
  EventRecorder,
  Logger,
  Node,
  Part,
  Service,
  Toleration,
} from '../../../core/plugin-api/index.js';
import { isServed, keyOf, planLoadBalancers } from './load-balancer-plan.js';
import type { LoadBalancerPlan } from './load-balancer-plan.js';
import { readTolerations } from './tolerations.js';

export interface ServiceLbParts {
  readonly transport: ApiTransport;
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One for each life of the part; it is stopped with it. */
  newRecorder(): EventRecorder & { stop(): Promise<void> };
}

/** It may write Services' status and Events; bound by the bootstrap policy. */
export const controllerIdentity: CallerIdentity = {
  name: 'system:serviceaccount:kube-system:service-controller',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
};
/** It may read all that the nodes' proxies read, EndpointSlices among it, which the former may not. */
const readerIdentity: CallerIdentity = { name: 'system:kube-proxy', groups: ['system:authenticated'] };

const loadBalancerIndex = 'loadBalancer';
const serviceIndex = 'service';
const kubeletPort = 10_250;

/**
 * Gives Services of type LoadBalancer the addresses of nodes. No pods: what makes the address answer is the service proxy of each
 * node, which knows the address as its own.
 */
export class ServiceLb implements Part {
  readonly #parts: ServiceLbParts;
  #run: ServiceLbRun | undefined;

  constructor(parts: ServiceLbParts) {
    this.#parts = parts;
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.stop();
    this.#run = new ServiceLbRun(this.#parts);
    await this.#run.start(signal);
  }

  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.stop();
  }
}

class ServiceLbRun {
  readonly #parts: ServiceLbParts;
  readonly #writer: Client;
  readonly #recorder: EventRecorder & { stop(): Promise<void> };
  readonly #services: SharedInformer<Service>;
  readonly #nodes: SharedInformer<Node>;
  readonly #slices: SharedInformer<EndpointSlice>;
  readonly #queue: WorkQueue<'all'>;
  readonly #handlers: Disposable[] = [];
  /** What was said last about each Service, so that it is said once. */
  readonly #conflicts = new Map<string, string>();
  /** The same of annotations that cannot be read. */
  #faults: ReadonlyMap<string, string> = new Map();
  #working: Promise<void> | undefined;

  constructor(parts: ServiceLbParts) {
    this.#parts = parts;
    const { transport, clock, logger } = parts;
    this.#writer = new Client(transport, controllerIdentity, 'servicelb');
    this.#recorder = parts.newRecorder();
    const shared = { client: new Client(transport, readerIdentity, 'servicelb'), clock, logger };
    this.#services = new SharedInformer({ ...shared, resource: Resources.Services });
    this.#nodes = new SharedInformer({ ...shared, resource: Resources.Nodes });
    this.#slices = new SharedInformer({ ...shared, resource: Resources.EndpointSlices });
    // Also those that are none any more but still say an address.
    this.#services.addIndex(loadBalancerIndex, service => (concerns(service) ? ['yes'] : []));
    this.#slices.addIndex(serviceIndex, ({ metadata }) => {
      const name = metadata.labels?.['kubernetes.io/service-name'];
      return name ? [`${metadata.namespace}/${name}`] : [];
    });
    this.#queue = new WorkQueue({ clock, backoff: { initialMs: 200, maximumMs: 30_000 } });
  }

  async start(signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#queue.add('all');
    this.#handlers.push(
      this.#services.addHandler({
        added: ({ object }) => concerns(object) && wake(),
        updated: (previous, next) => (concerns(previous.object) || concerns(next.object)) && wake(),
        deleted: ({ object }) => concerns(object) && wake(),
      }),
      this.#nodes.addHandler({
        added: wake,
        updated: (previous, next) => aspect(previous.object) !== aspect(next.object) && wake(),
        deleted: wake,
      }),
      this.#slices.addHandler({
        added: ({ object }) => this.#isBehindLocal(object) && wake(),
        updated: (_, { object }) => this.#isBehindLocal(object) && wake(),
        deleted: ({ object }) => this.#isBehindLocal(object) && wake(),
      }),
    );
    const informers = [this.#services, this.#nodes, this.#slices];
    for (const informer of informers) informer.start();
    await Promise.all(informers.map(informer => informer.whenSynced(signal)));
    wake();
    this.#working = this.#work();
  }

  async stop(): Promise<void> {
    for (const handler of this.#handlers) void handler.dispose();
    const finished = this.#queue.shutDown();
    await Promise.all([this.#services, this.#nodes, this.#slices].map(informer => informer.stop()));
    await finished;
    await this.#working;
    await this.#recorder.stop();
  }

  async #work(): Promise<void> {
    for (;;) {
      const key = await this.#queue.take();
      if (key === undefined) return;
      try {
        await this.#sync();
        this.#queue.forget(key);
      } catch (error) {
        this.#parts.logger.warn('addresses of load balancers could not be written, trying again', { error: errorText(error) });
        this.#queue.addRateLimited(key);
      } finally {
        this.#queue.done(key);
      }
    }
  }

  async #sync(): Promise<void> {
    const services = this.#services.byIndex(loadBalancerIndex, 'yes');
    const plans = planLoadBalancers({
      services,
      tolerations: await this.#tolerations(services),
      nodes: this.#nodes.list(),
      slicesOf: key => this.#slices.byIndex(serviceIndex, key),
      reservedPorts: [this.#parts.settings.httpsListenPort || 6443, kubeletPort],
    });
    for (const key of this.#conflicts.keys()) if (!plans.has(key)) this.#conflicts.delete(key);
    for (const service of services) {
      // One with a class has an owner of its own, who writes its status.
      if (service.spec.type === 'LoadBalancer' && !isServed(service)) continue;
      await this.#write(service, plans.get(keyOf(service)) ?? { addresses: [], conflict: undefined });
    }
  }

  /** What cannot be read is said once and counts as none: the other nodes still answer. */
  async #tolerations(services: readonly Service[]): Promise<Map<string, readonly Toleration[]>> {
    const found = new Map<string, readonly Toleration[]>();
    const faults = new Map<string, string>();
    for (const service of services.filter(isServed)) {
      const key = keyOf(service);
      try {
        found.set(key, await readTolerations(service));
      } catch (error) {
        const text = `Error syncing load balancer: failed to ensure load balancer: ${(error as Error).message}`;
        faults.set(key, text);
        if (this.#faults.get(key) !== text) this.#recorder.event(service, 'Warning', 'SyncLoadBalancerFailed', text);
      }
    }
    this.#faults = faults;
    return found;
  }

  async #write(service: Service, { addresses, conflict }: LoadBalancerPlan): Promise<void> {
    const key = keyOf(service);
    if (conflict !== undefined && this.#conflicts.get(key) !== conflict) {
      this.#recorder.event(service, 'Warning', 'LoadBalancerPortConflict', conflict);
    }
    if (conflict === undefined) this.#conflicts.delete(key);
    else this.#conflicts.set(key, conflict);
    const current = (service.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '');
    if (current.join() === addresses.join()) return;
    const ingress = addresses.map(ip => ({ ip, ipMode: 'VIP' }));
    const { namespace, name, uid } = service.metadata;
    try {
      // Of an object of the same name that came meanwhile nothing is known: the uid refuses it.
      const patch = { metadata: { uid }, status: { loadBalancer: { ingress: ingress.length > 0 ? ingress : null } } };
      await this.#writer.resource(Resources.Services, namespace).subresource('status').patch(name!, 'merge', patch);
    } catch (error) {
      if (isStatusError(error, 'NotFound', 'Conflict')) return;
      throw error;
    }
    if (addresses.length > 0) {
      const text = `LoadBalancer Ingress IP addresses updated: ${addresses.join(', ')}`;
      this.#recorder.event(service, 'Normal', 'UpdatedIngressIP', text);
    }
  }

  #isBehindLocal({ metadata }: EndpointSlice): boolean {
    const name = metadata.labels?.['kubernetes.io/service-name'];
    const service = name ? this.#services.get(metadata.namespace!, name) : undefined;
    return service !== undefined && isServed(service) && service.spec.externalTrafficPolicy === 'Local';
  }
}

/** Services that are load balancers, or were and still have an address. */
function concerns({ spec, status }: Service): boolean {
  return spec.type === 'LoadBalancer' || (status?.loadBalancer?.ingress ?? []).length > 0;
}

/** What of a Node matters here; heartbeats do not. */
function aspect({ metadata, spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return JSON.stringify([metadata.labels, metadata.deletionTimestamp, spec.taints, status?.addresses, ready]);
}
