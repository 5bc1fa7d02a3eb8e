import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../api/generated/types.js';
import { produce } from '../../machinery/object.js';
import { parseQuantity } from '../../machinery/quantity.js';
import type { Quantity } from '../../machinery/quantity.js';
import { LabelMatcher } from '../label-matcher.js';
import { annotationBoundByController, claimClassName, volumeClassName, volumeReaches } from './claims.js';

export function requestedStorage({ spec }: PersistentVolumeClaim): Quantity | undefined {
  const text = spec.resources?.requests?.storage;
  return text === undefined ? undefined : parseQuantity(text);
}

/** Whether the volume is meant for the claim: by name, and by uid where it has one. */
export function isMeantFor({ spec: { claimRef } }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  if (claimRef?.name !== metadata.name || claimRef.namespace !== metadata.namespace) return false;
  return !claimRef.uid || claimRef.uid === metadata.uid;
}

/**
 * The volume for a claim on a node: the one meant for it, or else the smallest free one that will do.
 * Source: component-helpers FindMatchingVolume.
 */
export function findMatchingVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  node: Node,
  taken: ReadonlySet<string>,
): PersistentVolume | undefined {
  const wanted = requestedStorage(claim);
  const className = claimClassName(claim);
  const selector = claim.spec.selector ? LabelMatcher.of(claim.spec.selector) : LabelMatcher.everything;
  let best: { readonly volume: PersistentVolume; readonly size: Quantity } | undefined;
  for (const volume of volumes) {
    if (taken.has(volume.metadata.name)) continue;
    const isMeant = isMeantFor(volume, claim);
    if (volume.spec.claimRef && !isMeant) continue;
    const size = parseQuantity(volume.spec.capacity?.storage ?? '0');
    if (wanted && size.compare(wanted) < 0) continue;
    if ((claim.spec.volumeMode ?? 'Filesystem') !== (volume.spec.volumeMode ?? 'Filesystem')) continue;
    if ((claim.spec.volumeAttributesClassName ?? '') !== (volume.spec.volumeAttributesClassName ?? '')) continue;
    if (volume.metadata.deletionTimestamp) continue;
    const reaches = volumeReaches(volume, node);
    if (isMeant) return reaches ? volume : undefined;
    if (!reaches || volume.status?.phase !== 'Available' || volumeClassName(volume) !== className) continue;
    if (!selector.matches(volume.metadata.labels)) continue;
    if (!(claim.spec.accessModes ?? []).every(mode => volume.spec.accessModes?.includes(mode))) continue;
    if (!best || best.size.compare(size) > 0) best = { volume, size };
  }
  return best?.volume;
}

/** The volume with its reference to the claim set; the same object when it is set already. */
export function boundToClaim(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const { name, namespace, uid, resourceVersion } = claim.metadata;
  const isMeant = isMeantFor(volume, claim);
  const isComplete = isMeant && volume.spec.claimRef?.uid === uid;
  if (isComplete) return volume;
  return produce(volume, draft => {
    draft.spec.claimRef = { kind: 'PersistentVolumeClaim', namespace, name, uid, apiVersion: 'v1', resourceVersion };
    if (!isMeant) (draft.metadata.annotations ??= {})[annotationBoundByController] = 'yes';
  });
}
