import type { RuntimeClass, Toleration } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { RuntimeClasses } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateLabels } from '../../../machinery/label-selector.js';
import { validateDns1123Label } from '../../../machinery/names.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';
import { nodeLabelDeprecation } from '../core/node-label-warnings.js';
import { roundResourceList } from '../core/resource-names.js';
import { validateResourceRequirements } from '../core/resource-requirements-validation.js';
import { validateTolerations } from '../core/scheduling-validation.js';

const noClaims: ReadonlySet<string> = new Set();

export const runtimeClass = defineResource<RuntimeClass>({
  reference: RuntimeClasses,
  generation: false,
  freeFinalizers: true,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  defaults(object) {
    roundResourceList(object.overhead?.podFixed);
  },
  validate: validateRuntimeClass,
  checks: { update: ['object', 'validate', 'change', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    if (object.handler !== old.handler) errors.invalid(fieldPath('handler'), object.handler, 'field is immutable');
  },
  warnings(object) {
    const path = fieldPath('scheduling', 'nodeSelector');
    return Object.keys(object.scheduling?.nodeSelector ?? {}).flatMap(key => {
      const text = nodeLabelDeprecation(key);
      return text ? [`${path}: ${text}`] : [];
    });
  },
  row: (object, context) => [object.metadata.name, object.handler, age(object, context)],
});

function validateRuntimeClass(object: RuntimeClass, errors: FieldErrors): void {
  const handler = fieldPath('handler');
  if (!object.handler) errors.required(handler);
  else for (const text of validateDns1123Label(object.handler)) errors.invalid(handler, object.handler, text);
  if (object.overhead) {
    const options = { claimNames: noClaims, indivisibleHugePages: false };
    validateResourceRequirements({ limits: object.overhead.podFixed }, fieldPath('overhead'), errors, options);
  }
  if (!object.scheduling) return;
  const path = fieldPath('scheduling');
  validateLabels(object.scheduling.nodeSelector, path.child('nodeSelector'), errors);
  const tolerations = object.scheduling.tolerations ?? [];
  validateTolerations(tolerations, path.child('tolerations'), errors, false);
  validateUnique(tolerations, path.child('tolerations'), errors);
}

function validateUnique(tolerations: readonly Toleration[], path: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, toleration] of tolerations.entries()) {
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    const identity = JSON.stringify([key, operator, value, effect]);
    if (seen.has(identity)) {
      errors.duplicate(path.index(index), internalValue('core.Toleration', toleration));
    }
    seen.add(identity);
  }
}
