import { beforeEach, describe, expect, it } from '@jest/globals';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { FakeClock } from '../../base/fake-clock.js';
import type { ObjectMeta } from '../../machinery/object.js';
import { signingKey, signToken, verificationKey } from '../../pki/json-web-token.js';
import type { SigningKey } from '../../pki/json-web-token.js';
import type { AuthenticationOutcome } from './authenticator.js';
import { openidMetadata } from './openid-metadata.js';
import type { TokenRequestInput } from './service-account-claims.js';
import { boundTokenClaims, legacyTokenClaims } from './service-account-claims.js';
import { ServiceAccountTokenMetrics } from './service-account-token-metrics.js';
import { ServiceAccountTokenAuthenticator } from './service-account-token-authenticator.js';

const nowMs = Date.UTC(2026, 0, 1);
const issuer = 'https://kubernetes.default.svc.cluster.local';
const key = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
const oldKey = signingKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);

type Named = { metadata: ObjectMeta; data?: Record<string, string> };
const named = (name: string, uid: string, more: ObjectMeta = {}): Named => ({
  metadata: { namespace: 'ns', name, uid, ...more },
});

let objects: Map<string, Named>;
let clock: FakeClock;
let uses: string[];
let tokens: ServiceAccountTokenAuthenticator;
let metrics: ServiceAccountTokenMetrics;

beforeEach(() => {
  objects = new Map([
    ['sa', named('builder', 'sa-1')],
    ['pod', named('web', 'pod-1')],
    ['node', named('n1', 'node-1')],
    ['secret', named('s1', 'secret-1')],
  ]);
  clock = new FakeClock(nowMs);
  uses = [];
  metrics = new ServiceAccountTokenMetrics();
  const find = (kind: string, name: string): Named | undefined => {
    const object = objects.get(kind);
    return object?.metadata.name === name ? object : undefined;
  };
  tokens = new ServiceAccountTokenAuthenticator({
    issuers: [issuer],
    apiAudiences: [issuer, 'k3s'],
    keys: [key, oldKey],
    clock,
    metrics,
    noteUse: async ({ name }, day) => void uses.push(`${name} ${day}`),
    lookup: {
      getServiceAccount: (_namespace, name) => find('sa', name),
      getPod: (_namespace, name) => Promise.resolve(find('pod', name)),
      getSecret: (_namespace, name) => find('secret', name),
      getNode: name => find('node', name),
    },
  });
});

function claims(more: Partial<TokenRequestInput> = {}): Record<string, unknown> {
  const serviceAccount = objects.get('sa')!;
  return boundTokenClaims({ issuer, audiences: ['k3s'], serviceAccount, expirationSeconds: 3600, nowMs, ...more });
}

const accepted = (outcome: AuthenticationOutcome): boolean => outcome.kind === 'authenticated';
const reason = (outcome: AuthenticationOutcome): string => (outcome.kind === 'rejected' ? outcome.reason : outcome.kind);
/** Counters that are not 0. */
const counted = (): string[] =>
  [...metrics.text().matchAll(/^serviceaccount_(\w+) ([1-9]\d*)$/gm)].map(([, name, count]) => `${name} ${count}`);
const ask = (token: string, audiences?: string[]): Promise<AuthenticationOutcome> => tokens.authenticateToken(token, audiences);

describe('bound tokens', () => {
  it('carry the claims that upstream gives them', () => {
    const token = signToken(key, claims({ pod: objects.get('pod')!, node: objects.get('node')!, warnAfterSeconds: 3607 }));
    const [header, payload] = token
      .split('.')
      .slice(0, 2)
      .map(part => JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown);
    expect(header).toEqual({ alg: 'ES256', kid: key.keyId });
    const nowSeconds = nowMs / 1000;
    expect(payload).toEqual({
      aud: ['k3s'],
      exp: nowSeconds + 3600,
      iat: nowSeconds,
      iss: issuer,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      'kubernetes.io': {
        namespace: 'ns',
        node: { name: 'n1', uid: 'node-1' },
        pod: { name: 'web', uid: 'pod-1' },
        serviceaccount: { name: 'builder', uid: 'sa-1' },
        warnafter: nowSeconds + 3607,
      },
      nbf: nowSeconds,
      sub: 'system:serviceaccount:ns:builder',
    });
  });

  it('become the service account, with pod and node told', async () => {
    const made = claims({ pod: objects.get('pod')!, node: objects.get('node')! });
    expect(await ask(signToken(key, made))).toEqual({
      kind: 'authenticated',
      audiences: ['k3s'],
      user: {
        name: 'system:serviceaccount:ns:builder',
        uid: 'sa-1',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:ns'],
        extra: {
          'authentication.kubernetes.io/pod-name': ['web'],
          'authentication.kubernetes.io/pod-uid': ['pod-1'],
          'authentication.kubernetes.io/credential-id': [`JTI=${made['jti'] as string}`],
          'authentication.kubernetes.io/node-name': ['n1'],
          'authentication.kubernetes.io/node-uid': ['node-1'],
        },
      },
    });
  });

  it('end with their time, also when they were seen before', async () => {
    const token = signToken(key, claims());
    expect(accepted(await ask(token))).toBe(true);
    await clock.advance(3600_000 + 60_000);
    expect(accepted(await ask(token))).toBe(true);
    await clock.advance(1000);
    expect(reason(await ask(token))).toBe('service account token has expired');
    const early = signToken(key, claims({ nowMs: nowMs + 10 * 3600_000 }));
    expect(reason(await ask(early))).toBe('service account token is not valid yet');
  });

  it('are good for their audiences only', async () => {
    const token = signToken(key, claims({ audiences: ['vault'] }));
    expect(reason(await ask(token))).toMatch(/^token audiences \["vault"\] is invalid for the target audiences/);
    expect(await ask(token, ['vault', 'other'])).toMatchObject({ audiences: ['vault'] });
    const several = signToken(key, claims({ audiences: ['vault', 'k3s'] }));
    expect(await ask(several)).toMatchObject({ audiences: ['k3s'] });
  });

  it.each([
    ['sa', 'uid', 'service account UID (sa-2) does not match claim (sa-1)'],
    ['pod', 'uid', 'pod UID (pod-2) does not match service account pod ref claim (pod-1)'],
    ['pod', 'gone', 'service account token has been invalidated'],
    ['pod', 'deleted', 'service account token has been invalidated'],
    ['sa', 'gone', 'serviceaccounts "builder" not found'],
    ['sa', 'deleted', 'service account ns/builder has been deleted'],
  ])('end with what they are bound to: %s %s', async (kind, how, expected) => {
    const token = signToken(key, claims({ pod: objects.get('pod')! }));
    expect(accepted(await ask(token))).toBe(true);
    const { metadata } = objects.get(kind)!;
    if (how === 'gone') objects.delete(kind);
    else if (how === 'uid') objects.set(kind, { metadata: { ...metadata, uid: `${kind}-2` } });
    else objects.set(kind, { metadata: { ...metadata, deletionTimestamp: '2025-12-31T23:58:00Z' } });
    expect(reason(await ask(token))).toBe(expected);
  });

  it('may be bound to a node or a secret', async () => {
    const toNode = signToken(key, claims({ node: objects.get('node')! }));
    const toSecret = signToken(key, claims({ secret: objects.get('secret')! }));
    expect(await ask(toNode)).toMatchObject({ user: { extra: { 'authentication.kubernetes.io/node-name': ['n1'] } } });
    expect(accepted(await ask(toSecret))).toBe(true);
    objects.clear();
    objects.set('sa', named('builder', 'sa-1'));
    expect(reason(await ask(toNode))).toBe('service account token has been invalidated');
    expect(reason(await ask(toSecret))).toBe('service account token has been invalidated');
  });

  it('lets a pod that is being deleted finish within the leeway', async () => {
    const token = signToken(key, claims({ pod: objects.get('pod')! }));
    objects.set('pod', named('web', 'pod-1', { deletionTimestamp: '2025-12-31T23:59:30Z' }));
    expect(accepted(await ask(token))).toBe(true);
  });

  it('notes the use of one that should have been renewed', async () => {
    const token = signToken(key, claims({ expirationSeconds: 365 * 24 * 3600, warnAfterSeconds: 3607 }));
    expect(accepted(await ask(token))).toBe(true);
    expect(counted()).toEqual(['valid_tokens_total 1']);
    await clock.advance(3617_000);
    expect(await ask(token)).toMatchObject({
      annotations: {
        'authentication.k8s.io/stale-token': 'subject: system:serviceaccount:ns:builder, seconds after warning threshold: 10',
      },
    });
    expect(counted()).toEqual(['stale_tokens_total 1', 'valid_tokens_total 1']);
  });

  it('count only where they are to be renewed', async () => {
    expect(accepted(await ask(signToken(key, claims())))).toBe(true);
    expect(counted()).toEqual([]);
  });
});

describe('forged tokens', () => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forge = (header: unknown, signature: (text: string) => string): string => {
    const text = `${part(header)}.${part(claims())}`;
    return `${text}.${signature(text)}`;
  };

  it('without a signature are refused, however the algorithm is spelled', async () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      expect(accepted(await ask(forge({ alg, kid: key.keyId }, () => '')))).toBe(false);
      expect(reason(await ask(forge({ alg, kid: key.keyId }, () => 'AAAA')))).toBe('invalid signature');
    }
  });

  it('signed with the public key as a shared secret are refused', async () => {
    const pem = key.publicKey.export({ type: 'spki', format: 'pem' });
    const hmac = (text: string): string => createHmac('sha256', pem).update(text).digest('base64url');
    expect(reason(await ask(forge({ alg: 'HS256', kid: key.keyId }, hmac)))).toBe('invalid signature');
    expect(reason(await ask(forge({ alg: 'HS256' }, hmac)))).toBe('invalid signature');
  });

  it('with a changed payload, header or signature are refused', async () => {
    const good = signToken(key, claims());
    const [header, payload, signature] = good.split('.') as [string, string, string];
    const other = part({ ...claims(), sub: 'system:serviceaccount:kube-system:admin' });
    expect(reason(await ask(`${header}.${other}.${signature}`))).toBe('invalid signature');
    const flipped = Buffer.from(signature, 'base64url');
    flipped[10]! ^= 1;
    expect(reason(await ask(`${header}.${payload}.${flipped.toString('base64url')}`))).toBe('invalid signature');
    expect(reason(await ask(`${header}.${payload}.${signature.slice(0, 20)}`))).toBe('invalid signature');
    expect(accepted(await ask(good))).toBe(true);
    // A second spelling of the same bytes is another token.
    expect(accepted(await ask(`${good}=`))).toBe(false);
  });

  it('of other keys and issuers are refused or not ours', async () => {
    const foreign = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    expect(reason(await ask(signToken(foreign, claims())))).toBe('invalid signature, no keys found');
    const disguised: SigningKey = { ...foreign, keyId: key.keyId };
    expect(reason(await ask(signToken(disguised, claims())))).toBe('invalid signature');
    expect(await ask(signToken(key, { ...claims(), iss: 'https://else.example.com' }))).toEqual({ kind: 'no-credentials' });
  });

  it('of an older key of ours are good', async () => {
    expect(accepted(await ask(signToken(oldKey, claims())))).toBe(true);
  });

  it.each(['', '.', '..', 'a.b.c', 'x'.repeat(10_000), '{"payload":"x"}', 'e30.e30.e30', 'e30.W10.AAAA'])(
    'what is no token is nobody: %j',
    async text => expect(await ask(text)).toEqual({ kind: 'no-credentials' }),
  );

  it('with claims of wrong types are refused', async () => {
    for (const change of [{ aud: [1] }, { exp: 'never' }, { nbf: Number.NaN, exp: '1' }, { 'kubernetes.io': [] }, { sub: 1 }]) {
      expect(accepted(await ask(signToken(key, { ...claims(), ...change })))).toBe(false);
    }
  });
});

describe('tokens from Secrets', () => {
  it('are good while the Secret holds them', async () => {
    const token = signToken(key, legacyTokenClaims(objects.get('sa')!, 's1'));
    const secret = { ...objects.get('secret')!, data: { token: Buffer.from(token).toString('base64') } };
    objects.set('secret', secret);
    expect(await ask(token)).toMatchObject({
      user: { name: 'system:serviceaccount:ns:builder', uid: 'sa-1', extra: {} },
      audiences: [issuer, 'k3s'],
    });
    expect(accepted(await ask(token, ['vault']))).toBe(false);
    objects.set('secret', { ...secret, data: { token: 'b3RoZXI=' } });
    expect(reason(await ask(token))).toBe("Token does not match server's copy");
    const labels = { 'kubernetes.io/legacy-token-invalid-since': '2026-01-01' };
    objects.set('secret', { ...secret, metadata: { ...secret.metadata, labels } });
    expect(reason(await ask(token))).toMatch(
      /^the token in secret ns\/s1 for service account ns\/builder has been marked invalid\. Use tokens from the TokenRequest API/,
    );
    objects.delete('secret');
    expect(reason(await ask(token))).toBe('Token has been invalidated');
  });

  it('tell the day of their last use, once a day', async () => {
    const token = signToken(key, legacyTokenClaims(objects.get('sa')!, 's1'));
    const data = { token: Buffer.from(token).toString('base64') };
    const withLabels = (labels: Record<string, string>): void =>
      void objects.set('secret', { metadata: { ...named('s1', 'secret-1').metadata, labels }, data });
    withLabels({});
    const manual = await ask(token);
    expect(manual).toMatchObject({ annotations: { 'authentication.k8s.io/legacy-token-manual-secret': 's1' } });
    expect(manual).not.toHaveProperty('warnings');
    const [today, tomorrow] = [new Date(nowMs), new Date(nowMs + 24 * 3600_000)].map(day => day.toISOString().slice(0, 10));
    expect(uses).toEqual([`s1 ${today}`]);
    for (const day of [today!, tomorrow!]) {
      withLabels({ 'kubernetes.io/legacy-token-last-used': day });
      await ask(token);
    }
    expect(uses).toHaveLength(1);
    withLabels({
      'kubernetes.io/legacy-token-last-used': '2020-01-01',
      'kubernetes.io/legacy-token-invalid-since': '2020-01-01',
    });
    expect(accepted(await ask(token))).toBe(false);
    expect(uses).toHaveLength(2);
    expect(counted()).toEqual([
      'legacy_tokens_total 4',
      'legacy_manual_token_uses_total 3',
      'invalid_legacy_auto_token_uses_total 1',
    ]);
    objects.set('sa', { ...named('builder', 'sa-1'), secrets: [{ name: 's1' }] } as Named);
    withLabels({});
    expect(await ask(token)).toMatchObject({
      annotations: { 'authentication.k8s.io/legacy-token-autogenerated-secret': 's1' },
      warnings: [
        'Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.',
      ],
    });
    expect(counted()).toContain('legacy_auto_token_uses_total 1');
  });
});

describe('openidMetadata', () => {
  it('lets others verify with what it publishes', () => {
    const metadata = openidMetadata({ issuer, externalAddress: '192.0.2.1:6443', keys: [key, oldKey] });
    expect(JSON.parse(metadata.configurationJson)).toEqual({
      issuer,
      jwks_uri: 'https://192.0.2.1:6443/openid/v1/jwks',
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256', 'RS256'],
    });
    const { keys } = JSON.parse(metadata.keysJson) as { keys: Record<string, string>[] };
    expect(keys[0]).toMatchObject({ use: 'sig', kty: 'EC', crv: 'P-256', alg: 'ES256', kid: key.keyId });
    expect(Object.keys(keys[1]!).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  it('refuses issuers that OpenID Connect does not allow', () => {
    for (const bad of ['http://x', 'x', 'https://x?a=b', 'https://x#y']) {
      expect(() => openidMetadata({ issuer: bad, externalAddress: 'h:1', keys: [key] })).toThrow(/no https URL/);
    }
  });

  it('knows only keys that Kubernetes signs with', () => {
    expect(() => verificationKey(generateKeyPairSync('ed25519').publicKey)).toThrow(/not supported/);
  });
});
