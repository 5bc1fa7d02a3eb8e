import { errorText } from '../base/errors.js';
import { Pods } from '../api/generated/resources.js';
import type { Pod, ReplicaSet, ReplicaSetStatus, ReplicationController } from '../api/generated/types.js';
import { labelsContain } from '../api/labels.js';
import type { LabelMatcher } from '../api/labels.js';
import { findCondition, nonZero, withCondition, withoutCondition, withoutUndefined } from '../api/objects.js';
import { controllerOf, controllerReference } from '../api/owners.js';
import {
  isPodActive,
  isPodAvailable,
  isPodReady,
  isPodTerminating,
  msUntilNextAvailable,
  orphansKey,
  podsByController,
} from '../api/pods.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { formatTime } from '../api/time.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual, produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import { claimObjects } from './claim.js';
import type { ControllerContext } from './controller.js';
import { Expectations } from './expectations.js';
import { createPod, deletePod, isNamespaceTerminating, podFromTemplate, slowStart } from './pod-control.js';
import { rankForDeletion } from './pod-ranking.js';
import { Reconciler } from './reconciler.js';

/** ReplicationControllers are ReplicaSets with another selector. */
export type ReplicaOwner = ReplicaSet | ReplicationController;

export interface ReplicaManagerOptions<T extends ReplicaOwner> {
  readonly name: string;
  readonly resource: ResourceReference<T>;
  readonly matcher: (owner: T) => LabelMatcher;
  readonly reportsTerminating: boolean;
}

/** Creations or deletions of one round; the next begins when these were seen. */
const burst = 500;
const siblingsIndex = 'controllerUid';

/** Keeps as many pods as a ReplicaSet or ReplicationController asks for. Source: pkg/controller/replicaset. */
export class ReplicaManager<T extends ReplicaOwner> extends Reconciler {
  readonly #options: ReplicaManagerOptions<T>;
  readonly #owners: Informer<T>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;

  constructor(context: ControllerContext, options: ReplicaManagerOptions<T>) {
    super(context, { name: options.name });
    this.#options = options;
    this.#owners = context.informers.informer(options.resource);
    this.#pods = context.informers.informer(Pods);
    this.#expectations = new Expectations(context.clock);
  }

  protected override register(): void {
    this.#owners.addIndex(siblingsIndex, owner => {
      const reference = controllerOf(owner);
      return reference ? [reference.uid] : [];
    });
    this.#pods.addIndex(podsByController.name, podsByController.keys);
    this.watch(this.#owners, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (_previous, entry) => this.queue.add(keyOf(entry)),
      deleted: entry => {
        this.#expectations.delete(keyOf(entry));
        this.queue.add(keyOf(entry));
      },
    });
    this.watch(this.#pods, {
      added: entry => this.#podAdded(entry.object),
      updated: (previous, entry) => this.#podUpdated(previous, entry),
      deleted: entry => this.#podDeleted(entry.object),
    });
  }

  #ownerOf(pod: Pod): T | undefined {
    const reference = controllerOf(pod);
    if (reference?.kind !== this.#options.resource.kind) return undefined;
    const owner = this.#owners.get(pod.metadata.namespace ?? '', reference.name);
    return owner?.metadata.uid === reference.uid ? owner : undefined;
  }

  #podAdded(pod: Pod): void {
    if (pod.metadata.deletionTimestamp) return this.#podDeleted(pod);
    if (!controllerOf(pod)) return this.#enqueueMatching(pod);
    const owner = this.#ownerOf(pod);
    if (!owner) return;
    this.#expectations.creationObserved(keyOf(owner));
    this.queue.add(keyOf(owner));
  }

  #podUpdated(previousEntry: ObjectEntry<Pod>, entry: ObjectEntry<Pod>): void {
    if (previousEntry.resourceVersion === entry.resourceVersion) return;
    const previous = previousEntry.object;
    const pod = entry.object;
    if (pod.metadata.deletionTimestamp) {
      // Graceful deletion: the replacement must not wait until the pod is gone.
      this.#podDeleted(pod);
      return;
    }
    const reference = controllerOf(pod);
    const referenceChanged = !jsonEqual(controllerOf(previous), reference);
    if (referenceChanged) {
      const previousOwner = this.#ownerOf(previous);
      if (previousOwner) this.queue.add(keyOf(previousOwner));
    }
    if (reference) {
      const owner = this.#ownerOf(pod);
      if (!owner) return;
      this.queue.add(keyOf(owner));
      const minReadySeconds = owner.spec.minReadySeconds ?? 0;
      if (minReadySeconds > 0 && !isPodReady(previous) && isPodReady(pod)) {
        this.queue.addAfter(keyOf(owner), minReadySeconds * 1000);
      }
    } else if (referenceChanged || !jsonEqual(previousEntry.labels, entry.labels)) this.#enqueueMatching(pod);
  }

  #podDeleted(pod: Pod): void {
    const owner = this.#ownerOf(pod);
    if (!owner) return;
    this.#expectations.deletionObserved(keyOf(owner), pod.metadata.uid ?? '');
    this.queue.add(keyOf(owner));
  }

  #enqueueMatching(pod: Pod): void {
    const { namespace, labels } = pod.metadata;
    if (!labels) return;
    for (const owner of this.#owners.list(namespace)) {
      if (this.#options.matcher(owner)(labels)) this.queue.add(keyOf(owner));
    }
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const owner = this.#owners.get(namespace, name);
    if (!owner) {
      this.#expectations.delete(key);
      return;
    }
    const mayManage = this.#expectations.satisfied(key);
    const matcher = this.#options.matcher(owner);
    const candidates = [
      ...this.#pods.byIndex(podsByController.name, owner.metadata.uid ?? ''),
      ...this.#pods.byIndex(podsByController.name, orphansKey(namespace)),
    ];
    const claimed = await claimObjects<T, Pod>(this.context, {
      owner,
      ownerResource: this.#options.resource,
      resource: Pods,
      objects: candidates.filter(pod => isPodActive(pod)),
      matches: pod => matcher(pod.metadata.labels),
    });
    const terminating = candidates.filter(
      pod => isPodTerminating(pod) && controllerOf(pod)?.uid === owner.metadata.uid && matcher(pod.metadata.labels),
    );
    let error: unknown;
    if (mayManage && !owner.metadata.deletionTimestamp) error = await this.#manage(key, owner, claimed);
    const nowMs = this.context.clock.now();
    const status = this.#status(owner, claimed, { terminating: terminating.length, error, nowMs });
    await this.#writeStatus(owner, status);
    if (error !== undefined) throw error;
    const minReadySeconds = owner.spec.minReadySeconds ?? 0;
    if (minReadySeconds > 0 && (status.readyReplicas ?? 0) !== (status.availableReplicas ?? 0)) {
      const waitMs = msUntilNextAvailable(claimed, minReadySeconds, nowMs) ?? minReadySeconds * 1000;
      this.queue.addAfter(key, waitMs);
    }
  }

  /** Creates or deletes pods; gives back the first error. */
  async #manage(key: string, owner: T, pods: readonly Pod[]): Promise<unknown> {
    const missing = (owner.spec.replicas ?? 1) - pods.length;
    if (missing > 0) return this.#create(key, owner, Math.min(missing, burst));
    if (missing < 0) return this.#delete(key, owner, this.#chooseForDeletion(owner, pods, Math.min(-missing, burst)));
    return undefined;
  }

  async #create(key: string, owner: T, count: number): Promise<unknown> {
    const template = owner.spec.template;
    if (!template) return undefined;
    const reference = controllerReference(owner, this.#options.resource);
    this.#expectations.expect(key, count);
    const { successes, error } = await slowStart(count, async () => {
      try {
        await createPod(this.context, owner, podFromTemplate(template, owner.metadata.name, reference));
      } catch (failure) {
        if (!isNamespaceTerminating(failure)) throw failure;
      }
    });
    this.#expectations.creationObserved(key, count - successes);
    return error;
  }

  #chooseForDeletion(owner: T, pods: readonly Pod[], count: number): readonly Pod[] {
    if (count >= pods.length) return pods;
    const reference = controllerOf(owner);
    const siblings = reference ? this.#owners.byIndex(siblingsIndex, reference.uid) : [];
    const related = new Set<Pod>();
    for (const sibling of siblings) {
      const matcher = this.#options.matcher(sibling);
      for (const pod of this.#pods.byIndex(podsByController.name, sibling.metadata.uid ?? '')) {
        if (matcher(pod.metadata.labels)) related.add(pod);
      }
    }
    return rankForDeletion(pods, related, this.context.clock.now()).slice(0, count);
  }

  async #delete(key: string, owner: T, pods: readonly Pod[]): Promise<unknown> {
    this.#expectations.expect(
      key,
      0,
      pods.map(pod => pod.metadata.uid ?? ''),
    );
    const results = await Promise.allSettled(
      pods.map(async pod => {
        try {
          await deletePod(this.context, owner, pod.metadata.name);
        } catch (error) {
          // No informer will see this one.
          this.#expectations.deletionObserved(key, pod.metadata.uid ?? '');
          if (!isStatusError(error, 'NotFound')) throw error;
        }
      }),
    );
    const failed = results.find(result => result.status === 'rejected');
    return failed?.reason as unknown;
  }

  #status(
    owner: T,
    pods: readonly Pod[],
    found: { readonly terminating: number; readonly error: unknown; readonly nowMs: number },
  ): ReplicaSetStatus {
    const templateLabels = owner.spec.template?.metadata?.labels;
    const minReadySeconds = owner.spec.minReadySeconds ?? 0;
    const ready = pods.filter(isPodReady);
    const known = owner.status?.conditions;
    const failure = findCondition(known, 'ReplicaFailure');
    let conditions = known;
    if (found.error !== undefined && !failure) {
      const surplus = pods.length - (owner.spec.replicas ?? 1);
      conditions = withCondition(known, {
        type: 'ReplicaFailure',
        status: 'True',
        lastTransitionTime: formatTime(found.nowMs),
        reason: surplus < 0 ? 'FailedCreate' : 'FailedDelete',
        message: errorText(found.error),
      });
    } else if (found.error === undefined && failure) conditions = withoutCondition(known, 'ReplicaFailure');
    return withoutUndefined<ReplicaSetStatus>({
      replicas: pods.length,
      fullyLabeledReplicas: nonZero(pods.filter(pod => labelsContain(pod.metadata.labels, templateLabels)).length),
      readyReplicas: nonZero(ready.length),
      availableReplicas: nonZero(ready.filter(pod => isPodAvailable(pod, minReadySeconds, found.nowMs)).length),
      terminatingReplicas: this.#options.reportsTerminating ? found.terminating : undefined,
      observedGeneration: owner.metadata.generation,
      conditions,
    });
  }

  async #writeStatus(owner: T, status: ReplicaSetStatus): Promise<void> {
    if (jsonEqual(owner.status, status)) return;
    const { namespace, name } = owner.metadata;
    const owners = this.context.client.resource(this.#options.resource, namespace);
    const write = (current: T): Promise<T> =>
      owners.updateStatus(
        name,
        produce(current, draft => void (draft.status = status)),
      );
    try {
      await write(owner);
    } catch (error) {
      if (!isStatusError(error, 'Conflict')) throw error;
      const fresh = await owners.get(name);
      if (fresh.metadata.uid !== owner.metadata.uid) throw error;
      await write(fresh);
    }
  }
}
