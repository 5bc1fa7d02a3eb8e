import { createHash } from 'node:crypto';
import type { Service } from '../../../core/plugin-api/index.js';
import type { StickyCookie } from './dataplane/state.js';

const prefix = 'traefik.ingress.kubernetes.io/';
const cookiePrefix = `${prefix}service.sticky.cookie`;
export const schemeAnnotation = `${prefix}service.serversscheme`;
const schemes = ['http', 'https', 'h2c'];
/** What of a cookie may be asked for, after `service.sticky.cookie.`. */
const cookieFields = ['name', 'secure', 'httponly', 'samesite', 'maxage', 'path', 'domain'];
/** Asking for what is so anyway needs no word. */
const standing: Readonly<Record<string, string>> = {
  [`${prefix}service.passhostheader`]: 'true',
  [`${prefix}service.nativelb`]: 'false',
};

export interface ReadServiceAnnotations {
  readonly sticky?: StickyCookie;
  /** What its author asked for and does not get. */
  readonly problems: readonly string[];
}

/** Traefik's annotations of a Service. Source: Traefik's Ingress provider. */
export function readServiceAnnotations({ metadata }: Service): ReadServiceAnnotations {
  const annotations = metadata.annotations ?? {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(annotations)) {
    if (!name.startsWith(prefix) || standing[name] === value || name === cookiePrefix) continue;
    if (name === schemeAnnotation) {
      if (!schemes.includes(value)) problems.push(`the annotation ${name} must be one of ${schemes.join(', ')}, not "${value}"`);
    } else if (!name.startsWith(`${cookiePrefix}.`) || !cookieFields.includes(name.slice(cookiePrefix.length + 1))) {
      problems.push(`the annotation ${name} is not built`);
    }
  }
  if (annotations[cookiePrefix] !== 'true') return { problems };
  const field = (name: string): string | undefined => annotations[`${cookiePrefix}.${name}`];
  const sticky = cookieOf(`${metadata.namespace}/${metadata.name}`, field, problems);
  return { ...(sticky && { sticky }), problems };
}

function cookieOf(key: string, field: (name: string) => string | undefined, problems: string[]): StickyCookie | undefined {
  const name = field('name') || `_${createHash('sha1').update(key).digest('hex').slice(0, 5)}`;
  const attributes = [`Path=${field('path') || '/'}`];
  if (field('domain')) attributes.push(`Domain=${field('domain')}`);
  const maxAge = field('maxage');
  if (maxAge !== undefined && maxAge !== '0') {
    if (!/^-?\d{1,10}$/.test(maxAge)) problems.push(`${cookiePrefix}.maxage must be a whole number, not "${maxAge}"`);
    else attributes.push(`Max-Age=${Math.max(0, Number(maxAge))}`);
  }
  if (field('httponly') === 'true') attributes.push('HttpOnly');
  if (field('secure') === 'true') attributes.push('Secure');
  const sameSite = field('samesite')?.toLowerCase();
  if (sameSite !== undefined && sameSite !== '') {
    if (!['none', 'lax', 'strict'].includes(sameSite)) {
      problems.push(`${cookiePrefix}.samesite must be none, lax or strict, not "${sameSite}"`);
    } else attributes.push(`SameSite=${sameSite[0]!.toUpperCase()}${sameSite.slice(1)}`);
  }
  // What goes into a header as it stands may not bring more with it.
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || attributes.some(each => /[^\x20-\x3a\x3c-\x7e]/.test(each))) {
    problems.push(`${cookiePrefix}: a name, path or domain has a character that no cookie may have`);
    return undefined;
  }
  return { name, attributes };
}
