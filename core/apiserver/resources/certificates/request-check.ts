import { createPublicKey, verify } from 'node:crypto';
import { errorText } from '../../../base/errors.js';
import { readCertificateRequest } from '../../../pki/certificate-request.js';
import type { DerElement } from '../../../pki/der-reader.js';
import { DerReader, derTag } from '../../../pki/der-reader.js';

/** Digests by the object identifier of the signature's algorithm; null where the key itself says how. */
const digests: Readonly<Record<string, string | null>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
};

const block = /-----BEGIN ([^-]+)-----\s*([A-Za-z0-9+/=\s]*?)-----END \1-----/;

/** What is wrong with a PKCS#10 request in PEM (base64 once more, as objects carry it); undefined when it was signed by its own key. */
export function certificateRequestFault(request: string): string | undefined {
  const [, type, body = ''] = block.exec(Buffer.from(request, 'base64').toString('latin1')) ?? [];
  if (type !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST';
  const der = Buffer.from(body, 'base64');
  try {
    readCertificateRequest(der);
    return signatureFault(der);
  } catch (error) {
    return errorText(error);
  }
}

function signatureFault(der: Buffer): string | undefined {
  const outer = new DerReader(der).expect(derTag.sequence);
  const parts = outer.children();
  const info = parts.expect(derTag.sequence);
  const algorithm = parts.expect(derTag.sequence).children().expect(derTag.objectIdentifier).objectIdentifier();
  // A bit string begins with the number of its unused bits.
  const signature = parts.expect(derTag.bitString).content.subarray(1);
  const digest = digests[algorithm];
  if (digest === undefined) return 'x509: cannot verify signature: algorithm unimplemented';
  const fields = info.children();
  fields.expect(derTag.integer);
  const subject = fields.expect(derTag.sequence);
  const keyInfo = fields.expect(derTag.sequence);
  const key = createPublicKey({ key: between(info, subject, keyInfo), format: 'der', type: 'spki' });
  const signed = between(outer, undefined, info);
  if (verify(digest, signed, key, signature)) return undefined;
  return key.asymmetricKeyType === 'ec' ? 'x509: ECDSA verification failure' : 'crypto/rsa: verification error';
}

/** An element with its head: the bytes of `parent` from the end of `before` to the end of `element`. */
function between(parent: DerElement, before: DerElement | undefined, element: DerElement): Buffer {
  const end = ({ content }: DerElement): number => content.byteOffset + content.length - parent.content.byteOffset;
  return parent.content.subarray(before ? end(before) : 0, end(element));
}
