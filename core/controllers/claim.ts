import { CodedError } from '../base/errors.js';
import { controllerOf, controllerReference } from '../api/owners.js';
import type { WithMetadata } from '../api/owners.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext } from './controller.js';

export interface ClaimOptions<O extends WithMetadata, T extends WithMetadata> {
  readonly owner: O;
  readonly ownerResource: ResourceReference<O>;
  readonly resource: ResourceReference<T>;
  /** Candidates: at least all that the owner controls and all orphans it might adopt. */
  readonly objects: Iterable<T>;
  readonly matches: (object: T) => boolean;
  /** A finalizer that adopted objects get and released ones lose. */
  readonly finalizer?: string;
}

/**
 * The objects that `owner` controls: matching orphans are adopted, its own that match no more are released. Before the first
 * adoption the owner is read from the server: it may be about to be deleted. Source: pkg/controller controller_ref_manager.
 */
export async function claimObjects<O extends WithMetadata, T extends WithMetadata>(
  context: ControllerContext,
  options: ClaimOptions<O, T>,
): Promise<T[]> {
  const { owner, matches } = options;
  const ownerDeleting = owner.metadata.deletionTimestamp !== undefined;
  const claimed: T[] = [];
  const errors: unknown[] = [];
  let adoptable: Promise<void> | undefined;
  for (const object of options.objects) {
    const reference = controllerOf(object);
    try {
      if (reference) {
        if (reference.uid !== owner.metadata.uid) continue;
        if (matches(object)) claimed.push(object);
        else if (!ownerDeleting) await release(context, options, object);
        continue;
      }
      if (ownerDeleting || object.metadata.deletionTimestamp || !matches(object)) continue;
      if (owner.metadata.namespace !== object.metadata.namespace) continue;
      adoptable ??= checkAdoptable(context, options);
      await adoptable;
      const adopted = await adopt(context, options, object);
      if (adopted) claimed.push(adopted);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} objects could not be claimed`);
  return claimed;
}

async function checkAdoptable<O extends WithMetadata, T extends WithMetadata>(
  context: ControllerContext,
  { owner, ownerResource }: ClaimOptions<O, T>,
): Promise<void> {
  const { namespace, name, uid } = owner.metadata;
  const fresh = await context.client.resource(ownerResource, namespace).get(name!);
  const refused = (why: string): CodedError =>
    new CodedError('CANNOT_ADOPT', `${ownerResource.kind} ${namespace}/${name} cannot adopt: ${why}`);
  if (fresh.metadata.uid !== uid) throw refused(`it is gone: got uid ${fresh.metadata.uid}, wanted ${uid}`);
  if (fresh.metadata.deletionTimestamp) throw refused(`it has just been deleted at ${fresh.metadata.deletionTimestamp}`);
}

async function adopt<O extends WithMetadata, T extends WithMetadata>(
  context: ControllerContext,
  { owner, ownerResource, resource, finalizer }: ClaimOptions<O, T>,
  object: T,
): Promise<T | undefined> {
  const { namespace, name, uid } = object.metadata;
  // Lists merge by uid and by value, so that nobody else's entries are touched whatever the cache knows.
  const patch = {
    metadata: {
      uid,
      ownerReferences: [controllerReference(owner, ownerResource)],
      ...(finalizer ? { finalizers: [finalizer] } : {}),
    },
  };
  try {
    return await context.client.resource(resource, namespace).patch(name!, 'strategic', patch);
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function release<O extends WithMetadata, T extends WithMetadata>(
  context: ControllerContext,
  { owner, resource, finalizer }: ClaimOptions<O, T>,
  object: T,
): Promise<void> {
  const { namespace, name, uid } = object.metadata;
  const patch = {
    metadata: {
      uid,
      ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }],
      ...(finalizer ? { '$deleteFromPrimitiveList/finalizers': [finalizer] } : {}),
    },
  };
  try {
    await context.client.resource(resource, namespace).patch(name!, 'strategic', patch);
  } catch (error) {
    // Invalid: the reference was removed meanwhile and nothing of it is left to release.
    if (!isStatusError(error, 'NotFound', 'Invalid')) throw error;
  }
}
