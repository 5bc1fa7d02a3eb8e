import { formatApiVersion } from '../machinery/object.js';
import type { ObjectMeta, OwnerReference } from '../machinery/object.js';

/** Anything with metadata, as informers and clients hand it out. */
export interface WithMetadata {
  readonly metadata: Partial<ObjectMeta>;
}

/** What a controller reference names: group, version and kind, as resource constants carry them. */
export interface OwnerKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** The one owner that manages the object (`controller: true`). */
export function controllerOf(object: WithMetadata): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find(reference => reference.controller === true);
}

export function isControlledBy(object: WithMetadata, owner: WithMetadata): boolean {
  const reference = controllerOf(object);
  return reference !== undefined && reference.uid === owner.metadata.uid;
}

export function controllerReference(owner: WithMetadata, kind: OwnerKind): OwnerReference {
  return {
    apiVersion: formatApiVersion(kind),
    kind: kind.kind,
    name: owner.metadata.name ?? '',
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Owner references with `reference` in the place of an earlier one to the same object. */
export function withOwner(references: readonly OwnerReference[] | undefined, reference: OwnerReference): OwnerReference[] {
  return [...(references ?? []).filter(known => known.uid !== reference.uid), reference];
}
