import { backoffMs } from '../../base/backoff.js';
import { sleep } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { errorText } from '../../base/errors.js';
import { withoutUndefined } from '../../api/objects.js';
import { isExtendedResource } from '../../api/resource-names.js';
import { formatMicroTime } from '../../api/time.js';
import { Leases, Nodes } from '../../api/generated/resources.js';
import type { Lease, Node, NodeCondition, NodeStatus } from '../../api/generated/types.js';
import type { ImageState, RuntimeStatus } from '../../contracts/container-runtime.js';
import { readHostFacts } from '../../host/host-facts.js';
import type { HostFacts } from '../../host/host-facts.js';
import type { DeviceManager } from '../devices/device-manager.js';
import type { PressureCondition } from '../eviction/signals.js';
import { sameJson } from '../status/same-json.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { KubeletContext } from '../kubelet-context.js';
import type { NodeFacts } from './node-facts.js';
import { initialNode, networkProblem, nodeResources, nodeStatus } from './node-object.js';

const statusPeriodMs = 10_000;
const networkLook = { initialMs: 100, maximumMs: statusPeriodMs, factor: 1.5 };
const reportPeriodMs = 300_000;
const leasePeriodMs = 10_000;
const leaseDurationSeconds = 40;
const leaseNamespace = 'kube-node-lease';
const retry = { initialMs: 200, maximumMs: 7000 };

export interface NodeManagerOptions {
  readonly context: KubeletContext;
  /** The pod network has become ready: pods that waited for it may go on. */
  readonly networkReady: () => void;
  /** What the node runs out of. Absent: nothing. */
  readonly pressure?: () => ReadonlySet<PressureCondition>;
  /** Absent: there are no device plugins. */
  readonly devices?: () => Pick<DeviceManager, 'isNew' | 'resources'> | undefined;
  /** For tests. Absent: this machine. */
  readonly hostFacts?: () => Promise<HostFacts>;
}

/** Registers the Node, keeps its status and renews its lease. Source: pkg/kubelet/kubelet_node_status.go, component-helpers lease. */
export class NodeManager {
  readonly #options: NodeManagerOptions;
  #stopping = new AbortController();
  #host: HostFacts | undefined;
  #runtime: RuntimeStatus | undefined;
  #runtimeProblem: string | undefined;
  #images: readonly ImageState[] = [];
  #node: Node | undefined;
  #lease: Lease | undefined;
  #reportedMs = -Infinity;
  #podCidrs = '';
  #facts: NodeFacts | undefined;
  readonly #timers = new Map<'status' | 'lease', Disposable>();
  #updating: Promise<void> | undefined;
  #again = false;
  #networkLooks = 0;
  /** Other devices are there than those that the Node tells of. */
  #devicesForgotten = false;

  constructor(options: NodeManagerOptions) {
    this.#options = options;
  }

  /** After `start`. */
  get facts(): NodeFacts {
    return this.#facts!;
  }

  get node(): Node | undefined {
    return this.#node;
  }

  /** Looks at host and runtime; resolves when the facts are there. Rejects when the runtime does not answer. */
  async inspect(): Promise<RuntimeStatus> {
    const { context, hostFacts } = this.#options;
    this.#stopping = new AbortController();
    this.#host = await (hostFacts ? hostFacts() : readHostFacts(context.settings.rootDir));
    await this.#readRuntime();
    if (!this.#runtime) throw new Error(this.#runtimeProblem);
    return this.#runtime;
  }

  /** Resolves when the Node is in the API. Tries until `abort`. */
  async start(abort?: AbortSignal): Promise<void> {
    const { context } = this.#options;
    const signal = abort ? AbortSignal.any([abort, this.#stopping.signal]) : this.#stopping.signal;
    for (let failures = 0; ; failures++) {
      try {
        await this.#register();
        break;
      } catch (error) {
        context.logger.warn('the node could not be registered, trying again', { error });
        await sleep(context.clock, backoffMs(retry, failures), signal);
      }
    }
    this.#recordStatus(undefined, this.#node!.status);
    await this.#learnPodCidrs();
    await this.#renewLease();
    this.#arm(
      'status',
      () => this.#statusPeriodMs(),
      () => this.update(),
    );
    this.#arm(
      'lease',
      () => leasePeriodMs,
      () => this.#renewLease(),
    );
  }

  stop(): void {
    this.#stopping.abort();
    for (const timer of this.#timers.values()) void timer.dispose();
    this.#timers.clear();
  }

  /** A newer object of the API: pod ranges, taints of controllers. */
  observe(node: Node): void {
    if (this.#node && Number(node.metadata.resourceVersion) < Number(this.#node.metadata.resourceVersion)) return;
    const before = this.#node?.spec.unschedulable ?? false;
    const now = node.spec.unschedulable ?? false;
    this.#node = node;
    void this.#learnPodCidrs();
    if (before === now) return;
    const { recorder, settings } = this.#options.context;
    const reason = now ? 'NodeNotSchedulable' : 'NodeSchedulable';
    const subject = { kind: 'Node', name: settings.nodeName, uid: settings.nodeName };
    recorder.event(subject, 'Normal', reason, `Node ${settings.nodeName} status is now: ${reason}`);
  }

  /** Looks again and writes what has changed. Calls during a write share the next one: it may have looked before. */
  update(): Promise<void> {
    if (this.#updating) {
      this.#again = true;
      return this.#updating;
    }
    this.#updating = this.#updateOnce().finally(() => (this.#updating = undefined));
    return this.#updating;
  }

  async #updateOnce(): Promise<void> {
    do {
      this.#again = false;
      await this.#update().catch(error => this.#options.context.logger.warn("the node's status could not be written", { error }));
    } while (this.#again && !this.#stopping.signal.aborted);
  }

  async #update(): Promise<void> {
    const { context } = this.#options;
    await this.#readRuntime();
    for (let tries = 0; tries < 5; tries++) {
      const node = this.#node!;
      const next = this.#status(node.status);
      const due = context.clock.now() - this.#reportedMs >= reportPeriodMs;
      if (!due && !statusChanged(node.status, next)) return;
      try {
        const patch = statusPatch(node.status ?? {}, next);
        const { uid, resourceVersion } = node.metadata;
        const body = { metadata: withoutUndefined({ uid, resourceVersion }), status: patch };
        const nodes = context.client.resource(Nodes).subresource<Node>('status');
        const written = await nodes.patch(context.settings.nodeName, 'merge', body);
        this.#recordStatus(node.status, next);
        this.#node = written;
        this.#reportedMs = context.clock.now();
        this.#devicesForgotten = false;
        return;
      } catch (error) {
        if (isStatusError(error, 'NotFound')) {
          await this.#register();
          return;
        }
        if (!isStatusError(error, 'Conflict')) throw error;
        this.#node = await context.client.resource(Nodes).get(context.settings.nodeName);
      }
    }
  }

  async #register(): Promise<void> {
    const { context } = this.#options;
    const nodes = context.client.resource(Nodes);
    const wanted = initialNode(this.#input());
    try {
      this.#node = await nodes.create(wanted);
      this.#reportedMs = context.clock.now();
      return;
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists')) throw error;
    }
    const known = await nodes.get(context.settings.nodeName);
    // Labels and annotations that the kubelet owns are brought up to date; taints were for the first registration only.
    const { labels, annotations } = wanted.metadata;
    const differs = [labels!, annotations!].some((map, at) =>
      Object.entries(map).some(
        ([key, value]) => (at === 0 ? known.metadata.labels : known.metadata.annotations)?.[key] !== value,
      ),
    );
    const { name = '' } = known.metadata;
    this.#node = differs ? await nodes.patch(name, 'merge', { metadata: { labels, annotations } }) : known;
    this.#devicesForgotten = this.#options.devices?.()?.isNew ?? false;
    this.#reportedMs = -Infinity;
    await this.#update();
  }

  async #learnPodCidrs(): Promise<void> {
    const { context } = this.#options;
    const { podCIDR, podCIDRs } = this.#node?.spec ?? {};
    const ranges = podCIDRs ?? (podCIDR ? [podCIDR] : []);
    if (ranges.length === 0 || ranges.join() === this.#podCidrs || !context.runtime.setPodCidrs) return;
    try {
      await context.runtime.setPodCidrs(ranges);
      this.#podCidrs = ranges.join();
    } catch (error) {
      context.logger.warn('the runtime did not take the pod ranges', { error });
    }
  }

  async #readRuntime(): Promise<void> {
    const { context } = this.#options;
    const before = this.#facts?.networkProblem;
    try {
      [this.#runtime, this.#images] = await Promise.all([context.runtime.status(), context.runtime.listImages()]);
      this.#runtimeProblem = undefined;
    } catch (error) {
      this.#runtimeProblem = errorText(error);
    }
    const host = this.#host!;
    this.#facts = {
      hostIps: context.settings.nodeIps,
      ...nodeResources({ settings: context.settings, host, runtime: this.#runtime }),
      memoryBytes: host.memoryBytes,
      runtimeName: this.#runtime?.name ?? '',
      runtimeFeatures: this.#runtime?.features ?? { supplementalGroupsPolicy: false, appArmor: false },
      runtimeHandlers: this.#runtime?.handlers ?? [],
      networkProblem: networkProblem(this.#runtime),
    };
    if (before !== undefined && this.#facts.networkProblem === undefined) this.#options.networkReady();
  }

  #input() {
    const { context } = this.#options;
    return {
      settings: context.settings,
      host: this.#host!,
      runtime: this.#runtime,
      runtimeProblem: this.#runtimeProblem,
      images: this.#images,
      pressure: this.#options.pressure?.() ?? new Set<PressureCondition>(),
      devices: this.#options.devices?.()?.resources(),
      nowMs: context.clock.now(),
    };
  }

  #status(previous: NodeStatus | undefined): NodeStatus {
    const known = this.#devicesForgotten && previous ? { ...previous, capacity: emptied(previous.capacity) } : previous;
    const own = nodeStatus(this.#input(), known);
    const others = (previous?.conditions ?? []).filter(({ type }) => !own.conditions!.some(condition => condition.type === type));
    return { ...own, conditions: [...others, ...own.conditions!] };
  }

  async #renewLease(): Promise<void> {
    const { context } = this.#options;
    const leases = context.client.resource(Leases, leaseNamespace);
    const { nodeName } = context.settings;
    const renewTime = formatMicroTime(context.clock.now());
    try {
      this.#lease ??= await leases.get(nodeName).catch(error => {
        if (isStatusError(error, 'NotFound')) return undefined;
        throw error;
      });
      if (!this.#lease) {
        const owner = this.#node?.metadata.uid;
        this.#lease = await leases.create({
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: {
            name: nodeName,
            namespace: leaseNamespace,
            ...(owner ? { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: owner }] } : {}),
          },
          spec: { holderIdentity: nodeName, leaseDurationSeconds, renewTime },
        });
        return;
      }
      const spec = { ...this.#lease.spec, holderIdentity: nodeName, leaseDurationSeconds, renewTime };
      this.#lease = await leases.update(nodeName, { ...this.#lease, spec });
    } catch (error) {
      // Whatever stands there now is read anew the next time.
      this.#lease = undefined;
      context.logger.debug("the node's lease was not renewed", { error });
    }
  }

  #recordStatus(before: NodeStatus | undefined, after: NodeStatus): void {
    const { recorder, settings } = this.#options.context;
    const subject = { kind: 'Node', name: settings.nodeName, uid: settings.nodeName };
    const names: Readonly<Record<string, readonly [string, string]>> = {
      Ready: ['NodeReady', 'NodeNotReady'],
      MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
      DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
      PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
    };
    for (const { type, status } of after.conditions ?? []) {
      if (before?.conditions?.find(own => own.type === type)?.status === status) continue;
      const reason = names[type]?.[status === 'True' ? 0 : 1];
      if (reason) recorder.event(subject, 'Normal', reason, `Node ${settings.nodeName} status is now: ${reason}`);
    }
  }

  /** A network that has just been set up is seen soon: pods wait for it. One that stays away is asked for ever more seldom. */
  #statusPeriodMs(): number {
    const periodMs = this.#options.context.settings.tuning?.statusPeriodMs ?? statusPeriodMs;
    if (this.#facts?.networkProblem === undefined) this.#networkLooks = 0;
    else return Math.min(periodMs, backoffMs(networkLook, this.#networkLooks++));
    return periodMs;
  }

  #arm(name: 'status' | 'lease', periodMs: () => number, work: () => Promise<void>): void {
    if (this.#stopping.signal.aborted) return;
    const again = (): void => void work().then(() => this.#arm(name, periodMs, work));
    const handle = this.#options.context.clock.setTimer(periodMs(), again);
    this.#timers.set(name, handle);
  }
}

/** Whether anything but the heartbeats differs. */
function statusChanged(before: NodeStatus | undefined, after: NodeStatus): boolean {
  const still = (conditions: readonly NodeCondition[] | undefined): NodeCondition[] =>
    (conditions ?? []).map(condition => ({ ...condition, lastHeartbeatTime: null }));
  const rest = { ...before, ...after };
  return (
    !sameJson({ ...before, conditions: undefined }, { ...rest, conditions: undefined }) ||
    !sameJson(still(before?.conditions).sort(byType), still(after.conditions).sort(byType))
  );
}

const byType = (a: NodeCondition, b: NodeCondition): number => (a.type < b.type ? -1 : 1);

function statusPatch(before: Partial<NodeStatus>, after: NodeStatus): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(after)) {
    if (!sameJson((before as Record<string, unknown>)[field], value)) patch[field] = value;
  }
  // What is in the capacity no more, nobody can have.
  const gone = Object.keys(before.allocatable ?? {}).filter(name => isExtendedResource(name) && !(name in after.allocatable!));
  if (patch['allocatable'])
    patch['allocatable'] = { ...after.allocatable, ...Object.fromEntries(gone.map(name => [name, null])) };
  return patch;
}

function emptied(capacity: NodeStatus['capacity']): Record<string, string> {
  const entries = Object.entries(capacity ?? {});
  return Object.fromEntries(entries.map(([name, amount]) => [name, isExtendedResource(name) ? '0' : amount]));
}
