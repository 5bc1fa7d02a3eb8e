import type { AdmissionAttributes } from '../../contracts/admission.js';
import type { KubeObject } from '../../machinery/object.js';
import { cloneJson, jsonEqual, setOwn } from '../../machinery/object.js';
import { decodeManagedFields } from '../../machinery/patch/managed-fields/managed-entries.js';

/** What went wrong itself: what a client would be told of its own patch or body says less, or more. */
export function plainFault(error: unknown): Error {
  const { message, cause } = error as Error;
  const inner = cause instanceof Error && message.startsWith('the server rejected our request') ? cause.message : message;
  const said = inner
    .replace(/^error decoding patch: /, '')
    .replace(/^the object provided is unrecognized \(must be of type \S+\): (.*) \([^)]*\)$/s, '$1')
    .replace(/^\S+ in version \S+ cannot be handled as a \S+: /, '')
    .replace('pkg/api/legacyscheme/scheme.go:30', 'pkg/runtime/scheme.go:111');
  return new Error(said, { cause: error });
}

/** A patch that left `managedFields` such that nobody can read them has not touched them. Source: upstream's admission of managed fields. */
export function keepReadableOwners(
  { metadata }: KubeObject,
  before: Readonly<KubeObject>,
  attributes: AdmissionAttributes,
): void {
  if (jsonEqual(metadata.managedFields, before.metadata.managedFields)) return;
  try {
    decodeManagedFields(metadata.managedFields, true);
  } catch (error) {
    if (before.metadata.managedFields) metadata.managedFields = cloneJson(before.metadata.managedFields);
    else delete metadata.managedFields;
    const cause = 'this could be caused by an outdated mutating admission controller; please fix your requests';
    const fault = error instanceof Error ? error.message : String(error);
    attributes.warn(`.metadata.managedFields was in an invalid state after admission; ${cause}: ${fault}`);
  }
}

/** Makes the draft what the other object is. */
export function replaceContents(target: KubeObject, source: KubeObject): void {
  const writable = target as unknown as Record<string, unknown>;
  for (const key of Object.keys(writable)) if (!Object.hasOwn(source, key)) delete writable[key];
  for (const [key, value] of Object.entries(source)) setOwn(writable, key, value);
}
