import type { AllocationResult, ResourceClaim } from '../../api/generated/types.js';
import { ResourceClaims } from '../../api/generated/resources.js';
import type { Disposable } from '../../base/disposable.js';
import type { Informer } from '../../client/informer-types.js';
import type { UsedInformers } from '../used-informers.js';
import { HeldDevices } from './held-devices.js';

/**
 * Claims as the scheduler knows them: what it wrote itself counts from the answer on, what it has chosen from the moment of choice,
 * so that no device is given away twice while the informer is behind.
 */
export class DeviceClaims {
  readonly informer: Informer<ResourceClaim>;
  readonly held = new HeldDevices();
  /** Allocations as the informer has them, by uid. */
  readonly #known = new Map<string, AllocationResult>();
  /** Written by us and not seen yet, by uid. */
  readonly #written = new Map<string, ResourceClaim>();
  /** Chosen and not written yet. */
  readonly #pending = new Map<string, AllocationResult>();
  readonly #listeners = new Set<() => void>();
  readonly #onFirst: () => void;
  #hasAny = false;

  /** `onFirst` is called when there is a claim at all: from here on it is worth while to be ready for some. */
  constructor(informers: UsedInformers, onFirst: () => void) {
    this.#onFirst = onFirst;
    this.informer = informers.informer(ResourceClaims);
    this.informer.addHandler({
      added: ({ object }) => this.#seen(object),
      updated: (_previous, { object }) => this.#seen(object),
      deleted: ({ object }) => this.#gone(object),
    });
  }

  /** The newest state known. */
  get(namespace: string, name: string): ResourceClaim | undefined {
    const claim = this.informer.get(namespace, name);
    return (claim && this.#written.get(claim.metadata.uid!)) ?? claim;
  }

  /** Chosen for a pod whose binding is under way. */
  isPending(uid: string): boolean {
    return this.#pending.has(uid);
  }

  choose(uid: string, allocation: AllocationResult): void {
    this.#pending.set(uid, allocation);
    this.#refresh(uid);
  }

  /** The choice was written or given up. False when there was none. */
  settle(uid: string): boolean {
    const wasPending = this.#pending.delete(uid);
    if (wasPending) this.#refresh(uid);
    return wasPending;
  }

  /** As the API answered. Also of claims that the informer does not know yet. */
  wrote(claim: ResourceClaim): void {
    const { namespace = '', name, uid } = claim.metadata;
    const entry = this.informer.entry(namespace, name);
    if (entry && entry.uid === uid && !isOlder(entry.resourceVersion, claim)) return;
    this.#written.set(uid!, claim);
    this.#refresh(uid!);
  }

  /** Calls back at every change of a claim, until disposed of. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => void this.#listeners.delete(listener) };
  }

  #seen(claim: ResourceClaim): void {
    if (!this.#hasAny) {
      this.#hasAny = true;
      this.#onFirst();
    }
    const { uid = '', resourceVersion = '' } = claim.metadata;
    const { allocation } = claim.status;
    if (allocation) this.#known.set(uid, allocation);
    else this.#known.delete(uid);
    const written = this.#written.get(uid);
    if (written && !isOlder(resourceVersion, written)) this.#written.delete(uid);
    this.#refresh(uid);
    for (const listener of [...this.#listeners]) listener();
  }

  #gone({ metadata: { uid = '' } }: ResourceClaim): void {
    this.#known.delete(uid);
    this.#written.delete(uid);
    this.#refresh(uid);
    for (const listener of [...this.#listeners]) listener();
  }

  #refresh(uid: string): void {
    const written = this.#written.get(uid);
    const current = written ? written.status.allocation : this.#known.get(uid);
    this.held.set(uid, current ?? this.#pending.get(uid));
  }
}

/** Versions of one datastore are numbers that rise. */
function isOlder(resourceVersion: string, than: ResourceClaim): boolean {
  return BigInt(resourceVersion) < BigInt(than.metadata.resourceVersion ?? '0');
}
