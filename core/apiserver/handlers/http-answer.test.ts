import { afterEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect, createServer as createSecondServer } from 'node:http2';
import type { ClientHttp2Session, Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { isClosed, sendEncoded } from './http-answer.js';

/** More than any socket holds, and nothing that could be compressed. */
const parts = Array.from({ length: 24 }, () => randomBytes(1024 * 1024));
const answer = { contentType: 'application/json', parts };
type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

describe('a long answer whose client leaves comes to an end', () => {
  let server: Server | Http2Server | undefined;
  let session: ClientHttp2Session | undefined;
  afterEach(async () => {
    session?.destroy();
    session = undefined;
    server!.close();
    await once(server!, 'close');
  });

  /** Resolves with what the handler resolves when `leave` was called by the client as soon as `begun` said so. */
  async function serve(version: 1 | 2, headers: Record<string, string>, handler: Handler, at: 'data' | 'sent'): Promise<void> {
    const handled = Promise.withResolvers<void>();
    const listener = (request: unknown, response: unknown): void => {
      (response as ServerResponse).on('error', () => undefined);
      handler(request as IncomingMessage, response as ServerResponse).then(handled.resolve, handled.reject);
    };
    server = version === 1 ? createServer(listener) : createSecondServer(listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    if (version === 2) {
      session = connect(url);
      const request = session.request({ ':path': '/', ...headers });
      request.on('error', () => undefined);
      if (at === 'sent') server.once('stream', () => request.close(8));
      else request.once('data', () => request.close(8));
    } else {
      const request = get(url, { headers });
      request.on('error', () => undefined);
      if (at === 'sent') server.once('request', () => request.destroy());
      else request.once('response', (response: IncomingMessage) => response.once('data', () => response.destroy()));
    }
    await handled.promise;
  }
  const whole: Handler = (request, response) => sendEncoded(request, response, 200, answer);
  const late: Handler = async (request, response) => {
    await once(response, 'close');
    expect(isClosed(response)).toBe(true);
    await sendEncoded(request, response, 200, answer);
  };

  for (const version of [1, 2] as const) {
    for (const headers of [{}, { 'accept-encoding': 'gzip' }]) {
      const how = `HTTP/${version}${'accept-encoding' in headers ? ', compressed' : ''}`;
      it(`in the middle of it (${how})`, () => serve(version, headers as Record<string, string>, whole, 'data'));
      it(`before it begins (${how})`, () => serve(version, headers as Record<string, string>, late, 'sent'));
    }
  }
});
