import { CodedError } from 'k3s-ts/plugin';
import { AddressRange, unusableOverlap } from './address-range.js';
import type { Family } from './address-range.js';

export interface Pool {
  readonly name: string;
  readonly ranges: readonly AddressRange[];
}

/** Reads `[NAME=]RANGE[,RANGE ...]`, an entry a pool. Throws an Error with the first thing that is wrong. */
export function readPools(value: unknown): readonly Pool[] {
  if (!Array.isArray(value) || value.some(entry => typeof entry !== 'string')) throw new Error('must be a list of pools');
  if (value.length === 0) throw new Error('no pool is given: --address-pool 203.0.113.0/28');
  const pools = (value as string[]).map(readPool);
  for (const [index, { name }] of pools.entries()) {
    if (pools.findIndex(pool => pool.name === name) !== index) {
      throw new Error(`there are two pools called "${name}"; a name goes before it: other=RANGE`);
    }
  }
  const seen: AddressRange[] = [];
  for (const range of pools.flatMap(({ ranges }) => ranges)) {
    const unusable = unusableOverlap(range);
    if (unusable !== undefined) throw new Error(`${range} reaches into ${unusable}, whose addresses mean something else`);
    const other = seen.find(each => each.overlaps(range));
    if (other) throw new Error(`${range} overlaps ${other}`);
    seen.push(range);
  }
  return pools;
}

function readPool(text: string): Pool {
  const equals = text.indexOf('=');
  const name = equals < 0 ? 'default' : text.slice(0, equals).trim();
  if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name)) throw new Error(`"${name}" cannot be the name of a pool`);
  const ranges = text.slice(equals + 1).split(',');
  return { name, ranges: ranges.map(range => new AddressRange(range)) };
}

/** Throws where a pool reaches into one of these networks. */
export function refuseOverlaps(pools: readonly Pool[], networks: readonly string[], whose: string): void {
  for (const { name, ranges } of pools) {
    for (const range of ranges) {
      const network = networks.find(text => new AddressRange(text, { hostBits: true }).overlaps(range));
      if (network !== undefined)
        throw new CodedError('ADDRESS_POOL_INVALID', `the pool "${name}" has ${range}, which overlaps ${whose} ${network}`);
    }
  }
}

export function poolOf(pools: readonly Pool[], address: string): Pool | undefined {
  return pools.find(({ ranges }) => ranges.some(range => range.contains(address)));
}

export function findAddress(pools: readonly Pool[], family: Family, isFree: (address: string) => boolean): string | undefined {
  for (const range of pools.flatMap(({ ranges }) => ranges)) {
    const found = range.family === family ? range.find(isFree) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}
