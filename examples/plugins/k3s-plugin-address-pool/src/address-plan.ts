import { jsonEqual } from 'k3s-ts/plugin';
import type { Service } from 'k3s-ts/plugin';
import { findAddress, poolOf } from './address-pools.js';
import type { Pool } from './address-pools.js';
import { familyOf } from './address-range.js';
import { readWish } from './service-wish.js';
import type { ServiceWish } from './service-wish.js';

export type Problem = 'AddressPoolExhausted' | 'AddressUnavailable' | 'AddressRequestInvalid';

export interface AddressPlan {
  readonly addresses: readonly string[];
  /** Why something that the Service asks for is missing. */
  readonly problem?: { readonly reason: Problem; readonly text: string };
}

/**
 * Which Service has which addresses. Those that a Service has (`current`) stay with it while the pools and its wishes allow it; then
 * come those who ask for an address by name, then the others, each oldest first. By uid.
 */
export function planAddresses(
  services: readonly Service[],
  pools: readonly Pool[],
  current: (service: Service) => readonly string[],
): ReadonlyMap<string, AddressPlan> {
  const given = new Given();
  const plans = new Map<string, AddressPlan>();
  const waiting: { service: Service; wish: ServiceWish; allowed: readonly Pool[] }[] = [];
  for (const service of services.toSorted(byAge)) {
    try {
      const wish = readWish(service);
      const allowed = wish.pool === undefined ? pools : pools.filter(({ name }) => name === wish.pool);
      const names = pools.map(({ name }) => name).join(', ');
      if (allowed.length === 0) throw new Error(`there is no pool "${wish.pool}"; there are ${names}`);
      for (const address of current(service)) {
        const wanted = wish.addresses.length === 0 || wish.addresses.includes(address);
        if (wanted && isPossible(address, wish, allowed)) given.take(address, service, wish);
      }
      waiting.push({ service, wish, allowed });
    } catch (error) {
      plans.set(service.metadata.uid!, failed('AddressRequestInvalid', (error as Error).message));
    }
  }
  const byName = waiting.filter(({ wish }) => wish.addresses.length > 0);
  for (const { service, wish, allowed } of byName) plans.set(service.metadata.uid!, giveAsked(service, wish, allowed, given));
  for (const { service, wish, allowed } of waiting) {
    if (wish.addresses.length === 0) plans.set(service.metadata.uid!, giveAny(service, wish, allowed, given));
  }
  return plans;
}

function giveAsked(service: Service, wish: ServiceWish, allowed: readonly Pool[], given: Given): AddressPlan {
  for (const address of wish.addresses) {
    const problem = isPossible(address, wish, allowed)
      ? given.take(address, service, wish)
      : `is not in ${wish.pool === undefined ? 'any pool' : `the pool "${wish.pool}"`}`;
    if (problem === undefined) continue;
    given.release(service);
    return failed('AddressUnavailable', `${address} ${problem}`);
  }
  return { addresses: wish.addresses };
}

function giveAny(service: Service, wish: ServiceWish, allowed: readonly Pool[], given: Given): AddressPlan {
  const kept = given.of(service);
  const missing: string[] = [];
  const addresses = wish.families.flatMap(family => {
    const own = kept.find(address => familyOf(address) === family);
    const shared = (): string | undefined =>
      given
        .sharedBy(wish)
        .find(each => familyOf(each) === family && isPossible(each, wish, allowed) && !given.take(each, service, wish));
    const free = (): string | undefined => findAddress(allowed, family, address => !given.take(address, service, wish));
    const address = own ?? shared() ?? free();
    if (address === undefined) missing.push(family);
    return address ?? [];
  });
  if (missing.length === 0) return { addresses };
  const text = `no ${missing.join(' or ')} address is free in the pool${allowed.length > 1 ? 's' : ''} ${allowed.map(pool => pool.name).join(', ')}`;
  if (wish.allFamilies) given.release(service);
  return { ...failed('AddressPoolExhausted', text), addresses: wish.allFamilies ? [] : addresses };
}

function isPossible(address: string, { families }: ServiceWish, allowed: readonly Pool[]): boolean {
  return poolOf(allowed, address) !== undefined && families.includes(familyOf(address));
}

function failed(reason: Problem, text: string): AddressPlan {
  return { addresses: [], problem: { reason, text } };
}

interface Holder {
  readonly service: Service;
  readonly wish: ServiceWish;
}

/** Who holds what in a plan that is being made. */
class Given {
  readonly #holders = new Map<string, Holder[]>();

  /** Undefined when the Service has it now, else why it cannot. */
  take(address: string, service: Service, wish: ServiceWish): string | undefined {
    const holders = this.#holders.get(address) ?? [];
    const own = holders.some(holder => holder.service === service);
    const other = holders.find(holder => holder.service !== service && !mayShare(holder, { service, wish }));
    if (other) return `is held by ${nameOf(other.service)}`;
    if (!own) this.#holders.set(address, [...holders, { service, wish }]);
    return undefined;
  }

  release(service: Service): void {
    for (const [address, holders] of this.#holders) {
      const others = holders.filter(holder => holder.service !== service);
      if (others.length > 0) this.#holders.set(address, others);
      else this.#holders.delete(address);
    }
  }

  of(service: Service): string[] {
    return [...this.#holders]
      .filter(([, holders]) => holders.some(holder => holder.service === service))
      .map(([address]) => address);
  }

  sharedBy({ sharingKey }: ServiceWish): string[] {
    if (sharingKey === undefined) return [];
    return [...this.#holders].filter(([, [first]]) => first?.wish.sharingKey === sharingKey).map(([address]) => address);
  }
}

/** The same key, no port twice, and packets that may go to the same nodes. */
function mayShare(a: Holder, b: Holder): boolean {
  if (a.wish.sharingKey === undefined || a.wish.sharingKey !== b.wish.sharingKey) return false;
  const ports = new Set(portsOf(a.service));
  if (portsOf(b.service).some(port => ports.has(port))) return false;
  const isLocal = (service: Service): boolean => service.spec.externalTrafficPolicy === 'Local';
  return (!isLocal(a.service) && !isLocal(b.service)) || jsonEqual(a.service.spec.selector, b.service.spec.selector);
}

function portsOf({ spec }: Service): string[] {
  return (spec.ports ?? []).map(({ port, protocol = 'TCP' }) => `${port}/${protocol}`);
}

export function nameOf({ metadata }: Service): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function byAge({ metadata: a }: Service, { metadata: b }: Service): number {
  const left = `${a.creationTimestamp} ${a.namespace}/${a.name}`;
  const right = `${b.creationTimestamp} ${b.namespace}/${b.name}`;
  return left < right ? -1 : left > right ? 1 : 0;
}
