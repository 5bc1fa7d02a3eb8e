import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { randomUUID } from 'node:crypto';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { badRequest, isStatusError, toStatus } from '../../machinery/status-error.js';
import { parseDuration } from '../../machinery/time.js';
import type { TypeSet } from '../../machinery/schema.js';
import type { Aggregator } from '../aggregation/aggregator.js';
import type { ExtensionServer } from '../aggregation/extension-server.js';
import type { RequestAuthentication } from '../auth/authenticator.js';
import type { Authorizer, Attributes } from '../auth/authorizer.js';
import { forbiddenError } from '../auth/forbidden.js';
import type { Impersonation } from '../auth/impersonation.js';
import { selectorAttributes } from '../auth/selector-attributes.js';
import type { UserInfo } from '../auth/user-info.js';
import type { Passage, RequestLimiter } from '../flowcontrol/request-limiter.js';
import { isStream, tooManyRequestsText } from '../flowcontrol/request-limiter.js';
import { addWarnings, isClosed, sendError, sendPlain } from '../handlers/http-answer.js';
import type { RequestInfo } from '../handlers/request-info.js';
import { isReadable, parseRequest } from '../handlers/request-info.js';
import type { ResourceHandler } from '../handlers/resource-handler.js';
import type { ConnectHandler } from '../handlers/connect-handler.js';
import { isWebSocket } from '../connect/one-way-socket.js';
import type { RequestMetrics } from './request-metrics.js';
import { clientCertificates } from './listener.js';

export interface FrontOptions {
  readonly authentication: RequestAuthentication;
  readonly impersonation: Impersonation;
  /** Absent: as many requests as come are served at once. */
  readonly limiter?: RequestLimiter | undefined;
  readonly authorizer: Authorizer;
  readonly resources: ResourceHandler;
  readonly connections: ConnectHandler;
  /** Who serves a version of a group: an extension server, resources of this server, or neither. */
  readonly route: (info: RequestInfo) => ExtensionServer | boolean;
  readonly aggregator: Aggregator | undefined;
  /** Everything that is no resource: health, version, discovery, OpenAPI, plugins' routes. False: it knows no such path. */
  readonly routes: (exchange: RouteExchange) => Promise<boolean> | boolean;
  readonly logger: Logger;
  readonly metrics: RequestMetrics;
  /** With the type of Status. */
  readonly types: TypeSet;
}

export interface RouteExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly info: RequestInfo;
  readonly user: UserInfo;
}

const switchedProtocols = 101;
/** Of refusals, which name what a client sent. */
const noSniffing = ['X-Content-Type-Options', 'nosniff'] as const;

/** Throws 400. Requests that last as long as their client wants may say what they like. */
function checkTimeout(info: RequestInfo): void {
  const timeout = info.verb === 'watch' || isStream(info) ? null : info.query.get('timeout');
  if (!timeout) return;
  try {
    parseDuration(timeout);
  } catch (error) {
    throw badRequest(`invalid timeout specified in the request URL - ${errorText(error)}`, error);
  }
}

/** The way of every request up to its handler: who, may they, and an answer whatever happens. */
export class Front {
  readonly #options: FrontOptions;

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined);
    const info = parseRequest(request.method ?? 'GET', request.url ?? '/');
    const measured = this.#options.metrics.begin(info);
    response.once('close', () => measured.end(response.statusCode));
    this.#serve(request, response, info).catch((error: unknown) => this.#failed(request, response, error));
  }

  async #serve(request: IncomingMessage, response: ServerResponse, info: RequestInfo): Promise<void> {
    if (!isReadable(request.url ?? '/')) {
      response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end('400 Bad Request');
      return;
    }
    response.setHeader('Audit-Id', auditId(request));
    response.setHeader('Cache-Control', 'no-cache, private');
    checkTimeout(info);
    const asked = await this.#identify(request, info, response);
    const passage = this.#options.limiter?.enter(info, asked);
    const watched = passage && info.verb === 'watch' ? countWhileOpen(passage, response) : undefined;
    if (passage?.mustWait) await passage.wait(response);
    if (passage?.classification) classify(response, passage.classification);
    if (passage?.retryAfterSeconds !== undefined) return turnAway(request, response, passage.retryAfterSeconds);
    try {
      // Nobody wants it any more, and its handler would wait in vain to be told so.
      if (isClosed(response)) return;
      this.#authorize(asked, response);
      const { user } = asked;
      const owner = info.version === '' ? false : this.#options.route(info);
      // Not given on: what was let in is not out before its answer is. But a watch is the other server's to count.
      if (typeof owner !== 'boolean') {
        watched?.onOpened();
        await this.#options.aggregator!.serve(owner, { request, response, user, isDiscovery: !info.resourceRequest });
      } else if (owner) {
        const exchange = { request, response, info, caller: user, onOpened: watched?.onOpened };
        if (this.#options.connections.handles(info)) await this.#options.connections.serve(exchange);
        else await this.#options.resources.handle(exchange);
      } else if (!(await this.#options.routes({ request, response, info, user })))
        sendPlain(response, 404, '404 page not found\n');
    } finally {
      passage?.end();
      watched?.onServed();
    }
  }

  /** Authenticates and impersonates. Throws 401 and 403, whose answer carries the warnings too. */
  async #identify(request: IncomingMessage, info: RequestInfo, response?: ServerResponse): Promise<Attributes> {
    const { authentication, impersonation } = this.#options;
    const pending = authentication.authenticate({
      path: info.path,
      authorization: request.headers.authorization,
      rawHeaders: request.rawHeaders,
      clientCertificates: clientCertificates(request),
    });
    const { user: original, warnings } = pending instanceof Promise ? await pending : pending;
    if (warnings && response) addWarnings(response, warnings);
    const attributes: Attributes = {
      user: original,
      verb: info.verb,
      group: info.group,
      version: info.version,
      resource: info.resource,
      subresource: info.subresource,
      namespace: info.namespace,
      ...selectorAttributes(info.verb, info.name, info.query),
      path: info.path,
      resourceRequest: info.resourceRequest,
    };
    try {
      const user = impersonation.impersonate(original, request.rawHeaders, attributes);
      return user === original ? attributes : { ...attributes, user };
    } catch (error) {
      if (isStatusError(error, 'Forbidden')) response?.setHeader(...noSniffing);
      throw error;
    }
  }

  #authorize(asked: Attributes, response?: ServerResponse): void {
    const verdict = this.#options.authorizer.authorize(asked);
    if (verdict.decision === 'allow') return;
    response?.setHeader(...noSniffing);
    throw forbiddenError(asked, verdict.reason);
  }

  /** Whether an upgrade that is asked for leads somewhere; otherwise the request is answered as if it had not been. */
  upgrades(request: IncomingMessage): boolean {
    const info = parseRequest(request.method ?? 'GET', request.url ?? '/');
    if (info.version !== '' && typeof this.#options.route(info) !== 'boolean') return true;
    if (!info.resourceRequest) return false;
    return this.#options.connections.handles(info) || (info.verb === 'watch' && isWebSocket(request));
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    this.#upgrade(request, socket, head).catch((error: unknown) => {
      const status = toStatus(error);
      if (!isStatusError(error)) this.#log(request, error);
      endSocket(
        socket,
        `${status.code ?? 500} ${status.reason ?? 'Error'}`,
        ['Content-Type: application/json'],
        JSON.stringify(status),
      );
    });
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const info = parseRequest(request.method ?? 'GET', request.url ?? '/');
    const asked = await this.#identify(request, info);
    const passage = this.#options.limiter?.enter(info, asked);
    const watched = passage && info.verb === 'watch' ? countWhileOpen(passage, socket) : undefined;
    if (passage?.mustWait) await passage.wait(socket);
    if (passage?.retryAfterSeconds !== undefined) {
      const headers = ['Content-Type: text/plain; charset=utf-8', `Retry-After: ${passage.retryAfterSeconds}`];
      return endSocket(socket, '429 Too Many Requests', headers, tooManyRequestsText);
    }
    try {
      if (isClosed(socket)) return;
      this.#authorize(asked);
      const { user } = asked;
      const exchange = { request, info, caller: user, onOpened: watched?.onOpened };
      const measured = this.#options.metrics.begin(info);
      socket.once('close', () => measured.end(switchedProtocols));
      const owner = this.#options.route(info);
      if (typeof owner !== 'boolean') {
        watched?.onOpened();
        await this.#options.aggregator!.upgrade(owner, { request, user }, socket, head);
      } else if (info.verb === 'watch') await this.#options.resources.watchOverSocket(exchange, socket, head);
      else await this.#options.connections.upgrade(exchange, socket, head);
    } finally {
      passage?.end();
      watched?.onServed();
    }
  }

  #failed(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (!isStatusError(error)) this.#log(request, error);
    // The rest of a body that nobody reads must not hold up the connection.
    if (!request.complete) request.resume();
    sendError(request, response, error, this.#options.types).catch(() => response.destroy());
  }

  #log(request: IncomingMessage, error: unknown): void {
    this.#options.logger.error('a request failed by a fault of ours', {
      method: request.method,
      path: (request.url ?? '').split('?')[0],
      error: errorText(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
  }
}

/**
 * A watch is let in until it is open, and counted until its connection is over, whatever becomes of it: also one that is refused,
 * or whose client leaves while it waits.
 */
function countWhileOpen(
  passage: Passage,
  connection: ServerResponse | Duplex,
): { readonly onOpened: () => void; readonly onServed: () => void } {
  connection.once('close', () => passage.close());
  return {
    onOpened: () => passage.end(),
    // A client that left before the listener was there tells nobody any more.
    onServed: () => void (isClosed(connection) && passage.close()),
  };
}

/** Uids, so that names do not tell who is served first. */
function classify(response: ServerResponse, { flowSchemaUid, priorityLevelUid }: NonNullable<Passage['classification']>): void {
  response.setHeader('X-Kubernetes-PF-FlowSchema-UID', flowSchemaUid);
  response.setHeader('X-Kubernetes-PF-PriorityLevel-UID', priorityLevelUid);
}

function turnAway(request: IncomingMessage, response: ServerResponse, retryAfterSeconds: number): void {
  if (!request.complete) request.resume();
  response.setHeader('Retry-After', String(retryAfterSeconds));
  sendPlain(response, 429, tooManyRequestsText);
}

function endSocket(socket: Duplex, status: string, headers: readonly string[], body: string): void {
  if (socket.destroyed) return;
  const head = [`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close'];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function auditId(request: IncomingMessage): string {
  const given = request.headers['audit-id'];
  return typeof given === 'string' && given.length <= 64 && /^[\x21-\x7e]+$/.test(given) ? given : randomUUID();
}
