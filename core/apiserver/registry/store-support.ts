import { randomInt } from 'node:crypto';
import { errorCode } from '../../base/errors.js';
import { FieldErrors, quote } from '../../machinery/field-errors.js';
import type { KubeObject } from '../../machinery/object.js';
import { badRequest, serviceUnavailable, StatusError } from '../../machinery/status-error.js';
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

/** Upstream's storage says so with an error of no kind. */
export function checkUnversioned({ metadata }: KubeObject): void {
  if (metadata.resourceVersion) throw new StatusError(500, '', 'resourceVersion should not be set on objects to be created');
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
