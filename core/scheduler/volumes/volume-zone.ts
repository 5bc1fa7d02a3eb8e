import type { PersistentVolume } from '../../api/generated/types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingStatus,
  StateData,
} from '../../contracts/scheduler-plugin.js';
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import { skip, unresolvable } from '../status.js';
import { claimClassName, claimMissing, usesClaim } from './claims.js';
import type { StorageObjects } from './claims.js';

const topologyLabels: readonly (readonly [string, string])[] = [
  ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['failure-domain.beta.kubernetes.io/region', 'topology.kubernetes.io/region'],
  ['topology.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['topology.kubernetes.io/region', 'topology.kubernetes.io/region'],
];

interface Topology {
  readonly label: string;
  /** The label's name of today, for volumes that still have the old one. */
  readonly currentLabel: string;
  readonly values: ReadonlySet<string>;
}

class ZoneState implements StateData {
  readonly topologies: readonly Topology[];

  constructor(topologies: readonly Topology[]) {
    this.topologies = topologies;
  }

  clone(): ZoneState {
    return this;
  }
}

const stateKey = 'VolumeZone';

/** Volumes that carry zone labels can be had in their zones only. */
export class VolumeZone implements SchedulerPlugin {
  readonly name = 'VolumeZone';
  readonly events: readonly PluginEvent[] = [
    { resource: 'StorageClass', action: ClusterAction.Add },
    { resource: 'Node', action: ClusterAction.Add | ClusterAction.UpdateNodeLabel },
    {
      resource: 'PersistentVolumeClaim',
      action: ClusterAction.Add | ClusterAction.Update,
      mayHelp: ({ pod }, _previous, next) => usesClaim(pod, next),
    },
    { resource: 'PersistentVolume', action: ClusterAction.Add | ClusterAction.Update },
  ];
  readonly #storage: StorageObjects;
  readonly #conflict = unresolvable(this.name, 'node(s) had no available volume zone');

  constructor(storage: StorageObjects) {
    this.#storage = storage;
  }

  preFilter(state: CycleState, { pod }: PodInfo): PreFilterResult | undefined {
    const topologies: Topology[] = [];
    for (const { persistentVolumeClaim } of pod.spec.volumes ?? []) {
      if (!persistentVolumeClaim) continue;
      const found = this.#topologiesOf(pod.metadata.namespace ?? '', persistentVolumeClaim.claimName);
      if (typeof found === 'string') return { status: unresolvable(this.name, found) };
      topologies.push(...found);
    }
    if (topologies.length === 0) return { status: skip };
    state.write(stateKey, new ZoneState(topologies));
    return undefined;
  }

  filter(state: CycleState, _pod: PodInfo, { labels }: NodeInfo): SchedulingStatus | undefined {
    // A cluster without zones has labelled volumes all the same; they are taken to be everywhere.
    if (!topologyLabels.some(([label]) => labels[label] !== undefined)) return undefined;
    for (const { label, currentLabel, values } of state.read<ZoneState>(stateKey)!.topologies) {
      const value = labels[label] ?? labels[currentLabel];
      if (value === undefined || !values.has(value)) return this.#conflict;
    }
    return undefined;
  }

  /** The zones and regions of the claim's volume, or why they cannot be told. */
  #topologiesOf(namespace: string, claimName: string): readonly Topology[] | string {
    const claim = this.#storage.claim(namespace, claimName);
    if (!claim) return claimMissing(claimName);
    const { volumeName } = claim.spec;
    if (volumeName) {
      const volume = this.#storage.volumes.get('', volumeName);
      return volume ? topologiesOf(volume) : `persistentvolume "${volumeName}" not found`;
    }
    const className = claimClassName(claim);
    if (!className) return 'PersistentVolumeClaim had no pv name and storageClass name';
    const storageClass = this.#storage.classes.get('', className);
    if (!storageClass) return `storageclass.storage.k8s.io "${className}" not found`;
    if (!storageClass.volumeBindingMode) return `VolumeBindingMode not set for StorageClass "${className}"`;
    return storageClass.volumeBindingMode === 'WaitForFirstConsumer' ? [] : 'PersistentVolume had no name';
  }
}

function topologiesOf({ metadata }: PersistentVolume): readonly Topology[] {
  const topologies: Topology[] = [];
  for (const [label, currentLabel] of topologyLabels) {
    const value = metadata.labels?.[label];
    // Several zones are written with two underscores between them.
    const values = (value ?? '').split('__').map(text => text.trim());
    if (value !== undefined && !values.includes('')) topologies.push({ label, currentLabel, values: new Set(values) });
  }
  return topologies;
}
