import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createAuthority, CertificateAuthority } from './certificate-authority.js';
import type { Certificate } from './certificate.js';
import { canonicalIp, clientAuthUsage, readCertificate, readCertificates, verifyChain } from './certificate.js';
import { readCertificateRequest } from './certificate-request.js';
import { DerReader } from './der-reader.js';
import { generatePrivateKeyPem, readPrivateKey } from './private-key.js';

const dayMs = 24 * 60 * 60 * 1000;
const nowMs = Date.UTC(2026, 0, 1);

async function leafOf(authority: CertificateAuthority, commonName: string, lifetimeDays = 30): Promise<Certificate> {
  return readCertificate(await authority.issue(generatePrivateKeyPem(), { commonName, usages: ['client'], lifetimeDays, nowMs }));
}

function opensslRequest(...extra: string[]): string {
  const config = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
  return execFileSync('openssl', [...config, ...extra], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

describe('readCertificate', () => {
  it('reads hostile subjects without confusing their parts', async () => {
    const authority = await createAuthority('ca', { nowMs });
    const commonName = 'a\nO=system:masters, CN=#0401ff+x/ü';
    const leaf = await leafOf(authority, commonName);
    expect(leaf.subject).toEqual({ commonName, organizations: [], userUids: [] });
    const hex = await leafOf(authority, '#0c0141');
    expect(hex.subject.commonName).toBe('#0c0141');
  });

  it('refuses what is no certificate', () => {
    expect(() => readCertificate('hello')).toThrow(expect.objectContaining({ code: 'PKI_MALFORMED' }) as unknown as Error);
    expect(readCertificates('hello')).toEqual([]);
  });

  it('has one spelling for an address', () => {
    expect(canonicalIp('2001:DB8:0:0::1')).toBe('2001:db8::1');
    expect(canonicalIp('10.0.0.1')).toBe('10.0.0.1');
  });
});

describe('DerReader', () => {
  it.each([
    ['30', 'unexpected end'],
    ['3005', 'longer than what encloses'],
    ['3080', 'indefinite'],
    ['30850000000001', 'more than four'],
    ['3f01', 'multi-byte'],
  ])('refuses %s', (hex, text) => {
    expect(() => new DerReader(Buffer.from(hex, 'hex')).next()).toThrow(text);
  });
});

describe('verifyChain', () => {
  it('tells why a chain is not good', async () => {
    const authority = await createAuthority('ca', { nowMs });
    const other = await createAuthority('ca', { nowMs });
    const leaf = await leafOf(authority, 'me');
    const check = (roots: CertificateAuthority[], atMs = nowMs, usage = clientAuthUsage): unknown =>
      verifyChain(leaf, { roots: roots.map(root => root.certificate), usage, nowMs: atMs });
    expect(check([other, authority])).toEqual({ validUntilMs: nowMs + 30 * dayMs });
    expect(check([other])).toMatchObject({ kind: 'unknown-authority' });
    expect(check([authority], nowMs + 31 * dayMs)).toMatchObject({ kind: 'expired' });
    expect(check([authority], nowMs - dayMs)).toMatchObject({ kind: 'not-yet-valid' });
    expect(check([authority], nowMs, '1.2.3')).toMatchObject({ kind: 'wrong-usage' });
  });

  it('does not let a leaf sign', async () => {
    const authority = await createAuthority('ca', { nowMs });
    const keyPem = generatePrivateKeyPem();
    const leafPem = await authority.issue(keyPem, { commonName: 'leaf', usages: ['client'], nowMs });
    const forged = await leafOf(new CertificateAuthority(readCertificates(leafPem)[0]!.x509.toString(), keyPem), 'root');
    const intermediates = [readCertificate(leafPem)];
    expect(verifyChain(forged, { roots: [authority.certificate], intermediates, usage: clientAuthUsage, nowMs })).toMatchObject({
      kind: 'unknown-authority',
    });
  });

  it('climbs through an RSA intermediate and ends on chains of intermediates that sign each other', async () => {
    const root = await createAuthority('root', { nowMs });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    const selfSigned = await createAuthority('intermediate', { keyPem: rsa.toString(), nowMs });
    const leaf = await leafOf(selfSigned, 'me');
    const options = { roots: [root.certificate], intermediates: [selfSigned.certificate], usage: clientAuthUsage, nowMs };
    expect(verifyChain(leaf, options)).toMatchObject({ kind: 'unknown-authority' });
    expect(verifyChain(leaf, { ...options, roots: [selfSigned.certificate] })).toHaveProperty('validUntilMs');
  });
});

describe('certificate requests', () => {
  it('are read and signed with what was agreed', async () => {
    const pem = opensslRequest('-subj', '/O=system:nodes/CN=system:node:n1', '-addext', 'subjectAltName=DNS:n1,IP:192.0.2.1');
    const asked = readCertificateRequest(pem);
    expect(asked).toMatchObject({
      subject: { commonName: 'system:node:n1', organizations: ['system:nodes'] },
      dnsNames: ['n1'],
      ipAddresses: ['192.0.2.1'],
      otherNames: 0,
    });
    const authority = await createAuthority('ca', { nowMs });
    const signed = readCertificate(await authority.signRequest(pem, { usages: ['client'], lifetimeMs: dayMs, nowMs }));
    expect(signed.subject).toEqual(asked.subject);
    expect(signed.dnsNames).toEqual(['n1']);
    expect(signed.notAfterMs).toBe(nowMs + dayMs);
    const narrowed = readCertificate(
      await authority.signRequest(pem, { subject: { commonName: 'other' }, subjectAltNames: [], usages: ['server'], nowMs }),
    );
    expect(narrowed.subject.commonName).toBe('other');
    expect(narrowed.dnsNames).toEqual([]);
  });

  it('are refused when tampered with', async () => {
    const authority = await createAuthority('ca', { nowMs });
    const der = Buffer.from(readCertificateRequest(opensslRequest('-subj', '/CN=alice')).der);
    der.write('mallo', der.indexOf('alice'));
    await expect(authority.signRequest(der, { usages: ['client'], nowMs })).rejects.toMatchObject({ code: 'PKI_BAD_REQUEST' });
    await expect(authority.signRequest('nonsense', { usages: ['client'] })).rejects.toMatchObject({ code: 'PKI_MALFORMED' });
  });

  it('counts names of kinds that nobody should sign unseen', () => {
    const pem = opensslRequest('-subj', '/CN=x', '-addext', 'subjectAltName=URI:spiffe://x,email:a@b.c');
    expect(readCertificateRequest(pem).otherNames).toBe(2);
  });
});

describe('CertificateAuthority', () => {
  it('never issues what outlives it', async () => {
    const authority = await createAuthority('ca', { lifetimeDays: 10, nowMs });
    expect((await leafOf(authority, 'me', 30)).notAfterMs).toBe(nowMs + 10 * dayMs);
  });

  it('refuses an Ed25519 key as one that it cannot sign with', async () => {
    const keyPem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await expect(createAuthority('ca', { keyPem })).rejects.toMatchObject({ code: 'PKI_UNSUPPORTED_KEY' });
  });

  it('never has key material in an error', () => {
    const secret = 'MHcCAQEEIsecret';
    const pem = `-----BEGIN EC PRIVATE KEY-----\n${secret}\n-----END EC PRIVATE KEY-----\n`;
    try {
      readPrivateKey(pem);
      throw new Error('was read');
    } catch (error) {
      expect(String(error)).not.toContain(secret);
      expect(error).toMatchObject({ code: 'PKI_MALFORMED' });
    }
  });
});
