import { backoffMs } from '../base/backoff.js';
import { ControllerRevisions, DaemonSets, Nodes, Pods } from '../api/generated/resources.js';
import type { ControllerRevision, DaemonSet, DaemonSetStatus, Node, Pod } from '../api/generated/types.js';
import { isEmptySelector, selectorMatcher } from '../api/labels.js';
import { nonZero, withoutUndefined } from '../api/objects.js';
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
import * as model from './daemonset-model.js';
import { planRollingUpdate } from './daemonset-rollout.js';
import { Expectations } from './expectations.js';
import { createPod, deletePod, isNamespaceTerminating, slowStart } from './pod-control.js';
import { Reconciler } from './reconciler.js';

/** Creations or deletions of one round. */
const burst = 250;
/** Between two deletions of failed pods on one node. */
const failedPodBackoff = { initialMs: 1000, maximumMs: 900_000 };

export type PodsByNode = Map<string, Pod[]>;

/** Keeps one pod on every node that fits. Source: pkg/controller/daemon. */
export class DaemonSetReconciler extends Reconciler {
  readonly #sets: Informer<DaemonSet>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #expectations: Expectations;
  readonly #failures = new Map<string, { count: number; atMs: number }>();

  constructor(context: ControllerContext) {
    super(context, { name: daemonsetController.name, workers: 2 });
    this.#sets = context.informers.informer(DaemonSets);
    this.#pods = context.informers.informer(Pods);
    this.#nodes = context.informers.informer(Nodes);
    this.#revisions = context.informers.informer(ControllerRevisions);
    this.#expectations = new Expectations(context.clock);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByController.name, podsByController.keys);
    this.watch(this.#sets, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (_previous, entry) => this.queue.add(keyOf(entry)),
      deleted: entry => {
        this.#expectations.delete(keyOf(entry));
        for (const key of this.#failures.keys()) if (key.startsWith(`${entry.uid}/`)) this.#failures.delete(key);
        this.queue.add(keyOf(entry));
      },
    });
    this.watch(this.#revisions, { deleted: entry => this.#enqueueReferenced(entry.object) });
    this.watch(this.#pods, {
      added: entry => this.#podAdded(entry.object),
      updated: (previous, entry) => this.#podUpdated(previous, entry),
      deleted: entry => this.#podDeleted(entry.object),
    });
    this.watch(this.#nodes, {
      added: () => this.#enqueueAll(),
      updated: (previous, entry) => {
        const same = jsonEqual(previous.labels, entry.labels);
        if (!same || !jsonEqual(previous.object.spec?.taints, entry.object.spec?.taints)) this.#enqueueAll();
      },
      deleted: () => this.#enqueueAll(),
    });
  }

  #enqueueAll(): void {
    for (const entry of this.#sets.entries()) this.queue.add(keyOf(entry));
  }

  #ownerOf(object: Pod | ControllerRevision): DaemonSet | undefined {
    const reference = controllerOf(object);
    if (reference?.kind !== DaemonSets.kind) return undefined;
    const set = this.#sets.get(object.metadata.namespace ?? '', reference.name);
    return set?.metadata.uid === reference.uid ? set : undefined;
  }

  #enqueueReferenced(object: Pod | ControllerRevision): void {
    const set = this.#ownerOf(object);
    if (set) this.queue.add(keyOf(set));
  }

  #podAdded(pod: Pod): void {
    if (pod.metadata.deletionTimestamp) return this.#podDeleted(pod);
    const set = this.#ownerOf(pod);
    if (set) {
      this.#expectations.creationObserved(keyOf(set));
      this.queue.add(keyOf(set));
    } else if (!controllerOf(pod)) this.#enqueueMatching(pod);
  }

  #podUpdated(previousEntry: ObjectEntry<Pod>, entry: ObjectEntry<Pod>): void {
    if (previousEntry.resourceVersion === entry.resourceVersion) return;
    const previous = previousEntry.object;
    const pod = entry.object;
    if (pod.metadata.deletionTimestamp) return this.#podDeleted(pod);
    const referenceChanged = !jsonEqual(controllerOf(previous), controllerOf(pod));
    if (referenceChanged) this.#enqueueReferenced(previous);
    const set = this.#ownerOf(pod);
    if (set) {
      this.queue.add(keyOf(set));
      const minReadySeconds = set.spec.minReadySeconds ?? 0;
      if (minReadySeconds > 0 && !isPodReady(previous) && isPodReady(pod)) {
        this.queue.addAfter(keyOf(set), minReadySeconds * 1000 + 1000);
      }
    } else if (!controllerOf(pod) && (referenceChanged || !jsonEqual(previousEntry.labels, entry.labels))) {
      this.#enqueueMatching(pod);
    }
  }

  #podDeleted(pod: Pod): void {
    const set = this.#ownerOf(pod);
    if (!set) return;
    this.#expectations.deletionObserved(keyOf(set), pod.metadata.uid ?? '');
    this.queue.add(keyOf(set));
  }

  #enqueueMatching(pod: Pod): void {
    if (!pod.metadata.labels) return;
    for (const set of this.#sets.list(pod.metadata.namespace)) {
      if (selectorMatcher(set.spec.selector)(pod.metadata.labels)) this.queue.add(keyOf(set));
    }
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const set = this.#sets.get(namespace, name);
    if (!set) {
      this.#expectations.delete(key);
      return;
    }
    if (isEmptySelector(set.spec.selector)) {
      const text = 'This daemon set is selecting all pods. A non-empty selector is required.';
      this.context.recorder.event(set, 'Warning', 'SelectingAll', text);
      return;
    }
    if (set.metadata.deletionTimestamp) return;
    const { current, old } = await this.#constructHistory(set);
    const hash = current.metadata.labels?.[model.hashLabel] ?? '';
    const nodes = this.#nodes.list();
    if (!this.#expectations.satisfied(key)) return this.#updateStatus(key, set, { nodes, hash, observed: false });
    let failure: unknown;
    try {
      await this.#manage(key, set, nodes, hash);
      if (this.#expectations.satisfied(key) && set.spec.updateStrategy.type === 'RollingUpdate') {
        const pods = await this.#podsByNode(set);
        const plan = planRollingUpdate({ set, nodes, pods, hash, nowMs: this.context.clock.now() });
        await this.#carryOut(key, set, { ...plan, hash });
      }
      await this.#cleanUpHistory(set, old);
    } catch (error) {
      failure = error ?? new Error('unknown failure');
    }
    await this.#updateStatus(key, set, { nodes, hash, observed: true });
    if (failure !== undefined) throw failure;
  }

  async #podsByNode(set: DaemonSet, withFinished = false): Promise<PodsByNode> {
    const { namespace = '', uid = '' } = set.metadata;
    const matches = selectorMatcher(set.spec.selector);
    const pods = await claimObjects<DaemonSet, Pod>(this.context, {
      owner: set,
      ownerResource: DaemonSets,
      resource: Pods,
      objects: [
        ...this.#pods.byIndex(podsByController.name, uid),
        ...this.#pods.byIndex(podsByController.name, orphansKey(namespace)),
      ],
      matches: pod => matches(pod.metadata.labels),
    });
    const byNode: PodsByNode = new Map();
    for (const pod of pods) {
      // Finished and being deleted: it takes no place any more.
      if (!withFinished && isPodFinished(pod) && pod.metadata.deletionTimestamp) continue;
      const node = model.targetNode(pod);
      if (node === undefined) continue;
      const known = byNode.get(node);
      if (known) known.push(pod);
      else byNode.set(node, [pod]);
    }
    return byNode;
  }

  async #manage(key: string, set: DaemonSet, nodes: readonly Node[], hash: string): Promise<void> {
    const pods = await this.#podsByNode(set);
    const create: string[] = [];
    const remove: Pod[] = [];
    for (const node of nodes) this.#decide(key, set, { node, pods: pods.get(node.metadata.name), hash, create, remove });
    const known = new Set(nodes.map(node => node.metadata.name));
    // Pinned to a node that is gone: no scheduler will ever place it.
    for (const [node, found] of pods) if (!known.has(node)) remove.push(...found.filter(pod => !pod.spec.nodeName));
    await this.#carryOut(key, set, { create, remove, hash });
  }

  #decide(
    key: string,
    set: DaemonSet,
    at: { node: Node; pods: Pod[] | undefined; hash: string; create: string[]; remove: Pod[] },
  ): void {
    const { node, pods, hash, create, remove } = at;
    const nodeName = node.metadata.name;
    const { shouldRun, mayStay } = model.fitNode(set, node);
    if (!pods) {
      if (shouldRun) create.push(nodeName);
      return;
    }
    const living = pods.filter(pod => !pod.metadata.deletionTimestamp);
    if (!mayStay) {
      remove.push(...living);
      return;
    }
    const running = living.filter(pod => this.#keepRunning(key, set, { nodeName, pod, remove })).sort(model.byBindingAndAge);
    if (!model.allowsSurge(set)) {
      remove.push(...running.slice(1));
      return;
    }
    if (running.length === 0 && shouldRun) create.push(nodeName);
    if (running.length <= 1) return;
    const updated = running.filter(pod => pod.metadata.labels?.[model.hashLabel] === hash);
    const old = running.filter(pod => pod.metadata.labels?.[model.hashLabel] !== hash);
    remove.push(...updated.slice(1), ...old.slice(1));
    const minReadySeconds = set.spec.minReadySeconds ?? 0;
    if (updated[0] && old[0]) {
      const replaced = isPodAvailable(updated[0], minReadySeconds, this.context.clock.now());
      if (!isPodReady(old[0]) || replaced) remove.push(old[0]);
    }
  }

  /** False for finished pods, which are replaced: failed ones with growing waits. */
  #keepRunning(key: string, set: DaemonSet, at: { nodeName: string; pod: Pod; remove: Pod[] }): boolean {
    const { nodeName, pod, remove } = at;
    const where = `daemon pod ${pod.metadata.namespace}/${pod.metadata.name} on node ${nodeName}`;
    if (pod.status?.phase === 'Succeeded') {
      this.context.recorder.event(set, 'Normal', 'SucceededDaemonPod', `Found succeeded ${where}, will try to delete it`);
      remove.push(pod);
      return false;
    }
    if (pod.status?.phase !== 'Failed') return true;
    const failureKey = `${set.metadata.uid}/${set.status?.observedGeneration ?? 0}/${nodeName}`;
    const nowMs = this.context.clock.monotonicMs();
    const failure = this.#failures.get(failureKey);
    const forgotten = failure && nowMs - failure.atMs > 2 * failedPodBackoff.maximumMs;
    if (failure && !forgotten) {
      const waitMs = failure.atMs + backoffMs(failedPodBackoff, failure.count - 1) - nowMs;
      if (waitMs > 0) {
        this.queue.addAfter(key, waitMs);
        return false;
      }
    }
    this.#failures.set(failureKey, { count: forgotten ? 1 : (failure?.count ?? 0) + 1, atMs: nowMs });
    this.context.recorder.event(set, 'Warning', 'FailedDaemonPod', `Found failed ${where}, will try to kill it`);
    remove.push(pod);
    return false;
  }

  async #carryOut(key: string, set: DaemonSet, plan: { create: string[]; remove: Pod[]; hash: string }): Promise<void> {
    const create = plan.create.slice(0, burst);
    const remove = plan.remove.slice(0, burst);
    if (create.length === 0 && remove.length === 0) return;
    this.#expectations.expect(
      key,
      create.length,
      remove.map(pod => pod.metadata.uid ?? ''),
    );
    const created = await slowStart(create.length, async index => {
      try {
        await createPod(this.context, set, model.daemonPod(set, create[index]!, plan.hash));
      } catch (error) {
        if (!isNamespaceTerminating(error)) throw error;
      }
    });
    this.#expectations.creationObserved(key, create.length - created.successes);
    const results = await Promise.allSettled(
      remove.map(async pod => {
        try {
          await deletePod(this.context, set, pod.metadata.name);
        } catch (error) {
          this.#expectations.deletionObserved(key, pod.metadata.uid ?? '');
          if (!isStatusError(error, 'NotFound')) throw error;
        }
      }),
    );
    if (created.successes < create.length) throw created.error;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #constructHistory(set: DaemonSet): Promise<{ current: ControllerRevision; old: ControllerRevision[] }> {
    const { namespace = '' } = set.metadata;
    const matches = selectorMatcher(set.spec.selector);
    const known = await claimObjects<DaemonSet, ControllerRevision>(this.context, {
      owner: set,
      ownerResource: DaemonSets,
      resource: ControllerRevisions,
      objects: this.#revisions.list(namespace),
      matches: revision => matches(revision.metadata.labels),
    });
    const data = history.templatePatch(set.spec.template);
    const equal = known.filter(revision => history.sameData(revision, data)).sort(history.byRevision);
    const old = known.filter(revision => !equal.includes(revision)).sort(history.byRevision);
    const number = (old.at(-1)?.revision ?? 0) + 1;
    const keep = equal.pop();
    if (keep) {
      await this.#joinRevisions(set, keep, equal);
      return { current: keep.revision < number ? await history.renumberRevision(this.context, keep, number) : keep, old };
    }
    const collisionCount = set.status?.collisionCount ?? 0;
    const created = await history.createRevision(this.context, {
      owner: set,
      kind: DaemonSets,
      template: set.spec.template,
      data,
      revision: number,
      collisionCount,
      hashLabel: model.hashLabel,
      annotations: set.metadata.annotations,
    });
    if (created.collisionCount !== collisionCount) {
      await this.#writeStatus(set, { ...set.status, collisionCount: created.collisionCount });
    }
    return { current: created.revision, old };
  }

  /** Several revisions of one template: the newest stays and gets the pods of the others. */
  async #joinRevisions(set: DaemonSet, keep: ControllerRevision, others: readonly ControllerRevision[]): Promise<void> {
    if (others.length === 0) return;
    const { namespace } = set.metadata;
    const hash = keep.metadata.labels?.[model.hashLabel] ?? '';
    for (const pods of (await this.#podsByNode(set, true)).values()) {
      for (const { metadata } of pods) {
        if (metadata.labels?.[model.hashLabel] === hash) continue;
        const from = others.some(other => other.metadata.labels?.[model.hashLabel] === metadata.labels?.[model.hashLabel]);
        if (!from) continue;
        const patch = { metadata: { labels: { [model.hashLabel]: hash } } };
        await this.context.client.resource(Pods, namespace).patch(metadata.name, 'merge', patch);
      }
    }
    await history.truncateHistory(this.context, others, 0);
  }

  async #cleanUpHistory(set: DaemonSet, old: readonly ControllerRevision[]): Promise<void> {
    const keep = set.spec.revisionHistoryLimit ?? 10;
    if (old.length <= keep) return;
    const live = new Set<string>();
    for (const pods of (await this.#podsByNode(set, true)).values()) {
      for (const pod of pods) live.add(pod.metadata.labels?.[model.hashLabel] ?? '');
    }
    const unused = old.filter(revision => !live.has(revision.metadata.labels?.[model.hashLabel] ?? ''));
    await history.truncateHistory(this.context, unused, Math.max(0, keep - (old.length - unused.length)));
  }

  async #updateStatus(
    key: string,
    set: DaemonSet,
    { nodes, hash, observed }: { nodes: readonly Node[]; hash: string; observed: boolean },
  ): Promise<void> {
    const pods = await this.#podsByNode(set);
    const nowMs = this.context.clock.now();
    const minReadySeconds = set.spec.minReadySeconds ?? 0;
    const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 };
    const firsts: Pod[] = [];
    for (const node of nodes) {
      const found = pods.get(node.metadata.name);
      if (!model.fitNode(set, node).shouldRun) {
        if (found) counts.misscheduled++;
        continue;
      }
      counts.desired++;
      const pod = found?.sort(model.byBindingAndAge)[0];
      if (!pod) continue;
      firsts.push(pod);
      counts.current++;
      if (isPodReady(pod)) counts.ready++;
      if (isPodAvailable(pod, minReadySeconds, nowMs)) counts.available++;
      if (model.isUpdated(set, pod, hash)) counts.updated++;
    }
    await this.#writeStatus(
      set,
      withoutUndefined<DaemonSetStatus>({
        currentNumberScheduled: counts.current,
        numberMisscheduled: counts.misscheduled,
        desiredNumberScheduled: counts.desired,
        numberReady: counts.ready,
        observedGeneration: observed ? set.metadata.generation : set.status?.observedGeneration,
        updatedNumberScheduled: nonZero(counts.updated),
        numberAvailable: nonZero(counts.available),
        numberUnavailable: nonZero(counts.desired - counts.available),
        collisionCount: set.status?.collisionCount,
        conditions: set.status?.conditions,
      }),
    );
    if (minReadySeconds > 0 && counts.ready !== counts.available) {
      this.queue.addAfter(key, msUntilNextAvailable(firsts, minReadySeconds, nowMs) ?? minReadySeconds * 1000);
    }
  }

  async #writeStatus(set: DaemonSet, status: DaemonSetStatus): Promise<void> {
    if (jsonEqual(set.status, status)) return;
    const { namespace, name, uid } = set.metadata;
    const sets = this.context.client.resource(DaemonSets, namespace);
    const write = (current: DaemonSet): Promise<DaemonSet> =>
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

export const daemonsetController: ControllerDescriptor = {
  name: 'daemonset-controller',
  serviceAccount: 'daemon-set-controller',
  create: context => new DaemonSetReconciler(context),
};
