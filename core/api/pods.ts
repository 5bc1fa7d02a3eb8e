import type { Pod, PodCondition, PodSpec } from './generated/types.js';
import { controllerOf } from './owners.js';

/** Pure questions about pods that several parts ask. Source: pkg/api/v1/pod, pkg/controller/controller_utils. */
export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find(condition => condition.type === type);
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

/** Succeeded or Failed. */
export function isPodFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Neither finished nor being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Being deleted, its containers not yet at their end. */
export function isPodTerminating(pod: Pod): boolean {
  return !isPodFinished(pod) && pod.metadata.deletionTimestamp !== undefined;
}

/** How long until the pod was ready for `minReadySeconds`: 0 when it is available, undefined when it is not ready. */
export function msUntilAvailable(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds <= 0) return 0;
  if (!ready.lastTransitionTime) return undefined;
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - nowMs);
}

export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  return msUntilAvailable(pod, minReadySeconds, nowMs) === 0;
}

/** The shortest wait after which another of the pods becomes available; undefined when none is waiting for that. */
export function msUntilNextAvailable(pods: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  let shortest: number | undefined;
  for (const pod of pods) {
    const wait = msUntilAvailable(pod, minReadySeconds, nowMs);
    if (wait !== undefined && wait > 0 && (shortest === undefined || wait < shortest)) shortest = wait;
  }
  return shortest;
}

/** An init container that goes on beside the main ones. */
export function isSidecar(container: { restartPolicy?: string }): boolean {
  return container.restartPolicy === 'Always';
}

/** Highest restart count among main containers and among sidecars. */
export function maximumRestarts(pod: Pod): { regular: number; sidecar: number } {
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map(container => container.name));
  let regular = 0;
  let sidecar = 0;
  for (const status of pod.status?.containerStatuses ?? []) regular = Math.max(regular, status.restartCount);
  for (const status of pod.status?.initContainerStatuses ?? []) {
    if (sidecars.has(status.name)) sidecar = Math.max(sidecar, status.restartCount);
  }
  return { regular, sidecar };
}

/** Index of pods by the node they are bound to. */
export const podsByNode = {
  name: 'spec.nodeName',
  keys: (pod: Pod): readonly string[] => (pod.spec.nodeName ? [pod.spec.nodeName] : []),
};

export function allContainers(spec: PodSpec): { name: string; image?: string }[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
}

/** Index of pods by the uid of their controller; pods without one are under `orphans/NAMESPACE`. */
export const podsByController = {
  name: 'controller',
  keys: (pod: Pod): readonly string[] => [controllerOf(pod)?.uid ?? orphansKey(pod.metadata.namespace ?? '')],
};

export const orphansKey = (namespace: string): string => `orphans/${namespace}`;
