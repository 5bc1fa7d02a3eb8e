import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../base/clock.js';
import type { StatusError } from '../../machinery/status-error.js';
import { badRequest, requestEntityTooLarge, timeout } from '../../machinery/status-error.js';

/** Upstream's limit on request bodies. */
export const maximumBodyBytes = 3 * 1024 * 1024;
/** Upstream's deadline of requests. */
export const bodyTimeoutMs = 60_000;

/** Reads a whole request body. Throws 413 above the limit, 504 when it takes too long and 400 when the client breaks off. */
export function readBody(request: IncomingMessage, clock: Clock, limitBytes = maximumBodyBytes): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limitBytes) {
    request.resume();
    return Promise.reject(tooLarge(limitBytes));
  }
  // It says so no second time.
  if (request.destroyed) return Promise.reject(badRequest('the client broke off while sending the body'));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (error: StatusError): void => {
      void deadline.dispose();
      reject(error);
    };
    const giveUp = (error: StatusError): void => {
      // Whatever still comes is thrown away, so that the answer can go out.
      request.removeAllListeners('data');
      request.resume();
      fail(error);
    };
    const deadline = clock.setTimer(bodyTimeoutMs, () => {
      giveUp(timeout('request did not complete within the allotted timeout'));
    });
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) giveUp(tooLarge(limitBytes));
      else chunks.push(chunk);
    });
    request.on('end', () => {
      void deadline.dispose();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size));
    });
    request.on('error', error => fail(badRequest('the request body could not be read', error)));
    request.on('aborted', () => fail(badRequest('the client broke off while sending the body')));
    request.on('close', () => {
      if (!request.complete) fail(badRequest('the client broke off while sending the body'));
    });
  });
}

function tooLarge(limitBytes: number): StatusError {
  return requestEntityTooLarge(`limit is ${limitBytes}`);
}
