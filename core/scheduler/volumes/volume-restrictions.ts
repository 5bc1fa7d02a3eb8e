import type { Pod, Volume } from '../../api/generated/types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingStatus,
  StateData,
} from '../../contracts/scheduler-plugin.js';
import type { SchedulerCache } from '../cache.js';
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import { skip, unresolvable, unschedulable } from '../status.js';
import { claimMissing, usesClaim } from './claims.js';
import type { StorageObjects } from './claims.js';

class ClaimState implements StateData {
  readonly exclusiveClaims: ReadonlySet<string>;
  readonly namespace: string | undefined;
  conflicts: number;

  constructor(exclusiveClaims: ReadonlySet<string>, namespace: string | undefined, conflicts: number) {
    this.exclusiveClaims = exclusiveClaims;
    this.namespace = namespace;
    this.conflicts = conflicts;
  }

  change({ metadata, spec }: Pod, by: 1 | -1): void {
    if (metadata.namespace !== this.namespace) return;
    for (const { persistentVolumeClaim: claim } of spec.volumes ?? []) {
      if (claim && this.exclusiveClaims.has(claim.claimName)) this.conflicts += by;
    }
  }

  clone(): ClaimState {
    return new ClaimState(this.exclusiveClaims, this.namespace, this.conflicts);
  }
}

const stateKey = 'VolumeRestrictions';

/** ReadWriteOncePod claims are for one pod in the cluster; some disks are for one pod on a node. */
export class VolumeRestrictions implements SchedulerPlugin {
  readonly name = 'VolumeRestrictions';
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Pod',
      action: ClusterAction.Delete,
      mayHelp: ({ pod }, previous) => sharesVolume(pod, previous as Pod),
    },
    { resource: 'Node', action: ClusterAction.Add },
    {
      resource: 'PersistentVolumeClaim',
      action: ClusterAction.Add,
      mayHelp: ({ pod }, _previous, next) => usesClaim(pod, next),
    },
  ];
  readonly #cache: Pick<SchedulerCache, 'claimUsers'>;
  readonly #storage: Pick<StorageObjects, 'claim'>;
  readonly #diskConflict = unschedulable(this.name, 'node(s) had no available disk');
  readonly #claimConflict = unschedulable(
    this.name,
    'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
  );

  constructor(cache: Pick<SchedulerCache, 'claimUsers'>, storage: Pick<StorageObjects, 'claim'>) {
    this.#cache = cache;
    this.#storage = storage;
  }

  preFilter(state: CycleState, { pod }: PodInfo): PreFilterResult | undefined {
    const { volumes } = pod.spec;
    if (!volumes?.length) return { status: skip };
    const { namespace } = pod.metadata;
    const exclusive = new Set<string>();
    let conflicts = 0;
    for (const { persistentVolumeClaim } of volumes) {
      if (!persistentVolumeClaim) continue;
      const { claimName } = persistentVolumeClaim;
      const claim = this.#storage.claim(namespace ?? '', claimName);
      if (!claim) return { status: unresolvable(this.name, claimMissing(claimName)) };
      if (!claim.spec.accessModes?.includes('ReadWriteOncePod')) continue;
      exclusive.add(claimName);
      if (this.#cache.claimUsers(`${namespace ?? ''}/${claimName}`) > 0) conflicts++;
    }
    if (conflicts === 0 && !volumes.some(isRestricted)) return { status: skip };
    state.write(stateKey, new ClaimState(exclusive, namespace, conflicts));
    return undefined;
  }

  filter(state: CycleState, { pod }: PodInfo, node: NodeInfo): SchedulingStatus | undefined {
    for (const volume of pod.spec.volumes ?? []) {
      if (!isRestricted(volume)) continue;
      for (const other of node.pods) if (hasConflict(volume, other.pod)) return this.#diskConflict;
    }
    return state.read<ClaimState>(stateKey)!.conflicts > 0 ? this.#claimConflict : undefined;
  }

  addPod(state: CycleState, _pod: PodInfo, added: PodInfo): void {
    state.read<ClaimState>(stateKey)?.change(added.pod, 1);
  }

  removePod(state: CycleState, _pod: PodInfo, removed: PodInfo): void {
    state.read<ClaimState>(stateKey)?.change(removed.pod, -1);
  }
}

function isRestricted({ gcePersistentDisk, awsElasticBlockStore, rbd, iscsi }: Volume): boolean {
  return Boolean(gcePersistentDisk ?? awsElasticBlockStore ?? rbd ?? iscsi);
}

/** Whether a pod on the node has the disk; some may be shared by readers. */
function hasConflict(volume: Volume, pod: Pod): boolean {
  return (pod.spec.volumes ?? []).some(other => {
    const { gcePersistentDisk: disk, awsElasticBlockStore: block, iscsi, rbd } = volume;
    if (disk && other.gcePersistentDisk) {
      const bothRead = disk.readOnly && other.gcePersistentDisk.readOnly;
      if (disk.pdName === other.gcePersistentDisk.pdName && !bothRead) return true;
    }
    if (block && block.volumeID === other.awsElasticBlockStore?.volumeID) return true;
    if (iscsi && other.iscsi && iscsi.iqn === other.iscsi.iqn && !(iscsi.readOnly && other.iscsi.readOnly)) return true;
    if (!rbd || !other.rbd || (rbd.readOnly && other.rbd.readOnly)) return false;
    const sameImage = (rbd.pool ?? 'rbd') === (other.rbd.pool ?? 'rbd') && rbd.image === other.rbd.image;
    return sameImage && rbd.monitors.some(monitor => other.rbd!.monitors.includes(monitor));
  });
}

function sharesVolume(pod: Pod, deleted: Pod): boolean {
  if (deleted.metadata.namespace !== pod.metadata.namespace) return false;
  const volumes = pod.spec.volumes ?? [];
  if (volumes.some(volume => isRestricted(volume) && hasConflict(volume, deleted))) return true;
  const names = new Set(volumes.flatMap(({ persistentVolumeClaim: claim }) => claim?.claimName ?? []));
  return (deleted.spec.volumes ?? []).some(({ persistentVolumeClaim: claim }) => claim && names.has(claim.claimName));
}
