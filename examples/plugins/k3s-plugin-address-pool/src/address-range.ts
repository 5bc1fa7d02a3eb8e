import { isIP } from 'node:net';

export type Family = 'IPv4' | 'IPv6';

const bitsOf = { IPv4: 32, IPv6: 128 } as const;

/** Where nothing can be reached by its address from elsewhere. */
const unusable = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::/127', 'fe80::/10', 'ff00::/8'];

/** Addresses of one family from a first to a last. */
export class AddressRange {
  readonly family: Family;
  readonly #text: string;
  readonly #first: bigint;
  readonly #last: bigint;

  /** `FIRST-LAST`, a CIDR or one address. Throws an Error that says what is wrong; `hostBits` may be in a CIDR only where it says so. */
  constructor(text: string, { hostBits = false } = {}) {
    this.#text = text.trim();
    const [start = '', end, ...more] = this.#text.split('-').map(part => part.trim());
    const [base = '', length, ...rest] = start.split('/');
    this.family = familyOf(base, this.#text);
    const bits = bitsOf[this.family];
    this.#first = numberOf(base);
    this.#last = this.#first;
    if (more.length > 0 || rest.length > 0 || (end !== undefined && length !== undefined)) {
      throw new Error(`"${this.#text}" is neither FIRST-LAST nor a CIDR nor an address`);
    }
    if (length !== undefined) {
      if (!/^\d+$/.test(length) || Number(length) > bits)
        throw new Error(`"${this.#text}" needs a prefix length of 0 to ${bits}`);
      const size = 1n << BigInt(bits - Number(length));
      const begin = this.#first - (this.#first % size);
      if (begin !== this.#first && !hostBits) {
        throw new Error(`"${this.#text}" begins in the middle of ${textOf(begin, this.family)}/${length}`);
      }
      this.#first = begin;
      this.#last = this.#first + size - 1n;
    } else if (end !== undefined) {
      if (familyOf(end, this.#text) !== this.family) throw new Error(`"${this.#text}" goes from one address family to another`);
      this.#last = numberOf(end);
      if (this.#last < this.#first) throw new Error(`"${this.#text}" ends before it begins`);
    }
  }

  get size(): bigint {
    return this.#last - this.#first + 1n;
  }

  contains(address: string): boolean {
    if (isIP(address) === 0 || familyOf(address) !== this.family) return false;
    const number = numberOf(address);
    return number >= this.#first && number <= this.#last;
  }

  overlaps(other: AddressRange): boolean {
    return this.family === other.family && this.#first <= other.#last && other.#first <= this.#last;
  }

  /** The first address that `isFree`. Asks no more often than there are addresses that are not. */
  find(isFree: (address: string) => boolean): string | undefined {
    for (let number = this.#first; number <= this.#last; number++) {
      const address = textOf(number, this.family);
      if (isFree(address)) return address;
    }
    return undefined;
  }

  toString(): string {
    return this.#text;
  }
}

/** The range of these that it reaches into, for the ranges that no Service can be given. */
export function unusableOverlap(range: AddressRange): string | undefined {
  return unusable.find(text => range.overlaps(new AddressRange(text)));
}

/** One spelling for each address. */
export function canonical(address: string): string {
  return textOf(numberOf(address), familyOf(address));
}

export function familyOf(address: string, whole = address): Family {
  const version = isIP(address);
  if (version === 0 || address.includes('%')) {
    const named = whole === address ? '' : ` in "${whole}"`;
    throw new Error(`"${address}"${named} is no address`);
  }
  return version === 4 ? 'IPv4' : 'IPv6';
}

function numberOf(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  // The last two groups may be spelled like an IPv4 address.
  const hexadecimal = address.replace(/[\d.]+\.\d+$/, tail => {
    const number = numberOf(tail);
    return `${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`;
  });
  const [head = '', tail] = hexadecimal.split('::').map(part => (part === '' ? [] : part.split(':')));
  const zeros = tail === undefined ? [] : new Array<string>(8 - head.length - tail.length).fill('0');
  return [...head, ...zeros, ...(tail ?? [])].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function textOf(number: bigint, family: Family): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map(shift => (number >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((number >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  // Its parser knows the short spelling.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
