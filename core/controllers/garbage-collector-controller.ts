import { sleep } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { CodedError, errorCode } from '../base/errors.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { ResourceClient } from '../client/client.js';
import { WorkQueue } from '../client/work-queue.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import type { CataloguedResource } from '../contracts/resource-catalogue.js';
import { formatApiVersion, jsonEqual } from '../machinery/object.js';
import type { KubeObject, OwnerReference } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { Controller, ControllerContext, ControllerDescriptor } from './controller.js';
import { OwnershipGraph, foregroundFinalizer, identityOf, orphanFinalizer } from './ownership-graph.js';
import type { GraphNode, Identity } from './ownership-graph.js';
import { silentGroups } from './silent-groups.js';

const workers = 10;
const resyncMs = 30_000;
/** Work begins after so long even where some resource cannot be listed. */
const initialSyncMs = 30_000;
const conflictTries = 4;
const ignored = new Set(['/events', 'events.k8s.io/events']);

interface Monitor {
  readonly informer: Informer<KubeObject>;
  readonly registration: Disposable;
}

/**
 * Deletes objects whose owners are all gone, after or before these as their deletion asks for.
 * Source: pkg/controller/garbagecollector.
 */
class GarbageCollectorController implements Controller {
  readonly #context: ControllerContext;
  readonly #stopping = new AbortController();
  readonly #deletions: WorkQueue<GraphNode>;
  readonly #orphanings: WorkQueue<GraphNode>;
  readonly #graph: OwnershipGraph;
  readonly #monitors = new Map<string, Monitor>();
  #kinds = new Map<string, ResourceReference<KubeObject>>();
  #running: Promise<void>[] = [];
  #timer: Disposable | undefined;
  #changes: Disposable | undefined;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#deletions = new WorkQueue({ clock: context.clock });
    this.#orphanings = new WorkQueue({ clock: context.clock });
    this.#graph = new OwnershipGraph({
      attemptToDelete: node => this.#deletions.add(node),
      attemptToDeleteLater: node => this.#deletions.addRateLimited(node),
      attemptToOrphan: node => this.#orphanings.add(node),
      invalidNamespace: (dependent, owner) =>
        context.recorder.event(
          dependent,
          'Warning',
          'OwnerRefInvalidNamespace',
          `ownerRef ${describe(owner)} does not exist in namespace ${JSON.stringify(dependent.namespace)}`,
        ),
    });
  }

  async start(): Promise<void> {
    this.#syncMonitors();
    this.#changes = this.#context.environment.catalogue.onChange?.(() => this.#syncMonitors());
    const synced = Array.from(this.#monitors.values(), ({ informer }) => informer.whenSynced(this.#stopping.signal));
    const timeout = new AbortController();
    const patience = sleep(this.#context.clock, initialSyncMs, AbortSignal.any([timeout.signal, this.#stopping.signal]));
    try {
      await Promise.race([Promise.all(synced), patience]);
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error;
    } finally {
      timeout.abort();
      for (const promise of [...synced, patience]) promise.catch(() => undefined);
    }
    if (this.#stopping.signal.aborted) return;
    for (let worker = 0; worker < workers; worker++) {
      this.#running.push(this.#work(this.#deletions, node => this.#tryToDelete(node)));
      this.#running.push(this.#work(this.#orphanings, node => this.#orphan(node)));
    }
    this.#resyncLater();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#timer?.dispose();
    await this.#changes?.dispose();
    for (const { registration } of this.#monitors.values()) await registration.dispose();
    this.#monitors.clear();
    await Promise.all([this.#deletions.shutDown(), this.#orphanings.shutDown()]);
    await Promise.all(this.#running);
  }

  #resyncLater(): void {
    this.#timer = this.#context.clock.setTimer(resyncMs, () => {
      if (this.#stopping.signal.aborted) return;
      this.#syncMonitors();
      this.#resyncLater();
    });
  }

  /** Watches what the catalogue has, in one version each, and no more. */
  #syncMonitors(): void {
    const wanted = new Map<string, ResourceReference>();
    for (const { reference, verbs } of this.#readKinds()) {
      const key = `${reference.group}/${reference.resource}`;
      if (ignored.has(key) || wanted.has(key)) continue;
      if (['delete', 'list', 'watch'].every(verb => verbs.includes(verb))) wanted.set(key, reference);
    }
    const silent = silentGroups(this.#context.environment.catalogue);
    for (const [key, { registration, informer }] of this.#monitors) {
      if (silent.has(informer.resource.group)) continue;
      // A version that is served no more tells of nothing, though the next one has the same objects.
      if (wanted.has(key) && this.#kinds.has(kindKey(informer.resource))) continue;
      void registration.dispose();
      this.#monitors.delete(key);
      this.#context.informers.release(informer.resource);
    }
    for (const [key, reference] of wanted) {
      if (!this.#monitors.has(key)) this.#monitors.set(key, this.#monitor(reference as ResourceReference<KubeObject>));
    }
  }

  #readKinds(): readonly CataloguedResource[] {
    const resources = this.#context.environment.catalogue.resources();
    this.#kinds = new Map(resources.map(({ reference }) => [kindKey(reference), reference as ResourceReference<KubeObject>]));
    return resources;
  }

  #monitor(reference: ResourceReference<KubeObject>): Monitor {
    const informer = this.#context.informers.informer(reference);
    const coordinates = { apiVersion: formatApiVersion(reference), kind: reference.kind };
    const identity = ({ namespace, name, uid }: ObjectEntry<KubeObject>): Identity => ({ ...coordinates, namespace, name, uid });
    const observe = (entry: ObjectEntry<KubeObject>): void => {
      const { ownerReferences = [], finalizers = [], deletionTimestamp } = entry.object.metadata;
      this.#graph.observe({
        identity: identity(entry),
        owners: ownerReferences,
        finalizers,
        beingDeleted: deletionTimestamp !== undefined,
      });
    };
    const registration = informer.addHandler({
      added: observe,
      updated: (_previous, entry) => observe(entry),
      deleted: entry => this.#graph.remove(identity(entry)),
    });
    return { informer, registration };
  }

  async #work(queue: WorkQueue<GraphNode>, attempt: (node: GraphNode) => Promise<boolean>): Promise<void> {
    for (;;) {
      const node = await queue.take();
      if (!node) return;
      try {
        if (await attempt(node)) queue.forget(node);
        else queue.addRateLimited(node);
      } catch (error) {
        const quiet = errorCode(error) === 'NO_SUCH_KIND' || isStatusError(error, 'Conflict');
        this.#context.logger[quiet ? 'debug' : 'warn']('garbage not collected, trying again', {
          object: describe(node.identity),
          error,
        });
        queue.addRateLimited(node);
      } finally {
        queue.done(node);
      }
    }
  }

  /** Resolves false when the node must be looked at again. */
  async #tryToDelete(node: GraphNode): Promise<boolean> {
    if (node.virtual && this.#graph.node(node.identity.uid) !== node) return true;
    const { identity } = node;
    if (node.beingDeleted && !node.deletingDependents) return true;
    const live = await this.#live(identity);
    if (live === 'impossible') return true;
    if (live?.metadata.uid !== identity.uid) {
      this.#graph.forget(identity);
      return true;
    }
    if (node.deletingDependents) {
      await this.#finishForeground(node);
      return true;
    }
    const owners = live.metadata.ownerReferences ?? [];
    // An owner that nobody has seen through an informer is asked about until that happens.
    if (owners.length === 0) return !node.virtual;
    const found = await this.#classify(identity, owners);
    if (!found) return true;
    const { solid, dangling, waiting } = found;
    if (solid.length > 0) {
      const uids = [...dangling, ...waiting].map(owner => owner.uid);
      if (uids.length > 0) await this.#removeOwners(identity, uids);
      return !node.virtual;
    }
    if (waiting.length > 0 && node.dependents.size > 0) {
      // A dependent in the same state may be the start of a circle, in which each would wait for the other.
      if ([...node.dependents].some(dependent => dependent.deletingDependents)) await this.#unblockOwners(node);
      await this.#delete(identity, live, 'Foreground');
      return !node.virtual;
    }
    const { finalizers = [] } = live.metadata;
    const policy = finalizers.includes(orphanFinalizer)
      ? 'Orphan'
      : finalizers.includes(foregroundFinalizer)
        ? 'Foreground'
        : 'Background';
    await this.#delete(identity, live, policy);
    return !node.virtual;
  }

  async #finishForeground(node: GraphNode): Promise<void> {
    const blocking = node.blockingDependents();
    if (blocking.length === 0) {
      await this.#removeFinalizer(node.identity, foregroundFinalizer);
      return;
    }
    for (const dependent of blocking) if (!dependent.deletingDependents) this.#deletions.add(dependent);
  }

  /** Undefined when the references make no sense: a cluster-scoped object cannot have a namespaced owner. */
  async #classify(
    item: Identity,
    owners: readonly OwnerReference[],
  ): Promise<{ solid: OwnerReference[]; dangling: OwnerReference[]; waiting: OwnerReference[] } | undefined> {
    const solid: OwnerReference[] = [];
    const dangling: OwnerReference[] = [];
    const waiting: OwnerReference[] = [];
    for (const reference of owners) {
      const clusterWide = identityOf(reference, '');
      const local = identityOf(reference, item.namespace);
      if (this.#graph.isAbsent(clusterWide) || this.#graph.isAbsent(local)) {
        dangling.push(reference);
        continue;
      }
      const resource = this.#resource(reference);
      if (resource.namespaced && !item.namespace) return undefined;
      const owner = await this.#find(this.#client(resource, item.namespace), reference.name);
      if (owner?.metadata.uid !== reference.uid) {
        this.#graph.addAbsent(resource.namespaced ? local : clusterWide);
        dangling.push(reference);
      } else if (owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes(foregroundFinalizer)) {
        waiting.push(reference);
      } else solid.push(reference);
    }
    return { solid, dangling, waiting };
  }

  /** Takes the owner out of its dependents' references, then its own finalizer. */
  async #orphan(owner: GraphNode): Promise<boolean> {
    const results = await Promise.allSettled(
      Array.from(owner.dependents, dependent => this.#removeOwners(dependent.identity, [owner.identity.uid])),
    );
    const errors = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []));
    const real = errors.filter(error => !isStatusError(error, 'NotFound'));
    if (real.length > 0) throw new AggregateError(real, `dependents of ${describe(owner.identity)} were not orphaned`);
    await this.#removeFinalizer(owner.identity, orphanFinalizer);
    return true;
  }

  async #removeOwners(item: Identity, uids: readonly string[]): Promise<void> {
    const deletions = uids.map(uid => ({ $patch: 'delete', uid }));
    await this.#patchOwners(item, deletions, owners => owners.filter(owner => !uids.includes(owner.uid)));
  }

  async #unblockOwners(node: GraphNode): Promise<void> {
    const unblocked = node.owners
      .filter(owner => owner.blockOwnerDeletion)
      .map(owner => ({ ...owner, blockOwnerDeletion: false }));
    await this.#patchOwners(node.identity, unblocked, owners =>
      owners.map(owner => (owner.blockOwnerDeletion ? { ...owner, blockOwnerDeletion: false } : owner)),
    );
  }

  /** A strategic patch leaves other writers' references alone; custom resources know only the merge of the whole list. */
  async #patchOwners(
    item: Identity,
    strategic: readonly object[],
    change: (owners: readonly OwnerReference[]) => readonly OwnerReference[],
  ): Promise<void> {
    const client = this.#clientOf(item);
    try {
      await client.patch(item.name, 'strategic', { metadata: { uid: item.uid, ownerReferences: strategic } });
    } catch (error) {
      if (!isStatusError(error, 'UnsupportedMediaType')) throw error;
      const { metadata } = await client.get(item.name);
      const ownerReferences = change(metadata.ownerReferences ?? []);
      await client.patch(item.name, 'merge', {
        metadata: { uid: item.uid, resourceVersion: metadata.resourceVersion, ownerReferences },
      });
    }
  }

  async #removeFinalizer(item: Identity, finalizer: string): Promise<void> {
    const client = this.#clientOf(item);
    for (let tries = 1; ; tries++) {
      const object = await this.#find(client, item.name);
      if (!object?.metadata.finalizers?.includes(finalizer)) return;
      const { resourceVersion } = object.metadata;
      const finalizers = object.metadata.finalizers.filter(known => known !== finalizer);
      try {
        await client.patch(item.name, 'merge', { metadata: { resourceVersion, finalizers } });
        return;
      } catch (error) {
        if (isStatusError(error, 'NotFound')) return;
        if (!isStatusError(error, 'Conflict') || tries >= conflictTries) throw error;
      }
    }
  }

  async #delete(item: Identity, live: KubeObject, propagationPolicy: 'Orphan' | 'Foreground' | 'Background'): Promise<void> {
    const client = this.#clientOf(item);
    const { uid } = item;
    const { resourceVersion, ownerReferences } = live.metadata;
    try {
      try {
        await client.delete(item.name, { propagationPolicy, preconditions: { uid, resourceVersion } });
      } catch (error) {
        if (!isStatusError(error, 'Conflict')) throw error;
        // Somebody wrote to it; that matters only when the owners are others now.
        const fresh = await client.get(item.name);
        if (fresh.metadata.uid !== uid || !jsonEqual(fresh.metadata.ownerReferences, ownerReferences)) throw error;
        await client.delete(item.name, { propagationPolicy, preconditions: { uid } });
      }
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
      this.#graph.forget(item);
    }
  }

  async #live(item: Identity): Promise<KubeObject | undefined | 'impossible'> {
    const resource = this.#resource(item);
    // A cluster-scoped object named a namespaced one as its owner.
    if (resource.namespaced && !item.namespace) return 'impossible';
    return this.#find(this.#client(resource, item.namespace), item.name);
  }

  async #find(client: ResourceClient<KubeObject>, name: string): Promise<KubeObject | undefined> {
    try {
      return await client.get(name, { signal: this.#stopping.signal });
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #clientOf(item: Identity): ResourceClient<KubeObject> {
    return this.#client(this.#resource(item), item.namespace);
  }

  #client(resource: ResourceReference<KubeObject>, namespace: string): ResourceClient<KubeObject> {
    return this.#context.client.resource(resource, resource.namespaced ? namespace : undefined);
  }

  #resource({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): ResourceReference<KubeObject> {
    const key = `${apiVersion}/${kind}`;
    if (!this.#kinds.has(key)) this.#readKinds();
    const found = this.#kinds.get(key);
    if (found) return found;
    throw new CodedError('NO_SUCH_KIND', `unable to get REST mapping for ${apiVersion}/${kind}.`);
  }
}

function kindKey(reference: ResourceReference): string {
  return `${formatApiVersion(reference)}/${reference.kind}`;
}

function describe({ apiVersion, kind, namespace, name, uid }: Identity): string {
  return `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
}

export const garbageCollectorController: ControllerDescriptor = {
  name: 'garbage-collector-controller',
  serviceAccount: 'generic-garbage-collector',
  create: context => new GarbageCollectorController(context),
};
