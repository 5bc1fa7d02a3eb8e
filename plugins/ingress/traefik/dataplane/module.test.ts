import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, get, request } from 'node:http';
import type { IncomingMessage, RequestOptions, Server } from 'node:http';
import {
  connect as connectHttp2,
  createSecureServer as createSecureHttp2Server,
  createServer as createHttp2Server,
} from 'node:http2';
import type { Http2Server } from 'node:http2';
import { get as getSecure } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import type { DataplaneModule } from '../../../../core/plugin-api/dataplane.js';
import { createAuthority } from '../../../../core/pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../../../core/pki/private-key.js';
import { createModule } from './module.js';
import { Pools } from './pools.js';
import type { CertificateFile, IngressConfig, IngressEntry, IngressReport, IngressRoutes, Scheme } from './state.js';

const pems = new Map<string, string>();
let directory: string;
let module: DataplaneModule<IngressEntry>;
let report: IngressReport;
let echo: Server;
let config: IngressConfig;
const logged: string[] = [];
let seen: IncomingMessage['headers'][];
const closers: (() => void)[] = [];

beforeAll(async () => {
  for (const [id, name] of [
    ['default', 'default'],
    ['one', 'a.test'],
    ['two', 'a.test'],
    ['wild', '*.w.test'],
  ] as const) {
    const key = generatePrivateKeyPem();
    const authority = await createAuthority(`authority of ${id}`);
    pems.set(id, key + (await authority.issue(key, { commonName: id, subjectAltNames: [name], usages: ['server'] })));
  }
});

async function file(id: string): Promise<CertificateFile> {
  const path = join(directory, `${id}.pem`);
  await writeFile(path, pems.get(id)!);
  return { path, id };
}

function routes(host: string, service: string, port: number | string = 80): IngressRoutes {
  const paths = [{ path: '/', type: 'Prefix', backend: { service, port } } as const];
  return { kind: 'ingress', namespace: 'default', name: service, tlsOnly: false, created: '', rules: [{ host, paths }] };
}

/** An Ingress for `host`, its Service, and endpoints on loopback. */
function backend(service: string, ports: readonly number[], scheme: Scheme = 'http'): [string, IngressEntry][] {
  const slices = ports.map((port, index): [string, IngressEntry] => [
    `slice/default/${service}-${index}`,
    { kind: 'slice', namespace: 'default', service, addresses: ['127.0.0.1'], ports: { http: port } },
  ]);
  return [
    [`ingress/default/${service}`, routes(`${service}.test`, service)],
    [
      `service/default/${service}`,
      { kind: 'service', namespace: 'default', name: service, ports: [{ name: 'http', port: 80, scheme }] },
    ],
    ...slices,
  ];
}

const apply = async (entries: [string, IngressEntry][], deleted: string[] = []): Promise<void> => {
  await module.apply({ set: new Map(entries), deleted });
};
const portOf = (server: { address(): AddressInfo | string | null }): number => (server.address() as AddressInfo).port;

async function listen<T extends Server | Http2Server>(server: T): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  return portOf(server);
}

async function closedPort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

interface Got {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

function read(response: IncomingMessage): Promise<Got> {
  return new Promise((resolve, reject) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => (text += chunk));
    response.on('error', reject);
    response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
  });
}

async function ask(host: string, path = '/', options: RequestOptions & { body?: string } = {}): Promise<Got> {
  const { body, headers, ...rest } = options;
  const outgoing = request({ ...rest, host: '127.0.0.1', port: report.web[0]!.port, path, headers: { ...headers, host } });
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return read(response);
}

async function handshake(servername: string): Promise<string> {
  const outgoing = getSecure({
    host: '127.0.0.1',
    port: report.websecure[0]!.port,
    servername,
    rejectUnauthorized: false,
    agent: false,
    headers: { host: 'a.test' },
  });
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const { subject } = (response.socket as TLSSocket).getPeerCertificate();
  response.resume();
  return String(subject.CN);
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ingress-'));
  seen = [];
  echo = createServer((incoming, answer) => {
    seen.push(incoming.headers);
    answer.setHeader('x-path', incoming.url!);
    answer.setHeader('set-cookie', ['a=1', 'b=2']);
    incoming.pipe(answer);
  });
  const port = await listen(echo);
  module = createModule({
    report: given => (report = given as IngressReport),
    log: (level, text) => void logged.push(`${level} ${text}`),
  });
  config = {
    kind: 'config',
    web: [{ address: '127.0.0.1', port: 0 }],
    websecure: [{ address: '127.0.0.1', port: 0 }],
    defaultCertificate: await file('default'),
  };
  await apply([...backend('a', [port]), ['config', config]]);
});
afterEach(async () => {
  await module.drain(0);
  for (const close of closers.splice(0)) close();
  await rm(directory, { recursive: true });
});

describe('the Ingress router', () => {
  it('passes requests on with who asked, and says no as Traefik does', async () => {
    const forged = { 'x-forwarded-for': '1.2.3.4', connection: 'x-secret', 'x-secret': '1', 'x-kept': '2' };
    const got = await ask('a.test:8000', '/b/../c?q=%20', { method: 'POST', body: 'hello', headers: forged });
    expect(got).toMatchObject({ status: 200, text: 'hello', headers: { 'x-path': '/c?q=%20', 'set-cookie': ['a=1', 'b=2'] } });
    expect(seen[0]).toMatchObject({
      host: 'a.test:8000',
      'x-forwarded-for': '127.0.0.1',
      'x-real-ip': '127.0.0.1',
      'x-forwarded-host': 'a.test:8000',
      'x-forwarded-port': '8000',
      'x-forwarded-proto': 'http',
      'x-kept': '2',
    });
    expect(seen[0]).not.toHaveProperty('x-secret');
    expect(await ask('b.test')).toMatchObject({ status: 404, text: '404 page not found\n' });
    await apply(backend('none', []));
    expect(await ask('none.test')).toMatchObject({ status: 503, text: 'no available server\n' });
    await apply(backend('closed', [await closedPort()]));
    expect((await ask('closed.test')).status).toBe(502);
  });

  it('goes to another endpoint when one cannot be reached, with the body', async () => {
    await apply(backend('half', [await closedPort(), portOf(echo), await closedPort()]));
    for (let round = 0; round < 9; round++) {
      expect(await ask('half.test', '/', { method: 'POST', body: `body ${round}` })).toMatchObject({
        status: 200,
        text: `body ${round}`,
      });
    }
  });

  it('shares requests among endpoints and keeps connections to them', async () => {
    const counts = [0, 0];
    let connections = 0;
    const servers = await Promise.all(
      counts.map(async (_, index) => {
        const server = createServer((_request, answer) => {
          counts[index]! += 1;
          answer.end('ok');
        });
        server.on('connection', () => (connections += 1));
        return listen(server);
      }),
    );
    await apply(backend('two', servers));
    for (let round = 0; round < 40; round++) await ask('two.test');
    expect(counts).toEqual([20, 20]);
    expect(connections).toBe(2);
    await apply([], ['slice/default/two-0']);
    for (let round = 0; round < 10; round++) await ask('two.test');
    expect(counts).toEqual([20, 30]);
  });

  it('streams both ways without waiting for the end', async () => {
    const server = createServer((incoming, answer) => {
      answer.writeHead(200, { 'content-type': 'text/event-stream' });
      answer.flushHeaders();
      incoming.on('data', (chunk: Buffer) => answer.write(`got ${chunk.toString()}\n`));
      incoming.on('end', () => answer.end());
    });
    await apply(backend('stream', [await listen(server)]));
    const outgoing = request({ host: '127.0.0.1', port: report.web[0]!.port, method: 'POST', headers: { host: 'stream.test' } });
    outgoing.flushHeaders();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    for (const word of ['one', 'two']) {
      outgoing.write(word);
      const [chunk] = (await once(response, 'data')) as [Buffer];
      expect(chunk.toString()).toBe(`got ${word}\n`);
    }
    outgoing.end();
    await once(response, 'end');
  });

  it('ends work for clients that went away', async () => {
    let closed: () => void;
    const gone = new Promise<void>(resolve => (closed = resolve));
    const server = createServer((_request, answer) => {
      answer.on('close', () => closed());
      answer.write('begin');
    });
    await apply(backend('slow', [await listen(server)]));
    const outgoing = get({ host: '127.0.0.1', port: report.web[0]!.port, headers: { host: 'slow.test' } });
    await once(outgoing, 'response');
    outgoing.on('error', () => undefined);
    outgoing.destroy();
    await gone;
  });

  it('gives each name its certificate, and a new one to the next handshake only', async () => {
    expect(await handshake('a.test')).toBe('default');
    expect(await handshake('')).toBe('default');
    await apply([
      ['certificate/default/a', { kind: 'certificate', file: await file('one') }],
      ['certificate/default/w', { kind: 'certificate', file: await file('wild') }],
    ]);
    expect(await handshake('a.test')).toBe('one');
    expect(await handshake('x.w.test')).toBe('wild');
    expect(await handshake('x.y.w.test')).toBe('default');
    const client = connectHttp2(`https://127.0.0.1:${report.websecure[0]!.port}`, {
      servername: 'a.test',
      rejectUnauthorized: false,
    });
    const askHttp2 = async (): Promise<unknown> => {
      const stream = client.request({ ':path': '/x', ':authority': 'a.test' });
      const [headers] = await once(stream, 'response');
      stream.resume();
      await once(stream, 'close');
      return headers as unknown;
    };
    expect(await askHttp2()).toMatchObject({ ':status': 200, 'x-path': '/x' });
    await apply([['certificate/default/a', { kind: 'certificate', file: await file('two') }]]);
    expect(await askHttp2()).toMatchObject({ ':status': 200 });
    expect((client.socket as TLSSocket).getPeerCertificate().subject.CN).toBe('one');
    expect(await handshake('a.test')).toBe('two');
    const broken = join(directory, 'broken.pem');
    await writeFile(broken, 'no certificate');
    await expect(
      apply([['certificate/default/a', { kind: 'certificate', file: { path: broken, id: 'broken' } }]]),
    ).rejects.toThrow();
    expect(await handshake('a.test')).toBe('two');
    expect(seen.at(-1)).toMatchObject({ 'x-forwarded-proto': 'https', 'x-forwarded-port': '443' });
    client.destroy();
  });

  it.each(['ws', 'wss'] as const)('carries WebSockets (%s)', async scheme => {
    const server = createServer();
    const sockets = new WebSocketServer({ server });
    let upgradeHeaders: IncomingMessage['headers'] = {};
    sockets.on('connection', (socket, incoming) => {
      upgradeHeaders = incoming.headers;
      socket.send('welcome');
      socket.on('message', data => socket.send(`echo ${String(data)}`));
    });
    await apply(backend('ws', [await closedPort(), await listen(server)]));
    const { port } = (scheme === 'ws' ? report.web : report.websecure)[0]!;
    const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/chat`, {
      headers: { host: 'ws.test' },
      rejectUnauthorized: false,
    });
    const messages: string[] = [];
    socket.on('message', data => void messages.push(String(data)));
    await once(socket, 'open');
    socket.send('x'.repeat(100_000));
    while (messages.length < 2) await once(socket, 'message');
    expect(messages).toEqual(['welcome', `echo ${'x'.repeat(100_000)}`]);
    expect(upgradeHeaders).toMatchObject({ 'x-forwarded-proto': scheme, upgrade: 'websocket' });
    socket.terminate();
    sockets.close();
    const refused = new WebSocket(`ws://127.0.0.1:${report.web[0]!.port}/`, { headers: { host: 'none.test' } });
    const [error] = (await once(refused, 'error')) as [Error];
    expect(error.message).toContain('404');
  });

  it('carries gRPC: HTTP/2 to the endpoint, streams and trailers', async () => {
    const server = createHttp2Server();
    server.on('stream', (stream, headers) => {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'x-te': String(headers.te) },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
      stream.on('data', (chunk: Buffer) => stream.write(`<${chunk.toString()}>`));
      stream.on('end', () => stream.end());
    });
    await apply(backend('grpc', [await closedPort(), await listen(server)], 'h2c'));
    const client = connectHttp2(`https://127.0.0.1:${report.websecure[0]!.port}`, { rejectUnauthorized: false });
    const stream = client.request({
      ':method': 'POST',
      ':path': '/pkg.Service/Call',
      ':authority': 'grpc.test',
      te: 'trailers',
      'content-type': 'application/grpc',
    });
    const trailers = once(stream, 'trailers');
    stream.write('one');
    const [headers] = await once(stream, 'response');
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'application/grpc', 'x-te': 'trailers' });
    const [first] = (await once(stream, 'data')) as [Buffer];
    expect(first.toString()).toBe('<one>');
    stream.end('two');
    const [second] = (await once(stream, 'data')) as [Buffer];
    expect(second.toString()).toBe('<two>');
    expect((await trailers)[0]).toMatchObject({ 'grpc-status': '0', 'grpc-message': 'fine' });
    client.destroy();
    // The same endpoint for those who speak HTTP/1.1.
    expect(await ask('grpc.test', '/', { method: 'POST', body: 'plain' })).toMatchObject({ status: 200, text: '<plain>' });
  });

  describe('endpoints behind TLS', () => {
    const secureServer = async (): Promise<number> => {
      const pem = pems.get('one')!;
      const server = createSecureHttp2Server({ key: pem, cert: pem, allowHTTP1: true }, (incoming, answer) => {
        answer.setHeader('content-type', 'application/grpc');
        incoming.resume().on('end', () => {
          answer.addTrailers({ 'grpc-status': '0' });
          answer.end(`HTTP/${incoming.httpVersion} ${incoming.headers[':scheme'] ?? ''}`);
        });
      });
      return listen(server);
    };
    const askGrpc = async (host: string): Promise<{ status: unknown; text: string; grpcStatus: unknown }> => {
      const client = connectHttp2(`https://127.0.0.1:${report.websecure[0]!.port}`, { rejectUnauthorized: false });
      const stream = client.request({
        ':method': 'POST',
        ':path': '/pkg.Service/Call',
        ':authority': host,
        te: 'trailers',
        'content-type': 'application/grpc+proto',
      });
      let grpcStatus: unknown;
      stream.on('trailers', trailers => (grpcStatus = trailers['grpc-status']));
      stream.end('x');
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
      let text = '';
      for await (const chunk of stream) text += String(chunk);
      client.destroy();
      return { status: headers[':status'], text, grpcStatus };
    };

    it('get gRPC over HTTP/2, all else over HTTP/1.1', async () => {
      await apply([...backend('tls', [await secureServer()], 'https'), ['config', { ...config, insecureSkipVerify: true }]]);
      expect(await askGrpc('tls.test')).toEqual({ status: 200, text: 'HTTP/2.0 https', grpcStatus: '0' });
      expect(await ask('tls.test')).toMatchObject({ status: 200, text: 'HTTP/1.1 ' });
    });

    it('are refused for a certificate that nobody trusts, which is said once', async () => {
      await apply([...backend('tls', [await secureServer()], 'https'), ['config', { ...config, insecureSkipVerify: true }]]);
      expect(await ask('tls.test')).toMatchObject({ status: 200 });
      await apply([['config', { ...config }]]);
      logged.length = 0;
      expect(await ask('tls.test')).toMatchObject({ status: 502 });
      expect(await ask('tls.test')).toMatchObject({ status: 502 });
      expect(await askGrpc('tls.test')).toMatchObject({ status: 502 });
      expect(logged.filter(line => line.startsWith('warn'))).toEqual([
        expect.stringContaining('an endpoint has a certificate that is not trusted'),
      ]);
    });

    it('that never shake hands are given up', async () => {
      const silent = createTcpServer().listen(0, '127.0.0.1');
      await once(silent, 'listening');
      silent.on('connection', socket => void closers.push(() => socket.destroy()));
      closers.push(() => silent.close());
      const pools = new Pools(50);
      const session = pools.session('https', '127.0.0.1', portOf(silent));
      const stream = session.request({ ':path': '/' });
      const [error] = (await once(stream, 'error')) as [Error];
      expect(error.cause).toMatchObject({ code: 'CONNECT_TIMEOUT' });
      expect(pools.session('https', '127.0.0.1', portOf(silent))).not.toBe(session);
      pools.destroy();
    });
  });

  describe('sticky Services', () => {
    const sticky = { name: 'stick', attributes: ['Path=/', 'HttpOnly'] };
    const named = async (name: string): Promise<number> =>
      listen(createServer((_request, answer) => answer.setHeader('set-cookie', 'own=1').end(name)));
    const entries = async (): Promise<[string, IngressEntry][]> =>
      backend('shop', [await named('a'), await named('b'), await named('c')]).map(([key, entry]) => [
        key,
        entry.kind === 'service' ? { ...entry, sticky } : entry,
      ]);

    it('bring a client back to where it was, as long as that is there', async () => {
      const all = await entries();
      await apply(all);
      const first = await ask('shop.test');
      const [own, cookie] = first.headers['set-cookie']!;
      expect(own).toBe('own=1');
      expect(cookie).toMatch(/^stick=[0-9a-f]{16}; Path=\/; HttpOnly$/);
      const headers = { cookie: `other=x; ${cookie!.split(';')[0]}` };
      for (let n = 0; n < 5; n++) {
        const next = await ask('shop.test', '/', { headers });
        expect([next.text, next.headers['set-cookie']]).toEqual([first.text, ['own=1']]);
      }
      const others = new Set<string>();
      for (let n = 0; n < 3; n++) others.add((await ask('shop.test')).text);
      expect([...others].sort()).toEqual(['a', 'b', 'c']);
      const gone = `slice/default/shop-${'abc'.indexOf(first.text)}`;
      await apply([], [gone]);
      const moved = await ask('shop.test', '/', { headers });
      expect(moved.text).not.toBe(first.text);
      expect(moved.headers['set-cookie']![1]).toMatch(/^stick=/);
      expect(moved.headers['set-cookie']![1]).not.toBe(cookie);
    });

    it('say it with WebSockets and HTTP/2 too', async () => {
      const server = createServer();
      const sockets = new WebSocketServer({ server });
      const h2 = createHttp2Server((_request, answer) => void answer.end('h2'));
      await apply([
        ...backend('ws', [await listen(server)]),
        ...backend('two', [await listen(h2)], 'h2c'),
        ...(['ws', 'two'] as const).map((name): [string, IngressEntry] => [
          `service/default/${name}`,
          {
            kind: 'service',
            namespace: 'default',
            name,
            ports: [{ name: 'http', port: 80, scheme: name === 'two' ? 'h2c' : 'http' }],
            sticky,
          },
        ]),
      ]);
      const socket = new WebSocket(`ws://127.0.0.1:${report.web[0]!.port}/`, { headers: { host: 'ws.test' } });
      const [upgrade] = (await once(socket, 'upgrade')) as [IncomingMessage];
      expect(upgrade.headers['set-cookie']).toEqual([expect.stringMatching(/^stick=[0-9a-f]{16}; Path/)]);
      socket.terminate();
      sockets.close();
      expect((await ask('two.test')).headers['set-cookie']).toEqual([expect.stringMatching(/^stick=/)]);
    });
  });

  it('lets requests end when it stops, and takes no new ones', async () => {
    let finish: () => void = () => undefined;
    const server = createServer((_request, answer) => {
      answer.write('begin ');
      finish = () => answer.end('end');
    });
    await apply(backend('late', [await listen(server)]));
    const outgoing = get({ host: '127.0.0.1', port: report.web[0]!.port, headers: { host: 'late.test' }, agent: false });
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const text = read(response);
    const drained = module.drain(5000);
    await expect(ask('a.test', '/', { agent: false })).rejects.toThrow('ECONNREFUSED');
    finish();
    expect((await text).text).toBe('begin end');
    await drained;
  });

  it('refuses headers beyond its limit, and goes on', async () => {
    const got = ask('a.test', '/', { headers: { 'x-large': 'x'.repeat(100_000) } }).then(
      ({ status }) => status,
      () => 'closed',
    );
    expect([400, 431, 'closed']).toContain(await got);
    expect((await ask('a.test')).status).toBe(200);
  });
});
