import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { load } from 'js-yaml';
import { createAuthority } from './certificate-authority.js';
import {
  bootstrapTokenPattern,
  caHash,
  formatJoinToken,
  parseJoinToken,
  randomBootstrapToken,
  secretsEqual,
} from './join-token.js';
import { kubeconfigYaml } from './kubeconfig.js';

describe('join tokens', () => {
  it('are K10, the hash of the CA file, user and password', async () => {
    const { certificatePem } = await createAuthority('ca');
    const token = formatJoinToken(certificatePem, 'server', 'a:b');
    expect(token).toMatch(/^K10[0-9a-f]{64}::server:a:b$/);
    const hash = createHash('sha256').update(certificatePem).digest('hex');
    expect(parseJoinToken(`${token}\n`)).toEqual({ caHash: hash, username: 'server', password: 'a:b' });
  });

  it('hash the root of a chain', async () => {
    const first = await createAuthority('one');
    const second = await createAuthority('two');
    // A self-signed first certificate is its own root: the file itself counts.
    const both = first.certificatePem + second.certificatePem;
    expect(caHash(both)).toBe(createHash('sha256').update(both).digest('hex'));
  });

  it('may be short or a bootstrap token', () => {
    expect(parseJoinToken('secret')).toEqual({ caHash: undefined, username: '', password: 'secret' });
    expect(parseJoinToken('abcdef.0123456789abcdef').password).toBe('abcdef.0123456789abcdef');
    expect(parseJoinToken(`K10${'0'.repeat(64)}::abcdef.0123456789abcdef`)).toMatchObject({ username: '' });
  });

  it.each(['', '  ', 'K10', 'K10abc::server:x', `K10${'0'.repeat(64)}::`])('refuses %j', token => {
    expect(() => parseJoinToken(token)).toThrow(expect.objectContaining({ code: 'PKI_BAD_TOKEN' }) as unknown as Error);
  });

  it('makes bootstrap tokens of the right form', () => {
    for (let i = 0; i < 50; i++) expect(randomBootstrapToken()).toMatch(bootstrapTokenPattern);
  });

  it('compares secrets of any length', () => {
    expect(secretsEqual('a', 'a')).toBe(true);
    expect(secretsEqual('a', 'ab')).toBe(false);
    expect(secretsEqual('', 'a')).toBe(false);
  });
});

describe('kubeconfigYaml', () => {
  it('reads back, whatever the name', () => {
    for (const name of ['default', 'true', 'a: b', 'ünï', '12', '"']) {
      const text = kubeconfigYaml({ server: 'https://[::1]:6443', caPem: 'CA', certPem: 'CERT', keyPem: 'KEY', name });
      expect(load(text)).toMatchObject({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': name,
        clusters: [{ name, cluster: { server: 'https://[::1]:6443', 'certificate-authority-data': 'Q0E=' } }],
        contexts: [{ name, context: { cluster: name, user: name } }],
        users: [{ name, user: { 'client-certificate-data': 'Q0VSVA==', 'client-key-data': 'S0VZ' } }],
      });
    }
  });
});
