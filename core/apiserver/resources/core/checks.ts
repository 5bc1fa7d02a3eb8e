import type { BadValue, FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { quote } from '../../../machinery/field-errors.js';
import {
  nameIsDnsLabel,
  nameIsDnsSubdomain,
  parseAddress,
  parseCidr,
  validateCidr,
  validateDns1123Label,
  validateDns1123Subdomain,
  validateIp,
  validateQualifiedName,
} from '../../../machinery/names.js';

/** Small checks that many kinds share; each adds to `errors` what is wrong with one value. */
export const negativeText = 'must be greater than or equal to 0';
export const notPositiveText = 'must be greater than zero';
export const immutableText = 'field is immutable';
export const fileModeText = 'must be a number between 0 and 0777 (octal), both inclusive';
export const maximumInt32 = 0x7fffffff;

export function addInvalid(errors: FieldErrors, path: FieldPath, value: BadValue, texts: readonly string[]): void {
  for (const text of texts) errors.invalid(path, value, text);
}

export function required(errors: FieldErrors, path: FieldPath, value: string | undefined): boolean {
  if (value) return true;
  errors.required(path);
  return false;
}

export function nonNegative(errors: FieldErrors, path: FieldPath, value: number | undefined): void {
  if (value !== undefined && value < 0) errors.invalid(path, value, negativeText);
}

export function positive(errors: FieldErrors, path: FieldPath, value: number): void {
  if (value <= 0) errors.invalid(path, value, notPositiveText);
}

export function dnsLabel(errors: FieldErrors, path: FieldPath, value: string): void {
  addInvalid(errors, path, value, validateDns1123Label(value));
}

export function dnsSubdomain(errors: FieldErrors, path: FieldPath, value: string): void {
  addInvalid(errors, path, value, validateDns1123Subdomain(value));
}

export function qualifiedName(errors: FieldErrors, path: FieldPath, value: string): void {
  addInvalid(errors, path, value, validateQualifiedName(value));
}

/** A name of another object whose kind takes subdomains. */
export function objectName(errors: FieldErrors, path: FieldPath, value: string): void {
  addInvalid(errors, path, value, nameIsDnsSubdomain(value, false));
}

export function namespaceName(errors: FieldErrors, path: FieldPath, value: string): void {
  addInvalid(errors, path, value, nameIsDnsLabel(value, false));
}

/** An address in a field older than the strict rules: refused in sloppy forms, unless the old object had it. */
export function legacyIp(errors: FieldErrors, path: FieldPath, value: string, before: readonly string[] = []): void {
  if (!before.includes(value)) addInvalid(errors, path, value, validateIp(value).filter(isNoFormText));
}

export function legacyCidr(errors: FieldErrors, path: FieldPath, value: string, before: readonly string[] = []): void {
  if (!before.includes(value)) addInvalid(errors, path, value, validateCidr(value).filter(isNoFormText));
}

/** These fields take every spelling of a valid address; the spelling only gives a warning. */
const isNoFormText = (text: string): boolean => !text.startsWith('must be in canonical form');

/** Source: GetWarningsForIP. */
export function addressWarnings(path: FieldPath, value: string): string[] {
  const address = parseAddress(value);
  if (!address) return [];
  if (address.leadingZeros || address.mapped)
    return [`${path}: non-standard IP address ${quote(value)} is invalid: use ${quote(address.canonical)}`];
  if (address.family === 6 && address.canonical !== value) {
    return [`${path}: IPv6 address ${quote(value)} should be in RFC 5952 canonical format (${quote(address.canonical)})`];
  }
  return [];
}

/** Source: GetWarningsForCIDR. */
export function cidrWarnings(path: FieldPath, value: string): string[] {
  const cidr = parseCidr(value);
  if (!cidr) return [];
  const { address, canonical } = cidr;
  const warnings: string[] = [];
  if (cidr.hostBitsSet) {
    const single = `${address.canonical}/${address.family === 4 ? 32 : 128}`;
    warnings.push(
      `${path}: CIDR value ${quote(value)} is ambiguous in this context (should be ${quote(canonical)} or ${quote(single)}?)`,
    );
  }
  if (cidr.leadingZeros || address.mapped) {
    warnings.push(`${path}: non-standard CIDR value ${quote(value)} is invalid: use ${quote(canonical)}`);
  }
  if (!warnings.length && address.family === 6 && canonical !== value) {
    warnings.push(`${path}: IPv6 CIDR value ${quote(value)} should be in RFC 5952 canonical format (${quote(canonical)})`);
  }
  return warnings;
}

export function fileMode(errors: FieldErrors, path: FieldPath, value: number | undefined): void {
  if (value !== undefined && (value > 0o777 || value < 0)) errors.invalid(path, value, fileModeText);
}

export function supported(errors: FieldErrors, path: FieldPath, value: string | undefined, allowed: readonly string[]): boolean {
  if (value !== undefined && allowed.includes(value)) return true;
  errors.notSupported(path, value ?? '', allowed);
  return false;
}

/** Like `supported`, with an error of its own for the empty value. */
export function requiredOneOf(errors: FieldErrors, path: FieldPath, value: string | undefined, allowed: readonly string[]): void {
  if (!value) errors.required(path);
  else supported(errors, path, value, allowed);
}

export function noBacksteps(errors: FieldErrors, path: FieldPath, value: string): void {
  if (value.includes('..') && value.split('/').includes('..')) errors.invalid(path, value, "must not contain '..'");
}

export function descendingPath(errors: FieldErrors, path: FieldPath, value: string): void {
  if (value.startsWith('/')) errors.invalid(path, value, 'must be a relative path');
  noBacksteps(errors, path, value);
}

export function localPath(errors: FieldErrors, path: FieldPath, value: string): void {
  descendingPath(errors, path, value);
  if (value.startsWith('..') && !value.startsWith('../')) errors.invalid(path, value, "must not start with '..'");
}

export function immutable(errors: FieldErrors, path: FieldPath, value: BadValue): void {
  errors.invalid(path, value, immutableText);
}
