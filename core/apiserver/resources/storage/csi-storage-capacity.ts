import type { CSIStorageCapacity } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { CSIStorageCapacities } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { FieldErrors as Errors, fieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { nameIsDnsSubdomain } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { validateMetadataUpdate } from '../../registry/object-metadata.js';
import { defineResource } from '../../registry/resource-definition.js';
import { addInvalid, immutable, negativeText } from '../core/checks.js';
import { nodeLabelDeprecation } from '../core/node-label-warnings.js';

const topology = fieldPath('nodeTopology');
const zero = parseQuantity('0');

export const csiStorageCapacity = defineResource<CSIStorageCapacity>({
  reference: CSIStorageCapacities,
  generation: false,
  allowUnconditionalUpdate: false,
  validate: (object, errors) => validateCapacity(object, errors, false),
  checks: { update: ['object', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    const before = new Errors();
    validateLabelSelector(old.nodeTopology, topology, before);
    validateCapacity(object, errors, !before.empty);
    validateMetadataUpdate(object, old, csiStorageCapacity, errors);
    if (!semanticEqual(object.nodeTopology, old.nodeTopology))
      immutable(errors, topology, internalValue('*v1.LabelSelector', object.nodeTopology));
    if (object.storageClassName !== old.storageClassName)
      immutable(errors, fieldPath('storageClassName'), object.storageClassName);
  },
  warnings: ({ nodeTopology }) => [
    ...(nodeTopology?.matchExpressions ?? []).flatMap(({ key }, index) => {
      const text = nodeLabelDeprecation(key);
      return text ? [`${topology.child('matchExpressions').index(index).child('key')}: ${key} is ${text}`] : [];
    }),
    ...Object.keys(nodeTopology?.matchLabels ?? {}).flatMap(label => {
      const text = nodeLabelDeprecation(label);
      return text ? [`${topology.child('matchLabels', label)}: ${text}`] : [];
    }),
  ],
});

function validateCapacity(object: CSIStorageCapacity, errors: FieldErrors, allowInvalidValues: boolean): void {
  validateLabelSelector(object.nodeTopology, topology, errors, { allowInvalidValues });
  const { storageClassName, capacity } = object;
  addInvalid(errors, fieldPath('storageClassName'), storageClassName, nameIsDnsSubdomain(storageClassName, false));
  if (capacity !== undefined && parseQuantity(capacity).compare(zero) < 0)
    errors.invalid(fieldPath('capacity'), capacity, negativeText);
}
