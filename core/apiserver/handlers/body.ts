import type { IncomingMessage } from 'node:http';
import type { StatusError } from '../../machinery/status-error.js';
import { badRequest, requestEntityTooLarge } from '../../machinery/status-error.js';

/** Upstream's limit on request bodies. */
export const maximumBodyBytes = 3 * 1024 * 1024;

/** Reads a whole request body. Throws 413 above the limit and 400 when the client breaks off. */
export function readBody(request: IncomingMessage, limitBytes = maximumBodyBytes): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limitBytes) {
    request.resume();
    return Promise.reject(tooLarge(limitBytes));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) {
        request.removeAllListeners('data');
        request.resume();
        reject(tooLarge(limitBytes));
        return;
      }
      chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)));
    request.on('error', error => reject(badRequest('the request body could not be read', error)));
    request.on('aborted', () => reject(badRequest('the client broke off while sending the body')));
    request.on('close', () => {
      if (!request.complete) reject(badRequest('the client broke off while sending the body'));
    });
  });
}

function tooLarge(limitBytes: number): StatusError {
  return requestEntityTooLarge(`limit is ${limitBytes}`);
}
