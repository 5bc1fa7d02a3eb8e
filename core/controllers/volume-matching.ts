import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../api/generated/types.js';
import { selectorMatcher } from '../api/labels.js';
import { Quantity } from '../machinery/quantity.js';

/** Pure questions about volumes and claims. Source: k8s.io/component-helpers/storage/volume. */
export const bindCompletedAnnotation = 'pv.kubernetes.io/bind-completed';
export const boundByControllerAnnotation = 'pv.kubernetes.io/bound-by-controller';
export const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by';
export const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node';
const betaClassAnnotation = 'volume.beta.kubernetes.io/storage-class';
const defaultClassAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

export function volumeClass({ metadata, spec }: PersistentVolume): string {
  return metadata.annotations?.[betaClassAnnotation] ?? spec.storageClassName ?? '';
}

export function claimClass({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata.annotations?.[betaClassAnnotation] ?? spec.storageClassName ?? '';
}

/** Whether the claim says anything about a class; '' says that it wants none. */
export function claimHasClass({ metadata, spec }: PersistentVolumeClaim): boolean {
  return metadata.annotations?.[betaClassAnnotation] !== undefined || spec.storageClassName !== undefined;
}

/** The class for claims that name none: the youngest of those that are marked. */
export function defaultStorageClass(classes: readonly StorageClass[]): StorageClass | undefined {
  const marked = classes.filter(({ metadata }) => defaultClassAnnotations.some(key => metadata.annotations?.[key] === 'true'));
  return marked.sort((a, b) => {
    const [created, other] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
    if (created !== other) return created < other ? 1 : -1;
    return a.metadata.name < b.metadata.name ? -1 : 1;
  })[0];
}

/** Whether the volume is reserved for this claim, by name and where given by uid. */
export function isBoundToClaim({ spec: { claimRef } }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  if (claimRef?.name !== metadata.name || claimRef.namespace !== metadata.namespace) return false;
  return !claimRef.uid || claimRef.uid === metadata.uid;
}

function storage(list: Readonly<Record<string, string>> | undefined): Quantity {
  const text = list?.['storage'];
  return text === undefined ? Quantity.zero : Quantity.parse(text);
}

export function modesDiffer(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  return (claim.spec.volumeMode ?? 'Filesystem') !== (volume.spec.volumeMode ?? 'Filesystem');
}

function offersAccess(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  return (claim.spec.accessModes ?? []).every(mode => volume.spec.accessModes?.includes(mode));
}

const attributesClass = ({ spec }: { spec: { volumeAttributesClassName?: string } }): string =>
  spec.volumeAttributesClassName ?? '';

/** Why the volume that a claim names cannot serve it; undefined when it can. */
export function whyUnfit(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (volume.metadata.deletionTimestamp) return `the volume is marked for deletion "${volume.metadata.name}"`;
  if (storage(volume.spec.capacity).compare(storage(claim.spec.resources?.requests)) < 0) return 'requested PV is too small';
  if (volumeClass(volume) !== claimClass(claim)) return 'storageClassName does not match';
  if (attributesClass(claim) !== attributesClass(volume)) return 'volumeAttributesClassName does not match';
  if (modesDiffer(claim, volume)) return 'incompatible volumeMode';
  return offersAccess(claim, volume) ? undefined : 'incompatible accessMode';
}

/**
 * The volume that is reserved for the claim, or else the smallest that fits; with `delayed` binding only a reserved one, because
 * the scheduler chooses among the others.
 */
export function bestVolume(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  delayed: boolean,
): PersistentVolume | undefined {
  const wanted = storage(claim.spec.resources?.requests);
  const selects = claim.spec.selector ? selectorMatcher(claim.spec.selector) : undefined;
  let best: { readonly volume: PersistentVolume; readonly size: Quantity } | undefined;
  for (const volume of volumes) {
    if (volume.spec.claimRef && !isBoundToClaim(volume, claim)) continue;
    const size = storage(volume.spec.capacity);
    if (size.compare(wanted) < 0 || modesDiffer(claim, volume) || volume.metadata.deletionTimestamp) continue;
    if (attributesClass(claim) !== attributesClass(volume) || !offersAccess(claim, volume)) continue;
    if (isBoundToClaim(volume, claim)) return volume;
    if (delayed || volume.status?.phase !== 'Available' || volumeClass(volume) !== claimClass(claim)) continue;
    if (selects && !selects(volume.metadata.labels)) continue;
    if (!best || best.size.compare(size) > 0) best = { volume, size };
  }
  return best?.volume;
}
