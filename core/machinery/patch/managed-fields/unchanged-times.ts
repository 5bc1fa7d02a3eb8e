import { jsonEqual } from '../../object.js';
import type { ManagedFieldsEntry } from '../../object.js';

interface Managed {
  readonly metadata?: { readonly managedFields?: readonly ManagedFieldsEntry[] | undefined };
}

/**
 * `next`, with the times of the managed fields as they were in `live` when nothing else has changed, so that a repeated apply is
 * no write. To be called on objects as they would be stored. Source: IgnoreManagedFieldsTimestampsTransformer of the API server.
 */
export function keepUnchangedTimes<T extends Managed>(live: Managed, next: T): T {
  const before = live.metadata?.managedFields;
  const after = next.metadata?.managedFields;
  if (!before || !after || after.length === 0 || before.length !== after.length || before === after) return next;
  if (after.every((entry, index) => entry.time === before[index]!.time)) return next;
  if (
    !after.every((entry, index) => entry === before[index] || jsonEqual({ ...entry, time: before[index]!.time }, before[index]))
  )
    return next;
  const kept = { ...next, metadata: { ...next.metadata, managedFields: before } };
  return jsonEqual(live, kept) ? kept : next;
}
