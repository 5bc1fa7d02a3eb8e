import { connect as connectSocket } from 'node:net';
import { request } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../differential/replay.js';
import type { Server } from '../differential/replay.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';
import type { Asked, Row } from '../support/hostile-cases.js';
import { bodies, get, map, maps, parameters, patch, patches, post, protobuf, yaml } from '../support/hostile-cases.js';

/** Bodies, headers and parameters that no honest client sends. What is expected is what upstream's v1.36.3 server answers. */

interface Answered {
  readonly code: number;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly body: string;
}

describe('a server among hostile requests', () => {
  let running: RunningApiServer;
  let server: Server;

  beforeAll(async () => {
    running = await startApiServer();
    server = await connect(running.kubeconfig);
    expect(await ask(post(map({ metadata: { name: 'honest', labels: { a: 'b' } }, data: { x: '1' } })))).toMatchObject({
      code: 201,
    });
  });

  afterAll(async () => {
    server.agent.destroy();
    await running.stop();
  });

  function ask({ method = 'GET', path = maps, body, headers = {} }: Asked): Promise<Answered> {
    const { url, agent } = server;
    const framing = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent,
          host: url.hostname,
          port: url.port,
          method,
          path,
          headers: { 'user-agent': 'hostile/1', ...framing, ...headers },
        },
        response => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const type = String(response.headers['content-type'] ?? '');
            const { reason = '', message = '' } = type.includes('json') && !text.includes('}\n{') ? JSON.parse(text) : {};
            resolve({ code: response.statusCode!, type, reason, message, body: text });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  async function answers([, asked, code, reason, message]: Row): Promise<void> {
    const answered = await ask(asked);
    expect({ code: answered.code, reason: answered.type.includes('json') ? answered.reason : reason }).toEqual({ code, reason });
    if (answered.type.includes('json')) expect(answered.message).toContain(message);
  }

  const named = (rows: readonly Row[]): [string, Row][] => rows.map(row => [row[0], row]);
  it.each(named(bodies))('answers a body of %s', (_what, row) => answers(row));
  it.each(named(patches))('answers a patch %s', (_what, row) => answers(row));
  it.each(named(parameters))('answers %s', (_what, row) => answers(row));

  it('says in plain text that a path leads nowhere', async () => {
    for (const path of ['/nothing', '/apis/none/v1/x', '/apis/none']) {
      expect(await ask({ path })).toMatchObject({ code: 404, type: 'text/plain; charset=utf-8', body: '404 page not found\n' });
    }
    expect(await ask({ path: '/api/v1/namespaces/%zz' })).toMatchObject({ code: 400, body: '400 Bad Request' });
  });

  it('reads past query parameters that cannot be read', async () => {
    expect(await ask(get('labelSelector=%zz&limit=1'))).toMatchObject({ code: 200 });
  });

  it('gives the Status in YAML and protobuf to clients that take nothing else', async () => {
    const path = `${maps}/absent`;
    expect((await ask({ path, headers: { accept: yaml } })).body).toContain('reason: NotFound\n');
    const answered = await ask({ path, headers: { accept: protobuf } });
    expect(answered).toMatchObject({ code: 404, type: protobuf });
    expect(answered.body).toMatch(/^k8s\0[^]*Status[^]*Failure/);
  });

  it('keeps keys that are members of every object as data', async () => {
    const text =
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"keys"},"data":{"__proto__":"x","constructor":"y"},"__proto__":{"polluted":1}}';
    const made = await ask(post(text));
    expect(made.code).toBe(201);
    expect(made.body).toContain('"data":{"__proto__":"x","constructor":"y"}');
    for (const [body, type] of [
      ['[{"op":"add","path":"/__proto__/polluted","value":1}]', 'json-patch+json'],
      ['{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}', 'merge-patch+json'],
      ['{"metadata":{"labels":{"__proto__":"x"}}}', 'strategic-merge-patch+json'],
      ['{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"keys","__proto__":{"polluted":1}}}', 'apply-patch+yaml'],
    ] as const) {
      await ask({ ...patch(body, type, '?fieldManager=a'), path: `${maps}/keys?fieldManager=a` });
      expect(({} as { polluted?: number }).polluted).toBeUndefined();
    }
  });

  it('replaces bytes that are no UTF-8, as Go does', async () => {
    const head = Buffer.from('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"bytes"},"data":{"a":"');
    const made = await ask(post(Buffer.concat([head, Buffer.from([0xff]), Buffer.from('"}}')])));
    expect(made).toMatchObject({ code: 201 });
    expect((JSON.parse(made.body) as { data: unknown }).data).toEqual({ a: '\ufffd' });
  });

  it('takes long headers, and refuses endless ones', async () => {
    expect(await ask({ path: '/version', headers: { 'x-long': 'x'.repeat(200_000) } })).toMatchObject({ code: 200 });
    const endless = await ask({ path: '/version', headers: { 'x-long': 'x'.repeat(2_000_000) } }).catch(
      (error: NodeJS.ErrnoException) => error,
    );
    // Whether the answer or the end of the connection is seen first is the network's choice.
    expect([431, 'ECONNRESET', 'EPIPE']).toContain(endless.code);
  });

  it('outlives requests that are cut off, and connections that speak no TLS', async () => {
    const { url, agent } = server;
    const { ca, cert, key } = agent.options;
    for (const sent of [
      'POST ',
      `POST ${maps} HTTP/1.1\r\nHost: a\r\nContent-Le`,
      `POST ${maps} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"kind"`,
    ]) {
      const socket = connectTls({ host: url.hostname, port: Number(url.port), ca, cert, key, servername: 'localhost' });
      await new Promise(resolve => socket.once('secureConnect', resolve));
      await new Promise<void>(resolve => socket.write(sent, () => resolve()));
      socket.destroy();
    }
    const plain = connectSocket(Number(url.port), url.hostname);
    const over = new Promise(resolve => plain.once('close', resolve));
    plain.on('error', () => undefined);
    plain.write('GET / HTTP/1.1\r\n\r\n');
    await over;
    expect(await ask({ path: '/readyz' })).toMatchObject({ code: 200, body: 'ok' });
  });

  it('is as it was, and no larger', async () => {
    const before = process.memoryUsage().heapUsed;
    for (let round = 0; round < 5; round++) {
      for (const row of [...bodies, ...patches]) await ask(row[1]);
    }
    // Rounds of 40 MB of bodies: what is kept of them would show.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(150 * 1024 * 1024);
    const honest = JSON.parse((await ask({ path: `${maps}/honest` })).body) as object;
    expect(honest).toMatchObject({ metadata: { name: 'honest', labels: { a: 'b' } }, data: { x: '1' } });
    const all = JSON.parse((await ask({})).body) as { items: { metadata: { name: string } }[] };
    expect(all.items.map(item => item.metadata.name).sort()).toEqual(['bytes', 'honest', 'keys']);
  });
});
