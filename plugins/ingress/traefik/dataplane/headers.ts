import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { hostname } from 'node:os';

/** Of one connection, not of the message. Source: RFC 9110 section 7.6.1. */
const hopByHop = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Said by us alone: nobody before us is trusted, as Traefik does by default. */
const forwarded = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-server',
  'x-real-ip',
]);
const serverName = hostname();

export interface ClientFacts {
  readonly address: string;
  readonly host: string;
  readonly isSecure: boolean;
  readonly isWebSocket?: boolean;
}

/** The headers of a request as an endpoint gets them. */
export function requestHeaders(
  headers: IncomingHttpHeaders,
  { address, host, isSecure, isWebSocket }: ClientFacts,
): OutgoingHttpHeaders {
  const named = connectionNames(headers.connection);
  const result: OutgoingHttpHeaders = {};
  for (const name in headers) {
    if (hopByHop.has(name) || forwarded.has(name) || name.charCodeAt(0) === 58 || named?.has(name)) continue;
    result[name] = headers[name];
  }
  result['host'] = host;
  if (headers.te !== undefined && headers.te.includes('trailers')) result['te'] = 'trailers';
  result['x-forwarded-for'] = address;
  result['x-forwarded-host'] = host;
  result['x-forwarded-port'] = portOf(host) ?? (isSecure ? '443' : '80');
  result['x-forwarded-proto'] = isWebSocket ? (isSecure ? 'wss' : 'ws') : isSecure ? 'https' : 'http';
  result['x-forwarded-server'] = serverName;
  result['x-real-ip'] = address;
  return result;
}

/** The headers of an answer as the client gets them. */
export function responseHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = connectionNames(headers.connection);
  const result: OutgoingHttpHeaders = {};
  for (const name in headers) {
    if (hopByHop.has(name) || name.charCodeAt(0) === 58 || named?.has(name)) continue;
    result[name] = headers[name];
  }
  return result;
}

function connectionNames(value: string | undefined): Set<string> | undefined {
  if (value === undefined) return undefined;
  const plain = value.toLowerCase();
  if (plain === 'keep-alive' || plain === 'close') return undefined;
  return new Set(plain.split(',').map(name => name.trim()));
}

function portOf(host: string): string | undefined {
  return /:(\d+)$/.exec(host)?.[1];
}

/** The address of a peer as headers say it. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
