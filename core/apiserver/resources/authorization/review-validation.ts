import type {
  FieldSelectorAttributes,
  LabelSelectorAttributes,
  NonResourceAttributes,
  ResourceAttributes,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateLabelValue, validateQualifiedName } from '../../../machinery/names.js';
import type { ObjectMeta } from '../../../machinery/object.js';

/** The specs of the access reviews. Source: pkg/apis/authorization/validation. */
export interface ReviewSpec {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: NonResourceAttributes;
  readonly user?: string;
  readonly groups?: readonly string[];
}

export function validateReviewSpec(spec: ReviewSpec, self: boolean, errors: FieldErrors): void {
  const path = fieldPath('spec');
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (resourceAttributes && nonResourceAttributes) {
    errors.invalid(
      path.child('nonResourceAttributes'),
      internalValue('*authorization.NonResourceAttributes', nonResourceAttributes),
      'cannot be specified in combination with resourceAttributes',
    );
  }
  if (!resourceAttributes && !nonResourceAttributes) {
    const text = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    errors.invalid(path.child('resourceAttributes'), null, text);
  }
  if (!self && !spec.user && !spec.groups?.length) {
    errors.invalid(path.child('user'), '', 'at least one of user or group must be specified');
  }
  const at = path.child('resourceAttributes');
  validateFieldSelector(resourceAttributes?.fieldSelector, at.child('fieldSelector'), errors);
  validateLabelSelector(resourceAttributes?.labelSelector, at.child('labelSelector'), errors);
}

/** Reviews are no objects: they have no name, no labels and so on. */
export function hasMetadata(metadata: ObjectMeta, namespaced: boolean): boolean {
  return Object.entries(metadata).some(
    ([key, value]) =>
      key !== 'managedFields' && !(namespaced && key === 'namespace') && value !== undefined && value !== null && value !== '',
  );
}

function validateFieldSelector(selector: FieldSelectorAttributes | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!selector) return;
  validateForm(selector, path, errors);
  for (const [index, requirement] of (selector.requirements ?? []).entries()) {
    const at = path.child('requirements').index(index);
    if (!requirement.key) errors.required(at.child('key'), 'must be specified');
    validateValues(requirement, at, errors);
  }
}

function validateLabelSelector(selector: LabelSelectorAttributes | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!selector) return;
  validateForm(selector, path, errors);
  for (const [index, requirement] of (selector.requirements ?? []).entries()) {
    const at = path.child('requirements').index(index);
    validateValues(requirement, at, errors);
    for (const text of validateQualifiedName(requirement.key)) errors.invalid(at.child('key'), requirement.key, text);
    for (const [number, value] of (requirement.values ?? []).entries()) {
      for (const text of validateLabelValue(value)) errors.invalid(at.child('values').index(number), value, text);
    }
  }
}

function validateForm(
  selector: { rawSelector?: string; requirements?: readonly unknown[] },
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (selector.rawSelector && selector.requirements?.length) {
    const text = 'may not specified at the same time as requirements';
    errors.invalid(path.child('rawSelector'), selector.rawSelector, text);
  }
  if (!selector.rawSelector && !selector.requirements?.length) {
    errors.required(path.child('requirements'), `when ${path.toString()} is specified, requirements or rawSelector is required`);
  }
}

/** Operators that this server does not know are let through: clients may be newer. */
function validateValues(
  requirement: { operator: string; values?: readonly string[] },
  path: FieldPath,
  errors: FieldErrors,
): void {
  const { operator, values } = requirement;
  if ((operator === 'In' || operator === 'NotIn') && !values?.length) {
    errors.required(path.child('values'), "must be specified when `operator` is 'In' or 'NotIn'");
  }
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values?.length) {
    errors.forbidden(path.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  }
}
