import type { IntOrString } from '../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../machinery/field-errors.js';
import { validatePercent } from '../../machinery/names.js';

/** Counts that may be percentages. Source: pkg/apis/apps/validation. */
export function validateIntOrPercent(value: IntOrString, path: FieldPath, errors: FieldErrors): void {
  if (typeof value === 'string') for (const text of validatePercent(value)) errors.invalid(path, value, text);
  else if (value < 0) errors.invalid(path, value, 'must be greater than or equal to 0');
}

export function validateAtMost100Percent(value: IntOrString, path: FieldPath, errors: FieldErrors): void {
  if ((percentOf(value) ?? 0) > 100) errors.invalid(path, value, 'must not be greater than 100%');
}

/** The number, also that of a percentage; 0 for text that is neither. */
export function intOrPercentNumber(value: IntOrString): number {
  if (typeof value === 'number') return value;
  return percentOf(value) ?? (/^[+-]?\d+$/.test(value) ? Number(value) : 0);
}

function percentOf(value: IntOrString): number | undefined {
  return typeof value === 'string' && validatePercent(value).length === 0 ? Number(value.slice(0, -1)) : undefined;
}
