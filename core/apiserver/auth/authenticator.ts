import { quote } from '../../machinery/field-errors.js';
import type { StatusError } from '../../machinery/status-error.js';
import { unauthorized } from '../../machinery/status-error.js';
import type { UserInfo } from './user-info.js';
import { anonymousUser, unauthenticatedGroup, withAuthenticatedGroup } from './user-info.js';

/** What authenticators see of a request. */
export interface AuthenticationRequest {
  /** Without the query. */
  readonly path: string;
  readonly authorization: string | undefined;
  /** Names and values in turn, as Node gives them for HTTP/1.1 and HTTP/2. */
  readonly rawHeaders: readonly string[];
  /** DER of the certificates that the client proved to hold the first of; not verified yet. Absent without client certificates. */
  readonly clientCertificates?: readonly Uint8Array[];
}

export interface Authenticated {
  readonly kind: 'authenticated';
  readonly user: UserInfo;
  /** Which of the requested audiences the credential is for; absent where it knows no audiences. */
  readonly audiences?: readonly string[];
  /** For the audit log. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Told to whoever sent the credential, or had it reviewed. */
  readonly warnings?: readonly string[];
}

export type AuthenticationOutcome =
  | Authenticated
  /** Nothing here that this authenticator could judge. */
  | { readonly kind: 'no-credentials' }
  /** Credentials that are not good. The reason is for the log, never for the client. */
  | { readonly kind: 'rejected'; readonly reason: string };

export const noCredentials: AuthenticationOutcome = { kind: 'no-credentials' };

export function rejected(reason: string): AuthenticationOutcome {
  return { kind: 'rejected', reason };
}

/** Asked for every request. Answers at once where it can; a promise only where a look-up must be awaited. */
export interface Authenticator {
  authenticate(request: AuthenticationRequest): AuthenticationOutcome | Promise<AuthenticationOutcome>;
}

/** Judges a bearer token. `audiences` are those the caller asks for (TokenReview), the API server's own where absent. */
export interface TokenAuthenticator {
  authenticateToken(token: string, audiences?: readonly string[]): AuthenticationOutcome | Promise<AuthenticationOutcome>;
}

/** Asks the members in turn; the first that knows the user wins. Rejections count only when nobody does. */
export class AuthenticatorChain implements Authenticator {
  readonly #members: readonly Authenticator[];

  constructor(members: readonly Authenticator[]) {
    this.#members = members;
  }

  authenticate(request: AuthenticationRequest): AuthenticationOutcome | Promise<AuthenticationOutcome> {
    return firstKnown(this.#members, member => member.authenticate(request));
  }
}

/** The same for tokens. */
export class TokenAuthenticatorChain implements TokenAuthenticator {
  readonly #members: readonly TokenAuthenticator[];

  constructor(members: readonly TokenAuthenticator[]) {
    this.#members = members;
  }

  authenticateToken(token: string, audiences?: readonly string[]): AuthenticationOutcome | Promise<AuthenticationOutcome> {
    return firstKnown(this.#members, member => member.authenticateToken(token, audiences));
  }
}

/** No promise is made while members answer at once: most requests carry a certificate or a token seen before. */
function firstKnown<M>(
  members: readonly M[],
  ask: (member: M) => AuthenticationOutcome | Promise<AuthenticationOutcome>,
): AuthenticationOutcome | Promise<AuthenticationOutcome> {
  let reasons: string[] | undefined;
  for (let i = 0; i < members.length; i++) {
    const outcome = ask(members[i]!);
    if (outcome instanceof Promise) return firstKnownLater(outcome, members.slice(i + 1), ask, reasons ?? []);
    if (outcome.kind === 'authenticated') return outcome;
    if (outcome.kind === 'rejected') (reasons ??= []).push(outcome.reason);
  }
  return reasons ? rejected(reasons.join('; ')) : noCredentials;
}

async function firstKnownLater<M>(
  pending: Promise<AuthenticationOutcome>,
  rest: readonly M[],
  ask: (member: M) => AuthenticationOutcome | Promise<AuthenticationOutcome>,
  reasons: string[],
): Promise<AuthenticationOutcome> {
  let outcome = await pending;
  for (let i = 0; ; i++) {
    if (outcome.kind === 'authenticated') return outcome;
    if (outcome.kind === 'rejected') reasons.push(outcome.reason);
    const next = rest[i];
    if (next === undefined) return reasons.length > 0 ? rejected(reasons.join('; ')) : noCredentials;
    outcome = await ask(next);
  }
}

/** What everybody may read, also without credentials; nothing below it. */
const anonymousPaths = new Set(['/livez', '/readyz', '/healthz', '/version', '/version/', '/cacerts', '/ping']);

export function isAnonymousPath(path: string): boolean {
  return anonymousPaths.has(path);
}

export const anonymous: Authenticated = {
  kind: 'authenticated',
  user: { name: anonymousUser, groups: [unauthenticatedGroup], extra: {} },
};

/**
 * The front door: a user with `system:authenticated`, the anonymous user on the few open paths, or a 401 without details.
 * Bad credentials are a 401 on open paths too, as upstream has it.
 */
export class RequestAuthentication {
  readonly #authenticator: Authenticator;

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator;
  }

  /** Throws (or rejects with) 401. The error's cause tells the log why. */
  authenticate(request: AuthenticationRequest): Authenticated | Promise<Authenticated> {
    const outcome = this.#authenticator.authenticate(request);
    return outcome instanceof Promise ? outcome.then(later => admit(later, request)) : admit(outcome, request);
  }
}

function admit(outcome: AuthenticationOutcome, request: AuthenticationRequest): Authenticated {
  if (outcome.kind === 'authenticated') {
    const user = withAuthenticatedGroup(outcome.user);
    return user === outcome.user ? outcome : { ...outcome, user };
  }
  if (outcome.kind === 'no-credentials' && isAnonymousPath(request.path)) return anonymous;
  throw unauthorizedBecause(outcome.kind === 'rejected' ? outcome.reason : `no credentials for ${quote(request.path)}`);
}

function unauthorizedBecause(reason: string): StatusError {
  const error = unauthorized();
  error.cause = new Error(reason);
  return error;
}

/** All values of a header in `rawHeaders`; the name in lower case. */
export function headerValues(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length === name.length && rawHeaders[i]!.toLowerCase() === name) values.push(rawHeaders[i + 1]!);
  }
  return values;
}
