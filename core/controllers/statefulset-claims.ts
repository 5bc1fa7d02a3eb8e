import { Pods, StatefulSets } from '../api/generated/resources.js';
import type { PersistentVolumeClaim, Pod, StatefulSet } from '../api/generated/types.js';
import { controllerReference } from '../api/owners.js';
import type { OwnerKind, WithMetadata } from '../api/owners.js';
import { formatApiVersion } from '../machinery/object.js';
import type { OwnerReference } from '../machinery/object.js';
import { isInRange } from './statefulset-model.js';

/**
 * Which owners a claim has, so that garbage collection deletes it with the set (`whenDeleted`) or with a pod scaled away
 * (`whenScaled`). Source: KEP-1847, pkg/controller/statefulset.
 */
export interface RetentionPolicy {
  readonly deletedWithSet: boolean;
  readonly deletedWhenScaled: boolean;
}

export function retentionPolicy(set: StatefulSet): RetentionPolicy {
  const policy = set.spec.persistentVolumeClaimRetentionPolicy;
  return { deletedWithSet: policy?.whenDeleted === 'Delete', deletedWhenScaled: policy?.whenScaled === 'Delete' };
}

const owners = (claim: PersistentVolumeClaim): readonly OwnerReference[] => claim.metadata.ownerReferences ?? [];

const names = (reference: OwnerReference, object: WithMetadata, kind: OwnerKind): boolean =>
  reference.apiVersion === formatApiVersion(kind) && reference.kind === kind.kind && reference.name === object.metadata.name;

const isOwnedBy = (claim: PersistentVolumeClaim, object: WithMetadata): boolean =>
  owners(claim).some(reference => reference.uid === object.metadata.uid);

/** An owner of that name with another uid: garbage collection is about to delete the claim. */
export function hasStaleOwner(claim: PersistentVolumeClaim, object: WithMetadata, kind: OwnerKind): boolean {
  const named = owners(claim).find(reference => names(reference, object, kind));
  return named !== undefined && named.uid !== object.metadata.uid;
}

/** Somebody else manages the claim: the policy is not applied to it. */
export function hasForeignController(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): boolean {
  const { deletedWithSet, deletedWhenScaled } = retentionPolicy(set);
  if (!deletedWithSet && !deletedWhenScaled) return false;
  return owners(claim).some(reference => {
    if (names(reference, set, StatefulSets)) return reference.uid !== set.metadata.uid;
    if (names(reference, pod, Pods)) return reference.uid !== pod.metadata.uid;
    return reference.controller === true;
  });
}

interface WantedOwners {
  readonly set: boolean;
  readonly pod: boolean;
}

function wantedOwners(set: StatefulSet, pod: Pod): WantedOwners {
  const { deletedWithSet, deletedWhenScaled } = retentionPolicy(set);
  const scaledAway = deletedWhenScaled && !isInRange(set, pod);
  return { set: deletedWithSet && !scaledAway, pod: scaledAway };
}

export function claimIsUpToDate(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): boolean {
  // The claim is on its way out and will be made anew.
  if (hasStaleOwner(claim, set, StatefulSets) || hasStaleOwner(claim, pod, Pods)) return true;
  if (hasForeignController(claim, set, pod)) return !isOwnedBy(claim, set) && !isOwnedBy(claim, pod);
  const ours = owners(claim).filter(({ uid }) => uid === set.metadata.uid || uid === pod.metadata.uid);
  if (ours.some(reference => reference.controller !== true)) return false;
  const wanted = wantedOwners(set, pod);
  return isOwnedBy(claim, set) === wanted.set && isOwnedBy(claim, pod) === wanted.pod;
}

/** The owner references that the policy asks for; those of others stay. */
export function claimOwners(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): OwnerReference[] {
  const rest = owners(claim).filter(reference => !names(reference, set, StatefulSets) && !names(reference, pod, Pods));
  if (hasForeignController(claim, set, pod)) return rest;
  const wanted = wantedOwners(set, pod);
  return [
    ...rest,
    ...(wanted.set ? [controllerReference(set, StatefulSets)] : []),
    ...(wanted.pod ? [controllerReference(pod, Pods)] : []),
  ];
}
