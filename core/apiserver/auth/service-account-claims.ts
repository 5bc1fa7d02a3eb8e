import { randomUUID } from 'node:crypto';
import { isJsonObject } from '../../machinery/object.js';
import type { ObjectMeta } from '../../machinery/object.js';
import { serviceAccountUsername } from './user-info.js';

/** What tokens say of objects. */
export interface ObjectClaim {
  readonly name: string;
  readonly uid: string;
}

/** The claims of a service account's token. Source: pkg/serviceaccount claims. */
export interface ServiceAccountClaims {
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  /** Undefined in legacy tokens, which do not expire. */
  readonly expiresAtSeconds: number | undefined;
  readonly notBeforeSeconds: number | undefined;
  readonly issuedAtSeconds: number | undefined;
  readonly id: string | undefined;
  readonly namespace: string;
  readonly serviceAccount: ObjectClaim;
  readonly pod: ObjectClaim | undefined;
  readonly node: ObjectClaim | undefined;
  readonly secret: ObjectClaim | undefined;
  readonly warnAfterSeconds: number | undefined;
}

type Named = { readonly metadata: ObjectMeta };

export interface TokenRequestInput {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly serviceAccount: Named;
  /** A token lives as long as what it is bound to: a pod (and its node), a secret, or a node. */
  readonly pod?: Named;
  readonly node?: Named;
  readonly secret?: Named;
  readonly expirationSeconds: number;
  /** Set where a long-lived token stands in for a short one: use after this time is noted in the audit log. */
  readonly warnAfterSeconds?: number;
  readonly nowMs: number;
}

/** The claims of a bound token, in the order of upstream's struct. */
export function boundTokenClaims(input: TokenRequestInput): Record<string, unknown> {
  const nowSeconds = Math.floor(input.nowMs / 1000);
  const { namespace = '', name = '' } = input.serviceAccount.metadata;
  return {
    aud: input.audiences,
    exp: nowSeconds + input.expirationSeconds,
    iat: nowSeconds,
    iss: input.issuer,
    jti: randomUUID(),
    'kubernetes.io': {
      namespace,
      ...(input.node ? { node: claim(input.node) } : {}),
      ...(input.pod ? { pod: claim(input.pod) } : {}),
      ...(input.secret ? { secret: claim(input.secret) } : {}),
      serviceaccount: claim(input.serviceAccount),
      ...(input.warnAfterSeconds ? { warnafter: nowSeconds + input.warnAfterSeconds } : {}),
    },
    nbf: nowSeconds,
    sub: serviceAccountUsername(namespace, name),
  };
}

const legacyIssuer = 'kubernetes/serviceaccount';
const legacyPrefix = 'kubernetes.io/serviceaccount/';

/** The claims of a token in a Secret of type `kubernetes.io/service-account-token`: no end, no audience. */
export function legacyTokenClaims(serviceAccount: Named, secretName: string): Record<string, unknown> {
  const { namespace = '', name = '', uid = '' } = serviceAccount.metadata;
  return {
    iss: legacyIssuer,
    [`${legacyPrefix}namespace`]: namespace,
    [`${legacyPrefix}secret.name`]: secretName,
    [`${legacyPrefix}service-account.name`]: name,
    [`${legacyPrefix}service-account.uid`]: uid,
    sub: serviceAccountUsername(namespace, name),
  };
}

/** A legacy token's claims in the parts that differ. */
export interface LegacyClaims {
  readonly subject: string;
  readonly namespace: string;
  readonly secretName: string;
  readonly serviceAccountName: string;
  readonly serviceAccountUid: string;
}

export function isLegacyIssuer(claims: Readonly<Record<string, unknown>>): boolean {
  return claims['iss'] === legacyIssuer;
}

export function readLegacyClaims(claims: Readonly<Record<string, unknown>>): LegacyClaims {
  const text = (key: string): string => {
    const value = claims[key];
    return typeof value === 'string' ? value : '';
  };
  return {
    subject: text('sub'),
    namespace: text(`${legacyPrefix}namespace`),
    secretName: text(`${legacyPrefix}secret.name`),
    serviceAccountName: text(`${legacyPrefix}service-account.name`),
    serviceAccountUid: text(`${legacyPrefix}service-account.uid`),
  };
}

/** Undefined when a claim has the wrong type: such a token is not one of ours. */
export function readBoundClaims(claims: Readonly<Record<string, unknown>>): ServiceAccountClaims | undefined {
  const ours = claims['kubernetes.io'];
  const { iss, sub } = claims;
  if (!isJsonObject(ours) || typeof iss !== 'string' || typeof sub !== 'string') return undefined;
  const audiences = readAudiences(claims['aud']);
  const serviceAccount = readClaim(ours['serviceaccount']);
  const namespace = ours['namespace'];
  if (!audiences || !serviceAccount || typeof namespace !== 'string' || namespace === '') return undefined;
  const times = [claims['exp'], claims['nbf'], claims['iat'], ours['warnafter']];
  if (!times.every(time => time === undefined || (typeof time === 'number' && Number.isFinite(time)))) return undefined;
  const bound = ['pod', 'node', 'secret'].map(key => ours[key]);
  if (!bound.every(value => value === undefined || value === null || readClaim(value))) return undefined;
  const [pod, node, secret] = bound.map(value => readClaim(value));
  const [expiresAtSeconds, notBeforeSeconds, issuedAtSeconds, warnAfterSeconds] = times as (number | undefined)[];
  return {
    issuer: iss,
    subject: sub,
    audiences,
    expiresAtSeconds,
    notBeforeSeconds,
    issuedAtSeconds,
    id: typeof claims['jti'] === 'string' ? claims['jti'] : undefined,
    namespace,
    serviceAccount,
    pod,
    node,
    secret,
    warnAfterSeconds,
  };
}

function claim({ metadata }: Named): ObjectClaim {
  return { name: metadata.name ?? '', uid: metadata.uid ?? '' };
}

function readClaim(value: unknown): ObjectClaim | undefined {
  if (!isJsonObject(value) || typeof value['name'] !== 'string') return undefined;
  const uid = value['uid'] ?? '';
  return typeof uid === 'string' ? { name: value['name'], uid } : undefined;
}

function readAudiences(value: unknown): string[] | undefined {
  if (value === undefined) return [];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && value.every(item => typeof item === 'string') ? value : undefined;
}
