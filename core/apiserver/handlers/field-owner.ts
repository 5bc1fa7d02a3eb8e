import type { KubeObject, ManagedFieldsEntry } from '../../machinery/object.js';
import type { FieldOwnership } from '../registry/resource-store.js';

/** managedFields of one resource: what the store needs for updates, and apply. */
export interface FieldOwner<T extends KubeObject> extends FieldOwnership<T> {
  /** The merged object with managedFields; throws Conflict with a cause per field. */
  apply(
    live: Readonly<T> | undefined,
    applied: T,
    options: { manager: string; force: boolean; subresource: string },
  ): T | Promise<T>;
  /** A Scale with the fields' owners that its parent has for replicas. */
  ownedScale(parent: Readonly<T>, scale: KubeObject): KubeObject;
  /** The same after an update of the Scale from `live` to `next`, both with their managedFields. */
  updateScale(live: KubeObject, next: KubeObject, options: { manager: string; nowMs: number }): KubeObject;
  /** The same after an apply; throws Conflict. */
  applyScale(live: KubeObject, applied: object, options: { manager: string; force: boolean }): KubeObject;
  /** The parent's managedFields after a write to its Scale. */
  parentOfScale(parent: Readonly<T>, scale: KubeObject): ManagedFieldsEntry[] | undefined;
}
