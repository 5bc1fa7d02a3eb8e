import { Agent, request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigMaps, Secrets, ServiceAccounts } from '../../core/api/generated/resources.js';
import type { Secret, ServiceAccount } from '../../core/api/generated/types.js';
import { Client } from '../../core/client/client.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';

interface Asked {
  readonly headers?: Record<string, string | string[]>;
  readonly certificate?: { readonly certPem: string; readonly keyPem: string };
}

/** Ways to be known to the API server besides certificates of its own authority and bound tokens. */
describe('who a request comes from', () => {
  let server: RunningApiServer;
  let client: Client;
  const agents: Agent[] = [];
  beforeAll(async () => {
    server = await startApiServer();
    client = new Client(server.part.transport, { name: 'admin', groups: ['system:masters'] });
  });
  afterAll(async () => {
    for (const agent of agents) agent.destroy();
    await server.stop();
  });

  /** The user as the server sees it, or the status code of its refusal. */
  function whoAmI({ headers, certificate }: Asked): Promise<unknown> {
    const agent = new Agent({
      ca: server.part.certificates.serverCaPem,
      ...(certificate ? { cert: certificate.certPem, key: certificate.keyPem } : {}),
    });
    agents.push(agent);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const url = `https://127.0.0.1:${server.part.server.port}/apis/authentication.k8s.io/v1/selfsubjectreviews`;
    const sent = request(
      url,
      { agent, method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
      response => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          if (response.statusCode !== 201) return resolve(response.statusCode);
          resolve((JSON.parse(text) as { status: { userInfo: unknown } }).status.userInfo);
        });
      },
    );
    sent.on('error', reject);
    sent.end(JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }));
    return promise;
  }
  const bearer = (token: string): Promise<unknown> => whoAmI({ headers: { authorization: `Bearer ${token}` } });
  const encoded = (data: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));

  it('knows the token in a secret as long as the secret is there', async () => {
    const account = await client.resource(ServiceAccounts, 'default').create({ metadata: { name: 'ci' } } as ServiceAccount);
    const token = await server.part.authority.serviceAccountToken(account, 'ci-token');
    const annotations = {
      'kubernetes.io/service-account.name': 'ci',
      'kubernetes.io/service-account.uid': account.metadata.uid!,
    };
    const secrets = client.resource(Secrets, 'default');
    expect(await bearer(token)).toBe(401);
    await secrets.create({
      metadata: { name: 'ci-token', annotations },
      type: 'kubernetes.io/service-account-token',
      data: encoded({ token }),
    } as unknown as Secret);
    expect(await bearer(token)).toMatchObject({ username: 'system:serviceaccount:default:ci', uid: account.metadata.uid });
    const today = new Date().toISOString().slice(0, 10);
    const day = expect.stringMatching(/^\d{4}-\d{2}-\d{2}$/);
    expect((await secrets.get('ci-token')).metadata.labels).toEqual({ 'kubernetes.io/legacy-token-last-used': day });
    const tracking = 'kube-apiserver-legacy-service-account-token-tracking';
    const configMaps = client.resource(ConfigMaps, 'kube-system');
    expect((await configMaps.get(tracking)).data).toEqual({ since: day });
    await configMaps.patch(tracking, 'merge', { data: { since: 'once' } });
    for (let attempt = 0; (await configMaps.get(tracking)).data?.['since'] === 'once'; attempt++) {
      if (attempt === 100) throw new Error('the note since when uses are told was not mended');
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    expect((await configMaps.get(tracking)).data!['since']! >= today).toBe(true);
    await secrets.delete('ci-token');
    // What the cache shows follows at once.
    await server.part.server.hub.fresh();
    expect(await bearer(token)).toBe(401);
  });

  it('warns whoever uses a token that was made for the account, and whoever reviews it', async () => {
    const accounts = client.resource(ServiceAccounts, 'default');
    const account = await accounts.create({ metadata: { name: 'old' }, secrets: [{ name: 'old-token' }] } as ServiceAccount);
    const token = await server.part.authority.serviceAccountToken(account, 'old-token');
    await client.resource(Secrets, 'default').create({
      metadata: { name: 'old-token', annotations: { 'kubernetes.io/service-account.name': 'old' } },
      type: 'kubernetes.io/service-account-token',
      data: encoded({ token }),
    } as unknown as Secret);
    await server.part.server.hub.fresh();
    const warning =
      '299 - "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens."';
    const admin = server.part.certificates.clients['client-admin'];
    const ask = async (path: string, { body, asAdmin = false }: { body?: object; asAdmin?: boolean } = {}) => {
      const agent = new Agent({
        ca: server.part.certificates.serverCaPem,
        ...(asAdmin ? { cert: admin.certPem, key: admin.keyPem } : {}),
      });
      agents.push(agent);
      const { promise, resolve, reject } = Promise.withResolvers<[number | undefined, string | string[] | undefined]>();
      const sent = request(`https://127.0.0.1:${server.part.server.port}${path}`, {
        agent,
        method: body ? 'POST' : 'GET',
        headers: { 'content-type': 'application/json', ...(asAdmin ? {} : { authorization: `Bearer ${token}` }) },
      });
      sent.on('error', reject);
      sent.on('response', response => {
        response.resume();
        resolve([response.statusCode, response.headers['warning']]);
      });
      sent.end(body && JSON.stringify(body));
      return promise;
    };
    const whoAmIPath = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    expect(await ask('/api')).toEqual([200, warning]);
    expect(await ask('/api/v1/nodes')).toEqual([403, warning]);
    expect(await ask(whoAmIPath, { body: { ...review, more: 1 } })).toEqual([
      201,
      `${warning}, 299 - "unknown field \\"more\\""`,
    ]);
    const tokenReview = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    expect(await ask('/apis/authentication.k8s.io/v1/tokenreviews', { body: tokenReview, asAdmin: true })).toEqual([
      201,
      warning,
    ]);
    expect(await ask('/api/v1/nodes', { asAdmin: true })).toEqual([200, undefined]);
  });

  it('knows bootstrap tokens', async () => {
    expect(await bearer('abcdef.0123456789abcdef')).toBe(401);
    await client.resource(Secrets, 'kube-system').create({
      metadata: { name: 'bootstrap-token-abcdef' },
      type: 'bootstrap.kubernetes.io/token',
      data: encoded({
        'token-id': 'abcdef',
        'token-secret': '0123456789abcdef',
        'usage-bootstrap-authentication': 'true',
        'auth-extra-groups': 'system:bootstrappers:k3s:default-node-token',
      }),
    } as unknown as Secret);
    await server.part.server.hub.fresh();
    expect(await bearer('abcdef.0123456789abcdef')).toEqual({
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:k3s:default-node-token', 'system:authenticated'],
    });
    expect(await bearer('abcdef.0123456789abcdee')).toBe(401);
  });

  it('believes the front proxy whom it speaks for, and nobody else', async () => {
    const headers = { 'x-remote-user': 'alice', 'x-remote-group': ['dev', 'ops'] };
    const { clients } = server.part.certificates;
    expect(await whoAmI({ headers, certificate: clients['client-auth-proxy'] })).toEqual({
      username: 'alice',
      groups: ['dev', 'ops', 'system:authenticated'],
    });
    expect(await whoAmI({ certificate: clients['client-auth-proxy'] })).toBe(401);
    expect(await whoAmI({ headers, certificate: clients['client-admin'] })).toMatchObject({ username: 'system:admin' });
    expect(await whoAmI({ headers })).toBe(401);
  });
});
