import type { Deployment, DeploymentCondition, DeploymentStatus, PodTemplateSpec, ReplicaSet } from '../api/generated/types.js';
import { findCondition, nonZero, withCondition, withoutUndefined } from '../api/objects.js';
import { parseTime } from '../api/time.js';
import { scaledIntOrPercent } from '../machinery/int-or-string.js';
import { cloneJson, jsonEqual } from '../machinery/object.js';

/** Pure rules of Deployments. Source: pkg/controller/deployment/util. */
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
export const rollbackAnnotation = 'deprecated.deployment.rollback.to';
export const templateHashLabel = 'pod-template-hash';
const revisionHistoryLimitChars = 2000;
const unlimited = 2 ** 31 - 1;

/** Annotations of a deployment that its replica sets do not inherit. */
const ownAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  rollbackAnnotation,
]);

export const replicasOf = (set: ReplicaSet): number => set.spec.replicas ?? 1;
export const desiredOf = (deployment: Deployment): number => deployment.spec.replicas ?? 1;

export const isRollingUpdate = (deployment: Deployment): boolean => deployment.spec.strategy.type === 'RollingUpdate';

export function hasProgressDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== unlimited;
}

export function hasRevisionHistoryLimit(deployment: Deployment): boolean {
  const limit = deployment.spec.revisionHistoryLimit;
  return limit !== undefined && limit !== unlimited;
}

/** Numbers for percentages. Both zero would stand still: then one pod may be unavailable, as surge may fail for want of quota. */
function fenceposts(deployment: Deployment): { surge: number; unavailable: number } {
  const { maxSurge, maxUnavailable } = deployment.spec.strategy.rollingUpdate ?? {};
  const desired = desiredOf(deployment);
  const surge = scaledIntOrPercent(maxSurge ?? 0, { total: desired, roundUp: true });
  const unavailable = scaledIntOrPercent(maxUnavailable ?? 0, { total: desired, roundUp: false });
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

export function maxSurge(deployment: Deployment): number {
  return isRollingUpdate(deployment) ? fenceposts(deployment).surge : 0;
}

export function maxUnavailable(deployment: Deployment): number {
  const desired = desiredOf(deployment);
  return isRollingUpdate(deployment) && desired > 0 ? Math.min(fenceposts(deployment).unavailable, desired) : 0;
}

export function sumReplicas(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + replicasOf(set), 0);
}

export function sumStatus(sets: readonly ReplicaSet[], field: 'replicas' | 'readyReplicas' | 'availableReplicas'): number {
  return sets.reduce((sum, set) => sum + (set.status?.[field] ?? 0), 0);
}

export const activeSets = (sets: readonly ReplicaSet[]): ReplicaSet[] => sets.filter(set => replicasOf(set) > 0);

export function compareCreation(a: ReplicaSet, b: ReplicaSet): number {
  const timeA = a.metadata.creationTimestamp ?? '';
  const timeB = b.metadata.creationTimestamp ?? '';
  if (timeA !== timeB) return timeA < timeB ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : a.metadata.name > b.metadata.name ? 1 : 0;
}

/** 64 bits wide, as upstream's; 0 where there is none. */
export function revisionOf(set: ReplicaSet): bigint {
  const text = set.metadata.annotations?.[revisionAnnotation];
  return text !== undefined && /^-?\d+$/.test(text) ? BigInt(text) : 0n;
}

export function compareRevision(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [revisionOf(a), revisionOf(b)];
  return left < right ? -1 : left > right ? 1 : compareCreation(a, b);
}

export function equalIgnoringHash(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return jsonEqual(withoutHash(a), withoutHash(b));
}

/** The template as it stood in the deployment. */
export function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const copy = cloneJson(template);
  copy.metadata ??= {};
  if (copy.metadata.labels) {
    delete copy.metadata.labels[templateHashLabel];
    if (Object.keys(copy.metadata.labels).length === 0) delete copy.metadata.labels;
  }
  return copy;
}

export interface SplitSets {
  /** The set with the deployment's template: the oldest, should there be several. */
  readonly current: ReplicaSet | undefined;
  readonly old: ReplicaSet[];
}

export function splitSets(deployment: Deployment, sets: readonly ReplicaSet[]): SplitSets {
  const sorted = [...sets].sort(compareCreation);
  const current = sorted.find(set => equalIgnoringHash(set.spec.template, deployment.spec.template));
  return { current, old: sorted.filter(set => set !== current) };
}

/** How large the new set may be now. */
export function newSetReplicas(deployment: Deployment, allSets: readonly ReplicaSet[], newSet: ReplicaSet): number {
  const desired = desiredOf(deployment);
  if (!isRollingUpdate(deployment)) return desired;
  // Not `fenceposts`: what the new set may add is bounded by the surge alone.
  const surge = scaledIntOrPercent(deployment.spec.strategy.rollingUpdate?.maxSurge ?? 0, { total: desired, roundUp: true });
  const room = desired + surge - sumReplicas(allSets);
  const current = replicasOf(newSet);
  return room <= 0 ? current : current + Math.min(room, desired - current);
}

/** All of the new set's pods are there and available, and the set knows it is to own all of them. */
export function isSaturated(deployment: Deployment, set: ReplicaSet | undefined): boolean {
  if (!set) return false;
  const desired = desiredOf(deployment);
  return (
    replicasOf(set) === desired &&
    Number(set.metadata.annotations?.[desiredReplicasAnnotation]) === desired &&
    (set.status?.availableReplicas ?? 0) === desired
  );
}

/** The one set that a change of size goes to: the only active one, or the newest when none is; undefined when several are. */
export function activeOrLatest({ current, old }: SplitSets): ReplicaSet | undefined {
  const active = activeSets(current ? [...old, current] : old);
  if (active.length > 1) return undefined;
  return active[0] ?? current ?? [...old].sort(compareCreation).at(-1);
}

/** The share of `toAdd` (negative when shrinking) that falls to one set, after `added` of it was given away. */
export function proportion(set: ReplicaSet, deployment: Deployment, toAdd: number, added: number): number {
  if (replicasOf(set) === 0 || toAdd === 0 || toAdd === added) return 0;
  const fraction = fractionOf(set, deployment);
  return toAdd > 0 ? Math.min(fraction, toAdd - added) : Math.max(fraction, toAdd - added);
}

function fractionOf(set: ReplicaSet, deployment: Deployment): number {
  const size = replicasOf(set);
  if (desiredOf(deployment) === 0) return -size;
  const before = countAnnotation(set, maxReplicasAnnotation) || (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  const scaled = (size * (desiredOf(deployment) + maxSurge(deployment))) / before;
  return Math.sign(scaled) * Math.round(Math.abs(scaled)) - size;
}

/** A replica set was sized for another number of replicas than the deployment asks for now. */
export function isScalingEvent(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return activeSets(sets).some(set => {
    const desired = countAnnotation(set, desiredReplicasAnnotation);
    return desired !== undefined && desired !== desiredOf(deployment);
  });
}

function countAnnotation(set: ReplicaSet, key: string): number | undefined {
  const text = set.metadata.annotations?.[key];
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const count = Number(text);
  return count <= unlimited ? count : undefined;
}

/** Writes what the set was sized for; true when that changed. */
export function setReplicasAnnotations(set: ReplicaSet, deployment: Deployment): boolean {
  const desired = desiredOf(deployment);
  const changedDesired = setAnnotation(set, desiredReplicasAnnotation, String(desired));
  return setAnnotation(set, maxReplicasAnnotation, String(desired + maxSurge(deployment))) || changedDesired;
}

function setAnnotation(object: ReplicaSet | Deployment, key: string, value: string): boolean {
  const annotations = (object.metadata.annotations ??= {});
  if (annotations[key] === value) return false;
  annotations[key] = value;
  return true;
}

/** Copies the deployment's annotations and raises the revision; keeps earlier revisions of a set that is used again. */
export function setNewSetAnnotations(set: ReplicaSet, deployment: Deployment, revision: bigint, isNew: boolean): boolean {
  let changed = false;
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!ownAnnotations.has(key)) changed = setAnnotation(set, key, value) || changed;
  }
  const previousText = set.metadata.annotations?.[revisionAnnotation];
  if (previousText && !/^-?\d+$/.test(previousText)) return false;
  if (BigInt(previousText || 0) < revision) {
    changed = setAnnotation(set, revisionAnnotation, String(revision)) || changed;
    if (previousText !== undefined) addRevisionHistory(set, previousText);
  }
  if (isNew) changed = setReplicasAnnotations(set, deployment) || changed;
  return changed;
}

function addRevisionHistory(set: ReplicaSet, revision: string): void {
  const history = (set.metadata.annotations?.[revisionHistoryAnnotation] ?? '').split(',').filter(text => text !== '');
  history.push(revision);
  while (history.join(',').length > revisionHistoryLimitChars) history.shift();
  setAnnotation(set, revisionHistoryAnnotation, history.join(','));
}

/** True when the deployment's revision changed. */
export function setDeploymentRevision(deployment: Deployment, revision: string): boolean {
  return setAnnotation(deployment, revisionAnnotation, revision);
}

/** The annotations that a deployment rolled back to `set` has: its own bookkeeping, the rest the set's. */
export function rolledBackAnnotations(deployment: Deployment, set: ReplicaSet): Record<string, string> {
  const own = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => ownAnnotations.has(key));
  const inherited = Object.entries(set.metadata.annotations ?? {}).filter(([key]) => !ownAnnotations.has(key));
  return Object.fromEntries([...own, ...inherited]);
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const desired = desiredOf(deployment);
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

/** New pods came or became ready or available, or old ones went. */
export function isProgressing(deployment: Deployment, status: DeploymentStatus): boolean {
  const before = deployment.status ?? {};
  const old = (s: DeploymentStatus): number => (s.replicas ?? 0) - (s.updatedReplicas ?? 0);
  return (
    (status.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(status) < old(before) ||
    (status.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

export function isTimedOut(deployment: Deployment, status: DeploymentStatus, nowMs: number): boolean {
  if (!hasProgressDeadline(deployment)) return false;
  const condition = findCondition(status.conditions, 'Progressing');
  if (!condition || condition.reason === 'NewReplicaSetAvailable') return false;
  if (condition.reason === 'ProgressDeadlineExceeded') return true;
  return (parseTime(condition.lastUpdateTime) ?? 0) + deployment.spec.progressDeadlineSeconds! * 1000 < nowMs;
}

export interface NewCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** Adds a condition, unless one of its type says the same already. The transition time stays while the status does. */
export function setCondition(status: DeploymentStatus, condition: NewCondition, now: string, refresh = false): boolean {
  const known = findCondition(status.conditions, condition.type);
  if (!refresh && known?.status === condition.status && known.reason === condition.reason) return false;
  const lastTransitionTime = known?.status === condition.status ? known.lastTransitionTime : now;
  const complete: DeploymentCondition = { ...condition, lastUpdateTime: now, lastTransitionTime };
  status.conditions = withCondition(status.conditions, complete);
  return true;
}

/** The counts and the Available condition as they follow from the replica sets. */
export function statusOf(deployment: Deployment, { current, old }: SplitSets, now: string): DeploymentStatus {
  const all = current ? [...old, current] : old;
  const available = sumStatus(all, 'availableReplicas');
  const status: DeploymentStatus = withoutUndefined({
    observedGeneration: deployment.metadata.generation,
    replicas: nonZero(sumStatus(all, 'replicas')),
    updatedReplicas: nonZero(current?.status?.replicas ?? 0),
    readyReplicas: nonZero(sumStatus(all, 'readyReplicas')),
    availableReplicas: nonZero(available),
    unavailableReplicas: nonZero(Math.max(0, sumReplicas(all) - available)),
    terminatingReplicas: terminatingReplicas(all),
    collisionCount: deployment.status?.collisionCount,
    conditions: deployment.status?.conditions,
  });
  const enough = available >= desiredOf(deployment) - maxUnavailable(deployment);
  setCondition(
    status,
    enough
      ? {
          type: 'Available',
          status: 'True',
          reason: 'MinimumReplicasAvailable',
          message: 'Deployment has minimum availability.',
        }
      : {
          type: 'Available',
          status: 'False',
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
        },
    now,
  );
  return status;
}

/** Unknown as long as one set that was looked at does not say how many of its pods are terminating. */
function terminatingReplicas(sets: readonly ReplicaSet[]): number | undefined {
  let sum = 0;
  for (const set of sets) {
    const count = set.status?.terminatingReplicas;
    if (count !== undefined) sum += count;
    else if (set.status?.observedGeneration) return undefined;
  }
  return sum;
}
