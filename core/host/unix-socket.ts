import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { CodedError } from '../base/errors.js';

/** Linux takes no longer name of a socket. */
const longestPathBytes = 107;

export interface UnixListener {
  /** The socket goes, and with it every connection. */
  close(): Promise<void>;
}

/**
 * Makes the folder; what an earlier process left of the socket goes. Rejects `SOCKET_PATH` for a path that is too long, with the
 * system's code for what cannot be made.
 */
export async function listenAtSocket(socketPath: string, connected: (socket: Socket) => void): Promise<UnixListener> {
  if (Buffer.byteLength(socketPath) > longestPathBytes) {
    throw new CodedError('SOCKET_PATH', `${socketPath} is too long for a socket`, { mend: 'choose a shorter --data-dir' });
  }
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o750 });
  await rm(socketPath, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Who is connected to it tells of it.
    socket.on('error', () => undefined);
    connected(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
