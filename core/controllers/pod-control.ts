import { CodedError, errorText } from '../base/errors.js';
import { Pods } from '../api/generated/resources.js';
import type { Pod, PodTemplateSpec } from '../api/generated/types.js';
import type { WithMetadata } from '../api/owners.js';
import { withoutUndefined } from '../api/objects.js';
import type { OwnerReference } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext } from './controller.js';

/** The object whose pods these are, as events about them name it. */
export type PodOwner = WithMetadata & { readonly apiVersion: string; readonly kind: string };

/** Longest name of a pod that leaves room for the generated suffix. */
const longestPrefix = 253;

/** A pod of a template, not yet created. */
export function podFromTemplate(template: PodTemplateSpec, ownerName: string, reference: OwnerReference): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const prefix = `${ownerName}-`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: withoutUndefined({
      labels: labels && { ...labels },
      annotations: annotations && { ...annotations },
      generateName: prefix.length > longestPrefix ? ownerName : prefix,
      finalizers: finalizers && [...finalizers],
      ownerReferences: [reference],
    }),
    spec: template.spec,
  } as Pod;
}

/** Creates a pod for `owner` and says so in an event. */
export async function createPod(context: ControllerContext, owner: PodOwner, pod: Pod): Promise<Pod> {
  if (Object.keys(pod.metadata.labels ?? {}).length === 0) {
    throw new CodedError('POD_WITHOUT_LABELS', 'unable to create pods, no labels');
  }
  try {
    const created = await context.client.resource(Pods, owner.metadata.namespace).create(pod);
    context.recorder.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
    return created;
  } catch (error) {
    if (!isNamespaceTerminating(error)) {
      context.recorder.event(owner, 'Warning', 'FailedCreate', `Error creating: ${errorText(error)}`);
    }
    throw error;
  }
}

/** Deletes a pod of `owner` and says so in an event; a pod that is gone throws NotFound without one. */
export async function deletePod(context: ControllerContext, owner: PodOwner, name: string): Promise<void> {
  try {
    await context.client.resource(Pods, owner.metadata.namespace).delete(name);
  } catch (error) {
    if (isStatusError(error, 'NotFound')) throw error;
    context.recorder.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${errorText(error)}`);
    throw error;
  }
  context.recorder.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
}

/** Everything that is created in a namespace being deleted fails; nobody needs to read about it. */
export function isNamespaceTerminating(error: unknown): boolean {
  return isStatusError(error) && (error.status.details?.causes?.some(cause => cause.reason === 'NamespaceTerminating') ?? false);
}

/**
 * Calls `call` up to `count` times, in batches of 1, 2, 4 ... at a time, so that what fails for all fails for few. After a batch
 * with a failure no more are begun. Resolves the number of successes and the first error.
 */
export async function slowStart(
  count: number,
  call: (index: number) => Promise<void>,
): Promise<{ successes: number; error?: unknown }> {
  let successes = 0;
  let begun = 0;
  for (let size = Math.min(count, 1); size > 0; size = Math.min(2 * size, count - begun)) {
    const results = await Promise.allSettled(Array.from({ length: size }, (_, index) => call(begun + index)));
    begun += size;
    const failed = results.filter(result => result.status === 'rejected');
    successes += size - failed.length;
    if (failed.length > 0) return { successes, error: failed[0]!.reason as unknown };
  }
  return { successes };
}
