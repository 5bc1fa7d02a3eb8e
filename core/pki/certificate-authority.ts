import type { KeyObject } from 'node:crypto';
import { createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type { Certificate } from './certificate.js';
import { clientAuthUsage, readCertificate, readCertificates, serverAuthUsage } from './certificate.js';
import { readCertificateRequest } from './certificate-request.js';
import { pkiError } from './pki-errors.js';
import { generatePrivateKeyPem, publicKeyOf, readPrivateKey } from './private-key.js';

const dayMs = 24 * 60 * 60 * 1000;
/** Clocks of nodes may be behind ours; Go's helpers for CAs allow the same hour. */
const backdateMs = 60 * 60 * 1000;
export const authorityLifetimeDays = 3650;
export const leafLifetimeDays = 365;

export type CertificateUsage = 'server' | 'client';

export interface LeafOptions {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** DNS names and IP addresses, told apart by their form. */
  readonly subjectAltNames?: readonly string[];
  readonly usages: readonly CertificateUsage[];
  readonly lifetimeDays?: number;
  readonly nowMs?: number;
}

export interface SignRequestOptions {
  /** What the certificate will say, in place of what the request asks for. */
  readonly subject?: { readonly commonName: string; readonly organizations?: readonly string[] };
  readonly subjectAltNames?: readonly string[];
  readonly usages: readonly CertificateUsage[];
  readonly lifetimeMs?: number;
  readonly nowMs?: number;
}

type X509Library = typeof import('@peculiar/x509');
type Extension = InstanceType<X509Library['Extension']>;
type Name = InstanceType<X509Library['Name']>;
let library: Promise<X509Library> | undefined;

/** The library costs about 100 ms and 17 MB, so it is imported when the first certificate is issued. */
function loadLibrary(): Promise<X509Library> {
  library ??= (async () => {
    await import('reflect-metadata');
    return import('@peculiar/x509');
  })();
  return library;
}

/** Whether the issuing library is in memory: tests prove with it that a second start issues nothing. */
export function isIssuingLibraryLoaded(): boolean {
  return library !== undefined;
}

/** A new self-signed authority. */
export async function createAuthority(
  commonName: string,
  options: { keyPem?: string; lifetimeDays?: number; nowMs?: number } = {},
): Promise<CertificateAuthority> {
  const keyPem = options.keyPem ?? generatePrivateKeyPem();
  const key = readPrivateKey(keyPem);
  const nowMs = options.nowMs ?? Date.now();
  const x509 = await loadLibrary();
  const signing = await signingKeys(key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: nameOf(x509, commonName, []),
    keys: signing.pair,
    signingAlgorithm: signing.algorithm,
    serialNumber: newSerialNumber(),
    notBefore: new Date(wholeSeconds(nowMs - backdateMs)),
    notAfter: new Date(wholeSeconds(nowMs + (options.lifetimeDays ?? authorityLifetimeDays) * dayMs)),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment | x509.KeyUsageFlags.keyCertSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(signing.pair.publicKey),
    ],
  });
  return new CertificateAuthority(`${certificate.toString('pem')}\n`, keyPem);
}

/** Signs leaves and requests. Made of PEM texts, so that a custom or intermediate authority works the same. */
export class CertificateAuthority {
  /** The authority's own certificate first, then those above it. */
  readonly certificatePem: string;
  readonly keyPem: string;
  #certificate: Certificate | undefined;
  #key: KeyObject | undefined;
  /** Prepared once: a first start issues a dozen leaves. */
  #issuer: Promise<Issuer> | undefined;

  constructor(certificatePem: string, keyPem: string) {
    this.certificatePem = certificatePem;
    this.keyPem = keyPem;
  }

  /** The signing certificate: the first of the chain. Throws PKI_MALFORMED. */
  get certificate(): Certificate {
    this.#certificate ??= readCertificate(this.certificatePem);
    return this.#certificate;
  }

  /** Throws PKI_KEY_MISMATCH where key and certificate are not of one pair. */
  get key(): KeyObject {
    if (!this.#key) {
      const key = readPrivateKey(this.keyPem);
      if (!this.certificate.x509.checkPrivateKey(key)) {
        throw pkiError('PKI_KEY_MISMATCH', `the key does not belong to authority ${this.certificate.subject.commonName}`);
      }
      this.#key = key;
    }
    return this.#key;
  }

  /** Issues a leaf for a key of ours. Returns the leaf followed by the authority's chain, as K3s stores it. */
  async issue(privateKeyPem: string, options: LeafOptions): Promise<string> {
    const leaf = await this.#create({
      subject: { commonName: options.commonName, organizations: options.organizations ?? [] },
      publicKeyDer: publicKeyOf(readPrivateKey(privateKeyPem)).export({ type: 'spki', format: 'der' }),
      subjectAltNames: options.subjectAltNames ?? [],
      usages: options.usages,
      lifetimeMs: (options.lifetimeDays ?? leafLifetimeDays) * dayMs,
      nowMs: options.nowMs ?? Date.now(),
    });
    return leaf + this.#chainPem();
  }

  /**
   * Signs a PKCS#10 request (PEM or DER). Throws PKI_MALFORMED, or PKI_BAD_REQUEST when its signature does not verify.
   * Returns the leaf followed by the authority's chain.
   */
  async signRequest(request: string | Uint8Array, options: SignRequestOptions): Promise<string> {
    const asked = readCertificateRequest(request);
    const x509 = await loadLibrary();
    let parsed: InstanceType<X509Library['Pkcs10CertificateRequest']>;
    let verified: boolean;
    try {
      parsed = new x509.Pkcs10CertificateRequest(asked.der);
      verified = await parsed.verify();
    } catch (cause) {
      throw pkiError('PKI_BAD_REQUEST', 'the certificate request cannot be verified', { cause });
    }
    if (!verified) throw pkiError('PKI_BAD_REQUEST', 'the signature of the certificate request does not verify');
    const { commonName, organizations = [] } = options.subject ?? asked.subject;
    const leaf = await this.#create({
      subject: { commonName, organizations },
      publicKeyDer: Buffer.from(parsed.publicKey.rawData),
      subjectAltNames: options.subjectAltNames ?? [...asked.dnsNames, ...asked.ipAddresses],
      usages: options.usages,
      lifetimeMs: options.lifetimeMs ?? leafLifetimeDays * dayMs,
      nowMs: options.nowMs ?? Date.now(),
    });
    return leaf + this.#chainPem();
  }

  #chainPem(): string {
    return readCertificates(this.certificatePem)
      .map(certificate => certificate.x509.toString())
      .join('');
  }

  async #create(leaf: {
    subject: { commonName: string; organizations: readonly string[] };
    publicKeyDer: Buffer;
    subjectAltNames: readonly string[];
    usages: readonly CertificateUsage[];
    lifetimeMs: number;
    nowMs: number;
  }): Promise<string> {
    const x509 = await loadLibrary();
    this.#issuer ??= prepareIssuer(x509, this.certificate, this.key);
    const { name, keyIdentifier, signing } = await this.#issuer;
    const rsa = createPublicKey({ key: leaf.publicKeyDer, type: 'spki', format: 'der' }).asymmetricKeyType === 'rsa';
    const extensions: Extension[] = [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | (rsa ? x509.KeyUsageFlags.keyEncipherment : 0), true),
      new x509.ExtendedKeyUsageExtension(leaf.usages.map(usage => (usage === 'server' ? serverAuthUsage : clientAuthUsage))),
      new x509.BasicConstraintsExtension(false, undefined, true),
      keyIdentifier,
    ];
    if (leaf.subjectAltNames.length > 0) {
      const names = [...new Set(leaf.subjectAltNames)].map(value => ({ type: isIP(value) ? 'ip' : 'dns', value }) as const);
      extensions.push(new x509.SubjectAlternativeNameExtension(names));
    }
    // A leaf that outlives its authority would look valid and fail to verify.
    const notAfterMs = Math.min(leaf.nowMs + leaf.lifetimeMs, this.certificate.notAfterMs);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: nameOf(x509, leaf.subject.commonName, leaf.subject.organizations),
      issuer: name,
      publicKey: leaf.publicKeyDer,
      signingKey: signing.pair.privateKey,
      signingAlgorithm: signing.algorithm,
      serialNumber: newSerialNumber(),
      notBefore: new Date(wholeSeconds(Math.max(leaf.nowMs - backdateMs, this.certificate.notBeforeMs))),
      notAfter: new Date(wholeSeconds(notAfterMs)),
      extensions,
    });
    return `${certificate.toString('pem')}\n`;
  }
}

interface Issuer {
  readonly name: Name;
  readonly keyIdentifier: Extension;
  readonly signing: SigningKeys;
}

async function prepareIssuer(x509: X509Library, certificate: Certificate, key: KeyObject): Promise<Issuer> {
  const parsed = new x509.X509Certificate(certificate.x509.raw);
  const keyId = parsed.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  return {
    name: parsed.subjectName,
    keyIdentifier: keyId
      ? new x509.AuthorityKeyIdentifierExtension(keyId)
      : await x509.AuthorityKeyIdentifierExtension.create(parsed.publicKey),
    signing: await signingKeys(key),
  };
}

/** The object form of values keeps the library from reading one that starts with `#` as hexadecimal. */
function nameOf(x509: X509Library, commonName: string, organizations: readonly string[]): Name {
  const parts: Record<string, { utf8String: string }[]>[] = organizations.map(text => ({ O: [{ utf8String: text }] }));
  if (commonName) parts.push({ CN: [{ utf8String: commonName }] });
  return new x509.Name(parts);
}

interface SigningKeys {
  readonly pair: { privateKey: webcrypto.CryptoKey; publicKey: webcrypto.CryptoKey };
  readonly algorithm: { name: string; hash: string };
}

const curves: Readonly<Record<string, { readonly name: string; readonly hash: string }>> = {
  prime256v1: { name: 'P-256', hash: 'SHA-256' },
  secp384r1: { name: 'P-384', hash: 'SHA-384' },
  secp521r1: { name: 'P-521', hash: 'SHA-512' },
};

async function signingKeys(key: KeyObject): Promise<SigningKeys> {
  const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
  let parameters: { name: string; hash: string; namedCurve?: string };
  if (key.asymmetricKeyType === 'ec' && curve) parameters = { name: 'ECDSA', namedCurve: curve.name, hash: curve.hash };
  else if (key.asymmetricKeyType === 'rsa') parameters = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  else {
    throw pkiError('PKI_UNSUPPORTED_KEY', `an authority's key of type ${key.asymmetricKeyType ?? 'unknown'} is not supported`, {
      mend: 'use an RSA key or an EC key on P-256, P-384 or P-521',
    });
  }
  const privateKey = await webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), parameters, false, [
    'sign',
  ]);
  const publicKey = await webcrypto.subtle.importKey(
    'spki',
    publicKeyOf(key).export({ type: 'spki', format: 'der' }),
    parameters,
    true,
    ['verify'],
  );
  return { pair: { privateKey, publicKey }, algorithm: { name: parameters.name, hash: parameters.hash } };
}

/** 127 random bits, positive and not zero, as RFC 5280 asks. */
function newSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000) * 1000;
}
