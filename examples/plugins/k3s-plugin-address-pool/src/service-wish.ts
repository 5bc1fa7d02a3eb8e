import { isIP } from 'node:net';
import type { Service } from 'k3s-ts/plugin';
import { canonical, familyOf } from './address-range.js';
import type { Family } from './address-range.js';

/** What a Service asks for. */
export interface ServiceWish {
  readonly families: readonly Family[];
  /** It wants one of each family, or none at all. */
  readonly allFamilies: boolean;
  /** Undefined: any pool. */
  readonly pool: string | undefined;
  /** At most one of a family; empty: any. */
  readonly addresses: readonly string[];
  /** Services with the same key may have the same address. */
  readonly sharingKey: string | undefined;
}

/** Newer first. */
const prefixes = ['metallb.io', 'metallb.universe.tf'];

/** Throws an Error that says what in the Service cannot be understood. */
export function readWish({ metadata, spec }: Service): ServiceWish {
  const annotation = (name: string): string | undefined =>
    prefixes.map(prefix => metadata.annotations?.[`${prefix}/${name}`]).find(value => value !== undefined && value !== '');
  const families = (spec.ipFamilies?.length ? spec.ipFamilies : ['IPv4']) as Family[];
  const listed = annotation('loadBalancerIPs');
  const asked = spec.loadBalancerIP === '' ? undefined : spec.loadBalancerIP;
  if (listed !== undefined && asked !== undefined) {
    throw new Error('addresses are asked for twice, by annotation and by spec.loadBalancerIP');
  }
  const addresses = (listed ?? asked ?? '')
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '');
  const seen = new Set<Family>();
  for (const address of addresses) {
    if (isIP(address) === 0) throw new Error(`"${address}" is no address`);
    const family = familyOf(address);
    if (!families.includes(family)) throw new Error(`${address} is asked for by a Service of ${families.join(', ')}`);
    if (seen.has(family)) throw new Error(`two ${family} addresses are asked for`);
    seen.add(family);
  }
  return {
    families,
    allFamilies: spec.ipFamilyPolicy === 'RequireDualStack',
    pool: annotation('address-pool'),
    addresses: addresses.map(canonical),
    sharingKey: annotation('allow-shared-ip'),
  };
}
