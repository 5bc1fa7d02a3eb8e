import { internalValue } from '../../api/internal-value.js';
import type { FieldPath } from '../../machinery/field-errors.js';
import { FieldErrors, fieldPath, quote } from '../../machinery/field-errors.js';
import type { KubeObject, ObjectMeta } from '../../machinery/object.js';
import { semanticEqual } from '../../machinery/object.js';
import { nameIsDnsSubdomain, nameIsPathSegment, validateLabelValue, validateQualifiedName } from '../../machinery/names.js';
import { formatTime } from '../../machinery/time.js';
import type { ResourceDefinition } from './resource-definition.js';

const totalAnnotationLimitBytes = 256 * 1024;
const orphanFinalizer = 'orphan';
const foregroundFinalizer = 'foregroundDeletion';
const maximumManagerLength = 128;
/** Groups whose validation upstream leaves to the rules of custom resources. */
const freeFinalizerGroups: ReadonlySet<string> = new Set([
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
]);

/** Takes what only the server says from a new object, before anybody comes to own it. Source: rest.WipeObjectMetaSystemFields. */
export function wipeSystemFields(metadata: ObjectMeta): void {
  delete metadata.uid;
  delete metadata.creationTimestamp;
  delete metadata.selfLink;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
}

export function fillSystemFields(metadata: ObjectMeta, uid: string, nowMs: number): void {
  metadata.uid = uid;
  metadata.creationTimestamp = formatTime(nowMs);
}

/** Drops owners that are named twice; resolves their uids, for a warning. Source: handlers dedupOwnerReferences. */
export function dropDuplicateOwners(metadata: ObjectMeta): string[] {
  const owners = metadata.ownerReferences;
  if (!owners || owners.length < 2) return [];
  const kept: typeof owners = [];
  const duplicates: string[] = [];
  for (const owner of owners) {
    if (kept.some(other => semanticEqual(other, owner))) duplicates.push(owner.uid);
    else kept.push(owner);
  }
  if (duplicates.length > 0) metadata.ownerReferences = kept;
  return duplicates;
}

/** What all kinds are held to: new ones when they passed the checks of their own. Source: rest.BeforeCreate. */
export function validateAnyMetadata<T extends KubeObject>(
  { metadata }: T,
  { reference }: ResourceDefinition<T>,
  errors: FieldErrors,
): void {
  validateNames(metadata, nameIsPathSegment, errors);
  if (reference.namespaced && !metadata.namespace) errors.required(fieldPath('metadata', 'namespace'));
  validateCommon(metadata, errors);
}

/** Source: apimachinery ValidateObjectMeta. */
export function validateMetadata<T extends KubeObject>(object: T, definition: ResourceDefinition<T>, errors: FieldErrors): void {
  const { metadata } = object;
  validateNames(metadata, definition.validateName ?? nameIsDnsSubdomain, errors);
  if (definition.reference.namespaced && !metadata.namespace) errors.required(fieldPath('metadata', 'namespace'));
  validateCommon(metadata, errors);
  validateFinalizerDomains(object, definition, errors);
}

function validateNames(
  { name, generateName }: ObjectMeta,
  check: (name: string, prefix: boolean) => readonly string[],
  errors: FieldErrors,
): void {
  const path = fieldPath('metadata');
  if (generateName) for (const text of check(generateName, true)) errors.invalid(path.child('generateName'), generateName, text);
  if (!name) errors.required(path.child('name'), 'name or generateName is required');
  else for (const text of check(name, false)) errors.invalid(path.child('name'), name, text);
}

function validateCommon(metadata: ObjectMeta, errors: FieldErrors): void {
  const path = fieldPath('metadata');
  if (metadata.generation !== undefined && metadata.generation < 0) {
    errors.invalid(path.child('generation'), metadata.generation, 'must be greater than or equal to 0');
  }
  validateLabels(metadata.labels, 'labels', errors);
  validateAnnotations(metadata.annotations, errors);
  validateOwners(metadata, errors);
  validateFinalizers(metadata.finalizers ?? [], errors);
  validateManagedFields(metadata, errors);
}

function validateManagedFields(metadata: ObjectMeta, errors: FieldErrors): void {
  for (const [index, entry] of (metadata.managedFields ?? []).entries()) {
    const at = fieldPath('metadata').child('managedFields').index(index);
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      errors.invalid(at.child('operation'), entry.operation ?? '', 'must be `Apply` or `Update`');
    }
    if (entry.fieldsType !== undefined && entry.fieldsType !== 'FieldsV1') {
      errors.invalid(at.child('fieldsType'), entry.fieldsType, 'must be `FieldsV1`');
    }
    if ((entry.manager ?? '').length > maximumManagerLength) errors.tooLong(at.child('manager'), maximumManagerLength);
  }
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, field: string, errors: FieldErrors): void {
  const path = fieldPath('metadata', field);
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const text of validateQualifiedName(key)) errors.invalid(path, key, text);
    for (const text of validateLabelValue(value)) errors.invalid(path, value, text);
  }
}

export function validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, errors: FieldErrors): void {
  const path = fieldPath('metadata', 'annotations');
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const text of validateQualifiedName(key.toLowerCase())) errors.invalid(path, key, text);
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > totalAnnotationLimitBytes) errors.tooLong(path, totalAnnotationLimitBytes);
}

function validateOwners(metadata: ObjectMeta, errors: FieldErrors): void {
  const path = fieldPath('metadata', 'ownerReferences');
  let controller = '';
  for (const owner of metadata.ownerReferences ?? []) {
    const at = path;
    const slash = owner.apiVersion.split('/');
    if (!owner.apiVersion || slash.length > 2 || slash.at(-1) === '') {
      errors.invalid(at.child('apiVersion'), owner.apiVersion, 'version must not be empty');
    }
    if (!owner.kind) errors.invalid(at.child('kind'), owner.kind, 'must not be empty');
    if (!owner.name) errors.invalid(at.child('name'), owner.name, 'must not be empty');
    if (!owner.uid) errors.invalid(at.child('uid'), owner.uid, 'must not be empty');
    if (owner.apiVersion === 'v1' && owner.kind === 'Event')
      errors.invalid(
        at,
        internalValue('v1.OwnerReference', owner),
        `/${owner.apiVersion}, Kind=${owner.kind} is disallowed from being an owner`,
      );
    if (!owner.controller) continue;
    const current = `${owner.kind}/${owner.name}`;
    if (controller) {
      errors.invalid(
        path,
        internalValue('[]v1.OwnerReference', metadata.ownerReferences),
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${current}`,
      );
    } else controller = current;
  }
}

function validateFinalizers(finalizers: readonly string[], errors: FieldErrors): void {
  const path = fieldPath('metadata', 'finalizers');
  for (const finalizer of finalizers) {
    for (const text of validateQualifiedName(finalizer)) errors.invalid(path, finalizer, text);
  }
  if (finalizers.includes(orphanFinalizer) && finalizers.includes(foregroundFinalizer)) {
    errors.invalid(path, finalizers, `finalizer ${orphanFinalizer} and ${foregroundFinalizer} cannot be both set`);
  }
}

const standardFinalizers = ['kubernetes', orphanFinalizer, foregroundFinalizer];

/** Names of Kubernetes' own kinds need a domain where they are none of the old ones. Source: core ValidateFinalizerName. */
export function validateFinalizerDomain(path: FieldPath, finalizer: string, errors: FieldErrors): void {
  if (finalizer.includes('/') || standardFinalizers.includes(finalizer)) return;
  errors.invalid(path, finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
}

function validateFinalizerDomains<T extends KubeObject>(
  { metadata: { finalizers } }: KubeObject,
  { reference: { group }, freeFinalizers }: ResourceDefinition<T>,
  errors: FieldErrors,
): void {
  if (!finalizers || freeFinalizers || freeFinalizerGroups.has(group)) return;
  const path = fieldPath('metadata', 'finalizers');
  for (const [index, finalizer] of finalizers.entries()) validateFinalizerDomain(path.index(index), finalizer, errors);
}

/** What every update is held to before the kind's own checks. Source: rest.BeforeUpdate, validateCommonFields. */
export function validateAnyMetadataUpdate<T extends KubeObject>(
  object: T,
  old: Readonly<T>,
  definition: ResourceDefinition<T>,
  errors: FieldErrors,
): void {
  validateAnyMetadata(object, definition, errors);
  validateMetadataChange(object, old, errors);
}

/** The same once more with the finalizers' domains, as most kinds check it themselves. Source: core ValidateObjectMetaUpdate. */
export function validateMetadataUpdate<T extends KubeObject>(
  object: T,
  old: Readonly<T>,
  definition: ResourceDefinition<T>,
  errors: FieldErrors,
): void {
  validateMetadataChange(object, old, errors);
  validateFinalizerDomains(object, definition, errors);
}

/** Source: apimachinery ValidateObjectMetaAccessorUpdate; what the store copied from the old object cannot differ any more. */
function validateMetadataChange({ metadata }: KubeObject, old: Readonly<KubeObject>, errors: FieldErrors): void {
  const path = fieldPath('metadata');
  if (old.metadata.deletionTimestamp !== undefined) {
    const before = new Set(old.metadata.finalizers ?? []);
    const added = [...new Set(metadata.finalizers)].filter(finalizer => !before.has(finalizer)).sort();
    if (added.length) {
      const list = added.map(quote).join(', ');
      errors.forbidden(
        path.child('finalizers'),
        `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
      );
    }
  }
  for (const field of ['name', 'uid', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    if (metadata[field] !== old.metadata[field]) errors.invalid(path.child(field), metadata[field], 'field is immutable');
  }
  validateLabels(metadata.labels, 'labels', errors);
  validateAnnotations(metadata.annotations, errors);
  validateOwners(metadata, errors);
  validateManagedFields(metadata, errors);
}

/** The finalizers that an object marked for deletion gets. Source: generic registry, deletionFinalizersForGarbageCollection. */
export function deletionFinalizers(existing: readonly string[], policy: string | undefined, orphanByDefault: boolean): string[] {
  const kept = existing.filter(finalizer => finalizer !== orphanFinalizer && finalizer !== foregroundFinalizer);
  if (policy === 'Orphan') return [...kept, orphanFinalizer];
  if (policy === 'Foreground') return [...kept, foregroundFinalizer];
  if (policy === 'Background') return kept;
  if (existing.includes(orphanFinalizer)) return [...kept, orphanFinalizer];
  if (existing.includes(foregroundFinalizer)) return [...kept, foregroundFinalizer];
  return orphanByDefault ? [...kept, orphanFinalizer] : kept;
}

/** The metadata of an object inside an object. */
export function validateInnerMetadata(given: Record<string, unknown>, path: FieldPath, errors: FieldErrors): void {
  const found = new FieldErrors();
  const metadata: ObjectMeta = { ...given, name: (given['name'] as string) || 'fakename' };
  const reference = { group: '', version: '', resource: '', kind: '', namespaced: false };
  validateAnyMetadata({ apiVersion: '', kind: '', metadata }, { reference }, found);
  for (const { type, field, body } of found.list) errors.add(type, `${path}${field.slice('metadata'.length)}`, body);
}
