import { isRestartableInitContainer, parseResourceList } from '../../api/pod-resources.js';
import type { Container, Pod, ResourceRequirements } from '../../api/generated/types.js';
import { sameJson } from '../status/same-json.js';

/** What the node has granted a pod; its spec may want more since. */
export interface Allocation {
  readonly pod: ResourceRequirements | undefined;
  readonly containers: ReadonlyMap<string, ResourceRequirements | undefined>;
}

const resizable = ['cpu', 'memory'] as const;
export type Resizable = (typeof resizable)[number];

export function wantedAllocation({ spec }: Pod): Allocation {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return { pod: spec.resources, containers: new Map(containers.map(({ name, resources }) => [name, resources])) };
}

/** Of a pod that was there before this kubelet, while its resize was pending: what it was told of in its status. */
export function recordedAllocation(pod: Pod): Allocation {
  const wanted = wantedAllocation(pod);
  if (!pod.status?.conditions?.some(({ type, status }) => type === 'PodResizePending' && status === 'True')) return wanted;
  const containers = new Map(wanted.containers);
  for (const { name, allocatedResources, resources } of [
    ...(pod.status.containerStatuses ?? []),
    ...(pod.status.initContainerStatuses ?? []),
  ]) {
    if (!allocatedResources) continue;
    containers.set(name, { requests: allocatedResources, ...(resources?.limits ? { limits: resources.limits } : {}) });
  }
  return { pod: pod.status.resources ?? wanted.pod, containers };
}

/** The pod as it was granted. */
export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  if (sameAllocation(wantedAllocation(pod), allocation)) return pod;
  const granted = <T extends Container>(container: T): T => ({
    ...container,
    resources: allocation.containers.get(container.name) ?? {},
  });
  const { initContainers } = pod.spec;
  const spec = { ...pod.spec, containers: pod.spec.containers.map(granted) };
  if (initContainers) spec.initContainers = initContainers.map(granted);
  if (allocation.pod) spec.resources = allocation.pod;
  return { ...pod, spec };
}

export function sameAllocation(a: Allocation, b: Allocation): boolean {
  if (changedResources(a.pod, b.pod).length > 0) return false;
  return [...a.containers].every(([name, own]) => changedResources(own, b.containers.get(name)).length === 0);
}

export function changedResources(a: ResourceRequirements | undefined, b: ResourceRequirements | undefined): Resizable[] {
  const differs = (name: Resizable): boolean =>
    (['requests', 'limits'] as const).some(field => {
      const [one, other] = [a?.[field]?.[name], b?.[field]?.[name]];
      if (one === other) return false;
      return one === undefined || other === undefined || !amount(one).equals(amount(other));
    });
  return sameJson(a, b) ? [] : resizable.filter(differs);
}

function amount(text: string) {
  return parseResourceList({ amount: text }).get('amount')!;
}

/** Containers whose resources may change while they run. */
export function resizableContainers({ spec }: Pod): Container[] {
  return [...(spec.initContainers ?? []).filter(isRestartableInitContainer), ...spec.containers];
}
