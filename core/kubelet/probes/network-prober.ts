import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { errorText } from '../../base/errors.js';
import type { ContainerRuntime, ProbeAnswer, ProbeTarget } from '../../contracts/container-runtime.js';

/** Asks a network address whether it serves. */
export type NetworkProber = (containerId: string, target: ProbeTarget, timeoutMs: number) => Promise<ProbeAnswer>;

/** From this host, or by the runtime where its pods are not on this host. */
export function networkProber(runtime: ContainerRuntime, onHost: boolean): NetworkProber {
  if (!onHost && runtime.probe) return (containerId, target, timeoutMs) => runtime.probe!(containerId, target, timeoutMs);
  return (_containerId, target, timeoutMs) => probeFromHost(target, timeoutMs);
}

const bodyLimit = 10 * 1024;
const redirectLimit = 10;

export async function probeFromHost(target: ProbeTarget, timeoutMs: number): Promise<ProbeAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  switch (target.type) {
    case 'http':
      return probeHttp(target, signal, 0);
    case 'tcp':
      return probeTcp(target, signal);
    case 'grpc':
      return probeGrpc(target, signal, timeoutMs);
  }
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

function probeHttp(target: ProbeTarget & { type: 'http' }, signal: AbortSignal, redirects: number): Promise<ProbeAnswer> {
  const url = new URL(`${target.scheme}://${bracketed(target.host)}:${target.port}`);
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  const path = target.path.startsWith('/') ? target.path : `/${target.path}`;
  const headers: Record<string, string> = { Connection: 'close' };
  for (const { name, value } of target.headers) headers[name] = value;
  const fail = (error: unknown): void => {
    const why = signal.aborted ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)' : errorText(error);
    resolve({ ok: false, output: `Get "${url.origin}${path}": ${why}` });
  };
  let request: http.ClientRequest;
  const options = { host: target.host, port: target.port, path, headers, signal, agent: false as const };
  try {
    // Certificates of pods are their own business: a probe asks whether something serves.
    request = target.scheme === 'https' ? https.get({ ...options, rejectUnauthorized: false }) : http.get(options);
  } catch (error) {
    fail(error);
    return promise;
  }
  request.on('error', fail);
  request.on('response', response => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      if (body.length < bodyLimit) body += chunk;
      else response.destroy();
    });
    response.on('error', fail);
    response.on('close', () => {
      const status = response.statusCode ?? 0;
      const next = status >= 300 && status < 400 ? redirected(target, url, response.headers.location) : undefined;
      if (next && redirects < redirectLimit) resolve(probeHttp(next, signal, redirects + 1));
      else if (status >= 200 && status < 400) resolve({ ok: true, output: body.slice(0, bodyLimit) });
      else resolve({ ok: false, output: `HTTP probe failed with statuscode: ${status}` });
    });
  });
  return promise;
}

/** Redirects are followed on the same host only. */
function redirected(
  target: ProbeTarget & { type: 'http' },
  base: URL,
  location: string | undefined,
): (ProbeTarget & { type: 'http' }) | undefined {
  if (!location || !URL.canParse(location, new URL(target.path, base).href)) return undefined;
  const url = new URL(location, new URL(target.path, base).href);
  if (url.hostname !== base.hostname || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  return { ...target, scheme, port: Number(url.port || (scheme === 'https' ? 443 : 80)), path: url.pathname + url.search };
}

function probeTcp(target: ProbeTarget & { type: 'tcp' }, signal: AbortSignal): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  const address = `${bracketed(target.host)}:${target.port}`;
  const socket = net.connect({ host: target.host, port: target.port, signal });
  socket.once('connect', () => {
    socket.destroy();
    resolve({ ok: true, output: '' });
  });
  socket.on('error', error => {
    const refused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
    const why = signal.aborted ? 'i/o timeout' : refused ? 'connect: connection refused' : error.message;
    resolve({ ok: false, output: `dial tcp ${address}: ${why}` });
  });
  return promise;
}

/** `grpc.health.v1.Health/Check` without TLS: one request, one message of two fields, written by hand. */
function probeGrpc(target: ProbeTarget & { type: 'grpc' }, signal: AbortSignal, timeoutMs: number): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  const address = `${bracketed(target.host)}:${target.port}`;
  const session = http2.connect(`http://${address}`);
  const answer = (ok: boolean, output: string): void => {
    signal.removeEventListener('abort', onAbort);
    session.destroy();
    resolve({ ok, output });
  };
  const onAbort = (): void =>
    answer(false, `timeout: failed to connect service "${address}" within ${timeoutMs / 1000}s: context deadline exceeded`);
  signal.addEventListener('abort', onAbort, { once: true });
  session.on('error', error => answer(false, `error: failed to connect service at "${address}": ${error.message}`));
  const service = Buffer.from(target.service);
  const message = service.length > 0 ? Buffer.concat([Buffer.from([0x0a, service.length]), service]) : Buffer.alloc(0);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'kube-probe/1.36',
  });
  const chunks: Buffer[] = [];
  let status: string | undefined;
  let detail = '';
  const read = (headers: http2.IncomingHttpHeaders): void => {
    if (headers['grpc-status'] !== undefined) status = String(headers['grpc-status']);
    if (headers['grpc-message'] !== undefined) detail = decodeURIComponent(String(headers['grpc-message']));
  };
  stream.on('response', read);
  stream.on('trailers', read);
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', error => answer(false, `error: health rpc probe failed: ${error.message}`));
  stream.on('close', () => {
    if (status === '12') {
      answer(false, `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${detail}`);
    } else if (status !== '0') answer(false, `error: health rpc probe failed: ${detail}`);
    else {
      const body = Buffer.concat(chunks).subarray(5);
      const serving = body[0] === 0x08 ? body[1] : 0;
      const names = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
      if (serving === 1) answer(true, 'service healthy');
      else answer(false, `service unhealthy (responded with "${names[serving ?? 0] ?? serving}")`);
    }
  });
  stream.end(Buffer.concat([frame, message]));
  return promise;
}
