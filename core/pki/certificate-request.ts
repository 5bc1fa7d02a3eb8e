import { DerReader, derTag } from './der-reader.js';
import type { CertificateSubject } from './certificate.js';
import { noExtensions, readExtensions, readSubject } from './certificate.js';
import { pkiError } from './pki-errors.js';

const extensionRequestId = '1.2.840.113549.1.9.14';

/** What a PKCS#10 request asks for. Its signature is checked only when it is signed (`CertificateAuthority.signRequest`). */
export interface CertificateRequest {
  readonly der: Buffer;
  readonly subject: CertificateSubject;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** How many alternative names of other kinds (mail addresses, URIs ...) there are. */
  readonly otherNames: number;
}

/** Reads a request in PEM (`CERTIFICATE REQUEST`) or DER. Throws PKI_MALFORMED. */
export function readCertificateRequest(pemOrDer: string | Uint8Array): CertificateRequest {
  const der = typeof pemOrDer === 'string' ? requestDer(pemOrDer) : Buffer.from(pemOrDer);
  const info = new DerReader(der).expect(derTag.sequence).children().expect(derTag.sequence).children();
  info.expect(derTag.integer);
  const subject = readSubject(info.expect(derTag.sequence).children());
  info.expect(derTag.sequence);
  const found = noExtensions();
  if (info.peekTag() === 0xa0) {
    const attributes = info.next().children();
    while (!attributes.done) {
      const attribute = attributes.expect(derTag.sequence).children();
      if (attribute.expect(derTag.objectIdentifier).objectIdentifier() !== extensionRequestId) continue;
      readExtensions(attribute.expect(derTag.set).children().expect(derTag.sequence).children(), found);
    }
  }
  return { der, subject, dnsNames: found.dnsNames, ipAddresses: found.ipAddresses, otherNames: found.otherNames };
}

function requestDer(pem: string): Buffer {
  const match = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([^-]+)-----END (?:NEW )?CERTIFICATE REQUEST-----/.exec(pem);
  if (!match) throw pkiError('PKI_MALFORMED', 'not a certificate request in PEM');
  return Buffer.from(match[1]!, 'base64');
}
