import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { probeFromHost } from './network-prober.js';

const host = '127.0.0.1';
const open: net.Server[] = [];

async function listening(server: net.Server): Promise<number> {
  open.push(server);
  await new Promise<void>(resolve => server.listen(0, host, resolve));
  return (server.address() as net.AddressInfo).port;
}

async function closedPort(): Promise<number> {
  const server = net.createServer();
  const port = await listening(server);
  await new Promise(resolve => server.close(resolve));
  return port;
}

describe('probes from the host', () => {
  afterEach(async () => {
    await Promise.all(open.splice(0).map(server => new Promise(resolve => server.close(resolve))));
  });

  const get = (port: number, path: string, timeoutMs = 2000) => {
    const headers = [{ name: 'User-Agent', value: 'kube-probe/1.36' }];
    return probeFromHost({ type: 'http', scheme: 'http', host, port, path, headers }, timeoutMs);
  };

  it('over HTTP: codes, redirects, silence, nobody', async () => {
    const agents: (string | undefined)[] = [];
    const port = await listening(
      http.createServer((request, response) => {
        agents.push(request.headers['user-agent']);
        if (request.url === '/ok') response.end('fine');
        else if (request.url === '/away') response.writeHead(302, { location: '/ok' }).end();
        else if (request.url === '/abroad') response.writeHead(302, { location: 'http://example.com/' }).end();
        else if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
        else if (request.url !== '/silent') response.writeHead(503).end('secret');
      }),
    );
    expect(await get(port, '/ok')).toEqual({ ok: true, output: 'fine' });
    expect(agents).toEqual(['kube-probe/1.36']);
    expect(await get(port, '/away')).toEqual({ ok: true, output: 'fine' });
    expect((await get(port, '/abroad')).ok).toBe(true);
    expect((await get(port, '/loop')).ok).toBe(true);
    expect(await get(port, '/bad')).toEqual({ ok: false, output: 'HTTP probe failed with statuscode: 503' });
    expect(await get(port, '/silent', 50)).toEqual({
      ok: false,
      output: `Get "http://${host}:${port}/silent": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    });
    expect((await get(await closedPort(), '/')).ok).toBe(false);
  });

  it('over TCP', async () => {
    const port = await listening(net.createServer(socket => socket.destroy()));
    expect(await probeFromHost({ type: 'tcp', host, port }, 2000)).toEqual({ ok: true, output: '' });
    const nobody = await closedPort();
    expect(await probeFromHost({ type: 'tcp', host, port: nobody }, 2000)).toEqual({
      ok: false,
      output: `dial tcp ${host}:${nobody}: connect: connection refused`,
    });
  });

  it('over gRPC', async () => {
    const asked: string[] = [];
    const server = http2.createServer();
    server.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const service = Buffer.concat(chunks).subarray(7).toString();
        asked.push(`${headers[':path']} ${service}`);
        if (service === 'odd') {
          stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12', 'grpc-message': 'no' });
          stream.end();
          return;
        }
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 8, service === 'up' ? 1 : 2]));
      });
    });
    const port = await listening(server);
    const check = (service: string) => probeFromHost({ type: 'grpc', host, port, service }, 2000);
    expect(await check('up')).toEqual({ ok: true, output: 'service healthy' });
    expect(await check('down')).toEqual({ ok: false, output: 'service unhealthy (responded with "NOT_SERVING")' });
    expect((await check('odd')).output).toMatch(/does not implement the grpc health protocol/);
    expect(asked[0]).toBe('/grpc.health.v1.Health/Check up');
    const nobody = await closedPort();
    expect((await probeFromHost({ type: 'grpc', host, port: nobody, service: '' }, 2000)).ok).toBe(false);
  });
});
