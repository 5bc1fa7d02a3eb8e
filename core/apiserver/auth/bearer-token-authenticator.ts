import { secretsEqual } from '../../pki/join-token.js';
import type { AuthenticationOutcome, AuthenticationRequest, Authenticator, TokenAuthenticator } from './authenticator.js';
import { noCredentials, rejected } from './authenticator.js';
import type { UserInfo } from './user-info.js';

/** No token of ours comes near this; a longer one is not worth hashing. */
const longestTokenBytes = 16 * 1024;

/** Takes the token out of `Authorization: Bearer` and lets token authenticators judge it. */
export class BearerTokenAuthenticator implements Authenticator {
  readonly #tokens: TokenAuthenticator;

  constructor(tokens: TokenAuthenticator) {
    this.#tokens = tokens;
  }

  authenticate(request: AuthenticationRequest): AuthenticationOutcome | Promise<AuthenticationOutcome> {
    const token = bearerToken(request.authorization);
    if (token === undefined) return noCredentials;
    if (token.length > longestTokenBytes) return rejected('bearer token is too long');
    const outcome = this.#tokens.authenticateToken(token);
    return outcome instanceof Promise ? outcome.then(orInvalid) : orInvalid(outcome);
  }
}

/** A token that nobody knows is not the same as no token: it must not become the anonymous user. */
function orInvalid(outcome: AuthenticationOutcome): AuthenticationOutcome {
  return outcome.kind === 'no-credentials' ? rejected('invalid bearer token') : outcome;
}

/** The token of an Authorization header, undefined for other schemes and empty tokens. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (!authorization) return undefined;
  const parts = authorization.trim().split(' ', 2);
  if (parts.length < 2 || parts[0]!.toLowerCase() !== 'bearer' || parts[1] === '') return undefined;
  return parts[1];
}

/** User name and password of an Authorization header, undefined for other schemes. The supervisor's endpoints use it. */
export function basicCredentials(authorization: string | undefined): { username: string; password: string } | undefined {
  if (!authorization || authorization.length > longestTokenBytes) return undefined;
  const match = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization.trim());
  if (!match) return undefined;
  const text = Buffer.from(match[1]!, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** A token known beforehand. */
export interface StaticToken {
  readonly token: string;
  readonly user: UserInfo;
}

/** Tokens from a file or a flag. */
export class StaticTokenAuthenticator implements TokenAuthenticator {
  readonly #tokens: () => readonly StaticToken[];

  constructor(tokens: () => readonly StaticToken[]) {
    this.#tokens = tokens;
  }

  authenticateToken(token: string): AuthenticationOutcome {
    let found: UserInfo | undefined;
    // No early end: the time must not tell which entry matched.
    for (const known of this.#tokens()) if (secretsEqual(token, known.token)) found ??= known.user;
    return found ? { kind: 'authenticated', user: found } : noCredentials;
  }
}
