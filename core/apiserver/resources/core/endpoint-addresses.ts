import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { parseAddress } from '../../../machinery/names.js';

/** Addresses that traffic must never be sent to for others. Source: ValidateEndpointIP. */
export function validateEndpointAddress(errors: FieldErrors, path: FieldPath, text: string): void {
  const address = parseAddress(text);
  if (!address) return errors.invalid(path, text, 'must be a valid IP address');
  const [first = 0, second = 0, third = 0] = address.bytes;
  const isV4 = address.family === 4;
  if (address.bytes.every(byte => byte === 0)) errors.invalid(path, text, `may not be unspecified (${text})`);
  const isV6Loopback = !isV4 && address.bytes.at(-1) === 1 && address.bytes.slice(0, -1).every(byte => byte === 0);
  if (isV4 ? first === 127 : isV6Loopback) {
    errors.invalid(path, text, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  }
  if (isV4 ? first === 169 && second === 254 : first === 0xfe && (second & 0xc0) === 0x80) {
    errors.invalid(path, text, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  }
  if (isV4 ? first === 224 && second === 0 && third === 0 : first === 0xff && (second & 0x0f) === 0x02) {
    errors.invalid(path, text, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
  }
}
