import type { FieldErrors, FieldPath } from '../../field-errors.js';

export const maximumFieldManagerBytes = 128;

/** Go's unicode.IsPrint. */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** The manager of an update: what the request names, else the user agent up to its first slash. */
export function managerName(fieldManager: string | undefined, userAgent: string | undefined): string {
  if (fieldManager) return fieldManager;
  let name = '';
  let bytes = 0;
  for (const character of (userAgent ?? '').split('/', 1)[0]!) {
    if (!printable.test(character)) continue;
    bytes += Buffer.byteLength(character);
    if (bytes > maximumFieldManagerBytes) break;
    name += character;
  }
  return name;
}

/** Checks the `fieldManager` parameter; for an apply (`required`) it must be there. Source: meta/v1 validation. */
export function validateFieldManager(
  fieldManager: string | undefined,
  path: FieldPath,
  errors: FieldErrors,
  required = false,
): void {
  if (!fieldManager) {
    if (required) errors.required(path, 'is required for apply patch');
    return;
  }
  if (Buffer.byteLength(fieldManager) > maximumFieldManagerBytes) errors.tooLong(path, maximumFieldManagerBytes);
  let position = 0;
  for (const character of fieldManager) {
    if (!printable.test(character)) {
      const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
      errors.invalid(path, fieldManager, `invalid character U+${code} (at position ${position})`);
    }
    position += Buffer.byteLength(character);
  }
}
