import { validateCIdentifier, validateDns1123Label, validateDns1123Subdomain } from '../../../machinery/names.js';
import type { BadValue, FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { addInvalid, dnsSubdomain } from '../core/checks.js';
import { validateDriverName } from '../core/driver-name-validation.js';

/** Checks that the kinds of resource.k8s.io share. Source: kubernetes pkg/apis/resource/validation. */

const maximumPoolNameBytes = 253;
const maximumIdBytes = 32;
/** Of a domain, a slash and an id. */
export const maximumQualifiedNameLength = 63 + 1 + maximumIdBytes;
const shortestTruncation = 16;

type CheckItem<T> = (item: T, path: FieldPath) => void;

/** A list of at most so many items: the items of a longer one are not looked at. */
export function validateList<T>(
  list: readonly T[] | undefined,
  maximum: number,
  path: FieldPath,
  errors: FieldErrors,
  check: CheckItem<T>,
): boolean {
  if (!list) return true;
  if (list.length > maximum) {
    errors.tooMany(path, list.length, maximum);
    return false;
  }
  for (const [index, item] of list.entries()) check(item, path.index(index));
  return true;
}

/** The same, and no key may come twice. */
export function validateSet<T>(
  list: readonly T[] | undefined,
  options: { readonly maximum: number; readonly path: FieldPath; keyOf(item: T): string; printKey?(item: T): BadValue },
  errors: FieldErrors,
  check: CheckItem<T>,
): void {
  const { maximum, path, keyOf } = options;
  if (!list || !validateList(list, maximum, path, errors, check)) return;
  const keys = new Set<string>();
  for (const [index, item] of list.entries()) {
    const key = keyOf(item);
    if (keys.has(key)) errors.duplicate(path.index(index), options.printKey ? options.printKey(item) : key);
    keys.add(key);
  }
}

/** A map of at most so many entries. What is wrong with a key is told of the map. */
export function validateMap<T>(
  map: Readonly<Record<string, T>>,
  options: {
    readonly maximum?: number;
    readonly longestKey: number;
    readonly path: FieldPath;
    checkKey(key: string, path: FieldPath): void;
  },
  errors: FieldErrors,
  check: CheckItem<T>,
): void {
  const { maximum, longestKey, path } = options;
  const entries = Object.entries(map);
  if (maximum !== undefined && entries.length > maximum) return errors.tooMany(path, entries.length, maximum);
  for (const [key, item] of entries) {
    options.checkKey(key, path);
    check(item, path.key(truncated(key, longestKey)));
  }
}

/** The middle of a long text left out. */
function truncated(text: string, maximumLength: number): string {
  const longest = Math.max(maximumLength, shortestTruncation);
  if (text.length <= longest) return text;
  const ellipsis = '...';
  const remaining = longest - ellipsis.length;
  return text.slice(0, Math.trunc((remaining + 1) / 2)) + ellipsis + text.slice(text.length - Math.trunc(remaining / 2));
}

/** Subdomains with slashes between them. */
export function validatePoolName(name: string | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!name) return errors.required(path);
  if (Buffer.byteLength(name) > maximumPoolNameBytes) errors.tooLong(path, maximumPoolNameBytes);
  for (const part of name.split('/')) dnsSubdomain(errors, path, part);
}

export function validateLabelName(name: string | undefined, path: FieldPath, errors: FieldErrors): void {
  addInvalid(errors, path, name ?? '', validateDns1123Label(name ?? ''));
}

/** A C identifier, which may have a domain. */
export function validateQualifiedDeviceName(name: string, path: FieldPath, errors: FieldErrors): void {
  const parts = name.split('/');
  // Upstream says nothing of names with more than one slash.
  if (parts.length > 2) return;
  const [id, domain] = parts.length === 1 ? [parts[0]!] : [parts[1]!, parts[0]!];
  if (domain === '') errors.invalid(path, '', 'the domain must not be empty');
  else if (domain !== undefined) validateDriverName(domain, path, errors);
  if (domain !== undefined && id === '') errors.invalid(path, '', 'the name must not be empty');
  else validateIdentifier(id, path, errors);
}

function validateIdentifier(id: string, path: FieldPath, errors: FieldErrors): void {
  if (Buffer.byteLength(id) > maximumIdBytes) errors.tooLong(path, maximumIdBytes);
  addInvalid(errors, path, id, validateCIdentifier(id));
}

export function validateFullyQualifiedName(name: string, path: FieldPath, errors: FieldErrors): void {
  validateQualifiedDeviceName(name, path, errors);
  if (!name.includes('/')) errors.invalid(path, name, 'a fully qualified name must be a domain and a name separated by a slash');
}

export function validateClassName(name: string | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!name) errors.required(path);
  else addInvalid(errors, path, name, validateDns1123Subdomain(name));
}

const uuidFault = 'error validating uid: ';
const uuidForm = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

/** A UUID in its normal form. The words are those of upstream's parser, which knows other forms. */
export function validateUuid(uid: string, path: FieldPath, errors: FieldErrors): void {
  const fault = parseFault(uid);
  if (fault !== undefined) errors.invalid(path, uid, uuidFault + fault);
  else if (uid.length !== 36 || uid !== uid.toLowerCase()) {
    const form =
      'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters';
    errors.invalid(path, uid, form);
  }
}

function parseFault(uid: string): string | undefined {
  const format = 'invalid UUID format';
  const length = Buffer.byteLength(uid);
  switch (length) {
    case 36:
      return uuidForm.test(uid) ? undefined : format;
    case 45:
      if (uid.slice(0, 9).toLowerCase() !== 'urn:uuid:') return `invalid urn prefix: ${JSON.stringify(uid.slice(0, 9))}`;
      return uuidForm.test(uid.slice(9)) ? undefined : format;
    case 38:
      if (!uid.startsWith('{') || !uid.endsWith('}')) return 'invalid bracketed UUID format';
      return uuidForm.test(uid.slice(1, -1)) ? undefined : format;
    case 32:
      return /^[0-9a-fA-F]{32}$/.test(uid) ? undefined : format;
    default:
      return `invalid UUID length: ${length}`;
  }
}
