import type { CSINode, PersistentVolumeClaim, Pod } from '../../api/generated/types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingStatus,
} from '../../contracts/scheduler-plugin.js';
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import { skip, unresolvable, unschedulable } from '../status.js';
import { claimClassName, claimMissing, claimNameOf, usesClaim } from './claims.js';
import type { StorageObjects } from './claims.js';

/** A CSI driver attaches no more volumes to a node than its CSINode says. */
export class NodeVolumeLimits implements SchedulerPlugin {
  readonly name = 'NodeVolumeLimits';
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'CSINode',
      action: ClusterAction.Add | ClusterAction.Update,
      mayHelp: (_pod, previous, next) => !previous || hasRaisedLimit(previous as CSINode, next as CSINode),
    },
    { resource: 'Pod', action: ClusterAction.Delete, mayHelp: (_pod, previous) => hasClaims(previous as Pod) },
    {
      resource: 'PersistentVolumeClaim',
      action: ClusterAction.Add,
      mayHelp: ({ pod }, _previous, next) => usesClaim(pod, next),
    },
    { resource: 'VolumeAttachment', action: ClusterAction.Delete, mayHelp: ({ pod }) => hasClaims(pod) },
  ];
  readonly #storage: StorageObjects;
  readonly #tooMany = unschedulable(this.name, 'node(s) exceed max volume count');

  constructor(storage: StorageObjects) {
    this.#storage = storage;
  }

  preFilter(_state: CycleState, { pod }: PodInfo): PreFilterResult | undefined {
    return hasClaims(pod) ? undefined : { status: skip };
  }

  filter(_state: CycleState, { pod }: PodInfo, node: NodeInfo): SchedulingStatus | undefined {
    const limits = driverLimits(this.#storage.csiNodes.get('', node.name));
    const wanted = new Map<string, string>();
    const missing = this.#collect(pod, wanted);
    if (missing !== undefined) {
      return unresolvable(this.name, `looking up PVC ${pod.metadata.namespace}/${missing}: ${claimMissing(missing)}`);
    }
    if (wanted.size === 0 || limits.size === 0) return undefined;
    const attached = new Map<string, string>();
    for (const other of node.pods) this.#collect(other.pod, attached);
    for (const { spec } of this.#storage.attachmentsOf(node.name)) {
      const { persistentVolumeName } = spec.source;
      const csi = persistentVolumeName ? this.#storage.volumes.get('', persistentVolumeName)?.spec.csi : undefined;
      if (csi) attached.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
    }
    const counts = new Map<string, number>();
    const count = (driver: string): void => void counts.set(driver, (counts.get(driver) ?? 0) + 1);
    for (const driver of attached.values()) count(driver);
    const added = new Set<string>();
    for (const [volume, driver] of wanted) {
      if (attached.has(volume)) continue;
      count(driver);
      added.add(driver);
    }
    for (const driver of added) if (counts.get(driver)! > (limits.get(driver) ?? Infinity)) return this.#tooMany;
    return undefined;
  }

  /** Adds the pod's CSI volumes with their drivers; gives the name of a claim that is not there. */
  #collect(pod: Pod, volumes: Map<string, string>): string | undefined {
    let missing: string | undefined;
    for (const volume of pod.spec.volumes ?? []) {
      const name = claimNameOf(pod, volume);
      if (name === undefined) continue;
      const claim = this.#storage.claim(pod.metadata.namespace ?? '', name);
      if (!claim) missing ??= name;
      else {
        const [key, driver] = this.#driverOf(claim) ?? [];
        if (key !== undefined && driver) volumes.set(key, driver);
      }
    }
    return missing;
  }

  /** Volume and driver; before there is a volume the claim stands for it. */
  #driverOf(claim: PersistentVolumeClaim): readonly [string, string] | undefined {
    const volume = claim.spec.volumeName ? this.#storage.volumes.get('', claim.spec.volumeName) : undefined;
    if (volume) {
      const { csi } = volume.spec;
      return csi && [`${csi.driver}/${csi.volumeHandle}`, csi.driver];
    }
    const className = claimClassName(claim);
    const provisioner = className ? this.#storage.classes.get('', className)?.provisioner : undefined;
    return provisioner ? [`${provisioner}/${claim.metadata.namespace}/${claim.metadata.name}`, provisioner] : undefined;
  }
}

function hasClaims(pod: Pod): boolean {
  return (pod.spec.volumes ?? []).some(volume => claimNameOf(pod, volume) !== undefined);
}

function driverLimits(csiNode: CSINode | undefined): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const { name, allocatable } of csiNode?.spec.drivers ?? []) {
    if (allocatable?.count !== undefined) limits.set(name, allocatable.count);
  }
  return limits;
}

function hasRaisedLimit(previous: CSINode, next: CSINode): boolean {
  const before = driverLimits(previous);
  return [...driverLimits(next)].some(([driver, limit]) => limit > (before.get(driver) ?? 0));
}
