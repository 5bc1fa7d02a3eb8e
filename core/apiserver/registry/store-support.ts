import { randomInt } from 'node:crypto';
import { errorCode } from '../../base/errors.js';
import { FieldErrors, quote } from '../../machinery/field-errors.js';
import type { KubeObject } from '../../machinery/object.js';
import type { Subject } from '../../machinery/status-error.js';
import { alreadyExists, badRequest, serviceUnavailable, StatusError } from '../../machinery/status-error.js';
import type { StoredObject } from '../storage/stored-object.js';

const unreservedCharacters = 'bcdfghjklmnpqrstvwxz2456789';
const maximumGeneratedBase = 58;

export function setOrDelete<K extends object, P extends keyof K>(target: K, key: P, value: K[P] | undefined): void {
  if (value === undefined) delete target[key];
  else target[key] = value;
}

/** `base` and five random characters; the base is cut so that the name stays a valid label. */
export function generateName(base: string): string {
  let name = base.slice(0, maximumGeneratedBase);
  for (let i = 0; i < 5; i++) name += unreservedCharacters[randomInt(unreservedCharacters.length)]!;
  return name;
}

export function afterKey(entry: StoredObject<KubeObject>, namespaced: boolean): string {
  return namespaced ? `${entry.namespace}/${entry.name}` : entry.name;
}

export function uidText(wanted: string, actual: string): string {
  return `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${actual}`;
}

const versionFault = (value: string): string => `strconv.ParseUint: parsing ${quote(value)}: invalid syntax`;

export function badVersion(value: string): Error {
  return new StatusError(500, '', versionFault(value));
}

export function badVersionErrors(value: string): FieldErrors {
  const errors = new FieldErrors();
  errors.add('FieldValueInvalid', 'metadata.resourceVersion', `Invalid value: "${value}": ${versionFault(value)}`);
  return errors;
}

/** A version as upstream's storage reads it: 0 where it is none. */
export function numericVersion(value: string | undefined): number {
  return value !== undefined && /^\d+$/.test(value) && BigInt(value) < 2n ** 64n ? Number(value) : 0;
}

/** Upstream's storage says so with an error of no kind, after all other checks; it stores an object whose version is no number. */
export function checkUnversioned({ metadata }: KubeObject): void {
  if (numericVersion(metadata.resourceVersion) !== 0)
    throw new StatusError(500, '', 'resourceVersion should not be set on objects to be created');
}

/** AlreadyExists for a new object, in whose place `existing` stands where the caller has it. Source: generic/registry/store.go, create. */
export function nameTaken(subject: Subject, { metadata }: KubeObject, existing?: Readonly<KubeObject>): StatusError {
  const { status } = alreadyExists(subject);
  const going = existing?.metadata.deletionTimestamp === undefined ? '' : 'object is being deleted: ';
  const message = `${going}${status.message}`;
  if (!metadata.generateName) return StatusError.from({ ...status, message });
  return StatusError.from({
    ...status,
    message: `${message}, the server was not able to generate a unique name for the object`,
    details: { ...status.details, retryAfterSeconds: 1 },
  });
}

export function nameMismatch(objectName: string, requestName: string): Error {
  return badRequest(`the name of the object (${objectName}) does not match the name on the URL (${requestName})`);
}

export function isLeaseRenewal(reference: { group: string; resource: string }, draft: KubeObject, old: KubeObject): boolean {
  if (reference.group !== 'coordination.k8s.io' || reference.resource !== 'leases') return false;
  const holder = (lease: KubeObject): unknown => (lease as { spec?: { holderIdentity?: string } }).spec?.holderIdentity;
  return holder(draft) === holder(old);
}

export function storageError(error: unknown): unknown {
  const code = errorCode(error);
  if (code === 'DATASTORE_FULL') return serviceUnavailable('the datastore is full: free disk space where it lies');
  if (code === 'DATASTORE_UNAVAILABLE' || code === 'DATASTORE_CLOSED')
    return serviceUnavailable('the datastore is not available');
  return error;
}
