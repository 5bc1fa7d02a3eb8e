import type { Node, Pod } from '../../api/generated/types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingStatus,
  StateData,
} from '../../contracts/scheduler-plugin.js';
import type { SchedulerCache } from '../cache.js';
import { maximumScore } from '../framework.js';
import { LabelMatcher } from '../label-matcher.js';
import type { NodeInfo } from '../node-info.js';
import { PodInfo, termMatches } from '../pod-info.js';
import type { AffinityTerm, WeightedAffinityTerm } from '../pod-info.js';
import { skip, unresolvable, unschedulable } from '../status.js';

type Labels = Readonly<Record<string, string>>;

/** Labels of namespaces, for terms that choose namespaces by label. */
export interface NamespaceLabels {
  of(namespace: string): Labels | undefined;
  matching(selector: LabelMatcher): readonly string[];
}

/** Weight of somebody else's required affinity towards the pod, in scores. */
const hardAffinityWeight = 1;

/** Sums by topology key and value. */
class TopologyCounts {
  readonly #counts: Map<string, Map<string, number>>;

  constructor(from?: TopologyCounts) {
    this.#counts = new Map();
    if (from) for (const [key, values] of from.#counts) this.#counts.set(key, new Map(values));
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  get(key: string, value: string): number {
    return this.#counts.get(key)?.get(value) ?? 0;
  }

  keys(): Iterable<string> {
    return this.#counts.keys();
  }

  add({ labels }: NodeInfo, key: string, by: number): void {
    const value = labels[key];
    if (value === undefined) return;
    let values = this.#counts.get(key);
    if (!values) this.#counts.set(key, (values = new Map()));
    const sum = (values.get(value) ?? 0) + by;
    if (sum !== 0) values.set(value, sum);
    else {
      values.delete(value);
      if (values.size === 0) this.#counts.delete(key);
    }
  }
}

interface FilterFields {
  /** Terms of pods on nodes that want the pod away. */
  readonly existingAnti: TopologyCounts;
  /** The pod's own terms: near whom it wants to be, and away from whom. */
  readonly affinity: TopologyCounts;
  readonly anti: TopologyCounts;
  readonly affinityTerms: readonly AffinityTerm[];
  readonly antiTerms: readonly AffinityTerm[];
  readonly namespaceLabels: Labels | undefined;
}

class FilterState implements StateData, FilterFields {
  readonly existingAnti: TopologyCounts;
  readonly affinity: TopologyCounts;
  readonly anti: TopologyCounts;
  readonly affinityTerms: readonly AffinityTerm[];
  readonly antiTerms: readonly AffinityTerm[];
  readonly namespaceLabels: Labels | undefined;

  constructor(fields: FilterFields) {
    this.existingAnti = fields.existingAnti;
    this.affinity = fields.affinity;
    this.anti = fields.anti;
    this.affinityTerms = fields.affinityTerms;
    this.antiTerms = fields.antiTerms;
    this.namespaceLabels = fields.namespaceLabels;
  }

  update(pod: PodInfo, changed: PodInfo, node: NodeInfo, by: 1 | -1): void {
    for (const term of changed.terms.requiredAntiAffinity) {
      if (termMatches(term, pod.pod, this.namespaceLabels)) this.existingAnti.add(node, term.topologyKey, by);
    }
    this.countOwn(changed.pod, node, by);
  }

  /** The pod's own terms about another pod: affinity counts those that match all terms. */
  countOwn(other: Pod, node: NodeInfo, by: 1 | -1): void {
    if (matchesAll(this.affinityTerms, other)) {
      for (const term of this.affinityTerms) this.affinity.add(node, term.topologyKey, by);
    }
    for (const term of this.antiTerms) if (termMatches(term, other, undefined)) this.anti.add(node, term.topologyKey, by);
  }

  clone(): FilterState {
    return new FilterState({
      ...this,
      existingAnti: new TopologyCounts(this.existingAnti),
      affinity: new TopologyCounts(this.affinity),
      anti: new TopologyCounts(this.anti),
    });
  }
}

class ScoreState implements StateData {
  readonly sums: TopologyCounts;

  constructor(sums: TopologyCounts) {
    this.sums = sums;
  }

  clone(): ScoreState {
    return this;
  }
}

const filterKey = 'InterPodAffinity/filter';
const scoreKey = 'InterPodAffinity/score';

/** Pods that want to be near other pods, or away from them. */
export class InterPodAffinity implements SchedulerPlugin {
  readonly name = 'InterPodAffinity';
  readonly weight = 2;
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Pod',
      action: ClusterAction.Add | ClusterAction.UpdatePodLabel | ClusterAction.Delete,
      mayHelp: (pod, previous, next) =>
        this.#podChangeHelps(pod as PodInfo, previous as Pod | undefined, next as Pod | undefined),
    },
    {
      resource: 'Node',
      action: ClusterAction.Add | ClusterAction.UpdateNodeLabel,
      mayHelp: (pod, previous, next) => nodeChangeHelps(pod as PodInfo, previous as Node | undefined, next as Node),
    },
  ];
  readonly #cache: Pick<SchedulerCache, 'nodes' | 'nodesWithAffinity' | 'nodesWithRequiredAntiAffinity'>;
  readonly #namespaces: NamespaceLabels;
  readonly #noAffinity = unresolvable(this.name, "node(s) didn't match pod affinity rules");
  readonly #antiAffinity = unschedulable(this.name, "node(s) didn't match pod anti-affinity rules");
  readonly #existingAntiAffinity = unschedulable(this.name, "node(s) didn't satisfy existing pods anti-affinity rules");

  constructor(
    cache: Pick<SchedulerCache, 'nodes' | 'nodesWithAffinity' | 'nodesWithRequiredAntiAffinity'>,
    namespaces: NamespaceLabels,
  ) {
    this.#cache = cache;
    this.#namespaces = namespaces;
  }

  preFilter(state: CycleState, info: PodInfo, nodes: readonly NodeInfo[]): PreFilterResult | undefined {
    const { terms } = info;
    if (terms.error) return { status: unresolvable(this.name, `parsing pod: ${terms.error}`) };
    const namespaceLabels = this.#namespaces.of(info.pod.metadata.namespace ?? '');
    const existingAnti = new TopologyCounts();
    for (const node of this.#cache.nodesWithRequiredAntiAffinity()) {
      for (const existing of node.podsWithRequiredAntiAffinity) {
        for (const term of existing.terms.requiredAntiAffinity) {
          if (termMatches(term, info.pod, namespaceLabels)) existingAnti.add(node, term.topologyKey, 1);
        }
      }
    }
    const isOwn = terms.requiredAffinity.length > 0 || terms.requiredAntiAffinity.length > 0;
    if (existingAnti.isEmpty && !isOwn) return { status: skip };
    const data = new FilterState({
      existingAnti,
      affinity: new TopologyCounts(),
      anti: new TopologyCounts(),
      affinityTerms: terms.requiredAffinity.map(term => this.#resolve(term)),
      antiTerms: terms.requiredAntiAffinity.map(term => this.#resolve(term)),
      namespaceLabels,
    });
    if (isOwn) for (const node of nodes) for (const { pod } of node.pods) data.countOwn(pod, node, 1);
    state.write(filterKey, data);
    return undefined;
  }

  filter(state: CycleState, { pod }: PodInfo, { labels }: NodeInfo): SchedulingStatus | undefined {
    const data = state.read<FilterState>(filterKey)!;
    let isNear = true;
    for (const { topologyKey } of data.affinityTerms) {
      const value = labels[topologyKey];
      if (value === undefined) return this.#noAffinity;
      if (data.affinity.get(topologyKey, value) <= 0) isNear = false;
    }
    // The first pod of a group that wants to be together has nobody to go to but itself.
    if (!isNear && !(data.affinity.isEmpty && matchesAll(data.affinityTerms, pod))) return this.#noAffinity;
    for (const { topologyKey } of data.antiTerms) {
      const value = labels[topologyKey];
      if (value !== undefined && data.anti.get(topologyKey, value) > 0) return this.#antiAffinity;
    }
    for (const key of data.existingAnti.keys()) {
      const value = labels[key];
      if (value !== undefined && data.existingAnti.get(key, value) > 0) return this.#existingAntiAffinity;
    }
    return undefined;
  }

  addPod(state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo): void {
    state.read<FilterState>(filterKey)?.update(pod, added, node, 1);
  }

  removePod(state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo): void {
    state.read<FilterState>(filterKey)?.update(pod, removed, node, -1);
  }

  preScore(state: CycleState, info: PodInfo): SchedulingStatus | undefined {
    const near = info.terms.preferredAffinity.map(term => this.#resolve(term));
    const away = info.terms.preferredAntiAffinity.map(term => this.#resolve(term));
    const isOwn = near.length > 0 || away.length > 0;
    const namespaceLabels = this.#namespaces.of(info.pod.metadata.namespace ?? '');
    const sums = new TopologyCounts();
    const weigh = (
      terms: readonly WeightedAffinityTerm[],
      pod: Pod,
      labels: Labels | undefined,
      node: NodeInfo,
      sign: number,
    ): void => {
      for (const term of terms) if (termMatches(term, pod, labels)) sums.add(node, term.topologyKey, sign * term.weight);
    };
    for (const node of isOwn ? this.#cache.nodes : this.#cache.nodesWithAffinity()) {
      for (const existing of isOwn ? node.pods : node.podsWithAffinity) {
        weigh(near, existing.pod, undefined, node, 1);
        weigh(away, existing.pod, undefined, node, -1);
        for (const term of existing.terms.requiredAffinity) {
          if (termMatches(term, info.pod, namespaceLabels)) sums.add(node, term.topologyKey, hardAffinityWeight);
        }
        weigh(existing.terms.preferredAffinity, info.pod, namespaceLabels, node, 1);
        weigh(existing.terms.preferredAntiAffinity, info.pod, namespaceLabels, node, -1);
      }
    }
    if (sums.isEmpty) return skip;
    state.write(scoreKey, new ScoreState(sums));
    return undefined;
  }

  score(state: CycleState, _pod: PodInfo, { labels }: NodeInfo): number {
    const { sums } = state.read<ScoreState>(scoreKey)!;
    let score = 0;
    for (const key of sums.keys()) {
      const value = labels[key];
      if (value !== undefined) score += sums.get(key, value);
    }
    return score;
  }

  normalizeScores(_state: CycleState, _pod: PodInfo, scores: number[]): void {
    const minimum = Math.min(...scores);
    const range = Math.max(...scores) - minimum;
    for (let i = 0; i < scores.length; i++) {
      scores[i] = range > 0 ? Math.trunc(maximumScore * ((scores[i]! - minimum) / range)) : 0;
    }
  }

  /** The term with its namespaces by name. */
  #resolve<T extends AffinityTerm>(term: T): T {
    if (term.namespaceSelector === LabelMatcher.nothing || term.namespaceSelector.isEverything) return term;
    const namespaces = new Set([...term.namespaces, ...this.#namespaces.matching(term.namespaceSelector)]);
    return { ...term, namespaces, namespaceSelector: LabelMatcher.nothing };
  }

  #podChangeHelps(info: PodInfo, previous: Pod | undefined, next: Pod | undefined): boolean {
    if (previous && next && next.metadata.uid === info.uid) return true;
    const isPlaced = (pod: Pod): boolean => Boolean(pod.spec.nodeName || pod.status.nominatedNodeName);
    if ((next && !isPlaced(next)) || (previous && !isPlaced(previous))) return false;
    const near = info.terms.requiredAffinity.map(term => this.#resolve(term));
    const away = info.terms.requiredAntiAffinity.map(term => this.#resolve(term));
    if (next) {
      const comesNear = matchesAll(near, next) && !(previous && matchesAll(near, previous));
      return comesNear || Boolean(previous && matchesAny(away, previous) && !matchesAny(away, next));
    }
    if (matchesAny(away, previous!)) return true;
    const labels = this.#namespaces.of(info.pod.metadata.namespace ?? '');
    return new PodInfo({ object: previous! }).terms.requiredAntiAffinity.some(term => termMatches(term, info.pod, labels));
  }
}

function matchesAll(terms: readonly AffinityTerm[], pod: Pod): boolean {
  return terms.length > 0 && terms.every(term => termMatches(term, pod, undefined));
}

function matchesAny(terms: readonly AffinityTerm[], pod: Pod): boolean {
  return terms.some(term => termMatches(term, pod, undefined));
}

function nodeChangeHelps(info: PodInfo, previous: Node | undefined, next: Node): boolean {
  const before = previous?.metadata.labels ?? {};
  const after = next.metadata.labels ?? {};
  if (info.terms.requiredAffinity.some(({ topologyKey: key }) => after[key] !== undefined && before[key] !== after[key]))
    return true;
  if (!previous) return true;
  return info.terms.requiredAntiAffinity.some(({ topologyKey: key }) => before[key] !== undefined && before[key] !== after[key]);
}
