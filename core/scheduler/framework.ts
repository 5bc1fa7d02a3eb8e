import type {
  FilterOutcome,
  PostFilterResult,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingNode,
  SchedulingStatus,
} from '../contracts/scheduler-plugin.js';
import { SchedulerError } from './errors.js';
import type { NodeInfo } from './node-info.js';
import type { PodInfo } from './pod-info.js';
import type { Nominator } from './queue/nominator.js';
import { failure, isRejection } from './status.js';
import type { AttemptState } from './status.js';

export const maximumScore = 100;

/** A plugin threw where there is no way back. */
export interface PluginFault {
  readonly plugin: string;
  readonly error: unknown;
}

/** Runs the plugins at the extension points, in their order. */
export class Framework {
  readonly plugins: readonly SchedulerPlugin[];
  readonly #nominator: Nominator;
  readonly #preFilters: readonly SchedulerPlugin[];
  readonly #filters: readonly SchedulerPlugin[];
  readonly #podChanges: readonly SchedulerPlugin[];
  readonly #scores: readonly SchedulerPlugin[];
  readonly #activeFilters = new WeakMap<AttemptState, readonly SchedulerPlugin[]>();

  constructor(plugins: readonly SchedulerPlugin[], nominator: Nominator) {
    this.plugins = plugins;
    this.#nominator = nominator;
    this.#preFilters = plugins.filter(plugin => plugin.preFilter);
    this.#filters = plugins.filter(plugin => plugin.filter);
    this.#podChanges = plugins.filter(plugin => plugin.addPod || plugin.removePod);
    this.#scores = plugins.filter(plugin => plugin.score);
  }

  preFilter(
    state: AttemptState,
    pod: PodInfo,
    nodes: readonly NodeInfo[],
  ): PreFilterResult & { readonly narrowing: readonly string[] } {
    let nodeNames: ReadonlySet<string> | undefined;
    let rejection: SchedulingStatus | undefined;
    const narrowing = new Set<string>();
    for (const plugin of this.#preFilters) {
      const result = plugin.preFilter!(state, pod, nodes);
      const status = result?.status;
      if (status?.code === 'Skip') state.skippedFilters.add(plugin.name);
      else if (status?.code === 'Unschedulable') {
        // Preemption may follow, which wants everybody's state.
        rejection ??= named(status, plugin);
      } else if (status) return { status: named(status, plugin), narrowing: [] };
      if (!result?.nodeNames) continue;
      narrowing.add(plugin.name);
      nodeNames = nodeNames ? new Set([...nodeNames].filter(name => result.nodeNames!.has(name))) : result.nodeNames;
      if (nodeNames.size > 0) continue;
      const names = [...narrowing].sort();
      const text = names.length === 1 ? `plugin ${names[0]}` : `plugin(s) [${names.join(' ')}] simultaneously`;
      return {
        status: { code: 'UnschedulableAndUnresolvable', reasons: [`node(s) didn't satisfy ${text}`] },
        narrowing: names,
      };
    }
    return { status: rejection, nodeNames, narrowing: [...narrowing].sort() };
  }

  filter(state: AttemptState, pod: PodInfo, node: NodeInfo): SchedulingStatus | undefined {
    let filters = this.#activeFilters.get(state);
    if (!filters) {
      filters = this.#filters.filter(plugin => !state.skippedFilters.has(plugin.name));
      this.#activeFilters.set(state, filters);
    }
    for (const plugin of filters) {
      const status = plugin.filter!(state, pod, node);
      if (status) return named(status, plugin);
    }
    return undefined;
  }

  /**
   * Filters with pods that wait for room on the node and are as important counted in, and then without them: they may come or
   * not, and the pod must fit both ways.
   */
  filterWithNominated(state: AttemptState, pod: PodInfo, node: NodeInfo): SchedulingStatus | undefined {
    const nominated = this.#nominator.podsFor(node.name);
    if (nominated.length > 0) {
      const rivals = nominated.filter(rival => rival.priority >= pod.priority && rival.uid !== pod.uid);
      if (rivals.length > 0) {
        const stateWith = state.clone();
        const nodeWith = node.clone();
        for (const rival of rivals) {
          nodeWith.addPod(rival);
          this.addPod(stateWith, pod, rival, nodeWith);
        }
        const status = this.filter(stateWith, pod, nodeWith);
        if (status) return status;
      }
    }
    return this.filter(state, pod, node);
  }

  addPod(state: AttemptState, pod: PodInfo, added: PodInfo, node: NodeInfo): void {
    for (const plugin of this.#podChanges) {
      if (!state.skippedFilters.has(plugin.name)) plugin.addPod?.(state, pod, added, node);
    }
  }

  removePod(state: AttemptState, pod: PodInfo, removed: PodInfo, node: NodeInfo): void {
    for (const plugin of this.#podChanges) {
      if (!state.skippedFilters.has(plugin.name)) plugin.removePod?.(state, pod, removed, node);
    }
  }

  /** The first success ends it; otherwise all reasons together. */
  postFilter(state: AttemptState, pod: PodInfo, outcome: FilterOutcome): PostFilterResult {
    let nominatedNodeName: string | undefined;
    const reasons: string[] = [];
    for (const plugin of this.plugins) {
      if (!plugin.postFilter) continue;
      const result = plugin.postFilter(state, pod, outcome);
      const { status } = result;
      if (!status || status.code === 'UnschedulableAndUnresolvable' || !isRejection(status)) return result;
      nominatedNodeName = result.nominatedNodeName ?? nominatedNodeName;
      reasons.push(...status.reasons);
    }
    return { status: { code: 'Unschedulable', reasons }, nominatedNodeName };
  }

  /** The weighted sum of the plugins' scores for each node. Throws SCHEDULER_PLUGIN on a score out of range. */
  score(state: AttemptState, pod: PodInfo, nodes: readonly NodeInfo[]): number[] {
    for (const plugin of this.plugins) {
      const status = plugin.preScore?.(state, pod, nodes);
      if (!status) continue;
      if (status.code !== 'Skip')
        throw new SchedulerError(`running PreScore plugin "${plugin.name}": ${status.reasons.join(', ')}`);
      state.skippedScores.add(plugin.name);
    }
    const totals = new Array<number>(nodes.length).fill(0);
    for (const plugin of this.#scores) {
      if (state.skippedScores.has(plugin.name)) continue;
      const scores = nodes.map(node => plugin.score!(state, pod, node));
      plugin.normalizeScores?.(state, pod, scores, nodes as readonly SchedulingNode[]);
      const weight = plugin.weight ?? 1;
      for (let i = 0; i < scores.length; i++) {
        const score = scores[i]!;
        if (!(score >= 0 && score <= maximumScore)) {
          throw new SchedulerError(
            `plugin "${plugin.name}" returns an invalid score ${score}, it should in the range of [0, ${maximumScore}] after normalizing`,
          );
        }
        totals[i]! += score * weight;
      }
    }
    return totals;
  }

  /** Never throws: what was reserved before has to be taken back. */
  reserve(state: AttemptState, pod: PodInfo, nodeName: string): SchedulingStatus | undefined {
    for (const plugin of this.plugins) {
      try {
        const status = plugin.reserve?.(state, pod, nodeName);
        if (status) return named(status, plugin);
      } catch (error) {
        return failure(plugin.name, error);
      }
    }
    return undefined;
  }

  /** Asks every plugin, whatever one of them throws; gives that back. */
  unreserve(state: AttemptState, pod: PodInfo, nodeName: string): PluginFault[] {
    return faultsOf(this.plugins.toReversed(), plugin => plugin.unreserve?.(state, pod, nodeName));
  }

  get hasPermits(): boolean {
    return this.plugins.some(plugin => plugin.permit);
  }

  /** All permits at once; the first refusal counts. */
  async permit(state: AttemptState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<SchedulingStatus | undefined> {
    const permits = this.plugins.filter(plugin => plugin.permit);
    const answers = permits.map(async plugin => {
      try {
        const status = await plugin.permit!(state, pod, nodeName, signal);
        return status && named(status, plugin);
      } catch (error) {
        return failure(plugin.name, error);
      }
    });
    return (await Promise.all(answers)).find(status => status);
  }

  needsPreBind(state: AttemptState, pod: PodInfo, nodeName: string): boolean {
    return this.plugins.some(plugin => plugin.preBind && (plugin.needsPreBind?.(state, pod, nodeName) ?? true));
  }

  async preBind(state: AttemptState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<SchedulingStatus | undefined> {
    for (const plugin of this.plugins) {
      if (!plugin.preBind || plugin.needsPreBind?.(state, pod, nodeName) === false) continue;
      const status = await plugin.preBind(state, pod, nodeName, signal);
      if (status) return named(status, plugin);
    }
    return undefined;
  }

  /** As `unreserve`. */
  postBind(state: AttemptState, pod: PodInfo, nodeName: string): PluginFault[] {
    return faultsOf(this.plugins, plugin => plugin.postBind?.(state, pod, nodeName));
  }
}

function faultsOf(plugins: readonly SchedulerPlugin[], call: (plugin: SchedulerPlugin) => void): PluginFault[] {
  const faults: PluginFault[] = [];
  for (const plugin of plugins) {
    try {
      call(plugin);
    } catch (error) {
      faults.push({ plugin: plugin.name, error });
    }
  }
  return faults;
}

function named(status: SchedulingStatus, plugin: SchedulerPlugin): SchedulingStatus {
  return status.plugin === undefined ? { ...status, plugin: plugin.name } : status;
}
