import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateQualifiedName } from '../../../machinery/names.js';
import { addInvalid } from './checks.js';

const totalLimitBytes = 256 * 1024;

/** Keys of annotations, and the size of all together. Source: apimachinery ValidateAnnotations. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  let bytes = 0;
  for (const key in annotations) {
    // They may have capitals in their prefix.
    addInvalid(errors, path, key, validateQualifiedName(key.toLowerCase()));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  }
  if (bytes > totalLimitBytes) errors.tooLong(path, totalLimitBytes);
}
