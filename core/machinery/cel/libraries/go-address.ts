import { quoteGo } from '../../go-numbers.js';

/** IP addresses and prefixes as Go's net/netip reads and writes them, which is stricter than the parsers of other places. */

export class AddressFailure extends Error {}

export class Address {
  /** 4 or 16 bytes; mapped addresses keep 16. */
  constructor(
    readonly bytes: readonly number[],
    readonly zone = '',
  ) {}

  get is4(): boolean {
    return this.bytes.length === 4;
  }

  get isMapped(): boolean {
    return !this.is4 && this.bytes.slice(0, 10).every(byte => byte === 0) && this.bytes[10] === 255 && this.bytes[11] === 255;
  }

  get isUnspecified(): boolean {
    return this.bytes.every(byte => byte === 0);
  }

  get isLoopback(): boolean {
    if (this.is4) return this.bytes[0] === 127;
    return this.bytes.slice(0, 15).every(byte => byte === 0) && this.bytes[15] === 1;
  }

  get isLinkLocalUnicast(): boolean {
    if (this.is4) return this.bytes[0] === 169 && this.bytes[1] === 254;
    return this.bytes[0] === 0xfe && (this.bytes[1]! & 0xc0) === 0x80;
  }

  get isLinkLocalMulticast(): boolean {
    if (this.is4) return this.bytes[0] === 224 && this.bytes[1] === 0 && this.bytes[2] === 0;
    return this.bytes[0] === 0xff && (this.bytes[1]! & 0x0f) === 2;
  }

  get isGlobalUnicast(): boolean {
    const isMulticast = this.is4 ? (this.bytes[0]! & 0xf0) === 0xe0 : this.bytes[0] === 0xff;
    const isBroadcast = this.is4 && this.bytes.every(byte => byte === 255);
    return !this.isUnspecified && !isBroadcast && !this.isLoopback && !isMulticast && !this.isLinkLocalUnicast;
  }

  equals(other: Address): boolean {
    return this.bytes.length === other.bytes.length && this.bytes.every((byte, index) => byte === other.bytes[index]);
  }

  /** With the bits after `length` cleared. */
  masked(length: number): Address {
    return new Address(this.bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, length - index * 8))) & 0xff));
  }

  toString(): string {
    return this.is4 ? this.bytes.join('.') : formatWide(this.bytes);
  }
}

function formatWide(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!);
  let start = -1;
  let end = -1;
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to++;
    if (to - from >= 2 && to - from > end - start) [start, end] = [from, to];
  }
  const text = (part: readonly number[]): string => part.map(group => group.toString(16)).join(':');
  return start === -1 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(end))}`;
}

function failure(text: string, message: string, at = ''): AddressFailure {
  return new AddressFailure(`ParseAddr(${quoteGo(text)}): ${message}${at === '' ? '' : ` (at ${quoteGo(at)})`}`);
}

/** Throws AddressFailure in Go's words. */
export function parseGoAddress(text: string): Address {
  switch (/[.:%]/.exec(text)?.[0]) {
    case '.':
      return new Address(parseFields(text, text));
    case ':':
      return parseWide(text);
    case '%':
      throw failure(text, 'missing IPv6 address');
    default:
      throw failure(text, 'unable to parse IP');
  }
}

/** The four numbers of `part`, which ends `text`. */
function parseFields(text: string, part: string): number[] {
  const fields: number[] = [];
  let digits = 0;
  let value = 0;
  for (let index = 0; index < part.length; index++) {
    const character = part[index]!;
    if (character >= '0' && character <= '9') {
      if (digits === 1 && value === 0) throw failure(text, 'IPv4 field has octet with leading zero');
      value = value * 10 + Number(character);
      digits++;
      if (value > 255) throw failure(text, 'IPv4 field has value >255');
    } else if (character === '.') {
      if (index === 0 || index === part.length - 1 || part[index - 1] === '.') {
        throw failure(text, 'IPv4 field must have at least one digit', part.slice(index));
      }
      if (fields.length === 3) throw failure(text, 'IPv4 address too long');
      fields.push(value);
      value = 0;
      digits = 0;
    } else throw failure(text, 'unexpected character', part.slice(index));
  }
  if (fields.length < 3) throw failure(text, 'IPv4 address too short');
  return [...fields, value];
}

function parseWide(text: string): Address {
  const percent = text.indexOf('%');
  const zone = percent === -1 ? '' : text.slice(percent + 1);
  if (percent !== -1 && zone === '') throw failure(text, 'zone must be a non-empty string');
  let rest = percent === -1 ? text : text.slice(0, percent);
  const bytes: number[] = [];
  let ellipsis = -1;
  if (rest.startsWith('::')) {
    ellipsis = 0;
    rest = rest.slice(2);
    if (rest === '')
      return new Address(
        Array.from({ length: 16 }, () => 0),
        zone,
      );
  }
  while (bytes.length < 16) {
    const digits = /^[0-9a-fA-F]*/.exec(rest)![0];
    if (digits.length > 4) throw failure(text, 'each group must have 4 or less digits', rest);
    if (digits === '') throw failure(text, 'each colon-separated field must have at least one digit', rest);
    if (rest[digits.length] === '.') {
      if (ellipsis < 0 && bytes.length !== 12) {
        throw failure(text, 'embedded IPv4 address must replace the final 2 fields of the address', rest);
      }
      if (bytes.length + 4 > 16) {
        throw failure(text, 'too many hex fields to fit an embedded IPv4 at the end of the address', rest);
      }
      bytes.push(...parseFields(text, rest));
      rest = '';
      break;
    }
    const value = Number.parseInt(digits, 16);
    bytes.push(value >> 8, value & 0xff);
    rest = rest.slice(digits.length);
    if (rest === '') break;
    if (rest[0] !== ':') throw failure(text, 'unexpected character, want colon', rest);
    if (rest.length === 1) throw failure(text, 'colon must be followed by more characters', rest);
    rest = rest.slice(1);
    if (rest[0] === ':') {
      if (ellipsis >= 0) throw failure(text, 'multiple :: in address', rest);
      ellipsis = bytes.length;
      rest = rest.slice(1);
      if (rest === '') break;
    }
  }
  if (rest !== '') throw failure(text, 'trailing garbage after address', rest);
  if (bytes.length < 16) {
    if (ellipsis < 0) throw failure(text, 'address string too short');
    bytes.splice(ellipsis, 0, ...Array.from({ length: 16 - bytes.length }, () => 0));
  } else if (ellipsis >= 0) throw failure(text, 'the :: must expand to at least one field of zeros');
  return new Address(bytes, zone);
}

/** An address and the length of its prefix. */
export interface Prefix {
  readonly address: Address;
  readonly length: number;
}

/** Throws AddressFailure in Go's words. */
export function parseGoPrefix(text: string): Prefix {
  const fail = (message: string): AddressFailure => new AddressFailure(`netip.ParsePrefix(${quoteGo(text)}): ${message}`);
  const slash = text.lastIndexOf('/');
  if (slash < 0) throw fail("no '/'");
  let address: Address;
  try {
    address = parseGoAddress(text.slice(0, slash));
  } catch (error) {
    if (error instanceof AddressFailure) throw fail(error.message);
    throw error;
  }
  if (address.zone !== '') throw fail('IPv6 zones cannot be present in a prefix');
  const bits = text.slice(slash + 1);
  if (!/^(?:[0-9]|[1-9][0-9]{1,9})$/.test(bits)) throw fail(`bad bits after slash: ${quoteGo(bits)}`);
  if (Number(bits) > address.bytes.length * 8) throw fail('prefix length out of range');
  return { address, length: Number(bits) };
}
