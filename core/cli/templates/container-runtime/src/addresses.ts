import { CodedError } from 'k3s-ts/plugin';

/** Hands out the addresses of an IPv4 range, each again only after all others. The first two are the network and the node's own. */
export class Addresses {
  readonly range: string;
  readonly #base: number;
  readonly #size: number;
  readonly #used = new Set<number>();
  #next = 2;

  constructor(range: string) {
    this.range = range;
    const [address = '', length = ''] = range.split('/');
    this.#size = 2 ** (32 - Number(length));
    const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    this.#base = value - (value % this.#size);
  }

  /** Throws RUNTIME_NETWORK when none is free. */
  take(): string {
    const last = this.#size - 1;
    for (let tries = 2; tries < last; tries++) {
      const host = this.#next;
      this.#next = host + 1 < last ? host + 1 : 2;
      if (this.#used.has(host)) continue;
      this.#used.add(host);
      const value = this.#base + host;
      return [24, 16, 8, 0].map(shift => Math.floor(value / 2 ** shift) % 256).join('.');
    }
    throw new CodedError('RUNTIME_NETWORK', `no address is free in ${this.range}`);
  }

  release(address: string): void {
    this.#used.delete(address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) - this.#base);
  }
}
