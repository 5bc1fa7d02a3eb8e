import type { Pod } from '../api/generated/types.js';
import { isPodActive, isPodReady, maximumRestarts, podCondition } from '../api/pods.js';
import { parseTime } from '../api/time.js';

const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };
const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

/**
 * Pods in the order in which a set that has too many should delete them. `relatedPods` are those of sets with the same owner:
 * pods on nodes with many of them go first. Times count on a logarithmic scale, so that similar ages are equal.
 * Source: pkg/controller ActivePodsWithRanks, KEP-2185, KEP-2255.
 */
export function rankForDeletion(pods: readonly Pod[], relatedPods: Iterable<Pod>, nowMs: number): Pod[] {
  const onNode = new Map<string, number>();
  for (const pod of relatedPods) {
    if (isPodActive(pod)) onNode.set(pod.spec.nodeName ?? '', (onNode.get(pod.spec.nodeName ?? '') ?? 0) + 1);
  }
  const rank = (pod: Pod): number => onNode.get(pod.spec.nodeName ?? '') ?? 0;
  return [...pods].sort((a, b) => compare(a, b, rank, nowMs));
}

function compare(a: Pod, b: Pod, rank: (pod: Pod) => number, nowMs: number): number {
  const assigned = Number(Boolean(a.spec.nodeName)) - Number(Boolean(b.spec.nodeName));
  if (assigned !== 0) return assigned;
  const phase = (phaseRank[a.status?.phase ?? ''] ?? 0) - (phaseRank[b.status?.phase ?? ''] ?? 0);
  if (phase !== 0) return phase;
  const readyA = isPodReady(a);
  const readyB = isPodReady(b);
  if (readyA !== readyB) return Number(readyA) - Number(readyB);
  const cost = deletionCost(a) - deletionCost(b);
  if (cost !== 0) return cost;
  const crowd = rank(b) - rank(a);
  if (crowd !== 0) return crowd;
  if (readyA && readyB) {
    const timeA = podCondition(a, 'Ready')?.lastTransitionTime;
    const timeB = podCondition(b, 'Ready')?.lastTransitionTime;
    if (timeA !== timeB) return compareAges(parseTime(timeA), parseTime(timeB), nowMs) || compareUids(a, b);
  }
  const restartsA = maximumRestarts(a);
  const restartsB = maximumRestarts(b);
  const restarts = restartsB.regular - restartsA.regular || restartsB.sidecar - restartsA.sidecar;
  if (restarts !== 0) return restarts;
  const createdA = a.metadata.creationTimestamp;
  const createdB = b.metadata.creationTimestamp;
  if (createdA !== createdB) return compareAges(parseTime(createdA), parseTime(createdB), nowMs) || compareUids(a, b);
  return compareUids(a, b);
}

/** The younger first; an unknown age counts as youngest. 0 when the logarithms of the ages are equal. */
function compareAges(a: number | undefined, b: number | undefined, nowMs: number): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return logarithm(nowMs - a) - logarithm(nowMs - b);
}

/** Of nanoseconds, as upstream's: the base decides which ages are equal. */
function logarithm(ageMs: number): number {
  return ageMs > 0 ? Math.floor(Math.log2(ageMs * 1e6)) : -1;
}

function compareUids(a: Pod, b: Pod): number {
  return (a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1;
}

/** An int32 without leading zeros or plus; anything else counts as 0. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[deletionCostAnnotation];
  if (text === undefined || !/^(0|-?[1-9]\d*)$/.test(text)) return 0;
  const cost = Number(text);
  return cost >= -(2 ** 31) && cost < 2 ** 31 ? cost : 0;
}
