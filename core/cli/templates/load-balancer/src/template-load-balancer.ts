import {
  ApiEventRecorder,
  ApiTransport,
  Client,
  Clock,
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

/** May read Services and write their status and Events; every cluster has it. */
const identity = serviceAccountIdentity('kube-system', 'service-controller');

/** Gives each Service of type LoadBalancer an address of a list. What was given is kept nowhere but in the Services' status. */
@injectable()
export class TemplateLoadBalancer implements Part {
  readonly #client: Client;
  #run: Run | undefined;

  constructor(
    @inject(ApiTransport) transport: ApiTransport,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
    @inject(PluginOptions) private readonly options: { readonly addresses: readonly string[] },
  ) {
    this.#client = new Client(transport, identity, 'template-load-balancer');
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.stop();
    this.#run = new Run(this.#client, this.clock, this.logger, this.options.addresses);
    await this.#run.start(signal);
  }

  async stop(): Promise<void> {
    await this.#run?.stop();
    this.#run = undefined;
  }
}

/** From one start to its stop. */
class Run {
  readonly #client: Client;
  readonly #logger: Logger;
  readonly #addresses: readonly string[];
  readonly #services: SharedInformer<Service>;
  readonly #events: ApiEventRecorder;
  readonly #queue: WorkQueue<'all'>;
  /** By the Service's uid. */
  readonly #given = new Map<string, string>();
  readonly #warned = new Set<string>();
  #working: Promise<void> | undefined;

  constructor(client: Client, clock: Clock, logger: Logger, addresses: readonly string[]) {
    this.#client = client;
    this.#logger = logger;
    this.#addresses = addresses;
    this.#services = new SharedInformer({ client, clock, logger, resource: Resources.Services });
    this.#events = new ApiEventRecorder({ client, clock, logger, component: 'template-load-balancer' });
    this.#queue = new WorkQueue({ clock });
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
        this.#logger.warn('addresses could not be given, trying again', { error: errorText(error) });
        this.#queue.addRateLimited(key);
      } finally {
        this.#queue.done(key);
      }
    }
  }

  /** Makes everything as it should be, whatever happened before. */
  async #sync(): Promise<void> {
    const services = this.#services.list();
    const wanting = services.filter(isOurs).sort(byAge);
    const uids = new Set(wanting.map(({ metadata }) => metadata.uid!));
    for (const uid of this.#given.keys()) if (!uids.has(uid)) this.#given.delete(uid);
    // Who has one keeps it, also over our restart: before anybody new is given one.
    for (const service of wanting) this.#keep(service);
    for (const service of wanting) {
      const address = this.#given.get(service.metadata.uid!) ?? this.#give(service);
      if (address !== undefined) await this.#write(service, [address]);
    }
    // The type changed while nobody looked.
    for (const service of services) if (service.spec.type !== 'LoadBalancer') await this.#write(service, []);
  }

  #keep(service: Service): void {
    const [address] = addressesOf(service);
    if (address === undefined || this.#given.has(service.metadata.uid!) || !this.#isFree(address)) return;
    this.#given.set(service.metadata.uid!, address);
  }

  #give(service: Service): string | undefined {
    const uid = service.metadata.uid!;
    const address = this.#addresses.find(each => this.#isFree(each));
    if (address !== undefined) this.#given.set(uid, address);
    else if (!this.#warned.has(uid)) {
      this.#warned.add(uid);
      this.#events.event(service, 'Warning', 'NoAddress', `all ${this.#addresses.length} addresses are given to other Services`);
    }
    return address;
  }

  #isFree(address: string): boolean {
    return this.#addresses.includes(address) && ![...this.#given.values()].includes(address);
  }

  async #write(service: Service, addresses: readonly string[]): Promise<void> {
    if (addressesOf(service).join() === addresses.join()) return;
    const { namespace, name, uid } = service.metadata;
    const ingress = addresses.length > 0 ? addresses.map(ip => ({ ip })) : null;
    try {
      // The uid refuses another Service that came under the same name meanwhile.
      const patch = { metadata: { uid }, status: { loadBalancer: { ingress } } };
      await this.#client.resource(Resources.Services, namespace).subresource('status').patch(name!, 'merge', patch);
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
    }
  }
}

/** One with a class is looked after by somebody else. */
function isOurs({ metadata, spec }: Service): boolean {
  return spec.type === 'LoadBalancer' && !spec.loadBalancerClass && !metadata.deletionTimestamp;
}

function addressesOf({ status }: Service): string[] {
  return (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '');
}

function byAge({ metadata: a }: Service, { metadata: b }: Service): number {
  return `${a.creationTimestamp} ${a.uid}` < `${b.creationTimestamp} ${b.uid}` ? -1 : 1;
}
