import {
  ApiEventRecorder,
  ApiTransport,
  Client,
  Clock,
  ClusterSettings,
  errorText,
  inject,
  injectable,
  isStatusError,
  Logger,
  PluginOptions,
  Resources,
  serviceAccountIdentity,
  SharedInformer,
  WorkQueue,
} from 'k3s-ts/plugin';
import type { Part, Service } from 'k3s-ts/plugin';
import { nameOf, planAddresses } from './address-plan.js';
import type { AddressPlan } from './address-plan.js';
import { readPools, refuseOverlaps } from './address-pools.js';
import type { Pool } from './address-pools.js';
import type { AddressPoolOptions } from './index.js';

export const ownClass = 'k3s-plugin.example.com/address-pool';

/** May read Services and write their status and Events; every cluster has it. */
const identity = serviceAccountIdentity('kube-system', 'service-controller');
const concerned = 'concerned';

/** Gives Services of type LoadBalancer addresses of pools. */
@injectable()
export class AddressPool implements Part {
  readonly #client: Client;
  #run: Run | undefined;

  constructor(
    @inject(ApiTransport) transport: ApiTransport,
    @inject(ClusterSettings) private readonly settings: ClusterSettings,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
    @inject(PluginOptions) private readonly options: AddressPoolOptions,
  ) {
    this.#client = new Client(transport, identity, 'address-pool');
  }

  init(): void {
    const pools = readPools(this.options.pools);
    refuseOverlaps(pools, this.settings.clusterCidrs, "the pods' range");
    refuseOverlaps(pools, this.settings.serviceCidrs, "the Services' range");
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.stop();
    const { clock, logger, options } = this;
    this.#run = new Run({ client: this.#client, clock, logger, pools: readPools(options.pools), classOnly: options.classOnly });
    await this.#run.start(signal);
  }

  async stop(): Promise<void> {
    await this.#run?.stop();
    this.#run = undefined;
  }
}

interface RunParts {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pools: readonly Pool[];
  readonly classOnly: boolean;
}

/** From one start to its stop. */
class Run {
  readonly #parts: RunParts;
  readonly #services: SharedInformer<Service>;
  readonly #events: ApiEventRecorder;
  readonly #queue: WorkQueue<'all'>;
  /** What was written by uid: the informer hears of it later. */
  readonly #given = new Map<string, readonly string[]>();
  /** What was said last by uid, so that it is said once. */
  readonly #said = new Map<string, string>();
  #working: Promise<void> | undefined;

  constructor(parts: RunParts) {
    this.#parts = parts;
    const { client, clock, logger } = parts;
    this.#services = new SharedInformer({ client, clock, logger, resource: Resources.Services });
    // Also those that are none any more and still say an address.
    this.#services.addIndex(concerned, service =>
      service.spec.type === 'LoadBalancer' || addressesOf(service).length > 0 ? ['yes'] : [],
    );
    this.#events = new ApiEventRecorder({ client, clock, logger, component: 'address-pool' });
    this.#queue = new WorkQueue({ clock, backoff: { initialMs: 200, maximumMs: 30_000 } });
  }

  async start(signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#queue.add('all');
    this.#services.addHandler({ added: wake, updated: wake, deleted: wake });
    this.#services.start();
    await this.#services.whenSynced(signal);
    this.#working = this.#work();
  }

  async stop(): Promise<void> {
    await this.#services.stop();
    await this.#queue.shutDown();
    await this.#working;
    await this.#events.stop();
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.take(); key !== undefined; key = await this.#queue.take()) {
      try {
        await this.#sync();
        this.#queue.forget(key);
      } catch (error) {
        this.#parts.logger.warn('addresses could not be given, trying again', { error: errorText(error) });
        this.#queue.addRateLimited(key);
      } finally {
        this.#queue.done(key);
      }
    }
  }

  /** Makes everything as it should be, whatever happened before. */
  async #sync(): Promise<void> {
    const services = this.#services.byIndex(concerned, 'yes');
    const plans = planAddresses(
      services.filter(service => this.#isOurs(service)),
      this.#parts.pools,
      service => this.#given.get(service.metadata.uid!) ?? addressesOf(service),
    );
    for (const map of [this.#given, this.#said]) for (const uid of map.keys()) if (!plans.has(uid)) map.delete(uid);
    // All first: what one waits for the other may be about to lose.
    for (const [uid, { addresses }] of plans) this.#given.set(uid, addresses);
    for (const service of services) {
      const plan = plans.get(service.metadata.uid!);
      if (plan) this.#tell(service, plan);
      // A Service of another class has an owner of its own, who writes its status.
      if (plan || service.spec.type !== 'LoadBalancer') await this.#write(service, plan?.addresses ?? []);
    }
  }

  #isOurs({ metadata, spec }: Service): boolean {
    if (spec.type !== 'LoadBalancer' || metadata.deletionTimestamp) return false;
    return spec.loadBalancerClass ? spec.loadBalancerClass === ownClass : !this.#parts.classOnly;
  }

  #tell(service: Service, { problem }: AddressPlan): void {
    const uid = service.metadata.uid!;
    if (!problem) this.#said.delete(uid);
    else if (this.#said.get(uid) !== problem.text) {
      this.#said.set(uid, problem.text);
      this.#events.event(service, 'Warning', problem.reason, problem.text);
      this.#parts.logger.warn('a Service is without an address', { service: nameOf(service), why: problem.text });
    }
  }

  async #write(service: Service, addresses: readonly string[]): Promise<void> {
    if (addressesOf(service).join() === addresses.join()) return;
    const { namespace, name, uid } = service.metadata;
    const ingress = addresses.length > 0 ? addresses.map(ip => ({ ip, ipMode: 'VIP' })) : null;
    try {
      // The uid refuses another Service that came under the same name meanwhile.
      const patch = { metadata: { uid }, status: { loadBalancer: { ingress } } };
      await this.#parts.client.resource(Resources.Services, namespace).subresource('status').patch(name!, 'merge', patch);
    } catch (error) {
      if (isStatusError(error, 'NotFound', 'Conflict')) return;
      throw error;
    }
    if (addresses.length > 0) this.#events.event(service, 'Normal', 'AddressAssigned', addresses.join(', '));
  }
}

function addressesOf({ status }: Service): string[] {
  return (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '');
}
