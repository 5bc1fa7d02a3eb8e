import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import { createSecureServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { CodedError, errorCode } from '../../base/errors.js';

export interface TlsMaterial {
  readonly certPem: string;
  readonly keyPem: string;
  /** Authorities whose names are sent to clients; their certificates are checked by the authenticator, not by TLS. */
  readonly clientCaPem: string;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls: TlsMaterial;
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** Whether a request that asks for an upgrade gets one. */
  readonly upgrades: (request: IncomingMessage) => boolean;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** As Go's servers take: long selectors and many groups of a user make long heads. */
const maximumHeaderBytes = 1024 * 1024;

/** Clients keep connections for a while: Node's five seconds would cut off requests that are just being sent. */
const http1Options: object = { keepAliveTimeout: 120_000, maxHeaderSize: maximumHeaderBytes };

/** HTTP/1.1 and HTTP/2 on one TLS port, with client certificates asked for but not demanded. */
export class Listener {
  readonly #options: ListenerOptions;
  #server: Http2SecureServer | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Resolves the port. Rejects PORT_IN_USE, PORT_FORBIDDEN or LISTEN_FAILED with the mend. */
  async start(): Promise<number> {
    const { host, port, tls, onRequest, onUpgrade, upgrades } = this.#options;
    const server = createSecureServer({
      ...http1Options,
      allowHTTP1: true,
      key: tls.keyPem,
      cert: tls.certPem,
      ca: tls.clientCaPem,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      settings: { maxConcurrentStreams: 2000, maxHeaderListSize: maximumHeaderBytes },
      maxSessionMemory: 64,
    });
    this.#server = server;
    // HTTP/2's server does not take it as an option, but looks here.
    (server as { shouldUpgradeCallback?: ListenerOptions['upgrades'] }).shouldUpgradeCallback = upgrades;
    server.on('request', (request, response) => {
      // The compatible API of both protocols is used alike; what differs is never touched.
      onRequest(request as unknown as IncomingMessage, response as unknown as ServerResponse);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => onUpgrade(request, socket, head));
    server.on('secureConnection', socket => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => this.#sockets.delete(socket));
      // A client that goes away in the middle is no fault of ours.
      socket.on('error', () => socket.destroy());
    });
    server.on('sessionError', () => undefined);
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', error => reject(listenError(error, host, port)));
      server.listen(port, host, () => resolve());
    });
    return (server.address() as AddressInfo).port;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? 0;
  }

  /** New certificates for connections from now on. */
  renew(tls: TlsMaterial): void {
    this.#server?.setSecureContext({ key: tls.keyPem, cert: tls.certPem, ca: tls.clientCaPem });
  }

  /** Takes no new connections, gives running requests `graceMs`, then cuts off. */
  async stop(graceMs: number): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = new Promise<void>(resolve => server.close(() => resolve()));
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    for (const socket of this.#sockets) if (socket.listenerCount('close') <= 1) socket.end();
    await closed;
    clearTimeout(timer);
  }
}

const certificates = new WeakMap<object, readonly Uint8Array[]>();

/** DER of the client's certificates, read once a connection. */
export function clientCertificates(request: IncomingMessage): readonly Uint8Array[] {
  const stream = (request as unknown as { stream?: { session?: { socket?: Socket } } }).stream;
  const socket = (stream?.session?.socket ?? request.socket) as TLSSocket | undefined;
  if (!socket || typeof socket.getPeerCertificate !== 'function') return [];
  // HTTP/2 hands out a proxy of the socket; the session itself is the stable key.
  const key = stream?.session ?? socket;
  const known = certificates.get(key);
  if (known) return known;
  const chain: Uint8Array[] = [];
  const seen = new Set<string>();
  let at = socket.getPeerCertificate(true) as { raw?: Buffer; issuerCertificate?: object; fingerprint256?: string } | undefined;
  while (at?.raw && !seen.has(at.fingerprint256 ?? '') && chain.length < 10) {
    seen.add(at.fingerprint256 ?? '');
    chain.push(at.raw);
    at = at.issuerCertificate as typeof at;
  }
  certificates.set(key, chain);
  return chain;
}

function listenError(error: Error, host: string, port: number): Error {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new CodedError('PORT_IN_USE', `port ${port} on ${host} is in use`, {
        cause: error,
        mend: 'stop what listens there, or choose another port with --https-listen-port',
      });
    case 'EACCES':
      return new CodedError('PORT_FORBIDDEN', `port ${port} on ${host} needs root`, {
        cause: error,
        mend: 'choose a port above 1023',
      });
    default:
      return new CodedError('LISTEN_FAILED', `cannot listen on ${host}:${port}`, {
        cause: error,
        mend: 'check --bind-address: the address must be one of this machine',
      });
  }
}
