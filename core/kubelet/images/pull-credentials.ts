import { createHash } from 'node:crypto';
import { Secrets } from '../../api/generated/resources.js';
import type { Pod, Secret } from '../../api/generated/types.js';
import type { RegistryCredentials } from '../../contracts/container-runtime.js';
import { isJsonObject } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { ReferencedObjects } from '../volumes/referenced-objects.js';
import { normalizeImageName } from './image-name.js';

/** One way to authenticate, and the secret that it is of. */
export interface PullCredentials {
  readonly auth: RegistryCredentials;
  readonly secretUid: string;
  /** Of the words, so that they can be compared and not read. */
  readonly hash: string;
}

/**
 * What the pod's pull secrets hold for the image's registry, in the order to try: the longest path first, and the pod's own order
 * among equals. Source: pkg/credentialprovider.
 */
export async function pullCredentials(
  pod: Pod,
  image: string,
  objects: Pick<ReferencedObjects, 'get'>,
): Promise<PullCredentials[]> {
  const reference = normalizeImageName(image);
  if (!reference) return [];
  const found: { readonly path: string; readonly credentials: PullCredentials }[] = [];
  for (const { name = '' } of pod.spec.imagePullSecrets ?? []) {
    let secret: Secret;
    try {
      secret = await objects.get(Secrets, pod.metadata.namespace ?? '', name);
    } catch (error) {
      // An image that needs no credentials is pulled all the same.
      if (isStatusError(error, 'NotFound')) continue;
      throw error;
    }
    for (const [path, auth] of registryEntries(secret)) {
      if (!matches(path, reference)) continue;
      const hash = createHash('sha256').update(JSON.stringify(auth)).digest('hex');
      found.push({ path, credentials: { auth, secretUid: secret.metadata.uid ?? '', hash } });
    }
  }
  return found.sort((a, b) => (a.path < b.path ? 1 : a.path > b.path ? -1 : 0)).map(({ credentials }) => credentials);
}

function registryEntries(secret: Secret): [string, RegistryCredentials][] {
  const file = secret.data?.['.dockerconfigjson'] ?? secret.data?.['.dockercfg'];
  if (file === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(file, 'base64').toString('utf8'));
  } catch {
    return [];
  }
  const table = isJsonObject(parsed) && isJsonObject(parsed['auths']) ? parsed['auths'] : parsed;
  if (!isJsonObject(table)) return [];
  return Object.entries(table).flatMap(([server, entry]): [string, RegistryCredentials][] => {
    if (!isJsonObject(entry)) return [];
    const text = (key: string): string | undefined => (typeof entry[key] === 'string' ? entry[key] : undefined);
    const [user, password] = splitAuth(text('auth'));
    const username = text('username') ?? user;
    const secretWord = text('password') ?? password;
    const identityToken = text('identitytoken');
    return [
      [
        server.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, ''),
        {
          serverAddress: server,
          ...(username === undefined ? {} : { username }),
          ...(secretWord === undefined ? {} : { password: secretWord }),
          ...(identityToken === undefined ? {} : { identityToken }),
        },
      ],
    ];
  });
}

function splitAuth(auth: string | undefined): [string?, string?] {
  if (auth === undefined) return [];
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? [] : [text.slice(0, colon), text.slice(colon + 1)];
}

function matches(path: string, reference: string): boolean {
  const wanted = path === 'index.docker.io' ? 'docker.io' : path;
  const [host = '', ...rest] = wanted.split('/');
  const slash = reference.indexOf('/');
  if (!hostMatches(host, reference.slice(0, slash))) return false;
  return rest.length === 0 || reference.slice(slash + 1).startsWith(rest.join('/'));
}

/** `*.example.com` matches one level. */
function hostMatches(pattern: string, host: string): boolean {
  if (!pattern.includes('*')) return pattern === host;
  const left = pattern.split('.');
  const right = host.split('.');
  return left.length === right.length && left.every((part, at) => globMatches(part, right[at]!));
}

function globMatches(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === text;
  if (!text.startsWith(parts[0]!) || !text.endsWith(parts.at(-1)!)) return false;
  let from = parts[0]!.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return from <= text.length - parts.at(-1)!.length;
}
