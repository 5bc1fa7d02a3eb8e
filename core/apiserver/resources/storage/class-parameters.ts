import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { qualifiedName } from '../core/checks.js';

const maximumKeys = 512;
const maximumBytes = 256 * 1024;

/** The driver that a class belongs to: a qualified name, capitals allowed. */
export function validateDriver(errors: FieldErrors, path: FieldPath, name: string): void {
  if (!name) errors.required(path);
  else qualifiedName(errors, path, name.toLowerCase());
}

export function validateParameters(
  errors: FieldErrors,
  path: FieldPath,
  parameters: Readonly<Record<string, string>>,
  mayBeEmpty: boolean,
): void {
  const entries = Object.entries(parameters);
  if (entries.length > maximumKeys) return errors.tooLong(path, maximumKeys);
  let bytes = 0;
  for (const [key, value] of entries) {
    if (key === '') errors.invalid(path, key, 'field can not be empty.');
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > maximumBytes) errors.tooLong(path, maximumBytes);
  if (!mayBeEmpty && entries.length === 0) errors.required(path, 'must contain at least one key/value pair');
}
