import type { StorageClass, TopologySelectorTerm } from '../../../api/generated/types.js';
import { StorageClasses } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { immutable, qualifiedName, supported } from '../core/checks.js';
import { nodeLabelDeprecation } from '../core/node-label-warnings.js';
import { validateDriver, validateParameters } from './class-parameters.js';

const reclaimPolicies = ['Delete', 'Retain'];
const bindingModes = ['Immediate', 'WaitForFirstConsumer'];
const defaultAnnotations = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];
const fixedFields = ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const;

export const storageClass = defineResource<StorageClass>({
  reference: StorageClasses,
  returnsDeleted: true,
  generation: false,
  defaults(object) {
    object.reclaimPolicy ??= 'Delete';
    object.volumeBindingMode ??= 'Immediate';
  },
  validate: validateClass,
  checks: { update: ['object', 'validate', 'change', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    for (const field of fixedFields)
      if (!semanticEqual(object[field], old[field])) immutable(errors, fieldPath(field), object[field] ?? null);
  },
  warnings: object =>
    (object.allowedTopologies ?? []).flatMap((term, index) =>
      (term.matchLabelExpressions ?? []).flatMap(({ key }, at) => {
        const text = nodeLabelDeprecation(key);
        const path = fieldPath('allowedTopologies').index(index).child('matchLabelExpressions').index(at).child('key');
        return text ? [`${path}: ${text}`] : [];
      }),
    ),
  row: (object, context) => [
    defaultAnnotations.some(name => object.metadata.annotations?.[name] === 'true')
      ? `${object.metadata.name} (default)`
      : object.metadata.name,
    object.provisioner,
    object.reclaimPolicy ?? 'Delete',
    object.volumeBindingMode ?? 'Immediate',
    object.allowVolumeExpansion ?? false,
    age(object, context),
  ],
});

function validateClass(object: StorageClass, errors: FieldErrors): void {
  validateDriver(errors, fieldPath('provisioner'), object.provisioner);
  validateParameters(errors, fieldPath('parameters'), object.parameters ?? {}, true);
  if (object.reclaimPolicy) supported(errors, fieldPath('reclaimPolicy'), object.reclaimPolicy, reclaimPolicies);
  const mode = fieldPath('volumeBindingMode');
  if (object.volumeBindingMode === undefined) errors.required(mode);
  else supported(errors, mode, object.volumeBindingMode, bindingModes);
  validateTopologies(object.allowedTopologies ?? [], fieldPath('allowedTopologies'), errors);
}

function validateTopologies(terms: readonly TopologySelectorTerm[], path: FieldPath, errors: FieldErrors): void {
  // Upstream compares a term with as many empty ones as there are terms, too.
  const seen = terms.map(() => '[]');
  for (const [index, term] of terms.entries()) {
    const at = path.index(index).child('matchLabelExpressions');
    const wanted = new Map<string, string[]>();
    for (const [position, { key, values }] of (term.matchLabelExpressions ?? []).entries()) {
      const here = at.index(position);
      const distinct = new Set<string>();
      if (!values?.length) errors.required(here.child('values'));
      for (const [valueIndex, value] of (values ?? []).entries()) {
        if (distinct.has(value)) errors.duplicate(here.child('values').index(valueIndex), value);
        distinct.add(value);
      }
      qualifiedName(errors, here.child('key'), key);
      if (wanted.has(key)) errors.duplicate(here.child('key'), key);
      wanted.set(key, [...distinct].sort());
    }
    const fingerprint = JSON.stringify([...wanted].sort());
    for (const other of seen) if (other === fingerprint) errors.duplicate(at, '');
    seen.push(fingerprint);
  }
}
