import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../base/clock.js';
import { CodedError } from '../../base/errors.js';
import type { DialTarget } from '../../contracts/cluster-dialer.js';
import type { ExtensionRequest, ExtensionServer } from './extension-server.js';

export interface WholeAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly etag: string;
  readonly bytes: Buffer;
}

/** No document that is of use is larger. */
const limitBytes = 32 * 1024 * 1024;

/** Asks an extension server for a whole document, on our own account. Rejects when it takes too long or is too large. */
export async function askFor(
  server: ExtensionServer,
  request: Omit<ExtensionRequest, 'method'> & {
    readonly timeoutMs: number;
    readonly clock: Clock;
    readonly target?: DialTarget;
  },
): Promise<WholeAnswer> {
  const { timeoutMs, clock, target, signal, ...rest } = request;
  const late = new AbortController();
  const timer = clock.setTimer(timeoutMs, () => late.abort(new CodedError('EXTENSION_SLOW', 'context deadline exceeded')));
  const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  try {
    const answer = await server.request({ ...rest, method: 'GET', signal: either }, target);
    return { ...headOf(answer), bytes: await readWhole(answer) };
  } catch (error) {
    throw late.signal.aborted ? late.signal.reason : error;
  } finally {
    await timer.dispose();
  }
}

function headOf({ statusCode = 0, headers }: IncomingMessage): Omit<WholeAnswer, 'bytes'> {
  return { status: statusCode, contentType: headers['content-type'] ?? '', etag: headers.etag ?? '' };
}

async function readWhole(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limitBytes) {
      answer.destroy();
      throw new CodedError('EXTENSION_TOO_LARGE', `the answer is larger than ${limitBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
