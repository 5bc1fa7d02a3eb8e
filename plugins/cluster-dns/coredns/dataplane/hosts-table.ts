import { canonical, reverseAddress } from './cluster-zone.js';
import type { DnsHosts } from './state.js';
import { addressBytes, recordType } from './wire.js';
import type { DnsRecord } from './wire.js';

/** Names from lines like those of /etc/hosts. Source: CoreDNS' `hosts` plugin. */
export class HostsTable {
  readonly fallthrough: boolean;
  readonly #ttlSeconds: number;
  readonly #addresses = new Map<string, string[]>();
  readonly #names = new Map<string, string[]>();

  constructor({ entries, ttlSeconds, fallthrough, reverse }: DnsHosts) {
    this.fallthrough = fallthrough;
    this.#ttlSeconds = ttlSeconds;
    for (const { address, names } of entries) {
      if (!addressBytes(address)) continue;
      for (const given of names) {
        const name = given.toLowerCase().replace(/\.$/, '');
        push(this.#addresses, name, address);
        if (reverse) push(this.#names, canonical(address), name);
      }
    }
  }

  /** Records, none when the name has others only; undefined when it is not here at all. */
  lookup(name: string, type: number): DnsRecord[] | undefined {
    const ttlSeconds = this.#ttlSeconds;
    if (type === recordType.PTR && name.endsWith('.arpa')) {
      const address = reverseAddress(name);
      const names = address === undefined ? undefined : this.#names.get(address);
      return names?.map(target => ({ name, type, ttlSeconds, data: { target } }));
    }
    const addresses = this.#addresses.get(name);
    if (!addresses) return undefined;
    return addresses
      .filter(address => (address.includes(':') ? recordType.AAAA : recordType.A) === type)
      .map(address => ({ name, type, ttlSeconds, data: { address: addressBytes(address)! } }));
  }
}

function push(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (!list) map.set(key, [value]);
  else if (!list.includes(value)) list.push(value);
}
