import { CodedError } from '../../../core/plugin-api/index.js';

/** Hands out the addresses of one IPv4 or IPv6 range, lowest first, each again only after all others (or after a long time). */
export class AddressPool {
  readonly range: string;
  readonly #base: bigint;
  readonly #hostBits: bigint;
  readonly #v6: boolean;
  readonly #used = new Set<bigint>();
  /** The first two are the network and the node's own address on it. */
  #next = 2n;

  constructor(range: string) {
    const [address = '', length = ''] = range.split('/');
    this.range = range;
    this.#v6 = address.includes(':');
    const bits = this.#v6 ? 128 : 32;
    this.#hostBits = BigInt(bits - Number(length));
    this.#base = (parseAddress(address) >> this.#hostBits) << this.#hostBits;
  }

  /** Throws RUNTIME_NETWORK when none is free. */
  take(): string {
    const size = 1n << this.#hostBits;
    const last = this.#v6 ? size : size - 1n;
    for (let tries = 0n; tries < last && tries <= BigInt(this.#used.size) + 2n; tries++) {
      const host = this.#next;
      this.#next = host + 1n >= last ? 2n : host + 1n;
      if (host >= last || this.#used.has(host)) continue;
      this.#used.add(host);
      return formatAddress(this.#base + host, this.#v6);
    }
    throw new CodedError('RUNTIME_NETWORK', `no IP addresses available in range set: ${this.range}`);
  }

  release(address: string): void {
    this.#used.delete(parseAddress(address) - this.#base);
  }
}

function parseAddress(address: string): bigint {
  if (!address.includes(':')) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(Number(part)), 0n);
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const middle = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...middle, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function formatAddress(value: bigint, v6: boolean): string {
  if (!v6) return [24n, 16n, 8n, 0n].map(shift => String((value >> shift) & 255n)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  // The longest run of zero groups is written as `::` (RFC 5952).
  const runs = [...groups.join(':').matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  const text = groups.join(':');
  const run = runs[0];
  if (!run) return text;
  const before = text.slice(0, run.index);
  const after = text.slice(run.index + run[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** The n-th range of `length` bits inside `cluster`, like the ranges that a cluster's nodes get. */
export function nodeRange(cluster: string, index: number, length: number): string {
  const [address = '', clusterLength = ''] = cluster.split('/');
  const v6 = address.includes(':');
  const bits = v6 ? 128 : 32;
  const own = Math.max(length, Number(clusterLength));
  const count = 2 ** Math.min(30, own - Number(clusterLength));
  const shift = BigInt(bits - own);
  const clusterShift = BigInt(bits - Number(clusterLength));
  const base = (parseAddress(address) >> clusterShift) << clusterShift;
  return `${formatAddress(base + (BigInt(index % count) << shift), v6)}/${own}`;
}
