import { randomInt } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../../../base/clock.js';
import { CodedError } from '../../../base/errors.js';
import type { ServiceAllocator, ServiceClaim, ServiceFamily } from '../../../contracts/service-allocator.js';
import { parseAddress, parseCidr } from '../../../machinery/names.js';

/** How long a suggestion is kept from others; a write takes far less. */
const holdMs = 30_000;
const maximumBand = 1n << 62n;

export interface ServiceAllocatorOptions {
  /** Service ranges, the first is the primary family. */
  readonly cidrs: readonly string[];
  readonly nodePorts: { readonly first: number; readonly last: number };
  readonly clock: Clock;
}

/** Addresses and ports that are taken or held; by value, who has it. */
class Ledger<V> {
  readonly #taken = new Map<V, Set<string>>();
  readonly #held = new Map<V, number>();

  isFree(value: V, nowMs: number): boolean {
    if (this.#taken.has(value)) return false;
    const until = this.#held.get(value);
    if (until === undefined) return true;
    if (until > nowMs) return false;
    this.#held.delete(value);
    return true;
  }

  isTaken(value: V): boolean {
    return this.#taken.has(value);
  }

  isTakenByOther(value: V, owner: string): boolean {
    const owners = this.#taken.get(value);
    return owners !== undefined && !owners.has(owner);
  }

  hold(value: V, untilMs: number): void {
    this.#held.set(value, untilMs);
  }

  take(value: V, owner: string): void {
    this.#held.delete(value);
    const owners = this.#taken.get(value);
    if (owners) owners.add(owner);
    else this.#taken.set(value, new Set([owner]));
  }

  release(value: V, owner: string): void {
    const owners = this.#taken.get(value);
    if (owners?.delete(owner) && owners.size === 0) this.#taken.delete(value);
  }

  clear(): void {
    this.#taken.clear();
  }
}

/**
 * A numbered range whose lower band is left to those who choose their numbers themselves: random picks come from above it as
 * long as there are any.
 */
interface Band {
  readonly first: bigint;
  readonly last: bigint;
  readonly lowerSize: bigint;
}

interface AddressRange extends Band {
  readonly family: ServiceFamily;
}

export class InMemoryServiceAllocator implements ServiceAllocator {
  readonly families: readonly ServiceFamily[];
  readonly #clock: Clock;
  #ranges: readonly AddressRange[];
  readonly #ports: Band;
  readonly #portText: string;
  readonly #addresses = new Ledger<string>();
  readonly #nodePorts = new Ledger<number>();
  /** Addresses for which there is an IPAddress object. */
  readonly #objects = new Set<string>();
  /** What is recorded of each Service. */
  #claims = new Map<string, ServiceClaim>();

  constructor({ cidrs, nodePorts, clock }: ServiceAllocatorOptions) {
    this.#clock = clock;
    this.#ranges = cidrs.map(addressRange);
    this.families = [...new Set(this.#ranges.map(range => range.family))];
    const size = nodePorts.last - nodePorts.first + 1;
    const lowerSize = size <= 16 ? 0 : Math.min(128, Math.max(16, Math.floor(size / 32)));
    this.#ports = { first: BigInt(nodePorts.first), last: BigInt(nodePorts.last), lowerSize: BigInt(lowerSize) };
    this.#portText = `${nodePorts.first}-${nodePorts.last}`;
  }

  /** Picks and checks by these ranges from now on. What is taken stays so. */
  setRanges(cidrs: readonly string[]): void {
    this.#ranges = cidrs.map(addressRange);
  }

  /** Notes whether there is an IPAddress object for the address: with one it is nobody else's. */
  setObject(address: string, exists: boolean): void {
    const canonical = canonicalAddress(address);
    if (exists) this.#objects.add(canonical);
    else this.#objects.delete(canonical);
  }

  /** Stored Services and their addresses for which there is no IPAddress object. */
  *withoutObject(): Generator<{ readonly service: string; readonly address: string }> {
    for (const { service, addresses } of this.#claims.values()) {
      for (const address of addresses) if (!this.#objects.has(address)) yield { service, address };
    }
  }

  /** Addresses with an IPAddress object that no Service has and no write is about to store. */
  *withoutService(): Generator<string> {
    for (const address of this.#objects) if (!this.#addresses.isTaken(address)) yield address;
  }

  /** Whether a Service has the address, or is about to. */
  isTaken(address: string): boolean {
    return this.#addresses.isTaken(canonicalAddress(address));
  }

  /** What is recorded of a Service. */
  claim(service: string): ServiceClaim | undefined {
    return this.#claims.get(service);
  }

  #isFreeAddress(address: string, nowMs: number): boolean {
    return !this.#objects.has(address) && this.#addresses.isFree(address, nowMs);
  }

  suggestAddress(family: ServiceFamily, dryRun: boolean): string {
    const nowMs = this.#clock.monotonicMs();
    // Most holds are of writes that were refused: where nothing else is left they keep nobody from his address.
    for (const atMs of [nowMs, Infinity]) {
      for (const range of this.#ranges) {
        if (range.family !== family) continue;
        // A dry run shows the range's own address, which nothing can have.
        if (dryRun) return addressText(range.first - 1n, family);
        const found = pick(range, value => this.#isFreeAddress(addressText(value, family), atMs));
        if (found === undefined) continue;
        const text = addressText(found, family);
        this.#addresses.hold(text, nowMs + holdMs);
        return text;
      }
    }
    throw new CodedError('RANGE_FULL', 'range is full');
  }

  suggestPort(dryRun: boolean): number {
    const nowMs = this.#clock.monotonicMs();
    const pickAt = (atMs: number): bigint | undefined => pick(this.#ports, value => this.#nodePorts.isFree(Number(value), atMs));
    const found = pickAt(nowMs) ?? pickAt(Infinity);
    if (found === undefined) throw new CodedError('RANGE_FULL', 'range is full');
    if (!dryRun) this.#nodePorts.hold(Number(found), nowMs + holdMs);
    return Number(found);
  }

  addressProblem(address: string): string | undefined {
    const parsed = parseAddress(address);
    if (!parsed) return 'the provided network does not match the current range';
    const value = addressValue(parsed.bytes);
    const family = parsed.family === 4 ? 'IPv4' : 'IPv6';
    const isInside = this.#ranges.some(range => range.family === family && value >= range.first && value <= range.last);
    if (!isInside) return 'the provided network does not match the current range';
    return this.#isFreeAddress(parsed.canonical, this.#clock.monotonicMs()) ? undefined : 'provided IP is already allocated';
  }

  portProblem(port: number): string | undefined {
    if (BigInt(port) < this.#ports.first || BigInt(port) > this.#ports.last) {
      return `provided port is not in the valid range. The range of valid ports is ${this.#portText}`;
    }
    return this.#nodePorts.isFree(port, this.#clock.monotonicMs()) ? undefined : 'provided port is already allocated';
  }

  reserve(claim: ServiceClaim): () => void {
    const owner = pending(claim.service);
    const addresses = claim.addresses.map(canonicalAddress);
    const others = (value: string | number, ledger: Ledger<string> | Ledger<number>): boolean =>
      (ledger as Ledger<string | number>).isTakenByOther(value, claim.service) &&
      (ledger as Ledger<string | number>).isTakenByOther(value, owner);
    if (addresses.some(address => this.#objects.has(address) || others(address, this.#addresses))) {
      throw new CodedError('ALREADY_ALLOCATED', 'provided IP is already allocated');
    }
    if (claim.ports.some(port => others(port, this.#nodePorts))) {
      throw new CodedError('ALREADY_ALLOCATED', 'provided port is already allocated');
    }
    for (const address of addresses) this.#addresses.take(address, owner);
    for (const port of claim.ports) this.#nodePorts.take(port, owner);
    return () => {
      for (const address of addresses) this.#addresses.release(address, owner);
      for (const port of claim.ports) this.#nodePorts.release(port, owner);
    };
  }

  release({ service }: ServiceClaim): void {
    this.record({ service, addresses: [], ports: [] });
  }

  record(claim: ServiceClaim): void {
    const { service, ports } = claim;
    const before = this.#claims.get(service);
    const addresses = claim.addresses.map(canonicalAddress);
    for (const address of addresses) {
      this.#addresses.take(address, service);
      this.#addresses.release(address, pending(service));
    }
    for (const port of ports) {
      this.#nodePorts.take(port, service);
      this.#nodePorts.release(port, pending(service));
    }
    for (const address of before?.addresses ?? []) if (!addresses.includes(address)) this.#addresses.release(address, service);
    for (const port of before?.ports ?? []) if (!ports.includes(port)) this.#nodePorts.release(port, service);
    if (addresses.length || ports.length) this.#claims.set(service, { service, addresses, ports });
    else this.#claims.delete(service);
  }

  clear(): void {
    for (const service of [...this.#claims.keys()]) this.record({ service, addresses: [], ports: [] });
    this.#claims = new Map();
  }
}

/** Reserved by a write that is not stored yet; kept apart from what is stored, which the write may leave as it is. */
const pending = (service: string): string => `${service} `;

function pick(band: Band, isFree: (value: bigint) => boolean): bigint | undefined {
  const upper = band.first + band.lowerSize;
  return scan(upper, band.last, isFree) ?? scan(band.first, upper - 1n, isFree);
}

/** From a random start to the end, then from the beginning. */
function scan(first: bigint, last: bigint, isFree: (value: bigint) => boolean): bigint | undefined {
  if (last < first) return undefined;
  const size = last - first + 1n;
  const start = first + randomBelow(size);
  for (let offset = 0n; offset < size; offset++) {
    const value = start + offset;
    const wrapped = value > last ? value - size : value;
    if (isFree(wrapped)) return wrapped;
  }
  return undefined;
}

function randomBelow(size: bigint): bigint {
  if (size <= 1n << 47n) return BigInt(randomInt(Number(size)));
  return ((BigInt(randomInt(2 ** 31)) << 31n) | BigInt(randomInt(2 ** 31))) % (size < maximumBand ? size : maximumBand);
}

function addressRange(text: string): AddressRange {
  const cidr = parseCidr(text);
  if (!cidr) throw new CodedError('INVALID_SERVICE_RANGE', `no range of addresses: ${text}`);
  const isV4 = cidr.address.family === 4;
  const bits = (isV4 ? 32 : 128) - cidr.prefixLength;
  const base = addressValue(parseAddress(cidr.canonical.split('/')[0]!)!.bytes);
  const size = 1n << BigInt(bits);
  // The network's own address is no host; neither is IPv4's broadcast address.
  const last = base + size - (isV4 ? 2n : 1n);
  const counted = Number(size > 65536n && !isV4 ? 65536n : size);
  const lowerSize = counted <= 16 ? 0 : Math.min(256, Math.max(16, Math.floor(counted / 16)));
  return { family: isV4 ? 'IPv4' : 'IPv6', first: base + 1n, last, lowerSize: BigInt(lowerSize) };
}

function addressValue(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function addressText(value: bigint, family: ServiceFamily): string {
  const bytes = Array.from({ length: family === 'IPv4' ? 4 : 16 }, (_, index, all = family === 'IPv4' ? 4 : 16) =>
    Number((value >> BigInt(8 * (all - 1 - index))) & 0xffn),
  );
  return family === 'IPv4' ? bytes.join('.') : new ipaddr.IPv6(bytes).toRFC5952String();
}

const canonicalAddress = (text: string): string => parseAddress(text)?.canonical ?? text;
