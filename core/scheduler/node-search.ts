import type { SchedulerCache } from './cache.js';
import { SchedulerError } from './errors.js';
import { FitError } from './fit-error.js';
import type { Framework } from './framework.js';
import type { NodeInfo } from './node-info.js';
import type { PodInfo } from './pod-info.js';
import { isRejection, statusMessage } from './status.js';
import type { AttemptState } from './status.js';

/** Enough nodes to choose from in a small cluster: below that, all are looked at. */
const minimumFeasibleNodes = 100;
const minimumPercentage = 5;

/** How many nodes that fit are enough to choose among: in large clusters a share that shrinks with their size. */
export function feasibleNodesWanted(nodeCount: number): number {
  if (nodeCount < minimumFeasibleNodes) return nodeCount;
  const percentage = Math.max(minimumPercentage, 50 - Math.trunc(nodeCount / 125));
  return Math.max(minimumFeasibleNodes, Math.trunc((nodeCount * percentage) / 100));
}

/** Finds the best node for a pod. Source: kube-scheduler's schedulePod. */
export class NodeSearch {
  readonly #cache: SchedulerCache;
  readonly #framework: Framework;
  readonly #random: () => number;
  /** Where the next search starts, so that all nodes of a large cluster are looked at in turn. */
  #startIndex = 0;

  constructor(cache: SchedulerCache, framework: Framework, random: () => number) {
    this.#cache = cache;
    this.#framework = framework;
    this.#random = random;
  }

  /** The node's name, or why there is none. Throws when something broke. */
  find(state: AttemptState, pod: PodInfo): string | FitError {
    const error = new FitError(this.#cache.nodes.length);
    const feasible = this.#feasible(state, pod, error);
    if (feasible.length === 0) return error;
    if (feasible.length === 1) return feasible[0]!.name;
    return this.#best(feasible, this.#framework.score(state, pod, feasible)).name;
  }

  #feasible(state: AttemptState, pod: PodInfo, error: FitError): readonly NodeInfo[] {
    const all = this.#cache.nodes;
    const { status, nodeNames, narrowing } = this.#framework.preFilter(state, pod, all);
    for (const plugin of narrowing) error.unschedulablePlugins.add(plugin);
    if (status) {
      if (!isRejection(status)) throw new SchedulerError(`running PreFilter plugin "${status.plugin}": ${statusMessage(status)}`);
      error.absent = status;
      error.preFilterMessage = statusMessage(status);
      error.blame(status);
      return [];
    }
    // The node that was freed for the pod is the likely one.
    const nominated = pod.pod.status.nominatedNodeName ? this.#cache.node(pod.pod.status.nominatedNodeName) : undefined;
    if (nominated && this.#passing(state, pod, [nominated], new FitError(1)).length > 0) return [nominated];
    let nodes = all;
    if (nodeNames) {
      nodes = [...nodeNames].flatMap(name => this.#cache.node(name) ?? []);
      error.absent = {
        code: 'UnschedulableAndUnresolvable',
        reasons: [`node(s) didn't satisfy plugin(s) [${narrowing.join(' ')}]`],
      };
    }
    const feasible = this.#passing(state, pod, nodes, error);
    this.#startIndex = (this.#startIndex + feasible.length + error.byNode.size) % Math.max(1, all.length);
    return feasible;
  }

  #passing(state: AttemptState, pod: PodInfo, nodes: readonly NodeInfo[], error: FitError): readonly NodeInfo[] {
    const wanted = feasibleNodesWanted(nodes.length);
    const passing: NodeInfo[] = [];
    for (let i = 0; i < nodes.length && passing.length < wanted; i++) {
      const node = nodes[(this.#startIndex + i) % nodes.length]!;
      const status = this.#framework.filterWithNominated(state, pod, node);
      if (!status) passing.push(node);
      else if (isRejection(status)) error.set(node.name, status);
      else throw new SchedulerError(`running Filter plugin "${status.plugin}": ${statusMessage(status)}`);
    }
    return passing;
  }

  /** One of those with the highest score, each with the same chance. */
  #best(nodes: readonly NodeInfo[], scores: readonly number[]): NodeInfo {
    let best = 0;
    let ties = 1;
    for (let i = 1; i < nodes.length; i++) {
      if (scores[i]! > scores[best]!) {
        best = i;
        ties = 1;
      } else if (scores[i] === scores[best] && this.#random() * ++ties < 1) best = i;
    }
    return nodes[best]!;
  }
}
