import { CodedError, errorText } from '../base/errors.js';
import {
  Deployments,
  PodDisruptionBudgets,
  Pods,
  ReplicaSets,
  ReplicationControllers,
  StatefulSets,
} from '../api/generated/resources.js';
import type { Condition, Pod, PodDisruptionBudget, PodDisruptionBudgetStatus, Scale } from '../api/generated/types.js';

import { selectorMatcher } from '../api/labels.js';
import { controllerOf } from '../api/owners.js';
import type { WithMetadata } from '../api/owners.js';
import { isPodFinished, isPodReady, podCondition } from '../api/pods.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { formatTime, parseTime } from '../api/time.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { scaledIntOrPercent } from '../machinery/int-or-string.js';
import { formatApiVersion, jsonEqual, parseApiVersion, produce, qualifiedName } from '../machinery/object.js';
import type { OwnerReference } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { patchPodStatus } from './pod-status.js';
import { Reconciler } from './reconciler.js';

/** An evicted pod that is not being deleted after so long will not be. */
const deletionTimeoutMs = 120_000;
/** A pod that was to be disrupted and still lives after so long is not disrupted. */
const staleDisruptionMs = 120_000;
const conditionType = 'DisruptionAllowed';

const budgetKey = (key: string): string => `budget:${key}`;
const podKey = (key: string): string => `pod:${key}`;

interface Scalable extends WithMetadata {
  readonly spec: { readonly replicas?: number };
}

/** Counts, for every budget, how many of its pods may go. Source: pkg/controller/disruption. */
class DisruptionController extends Reconciler {
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #pods: Informer<Pod>;
  readonly #scalables: ReadonlyMap<string, Informer<Scalable>>;

  constructor(context: ControllerContext) {
    super(context, { name: 'disruption-controller' });
    const { informers } = context;
    this.#budgets = informers.informer(PodDisruptionBudgets);
    this.#pods = informers.informer(Pods);
    this.#scalables = new Map(
      [ReplicaSets, StatefulSets, ReplicationControllers, Deployments].map(resource => [
        qualifiedName(resource.group, resource.kind),
        informers.informer(resource as ResourceReference<Scalable>),
      ]),
    );
  }

  protected override register(): void {
    const enqueue = (entry: ObjectEntry<PodDisruptionBudget>): void => this.queue.add(budgetKey(keyOf(entry)));
    this.watch(this.#budgets, { added: enqueue, updated: (_previous, entry) => enqueue(entry), deleted: enqueue });
    this.watch(this.#pods, {
      added: entry => this.#podSeen(entry),
      updated: (previous, entry) => {
        if (!jsonEqual(previous.labels, entry.labels)) this.#enqueueBudgets(previous, false);
        this.#podSeen(entry);
      },
      deleted: entry => this.#enqueueBudgets(entry, false),
    });
    for (const informer of this.#scalables.values()) this.watch(informer);
  }

  #podSeen(entry: ObjectEntry<Pod>): void {
    this.#enqueueBudgets(entry, true);
    const waitMs = this.#staleAfterMs(entry.object);
    if (waitMs !== undefined) this.queue.addAfter(podKey(keyOf(entry)), waitMs);
  }

  #enqueueBudgets(entry: ObjectEntry<Pod>, tell: boolean): void {
    const matching: PodDisruptionBudget[] = [];
    for (const budget of this.#budgets.list(entry.namespace)) {
      if (selectorMatcher(budget.spec?.selector)(entry.labels)) matching.push(budget);
    }
    for (const budget of matching) this.queue.add(budgetKey(keyOf(budget)));
    if (matching.length < 2 || !tell) return;
    const text = `Pod "${entry.namespace}"/"${entry.name}" matches multiple PodDisruptionBudgets.  Chose "${matching[0]!.metadata.name}" arbitrarily.`;
    this.context.recorder.event(entry.object, 'Warning', 'MultiplePodDisruptionBudgets', text);
  }

  /** How long until the mark of a disruption that did not happen is taken back; undefined when there is none. */
  #staleAfterMs(pod: Pod): number | undefined {
    const condition = podCondition(pod, 'DisruptionTarget');
    if (pod.metadata.deletionTimestamp || condition?.status !== 'True' || isPodFinished(pod)) return undefined;
    if (condition.reason === 'TerminationByKubelet') return undefined;
    const sinceMs = parseTime(condition.lastTransitionTime) ?? 0;
    return Math.max(0, sinceMs + staleDisruptionMs - this.context.clock.now());
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key.slice(key.indexOf(':') + 1));
    if (key.startsWith('pod:')) {
      const pod = this.#pods.get(namespace, name);
      const waitMs = pod && this.#staleAfterMs(pod);
      if (waitMs === undefined) return;
      if (waitMs > 0) this.queue.addAfter(key, waitMs);
      else await patchPodStatus(this.context, pod!, { condition: { type: 'DisruptionTarget', status: 'False' } });
      return;
    }
    const budget = this.#budgets.get(namespace, name);
    if (!budget) return;
    try {
      await this.#syncBudget(key, budget);
    } catch (error) {
      if (isStatusError(error, 'Conflict')) throw error;
      await this.#failSafe(budget, error);
    }
  }

  async #syncBudget(key: string, budget: PodDisruptionBudget): Promise<void> {
    const { recorder, clock } = this.context;
    const matches = selectorMatcher(budget.spec?.selector);
    const pods: Pod[] = [];
    for (const entry of this.#pods.entries(budget.metadata.namespace)) if (matches(entry.labels)) pods.push(entry.object);
    if (pods.length === 0) recorder.event(budget, 'Normal', 'NoPods', 'No matching pods found');
    let counts: { expected: number; desired: number };
    try {
      counts = await this.#counts(budget, pods);
    } catch (error) {
      const text = `Failed to calculate the number of expected pods: ${errorText(error)}`;
      recorder.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', text);
      throw error;
    }
    const nowMs = clock.now();
    const { disrupted, recheckMs } = this.#disruptedPods(budget, pods, nowMs);
    const healthy = pods.filter(
      pod => !pod.metadata.deletionTimestamp && disrupted[pod.metadata.name] === undefined && isPodReady(pod),
    ).length;
    await this.#write(budget, { ...counts, healthy, disrupted }, nowMs);
    if (recheckMs !== undefined) this.queue.addAfter(key, recheckMs - nowMs);
  }

  /** How many pods there should be, and how many of them must stay. */
  async #counts(budget: PodDisruptionBudget, pods: readonly Pod[]): Promise<{ expected: number; desired: number }> {
    const { maxUnavailable, minAvailable } = budget.spec ?? {};
    if (maxUnavailable !== undefined) {
      const expected = await this.#expectedScale(budget, pods);
      return {
        expected,
        desired: Math.max(0, expected - scaledIntOrPercent(maxUnavailable, { total: expected, roundUp: true })),
      };
    }
    if (typeof minAvailable === 'number') return { expected: pods.length, desired: minAvailable };
    if (minAvailable === undefined) return { expected: 0, desired: 0 };
    const expected = await this.#expectedScale(budget, pods);
    return { expected, desired: scaledIntOrPercent(minAvailable, { total: expected, roundUp: true }) };
  }

  /** The sum of what the pods' controllers ask for. */
  async #expectedScale(budget: PodDisruptionBudget, pods: readonly Pod[]): Promise<number> {
    const scales = new Map<string, number>();
    const seen = new Set<string>();
    let unmanaged = 0;
    for (const pod of pods) {
      const reference = controllerOf(pod);
      if (!reference) unmanaged++;
      else if (!seen.has(reference.uid)) {
        seen.add(reference.uid);
        const found = await this.#scaleOf(reference, pod.metadata.namespace ?? '');
        if (!found) throw new CodedError('NO_CONTROLLER', `found no controllers for pod "${pod.metadata.name}"`);
        scales.set(found.uid, found.replicas);
      }
    }
    if (unmanaged > 0) {
      const text =
        `Pods selected by this PodDisruptionBudget (selector: ${JSON.stringify(budget.spec?.selector)}) were found to be unmanaged. ` +
        'As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. ' +
        'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.';
      this.context.recorder.event(budget, 'Warning', 'UnmanagedPods', text);
    }
    return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
  }

  async #scaleOf(reference: OwnerReference, namespace: string): Promise<{ uid: string; replicas: number } | undefined> {
    const { group } = parseApiVersion(reference.apiVersion) ?? { group: '' };
    const informer = this.#scalables.get(qualifiedName(group, reference.kind));
    const owner = informer?.get(namespace, reference.name);
    if (informer) {
      if (owner?.metadata.uid !== reference.uid) return undefined;
      // Pods of a Deployment are counted by the Deployment: several of its ReplicaSets may have some.
      const above = controllerOf(owner);
      const higher = above && reference.kind === 'ReplicaSet' ? await this.#scaleOf(above, namespace) : undefined;
      return higher ?? { uid: reference.uid, replicas: owner.spec.replicas ?? 1 };
    }
    return this.#scaleSubresource(reference, namespace);
  }

  async #scaleSubresource(reference: OwnerReference, namespace: string): Promise<{ uid: string; replicas: number } | undefined> {
    const { apiVersion, kind, name, uid } = reference;
    const found = this.context.environment.catalogue
      .resources()
      .find(resource => resource.reference.kind === kind && formatApiVersion(resource.reference) === apiVersion);
    if (!found) throw new CodedError('NO_SUCH_KIND', `no matches for kind "${kind}" in version "${apiVersion}"`);
    try {
      const scale = await this.context.client.resource(found.reference, namespace).subresource<Scale>('scale').get(name);
      return scale.metadata.uid === uid ? { uid, replicas: scale.spec.replicas ?? 0 } : undefined;
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
      const { group, resource } = found.reference;
      throw new CodedError('NO_SCALE', `${qualifiedName(group, resource)} does not implement the scale subresource`);
    }
  }

  /** The evictions that still count, and when to look again. */
  #disruptedPods(
    budget: PodDisruptionBudget,
    pods: readonly Pod[],
    nowMs: number,
  ): { disrupted: Record<string, string>; recheckMs: number | undefined } {
    const disrupted: Record<string, string> = {};
    let recheckMs: number | undefined;
    for (const pod of pods) {
      const since = budget.status?.disruptedPods?.[pod.metadata.name];
      if (pod.metadata.deletionTimestamp || !since) continue;
      const deadlineMs = (parseTime(since) ?? 0) + deletionTimeoutMs;
      if (deadlineMs < nowMs) {
        const text = `Pod was expected by PDB ${keyOf(budget)} to be deleted but it wasn't`;
        this.context.recorder.event(pod, 'Warning', 'NotDeleted', text);
      } else {
        disrupted[pod.metadata.name] = since;
        recheckMs = Math.min(recheckMs ?? Infinity, deadlineMs + 1);
      }
    }
    return { disrupted, recheckMs };
  }

  async #write(
    budget: PodDisruptionBudget,
    found: { expected: number; desired: number; healthy: number; disrupted: Record<string, string> },
    nowMs: number,
  ): Promise<void> {
    const { expected, desired, healthy, disrupted } = found;
    const disruptionsAllowed = expected > 0 ? Math.max(0, healthy - desired) : 0;
    const observedGeneration = budget.metadata.generation;
    const status: PodDisruptionBudgetStatus = {
      observedGeneration,
      ...(Object.keys(disrupted).length > 0 ? { disruptedPods: disrupted } : {}),
      disruptionsAllowed,
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: expected,
      conditions: withAllowed(budget, nowMs, {
        status: disruptionsAllowed > 0 ? 'True' : 'False',
        reason: disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods',
        message: '',
        observedGeneration,
      }),
    };
    await this.#writeStatus(budget, status);
  }

  /** Where nothing can be known nobody may be evicted. */
  async #failSafe(budget: PodDisruptionBudget, error: unknown): Promise<void> {
    const nowMs = this.context.clock.now();
    const { observedGeneration } = budget.status ?? {};
    const failure = { status: 'False', reason: 'SyncFailed', message: errorText(error), observedGeneration };
    const conditions = withAllowed(budget, nowMs, failure);
    await this.#writeStatus(budget, { ...budget.status, disruptionsAllowed: 0, conditions } as PodDisruptionBudgetStatus);
  }

  async #writeStatus(budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus): Promise<void> {
    if (jsonEqual(budget.status, status)) return;
    const { namespace, name } = budget.metadata;
    await this.context.client.resource(PodDisruptionBudgets, namespace).updateStatus(
      name,
      produce(budget, draft => void (draft.status = status)),
    );
  }
}

function withAllowed(
  budget: PodDisruptionBudget,
  nowMs: number,
  wanted: Pick<Condition, 'status' | 'reason' | 'message' | 'observedGeneration'>,
): Condition[] {
  const known = budget.status?.conditions ?? [];
  const old = known.find(condition => condition.type === conditionType);
  const lastTransitionTime = old?.status === wanted.status ? old.lastTransitionTime : formatTime(nowMs);
  const condition: Condition = { type: conditionType, ...wanted, lastTransitionTime };
  return old ? known.map(other => (other === old ? condition : other)) : [...known, condition];
}

export const disruptionController: ControllerDescriptor = {
  name: 'disruption-controller',
  component: 'controllermanager',
  create: context => new DisruptionController(context),
};
