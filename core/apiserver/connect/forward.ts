import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';

export interface TlsTrust {
  readonly host: string;
  /** Absent: the other side is not verified. */
  readonly caPem?: string;
  readonly certPem?: string;
  readonly keyPem?: string;
}

/** TLS over a stream. Rejects with the TLS error. */
export function overTls(stream: Duplex, { host, caPem, certPem, keyPem }: TlsTrust): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      socket: stream,
      host,
      ...(isIP(host) ? {} : { servername: host }),
      ...(caPem === undefined ? { rejectUnauthorized: false } : { ca: caPem }),
      ...(certPem === undefined ? {} : { cert: certPem, key: keyPem }),
      ALPNProtocols: ['http/1.1'],
    });
    const failed = (error: Error): void => reject(error);
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

/** Names of one connection only, and HTTP/2's own. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** The client's headers without those of its connection, its HTTP/2 pseudo headers, and whatever `drop` names. */
export function endToEndHeaders(headers: IncomingHttpHeaders, drop: (name: string) => boolean): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = {};
  const named = new Set(
    String(headers.connection ?? '')
      .toLowerCase()
      .split(/\s*,\s*/),
  );
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || hopByHop.has(name) || named.has(name) || drop(name)) continue;
    kept[name] = value;
  }
  return kept;
}

/** What says who the client is stays with the API server. */
export function isCredential(name: string): boolean {
  return name === 'authorization' || name === 'cookie' || name.startsWith('impersonate-') || name.startsWith('x-remote-');
}

export interface ForwardedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  /** The client's body; absent: none. */
  readonly body?: IncomingMessage;
  readonly signal?: AbortSignal;
}

/** One request over a connection of its own; resolves when the answer's head is there. */
export function exchange(stream: Duplex, request: ForwardedRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method, path, headers, body, signal } = request;
    const call = httpRequest({
      method,
      path,
      headers: { ...headers, connection: 'close' },
      createConnection: () => stream,
      ...(signal ? { signal } : {}),
    });
    call.once('response', resolve);
    call.on('error', error => {
      stream.destroy();
      reject(error);
    });
    if (body) body.pipe(call);
    else call.end();
  });
}

/** The head of an upgrade request as bytes; everything after it passes unread. */
export function upgradeHead(request: IncomingMessage, path: string, headers: OutgoingHttpHeaders): string {
  const lines = [`${request.method ?? 'GET'} ${path} HTTP/1.1`];
  const all: OutgoingHttpHeaders = { ...headers, connection: 'Upgrade', upgrade: request.headers.upgrade ?? '' };
  for (const [name, value] of Object.entries(all)) {
    for (const single of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${String(single)}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const lingerMs = 10_000;

/** Joins two connections until both are closed; what one has sent before it closed still reaches the other. */
export function splice(client: Duplex, server: Duplex): Promise<void> {
  return new Promise(resolve => {
    let open = 2;
    const closed = (other: Duplex) => (): void => {
      if (--open === 0) return resolve();
      setTimeout(() => other.destroy(), lingerMs).unref();
      other.end(() => other.destroy());
    };
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
    client.once('close', closed(server));
    server.once('close', closed(client));
    if (client.destroyed || server.destroyed) {
      client.destroy();
      server.destroy();
    }
    client.pipe(server);
    server.pipe(client);
  });
}
