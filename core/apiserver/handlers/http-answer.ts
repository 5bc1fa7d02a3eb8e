import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { TypeSet } from '../../machinery/schema.js';
import { toStatus } from '../../machinery/status-error.js';
import type { Encoded } from './encoding.js';
import { encodeKind } from './encoding.js';
import type { Acceptance } from './negotiation.js';
import { parseAccept } from './negotiation.js';

const gzipAboveBytes = 128 * 1024;
const chunkBytes = 256 * 1024;

/** Writes a whole answer; large ones in chunks that wait for the client, compressed where it accepts that. */
export async function sendEncoded(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  encoded: Encoded,
): Promise<void> {
  let size = 0;
  for (const part of encoded.parts) size += part.length;
  response.setHeader('Content-Type', encoded.contentType);
  if (size > gzipAboveBytes && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) {
    response.setHeader('Content-Encoding', 'gzip');
    response.setHeader('Vary', 'Accept-Encoding');
    response.writeHead(status);
    const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 64 * 1024 });
    response.once('close', () => gzip.destroy());
    gzip.pipe(response);
    if (await writeChunks(gzip, encoded.parts, response)) gzip.end();
    else gzip.destroy();
    return;
  }
  response.setHeader('Content-Length', size);
  response.writeHead(status);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  if (encoded.parts.length === 1 && size <= chunkBytes) {
    response.end(encoded.parts[0]);
    return;
  }
  if (await writeChunks(response, encoded.parts, response)) response.end();
}

/** Whether nobody listens any more. HTTP/2's compatible face does not say so, and neither drains nor closes again. */
export function isClosed(connection: ServerResponse | Duplex): boolean {
  const { stream } = connection as { stream?: Duplex };
  return stream ? stream.destroyed : connection.destroyed;
}

/** Joins small parts to chunks, so that a list of thousands is not thousands of writes. False: the client has left. */
async function writeChunks(target: NodeJS.WritableStream, parts: readonly Buffer[], response: ServerResponse): Promise<boolean> {
  let pending: Buffer[] = [];
  let size = 0;
  const flush = async (): Promise<boolean> => {
    if (isClosed(response)) return false;
    if (size === 0) return true;
    const chunk = Buffer.concat(pending, size);
    pending = [];
    size = 0;
    if (!target.write(chunk)) await drained(target, response);
    return !isClosed(response);
  };
  for (const part of parts) {
    pending.push(part);
    size += part.length;
    if (size >= chunkBytes && !(await flush())) return false;
  }
  return flush();
}

/** What is compressed stops to drain when the answer is closed, without a word. */
async function drained(target: NodeJS.WritableStream, response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  target.once('drain', resolve);
  response.once('close', resolve);
  await promise;
  target.off('drain', resolve);
  response.off('close', resolve);
}

/** Answers with the Status of an error in a form that the client takes, or breaks off when the answer has begun. */
export async function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  types: TypeSet,
): Promise<void> {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const status = toStatus(error);
  const { retryAfterSeconds } = status.details ?? {};
  if (retryAfterSeconds) response.setHeader('Retry-After', String(retryAfterSeconds));
  const { contentType, parts } = await encodeKind(types, status, errorForm(request));
  const bytes = parts[0]!;
  response.setHeader('Content-Type', contentType);
  response.setHeader('Content-Length', bytes.length);
  response.writeHead(status.code ?? 200);
  response.end(bytes);
}

/** Errors come as JSON where the client takes nothing that is known. */
function errorForm({ headers: { accept } }: IncomingMessage): Acceptance {
  for (const { type } of accept === undefined ? [] : parseAccept(accept)) {
    if (type === 'application/json' || type === '*/*') break;
    if (type === 'application/yaml' || type === 'application/vnd.kubernetes.protobuf') return { mediaType: type, pretty: false };
  }
  return { mediaType: 'application/json', pretty: false };
}

/** What Go's servers say of paths that nobody knows, which is no Status. */
export function sendPlain(response: ServerResponse, code: number, text: string): void {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.writeHead(code);
  response.end(text);
}

const warningsOf = new WeakMap<ServerResponse, Set<string>>();

/** Beside those that the answer carries already, each once. */
export function addWarnings(response: ServerResponse, texts: readonly string[]): void {
  if (texts.length === 0) return;
  const all = warningsOf.get(response) ?? new Set();
  warningsOf.set(response, all);
  // Upstream, too, drops what cannot stand in a header.
  for (const text of texts) if (text && !/\p{Cc}/u.test(text)) all.add(text);
  response.setHeader('Warning', warningHeaders(all));
}

const totalWarningCharacters = 4096;
const shortWarningCharacters = 256;

/**
 * `299 - "text"`, as UTF-8 in the form in which Node takes bytes. All are cut where together they are too long, as upstream does.
 * Source: KEP-1693, apiserver pkg/endpoints/filters/warning.go.
 */
function warningHeaders(texts: Iterable<string>): string[] {
  const each = Array.from(texts, text => Array.from(text));
  const isTooLong = each.reduce((sum, { length }) => sum + length, 0) > totalWarningCharacters;
  const headers: string[] = [];
  let written = 0;
  for (const characters of each) {
    if (written >= totalWarningCharacters) break;
    const kept = isTooLong ? characters.slice(0, shortWarningCharacters) : characters;
    written += kept.length;
    const text = kept.join('').replace(/["\\]/g, match => `\\${match}`);
    headers.push(`299 - "${Buffer.from(text).toString('latin1')}"`);
  }
  return headers;
}
