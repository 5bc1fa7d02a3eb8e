import type { ControllerRevision } from '../../../api/generated/types.js';
import { ControllerRevisions } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { controllerOf } from '../../../api/owners.js';
import { isJsonObject, parseApiVersion, qualifiedName } from '../../../machinery/object.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';
import { nonNegative, unchangedObject } from './pod-owner.js';

export const controllerRevision = defineResource<ControllerRevision>({
  reference: ControllerRevisions,
  generation: false,
  validate(object, errors) {
    validateRevision(object, errors);
    const { data } = object;
    if (data === undefined || data === null) errors.required(fieldPath('data'), 'data is mandatory');
    else if (!isJsonObject(data)) errors.required(fieldPath('data'), 'data must be a valid JSON object');
  },
  checks: { update: ['change', 'object', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    validateRevision(object, errors);
    unchangedObject(object.data as object, old.data as object, 'json', { path: fieldPath('data'), errors });
  },
  row: (object, context) => [object.metadata.name, controllerCell(object), object.revision, age(object, context)],
});

function validateRevision(object: ControllerRevision, errors: FieldErrors): void {
  nonNegative(object, ['revision'], fieldPath(), errors);
}

function controllerCell(object: Readonly<ControllerRevision>): string {
  const controller = controllerOf(object);
  if (!controller) return '<none>';
  const group = parseApiVersion(controller.apiVersion)?.group ?? '';
  return `${qualifiedName(group, controller.kind).toLowerCase()}/${controller.name}`;
}
