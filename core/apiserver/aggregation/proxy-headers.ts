import type { OutgoingHttpHeaders } from 'node:http';
import type { UserInfo } from '../auth/user-info.js';

/** What may stand in the name of a header. Source: RFC 7230, token. `%` escapes, so it is escaped itself. */
const legal = /^[!#$&'*+\-.0-9A-Z^_`a-z|~]$/;

/** How an extension server learns who asks. Source: client-go transport.SetAuthProxyHeaders. */
export function userHeaders({ name, uid, groups, extra }: UserInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { 'x-remote-user': headerValue(name) };
  if (uid) headers['x-remote-uid'] = headerValue(uid);
  if (groups.length > 0) headers['x-remote-group'] = groups.map(headerValue);
  for (const [key, values] of Object.entries(extra ?? {})) {
    if (values.length > 0) headers[`x-remote-extra-${escapeKey(key)}`] = values.map(headerValue);
  }
  return headers;
}

/** Whatever says who the client is: it stays here, and nobody else says it to the extension server. */
export function isIdentity(name: string): boolean {
  return name === 'authorization' || name.startsWith('impersonate-') || name.startsWith('x-remote-');
}

/** Go writes the bytes of UTF-8; Node takes them as characters. */
function headerValue(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function escapeKey(key: string): string {
  let escaped = '';
  for (const byte of Buffer.from(key)) {
    const character = String.fromCharCode(byte);
    escaped += legal.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}
