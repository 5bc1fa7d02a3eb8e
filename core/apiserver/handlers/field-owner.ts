import type { KubeObject } from '../../machinery/object.js';
import type { FieldOwnership } from '../registry/resource-store.js';

/** managedFields of one resource: what the store needs for updates, and apply. */
export interface FieldOwner<T extends KubeObject> extends FieldOwnership<T> {
  /** The merged object with managedFields; throws Conflict with a cause per field. */
  apply(live: Readonly<T> | undefined, applied: T, options: { manager: string; force: boolean; subresource: string }): T;
}

/** Characters before the first slash of a user agent, printable and at most 128: the manager of clients that name none. */
export function managerOf(fieldManager: string | undefined, userAgent: string | undefined): string {
  if (fieldManager) return fieldManager;
  const prefix = (userAgent ?? '').split('/')[0] ?? '';
  let name = '';
  for (const character of prefix) {
    if (name.length + character.length > 128) break;
    if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) name += character;
  }
  return name || 'unknown';
}
