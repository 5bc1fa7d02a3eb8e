import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { request as httpRequest } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorCode } from '../../../../core/plugin-api/dataplane.js';
import type { Backend, Backends, Endpoint } from './backends.js';
import { EndpointFailures } from './endpoint-failures.js';
import { plainAddress, requestHeaders, responseHeaders } from './headers.js';
import type { ClientFacts } from './headers.js';
import { forwardHttp2 } from './proxy-http2.js';
import { connectTimeoutMs } from './pools.js';
import type { Pools } from './pools.js';
import { normalizePath } from './route-table.js';
import type { RouteTable } from './route-table.js';
import type { EntryPoint } from './state.js';
import { addStickyCookie, newStickyCookie, stickyIndex } from './sticky.js';

export type ServerRequest = IncomingMessage | Http2ServerRequest;
export type ServerAnswer = ServerResponse | Http2ServerResponse;

export interface ProxyOptions {
  readonly backends: Backends;
  readonly pools: Pools;
  routes(): RouteTable;
  log(level: 'warn' | 'debug', message: string, fields?: Readonly<Record<string, unknown>>): void;
  readonly connectTimeoutMs?: number;
}

export interface Forwarding {
  readonly request: ServerRequest;
  readonly answer: ServerAnswer;
  readonly backend: Backend;
  /** In the order in which they are tried. */
  readonly endpoints: readonly Endpoint[];
  readonly path: string;
  readonly facts: ClientFacts;
}

interface Destination {
  readonly backend: Backend;
  readonly endpoints: readonly Endpoint[];
  readonly path: string;
  readonly facts: ClientFacts;
}

const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Takes requests to endpoints and their answers back, as streams: nothing is held longer than the slower side needs. */
export class Proxy {
  readonly #options: ProxyOptions;
  readonly #failures: EndpointFailures;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#failures = new EndpointFailures(options.log);
  }

  /** A request that is not an upgrade. Never throws. */
  handle(request: ServerRequest, answer: ServerAnswer, entryPoint: EntryPoint): void {
    const destination = this.#destination(request, entryPoint);
    if (typeof destination === 'number') return refuse(answer, destination);
    const forwarding = { request, answer, ...destination };
    // gRPC is HTTP/2 from end to end; all else is answered by either.
    const { scheme } = destination.backend;
    if (scheme === 'h2c' || (scheme === 'https' && isGrpc(request)))
      forwardHttp2(forwarding, this.#options.pools, this.#failures);
    else this.#forward(forwarding, 0);
  }

  /** An upgrade, WebSocket above all: after the endpoint has agreed, bytes go both ways untouched. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, entryPoint: EntryPoint): void {
    socket.on('error', () => socket.destroy());
    const destination = this.#destination(request, entryPoint, request.headers.upgrade?.toLowerCase() === 'websocket');
    if (typeof destination === 'number') return refuseSocket(socket, destination);
    this.#upgrade(request, { socket, head, destination }, 0);
  }

  /** Where to, or the status of a refusal. */
  #destination(request: ServerRequest, entryPoint: EntryPoint, isWebSocket = false): Destination | number {
    const url = request.url ?? '/';
    const host = request.headers[':authority'] ?? request.headers.host;
    if (typeof host !== 'string' || host === '') return 400;
    const queryAt = url.indexOf('?');
    // A request to a proxy names the whole URL; its path is what counts here.
    const given = queryAt < 0 ? url : url.slice(0, queryAt);
    const path = normalizePath(given);
    if (path === undefined) return 400;
    const target = this.#options.routes().match(entryPoint, host, path);
    if (!target) return 404;
    const { backends } = this.#options;
    const backend = backends.resolve(target.namespace, target.backend);
    if (!backend || backend.endpoints.length === 0) return 503;
    const kept = stickyIndex(backend, request.headers.cookie);
    const first = kept ?? backends.firstIndex(backend) % backend.endpoints.length;
    const endpoints = first === 0 ? backend.endpoints : [...backend.endpoints.slice(first), ...backend.endpoints.slice(0, first)];
    const facts: ClientFacts = {
      address: plainAddress(request.socket?.remoteAddress),
      host,
      isSecure: entryPoint === 'websecure',
      isWebSocket,
    };
    return { backend, endpoints, path: queryAt < 0 ? path : path + url.slice(queryAt), facts };
  }

  #forward(forwarding: Forwarding, attempt: number, isFresh = false): void {
    const { request, answer, backend, endpoints, facts, path } = forwarding;
    const endpoint = endpoints[attempt]!;
    const hasBody = bodyFollows(request);
    const outgoing = this.#request(backend, endpoint, {
      method: request.method ?? 'GET',
      path,
      headers: bodyHeaders(requestHeaders(request.headers, facts), request),
      isFresh,
    });
    let connected = false;
    let answered = false;
    let givenUp = false;
    const timer = this.#onConnect(outgoing, () => {
      connected = true;
      if (!hasBody) return;
      // A body without a length may be long in coming; the endpoint may answer before it does.
      if (request.headers['content-length'] === undefined) outgoing.flushHeaders();
      request.pipe(outgoing);
    });
    if (!hasBody) outgoing.end();
    const onClientGone = (): void => {
      if (answer.writableFinished) return;
      givenUp = true;
      outgoing.destroy();
    };
    answer.once('close', onClientGone);
    outgoing.on('response', incoming => {
      answered = true;
      const headers = addStickyCookie(responseHeaders(incoming.headers), backend.sticky, endpoint, request.headers.cookie);
      relay(incoming, answer, headers, request.httpVersionMajor === 2);
    });
    outgoing.on('error', error => {
      clearTimeout(timer());
      answer.removeListener('close', onClientGone);
      if (givenUp) return;
      if (answered) return void answer.destroy();
      if (hasBody) request.unpipe(outgoing);
      if (!connected && attempt + 1 < endpoints.length) return this.#forward(forwarding, attempt + 1);
      // The endpoint closed a kept connection at the moment we took it up again.
      const wasKept = outgoing.reusedSocket && errorCode(error) === 'ECONNRESET' && !isFresh;
      if (wasKept && !hasBody && idempotent.has(request.method ?? '')) return this.#forward(forwarding, attempt, true);
      this.#failures.tell(endpoint, error);
      refuse(answer, errorCode(error) === 'CONNECT_TIMEOUT' ? 504 : 502);
    });
  }

  #upgrade(
    request: IncomingMessage,
    client: { readonly socket: Duplex; readonly head: Buffer; readonly destination: Destination },
    attempt: number,
  ): void {
    const { socket, head, destination } = client;
    const { backend, endpoints, path, facts } = destination;
    const headers = requestHeaders(request.headers, facts);
    headers['connection'] = 'Upgrade';
    headers['upgrade'] = request.headers.upgrade;
    const outgoing = this.#request(backend, endpoints[attempt]!, {
      method: request.method ?? 'GET',
      path,
      headers,
      isFresh: true,
    });
    let connected = false;
    const timer = this.#onConnect(outgoing, () => (connected = true));
    outgoing.end();
    const onClientGone = (): void => void outgoing.destroy();
    socket.once('close', onClientGone);
    outgoing.on('upgrade', (incoming: IncomingMessage, upstream: Socket, upstreamHead: Buffer) => {
      const cookie = backend.sticky && newStickyCookie(backend.sticky, endpoints[attempt]!, request.headers.cookie);
      const sticky = cookie === undefined ? '' : `Set-Cookie: ${cookie}\r\n`;
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${rawHeaders(incoming)}${sticky}\r\n`);
      if (upstreamHead.length > 0) socket.write(upstreamHead);
      if (head.length > 0) upstream.write(head);
      for (const one of [socket, upstream] as Socket[]) {
        one.setTimeout?.(0);
        one.setNoDelay?.(true);
        one.on('error', () => one.destroy());
      }
      socket.pipe(upstream).pipe(socket);
      upstream.once('close', () => socket.destroy());
      socket.once('close', () => upstream.destroy());
    });
    outgoing.on('response', incoming => {
      // No upgrade: the answer is passed on, and the connection ends with it.
      const { statusCode = 502, statusMessage = '' } = incoming;
      const kept = rawHeaders(incoming, new Set(['connection', 'keep-alive', 'transfer-encoding']));
      socket.write(`HTTP/1.1 ${statusCode} ${statusMessage}\r\n${kept}Connection: close\r\n\r\n`);
      incoming.pipe(socket);
    });
    outgoing.on('error', () => {
      clearTimeout(timer());
      socket.removeListener('close', onClientGone);
      if (!connected && attempt + 1 < endpoints.length && !socket.destroyed) return this.#upgrade(request, client, attempt + 1);
      refuseSocket(socket, 502);
    });
  }

  #request(
    { scheme }: Backend,
    { address, port }: Endpoint,
    how: { method: string; path: string; headers: NodeJS.Dict<number | string | string[]>; isFresh: boolean },
  ): ClientRequest {
    const { pools } = this.#options;
    const isTls = scheme === 'https';
    const { isFresh, ...rest } = how;
    return (isTls ? httpsRequest : httpRequest)({
      ...rest,
      host: address,
      port,
      setHost: false,
      agent: isFresh ? false : isTls ? pools.https : pools.http,
      ...(isTls && pools.tlsOptions),
    });
  }

  /** Calls once when there is a connection; without one in time the request fails. Gives the timer to be cleared. */
  #onConnect(outgoing: ClientRequest, connected: () => void): () => NodeJS.Timeout | undefined {
    let timer: NodeJS.Timeout | undefined;
    outgoing.once('socket', socket => {
      if (!socket.connecting) return connected();
      const limitMs = this.#options.connectTimeoutMs ?? connectTimeoutMs;
      timer = setTimeout(() => {
        outgoing.destroy(Object.assign(new Error(`no connection in ${limitMs} ms`), { code: 'CONNECT_TIMEOUT' }));
      }, limitMs);
      socket.once('connect', () => {
        clearTimeout(timer);
        connected();
      });
    });
    return () => timer;
  }
}

function relay(incoming: IncomingMessage, answer: ServerAnswer, headers: OutgoingHttpHeaders, isHttp2: boolean): void {
  const { statusCode = 502 } = incoming;
  const one = answer as ServerResponse;
  if (isHttp2) one.writeHead(statusCode, headers);
  else one.writeHead(statusCode, incoming.statusMessage, headers);
  // A stream without a length may be silent for long after its headers.
  if (headers['content-length'] === undefined) one.flushHeaders();
  incoming.on('error', () => answer.destroy());
  incoming.on('aborted', () => answer.destroy());
  incoming.on('end', () => {
    if (Object.keys(incoming.trailers).length > 0) one.addTrailers(incoming.trailers as NodeJS.Dict<string>);
  });
  incoming.pipe(one);
}

/** gRPC needs HTTP/2 on its whole way; what else there is gets along without. */
function isGrpc(request: ServerRequest): boolean {
  return request.httpVersionMajor === 2 && (request.headers['content-type'] ?? '').startsWith('application/grpc');
}

/** Whether a body follows the headers, be it empty. */
export function bodyFollows(request: ServerRequest): boolean {
  if (request.httpVersionMajor === 2) return !(request as Http2ServerRequest).stream.endAfterHeaders;
  const { headers } = request;
  return (
    headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0')
  );
}

/** A request without a length of its own goes on in chunks; one that is empty says so where the client did. */
function bodyHeaders(
  headers: NodeJS.Dict<number | string | string[]>,
  request: ServerRequest,
): NodeJS.Dict<number | string | string[]> {
  if (bodyFollows(request) && headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked';
  return headers;
}

const refusals: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: '404 page not found\n',
  502: 'Bad Gateway',
  503: 'no available server\n',
  504: 'Gateway Timeout',
};

/** As Traefik words it. */
export function refuse(answer: ServerAnswer, status: number): void {
  const one = answer as ServerResponse;
  if (one.headersSent || one.destroyed) return void one.destroy();
  const text = refusals[status] ?? '';
  one.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(text),
  });
  one.end(text);
}

function refuseSocket(socket: Duplex, status: number): void {
  if (socket.destroyed) return;
  const text = refusals[status] ?? '';
  const type = 'Content-Type: text/plain; charset=utf-8';
  socket.end(
    `HTTP/1.1 ${status} ${text.trim()}\r\n${type}\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
  );
}

function rawHeaders({ rawHeaders: raw }: IncomingMessage, without?: ReadonlySet<string>): string {
  let text = '';
  for (let at = 0; at < raw.length; at += 2) {
    if (!without?.has(raw[at]!.toLowerCase())) text += `${raw[at]}: ${raw[at + 1]}\r\n`;
  }
  return text;
}
