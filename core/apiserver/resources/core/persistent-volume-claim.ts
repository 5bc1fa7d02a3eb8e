import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeClaimStatus,
} from '../../../api/generated/types.js';
import { PersistentVolumeClaims } from '../../../api/generated/resources.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { validateQualifiedName } from '../../../machinery/names.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { Quantity, parseQuantity } from '../../../machinery/quantity.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { addInvalid, immutable, supported } from './checks.js';
import type { ClaimSpecOptions } from './claim-spec-validation.js';
import { validateClaimSpec } from './claim-spec-validation.js';
import { claimSpecWarnings } from './claim-warnings.js';
import { internalDiff } from './line-diff.js';
import { accessModeText } from './persistent-volume.js';
import { isNativeResource, roundResourceList, validateResourceQuantity } from './resource-names.js';

const specPath = fieldPath('spec');
const statusPath = fieldPath('status');
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
const resizeStates = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort();

export const persistentVolumeClaim = defineResource<PersistentVolumeClaim>({
  reference: PersistentVolumeClaims,
  returnsDeleted: true,
  generation: false,
  resetFields: statusResetFields,
  defaults({ spec, status }) {
    if (status) status.phase ||= 'Pending';
    spec.volumeMode ??= 'Filesystem';
    roundResourceList(spec.resources?.limits);
    roundResourceList(spec.resources?.requests);
    roundResourceList(status?.capacity);
    roundResourceList(status?.allocatedResources);
  },
  prepareForCreate(object) {
    object.status = { phase: 'Pending' };
    prepareSources(object.spec, undefined);
  },
  prepareForUpdate(object, old) {
    object.status = cloneJson(old.status);
    prepareSources(object.spec, old.spec);
  },
  validate: ({ spec }, errors) => validateClaimSpec(spec, specPath, errors),
  checks: { update: ['change', 'object', 'validateUpdate'] },
  validateUpdate: validateClaimUpdate,
  warnings({ metadata, spec }) {
    const annotated = metadata.annotations?.[classAnnotation] !== undefined;
    const path = fieldPath('metadata', 'annotations').key(classAnnotation);
    return [
      ...(annotated ? [`${path}: deprecated since v1.8; use "storageClassName" attribute instead`] : []),
      ...claimSpecWarnings(spec, specPath),
    ];
  },
  row(object, context) {
    const { metadata, spec, status } = object;
    const isBound = !!spec.volumeName;
    return [
      metadata.name,
      metadata.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating',
      spec.volumeName ?? '',
      isBound ? (status?.capacity?.storage ?? '0') : '',
      isBound ? accessModeText(status?.accessModes) : '',
      metadata.annotations?.[classAnnotation] ?? spec.storageClassName ?? '',
      spec.volumeAttributesClassName ?? '<unset>',
      age(object, context),
      spec.volumeMode ?? '<unset>',
    ];
  },
  subresources: {
    status: statusSubresource<PersistentVolumeClaim>({
      validateUpdate(object, _old, errors) {
        if (!object.spec.accessModes?.length) errors.required(fieldPath('Spec', 'accessModes'));
        validateStatus(object.status ?? {}, errors);
      },
    }),
  },
});

/** Sources of data stand in two fields; what says one of them is copied to the other. Source: KEP-1495. */
function prepareSources(spec: PersistentVolumeClaimSpec, old: PersistentVolumeClaimSpec | undefined): void {
  // Sources of other namespaces are an alpha feature.
  if (spec.dataSourceRef?.namespace && !old?.dataSourceRef) delete spec.dataSourceRef;
  if (!old?.dataSource && !old?.dataSourceRef && !spec.dataSourceRef && spec.dataSource && !isKnownSource(spec.dataSource)) {
    delete spec.dataSource;
  }
  const { dataSource, dataSourceRef } = spec;
  if (dataSource && !dataSourceRef) spec.dataSourceRef = { ...dataSource };
  else if (dataSourceRef && !dataSource && !dataSourceRef.namespace) {
    const { namespace: _none, ...reference } = dataSourceRef;
    spec.dataSource = reference;
  }
}

function isKnownSource({ apiGroup, kind }: NonNullable<PersistentVolumeClaimSpec['dataSource']>): boolean {
  return (kind === 'PersistentVolumeClaim' && !apiGroup) || (kind === 'VolumeSnapshot' && apiGroup === 'snapshot.storage.k8s.io');
}

function optionsFor({ spec }: Readonly<PersistentVolumeClaim>): ClaimSpecOptions {
  const errors = new FieldErrors();
  validateLabelSelector(spec.selector, specPath, errors);
  return {
    invalidSelectorValues: !errors.empty,
    invalidSourceGroups: spec.dataSource?.apiGroup !== undefined || spec.dataSourceRef?.apiGroup !== undefined,
  };
}

/** Source: ValidatePersistentVolumeClaimUpdate. */
function validateClaimUpdate(object: PersistentVolumeClaim, old: Readonly<PersistentVolumeClaim>, errors: FieldErrors): void {
  validateClaimSpec(object.spec, specPath, errors, optionsFor(old));
  const next = cloneJson(object.spec);
  const before = cloneJson(old.spec) as PersistentVolumeClaimSpec;
  if (!old.spec.volumeName && next.volumeName !== undefined) before.volumeName = next.volumeName;
  validateClassChange(object, old, next, errors);
  if (object.status?.phase === 'Bound') {
    const storage = old.spec.resources?.requests?.storage;
    if (next.resources?.requests && storage !== undefined) next.resources.requests.storage = storage;
    if (before.volumeAttributesClassName === undefined) delete next.volumeAttributesClassName;
    else next.volumeAttributesClassName = before.volumeAttributesClassName;
  }
  if (!semanticEqual(next, before)) {
    const text = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
    errors.forbidden(specPath, `${text}\n${internalDiff('core.PersistentVolumeClaimSpec', before, next)}`);
  }
  const amount = (text: string | undefined): Quantity => (text === undefined ? Quantity.zero : parseQuantity(text));
  const size = amount(object.spec.resources?.requests?.storage);
  if (
    size.compare(amount(old.spec.resources?.requests?.storage)) < 0 &&
    size.compare(amount(old.status?.capacity?.storage)) <= 0
  ) {
    errors.forbidden(specPath.child('resources', 'requests', 'storage'), 'field can not be less than status.capacity');
  }
  if (object.spec.volumeMode !== old.spec.volumeMode) immutable(errors, fieldPath('volumeMode'), object.spec.volumeMode ?? null);
  const { volumeAttributesClassName: attributes } = object.spec;
  if (attributes === old.spec.volumeAttributesClassName || old.status?.currentVolumeAttributesClassName === undefined) return;
  const path = specPath.child('volumeAttributesClassName');
  if (attributes === undefined) {
    errors.forbidden(path, 'update to nil is forbidden when status.currentVolumeAttributesClassName is not nil');
  } else if (attributes === '') {
    errors.forbidden(path, 'update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil');
  }
}

/** A class may move from the annotation to the field, or be given to a claim that has none. Puts back in `next` what may change. */
function validateClassChange(
  object: PersistentVolumeClaim,
  old: Readonly<PersistentVolumeClaim>,
  next: PersistentVolumeClaimSpec,
  errors: FieldErrors,
): void {
  const before = old.metadata.annotations?.[classAnnotation];
  const after = object.metadata.annotations?.[classAnnotation];
  const name = object.spec.storageClassName;
  const wasUnset = old.spec.storageClassName === undefined && name !== undefined;
  if (before !== undefined && wasUnset && name === before && (after === undefined || after === before)) {
    delete next.storageClassName;
    return;
  }
  if ((before ?? '') !== (after ?? '')) immutable(errors, fieldPath('metadata', 'annotations', classAnnotation), after ?? '');
  if (wasUnset && (before === undefined || name === before)) delete next.storageClassName;
}

function validateStatus(status: PersistentVolumeClaimStatus, errors: FieldErrors): void {
  for (const [name, text] of Object.entries(status.capacity ?? {})) {
    basicAmount(errors, statusPath.child('capacity').key(name), parseQuantity(text));
  }
  const states = statusPath.child('allocatedResourceStatuses');
  for (const [name, state] of Object.entries(status.allocatedResourceStatuses ?? {})) {
    claimResourceName(errors, states, name);
    if (!resizeStates.includes(state)) errors.notSupported(states, name, resizeStates);
  }
  const allocated = statusPath.child('allocatedResources');
  for (const [name, text] of Object.entries(status.allocatedResources ?? {})) {
    if (!claimResourceName(errors, allocated, name)) continue;
    const amount = parseQuantity(text);
    if (basicAmount(errors, allocated.key(name), amount))
      validateResourceQuantity(errors, allocated.key(name), 'storage', amount);
  }
}

function basicAmount(errors: FieldErrors, path: FieldPath, amount: Quantity): boolean {
  if (amount.sign >= 0) return true;
  errors.invalid(path, amount.value(), 'must be a valid resource quantity');
  return false;
}

function claimResourceName(errors: FieldErrors, path: FieldPath, name: string): boolean {
  const texts = validateQualifiedName(name);
  addInvalid(errors, path, name, texts);
  if (texts.length) return false;
  return !isNativeResource(name) || supported(errors, path, name, ['storage']);
}
