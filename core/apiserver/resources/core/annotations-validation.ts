import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { qualifiedName } from './checks.js';

const totalLimitBytes = 256 * 1024;

/** Keys of annotations, and the size of all together. Source: apimachinery ValidateAnnotations. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  let bytes = 0;
  for (const key in annotations) {
    qualifiedNameOfKey(errors, path, key);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  }
  if (bytes > totalLimitBytes) errors.tooLong(path, totalLimitBytes);
}

/** Annotation keys may have capitals in their prefix. */
function qualifiedNameOfKey(errors: FieldErrors, path: FieldPath, key: string): void {
  qualifiedName(errors, path, key.toLowerCase());
}
