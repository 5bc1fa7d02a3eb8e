import { beforeAll, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { createAuthority } from '../../pki/certificate-authority.js';
import type { CertificateAuthority } from '../../pki/certificate-authority.js';
import { readCertificates } from '../../pki/certificate.js';
import { generatePrivateKeyPem } from '../../pki/private-key.js';
import type { AuthenticationOutcome, AuthenticationRequest, Authenticator } from './authenticator.js';
import { AuthenticatorChain, noCredentials, rejected, RequestAuthentication, TokenAuthenticatorChain } from './authenticator.js';
import {
  basicCredentials,
  bearerToken,
  BearerTokenAuthenticator,
  StaticTokenAuthenticator,
} from './bearer-token-authenticator.js';
import type { BootstrapTokenSecret } from './bootstrap-token-authenticator.js';
import { BootstrapTokenAuthenticator } from './bootstrap-token-authenticator.js';
import { RequestHeaderAuthenticator } from './request-header-authenticator.js';
import type { UserInfo } from './user-info.js';
import { X509Authenticator } from './x509-authenticator.js';

const dayMs = 24 * 60 * 60 * 1000;
const nowMs = Date.UTC(2026, 0, 1);
const alice: UserInfo = { name: 'alice', groups: [], extra: {} };

const request = (given: Partial<AuthenticationRequest> = {}): AuthenticationRequest => ({
  path: '/api/v1/pods',
  authorization: undefined,
  rawHeaders: [],
  ...given,
});

let authority: CertificateAuthority;
let other: CertificateAuthority;
beforeAll(async () => {
  authority = await createAuthority('k3s-client-ca', { nowMs });
  other = await createAuthority('k3s-client-ca', { nowMs });
});

async function certificates(
  signer: CertificateAuthority,
  commonName: string,
  options: { organizations?: string[]; usages?: ('client' | 'server')[]; lifetimeDays?: number } = {},
): Promise<Uint8Array[]> {
  const usages = options.usages ?? ['client'];
  const pem = await signer.issue(generatePrivateKeyPem(), { commonName, ...options, usages, nowMs });
  return readCertificates(pem).map(certificate => certificate.x509.raw);
}

describe('X509Authenticator', () => {
  it('takes the user from the common name and groups from organizations', async () => {
    const x509 = new X509Authenticator({ clientCaPem: () => authority.certificatePem, clock: new FakeClock(nowMs) });
    const clientCertificates = await certificates(authority, 'system:node:n1', { organizations: ['system:nodes', 'ops'] });
    const outcome = x509.authenticate(request({ clientCertificates }));
    expect(outcome).toMatchObject({
      kind: 'authenticated',
      user: {
        name: 'system:node:n1',
        groups: ['system:nodes', 'ops'],
        extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^X509SHA256=[0-9a-f]{64}$/)] },
      },
    });
    // The second time comes from memory.
    expect(x509.authenticate(request({ clientCertificates }))).toBe(outcome);
  });

  it('rejects expired, foreign and server certificates, and rubbish', async () => {
    const clock = new FakeClock(nowMs);
    const x509 = new X509Authenticator({ clientCaPem: () => authority.certificatePem, clock });
    const ask = (clientCertificates: Uint8Array[]): AuthenticationOutcome => x509.authenticate(request({ clientCertificates }));
    const good = await certificates(authority, 'me', { lifetimeDays: 10 });
    expect(ask(good).kind).toBe('authenticated');
    await clock.advance(10 * dayMs + 1000);
    expect(ask(good)).toMatchObject({ kind: 'rejected', reason: expect.stringContaining('expired') });
    expect(ask(await certificates(other, 'me'))).toMatchObject({ reason: expect.stringContaining('unknown authority') });
    expect(ask(await certificates(authority, 'me', { usages: ['server'] }))).toMatchObject({
      reason: expect.stringContaining('incompatible key usage'),
    });
    expect(ask([Buffer.from('rubbish')])).toMatchObject({ kind: 'rejected' });
    expect(ask(await certificates(authority, ''))).toEqual(noCredentials);
    expect(ask([])).toEqual(noCredentials);
  });

  it('forgets what it knew when the authority changes', async () => {
    let pem = authority.certificatePem;
    const x509 = new X509Authenticator({ clientCaPem: () => pem, clock: new FakeClock(nowMs) });
    const clientCertificates = await certificates(authority, 'me');
    expect(x509.authenticate(request({ clientCertificates })).kind).toBe('authenticated');
    pem = other.certificatePem;
    expect(x509.authenticate(request({ clientCertificates })).kind).toBe('rejected');
    pem = other.certificatePem + authority.certificatePem;
    expect(x509.authenticate(request({ clientCertificates })).kind).toBe('authenticated');
  });
});

describe('RequestHeaderAuthenticator', () => {
  const rawHeaders = [
    'X-Remote-User',
    'alice',
    'x-remote-group',
    'a',
    'X-Remote-Group',
    'b',
    'X-Remote-Extra-Acme.com%2fKey',
    'v',
  ];
  it('believes the proxy, and nobody else', async () => {
    const options = { clientCaPem: () => other.certificatePem, clock: new FakeClock(nowMs), allowedNames: ['system:auth-proxy'] };
    const proxies = new RequestHeaderAuthenticator(options);
    const proxy = await certificates(other, 'system:auth-proxy');
    expect(proxies.authenticate(request({ rawHeaders, clientCertificates: proxy }))).toMatchObject({
      user: { name: 'alice', groups: ['a', 'b'], extra: { 'acme.com/key': ['v'] } },
    });
    expect(proxies.authenticate(request({ rawHeaders }))).toEqual(noCredentials);
    expect(proxies.authenticate(request({ clientCertificates: proxy }))).toEqual(noCredentials);
    const impostor = await certificates(other, 'mallory');
    expect(proxies.authenticate(request({ rawHeaders, clientCertificates: impostor })).kind).toBe('rejected');
    const ordinary = await certificates(authority, 'system:auth-proxy');
    expect(proxies.authenticate(request({ rawHeaders, clientCertificates: ordinary })).kind).toBe('rejected');
  });
});

describe('bearer tokens', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc def', 'abc'],
    ['  Bearer abc  ', 'abc'],
    ['Bearer', undefined],
    ['Bearer  abc', undefined],
    ['Basic abc', undefined],
    ['', undefined],
  ])('%j', (header, token) => expect(bearerToken(header)).toBe(token));

  it('are judged by one member after the other, and unknown ones rejected', async () => {
    const known = new StaticTokenAuthenticator(() => [{ token: 'secret', user: alice }]);
    const later = { authenticateToken: (token: string) => Promise.resolve(token === 'slow' ? rejected('slow') : noCredentials) };
    const bearer = new BearerTokenAuthenticator(new TokenAuthenticatorChain([later, known]));
    const ask = (token: string): unknown => bearer.authenticate(request({ authorization: `Bearer ${token}` }));
    expect(await ask('secret')).toEqual({ kind: 'authenticated', user: alice });
    expect(await ask('wrong')).toEqual(rejected('invalid bearer token'));
    expect(await ask('slow')).toEqual(rejected('slow'));
    expect(await ask('x'.repeat(100_000))).toEqual(rejected('bearer token is too long'));
    expect(await bearer.authenticate(request())).toEqual(noCredentials);
  });

  it('basic credentials keep colons of the password', () => {
    const header = `Basic ${Buffer.from('node:a:b').toString('base64')}`;
    expect(basicCredentials(header)).toEqual({ username: 'node', password: 'a:b' });
    expect(basicCredentials('Basic %%')).toBeUndefined();
    expect(basicCredentials(`Basic ${'A'.repeat(100_000)}`)).toBeUndefined();
  });
});

describe('BootstrapTokenAuthenticator', () => {
  const secret = (data: Record<string, string> = {}): BootstrapTokenSecret => ({
    type: 'bootstrap.kubernetes.io/token',
    metadata: {},
    data: Object.fromEntries(
      Object.entries({
        'token-id': 'abcdef',
        'token-secret': '0123456789abcdef',
        'usage-bootstrap-authentication': 'true',
        ...data,
      }).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    ),
  });
  const ask = (found: BootstrapTokenSecret | undefined, token: string): unknown =>
    new BootstrapTokenAuthenticator(
      name => (name === 'bootstrap-token-abcdef' ? found : undefined),
      new FakeClock(nowMs),
    ).authenticateToken(token);

  it('accepts a good token with its groups', () => {
    const groups = 'system:bootstrappers:kubeadm:default-node-token';
    expect(ask(secret({ 'auth-extra-groups': groups, expiration: '2026-01-02T00:00:00Z' }), 'abcdef.0123456789abcdef')).toEqual({
      kind: 'authenticated',
      user: { name: 'system:bootstrap:abcdef', groups: ['system:bootstrappers', groups], extra: {} },
    });
  });

  const good = 'abcdef.0123456789abcdef';
  it.each<[string, BootstrapTokenSecret | undefined, string]>([
    ['no secret', undefined, good],
    ['wrong password', secret(), 'abcdef.0123456789abcdex'],
    ['other form', secret(), 'abcdef'],
    ['expired', secret({ expiration: '2025-12-31T23:59:59Z' }), good],
    ['unreadable expiration', secret({ expiration: 'soon' }), good],
    ['not for authentication', secret({ 'usage-bootstrap-authentication': 'false' }), good],
    ['being deleted', { ...secret(), metadata: { deletionTimestamp: '2025-12-31T00:00:00Z' } }, good],
    ['other type', { ...secret(), type: 'Opaque' }, good],
    ['id of another', secret({ 'token-id': 'zzzzzz' }), good],
    ['groups outside its own', secret({ 'auth-extra-groups': 'system:masters' }), good],
  ])('knows nobody: %s', (_title, found, token) => expect(ask(found, token)).toEqual(noCredentials));
});

describe('RequestAuthentication', () => {
  const outcome = (value: AuthenticationOutcome): Authenticator => ({ authenticate: () => value });
  const front = (...members: Authenticator[]): RequestAuthentication =>
    new RequestAuthentication(new AuthenticatorChain(members));

  it('adds system:authenticated once', async () => {
    const known = outcome({ kind: 'authenticated', user: alice });
    expect(await front(outcome(rejected('no')), known).authenticate(request())).toMatchObject({
      user: { name: 'alice', groups: ['system:authenticated'] },
    });
    const already = outcome({ kind: 'authenticated', user: { ...alice, groups: ['system:authenticated', 'x'] } });
    expect(await front(already).authenticate(request())).toMatchObject({ user: { groups: ['system:authenticated', 'x'] } });
  });

  it.each(['/livez', '/readyz', '/healthz', '/version', '/cacerts', '/ping'])('lets everybody read %s', async path => {
    expect(await front(outcome(noCredentials)).authenticate(request({ path }))).toMatchObject({
      user: { name: 'system:anonymous', groups: ['system:unauthenticated'] },
    });
    expect(() => front(outcome(rejected('bad'))).authenticate(request({ path }))).toThrow(
      expect.objectContaining({ httpStatus: 401, message: 'Unauthorized' }) as unknown as Error,
    );
  });

  it.each(['/', '/api', '/apis', '/metrics', '/livez/etcd', '/pingx', '/openapi/v2', '/livez/../api'])(
    'lets nobody read %s without credentials',
    path => {
      expect(() => front(outcome(noCredentials)).authenticate(request({ path }))).toThrow(
        expect.objectContaining({ code: 'Unauthorized' }) as unknown as Error,
      );
    },
  );
});
