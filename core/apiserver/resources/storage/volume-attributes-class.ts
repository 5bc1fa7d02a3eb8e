import type { VolumeAttributesClass } from '../../../api/generated/types.js';
import { VolumeAttributesClasses } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { jsonEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { validateDriver, validateParameters } from './class-parameters.js';

export const volumeAttributesClass = defineResource<VolumeAttributesClass>({
  reference: VolumeAttributesClasses,
  returnsDeleted: true,
  generation: false,
  validate: validateClass,
  checks: { update: ['change', 'validateUpdate', 'object', 'validate'] },
  validateUpdate(object, old, errors) {
    if (object.driverName !== old.driverName) errors.forbidden(fieldPath('driverName'), 'updates to driverName are forbidden.');
    if (!jsonEqual(object.parameters, old.parameters))
      errors.forbidden(fieldPath('parameters'), 'updates to parameters are forbidden.');
  },
  row: (object, context) => [object.metadata.name, object.driverName, age(object, context)],
});

function validateClass(object: VolumeAttributesClass, errors: FieldErrors): void {
  validateDriver(errors, fieldPath('driverName'), object.driverName);
  validateParameters(errors, fieldPath('parameters'), object.parameters ?? {}, false);
}
