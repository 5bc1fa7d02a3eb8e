import type { KeyObject } from 'node:crypto';
import { createPublicKey, hash, sign, verify } from 'node:crypto';
import { pkiError } from './pki-errors.js';

/** The algorithms that Kubernetes signs and accepts; a key allows exactly one of them. */
export type TokenAlgorithm = 'ES256' | 'ES384' | 'ES512' | 'RS256';

export interface VerificationKey {
  readonly keyId: string;
  readonly algorithm: TokenAlgorithm;
  readonly publicKey: KeyObject;
}

export interface SigningKey extends VerificationKey {
  readonly privateKey: KeyObject;
}

/** A public key as JWKS documents have it (RFC 7517). */
export interface JsonWebKey {
  readonly use: 'sig';
  readonly kty: string;
  readonly kid: string;
  readonly alg: TokenAlgorithm;
  readonly [parameter: string]: string;
}

const algorithmOfCurve: Readonly<Record<string, TokenAlgorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};
const digestOf: Readonly<Record<TokenAlgorithm, string>> = { ES256: 'sha256', ES384: 'sha384', ES512: 'sha512', RS256: 'sha256' };

/** Throws PKI_UNSUPPORTED_KEY. */
export function signingKey(privateKey: KeyObject): SigningKey {
  return { ...verificationKey(createPublicKey(privateKey)), privateKey };
}

/** Throws PKI_UNSUPPORTED_KEY. */
export function verificationKey(publicKey: KeyObject): VerificationKey {
  const curve = publicKey.asymmetricKeyDetails?.namedCurve ?? '';
  const algorithm = publicKey.asymmetricKeyType === 'rsa' ? 'RS256' : algorithmOfCurve[curve];
  if (!algorithm) {
    throw pkiError('PKI_UNSUPPORTED_KEY', `a token key of type ${publicKey.asymmetricKeyType ?? 'unknown'} is not supported`, {
      mend: 'use an RSA key or an EC key on P-256, P-384 or P-521',
    });
  }
  return { keyId: keyIdOf(publicKey), algorithm, publicKey };
}

/** SHA-256 of the key's PKIX form: tells keys apart without telling the key. */
function keyIdOf(publicKey: KeyObject): string {
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'base64url');
}

/** A JWS in compact form. */
export function signToken(key: SigningKey, claims: Readonly<Record<string, unknown>>): string {
  const header = encode({ alg: key.algorithm, kid: key.keyId });
  const signed = `${header}.${encode(claims)}`;
  const signature = sign(digestOf[key.algorithm], Buffer.from(signed), keyOptions(key.algorithm, key.privateKey));
  return `${signed}.${signature.toString('base64url')}`;
}

/** A token in its three parts, read but not believed. */
export interface UnverifiedToken {
  readonly algorithm: string;
  readonly keyId: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly signedText: string;
  readonly signature: Buffer;
}

/** Undefined for what is no JWS in compact form with a JSON object as its payload. */
export function parseToken(token: string): UnverifiedToken | undefined {
  const parts = token.split('.', 4);
  if (parts.length !== 3) return undefined;
  const [header, payload, signature] = parts.map(decodeBase64Url);
  if (!header || !payload || !signature) return undefined;
  const head = parseObject(header);
  const claims = parseObject(payload);
  if (!head || !claims) return undefined;
  // Critical extensions must be understood, and we understand none (RFC 7515, 4.1.11).
  if (typeof head['alg'] !== 'string' || head['crit'] !== undefined) return undefined;
  const keyId = typeof head['kid'] === 'string' ? head['kid'] : '';
  return { algorithm: head['alg'], keyId, claims, signedText: `${parts[0]!}.${parts[1]!}`, signature };
}

/** Whether the key made the signature. The algorithm is the key's; a token that names another (`none` ...) is not good. */
export function isSignatureGood(token: UnverifiedToken, key: VerificationKey): boolean {
  if (token.algorithm !== key.algorithm) return false;
  return verify(
    digestOf[key.algorithm],
    Buffer.from(token.signedText),
    keyOptions(key.algorithm, key.publicKey),
    token.signature,
  );
}

export function jsonWebKey(key: VerificationKey): JsonWebKey {
  const exported = key.publicKey.export({ format: 'jwk' });
  const kty = exported.kty ?? '';
  const common = { use: 'sig', kty, kid: key.keyId, alg: key.algorithm } as const;
  if (kty === 'EC') return { ...common, crv: exported.crv ?? '', x: exported.x ?? '', y: exported.y ?? '' };
  return { ...common, n: exported.n ?? '', e: exported.e ?? '' };
}

/** JWS wants the two numbers of an EC signature side by side, not in DER. */
function keyOptions(algorithm: TokenAlgorithm, key: KeyObject): { key: KeyObject; dsaEncoding?: 'ieee-p1363' } {
  return algorithm === 'RS256' ? { key } : { key, dsaEncoding: 'ieee-p1363' };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Undefined for anything but base64url without padding: a second spelling of the same token must not exist. */
function decodeBase64Url(text: string): Buffer | undefined {
  if (text === '' || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(bytes.toString('utf8')) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Not JSON: no token of ours.
    return undefined;
  }
}
