import {
  CSIDrivers,
  CSINodes,
  CSIStorageCapacities,
  PersistentVolumeClaims,
  PersistentVolumes,
  StorageClasses,
  VolumeAttachments,
} from '../../api/generated/resources.js';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
  Volume,
  VolumeAttachment,
} from '../../api/generated/types.js';
import { nodeSelectorMatches } from '../../api/node-affinity.js';
import type { Informer } from '../../client/informer-types.js';
import type { UsedInformers } from '../used-informers.js';

export const annotationSelectedNode = 'volume.kubernetes.io/selected-node';
export const annotationBindCompleted = 'pv.kubernetes.io/bind-completed';
export const annotationBoundByController = 'pv.kubernetes.io/bound-by-controller';
const annotationStorageClass = 'volume.beta.kubernetes.io/storage-class';

const storageClassIndex = 'storage-class';
const nodeIndex = 'node';

/** The objects that say where a pod's volumes are. */
export class StorageObjects {
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly volumes: Informer<PersistentVolume>;
  readonly classes: Informer<StorageClass>;
  readonly csiNodes: Informer<CSINode>;
  readonly csiDrivers: Informer<CSIDriver>;
  readonly capacities: Informer<CSIStorageCapacity>;
  readonly attachments: Informer<VolumeAttachment>;

  constructor(informers: UsedInformers) {
    this.claims = informers.informer(PersistentVolumeClaims);
    this.volumes = informers.informer(PersistentVolumes);
    this.classes = informers.informer(StorageClasses);
    this.csiNodes = informers.informer(CSINodes);
    this.csiDrivers = informers.informer(CSIDrivers);
    this.capacities = informers.informer(CSIStorageCapacities);
    this.attachments = informers.informer(VolumeAttachments);
    this.volumes.addIndex(storageClassIndex, volume => [volumeClassName(volume)]);
    this.attachments.addIndex(nodeIndex, attachment => [attachment.spec.nodeName]);
  }

  claim(namespace: string, name: string): PersistentVolumeClaim | undefined {
    return this.claims.get(namespace, name);
  }

  volumesOfClass(className: string): readonly PersistentVolume[] {
    return this.volumes.byIndex(storageClassIndex, className);
  }

  attachmentsOf(nodeName: string): readonly VolumeAttachment[] {
    return this.attachments.byIndex(nodeIndex, nodeName);
  }
}

export function claimMissing(name: string): string {
  return `persistentvolumeclaim "${name}" not found`;
}

/** The claim behind a volume of a pod; undefined for volumes without one. Ephemeral volumes have one of the pod's own. */
export function claimNameOf(pod: Pod, volume: Volume): string | undefined {
  if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim.claimName;
  return volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined;
}

/** What is wrong with a claim for an ephemeral volume, if anything: it must be the pod's own. */
export function foreignClaimText(pod: Pod, claim: PersistentVolumeClaim): string | undefined {
  const owner = claim.metadata.ownerReferences?.find(({ controller }) => controller);
  if (claim.metadata.namespace === pod.metadata.namespace && owner && owner.uid === pod.metadata.uid) return undefined;
  const of = ({ metadata }: { metadata: { namespace?: string; name: string } }): string =>
    `${metadata.namespace}/${metadata.name}`;
  return `PVC ${of(claim)} was not created for pod ${of(pod)} (pod is not owner)`;
}

export function claimKey({ metadata }: PersistentVolumeClaim): string {
  return `${metadata.namespace}/${metadata.name}`;
}

export function claimClassName({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata.annotations?.[annotationStorageClass] ?? spec.storageClassName ?? '';
}

export function volumeClassName({ metadata, spec }: PersistentVolume): string {
  return metadata.annotations?.[annotationStorageClass] ?? spec.storageClassName ?? '';
}

/** Bound on both sides, as the volume controller has marked it. */
export function isFullyBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return Boolean(spec.volumeName) && metadata.annotations?.[annotationBindCompleted] !== undefined;
}

export function volumeReaches(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec.nodeAffinity?.required;
  return !required || nodeSelectorMatches(required, node.metadata.labels ?? {});
}

/** Whether an event's claim is one that the pod names. */
export function usesClaim(pod: Pod, claim: unknown): boolean {
  const { metadata } = claim as PersistentVolumeClaim;
  if (metadata.namespace !== pod.metadata.namespace) return false;
  return (pod.spec.volumes ?? []).some(volume => claimNameOf(pod, volume) === metadata.name);
}
