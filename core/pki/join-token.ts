import type { X509Certificate } from 'node:crypto';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readCertificates } from './certificate.js';
import { pkiError } from './pki-errors.js';

/** A token that joins nodes, in any of K3s' forms. */
export interface JoinToken {
  /** SHA-256 of the server's CA file in hex; undefined for short tokens, which trust on first use. */
  readonly caHash: string | undefined;
  /** `server`, `node`, or empty for short tokens and bootstrap tokens. */
  readonly username: string;
  readonly password: string;
}

/** `K10<hash>::<user>:<password>`. Source: K3s docs, `k3s token`. */
export function formatJoinToken(caPem: string, username: string, password: string): string {
  return `K10${caHash(caPem)}::${username}:${password}`;
}

/**
 * What the token says of the CA: SHA-256 in hex over the file's bytes as `/cacerts` serves them, or, for a file with a
 * chain, over the DER of its root, so that an intermediate can be renewed under the same tokens.
 */
export function caHash(caPem: string): string {
  const certificates = readCertificates(caPem);
  let root = certificates[0];
  for (let depth = 0; root && depth < certificates.length && !root.x509.checkIssued(root.x509); depth++) {
    const below: X509Certificate = root.x509;
    root = certificates.find(candidate => below.checkIssued(candidate.x509) && below.verify(candidate.x509.publicKey));
  }
  const hashed = certificates.length > 1 && root && root !== certificates[0] ? root.x509.raw : caPem;
  return createHash('sha256').update(hashed).digest('hex');
}

/** A random password: 16 bytes in hex, as K3s makes them. */
export function randomPassword(byteCount = 16): string {
  return randomBytes(byteCount).toString('hex');
}

/** A kubeadm bootstrap token `<6>.<16>` of lower-case letters and digits. */
export function randomBootstrapToken(): string {
  return `${randomLetters(6)}.${randomLetters(16)}`;
}

export const bootstrapTokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;

/**
 * Reads `K10<hash>::<user>:<password>`, `K10<hash>::<bootstrap token>`, short tokens (a password alone) and bare bootstrap
 * tokens. Throws PKI_BAD_TOKEN, without the token in the message.
 */
export function parseJoinToken(token: string): JoinToken {
  const text = token.trim();
  if (text === '') throw pkiError('PKI_BAD_TOKEN', 'the token is empty');
  if (!text.startsWith('K10')) return { caHash: undefined, username: '', password: text };
  const match = /^K10([0-9a-f]{64}|)::(.+)$/s.exec(text);
  if (!match) {
    throw pkiError('PKI_BAD_TOKEN', 'the token starts with K10 but is not K10<sha256 of the CA>::<user>:<password>', {
      mend: 'copy the whole content of server/token under the data directory of a server',
    });
  }
  const credentials = match[2]!;
  if (bootstrapTokenPattern.test(credentials)) return { caHash: match[1] || undefined, username: '', password: credentials };
  const colon = credentials.indexOf(':');
  if (colon < 0) return { caHash: match[1] || undefined, username: '', password: credentials };
  return { caHash: match[1] || undefined, username: credentials.slice(0, colon), password: credentials.slice(colon + 1) };
}

/** Equality of secrets in a time that tells nothing about where they differ, nor about the length of `expected`. */
export function secretsEqual(given: string, expected: string): boolean {
  const left = createHash('sha256').update(given).digest();
  const right = createHash('sha256').update(expected).digest();
  return timingSafeEqual(left, right);
}

function randomLetters(count: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
  let text = '';
  while (text.length < count) {
    // 252 is the largest multiple of 36 in a byte: without the cut-off the first letters would come more often.
    for (const byte of randomBytes(count)) if (byte < 252 && text.length < count) text += alphabet[byte % 36];
  }
  return text;
}
