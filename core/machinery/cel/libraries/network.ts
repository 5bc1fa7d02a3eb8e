import { boolType, intType, opaqueType, stringType } from '../cel-type.js';
import type { Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import { quoteGo } from '../../go-numbers.js';
import type { CelValue } from '../values.js';
import { CelError, noSuchOverload, ObjectValue } from '../values.js';
import type { Address, Prefix } from './go-address.js';
import { AddressFailure, parseGoAddress, parseGoPrefix } from './go-address.js';

/** Kubernetes' `ip()` and `cidr()`. */

const ipType = opaqueType('net.IP');
const cidrType = opaqueType('net.CIDR');

class IpValue extends ObjectValue {
  readonly type = ipType;

  constructor(readonly address: Address) {
    super();
  }

  override get size(): number {
    return this.address.bytes.length;
  }

  equals(other: CelValue): boolean | CelError {
    return other instanceof IpValue ? this.address.equals(other.address) : noSuchOverload;
  }

  toString(): string {
    return this.address.toString();
  }
}

class CidrValue extends ObjectValue {
  readonly type = cidrType;

  constructor(readonly prefix: Prefix) {
    super();
  }

  override get size(): number {
    return Math.ceil(this.prefix.length / 8);
  }

  equals(other: CelValue): boolean | CelError {
    if (!(other instanceof CidrValue)) return noSuchOverload;
    return this.prefix.length === other.prefix.length && this.prefix.address.equals(other.prefix.address);
  }

  /** Whether the address has this prefix. */
  contains(address: Address): boolean {
    const { length } = this.prefix;
    return address.is4 === this.prefix.address.is4 && address.masked(length).equals(this.prefix.address.masked(length));
  }

  toString(): string {
    return `${this.prefix.address}/${this.prefix.length}`;
  }
}

/** The value, or the error that the parser threw. */
function attempt<T>(parse: () => T): T | CelError {
  try {
    return parse();
  } catch (error) {
    if (error instanceof AddressFailure) return new CelError(error.message);
    throw error;
  }
}

function readAddress(text: string): Address | CelError {
  const address = attempt(() => parseGoAddress(text));
  if (address instanceof CelError) {
    return new CelError(`IP Address ${quoteGo(text)} parse error during conversion from string: ${address.message}`);
  }
  if (address.zone !== '') return new CelError(`IP address ${quoteGo(text)} with zone value is not allowed`);
  if (address.isMapped) return new CelError(`IPv4-mapped IPv6 address ${quoteGo(text)} is not allowed`);
  return address;
}

function readPrefix(text: string): Prefix | CelError {
  const prefix = attempt(() => parseGoPrefix(text));
  if (prefix instanceof CelError) {
    return new CelError(`network address parse error during conversion from string: ${prefix.message}`);
  }
  if (prefix.address.isMapped) return new CelError(`IPv4-mapped IPv6 address ${quoteGo(text)} is not allowed`);
  return prefix;
}

function toIp(text: string): CelValue {
  const address = readAddress(text);
  return address instanceof CelError ? address : new IpValue(address);
}

function toCidr(text: string): CelValue {
  const prefix = readPrefix(text);
  if (!(prefix instanceof CelError)) return new CidrValue(prefix);
  return new CelError(`network address parse error during conversion from string: ${prefix.message}`);
}

function isCanonical(text: string): CelValue {
  const address = readAddress(text);
  return address instanceof CelError ? address : address.toString() === text;
}

function containsIp(cidr: CidrValue, ip: IpValue): CelValue {
  return cidr.contains(ip.address);
}

function containsIpText(cidr: CidrValue, text: string): CelValue {
  const ip = toIp(text);
  return ip instanceof IpValue ? containsIp(cidr, ip) : noSuchOverload;
}

function containsCidr(cidr: CidrValue, other: CidrValue): CelValue {
  return cidr.prefix.length <= other.prefix.length && cidr.contains(other.prefix.address);
}

function containsCidrText(cidr: CidrValue, text: string): CelValue {
  const other = toCidr(text);
  return other instanceof CidrValue ? containsCidr(cidr, other) : other;
}

function ipTest(name: string, id: string, test: (address: Address) => boolean) {
  return declare(
    name,
    memberOverload(id, [ipType], boolType, (ip: IpValue): CelValue => test(ip.address)),
  );
}

export const ipLibrary: Library = {
  functions: [
    declare('ip', overload('string_to_ip', [stringType], ipType, toIp)),
    declare(
      'family',
      memberOverload('ip_family', [ipType], intType, (ip: IpValue): CelValue => (ip.address.is4 ? 4n : 6n)),
    ),
    declare('ip.isCanonical', overload('ip_is_canonical', [stringType], boolType, isCanonical)),
    ipTest('isUnspecified', 'ip_is_unspecified', address => address.isUnspecified),
    ipTest('isLoopback', 'ip_is_loopback', address => address.isLoopback),
    ipTest('isLinkLocalMulticast', 'ip_is_link_local_multicast', address => address.isLinkLocalMulticast),
    ipTest('isLinkLocalUnicast', 'ip_is_link_local_unicast', address => address.isLinkLocalUnicast),
    ipTest('isGlobalUnicast', 'ip_is_global_unicast', address => address.isGlobalUnicast),
    declare(
      'isIP',
      overload('is_ip', [stringType], boolType, (text: string): CelValue => !(readAddress(text) instanceof CelError)),
    ),
    declare(
      'string',
      overload('ip_to_string', [ipType], stringType, (ip: IpValue): CelValue => ip.toString()),
    ),
  ],
  types: [ipType],
};

export const cidrLibrary: Library = {
  functions: [
    declare('cidr', overload('string_to_cidr', [stringType], cidrType, toCidr)),
    declare(
      'containsIP',
      memberOverload('cidr_contains_ip_string', [cidrType, stringType], boolType, containsIpText),
      memberOverload('cidr_contains_ip_ip', [cidrType, ipType], boolType, containsIp),
    ),
    declare(
      'containsCIDR',
      memberOverload('cidr_contains_cidr_string', [cidrType, stringType], boolType, containsCidrText),
      memberOverload('cidr_contains_cidr', [cidrType, cidrType], boolType, containsCidr),
    ),
    declare(
      'ip',
      memberOverload('cidr_ip', [cidrType], ipType, (cidr: CidrValue): CelValue => new IpValue(cidr.prefix.address)),
    ),
    declare(
      'prefixLength',
      memberOverload('cidr_prefix_length', [cidrType], intType, (cidr: CidrValue): CelValue => BigInt(cidr.prefix.length)),
    ),
    declare(
      'masked',
      memberOverload('cidr_masked', [cidrType], cidrType, ({ prefix }: CidrValue): CelValue => {
        return new CidrValue({ address: prefix.address.masked(prefix.length), length: prefix.length });
      }),
    ),
    declare(
      'isCIDR',
      overload('is_cidr', [stringType], boolType, (text: string): CelValue => !(readPrefix(text) instanceof CelError)),
    ),
    declare(
      'string',
      overload('cidr_to_string', [cidrType], stringType, (cidr: CidrValue): CelValue => cidr.toString()),
    ),
  ],
  types: [cidrType],
};
