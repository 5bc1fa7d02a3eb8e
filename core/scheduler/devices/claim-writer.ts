import { Pods, ResourceClaims } from '../../api/generated/resources.js';
import type { Pod, ResourceClaim } from '../../api/generated/types.js';
import { claimFinalizer, isReservedFor } from '../../api/resource-claims.js';
import type { Clock } from '../../base/clock.js';
import { CodedError } from '../../base/errors.js';
import type { Client, ResourceClient } from '../../client/client.js';
import { produce } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import { formatTime } from '../../machinery/time.js';
import type { NodeDevices, PodClaim } from './claim-state.js';
import type { DeviceClaims } from './device-claims.js';

const attempts = 5;

/** Writes what was chosen into claims, and takes it back. */
export class ClaimWriter {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #claims: DeviceClaims;

  constructor(options: { readonly client: Client; readonly clock: Clock; readonly claims: DeviceClaims }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#claims = options.claims;
  }

  /** Records allocation and reservation. Other people's changes are no reason to fail, as long as the claim is still to be had. */
  async bind(entry: PodClaim, pod: Pod, chosen: NodeDevices | undefined, signal: AbortSignal): Promise<void> {
    const initialUid = entry.claim.metadata.uid!;
    try {
      if (entry.isExtended && !entry.claim.metadata.name) entry.claim = await this.#create(chosen?.extendedClaim, signal);
      entry.claim = await this.#reserve(entry, pod, signal);
      this.#claims.wrote(entry.claim);
    } finally {
      this.#claims.settle(initialUid);
    }
    if (entry.isExtended) await this.#tellPod(pod, entry.claim, chosen, signal);
  }

  /** Frees the devices of a claim that nobody else uses, so that others can be tried. */
  async deallocate(claim: ResourceClaim): Promise<void> {
    const freed = produce(claim, draft => {
      draft.status = {};
    });
    this.#claims.wrote(await this.#of(claim).updateStatus(claim.metadata.name, freed));
  }

  /** The pod does not need the claim any more; it may be gone already. */
  async unreserve({ metadata }: ResourceClaim, podUid: string): Promise<void> {
    const patch = { metadata: { uid: metadata.uid }, status: { reservedFor: [{ $patch: 'delete', uid: podUid }] } };
    const claims = this.#client.resource(ResourceClaims, metadata.namespace).subresource<ResourceClaim>('status');
    this.#claims.wrote(await claims.patch(metadata.name, 'strategic', patch));
  }

  /** A claim that was made for a pod's extended resources. */
  async delete(claim: ResourceClaim): Promise<void> {
    const claims = this.#of(claim);
    const { name } = claim.metadata;
    const isHeld = (current: ResourceClaim): boolean => current.metadata.finalizers?.includes(claimFinalizer) ?? false;
    await this.#retried(claim, async current => {
      if (!isHeld(current)) return current;
      const freed = produce(current, draft => {
        draft.metadata.finalizers = draft.metadata.finalizers!.filter(finalizer => finalizer !== claimFinalizer);
      });
      return claims.update(name, freed);
    });
    await claims.delete(name, { preconditions: { uid: claim.metadata.uid } });
  }

  async #create(claim: ResourceClaim | undefined, signal: AbortSignal): Promise<ResourceClaim> {
    if (!claim) throw new CodedError('DEVICE_BINDING', 'extended resource claim not found for node');
    const created = produce(claim, draft => {
      delete draft.metadata.uid;
      draft.status = {};
    });
    return this.#of(claim).create(created, { signal });
  }

  async #reserve({ claim, allocation }: PodClaim, pod: Pod, signal: AbortSignal): Promise<ResourceClaim> {
    const claims = this.#of(claim);
    const { name } = claim.metadata;
    return this.#retried(claim, async current => {
      if (current.metadata.deletionTimestamp) throw fault(claim, 'got deleted in the meantime');
      if (isReservedFor(current, pod.metadata.uid)) return current;
      let latest = current;
      if (allocation) {
        if (current.status.allocation) throw fault(claim, 'got allocated elsewhere in the meantime');
        if (!current.metadata.finalizers?.includes(claimFinalizer)) {
          const held = produce(current, draft => {
            draft.metadata.finalizers = [...(draft.metadata.finalizers ?? []), claimFinalizer];
          });
          latest = await claims.update(name, held, { signal });
        }
      } else if (!current.status.allocation) throw fault(claim, 'got deallocated elsewhere in the meantime');
      const reserved = produce(latest, draft => {
        const { metadata } = pod;
        draft.status.allocation ??= { ...structuredClone(allocation!), allocationTimestamp: formatTime(this.#clock.now()) };
        const consumer = { resource: 'pods', name: metadata.name, uid: metadata.uid! };
        draft.status.reservedFor = [...(draft.status.reservedFor ?? []), consumer];
      });
      return claims.updateStatus(name, reserved, { signal });
    });
  }

  async #tellPod(pod: Pod, claim: ResourceClaim, chosen: NodeDevices | undefined, signal: AbortSignal): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const extendedResourceClaimStatus = { requestMappings: chosen?.mappings ?? [], resourceClaimName: claim.metadata.name };
    const pods = this.#client.resource(Pods, namespace).subresource<Pod>('status');
    await pods.patch(name, 'strategic', { metadata: { uid }, status: { extendedResourceClaimStatus } }, { signal });
  }

  /** With the newest state after a conflict. */
  async #retried(claim: ResourceClaim, write: (current: ResourceClaim) => Promise<ResourceClaim>): Promise<ResourceClaim> {
    let current = claim;
    for (let attempt = 1; ; attempt++) {
      try {
        return await write(current);
      } catch (error) {
        if (attempt === attempts || !isStatusError(error, 'Conflict')) throw error;
        current = await this.#of(claim).get(claim.metadata.name);
        if (current.metadata.uid !== claim.metadata.uid) throw fault(claim, 'got deleted in the meantime');
      }
    }
  }

  #of({ metadata }: ResourceClaim): ResourceClient<ResourceClaim> {
    return this.#client.resource(ResourceClaims, metadata.namespace);
  }
}

function fault({ metadata }: ResourceClaim, text: string): CodedError {
  return new CodedError('DEVICE_BINDING', `claim ${metadata.namespace}/${metadata.name} ${text}`);
}
