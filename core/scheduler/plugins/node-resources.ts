import type { DeviceClass, Node, Pod } from '../../api/generated/types.js';
import { deviceClassResourcePrefix } from '../../api/resource-claims.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  ResourceAmounts,
  SchedulerPlugin,
  SchedulingPod,
  SchedulingStatus,
} from '../../contracts/scheduler-plugin.js';
import { maximumScore } from '../framework.js';
import { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import { nodeAllocatable, podRequestAmounts } from '../resource-amounts.js';
import { skip } from '../status.js';

/** Whether devices stand in for an extended resource, on nodes that have none of it. */
export type BackedByDevices = (resource: string) => boolean;

const notBacked: BackedByDevices = () => false;

/** CPU, memory, ephemeral storage, extended resources and the number of pods; spreads load over the emptier nodes. */
export class NodeResourcesFit implements SchedulerPlugin {
  readonly name = 'NodeResourcesFit';
  readonly weight = 1;
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Pod',
      action: ClusterAction.Delete | ClusterAction.UpdatePodScaleDown,
      mayHelp: (pod, previous, next) => freesResources(pod, previous as Pod, next as Pod | undefined),
    },
    {
      resource: 'Node',
      action: ClusterAction.Add | ClusterAction.UpdateNodeAllocatable,
      mayHelp: (pod, previous, next) => this.#fitsChangedNode(pod, previous as Node | undefined, next as Node),
    },
    {
      resource: 'DeviceClass',
      action: ClusterAction.Add | ClusterAction.Update,
      mayHelp: ({ requests }, previous, next) =>
        standsForMore(requests, previous as DeviceClass | undefined, next as DeviceClass),
    },
  ];
  readonly #backedByDevices: BackedByDevices;

  constructor(backedByDevices = notBacked) {
    this.#backedByDevices = backedByDevices;
  }

  filter(_state: CycleState, pod: PodInfo, node: NodeInfo): SchedulingStatus | undefined {
    return insufficientResources(this.name, pod, node, this.#backedByDevices);
  }

  /** LeastAllocated over CPU and memory: what would stay free. */
  score(_state: CycleState, pod: PodInfo, { allocatable, scoringMilliCpu, scoringMemoryBytes }: NodeInfo): number {
    const { milliCpu, memoryBytes } = pod.scoringRequests;
    let sum = 0;
    let count = 0;
    if (allocatable.milliCpu > 0) {
      sum += freeShare(scoringMilliCpu + milliCpu, allocatable.milliCpu);
      count++;
    }
    if (allocatable.memoryBytes > 0) {
      sum += freeShare(scoringMemoryBytes + memoryBytes, allocatable.memoryBytes);
      count++;
    }
    return count === 0 ? 0 : Math.trunc(sum / count);
  }

  #fitsChangedNode(pod: SchedulingPod, previous: Node | undefined, next: Node): boolean {
    const empty = new NodeInfo();
    empty.setNode(next);
    if (insufficientResources('', pod, empty, this.#backedByDevices)) return false;
    if (!previous) return true;
    const before = nodeAllocatable(previous);
    if (empty.allowedPods > before.pods || sharesMore(pod.requests, empty.allocatable, before.amounts)) return true;
    const { scalars } = empty.allocatable;
    return [...pod.requests.scalars.keys()].some(name => !scalars.get(name) && this.#backedByDevices(name));
  }
}

/** Prefers nodes whose CPU and memory would be used evenly. */
export class NodeResourcesBalancedAllocation implements SchedulerPlugin {
  readonly name = 'NodeResourcesBalancedAllocation';
  readonly weight = 1;
  readonly events: readonly PluginEvent[] = [];

  preScore(_state: CycleState, { requests }: PodInfo): SchedulingStatus | undefined {
    return requests.milliCpu === 0 && requests.memoryBytes === 0 ? skip : undefined;
  }

  score(_state: CycleState, { requests }: PodInfo, { allocatable, requested }: NodeInfo): number {
    const after = balance(requested.milliCpu + requests.milliCpu, requested.memoryBytes + requests.memoryBytes, allocatable);
    const before = balance(requested.milliCpu, requested.memoryBytes, allocatable);
    return maximumScore / 2 + Math.trunc((maximumScore / 2 + after - before) / 2);
  }
}

/** Whole percents; `| 0` cuts off what is small enough for 32 bits. */
function freeShare(requested: number, capacity: number): number {
  return requested > capacity ? 0 : (((capacity - requested) * maximumScore) / capacity) | 0;
}

/** 100 for equal shares of CPU and memory; less by half their distance. */
function balance(milliCpu: number, memoryBytes: number, allocatable: ResourceAmounts): number {
  if (allocatable.milliCpu === 0 || allocatable.memoryBytes === 0) return maximumScore;
  const cpuShare = Math.min(1, milliCpu / allocatable.milliCpu);
  const memoryShare = Math.min(1, memoryBytes / allocatable.memoryBytes);
  return ((1 - Math.abs((cpuShare - memoryShare) / 2)) * maximumScore) | 0;
}

/** What the node lacks for the pod; `UnschedulableAndUnresolvable` when an empty node would lack it too. */
export function insufficientResources(
  plugin: string,
  { requests }: Pick<SchedulingPod, 'requests'>,
  node: Pick<NodeInfo, 'podCount' | 'allowedPods' | 'allocatable' | 'requested'>,
  backedByDevices = notBacked,
): SchedulingStatus | undefined {
  let reasons: string[] | undefined;
  let unresolvable = false;
  const check = (name: string, wanted: number, used: number, capacity: number): void => {
    if (wanted <= 0 || wanted <= capacity - used) return;
    (reasons ??= []).push(`Insufficient ${name}`);
    if (wanted > capacity) unresolvable = true;
  };
  if (node.podCount + 1 > node.allowedPods) reasons = ['Too many pods'];
  const { allocatable, requested } = node;
  check('cpu', requests.milliCpu, requested.milliCpu, allocatable.milliCpu);
  check('memory', requests.memoryBytes, requested.memoryBytes, allocatable.memoryBytes);
  check('ephemeral-storage', requests.ephemeralStorageBytes, requested.ephemeralStorageBytes, allocatable.ephemeralStorageBytes);
  if (requests.scalars.size > 0) {
    for (const [name, wanted] of requests.scalars) {
      const capacity = allocatable.scalars.get(name) ?? 0;
      if (capacity === 0 && backedByDevices(name)) continue;
      check(name, wanted, requested.scalars.get(name) ?? 0, capacity);
    }
  }
  return reasons && { code: unresolvable ? 'UnschedulableAndUnresolvable' : 'Unschedulable', reasons, plugin };
}

function freesResources(pod: SchedulingPod, previous: Pod, next: Pod | undefined): boolean {
  if (!next) return Boolean(previous.spec.nodeName || previous.status.nominatedNodeName);
  if (next.metadata.uid === pod.pod.metadata.uid) return true;
  if (!next.spec.nodeName) return false;
  return sharesMore(pod.requests, podRequestAmounts(previous).requests, podRequestAmounts(next).requests);
}

function standsForMore({ scalars }: ResourceAmounts, previous: DeviceClass | undefined, next: DeviceClass): boolean {
  const { extendedResourceName } = next.spec;
  if (!previous && scalars.has(deviceClassResourcePrefix + next.metadata.name)) return true;
  return (
    extendedResourceName !== undefined &&
    extendedResourceName !== previous?.spec.extendedResourceName &&
    scalars.has(extendedResourceName)
  );
}

/** Whether there is more in `more` than in `less` of something that is wanted. */
function sharesMore(wanted: ResourceAmounts, more: ResourceAmounts, less: ResourceAmounts): boolean {
  return (
    (wanted.milliCpu > 0 && more.milliCpu > less.milliCpu) ||
    (wanted.memoryBytes > 0 && more.memoryBytes > less.memoryBytes) ||
    (wanted.ephemeralStorageBytes > 0 && more.ephemeralStorageBytes > less.ephemeralStorageBytes) ||
    [...wanted.scalars].some(([name, amount]) => amount > 0 && (more.scalars.get(name) ?? 0) > (less.scalars.get(name) ?? 0))
  );
}
