import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Http2SecureServer, Http2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { refuse } from './proxy.js';
import type { Proxy, ServerAnswer, ServerRequest } from './proxy.js';
import type { EntryPoint, ListenAddress } from './state.js';
import type { TlsStore } from './tls-store.js';

export interface EntryServerOptions extends ListenAddress {
  readonly entryPoint: EntryPoint;
  readonly proxy: Proxy;
  readonly tls: TlsStore;
  log(level: 'warn' | 'debug', message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const limits = {
  maxHeaderSize: 64 * 1024,
  // Slow headers are an attack; slow bodies are uploads.
  headersTimeout: 60_000,
  requestTimeout: 0,
  keepAliveTimeout: 180_000,
  noDelay: true,
} as const;
/** Of one HTTP/2 connection. */
const http2Settings = { maxConcurrentStreams: 250, initialWindowSize: 1024 * 1024 } as const;

/** One listener: plain HTTP/1.1, or TLS with HTTP/2 and HTTP/1.1. */
export class EntryServer {
  readonly #options: EntryServerOptions;
  readonly #sessions = new Set<Http2Session>();
  readonly #upgraded = new Set<Duplex>();
  #server: Server | Http2SecureServer | undefined;
  #draining = false;

  constructor(options: EntryServerOptions) {
    this.#options = options;
  }

  get bound(): ListenAddress {
    const address = this.#server?.address();
    return { address: this.#options.address, port: typeof address === 'object' && address !== null ? address.port : 0 };
  }

  /** Clients that name no server get the default certificate; new handshakes get a new one. */
  useDefaultCertificate(): void {
    const pem = this.#options.tls.defaultPem;
    const server = this.#server as Http2SecureServer | undefined;
    if (this.#options.entryPoint === 'websecure' && pem !== undefined) server?.setSecureContext({ cert: pem, key: pem });
  }

  async start(): Promise<void> {
    const { address, port, entryPoint, log } = this.#options;
    const server = entryPoint === 'web' ? createServer(limits) : this.#secureServer();
    // Both kinds hand out what both kinds of requests have in common.
    const emitter = server as Server;
    emitter.on('request', (request: IncomingMessage, answer: ServerResponse) => this.#request(request, answer));
    emitter.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgraded.add(socket);
      socket.once('close', () => this.#upgraded.delete(socket));
      this.#options.proxy.upgrade(request, socket, head, entryPoint);
    });
    emitter.on('clientError', (_error: Error, socket: Duplex) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else socket.destroy();
    });
    await new Promise<void>((resolve, reject) => {
      emitter.once('error', reject);
      emitter.listen({ host: address, port, reusePort: true, backlog: 4096 }, () => {
        emitter.removeListener('error', reject);
        emitter.on('error', error => log('warn', 'an Ingress listener failed', { error: error.message }));
        resolve();
      });
    });
    this.#server = server;
  }

  /** Takes nothing new; requests at work may end within `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#draining = true;
    this.#server = undefined;
    const closed = new Promise<void>(resolve => server.close(() => resolve()));
    if ('closeIdleConnections' in server) server.closeIdleConnections();
    for (const session of this.#sessions) session.close();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, graceMs)));
    await Promise.race([closed, late]);
    clearTimeout(timer);
    for (const socket of this.#upgraded) socket.destroy();
    for (const session of this.#sessions) session.destroy();
    if ('closeAllConnections' in server) server.closeAllConnections();
  }

  #secureServer(): Http2SecureServer {
    const { tls, log } = this.#options;
    const pem = tls.defaultPem;
    const server = createSecureServer({
      ...limits,
      ...(pem !== undefined && { cert: pem, key: pem }),
      allowHTTP1: true,
      minVersion: 'TLSv1.2',
      settings: http2Settings,
      SNICallback: (name, callback) => {
        const context = tls.find(name);
        if (context) callback(null, context);
        else callback(new Error('no certificate yet'));
      },
    });
    Object.assign(server, { keepAliveTimeout: limits.keepAliveTimeout });
    server.on('session', session => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', error => log('debug', 'an HTTP/2 connection failed', { error: error.message }));
    });
    server.on('tlsClientError', error => log('debug', 'a TLS handshake failed', { error: error.message }));
    return server;
  }

  #request(request: ServerRequest, answer: ServerAnswer): void {
    request.on('error', ignoreAbort);
    answer.on('error', ignoreAbort);
    if (this.#draining && request.httpVersionMajor < 2) (answer as ServerResponse).shouldKeepAlive = false;
    if (request.method === 'CONNECT') return refuse(answer, 400);
    this.#options.proxy.handle(request, answer, this.#options.entryPoint);
  }
}

/** A client that goes away in the middle is everyday life; the other side is told by 'close'. */
function ignoreAbort(): void {}
