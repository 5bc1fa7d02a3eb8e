import { ControllerRevisions, PersistentVolumeClaims, Pods, StatefulSets } from '../api/generated/resources.js';
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '../api/generated/types.js';
import { selectorMatcher } from '../api/labels.js';
import { controllerOf } from '../api/owners.js';
import { isPodAvailable, isPodFinished, isPodReady, msUntilNextAvailable, orphansKey, podsByController } from '../api/pods.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual, produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import { claimObjects } from './claim.js';
import * as history from './controller-history.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { slowStart } from './pod-control.js';
import { Reconciler } from './reconciler.js';
import * as model from './statefulset-model.js';
import type { Revisions } from './statefulset-model.js';
import { StatefulPodControl } from './statefulset-pods.js';

const hashLabel = 'controller.kubernetes.io/hash';

/** Whether a step lets the next one begin in this round. */
type Step = 'go-on' | 'wait';

interface Plan {
  readonly set: StatefulSet;
  readonly revisions: Revisions;
  readonly nowMs: number;
  /** By ordinal, planned ones among them. */
  readonly replicas: Pod[];
  /** Beyond the range, the highest ordinal first. */
  readonly condemned: Pod[];
  readonly firstUnavailable: Pod | undefined;
}

/** Keeps a StatefulSet's pods, each with its name and claims. Source: pkg/controller/statefulset. */
export class StatefulSetReconciler extends Reconciler {
  readonly #sets: Informer<StatefulSet>;
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #control: StatefulPodControl;

  constructor(context: ControllerContext) {
    super(context, { name: statefulsetController.name });
    this.#sets = context.informers.informer(StatefulSets);
    this.#pods = context.informers.informer(Pods);
    this.#claims = context.informers.informer(PersistentVolumeClaims);
    this.#revisions = context.informers.informer(ControllerRevisions);
    this.#control = new StatefulPodControl(context, this.#claims);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByController.name, podsByController.keys);
    this.watch(this.#sets, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (_previous, entry) => this.queue.add(keyOf(entry)),
      deleted: entry => this.queue.add(keyOf(entry)),
    });
    this.watch(this.#pods, {
      added: entry => this.#podChanged(entry.object),
      updated: (previous, entry) => this.#podUpdated(previous, entry),
      deleted: entry => this.#enqueueOwner(entry.object),
    });
    this.watch(this.#claims);
    this.watch(this.#revisions);
  }

  #ownerOf(pod: Pod): StatefulSet | undefined {
    const reference = controllerOf(pod);
    if (reference?.kind !== StatefulSets.kind) return undefined;
    const set = this.#sets.get(pod.metadata.namespace ?? '', reference.name);
    return set?.metadata.uid === reference.uid ? set : undefined;
  }

  #enqueueOwner(pod: Pod): void {
    const set = this.#ownerOf(pod);
    if (set) this.queue.add(keyOf(set));
  }

  #podChanged(pod: Pod): void {
    if (controllerOf(pod)) return this.#enqueueOwner(pod);
    if (pod.metadata.deletionTimestamp || !pod.metadata.labels) return;
    for (const set of this.#sets.list(pod.metadata.namespace)) {
      if (selectorMatcher(set.spec.selector)(pod.metadata.labels)) this.queue.add(keyOf(set));
    }
  }

  #podUpdated(previousEntry: ObjectEntry<Pod>, entry: ObjectEntry<Pod>): void {
    if (previousEntry.resourceVersion === entry.resourceVersion) return;
    const previous = previousEntry.object;
    const pod = entry.object;
    const referenceChanged = !jsonEqual(controllerOf(previous), controllerOf(pod));
    if (referenceChanged) this.#enqueueOwner(previous);
    if (controllerOf(pod) || referenceChanged || !jsonEqual(previousEntry.labels, entry.labels)) this.#podChanged(pod);
    const set = this.#ownerOf(pod);
    const minReadySeconds = set?.spec.minReadySeconds ?? 0;
    if (set && minReadySeconds > 0 && !isPodReady(previous) && isPodReady(pod)) {
      this.queue.addAfter(keyOf(set), minReadySeconds * 1000);
    }
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const set = this.#sets.get(namespace, name);
    if (!set) return;
    const matches = selectorMatcher(set.spec.selector);
    const revisions = await claimObjects<StatefulSet, ControllerRevision>(this.context, {
      owner: set,
      ownerResource: StatefulSets,
      resource: ControllerRevisions,
      objects: this.#revisions.list(namespace).filter(revision => matches(revision.metadata.labels)),
      matches: () => true,
    });
    const pods = await claimObjects<StatefulSet, Pod>(this.context, {
      owner: set,
      ownerResource: StatefulSets,
      resource: Pods,
      objects: [
        ...this.#pods.byIndex(podsByController.name, set.metadata.uid ?? ''),
        ...this.#pods.byIndex(podsByController.name, orphansKey(namespace)),
      ],
      matches: pod => matches(pod.metadata.labels) && model.isMember(set, pod),
    });
    revisions.sort(history.byRevision);
    const chosen = await this.#chooseRevisions(set, revisions);
    try {
      await this.#update(key, set, pods, chosen);
    } finally {
      const live = new Set([...pods.map(model.revisionOf), chosen.revisions.current, chosen.revisions.update].map(nameOf));
      const unused = revisions.filter(revision => !live.has(revision.metadata.name));
      await history.truncateHistory(this.context, unused, set.spec.revisionHistoryLimit ?? 10);
    }
  }

  async #chooseRevisions(
    set: StatefulSet,
    known: readonly ControllerRevision[],
  ): Promise<{ revisions: Revisions; collisionCount: number }> {
    const data = history.templatePatch(set.spec.template);
    const latest = known.at(-1);
    const next = (latest?.revision ?? 0) + 1;
    let collisionCount = set.status?.collisionCount ?? 0;
    const equal = known.filter(revision => history.sameData(revision, data)).at(-1);
    let update: ControllerRevision;
    if (equal) update = equal === latest ? equal : await history.renumberRevision(this.context, equal, next);
    else {
      const created = await history.createRevision(this.context, {
        owner: set,
        kind: StatefulSets,
        template: set.spec.template,
        data,
        revision: next,
        collisionCount,
        hashLabel,
        annotations: set.metadata.annotations,
      });
      update = created.revision;
      collisionCount = created.collisionCount;
    }
    const current = known.find(revision => revision.metadata.name === set.status?.currentRevision) ?? update;
    const { template } = set.spec;
    const revisions: Revisions = {
      current,
      update,
      currentTemplate: history.templateOf(current, template),
      updateTemplate: history.templateOf(update, template),
    };
    return { revisions, collisionCount };
  }

  async #update(
    key: string,
    set: StatefulSet,
    pods: readonly Pod[],
    chosen: { revisions: Revisions; collisionCount: number },
  ): Promise<void> {
    const { revisions, collisionCount } = chosen;
    const nowMs = this.context.clock.now();
    const plan = this.#plan(set, pods, revisions, nowMs);
    let failure: unknown;
    let deletedCurrent = 0;
    if (!set.metadata.deletionTimestamp) {
      try {
        deletedCurrent = await this.#carryOut(plan);
      } catch (error) {
        failure = error ?? new Error('unknown failure');
      }
    }
    const counts = model.countPods(set, [...plan.replicas, ...plan.condemned], revisions, nowMs);
    counts.current -= deletedCurrent;
    await this.#writeStatus(set, model.statusOf(set, revisions, counts, collisionCount));
    if (failure !== undefined) throw failure;
    const minReadySeconds = set.spec.minReadySeconds ?? 0;
    if (minReadySeconds > 0 && counts.ready !== counts.available) {
      this.queue.addAfter(key, msUntilNextAvailable(pods, minReadySeconds, nowMs) ?? minReadySeconds * 1000);
    }
  }

  #plan(set: StatefulSet, pods: readonly Pod[], revisions: Revisions, nowMs: number): Plan {
    const byOrdinal = new Map<number, Pod>();
    const condemned: Pod[] = [];
    for (const pod of pods) {
      if (model.isInRange(set, pod)) byOrdinal.set(model.ordinalOf(pod), pod);
      else if (model.ordinalOf(pod) >= 0) condemned.push(pod);
    }
    condemned.sort((a, b) => model.ordinalOf(b) - model.ordinalOf(a));
    const replicas: Pod[] = [];
    for (let ordinal = model.firstOrdinal(set); ordinal < model.endOrdinal(set); ordinal++) {
      replicas.push(byOrdinal.get(ordinal) ?? model.plannedPod(set, revisions, ordinal));
    }
    const firstUnavailable = [...replicas, ...[...condemned].reverse()].find(pod => model.isUnavailable(set, pod, nowMs));
    return { set, revisions, nowMs, replicas, condemned, firstUnavailable };
  }

  /** Gives back how many pods of the current revision were deleted for the update. */
  async #carryOut(plan: Plan): Promise<number> {
    const { set, replicas, condemned } = plan;
    if ((await this.#forAll(set, replicas, index => this.#processReplica(plan, index))) === 'wait') return 0;
    for (const pod of condemned) {
      if (!this.#control.claimsMatchPolicy(set, pod)) await this.#control.updateClaims(set, pod);
    }
    if ((await this.#forAll(set, condemned, index => this.#processCondemned(plan, condemned[index]!))) === 'wait') return 0;
    if (set.spec.updateStrategy.type === 'OnDelete') return 0;
    return this.#replaceOldest(plan);
  }

  /** In order and one at a time, or many at once for parallel sets, which wait for nobody. */
  async #forAll(set: StatefulSet, pods: readonly Pod[], step: (index: number) => Promise<Step>): Promise<Step> {
    if (!model.isParallel(set)) {
      for (let index = 0; index < pods.length; index++) if ((await step(index)) === 'wait') return 'wait';
      return 'go-on';
    }
    const { successes, error } = await slowStart(pods.length, async index => void (await step(index)));
    if (successes < pods.length) throw error;
    return 'go-on';
  }

  async #processReplica({ set, replicas, nowMs }: Plan, index: number): Promise<Step> {
    const pod = replicas[index]!;
    const monotonic = !model.isParallel(set);
    if (isPodFinished(pod)) {
      if (!model.isTerminating(pod)) await this.#control.delete(set, pod);
      return 'wait';
    }
    if (!model.isCreated(pod)) {
      if (this.#control.hasStaleClaim(set, pod)) return 'wait';
      await this.#control.create(set, pod);
      return monotonic ? 'wait' : 'go-on';
    }
    if (pod.status.phase === 'Pending') await this.#control.createMissingClaims(set, pod);
    if (monotonic) {
      if (model.isTerminating(pod) || !model.isRunningAndReady(pod)) return 'wait';
      if (!isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)) return 'wait';
    }
    const matches =
      model.identityMatches(set, pod) && model.storageMatches(set, pod) && this.#control.claimsMatchPolicy(set, pod);
    if (!matches) await this.#control.mend(set, pod);
    return 'go-on';
  }

  async #processCondemned({ set, firstUnavailable, nowMs }: Plan, pod: Pod): Promise<Step> {
    const monotonic = !model.isParallel(set);
    if (model.isTerminating(pod)) return monotonic ? 'wait' : 'go-on';
    // The one that does not work may go; others wait until everything works.
    const works = model.isRunningAndReady(pod) && isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
    if (monotonic && !works && pod !== firstUnavailable) return 'wait';
    await this.#control.delete(set, pod);
    return 'wait';
  }

  /** The rolling update: from the highest ordinal down to the partition, one pod at a time, waiting for each to be available. */
  async #replaceOldest({ set, replicas, revisions, nowMs }: Plan): Promise<number> {
    const update = revisions.update.metadata.name;
    const partition = set.spec.updateStrategy.rollingUpdate?.partition ?? 0;
    for (let index = replicas.length - 1; index >= partition; index--) {
      const pod = replicas[index]!;
      if (model.revisionOf(pod) !== update && !model.isTerminating(pod)) {
        await this.#control.delete(set, pod);
        return 1;
      }
      if (model.isUnavailable(set, pod, nowMs)) return 0;
    }
    return 0;
  }

  async #writeStatus(set: StatefulSet, status: StatefulSet['status']): Promise<void> {
    if (jsonEqual(set.status, status)) return;
    const { namespace, name, uid } = set.metadata;
    const sets = this.context.client.resource(StatefulSets, namespace);
    const write = (current: StatefulSet): Promise<StatefulSet> =>
      sets.updateStatus(
        name,
        produce(current, draft => void (draft.status = status)),
      );
    try {
      await write(set);
    } catch (error) {
      if (!isStatusError(error, 'Conflict')) throw error;
      const fresh = await sets.get(name);
      if (fresh.metadata.uid !== uid) throw error;
      await write(fresh);
    }
  }
}

const nameOf = (revision: string | ControllerRevision): string =>
  typeof revision === 'string' ? revision : revision.metadata.name;

export const statefulsetController: ControllerDescriptor = {
  name: 'statefulset-controller',
  create: context => new StatefulSetReconciler(context),
};
