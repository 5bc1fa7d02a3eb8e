import { CodedError } from '../base/errors.js';
import { parseAddress, parseCidr } from '../machinery/names.js';

/** More ranges than this no cluster has nodes for. */
const maximumRanges = 65_536;

/** Hands out the ranges of one size that a larger range is made of. Source: pkg/controller/nodeipam/ipam/cidrset. */
export class CidrSet {
  readonly #base: bigint;
  readonly #bits: number;
  readonly #prefixLength: number;
  readonly #maskSize: number;
  readonly #used = new Set<number>();
  readonly count: number;
  #next = 0;

  /** Throws INVALID_CIDR. A mask that is shorter than the range's own becomes that. */
  constructor(cidr: string, maskSize: number) {
    const { base, bits, prefixLength } = read(cidr);
    this.#base = base;
    this.#bits = bits;
    this.#prefixLength = prefixLength;
    this.#maskSize = Math.max(maskSize, prefixLength);
    this.count = Math.min(maximumRanges, 2 ** (this.#maskSize - prefixLength));
  }

  /** The next free range, round and round; undefined when all are taken. */
  allocate(): string | undefined {
    for (let tried = 0; tried < this.count; tried++) {
      const index = (this.#next + tried) % this.count;
      if (this.#used.has(index)) continue;
      this.#used.add(index);
      this.#next = (index + 1) % this.count;
      return this.#format(index);
    }
    return undefined;
  }

  /** Marks all ranges as taken that `cidr` touches. False when it lies outside. Throws INVALID_CIDR. */
  occupy(cidr: string): boolean {
    return this.#each(cidr, index => this.#used.add(index));
  }

  /** Throws INVALID_CIDR. */
  release(cidr: string): void {
    this.#each(cidr, index => this.#used.delete(index));
  }

  #each(cidr: string, visit: (index: number) => void): boolean {
    const other = read(cidr);
    if (other.bits !== this.#bits) return false;
    const size = 1n << BigInt(this.#bits - this.#prefixLength);
    const end = this.#base + size;
    const otherEnd = other.base + (1n << BigInt(this.#bits - other.prefixLength));
    if (other.base >= end || otherEnd <= this.#base) return false;
    const step = 1n << BigInt(this.#bits - this.#maskSize);
    const from = other.base > this.#base ? (other.base - this.#base) / step : 0n;
    const last = ((otherEnd < end ? otherEnd : end) - 1n - this.#base) / step;
    for (let index = Number(from); index <= Math.min(Number(last), this.count - 1); index++) visit(index);
    return true;
  }

  #format(index: number): string {
    const value = this.#base + (BigInt(index) << BigInt(this.#bits - this.#maskSize));
    const hex = value.toString(16).padStart(this.#bits / 4, '0');
    const text =
      this.#bits === 32
        ? hex
            .match(/../g)!
            .map(byte => Number.parseInt(byte, 16))
            .join('.')
        : parseAddress(hex.match(/..../g)!.join(':'))!.canonical;
    return `${text}/${this.#maskSize}`;
  }
}

function read(cidr: string): { base: bigint; bits: number; prefixLength: number } {
  const parsed = parseCidr(cidr);
  const network = parsed && parseAddress(parsed.canonical.split('/')[0]!);
  if (!network) throw new CodedError('INVALID_CIDR', `"${cidr}" is no range of addresses`);
  let base = 0n;
  for (const byte of network.bytes) base = (base << 8n) | BigInt(byte);
  return { base, bits: network.bytes.length * 8, prefixLength: parsed.prefixLength };
}
