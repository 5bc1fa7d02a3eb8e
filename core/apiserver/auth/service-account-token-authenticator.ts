import { hash } from 'node:crypto';
import { dayMs, dayOf, invalidSinceLabel, lastUsedLabel } from '../../api/legacy-tokens.js';
import type { Clock } from '../../base/clock.js';
import { quote } from '../../machinery/field-errors.js';
import type { ObjectMeta } from '../../machinery/object.js';
import { secretsEqual } from '../../pki/join-token.js';
import type { VerificationKey } from '../../pki/json-web-token.js';
import { isSignatureGood, parseToken } from '../../pki/json-web-token.js';
import type { AuthenticationOutcome, TokenAuthenticator } from './authenticator.js';
import { noCredentials, rejected } from './authenticator.js';
import { RecentCache } from './recent-cache.js';
import type { ObjectClaim, ServiceAccountClaims } from './service-account-claims.js';
import { isLegacyIssuer, readBoundClaims, readLegacyClaims } from './service-account-claims.js';
import type { UserInfo } from './user-info.js';
import { extraKeys, serviceAccountGroups, serviceAccountUsername, splitServiceAccountUsername } from './user-info.js';

type Found<T> = T | undefined | Promise<T | undefined>;
interface Named {
  readonly metadata: ObjectMeta;
}

/** Current objects by name; undefined for what does not exist. Each is asked for every request, so it should be a cache. */
export interface TokenObjectLookup {
  getServiceAccount(namespace: string, name: string): Found<Named & { readonly secrets?: readonly { readonly name?: string }[] }>;
  getPod(namespace: string, name: string): Found<Named>;
  getSecret(namespace: string, name: string): Found<Named & { readonly data?: Readonly<Record<string, string>> }>;
  getNode(name: string): Found<Named>;
}

export interface ServiceAccountTokenAuthenticatorOptions {
  /** Issuers whose tokens are ours: the first signs. */
  readonly issuers: readonly string[];
  /** The API server's own audiences; a request without others must name one of them. */
  readonly apiAudiences: readonly string[];
  readonly keys: readonly VerificationKey[];
  readonly lookup: TokenObjectLookup;
  /** A token of a Secret was used, on a day (UTC) that the Secret does not yet name. */
  readonly noteUse?: (secret: ObjectMeta, day: string) => Promise<void>;
  readonly clock: Clock;
}

/** go-jose's, which upstream relies on. */
const leewaySeconds = 60;
const invalidated = 'service account token has been invalidated';

/** A user, or why there is none. */
type Judged = UserInfo | string;
type RawClaims = Readonly<Record<string, unknown>>;

/**
 * Tokens of service accounts: bound ones from TokenRequest and old ones from Secrets. The signature is checked once and
 * remembered; what the token is bound to is looked up each time, so that deleting it ends the token.
 * Source: pkg/serviceaccount jwt, claims, legacy.
 */
export class ServiceAccountTokenAuthenticator implements TokenAuthenticator {
  readonly #options: ServiceAccountTokenAuthenticatorOptions;
  readonly #issuers: ReadonlySet<string>;
  readonly #verified = new RecentCache<RawClaims>(2000);

  constructor(options: ServiceAccountTokenAuthenticatorOptions) {
    this.#options = options;
    this.#issuers = new Set(options.issuers);
  }

  async authenticateToken(token: string, audiences = this.#options.apiAudiences): Promise<AuthenticationOutcome> {
    const verified = this.#verify(token);
    if ('outcome' in verified) return verified.outcome;
    const { claims } = verified;
    return isLegacyIssuer(claims) ? this.#legacy(token, claims, audiences) : this.#bound(claims, audiences);
  }

  /** The claims of a token with a good signature of ours. */
  #verify(token: string): { readonly claims: RawClaims } | { readonly outcome: AuthenticationOutcome } {
    const fingerprint = hash('sha256', token, 'base64');
    const known = this.#verified.get(fingerprint);
    if (known) return { claims: known };
    const parsed = parseToken(token);
    if (!parsed) return { outcome: noCredentials };
    const issuer = parsed.claims['iss'];
    const isOurs = isLegacyIssuer(parsed.claims) || (typeof issuer === 'string' && this.#issuers.has(issuer));
    if (!isOurs) return { outcome: noCredentials };
    const { keys } = this.#options;
    const candidates = parsed.keyId === '' ? keys : keys.filter(key => key.keyId === parsed.keyId);
    if (candidates.length === 0) return { outcome: rejected('invalid signature, no keys found') };
    if (!candidates.some(key => isSignatureGood(parsed, key))) return { outcome: rejected('invalid signature') };
    this.#verified.set(fingerprint, parsed.claims);
    return { claims: parsed.claims };
  }

  async #bound(raw: RawClaims, requested: readonly string[]): Promise<AuthenticationOutcome> {
    const claims = readBoundClaims(raw);
    if (!claims) return rejected('service account token claims could not be validated');
    const audiences = this.#audiences(claims.audiences, requested);
    if (typeof audiences === 'string') return rejected(audiences);
    const nowSeconds = this.#options.clock.now() / 1000;
    const untimely = timeFault(claims, nowSeconds);
    if (untimely) return rejected(untimely);
    const user = await this.#boundUser(claims);
    if (typeof user === 'string') return rejected(user);
    const stale = claims.warnAfterSeconds ? Math.floor(nowSeconds) - claims.warnAfterSeconds : 0;
    if (stale <= 0) return { kind: 'authenticated', user, audiences };
    const text = `subject: ${claims.subject}, seconds after warning threshold: ${stale}`;
    return { kind: 'authenticated', user, audiences, annotations: { 'authentication.k8s.io/stale-token': text } };
  }

  async #boundUser(claims: ServiceAccountClaims): Promise<Judged> {
    const { lookup } = this.#options;
    const { namespace, serviceAccount, pod, node, secret } = claims;
    const account = await lookup.getServiceAccount(namespace, serviceAccount.name);
    if (!account) return `serviceaccounts ${quote(serviceAccount.name)} not found`;
    const uid = account.metadata.uid ?? '';
    if (uid !== serviceAccount.uid) return `service account UID (${uid}) does not match claim (${serviceAccount.uid})`;
    if (this.#isDeleted(account)) return `service account ${namespace}/${serviceAccount.name} has been deleted`;
    const checks: [string, ObjectClaim | undefined, (name: string) => Found<Named>][] = [
      ['secret', secret, name => lookup.getSecret(namespace, name)],
      ['pod', pod, name => lookup.getPod(namespace, name)],
      // The node of a pod's token is only told, not checked: the pod's end is the token's.
      ['node', pod ? undefined : node, name => lookup.getNode(name)],
    ];
    for (const [kind, claim, find] of checks) {
      if (!claim) continue;
      const object = await find(claim.name);
      const objectUid = object?.metadata.uid ?? '';
      if (!object) return invalidated;
      if (objectUid !== claim.uid) {
        return `${kind} UID (${objectUid}) does not match service account ${kind} ref claim (${claim.uid})`;
      }
      if (this.#isDeleted(object)) return invalidated;
    }
    return {
      name: serviceAccountUsername(namespace, serviceAccount.name),
      uid: serviceAccount.uid,
      groups: serviceAccountGroups(namespace),
      extra: {
        ...(pod ? { [extraKeys.podName]: [pod.name], [extraKeys.podUid]: [pod.uid] } : {}),
        ...(claims.id ? { [extraKeys.credentialId]: [`JTI=${claims.id}`] } : {}),
        ...(node ? { [extraKeys.nodeName]: [node.name] } : {}),
        ...(node?.uid ? { [extraKeys.nodeUid]: [node.uid] } : {}),
      },
    };
  }

  async #legacy(token: string, raw: RawClaims, requested: readonly string[]): Promise<AuthenticationOutcome> {
    const claims = readLegacyClaims(raw);
    const audiences = this.#audiences([], requested);
    if (typeof audiences === 'string') return rejected(audiences);
    const subject = splitServiceAccountUsername(claims.subject);
    const isOwn = subject?.namespace === claims.namespace && subject.name === claims.serviceAccountName;
    if (!isOwn || claims.secretName === '' || claims.serviceAccountUid === '') return rejected('sub claim is invalid');
    const { lookup } = this.#options;
    const secret = await lookup.getSecret(claims.namespace, claims.secretName);
    if (!secret || secret.metadata.deletionTimestamp) return rejected('Token has been invalidated');
    const kept = Buffer.from(secret.data?.['token'] ?? '', 'base64').toString('utf8');
    if (!secretsEqual(token, kept)) return rejected("Token does not match server's copy");
    const account = await lookup.getServiceAccount(claims.namespace, claims.serviceAccountName);
    const name = `${claims.namespace}/${claims.serviceAccountName}`;
    if (!account) return rejected(`serviceaccounts ${quote(claims.serviceAccountName)} not found`);
    if (account.metadata.deletionTimestamp) return rejected(`ServiceAccount ${name} has been deleted`);
    const uid = account.metadata.uid ?? '';
    if (uid !== claims.serviceAccountUid) {
      return rejected(`ServiceAccount UID (${uid}) does not match claim (${claims.serviceAccountUid})`);
    }
    await this.#noteUse(secret);
    if (secret.metadata.labels?.[invalidSinceLabel]) {
      return rejected(
        `the token in secret ${claims.namespace}/${claims.secretName} for service account ${name} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '${invalidSinceLabel}' label from the secret to temporarily allow use of this token`,
      );
    }
    const origin = account.secrets?.some(reference => reference.name === claims.secretName) ? 'autogenerated' : 'manual';
    return {
      kind: 'authenticated',
      audiences,
      user: { name: claims.subject, uid, groups: serviceAccountGroups(claims.namespace), extra: {} },
      annotations: {
        'authentication.k8s.io/legacy-token': claims.subject,
        [`authentication.k8s.io/legacy-token-${origin}-secret`]: claims.secretName,
      },
    };
  }

  async #noteUse({ metadata }: Named): Promise<void> {
    const nowMs = this.#options.clock.now();
    const lastUsed = metadata.labels?.[lastUsedLabel];
    // Another server's clock may be a little ahead.
    if (lastUsed === dayOf(nowMs) || lastUsed === dayOf(nowMs + dayMs)) return;
    await this.#options.noteUse?.(metadata, dayOf(nowMs));
  }

  /** Audiences that token and request share, or why there are none. A token without any is for the API server. */
  #audiences(ofToken: readonly string[], requested: readonly string[]): readonly string[] | string {
    const offered = ofToken.length > 0 ? ofToken : this.#options.apiAudiences;
    const shared = offered.filter(audience => requested.includes(audience));
    if (shared.length > 0) return shared;
    const list = (items: readonly string[]): string => `[${items.map(quote).join(' ')}]`;
    return `token audiences ${list(offered)} is invalid for the target audiences ${list(requested)}`;
  }

  #isDeleted({ metadata }: Named): boolean {
    if (!metadata.deletionTimestamp) return false;
    return Date.parse(metadata.deletionTimestamp) < this.#options.clock.now() - leewaySeconds * 1000;
  }
}

function timeFault(claims: ServiceAccountClaims, nowSeconds: number): string | undefined {
  const { notBeforeSeconds, expiresAtSeconds, issuedAtSeconds } = claims;
  if (notBeforeSeconds !== undefined && nowSeconds + leewaySeconds < notBeforeSeconds) {
    return 'service account token is not valid yet';
  }
  if (expiresAtSeconds !== undefined && nowSeconds - leewaySeconds > expiresAtSeconds) return 'service account token has expired';
  if (issuedAtSeconds !== undefined && nowSeconds + leewaySeconds < issuedAtSeconds) {
    return 'service account token is issued in the future';
  }
  return undefined;
}
