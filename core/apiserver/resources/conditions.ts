import type { Condition } from '../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../machinery/field-errors.js';
import { regexError, validateQualifiedName } from '../../machinery/names.js';

const reasonPattern = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const reason = new RegExp(`^${reasonPattern}$`);
const maximumReasonBytes = 1024;
const maximumMessageBytes = 32 * 1024;

/** meta/v1 Conditions. Source: apimachinery pkg/apis/meta/v1/validation ValidateConditions. */
export function validateConditions(conditions: readonly Condition[], path: FieldPath, errors: FieldErrors): void {
  const types = new Set<string>();
  for (const [index, condition] of conditions.entries()) {
    const at = path.index(index);
    if (types.has(condition.type)) errors.duplicate(at.child('type'), condition.type);
    types.add(condition.type);
    validateCondition(condition, at, errors);
  }
}

function validateCondition(condition: Condition, path: FieldPath, errors: FieldErrors): void {
  for (const text of validateQualifiedName(condition.type)) errors.invalid(path.child('type'), condition.type, text);
  if (!['False', 'True', 'Unknown'].includes(condition.status)) {
    errors.notSupported(path.child('status'), condition.status, ['False', 'True', 'Unknown']);
  }
  const generation = condition.observedGeneration ?? 0;
  if (generation < 0) errors.invalid(path.child('observedGeneration'), generation, 'must be greater than or equal to zero');
  if (!condition.lastTransitionTime) errors.required(path.child('lastTransitionTime'));
  if (!condition.reason) errors.required(path.child('reason'));
  else {
    if (!reason.test(condition.reason)) {
      const text =
        "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
      const message = regexError(text, reasonPattern, 'my_name', 'MY_NAME', 'MyName', 'ReasonA,ReasonB', 'ReasonA:ReasonB');
      errors.invalid(path.child('reason'), condition.reason, message);
    }
    if (Buffer.byteLength(condition.reason) > maximumReasonBytes) errors.tooLong(path.child('reason'), maximumReasonBytes);
  }
  if (Buffer.byteLength(condition.message) > maximumMessageBytes) errors.tooLong(path.child('message'), maximumMessageBytes);
}
