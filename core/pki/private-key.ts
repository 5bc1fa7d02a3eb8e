import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { pkiError } from './pki-errors.js';

/** A new EC P-256 key in the PEM form that K3s writes (`EC PRIVATE KEY`). */
export function generatePrivateKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'sec1', format: 'pem' }).toString();
}

/** Throws PKI_MALFORMED, never with key material in the message. */
export function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw pkiError('PKI_MALFORMED', 'not a private key', { cause });
  }
}

/** All private keys of a PEM text, in order: `service.key` keeps old ones behind the current one. */
export function readPrivateKeys(pem: string): KeyObject[] {
  const blocks = pem.match(/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^-]+-----END \1-----/g) ?? [];
  return blocks.map(block => readPrivateKey(block));
}

export function publicKeyOf(privateKey: KeyObject): KeyObject {
  return createPublicKey(privateKey);
}
