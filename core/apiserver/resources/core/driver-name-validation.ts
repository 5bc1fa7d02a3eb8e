import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateDns1123Subdomain } from '../../../machinery/names.js';
import { addInvalid, required } from './checks.js';

const maximumLength = 63;

/** Name of a storage driver: a subdomain, capitals allowed. Source: ValidateCSIDriverName. */
export function validateDriverName(name: string | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!required(errors, path, name)) return;
  if (name!.length > maximumLength) errors.tooLong(path, maximumLength);
  addInvalid(errors, path, name, validateDns1123Subdomain(name!.toLowerCase()));
}
