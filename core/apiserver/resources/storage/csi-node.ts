import type { CSINode, CSINodeDriver } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { CSINodes } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { immutable, nonNegative, qualifiedName } from '../core/checks.js';
import { validateDriverName } from '../core/driver-name-validation.js';

const maximumNodeIdBytes = 256;
const path = fieldPath('spec', 'drivers');

export const csiNode = defineResource<CSINode>({
  reference: CSINodes,
  returnsDeleted: true,
  generation: false,
  allowUnconditionalUpdate: false,
  prepareForCreate: emptyIsNone,
  prepareForUpdate: emptyIsNone,
  validate: validateNode,
  checks: { update: ['object', 'validate', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    for (const before of old.spec.drivers ?? []) {
      for (const driver of object.spec.drivers ?? []) {
        // How many volumes fit may change.
        const same = semanticEqual({ ...driver, allocatable: undefined }, { ...before, allocatable: undefined });
        if (driver.name === before.name && !same)
          immutable(errors, path, internalValue('*storage.CSINodeDriver', { ...driver, allocatable: undefined }));
      }
    }
  },
  row: (object, context) => [object.metadata.name, object.spec.drivers?.length ?? 0, age(object, context)],
});

/** Upstream's store does not tell an empty list from none, and writes none for both. */
function emptyIsNone({ spec }: CSINode): void {
  if (spec.drivers?.length === 0) (spec as { drivers: unknown }).drivers = null;
}

function validateNode({ spec }: CSINode, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [index, driver] of (spec.drivers ?? []).entries()) {
    const at = path.index(index);
    validateDriver(driver, at, errors);
    if (names.has(driver.name)) errors.duplicate(at.child('name'), driver.name);
    names.add(driver.name);
    validateKeys(driver.topologyKeys ?? [], at, errors);
  }
}

function validateDriver({ name, nodeID, allocatable }: CSINodeDriver, at: FieldPath, errors: FieldErrors): void {
  validateDriverName(name, at.child('name'), errors);
  if (!nodeID) errors.required(at.child('nodeID'));
  else if (Buffer.byteLength(nodeID) > maximumNodeIdBytes)
    errors.invalid(at.child('nodeID'), nodeID, `must be ${maximumNodeIdBytes} characters or less`);
  nonNegative(errors, at.child('allocatable', 'count'), allocatable?.count);
}

function validateKeys(keys: readonly string[], at: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (!key) errors.required(at);
    if (seen.has(key)) errors.duplicate(at, key);
    seen.add(key);
    qualifiedName(errors, at, key);
  }
}
