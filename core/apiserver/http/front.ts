import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { randomUUID } from 'node:crypto';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { isStatusError, toStatus } from '../../machinery/status-error.js';
import type { TypeSet } from '../../machinery/schema.js';
import type { Aggregator } from '../aggregation/aggregator.js';
import type { ExtensionServer } from '../aggregation/extension-server.js';
import type { RequestAuthentication } from '../auth/authenticator.js';
import type { Authorizer, Attributes } from '../auth/authorizer.js';
import { forbiddenError } from '../auth/forbidden.js';
import type { Impersonation } from '../auth/impersonation.js';
import { selectorAttributes } from '../auth/selector-attributes.js';
import type { UserInfo } from '../auth/user-info.js';
import { addWarnings, sendError, sendPlain } from '../handlers/http-answer.js';
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
    if (!isReadable(request.url ?? '/')) return sendPlain(response, 400, '400 Bad Request');
    response.setHeader('Audit-Id', auditId(request));
    response.setHeader('Cache-Control', 'no-cache, private');
    const user = await this.#admit(request, info, response);
    const owner = info.version === '' ? false : this.#options.route(info);
    if (typeof owner !== 'boolean') {
      return this.#options.aggregator!.serve(owner, { request, response, user, isDiscovery: !info.resourceRequest });
    }
    if (owner) {
      if (this.#options.connections.handles(info)) {
        return this.#options.connections.serve({ request, response, info, caller: user });
      }
      return this.#options.resources.handle({ request, response, info, caller: user });
    }
    if (!(await this.#options.routes({ request, response, info, user }))) sendPlain(response, 404, '404 page not found\n');
  }

  /** Authenticates, impersonates and authorizes. Throws 401 and 403, whose answer carries the warnings too. */
  async #admit(request: IncomingMessage, info: RequestInfo, response?: ServerResponse): Promise<UserInfo> {
    const { authentication, impersonation, authorizer } = this.#options;
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
    const user = impersonation.impersonate(original, request.rawHeaders, attributes);
    const asked = user === original ? attributes : { ...attributes, user };
    const verdict = authorizer.authorize(asked);
    if (verdict.decision !== 'allow') throw forbiddenError(asked, verdict.reason);
    return user;
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
      if (socket.destroyed) return;
      const body = JSON.stringify(status);
      socket.end(
        `HTTP/1.1 ${status.code ?? 500} ${status.reason ?? 'Error'}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    });
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const info = parseRequest(request.method ?? 'GET', request.url ?? '/');
    const user = await this.#admit(request, info);
    const exchange = { request, info, caller: user };
    const measured = this.#options.metrics.begin(info);
    socket.once('close', () => measured.end(switchedProtocols));
    const owner = this.#options.route(info);
    if (typeof owner !== 'boolean') await this.#options.aggregator!.upgrade(owner, { request, user }, socket, head);
    else if (info.verb === 'watch') await this.#options.resources.watchOverSocket(exchange, socket, head);
    else await this.#options.connections.upgrade(exchange, socket, head);
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

function auditId(request: IncomingMessage): string {
  const given = request.headers['audit-id'];
  return typeof given === 'string' && given.length <= 64 && /^[\x21-\x7e]+$/.test(given) ? given : randomUUID();
}
