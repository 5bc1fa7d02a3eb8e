import { isIP } from 'node:net';
import type { FormatName } from './flag-definition.js';

/** Each throws an Error whose message completes "NAME: ...". Undefined values are never asked about. */
export const formats: Readonly<Record<FormatName, (value: unknown) => void>> = {
  port: value => {
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 65535)
      throw wrong('a port from 0 to 65535', value);
  },
  address: value => {
    if (typeof value !== 'string' || isIP(value) === 0) throw wrong('an IP address', value);
  },
  addresses: value => eachItem(value, item => isIP(item) !== 0, 'an IP address'),
  ranges: value => eachItem(value, isRange, 'a range like 10.42.0.0/16'),
  portRange: value => {
    const match = /^(\d{1,5})-(\d{1,5})$/.exec(String(value));
    const [first, last] = [Number(match?.[1]), Number(match?.[2])];
    if (!match || first < 1 || last > 65535 || first > last) throw wrong('a range of ports like 30000-32767', value);
  },
  fileMode: value => {
    if (!/^0?[0-7]{3}$/.test(String(value))) throw wrong('a file mode like 0600', value);
  },
  url: value => {
    if (!URL.canParse(String(value)) || new URL(String(value)).protocol !== 'https:')
      throw wrong('a URL like https://server:6443', value);
  },
  nodeName: value => {
    if (!isDomain(value)) throw wrong('a node name: lower case letters, digits, "-" and "."', value);
  },
  domain: value => {
    if (!isDomain(value)) throw wrong('a domain like cluster.local', value);
  },
};

export function oneOf(allowed: readonly string[]): (value: unknown) => void {
  return value => {
    if (!allowed.includes(String(value))) throw wrong(`one of ${allowed.join(', ')}`, value);
  };
}

function wrong(wanted: string, value: unknown): Error {
  return new Error(`must be ${wanted}, not ${JSON.stringify(value)}`);
}

function eachItem(value: unknown, isRight: (item: string) => boolean, wanted: string): void {
  for (const item of value as readonly string[]) if (!isRight(item)) throw wrong(wanted, item);
}

function isRange(item: string): boolean {
  const [address, length, ...rest] = item.split('/');
  const family = isIP(address!);
  return family !== 0 && rest.length === 0 && /^\d{1,3}$/.test(length ?? '') && Number(length) <= (family === 4 ? 32 : 128);
}

function isDomain(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value.length <= 253 &&
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(value)
  );
}
