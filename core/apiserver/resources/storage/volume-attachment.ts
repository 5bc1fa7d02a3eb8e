import type { VolumeAttachment, VolumeError } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { VolumeAttachments } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { immutable, maximumInt32, objectName } from '../core/checks.js';
import { validateDriverName } from '../core/driver-name-validation.js';

const maximumMetadataBytes = 256 * 1024;
const maximumMessageBytes = 1024;

export const volumeAttachment = defineResource<VolumeAttachment>({
  reference: VolumeAttachments,
  returnsDeleted: true,
  generation: false,
  allowUnconditionalUpdate: false,
  prepareForCreate(object) {
    object.status = { attached: false };
  },
  validate: validateAttachment,
  checks: { update: ['object', 'validateUpdate'] },
  validateUpdate: validateChange,
  row: (object, context) => [
    object.metadata.name,
    object.spec.attacher,
    object.spec.source.persistentVolumeName ?? '',
    object.spec.nodeName,
    object.status?.attached ?? false,
    age(object, context),
  ],
  subresources: { status: { type: 'update', checks: ['object', 'validateUpdate'], validateUpdate: validateChange } },
  resetFields: { '': ['status'], status: ['metadata', 'spec'] },
});

function validateChange(object: VolumeAttachment, old: Readonly<VolumeAttachment>, errors: FieldErrors): void {
  validateAttachment(object, errors);
  if (!semanticEqual(object.spec, old.spec))
    immutable(errors, fieldPath('spec'), internalValue('storage.VolumeAttachmentSpec', object.spec));
}

function validateAttachment({ spec, status }: VolumeAttachment, errors: FieldErrors): void {
  const path = fieldPath('spec');
  validateDriverName(spec.attacher, path.child('attacher'), errors);
  const { persistentVolumeName, inlineVolumeSpec } = spec.source;
  const source = path.child('source');
  const text = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (!inlineVolumeSpec && persistentVolumeName === undefined) errors.required(source, text);
  else if (inlineVolumeSpec && persistentVolumeName !== undefined) errors.forbidden(source, text);
  else if (persistentVolumeName === '')
    errors.required(source.child('persistentVolumeName'), 'must specify non empty persistentVolumeName');
  objectName(errors, path.child('nodeName'), spec.nodeName);
  validateStatus(status, fieldPath('status'), errors);
  if (persistentVolumeName !== undefined) objectName(errors, source.child('persistentVolumeName'), persistentVolumeName);
}

function validateStatus(status: VolumeAttachment['status'] | undefined, path: FieldPath, errors: FieldErrors): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(status?.attachmentMetadata ?? {}))
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  if (bytes > maximumMetadataBytes) errors.tooLong(path.child('attachmentMetadata'), maximumMetadataBytes);
  validateError(status?.attachError, path.child('attachError'), errors);
  validateError(status?.detachError, path.child('detachError'), errors);
}

function validateError(error: VolumeError | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!error) return;
  // The limit that the message names is upstream's slip.
  if (Buffer.byteLength(error.message ?? '') > maximumMessageBytes) errors.tooLong(path.child('message'), maximumMetadataBytes);
  if ((error.errorCode ?? 0) < 0)
    errors.invalid(path.child('errorCode'), error.errorCode, `must be between 0 and ${maximumInt32}, inclusive`);
}
