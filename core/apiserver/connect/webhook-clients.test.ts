import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../base/clock.js';
import { deferred } from '../../base/deferred.js';
import { FakeClock } from '../../base/fake-clock.js';
import type { DialTarget } from '../../contracts/cluster-dialer.js';
import type { CertificateAuthority } from '../../pki/certificate-authority.js';
import { createAuthority } from '../../pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../pki/private-key.js';
import { WebhookClients } from './webhook-clients.js';

const name = 'hook.default.svc';

describe('calls of webhooks', () => {
  let authority: CertificateAuthority;
  let caBundle: string;
  const open: { close(): unknown }[] = [];

  beforeAll(async () => {
    authority = await createAuthority('the authority');
    caBundle = Buffer.from(authority.certificatePem).toString('base64');
  });

  afterEach(() => {
    for (const each of open.splice(0).reverse()) each.close();
  });

  async function listening(server: Server): Promise<number> {
    open.push({
      close: () => {
        if ('closeAllConnections' in server) (server as unknown as { closeAllConnections(): void }).closeAllConnections();
        server.close();
      },
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  async function secure(names: readonly string[], paths: string[] = []): Promise<number> {
    const key = generatePrivateKeyPem();
    const cert = await authority.issue(key, { commonName: name, subjectAltNames: names, usages: ['server'] });
    const server = createServer({ key, cert }, (request, response) => {
      paths.push(`${request.headers.host} ${request.url} ${request.headers['user-agent']}`);
      response.end('{}');
    });
    server.on('tlsClientError', () => undefined);
    return listening(server);
  }

  function clients(port: number, more: { clock?: FakeClock; dialed?: DialTarget[]; dials?: Duplex[] } = {}): WebhookClients {
    const made = new WebhookClients({
      clock: more.clock ?? new SystemClock(),
      userAgent: 'test',
      resolve: (_namespace, service, at) => ({ type: 'service', host: service, port: at, nodeName: 'node' }),
      dialer: {
        dial: async target => {
          more.dialed?.push(target);
          const socket = connect({ host: '127.0.0.1', port });
          more.dials?.push(socket);
          return socket;
        },
      },
    });
    open.push({ close: () => made.dispose() });
    return made;
  }

  const service = (path: string): object => ({ service: { namespace: 'default', name: 'hook', path }, caBundle });

  it('dial what a Service resolves to, and ask for its name', async () => {
    const paths: string[] = [];
    const dialed: DialTarget[] = [];
    const all = clients(await secure([name], paths), { dialed });
    await all.post(service('/a//b/../c/'), '{}', 7);
    await all.post(service(''), '{}', 7);
    expect(paths).toEqual([`${name}:443 /a/c?timeout=7s test`, `${name}:443 /?timeout=7s test`]);
    // The second call goes over the connection of the first.
    expect(dialed).toEqual([{ type: 'service', host: 'hook', port: 443, nodeName: 'node' }]);
  });

  it('dial what a URL names, with the port of HTTPS where it names none', async () => {
    const paths: string[] = [];
    const dialed: DialTarget[] = [];
    const all = clients(await secure(['hook.example.com', '::1'], paths), { dialed });
    await all.post({ url: 'https://hook.example.com/a', caBundle }, '{}', 1);
    await all.post({ url: 'https://[::1]:8443/b', caBundle }, '{}', 1);
    expect(dialed).toEqual([
      { type: 'url', host: 'hook.example.com', port: 443 },
      { type: 'url', host: '::1', port: 8443 },
    ]);
    expect(paths).toEqual(['hook.example.com /a?timeout=1s test', '[::1]:8443 /b?timeout=1s test']);
    await expect(all.post({}, '{}', 1)).rejects.toMatchObject({ code: 'WEBHOOK_CONFIGURATION' });
  });

  it('do not take a name from the subject of a certificate', async () => {
    const post = clients(await secure([])).post(service(''), '{}', 7);
    await expect(post).rejects.toThrow('x509: certificate relies on legacy Common Name field, use SANs instead');
  });

  it('do not talk to servers without TLS', async () => {
    const post = clients(await listening(createPlainServer())).post(service(''), '{}', 7);
    await expect(post).rejects.toThrow(`Post "https://${name}:443/?timeout=7s": http: server gave HTTP response to HTTPS client`);
  });

  it('end when their time is over, and a handshake before', async () => {
    const clock = new FakeClock();
    const arrived = deferred();
    const port = await listening(
      createTcpServer(socket => {
        open.push({ close: () => socket.destroy() });
        arrived.resolve();
      }),
    );
    const dials: Duplex[] = [];
    const all = clients(port, { clock, dials });
    const long = expect(all.post(service(''), '{}', 30)).rejects.toThrow('net/http: TLS handshake timeout');
    const short = expect(all.post(service(''), '{}', 3)).rejects.toThrow('context deadline exceeded');
    await arrived.promise;
    await clock.advance(3000);
    await short;
    await clock.advance(7000);
    await long;
    expect(dials.map(({ destroyed }) => destroyed)).toEqual([true, true]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('keep connections of so many webhooks only as were used last', async () => {
    const port = await secure([name]);
    const dialed: DialTarget[] = [];
    const all = clients(port, { dialed });
    const at = (number: number): Promise<string> =>
      all.post({ service: { namespace: 'default', name: 'hook', port: number }, caBundle }, '{}', 30);
    for (let number = 1; number <= 200; number++) await at(number);
    await at(1);
    expect(dialed).toHaveLength(200);
    await at(201);
    await at(1);
    expect(dialed).toHaveLength(201);
    await at(2);
    expect(dialed).toHaveLength(202);
  });
});
