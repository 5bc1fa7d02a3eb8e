import { createServer, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Backend } from './routes.js';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** What the proxy asks about the cluster. */
export interface Directory {
  find(host: string, path: string): Backend | undefined;
  endpointsOf(backend: Backend): readonly Endpoint[];
  certificateOf(host: string): SecureContext | undefined;
}

const connectionHeaders = ['connection', 'keep-alive', 'proxy-connection', 'upgrade'];
const forwardedHeaders = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];

/** Carries requests from two listeners to endpoints. */
export class Proxy {
  readonly #directory: Directory;
  readonly #plain = createServer();
  readonly #secure = createSecureServer({
    SNICallback: (host, done) => done(null, this.#directory.certificateOf(host)),
  });
  readonly #upgraded = new Set<Duplex>();
  #next = 0;

  constructor(directory: Directory) {
    this.#directory = directory;
    for (const server of [this.#plain, this.#secure]) {
      server.on('request', (request, response) => this.#answer(request, response));
      server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    }
  }

  /** Resolves the ports. */
  async listen(address: string, port: number, tlsPort: number): Promise<{ port: number; tlsPort: number }> {
    const ports: number[] = [];
    for (const [server, wanted] of [[this.#plain, port] as const, [this.#secure, tlsPort] as const]) {
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(wanted, address, resolve));
      ports.push((server.address() as AddressInfo).port);
    }
    return { port: ports[0]!, tlsPort: ports[1]! };
  }

  async close(): Promise<void> {
    for (const socket of this.#upgraded) socket.destroy();
    for (const server of [this.#plain, this.#secure]) {
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const upstream = this.#begin(request, {});
    if (typeof upstream === 'number') {
      response.writeHead(upstream).end();
      return;
    }
    upstream.on('response', answer => {
      response.writeHead(answer.statusCode!, without(answer.headers, connectionHeaders));
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    upstream.on('error', () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    });
    response.on('close', () => upstream.destroy());
    upstream.flushHeaders();
    request.pipe(upstream);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (status: number): void =>
      void socket.end(`HTTP/1.1 ${status} \r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    socket.on('error', () => socket.destroy());
    const upstream = this.#begin(request, { connection: 'Upgrade', upgrade: request.headers.upgrade });
    if (typeof upstream === 'number') return refuse(upstream);
    upstream.on('upgrade', (answer, other: Duplex, first: Buffer) => {
      const lines = answer.rawHeaders.flatMap((name, index, all) => (index % 2 === 0 ? [`${name}: ${all[index + 1]}`] : []));
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      socket.write(first);
      other.write(head);
      socket.pipe(other).pipe(socket);
      other.on('error', () => socket.destroy());
      other.on('close', () => socket.destroy());
      this.#upgraded.add(socket);
      socket.on('close', () => {
        this.#upgraded.delete(socket);
        other.destroy();
      });
    });
    upstream.on('response', ({ statusCode }) => refuse(statusCode!));
    upstream.on('error', () => refuse(502));
    upstream.end();
  }

  /** A request to an endpoint, or the status that says why there is none. */
  #begin(request: IncomingMessage, more: Record<string, string | undefined>): ClientRequest | number {
    const host = request.headers.host ?? '';
    const name = host.replace(/:\d+$/, '').toLowerCase();
    const url = URL.parse(request.url ?? '/', 'http://ingress');
    const backend = url ? this.#directory.find(name, url.pathname) : undefined;
    if (!backend) return 404;
    const endpoints = this.#directory.endpointsOf(backend);
    const endpoint = endpoints[this.#next++ % endpoints.length];
    if (!endpoint) return 503;
    // Nobody before us is trusted to say who asks.
    const headers = {
      ...without(request.headers, [...connectionHeaders, ...forwardedHeaders]),
      'x-forwarded-for': request.socket.remoteAddress,
      'x-forwarded-host': host,
      'x-forwarded-proto': (request.socket as TLSSocket).encrypted ? 'https' : 'http',
      ...more,
    };
    const { address, port } = endpoint;
    return httpRequest({ host: address, port, method: request.method, path: request.url, headers, agent: false });
  }
}

function without<T>(headers: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}
