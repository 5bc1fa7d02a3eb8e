import { durationToMs } from '../time.js';
import { parseAddress, parseCidr } from '../names.js';
import type { JsonSchema } from './json-schema.js';

const hex = '[0-9a-f]';
const uuid = (version: string, variant: string): RegExp =>
  new RegExp(`^${hex}{8}-?${hex}{4}-?${version}-?${variant}-?${hex}{12}$`, 'i');
const four = `${hex}{4}`;
const three = `${hex}{3}`;
const hostname =
  /^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$/u;
const color = '\\s*(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])\\s*';
const rgb = new RegExp(`^rgb\\(${color},${color},${color}\\)$`);
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/;
const creditCard =
  /^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$/;
const shortName = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const hardwareAddress = /^(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1)*[0-9a-f]{2}$|^[0-9a-f]{4}(?:\.[0-9a-f]{4})+$/i;
const hardwareAddressBytes = [6, 8, 20];
const timeUnits =
  /^(d|day|days|h|hr|hour|hours|m|min|mins|minute|minutes|s|sec|secs|second|seconds|w|wk|week|weeks|ms|milli|millis|millisecond|milliseconds|us|µs|micro|micros|microsecond|microseconds|ns|nano|nanos|nanosecond|nanoseconds)/i;

/** What a string of a format looks like. Names have no dashes. Source: kube-openapi pkg/validation/strfmt. */
const checks: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: text => /^[0-9a-f]{24}$/i.test(text),
  byte: text => base64.test(text),
  cidr: text => parseCidr(text) !== undefined,
  creditcard: text => isCreditCard(text.replace(/[^0-9]+/g, '')),
  date: isDate,
  datetime: isDateTime,
  duration: isDuration,
  email: isEmail,
  hexcolor: text => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text),
  hostname: text => hostname.test(text) && text.length <= 255 && text.split('.').every(part => Buffer.byteLength(part) <= 63),
  ipv4: text => parseAddress(text) !== undefined && !text.includes(':'),
  ipv6: text => parseAddress(text) !== undefined && text.includes(':'),
  isbn: text => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  k8slongname: text => text.length <= 253 && new RegExp(`^${shortName}(\\.${shortName})*$`).test(text),
  k8sshortname: text => text.length <= 63 && new RegExp(`^${shortName}$`).test(text),
  mac: text => hardwareAddress.test(text) && hardwareAddressBytes.includes(text.replace(/[:.-]/g, '').length / 2),
  password: () => true,
  rgbcolor: text => rgb.test(text),
  ssn: text => text.length === 11 && /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
  uri: isRequestUri,
  uuid: text => uuid(four, four).test(text),
  uuid3: text => uuid(`3${three}`, four).test(text),
  uuid4: text => uuid(`4${three}`, `[89ab]${three}`).test(text),
  uuid5: text => uuid(`5${three}`, `[89ab]${three}`).test(text),
};

/** Whether a schema's format is one that counts. Source: apiextensions-apiserver pkg/apiserver/validation/formats.go. */
export function isKnownFormat({ format = '', type = '' }: JsonSchema): boolean {
  switch (type) {
    case '':
    case 'string':
      return Object.hasOwn(checks, format.replaceAll('-', ''));
    case 'integer':
      return format === 'int32' || format === 'int64';
    case 'number':
      return format === 'float' || format === 'double';
    default:
      return false;
  }
}

/** The check of a string format; undefined for those of numbers. */
export function formatCheck(format: string): ((text: string) => boolean) | undefined {
  const name = format.replaceAll('-', '');
  return Object.hasOwn(checks, name) ? checks[name] : undefined;
}

function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!match) return false;
  const date = new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])));
  date.setUTCFullYear(Number(match[1]));
  return date.toISOString().startsWith(text);
}

function isDateTime(text: string): boolean {
  const [date, time] = text.toLowerCase().split('t');
  if (date === undefined || time === undefined || !isDate(date)) return false;
  const match = /^(\d{2}):(\d{2}):(\d{2})(.\d+)?(z|([+-]\d{2}:\d{2}))$/.exec(time);
  return match !== null && match[1]! <= '23' && match[2]! <= '59' && match[3]! <= '59';
}

function isDuration(text: string): boolean {
  try {
    durationToMs(text);
    return true;
  } catch {
    return [...text.matchAll(/\d+\s*([A-Za-zµ]+)/g)].some(([, unit]) => timeUnits.test(unit!));
  }
}

/** An address as a mail's header may have it, with a name or without. Source: net/mail ParseAddress. */
function isEmail(text: string): boolean {
  const bare = /^\s*(?:[^<>@]*<([^<>]+)>|([^<>\s]+))\s*$/.exec(text);
  const address = bare?.[1] ?? bare?.[2];
  if (address === undefined) return false;
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
  const atom = '[^\\s()<>\\[\\]:;@\\\\,."\\x00-\\x1f]+';
  const atoms = new RegExp(`^${atom}(\\.${atom})*$`);
  return at > 0 && (atoms.test(local) || /^"[^"\\]*"$/.test(local)) && (atoms.test(domain) || /^\[.+\]$/.test(domain));
}

/** Source: net/url ParseRequestURI: absolute, or a path. */
function isRequestUri(text: string): boolean {
  if (text === '' || /[\x00-\x1f\x7f]/.test(text)) return false;
  if (text.startsWith('/')) return !/%(?![0-9a-f]{2})/i.test(text.split('?')[0]!);
  if (text === '*') return true;
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(text)?.[0];
  if (scheme === undefined) return false;
  const rest = text.slice(scheme.length);
  const authority = /^\/\/([^/?]*)/.exec(rest)?.[1];
  if (authority !== undefined && (/[ <>"]/.test(authority) || /:\d*[^\d\]:@][^@\]]*$/.test(authority.replace(/^.*@/, ''))))
    return false;
  return !/%(?![0-9a-f]{2})/i.test(rest.split('?')[0]!);
}

function isCreditCard(digits: string): boolean {
  if (!creditCard.test(digits)) return false;
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]);
    const double = digit * 2;
    sum += at % 2 === 0 ? digit : double >= 10 ? double - 9 : double;
  }
  return sum % 10 === 0;
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, '');
  if (!/^(?:[0-9]{9}X|[0-9]{10})$/.test(digits)) return false;
  let sum = 0;
  for (let at = 0; at < 10; at++) sum += (at + 1) * (digits[at] === 'X' ? 10 : Number(digits[at]));
  return sum % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, '');
  if (!/^[0-9]{13}$/.test(digits)) return false;
  let sum = 0;
  for (let at = 0; at < 12; at++) sum += Number(digits[at]) * (at % 2 === 0 ? 1 : 3);
  return Number(digits[12]) === (10 - (sum % 10)) % 10;
}
