import type { Node, Pod, TopologySpreadConstraint } from '../../api/generated/types.js';
import { requiredNodeAffinityMatches } from '../../api/node-affinity.js';
import { firstUntoleratedTaint, keepsPodsAway } from '../../api/taints.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingPod,
  SchedulingStatus,
  StateData,
} from '../../contracts/scheduler-plugin.js';
import { jsonEqual } from '../../machinery/object.js';
import type { SchedulerCache } from '../cache.js';
import { maximumScore } from '../framework.js';
import { LabelMatcher } from '../label-matcher.js';
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import { skip, unresolvable, unschedulable } from '../status.js';
import type { DefaultSelectors } from './default-selector.js';

const hostnameLabel = 'kubernetes.io/hostname';

/** What upstream takes for pods without constraints of their own. Source: KEP-1258. */
const systemDefaults: readonly TopologySpreadConstraint[] = [
  { topologyKey: hostnameLabel, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

interface Constraint {
  readonly maxSkew: number;
  readonly topologyKey: string;
  readonly selector: LabelMatcher;
  readonly minDomains: number;
  readonly honorAffinity: boolean;
  readonly honorTaints: boolean;
}

class FilterState implements StateData {
  readonly constraints: readonly Constraint[];
  /** Matching pods by topology value, for each constraint. */
  readonly counts: readonly Map<string, number>[];
  readonly #minimums: (number | undefined)[];

  constructor(constraints: readonly Constraint[], counts: readonly Map<string, number>[]) {
    this.constraints = constraints;
    this.counts = counts;
    this.#minimums = counts.map(() => undefined);
  }

  minimum(index: number): number {
    const counts = this.counts[index]!;
    if (counts.size < this.constraints[index]!.minDomains) return 0;
    return (this.#minimums[index] ??= Math.min(...counts.values()));
  }

  change(index: number, value: string, by: number): void {
    const counts = this.counts[index]!;
    counts.set(value, (counts.get(value) ?? 0) + by);
    this.#minimums[index] = undefined;
  }

  clone(): FilterState {
    return new FilterState(
      this.constraints,
      this.counts.map(counts => new Map(counts)),
    );
  }
}

class ScoreState implements StateData {
  readonly constraints: readonly Constraint[];
  readonly counts: readonly Map<string, number>[];
  readonly weights: readonly number[];
  readonly ignored: ReadonlySet<NodeInfo>;

  constructor(fields: Pick<ScoreState, 'constraints' | 'counts' | 'weights' | 'ignored'>) {
    this.constraints = fields.constraints;
    this.counts = fields.counts;
    this.weights = fields.weights;
    this.ignored = fields.ignored;
  }

  clone(): ScoreState {
    return this;
  }
}

const filterKey = 'PodTopologySpread/filter';
const scoreKey = 'PodTopologySpread/score';

/** Spreads pods over zones, hosts and other domains. */
export class PodTopologySpread implements SchedulerPlugin {
  readonly name = 'PodTopologySpread';
  readonly weight = 2;
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Pod',
      action: ClusterAction.Add | ClusterAction.UpdatePodLabel | ClusterAction.UpdatePodToleration | ClusterAction.Delete,
      mayHelp: (pod, previous, next) => podChangeHelps(pod, previous as Pod | undefined, next as Pod | undefined),
    },
    {
      resource: 'Node',
      action: ClusterAction.Add | ClusterAction.Delete | ClusterAction.UpdateNodeLabel | ClusterAction.UpdateNodeTaint,
      mayHelp: (pod, previous, next) => nodeChangeHelps(pod, previous as Node | undefined, next as Node | undefined),
    },
  ];
  readonly #cache: Pick<SchedulerCache, 'nodes'>;
  readonly #defaultSelectors: Pick<DefaultSelectors, 'of'>;
  readonly #mismatch = unschedulable(this.name, "node(s) didn't match pod topology spread constraints");
  readonly #noLabel = unresolvable(this.name, "node(s) didn't match pod topology spread constraints (missing required label)");

  constructor(cache: Pick<SchedulerCache, 'nodes'>, defaultSelectors: Pick<DefaultSelectors, 'of'>) {
    this.#cache = cache;
    this.#defaultSelectors = defaultSelectors;
  }

  preFilter(state: CycleState, { pod }: PodInfo, nodes: readonly NodeInfo[]): PreFilterResult | undefined {
    // The system defaults are soft, so that only the pod's own constraints can keep it off a node.
    const constraints = compile(pod, 'DoNotSchedule');
    if (constraints.length === 0) return { status: skip };
    const counts = constraints.map(() => new Map<string, number>());
    for (const node of nodes) {
      if (!hasAllKeys(node.labels, constraints)) continue;
      constraints.forEach((constraint, index) => {
        if (!isIncluded(constraint, pod, node.node)) return;
        const value = node.labels[constraint.topologyKey]!;
        counts[index]!.set(value, (counts[index]!.get(value) ?? 0) + countPods(node, pod, constraint));
      });
    }
    state.write(filterKey, new FilterState(constraints, counts));
    return undefined;
  }

  filter(state: CycleState, { pod }: PodInfo, { labels }: NodeInfo): SchedulingStatus | undefined {
    const data = state.read<FilterState>(filterKey)!;
    for (let i = 0; i < data.constraints.length; i++) {
      const { topologyKey, selector, maxSkew } = data.constraints[i]!;
      const value = labels[topologyKey];
      if (value === undefined) return this.#noLabel;
      const self = selector.matches(pod.metadata.labels) ? 1 : 0;
      if ((data.counts[i]!.get(value) ?? 0) + self - data.minimum(i) > maxSkew) return this.#mismatch;
    }
    return undefined;
  }

  addPod(state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo): void {
    this.#change(state, pod.pod, added.pod, node, 1);
  }

  removePod(state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo): void {
    this.#change(state, pod.pod, removed.pod, node, -1);
  }

  preScore(state: CycleState, { pod }: PodInfo, nodes: readonly NodeInfo[]): SchedulingStatus | undefined {
    const isOwn = Boolean(pod.spec.topologySpreadConstraints?.length);
    const constraints = isOwn ? compile(pod, 'ScheduleAnyway') : this.#defaults(pod);
    if (constraints.length === 0) return skip;
    const counts = constraints.map(() => new Map<string, number>());
    const ignored = new Set<NodeInfo>();
    for (const node of nodes) {
      if (isOwn && !hasAllKeys(node.labels, constraints)) {
        ignored.add(node);
        continue;
      }
      constraints.forEach(({ topologyKey }, index) => {
        // Hosts are counted one by one when they are scored.
        if (topologyKey !== hostnameLabel) counts[index]!.set(node.labels[topologyKey] ?? '', 0);
      });
    }
    const weights = constraints.map(({ topologyKey }, index) =>
      Math.log((topologyKey === hostnameLabel ? nodes.length - ignored.size : counts[index]!.size) + 2),
    );
    if (counts.some(map => map.size > 0)) {
      for (const node of this.#cache.nodes) {
        if (isOwn && !hasAllKeys(node.labels, constraints)) continue;
        constraints.forEach((constraint, index) => {
          const value = node.labels[constraint.topologyKey] ?? '';
          const count = counts[index]!.get(value);
          if (count === undefined || !isIncluded(constraint, pod, node.node)) return;
          counts[index]!.set(value, count + countPods(node, pod, constraint));
        });
      }
    }
    state.write(scoreKey, new ScoreState({ constraints, counts, weights, ignored }));
    return undefined;
  }

  /** How crowded the node's domains are; the rarer domains of a kind are, the less each pod counts. */
  score(state: CycleState, { pod }: PodInfo, node: NodeInfo): number {
    const data = state.read<ScoreState>(scoreKey)!;
    if (data.ignored.has(node)) return 0;
    let score = 0;
    for (let i = 0; i < data.constraints.length; i++) {
      const constraint = data.constraints[i]!;
      const value = node.labels[constraint.topologyKey];
      if (value === undefined) continue;
      const isHost = constraint.topologyKey === hostnameLabel;
      const count = isHost ? countPods(node, pod, constraint) : (data.counts[i]!.get(value) ?? 0);
      score += count * data.weights[i]! + (constraint.maxSkew - 1);
    }
    return Math.round(score);
  }

  normalizeScores(state: CycleState, _pod: PodInfo, scores: number[], nodes: readonly NodeInfo[]): void {
    const { ignored } = state.read<ScoreState>(scoreKey)!;
    const isIgnored = (index: number): boolean => ignored.size > 0 && ignored.has(nodes[index]!);
    let minimum = Infinity;
    let maximum = 0;
    for (let i = 0; i < scores.length; i++) {
      if (isIgnored(i)) continue;
      minimum = Math.min(minimum, scores[i]!);
      maximum = Math.max(maximum, scores[i]!);
    }
    for (let i = 0; i < scores.length; i++) {
      if (isIgnored(i)) scores[i] = 0;
      else scores[i] = maximum === 0 ? maximumScore : Math.trunc((maximumScore * (maximum + minimum - scores[i]!)) / maximum);
    }
  }

  #change(state: CycleState, pod: Pod, changed: Pod, node: NodeInfo, by: 1 | -1): void {
    const data = state.read<FilterState>(filterKey);
    if (!data || changed.metadata.namespace !== pod.metadata.namespace || !hasAllKeys(node.labels, data.constraints)) return;
    data.constraints.forEach((constraint, index) => {
      if (!constraint.selector.matches(changed.metadata.labels) || !isIncluded(constraint, pod, node.node)) return;
      data.change(index, node.labels[constraint.topologyKey]!, by);
    });
  }

  #defaults(pod: Pod): readonly Constraint[] {
    const selector = this.#defaultSelectors.of(pod);
    return selector ? systemDefaults.map(constraint => ({ ...compileOne(constraint, pod), selector })) : [];
  }
}

function compile(pod: Pod, action: string): readonly Constraint[] {
  const constraints = pod.spec.topologySpreadConstraints;
  if (!constraints?.length) return [];
  return constraints
    .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === action)
    .map(constraint => compileOne(constraint, pod));
}

function compileOne(constraint: TopologySpreadConstraint, pod: Pod): Constraint {
  let selector = LabelMatcher.of(constraint.labelSelector);
  const labels: Record<string, string> = {};
  for (const key of constraint.matchLabelKeys ?? []) {
    const value = pod.metadata.labels?.[key];
    if (value !== undefined) labels[key] = value;
  }
  if (Object.keys(labels).length > 0) selector = LabelMatcher.ofLabels(labels).and(selector);
  return {
    maxSkew: constraint.maxSkew,
    topologyKey: constraint.topologyKey,
    selector,
    minDomains: constraint.minDomains ?? 1,
    honorAffinity: (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor',
    honorTaints: constraint.nodeTaintsPolicy === 'Honor',
  };
}

function countPods(node: NodeInfo, pod: Pod, { selector }: Constraint): number {
  return selector.isEverything ? 0 : node.countMatching(pod.metadata.namespace ?? '', selector);
}

function hasAllKeys(labels: Readonly<Record<string, string>>, constraints: readonly Constraint[]): boolean {
  return constraints.every(({ topologyKey }) => labels[topologyKey] !== undefined);
}

function isIncluded({ honorAffinity, honorTaints }: Constraint, pod: Pod, node: Node): boolean {
  if (honorAffinity && !requiredNodeAffinityMatches(pod, node)) return false;
  return !honorTaints || !firstUntoleratedTaint(node.spec.taints, pod.spec.tolerations, keepsPodsAway);
}

function podChangeHelps({ pod }: SchedulingPod, previous: Pod | undefined, next: Pod | undefined): boolean {
  const concerns = (other: Pod): boolean => {
    if (other.metadata.uid === pod.metadata.uid) return true;
    if (!other.spec.nodeName && !other.status.nominatedNodeName) return false;
    return other.metadata.namespace === pod.metadata.namespace;
  };
  if ((next && !concerns(next)) || (previous && !concerns(previous))) return false;
  const constraints = compile(pod, 'DoNotSchedule');
  const matches = (other: Pod): boolean => constraints.some(({ selector }) => selector.matches(other.metadata.labels));
  if (previous && next) {
    const isSelf = next.metadata.uid === pod.metadata.uid;
    const newTolerations = isSelf && !jsonEqual(previous.spec.tolerations, next.spec.tolerations);
    if (newTolerations && constraints.some(({ honorTaints }) => honorTaints)) return true;
    return constraints.some(
      ({ selector }) => selector.matches(previous.metadata.labels) !== selector.matches(next.metadata.labels),
    );
  }
  return matches((next ?? previous)!);
}

function nodeChangeHelps({ pod }: SchedulingPod, previous: Node | undefined, next: Node | undefined): boolean {
  const constraints = compile(pod, 'DoNotSchedule');
  const counts = (node: Node | undefined): boolean => node !== undefined && hasAllKeys(node.metadata.labels ?? {}, constraints);
  if (!previous || !next) return counts(next ?? previous);
  if (counts(previous) !== counts(next)) return true;
  if (!counts(next)) return false;
  const moved = constraints.some(({ topologyKey: key }) => previous.metadata.labels?.[key] !== next.metadata.labels?.[key]);
  return moved || !jsonEqual(previous.spec.taints, next.spec.taints);
}
