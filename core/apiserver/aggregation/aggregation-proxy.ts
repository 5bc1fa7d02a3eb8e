import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../../base/clock.js';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { DialTarget } from '../../contracts/cluster-dialer.js';
import type { UserInfo } from '../auth/user-info.js';
import { endToEndHeaders, splice, upgradeHead } from '../connect/forward.js';
import { goTransportError } from '../connect/go-transport-errors.js';
import { sendPlain } from '../handlers/http-answer.js';
import type { ExtensionServer } from './extension-server.js';
import { authority } from './extension-server.js';
import { isIdentity, userHeaders } from './proxy-headers.js';

export interface ProxyExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly user: UserInfo;
  /** Discovery of one version: asked for by every client, so it gets a short time. */
  readonly isDiscovery: boolean;
}

const discoveryMs = 5000;
const unavailable = 'service unavailable';

/** Passes requests on to extension servers, and their answers back. Source: kube-aggregator pkg/apiserver/handler_proxy.go. */
export class AggregationProxy {
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Never rejects: what goes wrong is the answer. */
  async serve(server: ExtensionServer, exchange: ProxyExchange): Promise<void> {
    const { request, response, isDiscovery } = exchange;
    const target = this.#target(server);
    if (!target) return refuse(request, response, unavailable);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const timer = isDiscovery ? this.#clock.setTimer(discoveryMs, () => gone.abort()) : undefined;
    try {
      const answer = await this.#ask(server, target, exchange, gone.signal);
      if (answer) await passBack(answer, response);
    } finally {
      await timer?.dispose();
    }
  }

  async #ask(
    server: ExtensionServer,
    target: DialTarget,
    { request, response, user }: ProxyExchange,
    signal: AbortSignal,
  ): Promise<IncomingMessage | undefined> {
    const { method = 'GET', url = '/', headers, httpVersionMajor } = request;
    const isSaid = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
    const hasBody = isSaid || (httpVersionMajor > 1 && method !== 'GET' && method !== 'HEAD');
    try {
      return await server.request(
        {
          method,
          path: url,
          user,
          headers: forwardedHeaders(request, response, target),
          body: hasBody ? request : undefined,
          signal,
        },
        target,
      );
    } catch (error) {
      if (response.destroyed) return undefined;
      const text = signal.aborted ? 'context deadline exceeded' : goTransportError(error);
      refuse(request, response, `error trying to reach service: ${text}`);
      return undefined;
    }
  }

  /** An upgrade (exec, attach, WebSockets): the server answers it itself, and what it says reaches the client as it is. */
  async upgrade(
    server: ExtensionServer,
    { request, user }: { request: IncomingMessage; user: UserInfo },
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const target = this.#target(server);
    if (!target) return refuseUpgrade(socket, unavailable);
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    let backend: Duplex;
    try {
      backend = await server.connect(target, gone.signal);
    } catch (error) {
      if (!socket.destroyed) refuseUpgrade(socket, `error dialing backend: ${goTransportError(error)}`);
      return;
    }
    const headers = { ...forwardedHeaders(request, undefined, target), host: authority(target), ...userHeaders(user) };
    backend.write(upgradeHead(request, request.url ?? '/', headers));
    if (head.length > 0) backend.write(head);
    await splice(socket, backend);
  }

  #target(server: ExtensionServer): DialTarget | undefined {
    if (!server.isAvailable) return undefined;
    try {
      return server.locate();
    } catch (error) {
      this.#logger.warn('an extension server has no endpoint', { name: server.name, error: errorText(error) });
      return undefined;
    }
  }
}

async function passBack(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  const { statusCode = 502, headers } = answer;
  if (statusCode >= 300 && statusCode < 400 && headers.location) {
    answer.destroy();
    return sendPlain(response, 502, 'the backend attempted to redirect this request, which is not permitted');
  }
  response.writeHead(
    statusCode,
    endToEndHeaders(headers, () => false),
  );
  response.flushHeaders();
  // Once bytes are out, a broken stream can only be told by breaking the answer.
  await pipeline(answer, response).catch(() => response.destroy());
}

function refuse(request: IncomingMessage, response: ServerResponse, text: string): void {
  // The rest of a body that nobody reads must not hold up the connection.
  if (!request.complete) request.resume();
  sendPlain(response, 503, `${text}\n`);
}

function refuseUpgrade(socket: Duplex, text: string): void {
  const body = `${text}\n`;
  socket.end(
    'HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** The client's own headers, and those that say what it asked of whom. Source: apimachinery pkg/util/proxy. */
function forwardedHeaders(
  request: IncomingMessage,
  response: ServerResponse | undefined,
  target: DialTarget,
): OutgoingHttpHeaders {
  const { url = '/', headers } = request;
  const before = headers['x-forwarded-for'];
  const client = request.socket?.remoteAddress ?? '';
  const auditId = response?.getHeader('audit-id');
  return {
    ...endToEndHeaders(headers, name => name === 'expect' || isIdentity(name)),
    'x-forwarded-for': before === undefined ? client : `${String(before)}, ${client}`,
    'x-forwarded-host': authority(target),
    'x-forwarded-proto': 'https',
    'x-forwarded-uri': url.split('?')[0]!,
    ...(auditId === undefined ? {} : { 'audit-id': auditId }),
  };
}
