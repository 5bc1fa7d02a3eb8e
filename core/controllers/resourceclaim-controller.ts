import { Pods, ResourceClaims, ResourceClaimTemplates } from '../api/generated/resources.js';
import type {
  Pod,
  PodResourceClaim,
  ResourceClaim,
  ResourceClaimConsumerReference,
  ResourceClaimTemplate,
} from '../api/generated/types.js';
import { withoutUndefined } from '../api/objects.js';
import { isPodFinished } from '../api/pods.js';
import {
  claimFinalizer,
  foreignClaimFault,
  isReservedFor,
  podClaimName,
  podClaimNameAnnotation,
} from '../api/resource-claims.js';
import { CodedError, errorText } from '../base/errors.js';
import { keyOf, objectKey, splitObjectKey } from '../client/entries.js';
import type { ResourceClient } from '../client/client.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Latest } from './latest.js';
import { claimsByPod, owningPod, podsByClaimTemplate, podsByResourceClaim } from './pod-resource-claims.js';
import { Reconciler } from './reconciler.js';

const fieldManager = 'ResourceClaimController';
/** So that a hyphen and five characters are left of the longest name. */
const longestBase = 57;
/** Pods that are known to be gone. */
const rememberedPods = 500;

/**
 * Makes claims of pods from templates, reserves claims for pods that were bound without the scheduler, and frees and deletes claims
 * that no pod uses any more. Source: pkg/controller/resourceclaim, KEP-4381.
 */
class ResourceClaimController extends Reconciler {
  readonly #pods: Informer<Pod>;
  readonly #claims: Latest<ResourceClaim>;
  readonly #templates: Informer<ResourceClaimTemplate>;
  /** Made and not seen yet, by uid. */
  readonly #created = new Map<string, ResourceClaim>();
  readonly #gonePods = new Set<string>();

  constructor(context: ControllerContext) {
    super(context, { name: 'resourceclaim-controller' });
    const { informers } = context;
    this.#pods = informers.informer(Pods);
    this.#claims = new Latest(informers.informer(ResourceClaims));
    this.#templates = informers.informer(ResourceClaimTemplates);
  }

  protected override register(): void {
    const claims = this.#claims.informer;
    this.#pods.addIndex(podsByResourceClaim.name, podsByResourceClaim.keys);
    this.#pods.addIndex(podsByClaimTemplate.name, podsByClaimTemplate.keys);
    claims.addIndex(claimsByPod.name, claimsByPod.keys);
    this.watch(this.#pods, {
      added: ({ object }) => this.#enqueuePod(object),
      updated: (_previous, { object }) => this.#enqueuePod(object),
      deleted: ({ object }) => {
        if (!usesClaims(object)) return;
        this.#rememberGone(object.metadata.uid ?? '');
        this.#enqueueClaimsOf(object);
      },
    });
    const seen = (entry: ObjectEntry<ResourceClaim>): void => {
      this.#claims.seen(entry);
      this.#created.delete(entry.uid);
      this.queue.add(`claim:${keyOf(entry)}`);
      this.#enqueueUsers(entry);
    };
    this.watch(claims, {
      added: seen,
      updated: (_previous, next) => seen(next),
      deleted: entry => {
        this.#claims.gone(entry);
        this.#enqueueUsers(entry);
      },
    });
    const changed = (entry: ObjectEntry<ResourceClaimTemplate>): void => {
      for (const pod of this.#pods.byIndex(podsByClaimTemplate.name, keyOf(entry))) this.#enqueuePod(pod);
    };
    this.watch(this.#templates, { added: changed, updated: (_previous, next) => changed(next) });
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key.slice(key.indexOf(':') + 1));
    if (key.startsWith('pod:')) await this.#syncPod(namespace, name);
    else await this.#syncClaim(namespace, name);
  }

  #rememberGone(uid: string): void {
    this.#gonePods.add(uid);
    if (this.#gonePods.size > rememberedPods) this.#gonePods.delete(this.#gonePods.values().next().value!);
  }

  #enqueueUsers(entry: ObjectEntry<ResourceClaim>): void {
    for (const pod of this.#pods.byIndex(podsByResourceClaim.name, keyOf(entry))) this.#enqueuePod(pod);
  }

  #enqueuePod(pod: Pod): void {
    if (!usesClaims(pod)) return;
    if (isDone(pod)) this.#enqueueClaimsOf(pod);
    if (this.#needsWork(pod)) this.queue.add(`pod:${keyOf(pod)}`);
  }

  #enqueueClaimsOf(pod: Pod): void {
    for (const key of podsByResourceClaim.keys(pod)) this.queue.add(`claim:${key}`);
    const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
    if (extended) this.queue.add(`claim:${objectKey(pod.metadata.namespace, extended)}`);
  }

  #needsWork(pod: Pod): boolean {
    // A finished pod would get its claim anew as often as that is deleted.
    if (pod.metadata.deletionTimestamp || isPodFinished(pod)) return false;
    return (pod.spec.resourceClaims ?? []).some(entry => {
      const named = podClaimName(pod, entry);
      if ('fault' in named) return true;
      if (named.name === undefined) return false;
      const claim = this.#claims.get(pod.metadata.namespace ?? '', named.name);
      if (!claim) return entry.resourceClaimTemplateName !== undefined;
      if (named.isGenerated && foreignClaimFault(pod, claim) !== undefined) return false;
      return needsReservation(pod, claim);
    });
  }

  async #syncPod(namespace: string, name: string): Promise<void> {
    const pod = this.#pods.get(namespace, name);
    if (!pod || pod.metadata.deletionTimestamp || isPodFinished(pod)) return;
    const made: { readonly name: string; readonly resourceClaimName: string }[] = [];
    for (const entry of pod.spec.resourceClaims ?? []) {
      try {
        const claim = await this.#ensureClaim(pod, entry);
        if (claim) made.push({ name: entry.name, resourceClaimName: claim.metadata.name });
      } catch (error) {
        const text = `PodResourceClaim ${entry.name}: ${errorText(error)}`;
        this.context.recorder.event(pod, 'Warning', 'FailedResourceClaimCreation', text);
        throw error;
      }
    }
    if (made.length > 0) {
      const status = { resourceClaimStatuses: made };
      const patch = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, status };
      const pods = this.context.client.resource(Pods, namespace).subresource<Pod>('status');
      await pods.patch(name, 'apply', patch, { fieldManager, force: true });
    }
    if (pod.spec.nodeName) await this.#reserve(pod);
  }

  /** For pods that somebody bound without asking the scheduler. */
  async #reserve(pod: Pod): Promise<void> {
    const { namespace = '', name, uid } = pod.metadata;
    for (const entry of pod.spec.resourceClaims ?? []) {
      const named = podClaimName(pod, entry);
      // The pod comes back with its status.
      if ('fault' in named || named.name === undefined) continue;
      const claim = this.#claims.get(namespace, named.name);
      if (!claim) return;
      const fault = named.isGenerated ? foreignClaimFault(pod, claim) : undefined;
      if (fault !== undefined) throw new CodedError('CLAIM_TAKEN', fault);
      if (!needsReservation(pod, claim)) continue;
      const reserved = produce(claim, draft => {
        draft.status.reservedFor = [...(draft.status.reservedFor ?? []), { resource: 'pods', name, uid: uid! }];
      });
      this.#claims.written(await this.#of(claim).updateStatus(claim.metadata.name, reserved));
    }
  }

  /** The claim that the pod's status is to name; undefined where it does so already or none is made. */
  async #ensureClaim(pod: Pod, entry: PodResourceClaim): Promise<ResourceClaim | undefined> {
    const { namespace = '' } = pod.metadata;
    const named = podClaimName(pod, entry);
    if ('fault' in named) {
      if (named.fault === 'unsupported')
        throw new CodedError('CLAIM_UNSUPPORTED', `checking for claim before creating it: ${named.text}`);
    } else {
      if (named.name === undefined) return undefined;
      const known = this.#claims.get(namespace, named.name);
      if (known && !(named.isGenerated && foreignClaimFault(pod, known) !== undefined)) return undefined;
    }
    const templateName = entry.resourceClaimTemplateName;
    if (templateName === undefined) return undefined;
    return this.#madeFor(pod, entry) ?? (await this.#create(pod, entry, templateName));
  }

  /** Made in an earlier round that did not get as far as the pod's status. */
  #madeFor({ metadata }: Pod, { name }: PodResourceClaim): ResourceClaim | undefined {
    const { uid = '' } = metadata;
    const made = [...this.#created.values()].filter(claim => owningPod(claim)?.uid === uid);
    const known = this.#claims.informer.byIndex(claimsByPod.name, uid);
    return [...known, ...made].find(claim => claim.metadata.annotations?.[podClaimNameAnnotation] === name);
  }

  async #create(pod: Pod, { name }: PodResourceClaim, templateName: string): Promise<ResourceClaim> {
    const { namespace = '', uid } = pod.metadata;
    const template = this.#templates.get(namespace, templateName);
    if (!template) {
      const missing = `resourceclaimtemplate.resource.k8s.io "${templateName}" not found`;
      throw new CodedError('CLAIM_TEMPLATE_MISSING', `resource claim template "${templateName}": ${missing}`);
    }
    const { annotations, labels } = template.spec.metadata ?? {};
    const metadata = withoutUndefined({
      generateName: generatedBase(pod.metadata.name, name),
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid, controller: true }],
      annotations: { ...annotations, [podClaimNameAnnotation]: name },
      labels,
    });
    const { spec } = template.spec;
    const claim = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata, spec, status: {} };
    try {
      const created = await this.context.client.resource(ResourceClaims, namespace).create(claim as unknown as ResourceClaim);
      if (!this.#claims.informer.get(namespace, created.metadata.name)) this.#created.set(created.metadata.uid!, created);
      return created;
    } catch (error) {
      throw new CodedError('CLAIM_NOT_CREATED', `create ResourceClaim : ${errorText(error)}`, { cause: error });
    }
  }

  async #syncClaim(namespace: string, name: string): Promise<void> {
    const claim = this.#claims.get(namespace, name);
    if (!claim) return;
    const consumers = claim.status.reservedFor ?? [];
    const remaining: ResourceClaimConsumerReference[] = [];
    for (const consumer of consumers) if (await this.#isStillThere(namespace, consumer)) remaining.push(consumer);
    const isHeld = claim.metadata.finalizers?.includes(claimFinalizer) ?? false;
    if (remaining.length < consumers.length) {
      const freed = await this.#writeStatus(claim, remaining, isHeld && remaining.length === 0);
      if (!freed.status.allocation) await this.#release(freed);
    } else if (isHeld && claim.metadata.deletionTimestamp && remaining.length === 0)
      await this.#release(claim.status.allocation ? await this.#writeStatus(claim, [], true) : claim);
    if (remaining.length === 0) await this.#deleteUnused(claim);
  }

  /** Whether a consumer may use the claim still. Of others than pods nothing is known. */
  async #isStillThere(
    namespace: string,
    { apiGroup = '', resource, name, uid }: ResourceClaimConsumerReference,
  ): Promise<boolean> {
    if (apiGroup !== '' || resource !== 'pods') return true;
    if (this.#gonePods.has(uid)) return false;
    const known = this.#pods.get(namespace, name);
    if (known) return known.metadata.uid === uid && !isDone(known);
    // The scheduler may be faster than the informer.
    try {
      const pod = await this.context.client.resource(Pods, namespace).get(name);
      return pod.metadata.uid === uid;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return false;
      throw error;
    }
  }

  async #writeStatus(
    claim: ResourceClaim,
    reservedFor: ResourceClaimConsumerReference[],
    deallocates: boolean,
  ): Promise<ResourceClaim> {
    const next = produce(claim, draft => {
      if (reservedFor.length > 0) draft.status.reservedFor = reservedFor;
      else delete draft.status.reservedFor;
      if (deallocates) delete draft.status.allocation;
    });
    return this.#claims.written(await this.#of(claim).updateStatus(claim.metadata.name, next));
  }

  /** Without an allocation nothing has to be kept. */
  async #release(claim: ResourceClaim): Promise<void> {
    const { finalizers = [], name } = claim.metadata;
    if (!finalizers.includes(claimFinalizer)) return;
    const next = produce(claim, draft => {
      draft.metadata.finalizers = finalizers.filter(finalizer => finalizer !== claimFinalizer);
    });
    const released = await this.#of(claim).update(name, next);
    // The last finalizer of a claim that was deleted takes it along.
    if (!claim.metadata.deletionTimestamp) this.#claims.written(released);
  }

  /** A claim that was made for a pod goes when the pod is done, which may be long before the pod goes. */
  async #deleteUnused(claim: ResourceClaim): Promise<void> {
    const { namespace = '', name, uid } = claim.metadata;
    const owner = owningPod(claim);
    const pod = owner && this.#pods.get(namespace, owner.name);
    // The garbage collector sees to what belongs to pods that are gone.
    if (!pod || (pod.metadata.uid === owner.uid && !isDone(pod)) || claim.metadata.deletionTimestamp) return;
    await this.#of(claim).delete(name, { preconditions: { uid } });
  }

  #of({ metadata }: ResourceClaim): ResourceClient<ResourceClaim> {
    return this.context.client.resource(ResourceClaims, metadata.namespace);
  }
}

function usesClaims({ spec, status }: Pod): boolean {
  return Boolean(spec.resourceClaims?.length || status?.extendedResourceClaimStatus);
}

/** None of its containers runs or ever will. */
function isDone(pod: Pod): boolean {
  return isPodFinished(pod) || (pod.metadata.deletionTimestamp !== undefined && !pod.spec.nodeName);
}

function needsReservation(pod: Pod, claim: ResourceClaim): boolean {
  return Boolean(pod.spec.nodeName) && claim.status.allocation !== undefined && !isReservedFor(claim, pod.metadata.uid);
}

/** Of both names something is left where they are long. */
function generatedBase(podName: string, entryName: string): string {
  const base = `${podName}-${entryName}-`;
  if (base.length <= longestBase) return base;
  const cut = (name: string): string => name.slice(0, Math.trunc((name.length * longestBase) / base.length));
  return `${cut(podName)}-${cut(entryName)}`;
}

export const resourceclaimController: ControllerDescriptor = {
  name: 'resourceclaim-controller',
  serviceAccount: 'resource-claim-controller',
  component: 'resource_claim',
  create: context => new ResourceClaimController(context),
};
