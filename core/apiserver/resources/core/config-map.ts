import type { ConfigMap } from '../../../api/generated/types.js';
import { ConfigMaps } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { jsonEqual } from '../../../machinery/object.js';
import { validateConfigMapKey } from '../../../machinery/names.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';

const maximumBytes = 1024 * 1024;

export const configMap = defineResource<ConfigMap>({
  reference: ConfigMaps,
  generation: false,
  validate: validateConfigMap,
  checks: { update: ['change', 'validateUpdate', 'object', 'validate'] },
  validateUpdate(object, old, errors) {
    if (old.immutable) {
      if (!object.immutable) errors.forbidden(fieldPath('immutable'), 'field is immutable when `immutable` is set');
      for (const field of ['data', 'binaryData'] as const) {
        if (!jsonEqual(object[field], old[field]))
          errors.forbidden(fieldPath(field), 'field is immutable when `immutable` is set');
      }
    }
  },
  row: (object, context) => [
    object.metadata.name,
    Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
    age(object, context),
  ],
});

function validateConfigMap(object: ConfigMap, errors: FieldErrors): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(object.data ?? {})) {
    for (const text of validateConfigMapKey(key)) errors.invalid(fieldPath('data').key(key), key, text);
    if (object.binaryData && Object.hasOwn(object.binaryData, key))
      errors.invalid(fieldPath('data').key(key), key, 'duplicate of key present in binaryData');
    bytes += Buffer.byteLength(value);
  }
  for (const [key, value] of Object.entries(object.binaryData ?? {})) {
    for (const text of validateConfigMapKey(key)) errors.invalid(fieldPath('binaryData').key(key), key, text);
    bytes += Buffer.byteLength(value, 'base64');
  }
  if (bytes > maximumBytes) errors.tooLong(fieldPath(''), maximumBytes);
}
