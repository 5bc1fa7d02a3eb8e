import { Nodes, PersistentVolumeClaims, PersistentVolumes, Pods } from '../../api/generated/resources.js';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../api/generated/types.js';
import type { Clock } from '../../base/clock.js';
import { CodedError } from '../../base/errors.js';
import type { Client, ResourceClient } from '../../client/client.js';
import type { Informer } from '../../client/informer-types.js';
import { produce } from '../../machinery/object.js';
import { parseQuantity } from '../../machinery/quantity.js';
import { isStatusError } from '../../machinery/status-error.js';
import { LabelMatcher } from '../label-matcher.js';
import type { UsedInformers } from '../used-informers.js';
import { AssumedObjects } from './assumed-objects.js';
import {
  annotationSelectedNode,
  claimClassName,
  claimKey,
  claimNameOf,
  foreignClaimText,
  isFullyBound,
  volumeReaches,
} from './claims.js';
import type { StorageObjects } from './claims.js';
import { boundToClaim, findMatchingVolume, requestedStorage } from './volume-matching.js';

/** The claims of a pod by how far they are. */
export interface PodClaims {
  readonly bound: readonly PersistentVolumeClaim[];
  /** Of classes that wait for the first consumer. */
  readonly delayed: readonly PersistentVolumeClaim[];
  /** Should have been bound by now, or will be without our doing. */
  readonly immediate: readonly PersistentVolumeClaim[];
}

/** What has to be done on a node for a pod's claims. */
export interface NodeVolumes {
  readonly bindings: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[];
  readonly toProvision: readonly PersistentVolumeClaim[];
}

export const volumeReasons = {
  bindConflict: "node(s) didn't find available persistent volumes to bind",
  nodeConflict: "node(s) didn't match PersistentVolume's node affinity",
  notEnoughSpace: 'node(s) did not have enough free storage',
  volumeMissing: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
} as const;

const notProvisioned = 'kubernetes.io/no-provisioner';
const bindTimeoutMs = 600_000;

export interface VolumeBinderOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly informers: UsedInformers;
  readonly storage: StorageObjects;
}

/** Finds, claims and waits for the volumes of pods. Source: kube-scheduler's volume binder. */
export class VolumeBinder {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #storage: StorageObjects;
  readonly #claims: AssumedObjects<PersistentVolumeClaim>;
  readonly #volumes: AssumedObjects<PersistentVolume>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  /** Those who wait for claims and volumes to change. */
  readonly #waiting = new Set<() => void>();

  constructor({ client, clock, informers, storage }: VolumeBinderOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#storage = storage;
    this.#claims = new AssumedObjects(storage.claims);
    this.#volumes = new AssumedObjects(storage.volumes);
    this.#pods = informers.informer(Pods);
    this.#nodes = informers.informer(Nodes);
    const wake = (): void => {
      for (const look of [...this.#waiting]) look();
    };
    storage.claims.addHandler({ added: wake, updated: wake, deleted: wake });
    storage.volumes.addHandler({ added: wake, updated: wake, deleted: wake });
    this.#pods.addHandler({ deleted: wake });
  }

  /** Throws VOLUME_BINDING when a claim or class is not as it should be. */
  claimsOf(pod: Pod): PodClaims {
    const claims = {
      bound: [] as PersistentVolumeClaim[],
      delayed: [] as PersistentVolumeClaim[],
      immediate: [] as PersistentVolumeClaim[],
    };
    for (const volume of pod.spec.volumes ?? []) {
      const name = claimNameOf(pod, volume);
      if (name === undefined) continue;
      const claim = this.#claims.get(pod.metadata.namespace ?? '', name);
      if (!claim) fail(`error getting PVC "${pod.metadata.namespace}/${name}": could not find v1.PersistentVolumeClaim`);
      const foreign = volume.ephemeral && foreignClaimText(pod, claim);
      if (foreign) fail(foreign);
      if (isFullyBound(claim)) claims.bound.push(claim);
      else if (this.#isDelayed(claim) && !claim.spec.volumeName) claims.delayed.push(claim);
      else claims.immediate.push(claim);
    }
    return claims;
  }

  /** What is to be done on the node, or the reasons why it will not do. */
  find(claims: PodClaims, node: Node): NodeVolumes | readonly string[] {
    const reasons: string[] = [];
    for (const claim of claims.bound) {
      const volume = this.#volumes.get('', claim.spec.volumeName!);
      if (volume && volumeReaches(volume, node)) continue;
      reasons.push(volume ? volumeReasons.nodeConflict : volumeReasons.volumeMissing);
      break;
    }
    const bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = [];
    const toProvision: PersistentVolumeClaim[] = [];
    const taken = new Set<string>();
    for (const claim of bySize(claims.delayed)) {
      const selected = selectedNode(claim);
      if (selected !== undefined && selected !== node.metadata.name) {
        reasons.push(volumeReasons.bindConflict);
        return reasons;
      }
      const candidates = selected === undefined ? this.#storage.volumesOfClass(claimClassName(claim)) : [];
      const latest = candidates.map(volume => this.#volumes.latest(volume));
      const volume = findMatchingVolume(claim, latest, node, taken);
      if (volume) {
        taken.add(volume.metadata.name);
        bindings.push({ claim, volume });
      } else toProvision.push(claim);
    }
    for (const claim of toProvision) {
      const reason = this.#provisioningObstacle(claim, node);
      if (!reason) continue;
      reasons.push(reason);
      break;
    }
    return reasons.length > 0 ? reasons : { bindings, toProvision };
  }

  /**
   * Takes the volumes for the pod in memory. Gives what `bind` has to write; undefined when there is nothing to do. Throws
   * VOLUME_BINDING when an object was changed meanwhile.
   */
  assume(pod: Pod, nodeName: string, { bindings, toProvision }: NodeVolumes): NodeVolumes | undefined {
    const { delayed, immediate } = this.claimsOf(pod);
    if (delayed.length + immediate.length === 0) return undefined;
    const done: { bindings: NodeVolumes['bindings'][number][]; toProvision: PersistentVolumeClaim[] } = {
      bindings: [],
      toProvision: [],
    };
    const revert = (name: string): never => {
      this.revert(done);
      return fail(`"${name}" was changed while it was being assumed`);
    };
    for (const { claim, volume } of bindings) {
      const bound = boundToClaim(volume, claim);
      if (bound === volume) {
        // Another pod with the same claim has assumed it, and takes that back itself: this one goes by a copy.
        done.bindings.push({ claim, volume: { ...volume } });
        continue;
      }
      if (!this.#volumes.assume(bound)) revert(volume.metadata.name);
      done.bindings.push({ claim, volume: bound });
    }
    for (const claim of toProvision) {
      if (selectedNode(claim) === nodeName) {
        done.toProvision.push({ ...claim });
        continue;
      }
      const selected = produce(claim, draft => void ((draft.metadata.annotations ??= {})[annotationSelectedNode] = nodeName));
      if (!this.#claims.assume(selected)) revert(claimKey(claim));
      done.toProvision.push(selected);
    }
    return done;
  }

  revert({ bindings, toProvision }: NodeVolumes): void {
    for (const { volume } of bindings) this.#volumes.restore(volume);
    for (const claim of toProvision) this.#claims.restore(claim);
  }

  /** Writes what was assumed and waits until the volume controller or a provisioner has done the rest. Throws when they do not. */
  async bind(pod: Pod, nodeName: string, work: NodeVolumes, signal: AbortSignal): Promise<void> {
    const volumes = this.#client.resource(PersistentVolumes);
    const bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = [];
    const toProvision: PersistentVolumeClaim[] = [];
    try {
      for (const { claim, volume } of work.bindings) {
        const wanted = volume.spec.claimRef?.uid;
        const isWritten = (current: PersistentVolume): boolean => wanted !== undefined && current.spec.claimRef?.uid === wanted;
        bindings.push({ claim, volume: await writeOnce(volumes, volume, { isWritten, signal }) });
      }
      for (const claim of work.toProvision) {
        const isWritten = (current: PersistentVolumeClaim): boolean =>
          selectedNode(current) === nodeName && current.metadata.uid === claim.metadata.uid;
        const claims = this.#client.resource(PersistentVolumeClaims, claim.metadata.namespace);
        toProvision.push(await writeOnce(claims, claim, { isWritten, signal }));
      }
    } catch (error) {
      // What was written comes back by the informers.
      this.revert({ bindings: work.bindings.slice(bindings.length), toProvision: work.toProvision.slice(toProvision.length) });
      throw error;
    }
    await this.#waitFor(() => this.#isDone(pod, nodeName, { bindings, toProvision }), signal);
    // The informers know all of it by now.
    this.revert(work);
  }

  /** States that are held for writes under way, for tests. */
  get assumedCount(): number {
    return this.#claims.size + this.#volumes.size;
  }

  async #waitFor(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      try {
        if (isDone()) resolve();
      } catch (error) {
        reject(error);
      }
    };
    const onAbort = (): void => reject(signal.reason);
    const timer = this.#clock.setTimer(bindTimeoutMs, () =>
      reject(new CodedError('VOLUME_BINDING', 'binding volumes: context deadline exceeded')),
    );
    this.#waiting.add(look);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal.aborted) onAbort();
      else look();
      await promise;
    } finally {
      this.#waiting.delete(look);
      signal.removeEventListener('abort', onAbort);
      void timer.dispose();
    }
  }

  #isDone(pod: Pod, nodeName: string, { bindings, toProvision }: NodeVolumes): boolean {
    const node = this.#nodes.get('', nodeName);
    if (!node) fail(`binding volumes: failed to get node "${nodeName}": node "${nodeName}" not found`);
    const { name, namespace = '' } = pod.metadata;
    if (!this.#pods.entry(namespace, name)) fail(`binding volumes: pod does not exist any more: pod "${name}" not found`);
    for (const { claim, volume } of bindings) {
      const current = this.#volumes.actual('', volume.metadata.name);
      if (!current) fail(`binding volumes: failed to check binding: could not find PersistentVolume "${volume.metadata.name}"`);
      if (isOlder(current, volume)) return false;
      if (!volumeReaches(current, node)) fail(affinityText(current, nodeName));
      if (!current.spec.claimRef?.uid) fail(`binding volumes: ClaimRef got reset for pv "${current.metadata.name}"`);
      if (!isFullyBound(this.#actualClaim(claim))) return false;
    }
    for (const written of toProvision) {
      const claim = this.#actualClaim(written);
      if (isOlder(claim, written)) return false;
      // A provisioner takes the annotation off when it cannot make the volume on that node.
      if (selectedNode(claim) !== nodeName) fail(`binding volumes: provisioning failed for PVC "${claim.metadata.name}"`);
      if (claim.spec.volumeName) {
        const volume = this.#volumes.actual('', claim.spec.volumeName);
        if (!volume) return false;
        if (!volumeReaches(volume, node)) fail(affinityText(volume, nodeName));
      }
      if (!isFullyBound(claim)) return false;
    }
    return true;
  }

  #actualClaim(claim: PersistentVolumeClaim): PersistentVolumeClaim {
    const current = this.#claims.actual(claim.metadata.namespace ?? '', claim.metadata.name);
    return (
      current ??
      fail(`binding volumes: failed to check provisioning pvc: could not find v1.PersistentVolumeClaim "${claimKey(claim)}"`)
    );
  }

  #isDelayed(claim: PersistentVolumeClaim): boolean {
    const className = claimClassName(claim);
    const storageClass = className ? this.#storage.classes.get('', className) : undefined;
    if (!storageClass) return false;
    if (!storageClass.volumeBindingMode) fail(`VolumeBindingMode not set for StorageClass "${className}"`);
    return storageClass.volumeBindingMode === 'WaitForFirstConsumer';
  }

  #provisioningObstacle(claim: PersistentVolumeClaim, node: Node): string | undefined {
    const className = claimClassName(claim);
    if (!className) fail(`no class for claim "${claimKey(claim)}"`);
    const storageClass = this.#storage.classes.get('', className);
    if (!storageClass) fail(`failed to find storage class "${className}"`);
    if (!storageClass.provisioner || storageClass.provisioner === notProvisioned) return volumeReasons.bindConflict;
    if (!topologyAllows(storageClass, node)) return volumeReasons.bindConflict;
    return this.#hasCapacity(claim, storageClass, node) ? undefined : volumeReasons.notEnoughSpace;
  }

  /** Drivers that publish capacity have to have enough of it for the node. */
  #hasCapacity(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node): boolean {
    const wanted = requestedStorage(claim);
    if (!wanted || !this.#storage.csiDrivers.get('', storageClass.provisioner)?.spec.storageCapacity) return true;
    return this.#storage.capacities.list().some(({ storageClassName, maximumVolumeSize, capacity, nodeTopology }) => {
      const limit = maximumVolumeSize ?? capacity;
      if (storageClassName !== storageClass.metadata.name || limit === undefined || !nodeTopology) return false;
      return parseQuantity(limit).compare(wanted) >= 0 && LabelMatcher.of(nodeTopology).matches(node.metadata.labels);
    });
  }
}

function fail(message: string): never {
  throw new CodedError('VOLUME_BINDING', message);
}

function selectedNode({ metadata }: PersistentVolumeClaim): string | undefined {
  return metadata.annotations?.[annotationSelectedNode];
}

/** Pods that share a claim write the same thing at the same moment: one of them does, and the other finds it done. */
async function writeOnce<T extends { metadata: { name: string } }>(
  resource: ResourceClient<T>,
  object: T,
  { isWritten, signal }: { isWritten: (current: T) => boolean; signal: AbortSignal },
): Promise<T> {
  const { name } = object.metadata;
  try {
    return await resource.update(name, object, { signal });
  } catch (error) {
    if (!isStatusError(error, 'Conflict')) throw error;
    const current = await resource.get(name, { signal });
    if (!isWritten(current)) throw error;
    return current;
  }
}

function affinityText({ metadata }: PersistentVolume, nodeName: string): string {
  return `binding volumes: pv "${metadata.name}" node affinity doesn't match node "${nodeName}": no matching NodeSelectorTerms`;
}

/** Small claims first, so that big volumes are left for big claims. */
function bySize(claims: readonly PersistentVolumeClaim[]): readonly PersistentVolumeClaim[] {
  if (claims.length < 2) return claims;
  const zero = parseQuantity('0');
  return [...claims].sort((a, b) => (requestedStorage(a) ?? zero).compare(requestedStorage(b) ?? zero));
}

/** Whether the informer has not caught up with a write of ours. */
function isOlder(
  current: { metadata: { resourceVersion?: string } },
  written: { metadata: { resourceVersion?: string } },
): boolean {
  return BigInt(current.metadata.resourceVersion ?? 0) < BigInt(written.metadata.resourceVersion ?? 0);
}

function topologyAllows({ allowedTopologies }: StorageClass, { metadata }: Node): boolean {
  if (!allowedTopologies?.length) return true;
  return allowedTopologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(metadata.labels?.[key] ?? '\0')),
  );
}
