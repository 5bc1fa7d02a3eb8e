import type { Node, Pod } from '../api/generated/types.js';
import { podRequests } from '../api/pod-resources.js';
import { ClusterAction } from '../contracts/scheduler-plugin.js';
import type { ClusterEvent, ClusterEventResource, PluginEvent } from '../contracts/scheduler-plugin.js';
import { jsonEqual } from '../machinery/object.js';

export const assignedPodAdded: ClusterEvent = { resource: 'AssignedPod', action: ClusterAction.Add };
export const assignedPodDeleted: ClusterEvent = { resource: 'AssignedPod', action: ClusterAction.Delete };
export const nodeAdded: ClusterEvent = { resource: 'Node', action: ClusterAction.Add };
export const nodeDeleted: ClusterEvent = { resource: 'Node', action: ClusterAction.Delete };
/** Matches whatever a plugin waits for: a pod that was out of turn for long, or one that is to be tried at once. */
export const anyEvent: ClusterEvent = { resource: '*', action: ClusterAction.All };

export function eventMatches(registered: PluginEvent, { resource, action }: ClusterEvent): boolean {
  if (registered.resource === '*') return true;
  if ((registered.action & action) === 0) return false;
  if (registered.resource === resource) return true;
  return registered.resource === 'Pod' && (resource === 'AssignedPod' || resource === 'UnscheduledPod');
}

/** What changed about a node that filters care for; empty for heartbeats. */
export function nodeChanges(previous: Node, next: Node): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  const note = (action: number): void => void events.push({ resource: 'Node', action });
  const madeSchedulable = Boolean(previous.spec?.unschedulable) && !next.spec?.unschedulable;
  if (madeSchedulable || !jsonEqual(previous.spec?.taints ?? [], next.spec?.taints ?? [])) note(ClusterAction.UpdateNodeTaint);
  if (!jsonEqual(previous.status?.allocatable ?? {}, next.status?.allocatable ?? {})) note(ClusterAction.UpdateNodeAllocatable);
  if (!jsonEqual(previous.metadata.labels ?? {}, next.metadata.labels ?? {})) note(ClusterAction.UpdateNodeLabel);
  if (!jsonEqual(conditionStatuses(previous), conditionStatuses(next))) note(ClusterAction.UpdateNodeCondition);
  if (!jsonEqual(previous.metadata.annotations ?? {}, next.metadata.annotations ?? {})) note(ClusterAction.UpdateNodeAnnotation);
  return events;
}

export function podChanges(previous: Pod, next: Pod): ClusterEvent[] {
  const resource: ClusterEventResource = next.spec.nodeName ? 'AssignedPod' : 'UnscheduledPod';
  const events: ClusterEvent[] = [];
  const note = (action: number): void => void events.push({ resource, action });
  if (!jsonEqual(previous.metadata.labels ?? {}, next.metadata.labels ?? {})) note(ClusterAction.UpdatePodLabel);
  if (isScaledDown(previous, next)) note(ClusterAction.UpdatePodScaleDown);
  if (previous.spec.schedulingGates?.length && !next.spec.schedulingGates?.length) {
    note(ClusterAction.UpdatePodSchedulingGatesEliminated);
  }
  // Tolerations can only be added.
  if ((previous.spec.tolerations?.length ?? 0) !== (next.spec.tolerations?.length ?? 0)) note(ClusterAction.UpdatePodToleration);
  if (events.length === 0) note(ClusterAction.UpdateOther);
  return events;
}

function isScaledDown(previous: Pod, next: Pod): boolean {
  // Requests change by resizes alone, which raise the generation or are seen in the container statuses.
  if (jsonEqual(previous.spec, next.spec) && jsonEqual(containerResources(previous), containerResources(next))) return false;
  const after = podRequests(next, { useStatusResources: true });
  for (const [name, before] of podRequests(previous, { useStatusResources: true })) {
    const now = after.get(name);
    if (!now || before.compare(now) > 0) return true;
  }
  return false;
}

function containerResources({ status }: Pod): unknown {
  return [
    status.resources,
    status.containerStatuses?.map(({ resources, allocatedResources }) => [resources, allocatedResources]),
  ];
}

function conditionStatuses(node: Node): Record<string, string> {
  return Object.fromEntries((node.status?.conditions ?? []).map(({ type, status }) => [type, status]));
}
