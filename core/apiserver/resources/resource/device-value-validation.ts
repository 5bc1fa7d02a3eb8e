import type {
  CapacityRequestPolicy,
  CapacityRequestPolicyRange,
  DeviceAttribute,
  DeviceCapacity,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import type { Quantity } from '../../../machinery/quantity.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { validateSet } from './list-checks.js';

/** Attributes and capacities of devices. Source: kubernetes pkg/apis/resource/validation. */

const maximumValueBytes = 64;
const maximumOptions = 10;

const number = '(?:0|[1-9][0-9]*)';
const prerelease = '(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)';
const build = '[0-9a-zA-Z-]+';
const semanticVersion = new RegExp(
  `^${number}\\.${number}\\.${number}(?:-${prerelease}(?:\\.${prerelease})*)?(?:\\+${build}(?:\\.${build})*)?$`,
);

/** A pointer that Go shows as null. */
const isAbsent = (value: string | undefined | null): value is undefined | null => value === undefined || value === null;

export function validateAttribute(attribute: DeviceAttribute, path: FieldPath, errors: FieldErrors): void {
  const { string, version } = attribute;
  const tooLong = (value: string, field: string): void => {
    if (Buffer.byteLength(value) > maximumValueBytes) errors.tooLong(path.child(field), maximumValueBytes);
  };
  if (string !== undefined) tooLong(string, 'string');
  if (version !== undefined) {
    const fault = 'must be a string compatible with semver.org spec 2.0.0';
    // A text that is too long is not looked into: the expression is not for those.
    if (version.length > 1000 || !semanticVersion.test(version)) errors.invalid(path.child('version'), version, fault);
    tooLong(version, 'version');
  }
  const count = [attribute.bool, attribute.int, string, version].filter(value => value !== undefined).length;
  const fault = 'exactly one value must be specified';
  if (count === 0) errors.invalid(path, '', fault);
  else if (count > 1) errors.invalid(path, internalValue('resource.DeviceAttribute', attribute), fault);
}

export function validateCapacity(
  { value, requestPolicy: policy }: DeviceCapacity,
  allowsMultiple: boolean,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!policy) return;
  const at = path.child('requestPolicy');
  if (!allowsMultiple) return errors.forbidden(at, 'allowMultipleAllocations must be true');
  const capacity = parseQuantity(value ?? '0');
  if (policy.validValues?.length && policy.validRange) {
    const text = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time';
    return errors.forbidden(at, text);
  }
  const kind = policy.validValues?.length ? 'validValues' : policy.validRange ? 'validRange' : undefined;
  if (!kind) return;
  if (isAbsent(policy.default)) return errors.required(at.child('default'), `required when ${kind} is defined`);
  const limits = { capacity, byDefault: parseQuantity(policy.default) };
  if (kind === 'validValues') validateValues(policy, limits, at.child(kind), errors);
  else validateRange(policy.validRange!, limits, at.child(kind), errors);
}

interface Limits {
  readonly capacity: Quantity;
  readonly byDefault: Quantity;
}

function validateValues(
  { validValues = [] }: CapacityRequestPolicy,
  { capacity, byDefault }: Limits,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const values = validValues.map(text => parseQuantity(text));
  for (const [index, value] of values.entries()) {
    if (index > 0 && values[index - 1]!.compare(value) > 0)
      errors.invalid(path.index(index), value.toString(), 'values must be sorted in ascending order');
  }
  let hasDefault = false;
  // Upstream tells values apart by their whole part.
  const options = { maximum: maximumOptions, path, keyOf: (value: Quantity) => String(value.scaledValue(0)) };
  validateSet(values, options, errors, (value, at) => {
    if (value.compare(capacity) > 0) errors.invalid(at, value.toString(), `option is larger than capacity value: ${capacity}`);
    hasDefault ||= value.compare(byDefault) === 0;
  });
  if (!hasDefault) errors.invalid(path, byDefault.toString(), 'default value is not valid according to the requestPolicy');
}

function validateRange(
  range: CapacityRequestPolicyRange,
  { capacity, byDefault }: Limits,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (isAbsent(range.min)) return errors.required(path.child('min'), 'required when validRange is defined');
  const least = parseQuantity(range.min);
  const check = (holds: boolean, field: string, value: Quantity, text: string): void => {
    if (!holds) errors.invalid(path.child(field), value.toString(), text);
  };
  check(least.compare(capacity) <= 0, 'min', least, `min is larger than capacity value: ${capacity}`);
  check(byDefault.compare(least) >= 0, 'min', byDefault, `default is less than min: ${least}`);
  const most = isAbsent(range.max) ? undefined : parseQuantity(range.max);
  if (most) {
    check(least.compare(most) <= 0, 'max', least, `min is larger than max: ${most}`);
    check(most.compare(capacity) <= 0, 'max', most, `max is larger than capacity value: ${capacity}`);
    check(byDefault.compare(most) <= 0, 'max', byDefault, `default is more than max: ${most}`);
  }
  if (isAbsent(range.step)) return;
  const step = parseQuantity(range.step);
  const added = least.add(step);
  check(added.compare(capacity) <= 0, 'step', step, `one step ${added} is larger than capacity value: ${capacity}`);
  for (const value of most ? [byDefault, most] : [byDefault]) {
    const text = `value is not a multiple of a given step (${step}) from (${least})`;
    check(isMultiple(value, least, step), 'step', value, text);
  }
}

/** In whole units, as upstream counts. Its server breaks down on a step of nothing; here nothing is a multiple of that. */
function isMultiple(value: Quantity, least: Quantity, step: Quantity): boolean {
  const whole = (quantity: Quantity): bigint => quantity.scaledValue(0);
  return whole(step) !== 0n && (whole(value) - whole(least)) % whole(step) === 0n;
}
