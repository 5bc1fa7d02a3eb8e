import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Writable } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** What clients send on such sockets is thrown away; it need not be large. */
const messageLimitBytes = 64 * 1024;
const closeGraceMs = 1000;

export function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

/** The subprotocols that the client offers, in its order; [''] where it offers none. */
export function offeredProtocols(request: IncomingMessage): string[] {
  const offered = request.headers['sec-websocket-protocol'];
  return offered === undefined ? [''] : offered.split(',').map(name => name.trim());
}

/**
 * Takes a WebSocket on which only the server speaks, with the subprotocol of its choice ('': none named). Resolves undefined
 * where the handshake was wrong; it is answered already.
 */
export function acceptOneWay({ request, socket, head }: Upgrade, protocol: string): Promise<WebSocket | undefined> {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: messageLimitBytes,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: () => protocol || false,
  });
  return new Promise(resolve => {
    const refused = (): void => resolve(undefined);
    socket.once('close', refused);
    server.handleUpgrade(request, socket, head, accepted => {
      socket.off('close', refused);
      accepted.on('error', () => accepted.terminate());
      resolve(accepted);
    });
  });
}

/** Ends a socket in order, or by force when the other side does not answer. */
export function closeSocket(socket: WebSocket): void {
  socket.close(1000);
  const timer = setTimeout(() => socket.terminate(), closeGraceMs);
  socket.once('close', () => clearTimeout(timer));
}

/** Bytes as messages, binary or in base64; each waits until the one before has gone out. */
export function messageStream(socket: WebSocket, base64: boolean): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (base64) socket.send(chunk.toString('base64'), { binary: false }, done);
      else socket.send(chunk, { binary: true }, done);
    },
    final(done) {
      closeSocket(socket);
      done();
    },
    destroy(error, done) {
      if (error) socket.terminate();
      done(error);
    },
  });
}
