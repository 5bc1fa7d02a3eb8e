import {
  CSIDrivers,
  CSINodes,
  CSIStorageCapacities,
  DeviceClasses,
  Nodes,
  PersistentVolumeClaims,
  PersistentVolumes,
  Pods,
  ResourceClaims,
  ResourceSlices,
  StorageClasses,
  VolumeAttachments,
} from '../api/generated/resources.js';
import type { Node, Pod } from '../api/generated/types.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { DisposableStore } from '../base/disposable.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { ClusterAction } from '../contracts/scheduler-plugin.js';
import type { ClusterEventResource } from '../contracts/scheduler-plugin.js';
import type { SchedulerCache } from './cache.js';
import { assignedPodAdded, assignedPodDeleted, nodeAdded, nodeChanges, nodeDeleted, podChanges } from './cluster-events.js';
import { isTerminal, podPriority } from './pod-info.js';
import type { SchedulingQueue } from './queue/scheduling-queue.js';
import type { UsedInformers } from './used-informers.js';

export interface EventHandlersOptions {
  readonly informers: UsedInformers;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly schedulerName: string;
  /** A pod that is being bound has gone or is on its way out. */
  readonly onAssumedPodGone: (uid: string) => void;
  readonly onGatedPod: (pod: Pod) => void;
}

const otherResources: readonly (readonly [ClusterEventResource, ResourceReference<unknown>])[] = [
  ['PersistentVolume', PersistentVolumes],
  ['PersistentVolumeClaim', PersistentVolumeClaims],
  ['StorageClass', StorageClasses],
  ['CSINode', CSINodes],
  ['CSIDriver', CSIDrivers],
  ['CSIStorageCapacity', CSIStorageCapacities],
  ['VolumeAttachment', VolumeAttachments],
  ['DeviceClass', DeviceClasses],
  ['ResourceClaim', ResourceClaims],
  ['ResourceSlice', ResourceSlices],
];

/** Keeps cache and queue up with the cluster. */
export class EventHandlers {
  readonly #options: EventHandlersOptions;
  readonly #registrations = new DisposableStore();

  constructor(options: EventHandlersOptions) {
    this.#options = options;
  }

  start(): void {
    const { informers } = this.#options;
    this.#registrations.add(
      informers.informer(Nodes).addHandler({
        added: ({ object }) => this.#nodeAdded(object),
        updated: (previous, next) => this.#nodeUpdated(previous.object, next.object),
        deleted: ({ object }) => this.#nodeDeleted(object),
      }),
    );
    this.#registrations.add(
      informers.informer(Pods).addHandler({
        added: entry => this.#podAdded(entry),
        updated: (previous, next) => this.#podUpdated(previous, next),
        deleted: entry => this.#podDeleted(entry.object),
      }),
    );
    for (const [name, resource] of otherResources) this.#watch(name, resource);
  }

  async stop(): Promise<void> {
    await this.#registrations.dispose();
  }

  #watch(resource: ClusterEventResource, reference: ResourceReference<unknown>): void {
    const { informers, queue } = this.#options;
    // Objects are parsed when somebody waits for the event, and not before.
    const tell = (action: number, previous: ObjectEntry<unknown> | undefined, next: ObjectEntry<unknown> | undefined): void => {
      if (queue.isListening) queue.onEvent({ resource, action }, previous?.object, next?.object);
    };
    this.#registrations.add(
      informers.informer(reference).addHandler({
        added: next => tell(ClusterAction.Add, undefined, next),
        updated: (previous, next) => tell(ClusterAction.UpdateOther, previous, next),
        deleted: previous => tell(ClusterAction.Delete, previous, undefined),
      }),
    );
  }

  #nodeAdded(node: Node): void {
    this.#options.cache.setNode(node);
    this.#options.queue.onEvent(nodeAdded, undefined, node);
  }

  #nodeUpdated(previous: Node, next: Node): void {
    this.#options.cache.setNode(next);
    for (const event of nodeChanges(previous, next)) this.#options.queue.onEvent(event, previous, next);
  }

  #nodeDeleted(node: Node): void {
    this.#options.queue.onEvent(nodeDeleted, node, undefined);
    this.#options.cache.removeNode(node.metadata.name);
  }

  /** Pods that have ended hold nothing: for the scheduler they are not there. */
  #podAdded(entry: ObjectEntry<Pod>): void {
    const pod = entry.object;
    if (isTerminal(pod)) return;
    if (pod.spec.nodeName) this.#placed(pod);
    else if (this.#isOurs(pod)) {
      this.#options.queue.add(entry);
      if (pod.spec.schedulingGates?.length) this.#options.onGatedPod(pod);
    }
  }

  #podUpdated(previous: ObjectEntry<Pod>, next: ObjectEntry<Pod>): void {
    if (previous.uid !== next.uid) {
      this.#podDeleted(previous.object);
      this.#podAdded(next);
      return;
    }
    const { cache, queue } = this.#options;
    const pod = next.object;
    if (isTerminal(pod)) return this.#podDeleted(previous.object);
    const known = cache.pod(next.uid);
    if (known && !known.assumed && pod.spec.nodeName === known.nodeName) {
      // Most updates are statuses, which change nothing here; the older state need not even be parsed.
      if (known.info.refresh(pod)) return;
      cache.setPod(pod);
      if (queue.isListening) for (const event of podChanges(previous.object, pod)) queue.onEvent(event, previous.object, pod);
      return;
    }
    if (pod.spec.nodeName) {
      queue.delete(next.uid);
      this.#placed(pod);
    } else if (this.#isOurs(pod)) this.#waitingUpdated(previous.object, next);
  }

  #waitingUpdated(previous: Pod, entry: ObjectEntry<Pod>): void {
    const { cache, queue, onAssumedPodGone } = this.#options;
    const next = entry.object;
    const uid = next.metadata.uid ?? '';
    if (cache.isAssumed(uid)) {
      if (next.metadata.deletionTimestamp && !previous.metadata.deletionTimestamp) onAssumedPodGone(uid);
      return;
    }
    queue.update(previous, entry);
    const before = previous.status.nominatedNodeName;
    if (before && before !== next.status.nominatedNodeName) this.#nominationGone(previous);
  }

  #podDeleted(pod: Pod): void {
    const { cache, queue, onAssumedPodGone } = this.#options;
    const uid = pod.metadata.uid ?? '';
    if (cache.isAssumed(uid)) {
      queue.delete(uid);
      onAssumedPodGone(uid);
      return;
    }
    if (pod.spec.nodeName || cache.pod(uid)) {
      if (!cache.pod(uid)) return;
      cache.removePod(uid);
      queue.onEvent(assignedPodDeleted, pod, undefined);
      return;
    }
    queue.delete(uid);
    if (pod.status.nominatedNodeName) this.#nominationGone(pod);
  }

  /** Room that was kept for a pod is free again for those that had to yield to it. */
  #nominationGone(pod: Pod): void {
    const priority = podPriority(pod);
    this.#options.queue.onEvent(assignedPodDeleted, pod, undefined, info => info.priority <= priority);
  }

  #placed(pod: Pod): void {
    this.#options.cache.setPod(pod);
    this.#options.queue.onEvent(assignedPodAdded, undefined, pod);
  }

  #isOurs(pod: Pod): boolean {
    return (pod.spec.schedulerName ?? 'default-scheduler') === this.#options.schedulerName;
  }
}
