import type { ManagedFieldsEntry } from '../../object.js';
import { difference, fieldSetOf, memberPath } from './field-set.js';
import type { FieldSetPath } from './field-set.js';
import { OwnedFields, decodeManagedFields, encodeManagedFields, noManagedFields, setTime } from './managed-entries.js';

const scaleApiVersion = 'autoscaling/v1';
const replicasInScale = memberPath('spec', 'replicas');

/** By apiVersion of the main resource: where its replicas are; null where a version has no scale subresource. */
export type ReplicasPaths = Readonly<Record<string, FieldSetPath | null>>;

export interface ScaleFieldsOptions {
  /** Of the main resource, in the request's version. */
  readonly apiVersion: string;
  readonly replicasPaths: ReplicasPaths;
}

/**
 * The managed fields of a Scale made from its parent's: who owns the parent's replicas owns the Scale's.
 * Source: apimachinery managedfields ScaleHandler. Throws MERGE_FAULT on malformed entries.
 */
export function scaleManagedFields(
  parentEntries: readonly ManagedFieldsEntry[] | undefined,
  options: ScaleFieldsOptions,
): ManagedFieldsEntry[] | undefined {
  const parent = decodeManagedFields(parentEntries);
  const scale = noManagedFields();
  for (const [identifier, owned] of parent.owners) {
    const path = options.replicasPaths[owned.apiVersion];
    if (!path || !owned.set.has(path)) continue;
    scale.owners.set(identifier, new OwnedFields(scaleApiVersion, owned.applied, { set: fieldSetOf([replicasInScale]) }));
    setTime(scale, identifier, parent.times.get(identifier));
  }
  return encodeManagedFields(scale);
}

/** The parent's managed fields after a write to its Scale: replicas go to whom the Scale says, all else stays. */
export function parentManagedFields(
  parentEntries: readonly ManagedFieldsEntry[] | undefined,
  scaleEntries: readonly ManagedFieldsEntry[] | undefined,
  options: ScaleFieldsOptions,
): ManagedFieldsEntry[] | undefined {
  const parent = decodeManagedFields(parentEntries);
  const scale = decodeManagedFields(scaleEntries);
  const merged = noManagedFields();
  for (const [identifier, owned] of parent.owners) {
    const path = options.replicasPaths[owned.apiVersion];
    if (path === undefined) continue;
    let kept = owned;
    if (path && owned.set.has(path) && !scale.owners.delete(identifier))
      kept = owned.with(difference(owned.set, fieldSetOf([path])));
    if (kept !== owned && kept.set.empty) continue;
    merged.owners.set(identifier, kept);
    setTime(merged, identifier, parent.times.get(identifier));
  }
  const path = options.replicasPaths[options.apiVersion];
  for (const [identifier, owned] of scale.owners) {
    if (!path || !owned.set.has(replicasInScale)) continue;
    merged.owners.set(identifier, new OwnedFields(options.apiVersion, owned.applied, { set: fieldSetOf([path]) }));
    // Upstream looks for it here, where who is new has none.
    setTime(merged, identifier, parent.times.get(identifier));
  }
  return encodeManagedFields(merged);
}
