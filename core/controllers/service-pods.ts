import type { Pod, Service, ServicePort } from '../api/generated/types.js';
import { labelsContain } from '../api/labels.js';
import { isPodFinished, isPodReady, isSidecar, podCondition } from '../api/pods.js';
import { formatTime, parseTime } from '../api/time.js';
import { keyOf } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual } from '../machinery/object.js';

/** What the makers of Endpoints and of EndpointSlices share: which pods stand behind a Service. Source: k8s.io/endpointslice. */
export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';
export const headlessLabel = 'service.kubernetes.io/headless';
export const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';

/** Whether this Service gets its endpoints from controllers at all. */
export function hasSelectedEndpoints({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && spec.selector !== undefined;
}

export function isHeadless({ spec }: Service): boolean {
  return !spec.clusterIP || spec.clusterIP === 'None';
}

export function podsOfService(pods: Informer<Pod>, service: Service): Pod[] {
  const found: Pod[] = [];
  for (const entry of pods.entries(service.metadata.namespace)) {
    if (labelsContain(entry.labels, service.spec.selector)) found.push(entry.object);
  }
  return found;
}

export function belongsInEndpoints(pod: Pod, includeTerminating: boolean): boolean {
  if (isPodFinished(pod)) return false;
  if (!pod.status?.podIP && !pod.status?.podIPs?.length) return false;
  return includeTerminating || pod.metadata.deletionTimestamp === undefined;
}

export function endpointHostname(pod: Pod, service: Service): string | undefined {
  return pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? pod.spec.hostname : undefined;
}

/** The number behind the Service's target port in this pod; undefined when the pod has no such port. */
export function findPort(pod: Pod, port: ServicePort): number | undefined {
  if (typeof port.targetPort === 'number') return port.targetPort;
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)]) {
    for (const candidate of container.ports ?? []) {
      if (candidate.name === port.targetPort && candidate.protocol === port.protocol) return candidate.containerPort;
    }
  }
  return undefined;
}

/** Keys of the Services whose endpoints a change of a pod may touch. */
export function servicesTouched(
  services: Informer<Service>,
  previous: ObjectEntry<Pod> | undefined,
  next: ObjectEntry<Pod> | undefined,
): Set<string> {
  const selecting = (entry: ObjectEntry<Pod>): Set<string> => {
    const keys = new Set<string>();
    for (const service of services.list(entry.namespace)) {
      if (service.spec.selector && labelsContain(entry.labels, service.spec.selector)) keys.add(keyOf(service));
    }
    return keys;
  };
  if (!previous || !next) return previous || next ? selecting((previous ?? next)!) : new Set();
  if (previous.resourceVersion === next.resourceVersion) return new Set();
  const [before, after] = [previous.object, next.object];
  const podChanged =
    before.metadata.deletionTimestamp !== after.metadata.deletionTimestamp ||
    isPodReady(before) !== isPodReady(after) ||
    isPodFinished(before) !== isPodFinished(after) ||
    !jsonEqual(before.status?.podIPs, after.status?.podIPs);
  const labelsChanged =
    !jsonEqual(previous.labels, next.labels) ||
    before.spec.hostname !== after.spec.hostname ||
    before.spec.subdomain !== after.spec.subdomain;
  if (!podChanged && !labelsChanged) return new Set();
  const now = selecting(next);
  if (!labelsChanged) return now;
  const then = selecting(previous);
  // Where only the labels changed, Services that select the pod as before have nothing to do.
  const either = new Set([...now, ...then]);
  return podChanged ? either : new Set([...either].filter(key => now.has(key) !== then.has(key)));
}

interface TriggerState {
  readonly serviceMs: number;
  readonly pods: ReadonlyMap<string, number>;
}

/** When the oldest change happened that the next write of a Service's endpoints brings. */
export class TriggerTimes {
  readonly #states = new Map<string, TriggerState>();

  /** Undefined when nothing that has a time has changed since the last call. */
  next(service: Service, pods: readonly Pod[]): string | undefined {
    const key = keyOf(service);
    const known = this.#states.get(key);
    const serviceMs = parseTime(service.metadata.creationTimestamp) ?? 0;
    const times = new Map<string, number>();
    let oldestMs = Infinity;
    for (const pod of pods) {
      const readyMs = parseTime(podCondition(pod, 'Ready')?.lastTransitionTime);
      if (readyMs === undefined) continue;
      times.set(pod.metadata.name, readyMs);
      if (readyMs > (known?.pods.get(pod.metadata.name) ?? -Infinity)) oldestMs = Math.min(oldestMs, readyMs);
    }
    if (serviceMs > (known?.serviceMs ?? -Infinity)) oldestMs = Math.min(oldestMs, serviceMs);
    this.#states.set(key, { serviceMs, pods: times });
    if (!known) return formatTime(serviceMs);
    return oldestMs === Infinity ? undefined : formatTime(oldestMs);
  }

  delete(key: string): void {
    this.#states.delete(key);
  }
}
