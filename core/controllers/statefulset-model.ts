import { StatefulSets } from '../api/generated/resources.js';
import type {
  ControllerRevision,
  PersistentVolumeClaim,
  Pod,
  PodTemplateSpec,
  StatefulSet,
  StatefulSetStatus,
  Volume,
} from '../api/generated/types.js';
import { nonZero, withoutUndefined } from '../api/objects.js';
import { controllerReference } from '../api/owners.js';
import { isPodAvailable, isPodReady } from '../api/pods.js';
import { produce } from '../machinery/object.js';
import { podFromTemplate } from './pod-control.js';

/** Pure rules of StatefulSets. Source: pkg/controller/statefulset/stateful_set_utils. */
export const revisionLabel = 'controller-revision-hash';
export const podNameLabel = 'statefulset.kubernetes.io/pod-name';
export const podIndexLabel = 'apps.kubernetes.io/pod-index';

export const desiredOf = (set: StatefulSet): number => set.spec.replicas ?? 1;
export const firstOrdinal = (set: StatefulSet): number => set.spec.ordinals?.start ?? 0;
export const endOrdinal = (set: StatefulSet): number => firstOrdinal(set) + desiredOf(set);
export const isParallel = (set: StatefulSet): boolean => set.spec.podManagementPolicy === 'Parallel';

/** The set's name and the number in a pod's name; -1 for names that carry none. */
export function parentAndOrdinal(name: string): { parent: string; ordinal: number } {
  const match = /^(.*)-(\d+)$/.exec(name);
  const ordinal = Number(match?.[2] ?? -1);
  return match && ordinal < 2 ** 31 ? { parent: match[1]!, ordinal } : { parent: match?.[1] ?? '', ordinal: -1 };
}

export const ordinalOf = (pod: Pod): number => parentAndOrdinal(pod.metadata.name).ordinal;

export function isInRange(set: StatefulSet, pod: Pod): boolean {
  const ordinal = ordinalOf(pod);
  return ordinal >= firstOrdinal(set) && ordinal < endOrdinal(set);
}

export const isMember = (set: StatefulSet, pod: Pod): boolean => parentAndOrdinal(pod.metadata.name).parent === set.metadata.name;

/** Known to the server; pods planned in this round have no phase yet. */
export const isCreated = (pod: Pod): boolean => Boolean(pod.status?.phase);
export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
export const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isPodReady(pod);
export const revisionOf = (pod: Pod): string => pod.metadata.labels?.[revisionLabel] ?? '';

export function isUnavailable(set: StatefulSet, pod: Pod, nowMs: number): boolean {
  return isTerminating(pod) || !isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
}

export const claimName = (template: PersistentVolumeClaim, set: StatefulSet, ordinal: number): string =>
  `${template.metadata.name}-${set.metadata.name}-${ordinal}`;

/** The claims of the pod's templates, by name of the volume. */
export function claimsOf(set: StatefulSet, pod: Pod): Map<string, PersistentVolumeClaim> {
  const ordinal = ordinalOf(pod);
  const claims = new Map<string, PersistentVolumeClaim>();
  for (const template of set.spec.volumeClaimTemplates ?? []) {
    const claim = produce(template, draft => {
      draft.apiVersion = 'v1';
      draft.kind = 'PersistentVolumeClaim';
      draft.metadata.name = claimName(template, set, ordinal);
      draft.metadata.namespace = set.metadata.namespace;
      draft.metadata.labels = { ...draft.metadata.labels, ...set.spec.selector?.matchLabels };
    });
    claims.set(template.metadata.name, claim);
  }
  return claims;
}

/** The pod's volumes with those of its claims, which win over volumes of the same name. */
export function volumesWithClaims(set: StatefulSet, pod: Pod): Volume[] {
  const claims = claimsOf(set, pod);
  const volumes = Array.from(claims, ([name, claim]): Volume => ({
    name,
    persistentVolumeClaim: { claimName: claim.metadata.name },
  }));
  return [...volumes, ...(pod.spec.volumes ?? []).filter(volume => !claims.has(volume.name))];
}

export function identityMatches(set: StatefulSet, pod: Pod): boolean {
  const { parent, ordinal } = parentAndOrdinal(pod.metadata.name);
  return (
    ordinal >= 0 &&
    parent === set.metadata.name &&
    pod.metadata.namespace === set.metadata.namespace &&
    pod.metadata.labels?.[podNameLabel] === pod.metadata.name
  );
}

export function storageMatches(set: StatefulSet, pod: Pod): boolean {
  const ordinal = ordinalOf(pod);
  return (set.spec.volumeClaimTemplates ?? []).every(template => {
    const volume = pod.spec.volumes?.find(candidate => candidate.name === template.metadata.name);
    return volume?.persistentVolumeClaim?.claimName === claimName(template, set, ordinal);
  });
}

function newPod(set: StatefulSet, template: PodTemplateSpec, revision: string, ordinal: number): Pod {
  const pod = podFromTemplate(template, set.metadata.name, controllerReference(set, StatefulSets));
  const name = `${set.metadata.name}-${ordinal}`;
  const labels = {
    ...pod.metadata.labels,
    [podNameLabel]: name,
    [podIndexLabel]: String(ordinal),
    [revisionLabel]: revision,
  };
  const { generateName: _generated, ...metadata } = pod.metadata;
  const named: Pod = { ...pod, metadata: { ...metadata, name, namespace: set.metadata.namespace, labels } };
  const volumes = volumesWithClaims(set, named);
  const spec = {
    ...pod.spec,
    hostname: name,
    subdomain: set.spec.serviceName,
    volumes: volumes.length > 0 ? volumes : undefined,
  };
  return { ...named, spec: withoutUndefined(spec) };
}

export interface Revisions {
  readonly current: ControllerRevision;
  readonly update: ControllerRevision;
  readonly currentTemplate: PodTemplateSpec;
  readonly updateTemplate: PodTemplateSpec;
}

/** The pod of an ordinal that has none: below the partition of the current revision, else of the update revision. */
export function plannedPod(set: StatefulSet, revisions: Revisions, ordinal: number): Pod {
  const { type, rollingUpdate } = set.spec.updateStrategy;
  const offset = ordinal - firstOrdinal(set);
  const keepsCurrent = rollingUpdate
    ? offset < (rollingUpdate.partition ?? 0)
    : type === 'RollingUpdate' && offset < (set.status?.currentReplicas ?? 0);
  return keepsCurrent
    ? newPod(set, revisions.currentTemplate, revisions.current.metadata.name, ordinal)
    : newPod(set, revisions.updateTemplate, revisions.update.metadata.name, ordinal);
}

export interface Counts {
  replicas: number;
  ready: number;
  available: number;
  current: number;
  updated: number;
}

export function countPods(set: StatefulSet, pods: readonly Pod[], revisions: Revisions, nowMs: number): Counts {
  const counts: Counts = { replicas: 0, ready: 0, available: 0, current: 0, updated: 0 };
  for (const pod of pods) {
    if (isRunningAndReady(pod)) {
      counts.ready++;
      if (isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)) counts.available++;
    }
    if (!isCreated(pod)) continue;
    counts.replicas++;
    if (isTerminating(pod)) continue;
    if (revisionOf(pod) === revisions.current.metadata.name) counts.current++;
    if (revisionOf(pod) === revisions.update.metadata.name) counts.updated++;
  }
  return counts;
}

/** The status that the counts make. A rolling update whose last pod is ready makes the update revision the current one. */
export function statusOf(set: StatefulSet, revisions: Revisions, counts: Counts, collisionCount: number): StatefulSetStatus {
  const desired = desiredOf(set);
  const complete =
    set.spec.updateStrategy.type === 'RollingUpdate' &&
    counts.updated === desired &&
    counts.ready === desired &&
    counts.replicas === desired;
  return withoutUndefined<StatefulSetStatus>({
    observedGeneration: set.metadata.generation,
    replicas: counts.replicas,
    readyReplicas: nonZero(counts.ready),
    availableReplicas: counts.available,
    currentReplicas: nonZero(complete ? counts.updated : counts.current),
    updatedReplicas: nonZero(counts.updated),
    currentRevision: (complete ? revisions.update : revisions.current).metadata.name,
    updateRevision: revisions.update.metadata.name,
    collisionCount,
    conditions: set.status?.conditions,
  });
}
