import { createPublicKey, verify } from 'node:crypto';
import { CodedError } from '../../../base/errors.js';
import type { CertificateRequest } from '../../../pki/certificate-request.js';
import { readCertificateRequest } from '../../../pki/certificate-request.js';
import { DerReader, derTag } from '../../../pki/der-reader.js';

/** Digests of the signature algorithms that are taken; null where the algorithm has its own. SHA-1 is too weak to be among them. */
const digests: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null],
]);

/** A PKCS#10 request of a PEM text whose signature holds. Throws PKI_MALFORMED or PKI_BAD_REQUEST. */
export function verifiedRequest(pem: string): CertificateRequest {
  const [first] = pemBlocks(pem);
  if (first?.type !== 'CERTIFICATE REQUEST') throw badRequest('PEM block type must be CERTIFICATE REQUEST');
  const request = readCertificateRequest(first.der);
  if (!isSignatureGood(request.der)) throw badRequest('the signature of the certificate request does not verify');
  return request;
}

function badRequest(message: string): CodedError {
  return new CodedError('PKI_BAD_REQUEST', message);
}

function isSignatureGood(der: Buffer): boolean {
  const whole = new DerReader(der).expect(derTag.sequence);
  const parts = whole.children();
  const info = parts.expect(derTag.sequence);
  const digest = digests.get(parts.expect(derTag.sequence).children().expect(derTag.objectIdentifier).objectIdentifier());
  if (digest === undefined) throw badRequest('the certificate request is signed with an algorithm that is not supported');
  // The first byte of a bit string counts its unused bits.
  const signature = parts.expect(derTag.bitString).content.subarray(1);
  const fields = info.children();
  fields.expect(derTag.integer);
  const subject = fields.expect(derTag.sequence);
  const keyStart = endOf(info.content, subject.content);
  const key = fields.expect(derTag.sequence);
  const keyDer = info.content.subarray(keyStart, endOf(info.content, key.content));
  try {
    const publicKey = createPublicKey({ key: keyDer, format: 'der', type: 'spki' });
    return verify(digest, whole.content.subarray(0, endOf(whole.content, info.content)), publicKey, signature);
  } catch (cause) {
    throw new CodedError('PKI_BAD_REQUEST', 'the key of the certificate request cannot be used', { cause });
  }
}

/** Where `part`, a piece of `whole`'s memory, ends within it. */
function endOf(whole: Buffer, part: Buffer): number {
  return part.byteOffset + part.length - whole.byteOffset;
}

export interface PemBlock {
  readonly type: string;
  readonly headers: boolean;
  readonly der: Buffer;
}

const block = /-----BEGIN ([^-\n]+)-----\r?\n([^-]*)-----END \1-----/g;

export function pemBlocks(pem: string): PemBlock[] {
  return [...pem.matchAll(block)].map(([, type = '', body = '']) => ({
    type,
    headers: body.includes(':'),
    der: Buffer.from(body, 'base64'),
  }));
}
