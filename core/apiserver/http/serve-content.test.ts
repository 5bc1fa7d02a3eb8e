import { createServer, request } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readRanges, serveContent } from './serve-content.js';

const text = 'abcdefghij'.repeat(200);
const modifiedMs = Date.UTC(2026, 0, 2, 3, 4, 5, 600);
const modified = 'Fri, 02 Jan 2026 03:04:05 GMT';

interface Answered {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

describe('content that is there as a whole', () => {
  let server: Server;
  let isMadeAnew = false;

  beforeAll(async () => {
    server = createServer(
      (asked, response) =>
        void serveContent(asked, response, {
          bytes: Buffer.from(text),
          contentType: 'text/plain',
          etag: '"E"',
          modifiedMs,
          compressed: true,
          isMadeAnew,
        }),
    );
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(() => new Promise(resolve => server.close(resolve)));

  function ask(headers: Record<string, string> = {}, method = 'GET'): Promise<Answered> {
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port, method, headers, agent: false }, response => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ code: response.statusCode!, headers: response.headers, bytes: Buffer.concat(chunks) }),
        );
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  it('comes with its tag, its time, and that parts of it may be asked for', async () => {
    const { code, headers, bytes } = await ask();
    expect(code).toBe(200);
    expect(headers).toMatchObject({ etag: '"E"', 'last-modified': modified, 'accept-ranges': 'bytes', 'content-length': '2000' });
    expect(bytes.toString()).toBe(text);
  });

  it('is only described to HEAD', async () => {
    expect(await ask({ range: 'bytes=0-4' }, 'HEAD')).toMatchObject({
      code: 206,
      headers: { 'content-length': '5', 'content-range': 'bytes 0-4/2000' },
      bytes: Buffer.alloc(0),
    });
  });

  it('comes in parts', async () => {
    expect(await ask({ range: 'bytes=-3' })).toMatchObject({
      code: 206,
      headers: { 'content-range': 'bytes 1997-1999/2000' },
      bytes: Buffer.from('hij'),
    });
    const several = await ask({ range: 'bytes=0-2,1995-' });
    const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(several.headers['content-type']!)![1]!;
    expect(several.bytes.toString().split(`--${boundary}`)).toEqual([
      '',
      '\r\nContent-Range: bytes 0-2/2000\r\nContent-Type: text/plain\r\n\r\nabc\r\n',
      '\r\nContent-Range: bytes 1995-1999/2000\r\nContent-Type: text/plain\r\n\r\nfghij\r\n',
      '--\r\n',
    ]);
  });

  it('is compressed for who takes that, when it is large', async () => {
    const large = await ask({ 'accept-encoding': 'br, gzip;q=0.5' });
    expect(large.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(large.bytes).toString()).toBe(text);
    const refused = await ask({ 'accept-encoding': 'gzip;q=0.0' });
    const small = await ask({ 'accept-encoding': 'gzip', range: 'bytes=0-9' });
    for (const { headers } of [refused, small]) expect(headers['content-encoding']).toBeUndefined();
  });

  it('is not where no part of it was asked for', async () => {
    const { code, headers, bytes } = await ask({ range: 'bytes=2000-' });
    expect(code).toBe(416);
    expect(headers).toMatchObject({ 'content-range': 'bytes */2000', 'x-content-type-options': 'nosniff' });
    expect(headers.etag).toBeUndefined();
    expect(bytes.toString()).toBe('invalid range: failed to overlap\n');
  });

  it('made anew is sent to who has one of the same second', async () => {
    isMadeAnew = true;
    expect((await ask({ 'if-modified-since': modified })).code).toBe(200);
    expect((await ask({ 'if-modified-since': 'Fri, 02 Jan 2026 03:04:06 GMT' })).code).toBe(304);
    isMadeAnew = false;
  });

  it.each<[number, Record<string, string>, string]>([
    [304, { 'if-none-match': '"E"' }, 'GET'],
    [304, { 'if-none-match': '"D" , W/"E"' }, 'GET'],
    [200, { 'if-none-match': '"D"', 'if-modified-since': modified }, 'GET'],
    [200, { 'if-none-match': 'D, "E"' }, 'GET'],
    [412, { 'if-none-match': '*' }, 'POST'],
    [304, { 'if-modified-since': modified }, 'GET'],
    [304, { 'if-modified-since': 'Friday, 02-Jan-26 03:04:05 GMT' }, 'GET'],
    [304, { 'if-modified-since': 'Fri Jan  2 03:04:05 2026' }, 'GET'],
    [200, { 'if-modified-since': 'Fri, 02 Jan 2026 03:04:04 GMT' }, 'GET'],
    [200, { 'if-modified-since': 'Fri, 99 Jan 2026 03:04:04 GMT' }, 'GET'],
    [200, { 'if-modified-since': modified }, 'POST'],
    [200, { 'if-match': '"D", "E"' }, 'GET'],
    [412, { 'if-match': 'W/"E"' }, 'GET'],
    [412, { 'if-match': '"D"' }, 'GET'],
    [200, { 'if-unmodified-since': modified }, 'GET'],
    [412, { 'if-unmodified-since': 'Fri, 02 Jan 2026 03:04:04 GMT' }, 'GET'],
    [206, { 'if-range': '"E"', range: 'bytes=0-1' }, 'GET'],
    [206, { 'if-range': modified, range: 'bytes=0-1' }, 'GET'],
    [200, { 'if-range': '"D"', range: 'bytes=0-1' }, 'GET'],
    [200, { 'if-range': 'yesterday', range: 'bytes=0-1' }, 'GET'],
  ])('is answered %i to %j of %s', async (code, headers, method) => {
    expect((await ask(headers, method)).code).toBe(code);
  });
});

describe('ranges', () => {
  it.each<[string, ReturnType<typeof readRanges>]>([
    ['', []],
    ['bytes=', []],
    ['bytes=0-4', [{ start: 0, end: 5 }]],
    ['bytes= 1 - +3 ,,', [{ start: 1, end: 4 }]],
    ['bytes=-50', [{ start: 0, end: 10 }]],
    ['bytes=4-,20-', [{ start: 4, end: 10 }]],
    ['bytes=0-,0-1', []],
    ['bytes=10-', 'invalid range: failed to overlap'],
    ...['lines=1', 'bytes=1', 'bytes=a-', 'bytes=3-2', 'bytes=1-b', 'bytes=--1', 'bytes=-', 'bytes=9223372036854775808-'].map(
      (header): [string, string] => [header, 'invalid range'],
    ),
  ])('%j of ten bytes', (header, ranges) => {
    expect(readRanges(header, 10)).toEqual(ranges);
  });

  it('of nothing are all of it', () => {
    expect(readRanges('bytes=0-', 0)).toEqual([]);
  });
});
