import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';

/** Something that is there as a whole and may be asked for in parts, or only where it has changed. */
export interface Content {
  readonly bytes: Buffer;
  /** Said where no header says it yet, and only with the content. */
  readonly contentType: string;
  /** With its quotes. */
  readonly etag?: string;
  readonly modifiedMs: number;
  /** Made for this request: that somebody has one of the same second does not mean that it is the same. */
  readonly isMadeAnew?: boolean;
  /** Compressed for who takes that. */
  readonly compressed?: boolean;
}

interface Range {
  readonly start: number;
  /** The first byte that does not belong to it. */
  readonly end: number;
}

const compress = promisify(gzip);

const gzipFromBytes = 1400;
const largest = 2n ** 63n;

/** Answers as Go's http.ServeContent does behind upstream's filters: conditions and ranges of RFC 9110. */
export async function serveContent(request: IncomingMessage, response: ServerResponse, content: Content): Promise<void> {
  const { bytes, contentType, etag, modifiedMs, compressed } = content;
  const { headers, method = 'GET' } = request;
  response.setHeader('Last-Modified', new Date(modifiedMs).toUTCString());
  if (etag !== undefined) response.setHeader('ETag', etag);
  const condition = unmetCondition(headers, method, content);
  if (condition === 304) {
    response.removeHeader('Content-Type');
    if (etag !== undefined) response.removeHeader('Last-Modified');
  }
  if (condition !== undefined) return end(response, condition, undefined);
  if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', contentType);
  const ranges = readRanges(rangeOf(headers, method, content), bytes.length);
  if (typeof ranges === 'string') return refuse(response, ranges, bytes.length);
  response.setHeader('Accept-Ranges', 'bytes');
  const status = ranges.length > 0 ? 206 : 200;
  const body = ranges.length > 0 ? parts(response, ranges, content) : bytes;
  if (method === 'HEAD') {
    response.setHeader('Content-Length', body.length);
    return end(response, status, undefined);
  }
  if (!compressed || body.length < gzipFromBytes || !takesGzip(headers)) return end(response, status, body);
  response.setHeader('Content-Encoding', 'gzip');
  end(response, status, await compress(body, { level: constants.Z_BEST_SPEED }));
}

function end(response: ServerResponse, status: number, body: Buffer | undefined): void {
  response.statusCode = status;
  if (status !== 304 && !response.hasHeader('Content-Length')) response.setHeader('Content-Length', body?.length ?? 0);
  response.end(body);
}

function refuse(response: ServerResponse, reason: string, size: number): void {
  for (const name of ['ETag', 'Last-Modified']) response.removeHeader(name);
  // As of everything that says nothing else.
  response.setHeader('Cache-Control', 'no-cache, private');
  if (reason === noOverlap) response.setHeader('Content-Range', `bytes */${size}`);
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  end(response, 416, Buffer.from(`${reason}\n`));
}

/** 412 or 304 where a condition of the request says so. Source: RFC 9110, section 13.2.2. */
function unmetCondition(
  headers: IncomingHttpHeaders,
  method: string,
  { etag = '', modifiedMs, isMadeAnew }: Content,
): 304 | 412 | undefined {
  const isRead = method === 'GET' || method === 'HEAD';
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  const unmodifiedSince = readTime(headers['if-unmodified-since']);
  const modifiedSince = readTime(headers['if-modified-since']);
  const modified = wholeSecond(modifiedMs);
  if (
    match
      ? !names(match, each => each === etag && each.startsWith('"'))
      : unmodifiedSince !== undefined && modified > unmodifiedSince
  )
    return 412;
  if (noneMatch) return names(noneMatch, each => plainTag(each) === plainTag(etag)) ? (isRead ? 304 : 412) : undefined;
  return isRead && modifiedSince !== undefined && (isMadeAnew ? modifiedMs : modified) <= modifiedSince ? 304 : undefined;
}

const plainTag = (etag: string): string => etag.replace(/^W\//, '');

/** Whether a list of entity tags is `*` or holds one that fits; what stands behind one that is none is not read. */
function names(list: string, fits: (etag: string) => boolean): boolean {
  for (let rest = list; ;) {
    rest = rest.replace(/^[ \t,]+/, '');
    if (rest.startsWith('*')) return true;
    const etag = firstTag(rest);
    if (etag === undefined) return false;
    if (fits(etag)) return true;
    rest = rest.slice(etag.length);
  }
}

function firstTag(text: string): string | undefined {
  return /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"/.exec(text)?.[0];
}

/** The ranges asked for; none where they were asked for of another state than this one. */
function rangeOf(headers: IncomingHttpHeaders, method: string, { etag, modifiedMs }: Content): string {
  const { range = '', 'if-range': state } = headers;
  if (!state || Array.isArray(state) || (method !== 'GET' && method !== 'HEAD')) return range;
  const tag = firstTag(state.trim());
  const isSame = tag !== undefined ? tag === etag && tag.startsWith('"') : readTime(state) === wholeSecond(modifiedMs);
  return isSame ? range : '';
}

const invalidRange = 'invalid range';
const noOverlap = 'invalid range: failed to overlap';

/** Ranges of `Range`; none: all of it. A text: why not. */
export function readRanges(header: string, size: number): readonly Range[] | string {
  if (header === '') return [];
  if (!header.startsWith('bytes=')) return invalidRange;
  const ranges: Range[] = [];
  let isBeyond = false;
  for (const word of header.slice('bytes='.length).split(',').map(trimmed)) {
    if (word === '') continue;
    const dash = word.indexOf('-');
    if (dash < 0) return invalidRange;
    const [from, to] = [word.slice(0, dash), word.slice(dash + 1)].map(trimmed) as [string, string];
    const [first, last] = [readOffset(from), readOffset(to)];
    if (from === '') {
      if (last === undefined || to.startsWith('-')) return invalidRange;
      ranges.push({ start: size - Math.min(last, size), end: size });
      continue;
    }
    if (first === undefined) return invalidRange;
    if (first >= size) {
      isBeyond = true;
      continue;
    }
    if (to !== '' && (last === undefined || last < first)) return invalidRange;
    ranges.push({ start: first, end: to === '' ? size : Math.min(last!, size - 1) + 1 });
  }
  if (isBeyond && ranges.length === 0) return size === 0 ? [] : noOverlap;
  // More than there is: whoever asks so does not mean it.
  const sum = ranges.reduce((total, range) => total + range.end - range.start, 0);
  return sum > size ? [] : ranges;
}

const trimmed = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '');

function readOffset(text: string): number | undefined {
  if (!/^(\+?\d+|-0+)$/.test(text)) return undefined;
  const value = BigInt(text.replace('+', ''));
  return value < largest ? Number(value) : undefined;
}

function parts(response: ServerResponse, ranges: readonly Range[], { bytes, contentType }: Content): Buffer {
  const said = ({ start, end: behind }: Range): string => `bytes ${start}-${behind - 1}/${bytes.length}`;
  const [only, ...more] = ranges as [Range, ...Range[]];
  if (more.length === 0) {
    response.setHeader('Content-Range', said(only));
    return bytes.subarray(only.start, only.end);
  }
  const boundary = randomBytes(30).toString('hex');
  response.setHeader('Content-Type', `multipart/byteranges; boundary=${boundary}`);
  const pieces = ranges.flatMap((range, index) => [
    Buffer.from(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Range: ${said(range)}\r\nContent-Type: ${contentType}\r\n\r\n`,
    ),
    bytes.subarray(range.start, range.end),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}

const wholeSecond = (timeMs: number): number => Math.floor(timeMs / 1000) * 1000;

const fixdate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const obsoleteDates = [
  /^[A-Z][a-z]+day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
];

/** A date of HTTP in one of its three forms; undefined where it is none. */
function readTime(text: string | undefined): number | undefined {
  if (text === undefined || ![fixdate, ...obsoleteDates].some(form => form.test(text))) return undefined;
  const timeMs = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

function takesGzip({ 'accept-encoding': accepted = '' }: IncomingHttpHeaders): boolean {
  return String(accepted)
    .split(',')
    .some(word => {
      const [name = '', ...parameters] = word.split(';').map(each => each.trim().toLowerCase());
      return name === 'gzip' && parameters.every(each => !/^q=0(\.0*)?$/.test(each));
    });
}
