import { IPAddresses, ServiceCIDRs } from '../api/generated/resources.js';
import type { ServiceCIDR } from '../api/generated/types.js';
import { formatTime, parseTime } from '../api/time.js';
import type { Informer } from '../client/informer-types.js';
import { parseAddress, parseCidr } from '../machinery/names.js';
import { produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

const name = 'service-cidr-controller';
const finalizer = 'networking.k8s.io/service-cidr-finalizer';
const ownAddresses = 'ipaddress.kubernetes.io/managed-by=ipallocator.k8s.io';
/** Time for every API server to learn that no more addresses may come out of the range. */
const deletionGraceMs = 10_000;
/** While addresses keep a range. Rare enough to ask for, instead of keeping every address of the cluster here too. */
const recheckMs = 5000;

const ready = { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' };
const terminating = {
  status: 'False',
  reason: 'Terminating',
  message: 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
};

/** Says which ranges of Service addresses are ready and keeps those that Services need. Source: pkg/controller/servicecidrs. */
class ServiceCidrController extends Reconciler {
  readonly #ranges: Informer<ServiceCIDR>;

  constructor(context: ControllerContext) {
    super(context, { name, maximumRetries: 15 });
    this.#ranges = context.informers.informer(ServiceCIDRs);
  }

  protected override register(): void {
    // One range may take the addresses of another that is to go.
    const all = (): void => {
      for (const range of this.#ranges.list()) this.queue.add(range.metadata.name!);
    };
    this.watch(this.#ranges, { added: all, updated: all, deleted: all });
  }

  protected override async sync(key: string): Promise<void> {
    const range = this.#ranges.get('', key);
    if (!range) return;
    const deletedAtMs = parseTime(range.metadata.deletionTimestamp);
    if (deletedAtMs === undefined) {
      if (!range.metadata.finalizers?.includes(finalizer)) await this.#patch(key, { finalizers: [finalizer] });
      return this.#setReady(range, ready);
    }
    if (!range.metadata.finalizers?.includes(finalizer)) return;
    if (await this.#isNeeded(range)) {
      this.queue.addAfter(key, recheckMs);
      return this.#setReady(range, terminating);
    }
    const waitMs = deletedAtMs + deletionGraceMs - this.context.clock.now();
    if (waitMs > 0) this.queue.addAfter(key, waitMs);
    else await this.#patch(key, { '$deleteFromPrimitiveList/finalizers': [finalizer] });
  }

  /** Whether Services have addresses out of the range that no other range has which stays. */
  async #isNeeded(range: ServiceCIDR): Promise<boolean> {
    const staying = this.#ranges
      .list()
      .filter(({ metadata }) => metadata.name !== range.metadata.name && metadata.deletionTimestamp === undefined)
      .flatMap(({ spec }) => spec.cidrs ?? []);
    const alone = (range.spec.cidrs ?? []).filter(cidr => !staying.some(other => contains(other, cidr)));
    if (alone.length === 0) return false;
    const addresses = await this.context.client.resource(IPAddresses).list({ labelSelector: ownAddresses });
    return addresses.entries.some(
      entry => alone.some(cidr => hasHost(cidr, entry.name)) && !staying.some(other => hasHost(other, entry.name)),
    );
  }

  async #patch(key: string, metadata: object): Promise<void> {
    try {
      await this.context.client.resource(ServiceCIDRs).patch(key, 'strategic', { metadata });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }

  async #setReady(range: ServiceCIDR, wanted: typeof ready): Promise<void> {
    const type = 'Ready';
    const current = range.status?.conditions?.find(condition => condition.type === type);
    const { status, reason, message } = wanted;
    if (current?.status === status && (current.reason ?? '') === reason && (current.message ?? '') === message) return;
    const lastTransitionTime = formatTime(this.context.clock.now());
    const condition = { type, status, reason, message, lastTransitionTime };
    await this.context.client.resource(ServiceCIDRs).updateStatus(
      range.metadata.name!,
      produce(range, draft => void (draft.status = { ...draft.status, conditions: [condition] })),
    );
  }
}

interface Span {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

function valueOf(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function spanOf(cidr: string): Span | undefined {
  const parsed = parseCidr(cidr);
  const network = parsed && parseAddress(parsed.canonical.split('/')[0]!);
  if (!network) return undefined;
  const first = valueOf(network.bytes);
  const size = 1n << BigInt((network.family === 4 ? 32 : 128) - parsed.prefixLength);
  return { family: network.family, first, last: first + size - 1n };
}

function contains(outer: string, inner: string): boolean {
  const [a, b] = [spanOf(outer), spanOf(inner)];
  return a !== undefined && b !== undefined && a.family === b.family && a.first <= b.first && b.last <= a.last;
}

/** Neither the network's own address nor IPv4's broadcast address is ever given to a Service. */
function hasHost(cidr: string, address: string): boolean {
  const [span, parsed] = [spanOf(cidr), parseAddress(address)];
  if (!span || !parsed || span.family !== parsed.family) return false;
  const value = valueOf(parsed.bytes);
  return value > span.first && (span.family === 4 ? value < span.last : value <= span.last);
}

export const serviceCidrController: ControllerDescriptor = {
  name,
  serviceAccount: 'service-cidrs-controller',
  create: context => new ServiceCidrController(context),
};
