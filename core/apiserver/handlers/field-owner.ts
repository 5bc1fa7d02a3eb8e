import type { KubeObject } from '../../machinery/object.js';
import type { FieldOwnership } from '../registry/resource-store.js';

/** managedFields of one resource: what the store needs for updates, and apply. */
export interface FieldOwner<T extends KubeObject> extends FieldOwnership<T> {
  /** The merged object with managedFields; throws Conflict with a cause per field. */
  apply(live: Readonly<T> | undefined, applied: T, options: { manager: string; force: boolean; subresource: string }): T;
}
