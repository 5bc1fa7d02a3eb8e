import type { AuthenticationOutcome, AuthenticationRequest, Authenticator } from './authenticator.js';
import { headerValues, noCredentials, rejected } from './authenticator.js';
import { X509Authenticator } from './x509-authenticator.js';
import type { X509AuthenticatorOptions } from './x509-authenticator.js';

const extraPrefix = 'x-remote-extra-';

export interface RequestHeaderAuthenticatorOptions extends X509AuthenticatorOptions {
  /** Common names of proxies that may speak for others; K3s allows `system:auth-proxy`. */
  readonly allowedNames: readonly string[];
}

/**
 * Users that a front proxy names by `X-Remote-*` headers. The proxy itself must show a certificate of the request-header
 * authority; without one the headers mean nothing. Source: apiserver pkg/authentication/request/headerrequest.
 */
export class RequestHeaderAuthenticator implements Authenticator {
  readonly #proxies: X509Authenticator;
  readonly #allowedNames: ReadonlySet<string>;

  constructor(options: RequestHeaderAuthenticatorOptions) {
    this.#proxies = new X509Authenticator(options);
    this.#allowedNames = new Set(options.allowedNames);
  }

  authenticate(request: AuthenticationRequest): AuthenticationOutcome {
    if (!request.clientCertificates?.length) return noCredentials;
    const name = headerValues(request.rawHeaders, 'x-remote-user')[0];
    if (!name) return noCredentials;
    const proxy = this.#proxies.authenticate(request);
    if (proxy.kind !== 'authenticated') return proxy;
    if (this.#allowedNames.size > 0 && !this.#allowedNames.has(proxy.user.name)) {
      return rejected(`x509: subject with cn=${proxy.user.name} is not in the allowed list`);
    }
    const uid = headerValues(request.rawHeaders, 'x-remote-uid')[0];
    return {
      kind: 'authenticated',
      user: {
        name,
        ...(uid ? { uid } : {}),
        groups: headerValues(request.rawHeaders, 'x-remote-group'),
        extra: prefixedExtra(request.rawHeaders, extraPrefix),
      },
    };
  }
}

/** Headers `PREFIX-KEY: value` as extra of a user: keys in lower case with percent escapes undone, values in order. */
export function prefixedExtra(rawHeaders: readonly string[], prefix: string): Record<string, string[]> {
  const extra = new Map<string, string[]>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (!name.startsWith(prefix)) continue;
    const key = unescapeKey(name.slice(prefix.length));
    const values = extra.get(key);
    if (values) values.push(rawHeaders[i + 1]!);
    else extra.set(key, [rawHeaders[i + 1]!]);
  }
  // fromEntries defines own properties, so a key `__proto__` stays data.
  return Object.fromEntries(extra);
}

function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    // Upstream keeps what it cannot decode: the extra is recorded as it came.
    return key;
  }
}
