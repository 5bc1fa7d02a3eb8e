import { Deployments, Pods, ReplicaSets } from '../api/generated/resources.js';
import type { Deployment, Pod, ReplicaSet } from '../api/generated/types.js';
import { isEmptySelector, selectorMatcher } from '../api/labels.js';
import { controllerOf } from '../api/owners.js';
import { podsByController } from '../api/pods.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual, produce } from '../machinery/object.js';
import { claimObjects } from './claim.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { DeploymentRollout } from './deployment-rollout.js';
import { isNamespaceTerminating } from './pod-control.js';
import { Reconciler } from './reconciler.js';

const maximumRetries = 15;

/** Keeps a Deployment's replica sets as its template and strategy ask. Source: pkg/controller/deployment. */
export class DeploymentReconciler extends Reconciler {
  readonly #deployments: Informer<Deployment>;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pods: Informer<Pod>;

  constructor(context: ControllerContext) {
    super(context, { name: deploymentController.name, maximumRetries });
    this.#deployments = context.informers.informer(Deployments);
    this.#sets = context.informers.informer(ReplicaSets);
    this.#pods = context.informers.informer(Pods);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByController.name, podsByController.keys);
    this.watch(this.#deployments, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (_previous, entry) => this.queue.add(keyOf(entry)),
      deleted: entry => this.queue.add(keyOf(entry)),
    });
    this.watch(this.#sets, {
      added: entry => this.#setChanged(entry.object),
      updated: (previous, entry) => this.#setUpdated(previous, entry),
      deleted: entry => this.#enqueueOwner(entry.object),
    });
    this.watch(this.#pods, { deleted: entry => this.#podDeleted(entry.object) });
  }

  #ownerOf(set: ReplicaSet): Deployment | undefined {
    const reference = controllerOf(set);
    if (reference?.kind !== Deployments.kind) return undefined;
    const deployment = this.#deployments.get(set.metadata.namespace ?? '', reference.name);
    return deployment?.metadata.uid === reference.uid ? deployment : undefined;
  }

  #enqueueOwner(set: ReplicaSet): void {
    const deployment = this.#ownerOf(set);
    if (deployment) this.queue.add(keyOf(deployment));
  }

  #setChanged(set: ReplicaSet): void {
    if (controllerOf(set)) return this.#enqueueOwner(set);
    if (set.metadata.deletionTimestamp || !set.metadata.labels) return;
    for (const deployment of this.#deployments.list(set.metadata.namespace)) {
      const { selector } = deployment.spec;
      if (!isEmptySelector(selector) && selectorMatcher(selector)(set.metadata.labels)) this.queue.add(keyOf(deployment));
    }
  }

  #setUpdated(previousEntry: ObjectEntry<ReplicaSet>, entry: ObjectEntry<ReplicaSet>): void {
    if (previousEntry.resourceVersion === entry.resourceVersion) return;
    const previous = previousEntry.object;
    const set = entry.object;
    const referenceChanged = !jsonEqual(controllerOf(previous), controllerOf(set));
    if (referenceChanged) this.#enqueueOwner(previous);
    if (controllerOf(set) || referenceChanged || !jsonEqual(previousEntry.labels, entry.labels)) this.#setChanged(set);
  }

  /** Recreate waits for the last old pod to go, which no replica set tells. */
  #podDeleted(pod: Pod): void {
    const reference = controllerOf(pod);
    if (reference?.kind !== ReplicaSets.kind) return;
    const set = this.#sets.get(pod.metadata.namespace ?? '', reference.name);
    if (!set || set.metadata.uid !== reference.uid) return;
    const deployment = this.#ownerOf(set);
    if (deployment?.spec.strategy.type !== 'Recreate') return;
    this.queue.add(keyOf(deployment));
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const deployment = this.#deployments.get(namespace, name);
    if (!deployment) return;
    if (isEmptySelector(deployment.spec.selector)) return this.#refuse(deployment);
    const matches = selectorMatcher(deployment.spec.selector);
    const sets = await claimObjects<Deployment, ReplicaSet>(this.context, {
      owner: deployment,
      ownerResource: Deployments,
      resource: ReplicaSets,
      objects: this.#sets.list(namespace),
      matches: set => matches(set.metadata.labels),
    });
    const rollout = new DeploymentRollout(this.context, deployment, sets);
    try {
      await rollout.run(set => this.#pods.byIndex(podsByController.name, set.metadata.uid ?? ''));
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      throw error;
    }
    if (rollout.lookAgainAfterMs !== undefined) this.queue.addAfter(key, rollout.lookAgainAfterMs);
  }

  async #refuse(deployment: Deployment): Promise<void> {
    const { namespace, name, generation = 0 } = deployment.metadata;
    const text = 'This deployment is selecting all pods. A non-empty selector is required.';
    this.context.recorder.event(deployment, 'Warning', 'SelectingAll', text);
    if ((deployment.status?.observedGeneration ?? 0) >= generation) return;
    const draft = produce(deployment, d => void (d.status = { ...d.status, observedGeneration: generation }));
    await this.context.client.resource(Deployments, namespace).updateStatus(name, draft);
  }
}

export const deploymentController: ControllerDescriptor = {
  name: 'deployment-controller',
  create: context => new DeploymentReconciler(context),
};
