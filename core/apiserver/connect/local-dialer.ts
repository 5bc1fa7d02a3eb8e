import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { abortReason, CodedError, errorCode, errorText } from '../../base/errors.js';
import type { ClusterDialer, DialTarget } from '../../contracts/cluster-dialer.js';

const timeoutMs = 10_000;

/** Dials by this machine's own network. */
export class LocalDialer implements ClusterDialer {
  dial({ host, port }: DialTarget, signal?: AbortSignal): Promise<Duplex> {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortReason(signal));
      const socket = connect({ host, port, noDelay: true, keepAlive: true });
      const abort = (): void => void socket.destroy(signal ? abortReason(signal) : undefined);
      const timer = setTimeout(() => {
        socket.destroy(new CodedError('DIAL_TIMEOUT', `dial tcp ${address}: i/o timeout`));
      }, timeoutMs);
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        socket.off('error', failed);
      };
      const failed = (error: Error): void => {
        settle();
        if (signal?.aborted || errorCode(error) === 'DIAL_TIMEOUT') return reject(error);
        reject(new CodedError('DIAL_FAILED', `dial tcp ${address}: ${reason(error)}`, { cause: error }));
      };
      signal?.addEventListener('abort', abort, { once: true });
      socket.once('error', failed);
      socket.once('connect', () => {
        settle();
        resolve(socket);
      });
    });
  }
}

function reason(error: Error): string {
  switch (errorCode(error)) {
    case 'ECONNREFUSED':
      return 'connect: connection refused';
    case 'EHOSTUNREACH':
      return 'connect: no route to host';
    case 'ENETUNREACH':
      return 'connect: network is unreachable';
    case 'ENOTFOUND':
      return 'lookup: no such host';
    default:
      return errorText(error);
  }
}
