import { X509Certificate } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { DerReader, derTag } from './der-reader.js';
import { pkiError } from './pki-errors.js';

const commonNameId = '2.5.4.3';
const organizationId = '2.5.4.10';
/** The attribute that carries a user's UID in client certificates (feature AllowParsingUserUIDFromCertAuth). */
const userUidId = '1.3.6.1.4.1.57683.2';
const subjectAltNameId = '2.5.29.17';
const basicConstraintsId = '2.5.29.19';
const extendedKeyUsageId = '2.5.29.37';

export const serverAuthUsage = '1.3.6.1.5.5.7.3.1';
export const clientAuthUsage = '1.3.6.1.5.5.7.3.2';
export const anyUsage = '2.5.29.37.0';

export interface CertificateSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** All values of the user-UID attribute; more than one is not a valid identity. */
  readonly userUids: readonly string[];
}

/** What we need to know of a certificate, read from its DER. Signatures are checked through `x509`. */
export interface Certificate {
  readonly x509: X509Certificate;
  readonly subject: CertificateSubject;
  readonly dnsNames: readonly string[];
  /** In the textual form of `canonicalIp`. */
  readonly ipAddresses: readonly string[];
  /** How many alternative names of other kinds (mail addresses, URIs ...) there are. */
  readonly otherNames: number;
  readonly isAuthority: boolean;
  /** Dotted object identifiers; undefined when the certificate does not restrict its use. */
  readonly extendedKeyUsages: readonly string[] | undefined;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Reads one certificate. Throws PKI_MALFORMED. */
export function readCertificate(pemOrDer: string | Uint8Array): Certificate {
  let x509: X509Certificate;
  try {
    x509 = new X509Certificate(pemOrDer);
  } catch (cause) {
    throw pkiError('PKI_MALFORMED', 'not a certificate', { cause });
  }
  const body = new DerReader(x509.raw).expect(derTag.sequence).children().expect(derTag.sequence).children();
  if (body.peekTag() === 0xa0) body.next();
  body.expect(derTag.integer);
  body.expect(derTag.sequence);
  body.expect(derTag.sequence);
  body.expect(derTag.sequence);
  const subject = readSubject(body.expect(derTag.sequence).children());
  const found = noExtensions();
  while (!body.done) {
    const element = body.next();
    if (element.tag === 0xa3) readExtensions(element.children().expect(derTag.sequence).children(), found);
  }
  return {
    x509,
    subject,
    ...found,
    notBeforeMs: x509.validFromDate.getTime(),
    notAfterMs: x509.validToDate.getTime(),
  };
}

/** All certificates of a PEM text, in order. Other blocks are passed over. */
export function readCertificates(pem: string): Certificate[] {
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(block => readCertificate(block));
}

export interface CertificateExtensions {
  dnsNames: string[];
  ipAddresses: string[];
  /** How many alternative names of other kinds (mail addresses, URIs ...) there are. */
  otherNames: number;
  isAuthority: boolean;
  extendedKeyUsages: string[] | undefined;
}

export function noExtensions(): CertificateExtensions {
  return { dnsNames: [], ipAddresses: [], otherNames: 0, isAuthority: false, extendedKeyUsages: undefined };
}

/** Reads the contents of a distinguished name. */
export function readSubject(reader: DerReader): CertificateSubject {
  let commonName = '';
  const organizations: string[] = [];
  const userUids: string[] = [];
  while (!reader.done) {
    const parts = reader.expect(derTag.set).children();
    while (!parts.done) {
      const part = parts.expect(derTag.sequence).children();
      const id = part.expect(derTag.objectIdentifier).objectIdentifier();
      const value = part.next();
      // The last common name wins, as in Go's pkix.Name.
      if (id === commonNameId) commonName = value.text();
      else if (id === organizationId) organizations.push(value.text());
      else if (id === userUidId) userUids.push(value.text());
    }
  }
  return { commonName, organizations, userUids };
}

/** Reads the contents of a list of extensions into `into`. */
export function readExtensions(reader: DerReader, into: CertificateExtensions): void {
  while (!reader.done) {
    const extension = reader.expect(derTag.sequence).children();
    const id = extension.expect(derTag.objectIdentifier).objectIdentifier();
    if (extension.peekTag() === derTag.boolean) extension.next();
    const value = extension.expect(derTag.octetString).children();
    if (id === basicConstraintsId) {
      const constraints = value.expect(derTag.sequence).children();
      into.isAuthority = constraints.peekTag() === derTag.boolean && constraints.next().content[0] !== 0;
    } else if (id === extendedKeyUsageId) {
      const usages = value.expect(derTag.sequence).children();
      into.extendedKeyUsages = [];
      while (!usages.done) into.extendedKeyUsages.push(usages.expect(derTag.objectIdentifier).objectIdentifier());
    } else if (id === subjectAltNameId) {
      const names = value.expect(derTag.sequence).children();
      while (!names.done) {
        const name = names.next();
        if (name.tag === 0x82) into.dnsNames.push(name.text());
        else if (name.tag === 0x87) into.ipAddresses.push(ipText(name.content));
        else into.otherNames++;
      }
    }
  }
}

function ipText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw pkiError('PKI_MALFORMED', `an IP address of ${bytes.length} bytes`);
  const words: string[] = [];
  for (let i = 0; i < 16; i += 2) words.push(bytes.readUInt16BE(i).toString(16));
  return canonicalIp(words.join(':'));
}

/** One spelling for every address: IPv6 compressed and in lower case, IPv4 as it is. */
export function canonicalIp(address: string): string {
  if (isIPv4(address) || isIP(address) === 0) return address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

export type ChainFailure =
  | { readonly kind: 'expired'; readonly certificate: Certificate }
  | { readonly kind: 'not-yet-valid'; readonly certificate: Certificate }
  | { readonly kind: 'unknown-authority'; readonly certificate: Certificate }
  | { readonly kind: 'wrong-usage'; readonly certificate: Certificate };

export interface ChainOptions {
  readonly roots: readonly Certificate[];
  readonly intermediates?: readonly Certificate[];
  /** The extended key usage that every certificate below the root must allow. */
  readonly usage: string;
  readonly nowMs: number;
}

const longestChain = 6;

/**
 * Whether a chain of signatures leads from `leaf` to one of `roots`, every link in time and allowed for `usage`.
 * Returns the time at which the first link of the chain expires, or why there is no chain.
 */
export function verifyChain(leaf: Certificate, options: ChainOptions): { readonly validUntilMs: number } | ChainFailure {
  if (options.nowMs > leaf.notAfterMs) return { kind: 'expired', certificate: leaf };
  if (options.nowMs < leaf.notBeforeMs) return { kind: 'not-yet-valid', certificate: leaf };
  if (!allowsUsage(leaf, options.usage)) return { kind: 'wrong-usage', certificate: leaf };
  const validUntilMs = climb(leaf, options, 0);
  return validUntilMs === undefined ? { kind: 'unknown-authority', certificate: leaf } : { validUntilMs };
}

function climb(at: Certificate, options: ChainOptions, depth: number): number | undefined {
  for (const root of options.roots) {
    if (root.x509.fingerprint256 === at.x509.fingerprint256) return at.notAfterMs;
    if (isInTime(root, options.nowMs) && signs(root, at)) return Math.min(at.notAfterMs, root.notAfterMs);
  }
  if (depth >= longestChain) return undefined;
  for (const intermediate of options.intermediates ?? []) {
    if (!isInTime(intermediate, options.nowMs) || !allowsUsage(intermediate, options.usage)) continue;
    if (intermediate.x509.fingerprint256 === at.x509.fingerprint256 || !signs(intermediate, at)) continue;
    const above = climb(intermediate, options, depth + 1);
    if (above !== undefined) return Math.min(at.notAfterMs, above);
  }
  return undefined;
}

function signs(issuer: Certificate, issued: Certificate): boolean {
  return issuer.isAuthority && issued.x509.checkIssued(issuer.x509) && issued.x509.verify(issuer.x509.publicKey);
}

function isInTime(certificate: Certificate, nowMs: number): boolean {
  return nowMs >= certificate.notBeforeMs && nowMs <= certificate.notAfterMs;
}

function allowsUsage(certificate: Certificate, usage: string): boolean {
  const usages = certificate.extendedKeyUsages;
  return usages === undefined || usages.includes(usage) || usages.includes(anyUsage);
}
