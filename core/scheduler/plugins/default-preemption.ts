import { PodDisruptionBudgets, Pods } from '../../api/generated/resources.js';
import type { Pod, PodDisruptionBudget } from '../../api/generated/types.js';
import type { Clock } from '../../base/clock.js';
import type { Informer } from '../../client/informer-types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  FilterOutcome,
  PluginEvent,
  PostFilterResult,
  SchedulerPlugin,
  SchedulingStatus,
} from '../../contracts/scheduler-plugin.js';
import type { SchedulerCache } from '../cache.js';
import { FitError } from '../fit-error.js';
import type { Framework } from '../framework.js';
import { LabelMatcher } from '../label-matcher.js';
import type { NodeInfo } from '../node-info.js';
import { podStartMs } from '../pod-info.js';
import type { PodInfo } from '../pod-info.js';
import { failure, unresolvable, unschedulable } from '../status.js';
import type { AttemptState } from '../status.js';
import type { UsedInformers } from '../used-informers.js';
import type { PreemptionExecutor } from './preemption-executor.js';

/** A node that would do once its victims are gone. */
export interface PreemptionCandidate {
  readonly nodeName: string;
  /** The most important first. */
  readonly victims: readonly PodInfo[];
  readonly budgetViolations: number;
}

export interface DefaultPreemptionOptions {
  readonly cache: SchedulerCache;
  readonly informers: UsedInformers;
  readonly clock: Clock;
  readonly random: () => number;
  readonly executor: PreemptionExecutor;
  /** The framework that the plugin becomes part of. */
  readonly framework: () => Framework;
}

const minimumCandidatePercentage = 10;
const minimumCandidates = 100;

/**
 * When a pod fits nowhere: finds the node where the least important pods would have to go for it, has them deleted and nominates
 * the node. Budgets are kept where there is a choice. Source: kube-scheduler's DefaultPreemption.
 */
export class DefaultPreemption implements SchedulerPlugin {
  readonly name = 'DefaultPreemption';
  /** Deletions matter as long as the gate below is closed; they help nobody by themselves. */
  readonly events: readonly PluginEvent[] = [{ resource: 'Pod', action: ClusterAction.Delete, mayHelp: () => false }];
  readonly #options: DefaultPreemptionOptions;
  readonly #pods: Informer<Pod>;
  readonly #budgets: Informer<PodDisruptionBudget>;

  constructor(options: DefaultPreemptionOptions) {
    this.#options = options;
    this.#pods = options.informers.informer(Pods);
    this.#budgets = options.informers.informer(PodDisruptionBudgets);
  }

  /** A pod whose victims are still being deleted need not be tried. */
  preEnqueue(pod: Pod): SchedulingStatus | undefined {
    if (!this.#options.executor.isRunningFor(pod.metadata.uid ?? '')) return undefined;
    return unresolvable(this.name, 'waiting for the preemption for this pod to be finished');
  }

  postFilter(state: AttemptState, info: PodInfo, outcome: FilterOutcome): PostFilterResult {
    const { cache, executor } = this.#options;
    const { namespace = '', name } = info.pod.metadata;
    const pod = this.#pods.get(namespace, name);
    if (!pod) return { status: failure(this.name, `pod "${name}" not found`) };
    const objection = this.#objection(pod, info, outcome);
    if (objection) return { status: unschedulable(this.name, `preemption: ${objection}`) };
    const error = new FitError(cache.nodes.length);
    const candidates = this.#candidates(state, info, outcome, error);
    if (candidates.length === 0) {
      error.absent = unresolvable(this.name, 'Preemption is not helpful for scheduling');
      return { status: unschedulable(this.name, `preemption: ${error.message}`), nominatedNodeName: '' };
    }
    const best = pickCandidate(candidates, this.#options.clock.now());
    executor.execute(best, pod, info.priority);
    return { nominatedNodeName: best.nodeName };
  }

  /** Why the pod may not push others out. */
  #objection(pod: Pod, info: PodInfo, outcome: FilterOutcome): string | undefined {
    if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
    const { nominatedNodeName } = pod.status;
    if (!nominatedNodeName) return undefined;
    if ((outcome.byNode.get(nominatedNodeName) ?? outcome.absent).code === 'UnschedulableAndUnresolvable') return undefined;
    for (const other of this.#options.cache.node(nominatedNodeName)?.pods ?? []) {
      if (other.priority < info.priority && isLeavingByPreemption(other.pod)) {
        return 'not eligible due to a terminating pod on the nominated node.';
      }
    }
    return undefined;
  }

  #candidates(state: AttemptState, info: PodInfo, outcome: FilterOutcome, error: FitError): readonly PreemptionCandidate[] {
    const { cache, random } = this.#options;
    const nodes = cache.nodes.filter(({ name }) => (outcome.byNode.get(name) ?? outcome.absent).code === 'Unschedulable');
    if (nodes.length === 0) return [];
    const wanted = Math.max(minimumCandidates, Math.trunc((nodes.length * minimumCandidatePercentage) / 100));
    const offset = Math.trunc(random() * nodes.length);
    const budgets = this.#budgets.list().map(budget => new Budget(budget));
    const harmless: PreemptionCandidate[] = [];
    const harmful: PreemptionCandidate[] = [];
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[(offset + i) % nodes.length]!;
      const result = this.#selectVictims(state.clone(), info, node.clone(), budgets);
      if ('code' in result) {
        error.set(node.name, result);
        continue;
      }
      (result.budgetViolations === 0 ? harmless : harmful).push(result);
      if (harmless.length > 0 && harmless.length + harmful.length >= wanted) break;
    }
    return [...harmless, ...harmful];
  }

  /** Takes out all that are less important, and lets back in, the most important first, whoever the pod can do with. */
  #selectVictims(
    state: AttemptState,
    info: PodInfo,
    node: NodeInfo,
    budgets: readonly Budget[],
  ): PreemptionCandidate | SchedulingStatus {
    const framework = this.#options.framework();
    const nowMs = this.#options.clock.now();
    const remove = (other: PodInfo): void => {
      node.removePod(other.key);
      framework.removePod(state, info, other, node);
    };
    const potential = [...node.pods].filter(({ priority }) => priority < info.priority);
    if (potential.length === 0) return unresolvable(this.name, 'No preemption victims found for incoming pod');
    potential.forEach(remove);
    const status = framework.filterWithNominated(state, info, node);
    if (status) return status;
    potential.sort((a, b) => compareImportance(a, b, nowMs));
    const { violating, others } = splitByBudgets(potential, budgets);
    const victims: PodInfo[] = [];
    const isSpared = (other: PodInfo): boolean => {
      node.addPod(other);
      framework.addPod(state, info, other, node);
      if (!framework.filterWithNominated(state, info, node)) return true;
      remove(other);
      victims.push(other);
      return false;
    };
    const budgetViolations = violating.filter(other => !isSpared(other)).length;
    others.forEach(isSpared);
    victims.sort((a, b) => compareImportance(a, b, nowMs));
    if (victims.length > 0) return { nodeName: node.name, victims, budgetViolations };
    return failure(this.name, `expected at least one victim pod on node "${node.name}"`);
  }
}

/** A disruption budget, while it is being spent in thought. */
class Budget {
  readonly namespace: string;
  readonly allowed: number;
  readonly #selector: LabelMatcher | undefined;
  readonly #disrupted: Readonly<Record<string, string>>;

  constructor({ metadata, spec, status }: PodDisruptionBudget) {
    this.namespace = metadata.namespace ?? '';
    this.allowed = status?.disruptionsAllowed ?? 0;
    this.#disrupted = status?.disruptedPods ?? {};
    try {
      this.#selector = LabelMatcher.of(spec?.selector);
    } catch {
      // A budget with a broken selector covers nobody, as upstream has it.
      this.#selector = undefined;
    }
  }

  /** Pods that an eviction has taken already are paid for. */
  covers({ metadata }: Pod): boolean {
    if (this.namespace !== metadata.namespace || !this.#selector || this.#selector.isEverything) return false;
    return this.#selector.matches(metadata.labels) && !Object.hasOwn(this.#disrupted, metadata.name);
  }
}

function splitByBudgets(pods: readonly PodInfo[], budgets: readonly Budget[]): { violating: PodInfo[]; others: PodInfo[] } {
  const left = budgets.map(({ allowed }) => allowed);
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of pods) {
    let isViolating = false;
    if (Object.keys(info.pod.metadata.labels ?? {}).length > 0) {
      budgets.forEach((budget, index) => {
        if (budget.covers(info.pod) && --left[index]! < 0) isViolating = true;
      });
    }
    (isViolating ? violating : others).push(info);
  }
  return { violating, others };
}

/** Negative when `a` is more important: by priority, then the one that has run longer. */
function compareImportance(a: PodInfo, b: PodInfo, nowMs: number): number {
  return b.priority - a.priority || podStartMs(a.pod, nowMs) - podStartMs(b.pod, nowMs);
}

/**
 * The candidate that hurts least: fewest broken budgets, then the lowest highest priority, the lowest sum of priorities, the fewest
 * victims, and the most recently started among the most important victims; the first of equals.
 */
export function pickCandidate(candidates: readonly PreemptionCandidate[], nowMs: number): PreemptionCandidate {
  const priorityFloor = 2 ** 31;
  const costs: readonly ((candidate: PreemptionCandidate) => number)[] = [
    ({ budgetViolations }) => budgetViolations,
    ({ victims }) => victims[0]!.priority,
    ({ victims }) => victims.reduce((sum, { priority }) => sum + priority + priorityFloor, 0),
    ({ victims }) => victims.length,
    ({ victims }) => -earliestStartMs(victims, nowMs),
  ];
  let left = candidates;
  for (const cost of costs) {
    if (left.length === 1) break;
    const lowest = Math.min(...left.map(cost));
    left = left.filter(candidate => cost(candidate) === lowest);
  }
  return left[0]!;
}

/** Of the victims with the highest priority. */
function earliestStartMs(victims: readonly PodInfo[], nowMs: number): number {
  const highest = victims[0]!.priority;
  return Math.min(...victims.filter(({ priority }) => priority === highest).map(({ pod }) => podStartMs(pod, nowMs)));
}

function isLeavingByPreemption({ metadata, status }: Pod): boolean {
  if (!metadata.deletionTimestamp) return false;
  const condition = status.conditions?.find(({ type }) => type === 'DisruptionTarget');
  return condition?.status === 'True' && condition.reason === 'PreemptionByScheduler';
}
