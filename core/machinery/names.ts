import ipaddr from 'ipaddr.js';

/**
 * Rules for names, labels, ports, addresses and the like. Each function returns what is wrong with its value, in the words
 * that clients know, and an empty list when nothing is.
 * Source: apimachinery pkg/util/validation and pkg/api/validate/content.
 */

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const labelWithUnderscore = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const subdomainWithUnderscore = `${labelWithUnderscore}(\\.${labelWithUnderscore})*`;
const dns1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const wildcardSubdomain = `\\*\\.${subdomain}`;
const labelKey = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelValue = `(${labelKey})?`;
const cIdentifier = '[A-Za-z_][A-Za-z0-9_]*';
const environmentName = '[-._a-zA-Z][-._a-zA-Z0-9]*';
const configMapKey = '[-._a-zA-Z0-9]+';
const httpHeader = '[-A-Za-z0-9]+';
const percent = '[0-9]+%';
const httpPath = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

const whole = (pattern: string): RegExp => new RegExp(`^${pattern}$`);
const labelPattern = whole(label);
const subdomainPattern = whole(subdomain);
const subdomainWithUnderscorePattern = whole(subdomainWithUnderscore);
const dns1035Pattern = whole(dns1035);
const wildcardPattern = whole(wildcardSubdomain);
const labelKeyPattern = whole(labelKey);
const labelValuePattern = whole(labelValue);
const cIdentifierPattern = whole(cIdentifier);
const environmentNamePattern = whole(environmentName);
const configMapKeyPattern = whole(configMapKey);
const httpHeaderPattern = whole(httpHeader);
const percentPattern = whole(percent);
const httpPathPattern = whole(httpPath);

/** Bytes, as Go counts them. */
const tooLong = (value: string, maximum: number): boolean =>
  value.length > maximum || (value.length * 3 > maximum && Buffer.byteLength(value) > maximum);

export const maxLengthError = (length: number): string => `must be no more than ${length} characters`;
export const maxBytesError = (length: number): string => `must be no more than ${length} bytes`;
export const emptyError = 'must be non-empty';
export const rangeError = (low: number, high: number): string => `must be between ${low} and ${high}, inclusive`;

/** The wording of a failed pattern. `$` at the end of a pattern in JavaScript does not match before a final newline, as in Go. */
export function regexError(message: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  return `${message} (e.g. ${examples.map(example => `'${example}', `).join(' or ')}regex used for validation is '${pattern}')`;
}

const subdomainMessage =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

export function validateDns1123Label(value: string): string[] {
  const errors: string[] = [];
  if (tooLong(value, 63)) errors.push(maxLengthError(63));
  if (labelPattern.test(value)) return errors;
  if (subdomainPattern.test(value)) errors.push('must not contain dots');
  else {
    const message =
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
    errors.push(regexError(message, label, 'my-name', '123-abc'));
  }
  return errors;
}

export function validateDns1123Subdomain(value: string): string[] {
  const errors: string[] = [];
  if (tooLong(value, 253)) errors.push(maxLengthError(253));
  if (!subdomainPattern.test(value)) errors.push(regexError(subdomainMessage, subdomain, 'example.com'));
  return errors;
}

export function validateDns1123SubdomainWithUnderscore(value: string): string[] {
  const errors: string[] = [];
  if (tooLong(value, 253)) errors.push(maxLengthError(253));
  if (!subdomainWithUnderscorePattern.test(value)) {
    const message =
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
    errors.push(regexError(message, subdomainWithUnderscore, 'example.com'));
  }
  return errors;
}

export function validateDns1035Label(value: string): string[] {
  const errors: string[] = [];
  if (tooLong(value, 63)) errors.push(maxLengthError(63));
  if (!dns1035Pattern.test(value)) {
    const message =
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
    errors.push(regexError(message, dns1035, 'my-name', 'abc-123'));
  }
  return errors;
}

export function validateWildcardDns1123Subdomain(value: string): string[] {
  const errors: string[] = [];
  if (tooLong(value, 253)) errors.push(maxLengthError(253));
  if (!wildcardPattern.test(value)) {
    const message =
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    errors.push(regexError(message, wildcardSubdomain, '*.example.com'));
  }
  return errors;
}

const labelKeyMessage =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/** `[prefix/]name`: label and annotation keys, resource names, condition types. */
export function validateQualifiedName(value: string): string[] {
  const slash = value.indexOf('/');
  const errors: string[] = [];
  let name = value;
  if (slash >= 0) {
    if (value.indexOf('/', slash + 1) >= 0) {
      const text = regexError(labelKeyMessage, labelKey, 'MyName', 'my.name', '123-abc');
      return [`a valid label key ${text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
    }
    const prefix = value.slice(0, slash);
    name = value.slice(slash + 1);
    if (prefix === '') errors.push(`prefix part ${emptyError}`);
    else {
      if (tooLong(prefix, 253)) errors.push(`prefix part ${maxBytesError(253)}`);
      if (!subdomainPattern.test(prefix)) errors.push(`prefix part ${regexError(subdomainMessage, subdomain, 'example.com')}`);
    }
  }
  if (name === '') errors.push(`name part ${emptyError}`);
  else if (tooLong(name, 63)) errors.push(`name part ${maxBytesError(63)}`);
  if (!labelKeyPattern.test(name)) {
    errors.push(`name part ${regexError(labelKeyMessage, labelKey, 'MyName', 'my.name', '123-abc')}`);
  }
  return errors;
}

export function validateLabelValue(value: string): string[] {
  const errors: string[] = [];
  if (tooLong(value, 63)) errors.push(maxBytesError(63));
  if (!labelValuePattern.test(value)) {
    const message =
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    errors.push(regexError(message, labelValue, 'MyValue', 'my_value', '12345'));
  }
  return errors;
}

export function validateCIdentifier(value: string): string[] {
  if (cIdentifierPattern.test(value)) return [];
  const message =
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  return [regexError(message, cIdentifier, 'my_name', 'MY_NAME', 'MyName')];
}

function parentDirectoryErrors(value: string): string[] {
  if (value === '.') return ["must not be '.'"];
  if (value === '..') return ["must not be '..'"];
  return value.startsWith('..') ? ["must not start with '..'"] : [];
}

export function validateEnvironmentVariableName(value: string): string[] {
  const errors: string[] = [];
  if (!environmentNamePattern.test(value)) {
    const message =
      "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit";
    errors.push(regexError(message, environmentName, 'my.env-name', 'MY_ENV.NAME', 'MyEnvName1'));
  }
  return errors.concat(parentDirectoryErrors(value));
}

/** What pods may name their variables: any printable ASCII but `=`. */
export function validateRelaxedEnvironmentVariableName(value: string): string[] {
  const errors: string[] = value === '' ? [`environment variable name ${emptyError}`] : [];
  if (/[^\x20-\x7e]|=/.test(value)) {
    errors.push("a valid environment variable name must consist only of printable ASCII characters other than '='");
  }
  return errors;
}

export function validateConfigMapKey(value: string): string[] {
  const errors: string[] = [];
  if (tooLong(value, 253)) errors.push(maxLengthError(253));
  if (!configMapKeyPattern.test(value)) {
    const message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    errors.push(regexError(message, configMapKey, 'key.name', 'KEY_NAME', 'key-name'));
  }
  return errors.concat(parentDirectoryErrors(value));
}

export function validatePortNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : [rangeError(1, 65535)];
}

export function validateInRange(value: number, low: number, high: number): string[] {
  return value >= low && value <= high ? [] : [rangeError(low, high)];
}

/** User and group ids: 0 to 2147483647. */
export function validateUserId(id: number): string[] {
  return validateInRange(id, 0, 0x7fffffff);
}

export function validatePortName(port: string): string[] {
  const errors: string[] = [];
  if (tooLong(port, 15)) errors.push(maxLengthError(15));
  if (!/^[-a-z0-9]+$/.test(port)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(port)) errors.push('must contain at least one letter (a-z)');
  if (port.includes('--')) errors.push('must not contain consecutive hyphens');
  if (port.startsWith('-') || port.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

export function validatePercent(value: string): string[] {
  if (percentPattern.test(value)) return [];
  return [regexError("a valid percent string must be a numeric string followed by an ending '%'", percent, '1%', '93%')];
}

export function validateHttpHeaderName(value: string): string[] {
  if (httpHeaderPattern.test(value)) return [];
  return [regexError("a valid HTTP header must consist of alphanumeric characters or '-'", httpHeader, 'X-Header-Name')];
}

export function validateHttpPath(value: string): string[] {
  return httpPathPattern.test(value) ? [] : [regexError('Invalid path', httpPath)];
}

/** Names that stand in a URL path; neither empty names nor long ones are refused here. */
export function validatePathSegmentName(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return validatePathSegmentPrefix(name);
}

export function validatePathSegmentPrefix(name: string): string[] {
  return ['/', '%'].filter(character => name.includes(character)).map(character => `may not contain '${character}'`);
}

/** A `generateName` may end in a dash that the generated suffix will follow. */
export function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name;
}

export type NameValidator = (name: string, isPrefix: boolean) => string[];
const prefixAware =
  (validate: (name: string) => string[]): NameValidator =>
  (name, isPrefix) =>
    validate(isPrefix ? maskTrailingDash(name) : name);

/** Name rules as resource strategies use them: the second argument says that the name is a `generateName`. */
export const nameIsDnsSubdomain: NameValidator = prefixAware(validateDns1123Subdomain);
export const nameIsDnsLabel: NameValidator = prefixAware(validateDns1123Label);
export const nameIsDns1035Label: NameValidator = prefixAware(validateDns1035Label);
export const nameIsPathSegment: NameValidator = (name, isPrefix) =>
  isPrefix ? validatePathSegmentPrefix(name) : validatePathSegmentName(name);

export interface ParsedAddress {
  readonly family: 4 | 6;
  /** 4 or 16 bytes; an IPv4-mapped IPv6 address is family 4, as Go prints it. */
  readonly bytes: readonly number[];
  readonly canonical: string;
  readonly mapped: boolean;
  readonly leadingZeros: boolean;
}

/** An address as Go's sloppy parser reads it: leading zeros in IPv4 parts are decimal; zones are refused. */
export function parseAddress(text: string): ParsedAddress | undefined {
  if (!text.includes(':')) {
    const parts = text.split('.');
    if (parts.length !== 4 || parts.some(part => !/^[0-9]+$/.test(part) || Number(part) > 255)) return undefined;
    const bytes = parts.map(Number);
    return {
      family: 4,
      bytes,
      canonical: bytes.join('.'),
      mapped: false,
      leadingZeros: parts.some(part => part.length > 1 && part.startsWith('0')),
    };
  }
  // The library reads `::1.2.3.4` as a mapped address, so the dotted end becomes two groups first.
  const colon = text.lastIndexOf(':');
  const dotted = text.includes('.') ? parseAddress(text.slice(colon + 1)) : undefined;
  if (text.includes('.') && dotted?.family !== 4) return undefined;
  const group = (at: number): string => ((dotted!.bytes[at]! << 8) | dotted!.bytes[at + 1]!).toString(16);
  const plain = dotted ? `${text.slice(0, colon + 1)}${group(0)}:${group(2)}` : text;
  if (!/^[0-9a-fA-F:]+$/.test(plain) || /[0-9a-fA-F]{5}/.test(plain) || !ipaddr.IPv6.isValid(plain)) return undefined;
  const address = ipaddr.IPv6.parse(plain);
  const leadingZeros = dotted?.leadingZeros === true;
  if (address.isIPv4MappedAddress()) {
    const inner = address.toIPv4Address();
    return { family: 4, bytes: inner.toByteArray(), canonical: inner.toString(), mapped: true, leadingZeros };
  }
  return { family: 6, bytes: address.toByteArray(), canonical: address.toRFC5952String(), mapped: false, leadingZeros };
}

/** `lenient` is for fields that took leading zeros and mapped addresses before 1.36's strict rules. */
export function validateIp(value: string, lenient = false): string[] {
  const address = parseAddress(value);
  if (!address) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
  if (lenient) return [];
  const errors: string[] = [];
  if (address.leadingZeros) errors.push('must not have leading 0s');
  else if (address.mapped) errors.push('must not be an IPv4-mapped IPv6 address');
  if (errors.length === 0 && value !== address.canonical) errors.push(`must be in canonical form ("${address.canonical}")`);
  return errors;
}

export interface ParsedCidr {
  readonly address: ParsedAddress;
  readonly prefixLength: number;
  /** The network with its host bits cleared, canonical. */
  readonly canonical: string;
  readonly hostBitsSet: boolean;
  readonly leadingZeros: boolean;
}

export function parseCidr(text: string): ParsedCidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const lengthText = text.slice(slash + 1);
  const address = parseAddress(text.slice(0, slash));
  if (!address || !/^[0-9]{1,3}$/.test(lengthText)) return undefined;
  const wide = address.family === 6 || address.mapped;
  if (Number(lengthText) > (wide ? 128 : 32)) return undefined;
  const prefixLength = address.mapped ? Math.max(0, Number(lengthText) - 96) : Number(lengthText);
  const network = address.bytes.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
  return {
    address,
    prefixLength,
    canonical: `${address.family === 4 ? network.join('.') : new ipaddr.IPv6(network).toRFC5952String()}/${prefixLength}`,
    hostBitsSet: network.some((byte, index) => byte !== address.bytes[index]),
    leadingZeros: address.leadingZeros || (lengthText.length > 1 && lengthText.startsWith('0')),
  };
}

export function validateCidr(value: string, lenient = false): string[] {
  const cidr = parseCidr(value);
  if (!cidr) return ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'];
  if (lenient) return [];
  if (cidr.leadingZeros) return ['must not have leading 0s in IP or prefix length'];
  if (cidr.address.mapped) return ['must not have an IPv4-mapped IPv6 address'];
  if (cidr.hostBitsSet) return ['must not have bits set beyond the prefix length'];
  return value === cidr.canonical ? [] : [`must be in canonical form ("${cidr.canonical}")`];
}
