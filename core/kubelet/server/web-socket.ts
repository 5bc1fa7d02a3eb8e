import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

const messageLimitBytes = 32 * 1024 * 1024;

export function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

/** The subprotocols that the client offers, in its order. */
export function offeredProtocols(request: IncomingMessage): string[] {
  const offered = request.headers['sec-websocket-protocol'];
  return offered === undefined ? [] : offered.split(',').map(name => name.trim());
}

/** Accepts upgrades with a subprotocol of our choice. */
export class WebSocketDoor {
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: messageLimitBytes,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #chosen = new WeakMap<IncomingMessage, string>();

  constructor() {
    this.#server.on('headers', (headers, request) => {
      const chosen = this.#chosen.get(request);
      if (chosen) headers.push(`Sec-WebSocket-Protocol: ${chosen}`);
    });
  }

  /** `taken` runs before any message arrives. A handshake that is wrong is answered with 400 and goes no further. */
  accept(
    request: IncomingMessage,
    at: { socket: Duplex; head: Buffer; protocol: string },
    taken: (socket: WebSocket) => void,
  ): void {
    this.#chosen.set(request, at.protocol);
    // The library refuses names with a slash, and one of Kubernetes' has one: it is told of none.
    delete request.headers['sec-websocket-protocol'];
    this.#server.handleUpgrade(request, at.socket, at.head, socket => {
      socket.on('error', () => socket.terminate());
      taken(socket);
    });
  }
}
