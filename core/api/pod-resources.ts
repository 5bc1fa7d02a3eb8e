import type { Quantity } from '../machinery/quantity.js';
import { parseQuantity } from '../machinery/quantity.js';
import type { Container, Pod, PodSpec } from './generated/types.js';

/** Amounts by resource name (`cpu`, `memory`, `example.com/gpu`). */
export type ResourceQuantities = Map<string, Quantity>;
type ResourceList = Readonly<Record<string, string>>;

export interface PodResourceOptions {
  /** Leave out what the RuntimeClass adds. */
  readonly excludeOverhead?: boolean;
  /** Leave out `spec.resources` of the pod itself. */
  readonly skipPodLevelResources?: boolean;
  /** Count what the node has granted and what runs, where a resize is under way, and not only what the spec wants. */
  readonly useStatusResources?: boolean;
  /** What a container asks for that says nothing about a resource. */
  readonly nonMissingContainerRequests?: ReadonlyMap<string, Quantity>;
}

export function parseResourceList(list: ResourceList | undefined): ResourceQuantities {
  const result: ResourceQuantities = new Map();
  for (const name in list) result.set(name, parseQuantity(list[name]!));
  return result;
}

/** A sidecar: an init container that goes on running beside the others. */
export function isRestartableInitContainer(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** CPU, memory and huge pages can be set for the pod as a whole. */
export function isPodLevelResource(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');
}

export function hasPodLevelRequests(spec: PodSpec): boolean {
  return Object.keys(spec.resources?.requests ?? {}).some(isPodLevelResource);
}

export function hasPodLevelResources(spec: PodSpec): boolean {
  return hasPodLevelRequests(spec) || Object.keys(spec.resources?.limits ?? {}).some(isPodLevelResource);
}

/**
 * What the pod asks for: the containers and sidecars together, or the most that an init container with the sidecars started
 * before it needs, whichever is more; pod-level requests take the place of that; overhead comes on top.
 * Source: KEP-753 (sidecars), KEP-2837 (pod level), KEP-1287 (resize).
 */
export function podRequests(pod: Pod, options: PodResourceOptions = {}): ResourceQuantities {
  const result = containerTotals(pod, options, 'requests');
  if (!options.skipPodLevelResources && hasPodLevelRequests(pod.spec)) {
    const { requests } = pod.spec.resources!;
    const inStatus = options.useStatusResources ? pod.status?.resources : undefined;
    const effective = inStatus ? effectiveRequests(pod, requests, inStatus.requests, pod.status.allocatedResources) : undefined;
    for (const name in requests) {
      if (isPodLevelResource(name)) result.set(name, effective?.get(name) ?? parseQuantity(requests[name]!));
    }
  }
  if (!options.excludeOverhead) addAll(result, parseResourceList(pod.spec.overhead));
  return result;
}

/** What the pod may use at most, put together as `podRequests` is. Overhead counts only where there is a limit. */
export function podLimits(pod: Pod, options: PodResourceOptions = {}): ResourceQuantities {
  const result = containerTotals(pod, options, 'limits');
  if (!options.skipPodLevelResources && hasPodLevelResources(pod.spec)) {
    const limits = pod.spec.resources!.limits ?? {};
    const inStatus = options.useStatusResources ? pod.status?.resources : undefined;
    const effective = inStatus ? effectiveLimits(pod, limits, inStatus.limits) : undefined;
    for (const name in limits) {
      if (isPodLevelResource(name)) result.set(name, effective?.get(name) ?? parseQuantity(limits[name]!));
    }
  }
  if (!options.excludeOverhead) {
    for (const [name, overhead] of parseResourceList(pod.spec.overhead)) {
      const limit = result.get(name);
      if (limit && !limit.isZero) result.set(name, limit.add(overhead));
    }
  }
  return result;
}

/**
 * Guaranteed: CPU and memory limits everywhere, and requests equal to them. BestEffort: neither anywhere. Burstable: the rest.
 * Pod-level resources, where given, speak for all containers.
 */
export function podQosClass(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const requests: ResourceQuantities = new Map();
  const limits: ResourceQuantities = new Map();
  let guaranteed = true;
  const take = (from: { requests?: ResourceList; limits?: ResourceList } | undefined): void => {
    addAll(requests, computeResources(from?.requests));
    const ownLimits = computeResources(from?.limits);
    addAll(limits, ownLimits);
    if (ownLimits.size < 2) guaranteed = false;
  };
  if (spec.resources) {
    addAll(requests, computeResources(spec.resources.requests));
    if (Object.keys(spec.resources.limits ?? {}).length > 0) take({ limits: spec.resources.limits });
  } else {
    for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) take(container.resources);
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort';
  if (!guaranteed || requests.size !== limits.size) return 'Burstable';
  for (const [name, amount] of requests) if (!limits.get(name)?.equals(amount)) return 'Burstable';
  return 'Guaranteed';
}

/** CPU and memory, where more than nothing. */
function computeResources(list: ResourceList | undefined): ResourceQuantities {
  const result: ResourceQuantities = new Map();
  for (const name of ['cpu', 'memory']) {
    const text = list?.[name];
    if (text === undefined) continue;
    const amount = parseQuantity(text);
    if (amount.sign > 0) result.set(name, amount);
  }
  return result;
}

function containerTotals(pod: Pod, options: PodResourceOptions, field: 'requests' | 'limits'): ResourceQuantities {
  const total: ResourceQuantities = new Map();
  for (const container of pod.spec.containers) addAll(total, ofContainer(pod, container, options, field));
  const initContainers = pod.spec.initContainers ?? [];
  if (initContainers.length === 0) return total;
  const sidecars: ResourceQuantities = new Map();
  const startup: ResourceQuantities = new Map();
  for (const container of initContainers) {
    if (isRestartableInitContainer(container)) {
      const amounts = ofContainer(pod, container, options, field);
      addAll(total, amounts);
      addAll(sidecars, amounts);
      raiseAll(startup, sidecars);
    } else {
      const amounts = ofContainer(pod, container, { ...options, useStatusResources: false }, field);
      addAll(amounts, sidecars);
      raiseAll(startup, amounts);
    }
  }
  raiseAll(total, startup);
  return total;
}

function ofContainer(
  pod: Pod,
  container: Container,
  options: PodResourceOptions,
  field: 'requests' | 'limits',
): ResourceQuantities {
  const wanted = container.resources?.[field];
  let amounts: ResourceQuantities | undefined;
  if (options.useStatusResources) {
    const statuses = isRestartableInitContainer(container) ? pod.status?.initContainerStatuses : pod.status?.containerStatuses;
    const status = statuses?.find(({ name }) => name === container.name);
    if (status?.resources) {
      amounts =
        field === 'requests'
          ? effectiveRequests(pod, wanted, status.resources.requests, status.allocatedResources)
          : effectiveLimits(pod, wanted, status.resources.limits);
    }
  }
  amounts ??= parseResourceList(wanted);
  if (field === 'requests') {
    for (const [name, amount] of options.nonMissingContainerRequests ?? []) if (!amounts.has(name)) amounts.set(name, amount);
  }
  return amounts;
}

/** The most of wanted, running and granted; what cannot be granted at all does not count. */
function effectiveRequests(
  pod: Pod,
  wanted: ResourceList | undefined,
  running: ResourceList | undefined,
  granted: ResourceList | undefined,
): ResourceQuantities {
  const result = parseResourceList(running);
  raiseAll(result, parseResourceList(granted));
  if (!isResizeInfeasible(pod)) raiseAll(result, parseResourceList(wanted));
  return result;
}

function effectiveLimits(pod: Pod, wanted: ResourceList | undefined, running: ResourceList | undefined): ResourceQuantities {
  const result = parseResourceList(running);
  if (!isResizeInfeasible(pod)) raiseAll(result, parseResourceList(wanted));
  return result;
}

function isResizeInfeasible(pod: Pod): boolean {
  return pod.status?.conditions?.find(({ type }) => type === 'PodResizePending')?.reason === 'Infeasible';
}

/** Adds `more` into `total`. */
export function addAll(total: ResourceQuantities, more: ReadonlyMap<string, Quantity>): void {
  for (const [name, amount] of more) {
    const known = total.get(name);
    total.set(name, known ? known.add(amount) : amount);
  }
}

/** Raises `total` to what `other` has more of. */
export function raiseAll(total: ResourceQuantities, other: ReadonlyMap<string, Quantity>): void {
  for (const [name, amount] of other) {
    const known = total.get(name);
    if (!known || amount.compare(known) > 0) total.set(name, amount);
  }
}
