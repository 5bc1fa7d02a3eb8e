import { CodedError, errorText } from '../base/errors.js';
import { PersistentVolumeClaims, Pods } from '../api/generated/resources.js';
import type { PersistentVolumeClaim, Pod, StatefulSet } from '../api/generated/types.js';
import type { Informer } from '../client/informer-types.js';
import { produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext } from './controller.js';
import { claimIsUpToDate, claimOwners, hasForeignController, hasStaleOwner, retentionPolicy } from './statefulset-claims.js';
import * as model from './statefulset-model.js';

/** Creates, mends and deletes the pods of stateful sets together with their claims. Source: stateful_pod_control. */
export class StatefulPodControl {
  readonly #context: ControllerContext;
  readonly #claims: Informer<PersistentVolumeClaim>;

  constructor(context: ControllerContext, claims: Informer<PersistentVolumeClaim>) {
    this.#context = context;
    this.#claims = claims;
  }

  async create(set: StatefulSet, pod: Pod): Promise<void> {
    try {
      await this.#createClaims(set, pod);
    } catch (error) {
      this.#record('Create', set, pod, error);
      throw error;
    }
    let failure: unknown;
    try {
      await this.#context.client.resource(Pods, set.metadata.namespace).create(pod);
    } catch (error) {
      if (isStatusError(error, 'AlreadyExists')) throw error;
      failure = error;
    }
    await this.updateClaims(set, pod);
    this.#record('Create', set, pod, failure);
    if (failure !== undefined) throw failure;
  }

  async delete(set: StatefulSet, pod: Pod): Promise<void> {
    try {
      const options = { preconditions: { uid: pod.metadata.uid } };
      await this.#context.client.resource(Pods, set.metadata.namespace).delete(pod.metadata.name, options);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) {
        this.#record('Delete', set, pod, error);
        throw error;
      }
    }
    this.#record('Delete', set, pod);
  }

  /** Gives a pod its labels, volumes and claims back. */
  async mend(set: StatefulSet, pod: Pod): Promise<void> {
    let failure: unknown;
    try {
      if (!model.storageMatches(set, pod)) await this.#createClaims(set, pod);
      await this.updateClaims(set, pod);
      if (model.identityMatches(set, pod) && model.storageMatches(set, pod)) return;
      const mended = produce(pod, draft => {
        draft.metadata.labels = {
          ...draft.metadata.labels,
          [model.podNameLabel]: pod.metadata.name,
          [model.podIndexLabel]: String(model.ordinalOf(pod)),
        };
        draft.spec.volumes = model.volumesWithClaims(set, pod);
      });
      await this.#context.client.resource(Pods, set.metadata.namespace).update(pod.metadata.name, mended);
    } catch (error) {
      failure = error;
    }
    this.#record('Update', set, pod, failure);
    if (failure !== undefined) throw failure;
  }

  /** Claims may have been deleted under a pod that waits for them. */
  async createMissingClaims(set: StatefulSet, pod: Pod): Promise<void> {
    await this.#createClaims(set, pod);
    await this.updateClaims(set, pod);
  }

  claimsMatchPolicy(set: StatefulSet, pod: Pod): boolean {
    return this.#knownClaims(set, pod).every(claim => claimIsUpToDate(claim, set, pod));
  }

  /** A claim that is to go with an earlier pod of this name: the new pod must wait until it is gone. */
  hasStaleClaim(set: StatefulSet, pod: Pod): boolean {
    return retentionPolicy(set).deletedWhenScaled && this.#knownClaims(set, pod).some(claim => hasStaleOwner(claim, pod, Pods));
  }

  async updateClaims(set: StatefulSet, pod: Pod): Promise<void> {
    for (const claim of this.#knownClaims(set, pod)) {
      const { name, namespace } = claim.metadata;
      if (hasForeignController(claim, set, pod)) {
        const text = `PersistentVolumeClaim ${name} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim`;
        this.#context.recorder.event(set, 'Warning', 'ConflictingController', text);
      }
      if (claimIsUpToDate(claim, set, pod)) continue;
      const draft = produce(claim, d => void (d.metadata.ownerReferences = claimOwners(claim, set, pod)));
      await this.#context.client.resource(PersistentVolumeClaims, namespace).update(name, draft);
    }
  }

  #knownClaims(set: StatefulSet, pod: Pod): PersistentVolumeClaim[] {
    const { namespace = '' } = set.metadata;
    const ordinal = model.ordinalOf(pod);
    return (set.spec.volumeClaimTemplates ?? [])
      .map(template => this.#claims.get(namespace, model.claimName(template, set, ordinal)))
      .filter(claim => claim !== undefined);
  }

  async #createClaims(set: StatefulSet, pod: Pod): Promise<void> {
    const errors: unknown[] = [];
    for (const claim of model.claimsOf(set, pod).values()) {
      const { name, namespace = '' } = claim.metadata;
      const known = this.#claims.get(namespace, name);
      if (known) {
        if (known.metadata.deletionTimestamp) errors.push(new CodedError('CLAIM_TERMINATING', `pvc ${name} is being deleted`));
        continue;
      }
      try {
        await this.#context.client.resource(PersistentVolumeClaims, namespace).create(claim);
        this.#recordClaim(set, pod, name);
      } catch (error) {
        // The informer lags behind: it is there, which is all that is wanted.
        if (isStatusError(error, 'AlreadyExists')) continue;
        this.#recordClaim(set, pod, name, error);
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} claims of ${pod.metadata.name} are missing`);
  }

  #record(verb: 'Create' | 'Update' | 'Delete', set: StatefulSet, pod: Pod, error?: unknown): void {
    const what = `${verb} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
    if (error === undefined) this.#context.recorder.event(set, 'Normal', `Successful${verb}`, `${what} successful`);
    else this.#context.recorder.event(set, 'Warning', `Failed${verb}`, `${what} failed error: ${errorText(error)}`);
  }

  #recordClaim(set: StatefulSet, pod: Pod, claim: string, error?: unknown): void {
    const what = `Create Claim ${claim} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
    if (error === undefined) this.#context.recorder.event(set, 'Normal', 'SuccessfulCreate', `${what} success`);
    else this.#context.recorder.event(set, 'Warning', 'FailedCreate', `${what} failed error: ${errorText(error)}`);
  }
}
