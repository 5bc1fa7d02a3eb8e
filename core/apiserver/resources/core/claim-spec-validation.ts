import type {
  ObjectMeta,
  PersistentVolumeClaimSpec,
  PersistentVolumeClaimTemplate,
  TypedObjectReference,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { PrintedValue } from '../../../machinery/field-errors.js';
import { validateLabels, validateLabelSelector } from '../../../machinery/label-selector.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { dnsSubdomain, namespaceName, notPositiveText, objectName, required, supported } from './checks.js';
import { validateAnnotations } from './annotations-validation.js';
import { validateResourceQuantity } from './resource-names.js';

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
/** Upstream prints a path where it means the value: a structure without anything that can be seen. */
const printedPath = new PrintedValue('{}');

export const volumeModes = ['Block', 'Filesystem'];

export interface ClaimSpecOptions {
  readonly invalidSelectorValues?: boolean;
  readonly invalidSourceGroups?: boolean;
}

export function validateAccessModes(modes: readonly string[], path: FieldPath, errors: FieldErrors): void {
  let once = false;
  let other = false;
  for (const mode of modes) {
    if (!supported(errors, path, mode, accessModes)) continue;
    if (mode === 'ReadWriteOncePod') once = true;
    else other = true;
  }
  if (once && other) errors.forbidden(path, 'may not use ReadWriteOncePod with other access modes');
}

/** Source: ValidatePersistentVolumeClaimSpec. */
export function validateClaimSpec(
  spec: PersistentVolumeClaimSpec,
  path: FieldPath,
  errors: FieldErrors,
  options: ClaimSpecOptions = {},
): void {
  if (!spec.accessModes?.length) errors.required(path.child('accessModes'), 'at least 1 access mode is required');
  if (spec.selector) {
    validateLabelSelector(spec.selector, path.child('selector'), errors, {
      allowInvalidValues: options.invalidSelectorValues ?? false,
    });
  }
  validateAccessModes(spec.accessModes ?? [], path.child('accessModes'), errors);
  const storagePath = path.child('resources').key('storage');
  const storage = spec.resources?.requests?.storage;
  if (storage === undefined) errors.required(storagePath);
  else {
    const amount = parseQuantity(storage);
    if (amount.sign <= 0) errors.invalid(storagePath, amount.toString(), notPositiveText);
    else validateResourceQuantity(errors, storagePath, 'storage', amount);
  }
  if (spec.storageClassName) objectName(errors, path.child('storageClassName'), spec.storageClassName);
  if (spec.volumeMode !== undefined) supported(errors, path.child('volumeMode'), spec.volumeMode, volumeModes);
  const { dataSource, dataSourceRef } = spec;
  const allowGroups = options.invalidSourceGroups ?? false;
  if (dataSource) validateDataSource(dataSource, path.child('dataSource'), errors, allowGroups);
  if (dataSourceRef) {
    validateDataSource(dataSourceRef, path.child('dataSourceRef'), errors, allowGroups);
    if (dataSourceRef.namespace) namespaceName(errors, path.child('dataSourceRef', 'namespace'), dataSourceRef.namespace);
  }
  if (dataSourceRef?.namespace) {
    if (dataSource) errors.invalid(path, printedPath, 'may not be specified when dataSourceRef.namespace is specified');
  } else if (dataSource && dataSourceRef) {
    const { apiGroup, kind, name } = dataSourceRef;
    if (dataSource.apiGroup !== apiGroup || dataSource.kind !== kind || dataSource.name !== name) {
      errors.invalid(path, printedPath, 'must match dataSourceRef');
    }
  }
  if (spec.volumeAttributesClassName) objectName(errors, path.child('volumeAttributesClassName'), spec.volumeAttributesClassName);
}

function validateDataSource(source: TypedObjectReference, path: FieldPath, errors: FieldErrors, allowGroups: boolean): void {
  required(errors, path.child('name'), source.name);
  required(errors, path.child('kind'), source.kind);
  if (!source.apiGroup) {
    if (source.kind !== 'PersistentVolumeClaim') {
      errors.invalid(path, source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
  } else if (!allowGroups) dnsSubdomain(errors, path.child('apiGroup'), source.apiGroup);
}

const unsetMetadata = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'ownerReferences',
  'finalizers',
  'managedFields',
] as const;

/** Metadata of a template takes labels and annotations only. Source: ValidateTemplateObjectMeta. */
export function validateTemplateMetadata(metadata: Partial<ObjectMeta> | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!metadata) return;
  validateAnnotations(metadata.annotations, path.child('annotations'), errors);
  validateLabels(metadata.labels, path.child('labels'), errors);
  for (const field of unsetMetadata) {
    const value = metadata[field];
    // A number that is 0 counts where there might be none.
    const isUnset = value === '' || (value === 0 && field !== 'deletionGracePeriodSeconds');
    if (value === undefined || value === null || isUnset) continue;
    const name = field === 'uid' ? 'uID' : field;
    errors.forbidden(path.child(name), 'cannot be set');
  }
}

export function validateClaimTemplate(template: PersistentVolumeClaimTemplate, path: FieldPath, errors: FieldErrors): void {
  validateTemplateMetadata(template.metadata, path.child('metadata'), errors);
  validateClaimSpec(template.spec, path.child('spec'), errors);
}
