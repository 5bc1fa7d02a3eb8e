import type { DeleteOptions } from '../../contracts/api-transport.js';
import type { KubeObject } from '../../machinery/object.js';
import { conflict } from '../../machinery/status-error.js';
import { formatTime, wrappedDurationMs } from '../../machinery/time.js';
import type { StoredObject } from '../storage/stored-object.js';
import { deletionFinalizers } from './object-metadata.js';
import type { ResourceDefinition } from './resource-definition.js';

/** Throws Conflict when the object is not the one, or not as, the client saw it. Upstream names the kind here, not the resource. */
export function checkPreconditions<T extends KubeObject>(
  current: StoredObject<T>,
  { preconditions }: DeleteOptions,
  { group, kind }: { readonly group: string; readonly kind: string },
): void {
  const subject = { group, resource: kind, name: current.name };
  const { uid, resourceVersion } = preconditions ?? {};
  if (uid !== undefined && uid !== current.uid) {
    throw conflict(
      subject,
      `the UID in the precondition (${uid}) does not match the UID in record (${current.uid}). ` +
        'The object might have been deleted and then recreated',
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== current.resourceVersion) {
    throw conflict(
      subject,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record ` +
        `(${current.resourceVersion}). The object might have been modified`,
    );
  }
}

/**
 * Marks `draft` for a deletion with grace. `none`: its kind knows none, or it is over; `pending`: one that ends no later is running.
 * Source: registry/rest BeforeDelete.
 */
export function beforeDelete<T extends KubeObject>(
  { metadata }: T,
  old: Readonly<T>,
  options: DeleteOptions,
  { definition, nowMs }: { definition: ResourceDefinition<T>; nowMs: number },
): 'graceful' | 'pending' | 'none' {
  if (!definition.gracePeriodSeconds) return 'none';
  const given = options.gracePeriodSeconds ?? undefined;
  const requested = given !== undefined && given < 0 ? 1 : given;
  if (metadata.deletionTimestamp === undefined) {
    const seconds = definition.gracePeriodSeconds(old, requested);
    metadata.deletionTimestamp = formatTime(nowMs + wrappedDurationMs(seconds));
    metadata.deletionGracePeriodSeconds = seconds;
    if (metadata.generation) metadata.generation++;
    return 'graceful';
  }
  const running = metadata.deletionGracePeriodSeconds ?? 0;
  if (running === 0) return 'none';
  if (requested === undefined || requested >= running) return 'pending';
  const endMs = Date.parse(metadata.deletionTimestamp) - wrappedDurationMs(running) + wrappedDurationMs(requested);
  metadata.deletionTimestamp = formatTime(Math.max(endMs, nowMs));
  // Whoever ends it must still see it end.
  metadata.deletionGracePeriodSeconds = endMs < nowMs && requested !== 0 ? 1 : requested;
  return 'graceful';
}

export function setFinalizers(
  { metadata }: KubeObject,
  old: Readonly<KubeObject>,
  options: DeleteOptions,
  orphanByDefault: boolean,
): void {
  const policy = options.propagationPolicy ?? olderPolicy(options.orphanDependents);
  const finalizers = deletionFinalizers(old.metadata.finalizers ?? [], policy, orphanByDefault);
  if (finalizers.length) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
}

function olderPolicy(orphanDependents: boolean | undefined): DeleteOptions['propagationPolicy'] {
  return orphanDependents === undefined ? undefined : orphanDependents ? 'Orphan' : 'Background';
}

/** For what finalizers alone keep: its time is now. */
export function markAsDeleting({ metadata }: KubeObject, nowMs: number): void {
  const { deletionTimestamp } = metadata;
  if (deletionTimestamp === undefined && metadata.generation) metadata.generation++;
  if (deletionTimestamp === undefined || Date.parse(deletionTimestamp) > nowMs) metadata.deletionTimestamp = formatTime(nowMs);
  metadata.deletionGracePeriodSeconds = 0;
}
