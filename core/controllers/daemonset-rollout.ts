import type { DaemonSet, Node, Pod } from '../api/generated/types.js';
import { isPodAvailable } from '../api/pods.js';
import * as model from './daemonset-model.js';

export interface RolloutInput {
  readonly set: DaemonSet;
  readonly nodes: readonly Node[];
  readonly pods: ReadonlyMap<string, readonly Pod[]>;
  readonly hash: string;
  readonly nowMs: number;
}

export interface RolloutPlan {
  /** Nodes that get a new pod beside the old one. */
  readonly create: string[];
  readonly remove: Pod[];
}

/** What a rolling update may do now. Source: pkg/controller/daemon/update.go. */
export function planRollingUpdate(input: RolloutInput): RolloutPlan {
  const { set, nodes, pods } = input;
  const fitting = new Set(nodes.filter(node => model.fitNode(set, node).shouldRun).map(node => node.metadata.name));
  const all = new Map(pods);
  for (const node of fitting) if (!all.has(node)) all.set(node, []);
  const limits = model.rollingLimits(set, fitting.size);
  return limits.surge > 0
    ? planSurge({ ...input, pods: all }, fitting, limits.surge)
    : planReplacement({ ...input, pods: all }, limits.unavailable);
}

/** Old pods go first; those that do not work anyway cost nothing. */
function planReplacement({ set, pods, hash, nowMs }: RolloutInput, maxUnavailable: number): RolloutPlan {
  const minReadySeconds = set.spec.minReadySeconds ?? 0;
  const broken: Pod[] = [];
  const candidates: Pod[] = [];
  let unavailable = 0;
  for (const found of pods.values()) {
    const split = model.splitPods(set, found, hash);
    if (!split || Boolean(split.updated) === Boolean(split.old)) {
      // Too many pods, none, or both: the next round of the main loop puts that right.
      unavailable++;
    } else if (split.updated) {
      if (!isPodAvailable(split.updated, minReadySeconds, nowMs)) unavailable++;
    } else if (!isPodAvailable(split.old!, minReadySeconds, nowMs)) {
      broken.push(split.old!);
      unavailable++;
    } else candidates.push(split.old!);
  }
  return { create: [], remove: [...broken, ...candidates.slice(0, Math.max(0, maxUnavailable - unavailable))] };
}

/** New pods come first; an old one goes when the new one beside it is available. */
function planSurge({ set, pods, hash, nowMs }: RolloutInput, fitting: ReadonlySet<string>, maxSurge: number): RolloutPlan {
  const minReadySeconds = set.spec.minReadySeconds ?? 0;
  const available = (pod: Pod): boolean => isPodAvailable(pod, minReadySeconds, nowMs);
  const remove: Pod[] = [];
  const unwanted: Pod[] = [];
  const allowed: string[] = [];
  const candidates: string[] = [];
  let surging = 0;
  let availableNodes = 0;
  for (const [node, found] of pods) {
    const split = model.splitPods(set, found, hash);
    if (!split) {
      surging++;
      continue;
    }
    const { updated, old } = split;
    const standing = old ?? updated;
    if (standing && available(standing)) availableNodes++;
    if (!old) continue;
    if (updated) {
      if (available(updated)) remove.push(old);
      else surging++;
    } else if (!fitting.has(node)) (available(old) ? unwanted : remove).push(old);
    else (available(old) ? candidates : allowed).push(node);
  }
  remove.push(...unwanted.slice(0, Math.max(0, availableNodes - fitting.size)));
  return { create: [...allowed, ...candidates.slice(0, Math.max(0, maxSurge - surging))], remove };
}
