import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { quote } from '../../../machinery/field-errors.js';
import { parseAddress, parseCidr } from '../../../machinery/names.js';

export function isFamily(address: string, family: 4 | 6): boolean {
  return parseAddress(address)?.family === family;
}

/** What an endpoint cannot have as address. Source: ValidateEndpointIP. */
export function endpointAddress(errors: FieldErrors, path: FieldPath, value: string): void {
  const address = parseAddress(value);
  if (!address) return errors.invalid(path, value, 'must be a valid IP address');
  const { bytes, family } = address;
  const [first = 0, second = 0, third = 0] = bytes;
  const allZeroUpTo = (end: number): boolean => bytes.slice(0, end).every(byte => byte === 0);
  if (allZeroUpTo(bytes.length)) errors.invalid(path, value, `may not be unspecified (${value})`);
  const loopback = family === 4 ? first === 127 : allZeroUpTo(15) && bytes[15] === 1;
  if (loopback) errors.invalid(path, value, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  const linkLocal = family === 4 ? first === 169 && second === 254 : first === 0xfe && (second & 0xc0) === 0x80;
  if (linkLocal) errors.invalid(path, value, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  const multicast = family === 4 ? first === 224 && second === 0 && third === 0 : first === 0xff && (second & 0x0f) === 0x02;
  if (multicast) errors.invalid(path, value, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
}

/** Source: GetWarningsForCIDR. */
export function cidrWarnings(path: FieldPath, value: string): string[] {
  const cidr = parseCidr(value);
  if (!cidr) return [];
  const warnings: string[] = [];
  const { address, canonical, hostBitsSet } = cidr;
  if (hostBitsSet) {
    const single = `${address.canonical}/${address.family === 4 ? 32 : 128}`;
    warnings.push(
      `${path}: CIDR value ${quote(value)} is ambiguous in this context (should be ${quote(canonical)} or ${quote(single)}?)`,
    );
  }
  if (cidr.leadingZeros || address.mapped)
    warnings.push(`${path}: non-standard CIDR value ${quote(value)} is invalid: use ${quote(canonical)}`);
  if (warnings.length === 0 && address.family === 6 && canonical !== value) {
    warnings.push(`${path}: IPv6 CIDR value ${quote(value)} should be in RFC 5952 canonical format (${quote(canonical)})`);
  }
  return warnings;
}

/** Whether `inner` lies in `outer` and is smaller. Both must be valid. */
export function isStrictSubset(inner: string, outer: string): boolean {
  const [a, b] = [parseCidr(inner), parseCidr(outer)];
  if (!a || !b || a.address.family !== b.address.family || b.prefixLength >= a.prefixLength) return false;
  const network = (cidr: typeof a): bigint => cidr.address.bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const shift = BigInt((a.address.family === 4 ? 32 : 128) - b.prefixLength);
  return network(a) >> shift === network(b) >> shift;
}
