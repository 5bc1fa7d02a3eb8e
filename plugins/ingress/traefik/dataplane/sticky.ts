import { createHash } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import type { Backend, Endpoint } from './backends.js';
import type { StickyCookie } from './state.js';

/** Opaque, so that no address of a pod leaves the cluster. */
export function endpointId({ address, port }: Endpoint): string {
  return createHash('sha256').update(`${address} ${port}`).digest('hex').slice(0, 16);
}

/** Where in the list of endpoints the cookie of a request points; undefined when to nobody who is still there. */
export function stickyIndex({ sticky, endpoints }: Backend, cookies: string | undefined): number | undefined {
  if (!sticky || cookies === undefined) return undefined;
  const id = cookieValue(cookies, sticky.name);
  if (id === undefined) return undefined;
  const index = endpoints.findIndex(endpoint => endpointId(endpoint) === id);
  return index < 0 ? undefined : index;
}

/** Adds the cookie to an answer, unless the client brought it. */
export function addStickyCookie(
  headers: OutgoingHttpHeaders,
  sticky: StickyCookie | undefined,
  endpoint: Endpoint,
  cookies: string | undefined,
): OutgoingHttpHeaders {
  const cookie = sticky && newStickyCookie(sticky, endpoint, cookies);
  if (cookie !== undefined) headers['set-cookie'] = [...[headers['set-cookie'] ?? []].flat(), cookie].map(String);
  return headers;
}

/** Undefined when the client has it already. */
export function newStickyCookie(sticky: StickyCookie, endpoint: Endpoint, cookies: string | undefined): string | undefined {
  const id = endpointId(endpoint);
  if (cookies !== undefined && cookieValue(cookies, sticky.name) === id) return undefined;
  const { name, attributes } = sticky;
  return `${name}=${id}${attributes.map(each => `; ${each}`).join('')}`;
}

function cookieValue(cookies: string, name: string): string | undefined {
  for (const pair of cookies.split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}
