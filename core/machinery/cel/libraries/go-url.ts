import { quoteGo } from '../../go-numbers.js';
import { AddressFailure, parseGoAddress } from './go-address.js';

/** URLs as Go's net/url reads them for a request; JavaScript's URL corrects what Go refuses. */
export interface GoUrl {
  readonly scheme: string;
  /** As written, with the port. */
  readonly host: string;
  readonly escapedPath: string;
  readonly query: string;
  /** What it is printed as. */
  readonly text: string;
}

export class UrlFailure extends Error {}

type Part = 'path' | 'host' | 'zone' | 'user' | 'query';

/** Throws UrlFailure in Go's words. */
export function parseRequestUrl(text: string): GoUrl {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof UrlFailure) throw new UrlFailure(`parse ${quoteGo(text)}: ${error.message}`);
    throw error;
  }
}

function parse(text: string): GoUrl {
  if (/[\x00-\x1f\x7f]/.test(text)) throw new UrlFailure('net/url: invalid control character in URL');
  if (text === '') throw new UrlFailure('empty url');
  if (text === '*') return { scheme: '', host: '', escapedPath: '*', query: '', text };
  const { scheme, rest } = splitScheme(text);
  const question = rest.indexOf('?');
  const query = question === -1 ? '' : rest.slice(question + 1);
  let path = question === -1 ? rest : rest.slice(0, question);
  const printed = `${scheme === '' ? '' : `${scheme}:`}${rest}`;
  if (!path.startsWith('/')) {
    if (scheme !== '') return { scheme, host: '', escapedPath: '', query, text: printed };
    throw new UrlFailure('invalid URI for request');
  }
  let host = '';
  if (scheme !== '' && path.startsWith('//')) {
    const slash = path.indexOf('/', 2);
    const authority = slash === -1 ? path.slice(2) : path.slice(2, slash);
    path = slash === -1 ? '' : path.slice(slash);
    host = parseAuthority(scheme, authority);
  }
  const escapedPath = validEncoded(path) ? path : escapePath(unescape(path, 'path'));
  unescape(path, 'path');
  return { scheme, host, escapedPath, query, text: printed };
}

function splitScheme(text: string): { scheme: string; rest: string } {
  if (text.startsWith(':')) throw new UrlFailure('missing protocol scheme');
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text);
  return match ? { scheme: match[1]!.toLowerCase(), rest: text.slice(match[0].length) } : { scheme: '', rest: text };
}

function parseAuthority(scheme: string, authority: string): string {
  const at = authority.lastIndexOf('@');
  const host = parseHost(scheme, authority.slice(at + 1));
  if (at === -1) return host;
  const user = authority.slice(0, at);
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(user)) throw new UrlFailure('net/url: invalid userinfo');
  unescape(user, 'user');
  return host;
}

function checkPort(port: string): void {
  if (!/^(?::[0-9]*)?$/.test(port)) throw new UrlFailure(`invalid port ${quoteGo(port)} after host`);
}

function parseHost(scheme: string, host: string): string {
  const open = host.lastIndexOf('[');
  if (open > 0) throw new UrlFailure('invalid IP-literal');
  if (open === 0) return parseBracketed(host);
  const first = host.indexOf(':');
  if (first !== -1) {
    const isStrict = scheme === 'http' || scheme === 'https';
    checkPort(host.slice(isStrict ? first : host.lastIndexOf(':')));
  }
  return unescape(host, 'host');
}

function parseBracketed(host: string): string {
  const close = host.lastIndexOf(']');
  if (close < 0) throw new UrlFailure("missing ']' in host");
  const port = host.slice(close + 1);
  checkPort(port);
  const inner = host.slice(1, close);
  const zone = inner.indexOf('%25');
  const name = zone >= 0 ? unescape(inner.slice(0, zone), 'host') + unescape(inner.slice(zone), 'zone') : unescape(inner, 'host');
  try {
    if (parseGoAddress(name).is4) throw new UrlFailure('invalid IP-literal');
  } catch (error) {
    if (error instanceof AddressFailure) throw new UrlFailure(`invalid host: ${error.message}`);
    throw error;
  }
  return `[${name}]${unescape(port, 'host')}`;
}

/** Without percent escapes, as bytes of UTF-8. */
function unescape(text: string, part: Part): string {
  if (!text.includes('%') && part !== 'host' && part !== 'zone' && part !== 'query') return text;
  const bytes: number[] = [];
  const source = Buffer.from(text, 'utf8');
  for (let index = 0; index < source.length; index++) {
    const byte = source[index]!;
    const character = String.fromCharCode(byte);
    if (character === '%') {
      const digits = source.toString('latin1', index + 1, index + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) {
        const bad = Buffer.from(source.subarray(index, index + 3)).toString('utf8');
        throw new UrlFailure(`invalid URL escape ${quoteGo(bad)}`);
      }
      const value = Number.parseInt(digits, 16);
      if (part === 'host' && value < 0x80 && digits !== '25') throw new UrlFailure(`invalid URL escape ${quoteGo(`%${digits}`)}`);
      if (part === 'zone' && digits !== '25' && value !== 0x20 && value < 0x80 && !isHostByte(value)) {
        throw new UrlFailure(`invalid URL escape ${quoteGo(`%${digits}`)}`);
      }
      bytes.push(value);
      index += 2;
    } else if (character === '+' && part === 'query') bytes.push(0x20);
    else {
      if ((part === 'host' || part === 'zone') && byte < 0x80 && !isHostByte(byte)) {
        throw new UrlFailure(`invalid character ${quoteGo(character)} in host name`);
      }
      bytes.push(byte);
    }
  }
  return Buffer.from(bytes).toString('utf8');
}

function isHostByte(byte: number): boolean {
  return /[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]/.test(String.fromCharCode(byte));
}

/** Whether the path may stay as it is written. */
function validEncoded(path: string): boolean {
  return /^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]/]|%)*$/.test(path);
}

function escapePath(path: string): string {
  return Array.from(Buffer.from(path, 'utf8'), byte => {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9\-_.~$&+,/:;=@]/.test(character)) return character;
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

export function hostnameOf(url: GoUrl): string {
  return splitPort(url.host).hostname;
}

export function portOf(url: GoUrl): string {
  return splitPort(url.host).port;
}

function splitPort(host: string): { hostname: string; port: string } {
  const colon = host.lastIndexOf(':');
  const hasPort = colon !== -1 && /^:[0-9]*$/.test(host.slice(colon));
  const name = hasPort ? host.slice(0, colon) : host;
  const isBracketed = name.startsWith('[') && name.endsWith(']');
  return { hostname: isBracketed ? name.slice(1, -1) : name, port: hasPort ? host.slice(colon + 1) : '' };
}

/** Parameters with their values in order; parts that are wrong are left out, as Go's URL.Query does. */
export function queryOf(url: GoUrl): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const part of url.query.split('&')) {
    if (part === '' || part.includes(';')) continue;
    const equals = part.indexOf('=');
    try {
      const key = unescape(equals === -1 ? part : part.slice(0, equals), 'query');
      const value = equals === -1 ? '' : unescape(part.slice(equals + 1), 'query');
      result.set(key, [...(result.get(key) ?? []), value]);
    } catch (error) {
      if (!(error instanceof UrlFailure)) throw error;
    }
  }
  return result;
}
