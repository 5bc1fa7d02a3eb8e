import type { CSIDriver, CSIStorageCapacity, CSINode, Pod, StorageClass } from '../../api/generated/types.js';
import { errorText } from '../../base/errors.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingStatus,
  StateData,
} from '../../contracts/scheduler-plugin.js';
import { jsonEqual } from '../../machinery/object.js';
import { parseQuantity } from '../../machinery/quantity.js';
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import { failure, skip, unresolvable } from '../status.js';
import { claimMissing, claimNameOf, foreignClaimText, usesClaim } from './claims.js';
import type { StorageObjects } from './claims.js';
import type { NodeVolumes, PodClaims, VolumeBinder } from './volume-binder.js';

class BindingState implements StateData {
  readonly claims: PodClaims;
  readonly byNode = new Map<string, NodeVolumes>();
  /** What is to be written before the pod is bound; undefined when all is bound already. */
  work: NodeVolumes | undefined;

  constructor(claims: PodClaims) {
    this.claims = claims;
  }

  /** Preemption tries nodes that filters have not passed: what they find must not be lost. */
  clone(): BindingState {
    return this;
  }
}

const stateKey = 'VolumeBinding';
const migratedPlugins = 'storage.alpha.kubernetes.io/migrated-plugins';

/** Volumes that are bound must reach the node; those that wait for their first consumer are bound for it. */
export class VolumeBinding implements SchedulerPlugin {
  readonly name = 'VolumeBinding';
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'StorageClass',
      action: ClusterAction.Add | ClusterAction.Update,
      mayHelp: (_pod, previous, next) =>
        !previous || !jsonEqual((previous as StorageClass).allowedTopologies, (next as StorageClass).allowedTopologies),
    },
    {
      resource: 'PersistentVolumeClaim',
      action: ClusterAction.Add | ClusterAction.Update,
      mayHelp: ({ pod }, _previous, next) => usesClaim(pod, next),
    },
    { resource: 'PersistentVolume', action: ClusterAction.Add | ClusterAction.Update },
    { resource: 'Node', action: ClusterAction.Add | ClusterAction.UpdateNodeLabel },
    {
      resource: 'CSINode',
      action: ClusterAction.Add | ClusterAction.Update,
      mayHelp: (_pod, previous, next) => !previous || migrated(previous as CSINode) !== migrated(next as CSINode),
    },
    {
      resource: 'CSIDriver',
      action: ClusterAction.Update,
      mayHelp: (_pod, previous, next) =>
        Boolean((previous as CSIDriver).spec.storageCapacity) && !(next as CSIDriver).spec.storageCapacity,
    },
    {
      resource: 'CSIStorageCapacity',
      action: ClusterAction.Add | ClusterAction.Update,
      mayHelp: (_pod, previous, next) => !previous || grew(previous as CSIStorageCapacity, next as CSIStorageCapacity),
    },
  ];
  readonly #binder: VolumeBinder;
  readonly #storage: StorageObjects;

  constructor(binder: VolumeBinder, storage: StorageObjects) {
    this.#binder = binder;
    this.#storage = storage;
  }

  preFilter(state: CycleState, { pod }: PodInfo): PreFilterResult | undefined {
    const volumes = (pod.spec.volumes ?? []).filter(volume => claimNameOf(pod, volume) !== undefined);
    if (volumes.length === 0) return { status: skip };
    const objection = this.#objection(pod);
    if (objection) return { status: unresolvable(this.name, objection) };
    const claims = this.#binder.claimsOf(pod);
    if (claims.immediate.length > 0) {
      return { status: unresolvable(this.name, 'pod has unbound immediate PersistentVolumeClaims') };
    }
    state.write(stateKey, new BindingState(claims));
    return undefined;
  }

  filter(state: CycleState, _pod: PodInfo, { name, node }: NodeInfo): SchedulingStatus | undefined {
    const data = state.read<BindingState>(stateKey)!;
    const found = this.#binder.find(data.claims, node);
    if ('bindings' in found) {
      data.byNode.set(name, found);
      return undefined;
    }
    return unresolvable(this.name, ...found);
  }

  reserve(state: CycleState, { pod }: PodInfo, nodeName: string): SchedulingStatus | undefined {
    const data = state.read<BindingState>(stateKey);
    const volumes = data?.byNode.get(nodeName);
    if (!data || !volumes) return undefined;
    try {
      data.work = this.#binder.assume(pod, nodeName, volumes);
      return undefined;
    } catch (error) {
      return failure(this.name, error);
    }
  }

  unreserve(state: CycleState): void {
    const data = state.read<BindingState>(stateKey);
    if (data?.work) this.#binder.revert(data.work);
  }

  needsPreBind(state: CycleState): boolean {
    return state.read<BindingState>(stateKey)?.work !== undefined;
  }

  async preBind(
    state: CycleState,
    { pod }: PodInfo,
    nodeName: string,
    signal: AbortSignal,
  ): Promise<SchedulingStatus | undefined> {
    try {
      await this.#binder.bind(pod, nodeName, state.read<BindingState>(stateKey)!.work!, signal);
      return undefined;
    } catch (error) {
      return { code: 'Error', reasons: [errorText(error)], plugin: this.name };
    }
  }

  #objection(pod: Pod): string | undefined {
    for (const volume of pod.spec.volumes ?? []) {
      const name = claimNameOf(pod, volume);
      if (name === undefined) continue;
      const claim = this.#storage.claim(pod.metadata.namespace ?? '', name);
      if (!claim) {
        return volume.ephemeral
          ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
          : claimMissing(name);
      }
      if (claim.status?.phase === 'Lost') {
        return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName ?? ''}"`;
      }
      if (claim.metadata.deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`;
      const foreign = volume.ephemeral && foreignClaimText(pod, claim);
      if (foreign) return foreign;
    }
    return undefined;
  }
}

function migrated({ metadata }: CSINode): string | undefined {
  return metadata.annotations?.[migratedPlugins];
}

function grew(previous: CSIStorageCapacity, next: CSIStorageCapacity): boolean {
  const after = next.maximumVolumeSize ?? next.capacity;
  if (after === undefined) return false;
  const before = previous.maximumVolumeSize ?? previous.capacity;
  return before === undefined || parseQuantity(after).compare(parseQuantity(before)) > 0;
}
