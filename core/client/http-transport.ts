import { jsonText, parseOwnJson } from '../machinery/codec/json-text.js';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { SystemClock, sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import { abortReason, errorCode } from '../base/errors.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type {
  ApiTransport,
  DeleteRequest,
  ListRequest,
  ListResult,
  ObjectRequest,
  PatchRequest,
  PatchType,
  ResourceRequest,
  WatchEvent,
  WatchRequest,
  WriteRequest,
} from '../contracts/api-transport.js';
import type { RestCall, RestExchange } from '../contracts/rest-exchange.js';
import { deepFreeze } from '../machinery/object.js';
import type { KubeObject, ListMeta } from '../machinery/object.js';
import { isStatusError, StatusError } from '../machinery/status-error.js';
import type { Status } from '../machinery/status-error.js';
import { entryOf, withTypeMeta } from './entries.js';
import { lines } from './lines.js';

export interface HttpCredentials {
  /** `https://host:6443`, with a path prefix where a proxy asks for one. */
  readonly server: string;
  readonly certificateAuthority?: Buffer | string | undefined;
  readonly certificate?: Buffer | string | undefined;
  readonly key?: Buffer | string | undefined;
  readonly token?: string;
  readonly basic?: { readonly username: string; readonly password: string };
  readonly serverName?: string;
  readonly insecureSkipVerify?: boolean;
}

export interface HttpTransportOptions {
  readonly credentials: HttpCredentials;
  readonly clock?: Clock;
  /** A request (not a watch) without an answer for this long fails; 60 s when absent. */
  readonly timeoutMs?: number;
}

const patchTypes: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/** Answers that ask to come back later are obeyed this often, as client-go does. */
const maximumRetries = 10;
const longestWatchSeconds = 3600;
const initialEventsEnd = 'k8s.io/initial-events-end';
/** A server closes idle connections; a request that finds its kept connection closed was never seen and may be sent again. */
export const staleConnectionCodes = new Set(['ECONNRESET', 'EPIPE']);

export interface RestTransportOptions {
  readonly exchange: RestExchange;
  readonly clock?: Clock;
}

/** ApiTransport as requests of HTTP with JSON, over whatever carries them. */
export class RestTransport implements ApiTransport {
  readonly #exchange: RestExchange;
  readonly #clock: Clock;

  constructor({ exchange, clock = new SystemClock() }: RestTransportOptions) {
    this.#exchange = exchange;
    this.#clock = clock;
  }

  get<T>(request: ObjectRequest<T>): Promise<T> {
    const query = { ...request.parameters, resourceVersion: request.resourceVersion };
    return this.#json<T>(request, { method: 'GET', name: request.name, query });
  }

  async list<T>(request: ListRequest<T>): Promise<ListResult<T>> {
    const list = await this.#json<{ metadata: ListMeta; items: T[] | null }>(request, {
      method: 'GET',
      query: listQuery(request),
    });
    return {
      resourceVersion: list.metadata.resourceVersion ?? '',
      ...(list.metadata.continue ? { continue: list.metadata.continue } : {}),
      ...(list.metadata.remainingItemCount ? { remainingItemCount: list.metadata.remainingItemCount } : {}),
      entries: (list.items ?? []).map(item => entryOf(deepFreeze(withTypeMeta(item, request.resource)))),
    };
  }

  async *watch<T>(request: WatchRequest<T>): AsyncGenerator<WatchEvent<T>> {
    const query = {
      ...listQuery(request),
      watch: 'true',
      allowWatchBookmarks: request.allowWatchBookmarks || request.sendInitialEvents ? 'true' : undefined,
      sendInitialEvents: request.sendInitialEvents ? 'true' : undefined,
      timeoutSeconds: request.timeoutSeconds,
    };
    // A server ends the watch by itself; a connection that outlives that is dead though nobody said so.
    const quietMs = ((request.timeoutSeconds ?? longestWatchSeconds) + 30) * 1000;
    let response: IncomingMessage;
    try {
      response = await this.#send(request, { method: 'GET', query, quietMs });
    } catch (error) {
      if (request.signal?.aborted) return;
      throw error;
    }
    try {
      for await (const line of lines(response)) {
        const event = parseOwnJson(line) as { type: string; object: KubeObject | Status };
        if (event.type === 'ERROR') throw StatusError.from(event.object as Status);
        const object = event.object as KubeObject;
        if (event.type === 'BOOKMARK') {
          const ends = object.metadata.annotations?.[initialEventsEnd] === 'true';
          const resourceVersion = object.metadata.resourceVersion ?? '';
          yield { type: 'BOOKMARK', resourceVersion, ...(ends ? { initialEventsEnd: true } : {}) };
        } else yield { type: event.type as 'ADDED', entry: entryOf(deepFreeze(object as T)) };
      }
    } catch (error) {
      if (!request.signal?.aborted) throw error;
    } finally {
      response.destroy();
    }
  }

  create<T>(request: WriteRequest<T>): Promise<T> {
    const name = request.subresource ? request.name : undefined;
    return this.#json<T>(request, { method: 'POST', name, query: writeQuery(request), body: request.object });
  }

  update<T>(request: WriteRequest<T> & { name: string }): Promise<T> {
    return this.#json<T>(request, { method: 'PUT', name: request.name, query: writeQuery(request), body: request.object });
  }

  patch<T>(request: PatchRequest<T>): Promise<T> {
    const query = { ...writeQuery(request), force: request.force ? 'true' : undefined };
    const contentType = patchTypes[request.type];
    return this.#json<T>(request, { method: 'PATCH', name: request.name, query, body: request.patch, contentType });
  }

  async delete<T>(request: DeleteRequest<T>): Promise<T | undefined> {
    const answer = await this.#json<T | Status>(request, {
      method: 'DELETE',
      name: request.name,
      query: { dryRun: request.dryRun ? 'All' : undefined },
      body: deleteOptions(request.options),
    });
    return isStatus(answer) ? undefined : answer;
  }

  async deleteCollection<T>(request: ListRequest<T> & { options?: object; dryRun?: boolean }): Promise<void> {
    await this.#json<unknown>(request, {
      method: 'DELETE',
      query: { ...listQuery(request), dryRun: request.dryRun ? 'All' : undefined },
      body: deleteOptions(request.options),
    });
  }

  async #json<R>(request: ResourceRequest<unknown>, call: Call): Promise<R> {
    const response = await this.#send(request, call);
    return deepFreeze(parseOwnJson(await readAll(response)) as R);
  }

  /** The response of a request that succeeded; throws the StatusError of one that did not. */
  async #send(request: ResourceRequest<unknown>, call: Call): Promise<IncomingMessage> {
    for (let tries = 0; ; tries++) {
      let response: IncomingMessage;
      try {
        response = await this.#sendOnce(request, call);
      } catch (error) {
        if (request.signal?.aborted) throw abortReason(request.signal);
        if (error instanceof StaleConnection && tries < maximumRetries) continue;
        if (isStatusError(error)) throw error;
        throw unreachable(error instanceof StaleConnection ? error.cause : error);
      }
      const code = response.statusCode ?? 500;
      if (code < 300) return response;
      const text = await readAll(response);
      const retryAfter = Number(response.headers['retry-after']);
      if ((code === 429 || code >= 500) && retryAfter > 0 && tries < maximumRetries) {
        await sleep(this.#clock, retryAfter * 1000, request.signal);
        continue;
      }
      throw statusOf(code, text, { request, call });
    }
  }

  #sendOnce(request: ResourceRequest<unknown>, call: Call): Promise<IncomingMessage> {
    const body = call.body === undefined ? undefined : Buffer.from(jsonText(call.body));
    return this.#exchange({
      caller: request.caller,
      resource: request.resource,
      method: call.method,
      path: pathOf(request, call),
      headers: {
        accept: 'application/json',
        'user-agent': request.userAgent ?? 'k3s',
        ...(body ? { 'content-type': call.contentType ?? 'application/json', 'content-length': body.length } : {}),
      },
      ...(body ? { body } : {}),
      ...(request.signal ? { signal: request.signal } : {}),
      ...(call.quietMs === undefined ? {} : { quietMs: call.quietMs }),
    });
  }
}

/** To a server elsewhere, over kept connections. Who the caller is, the credentials say; `request.caller` is not sent. */
export class HttpTransport extends RestTransport {
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(options: HttpTransportOptions) {
    const { credentials, clock, timeoutMs = 60_000 } = options;
    const base = new URL(credentials.server);
    const agent = agentFor(base, credentials);
    super({
      exchange: call => exchangeOverHttp(call, { base, credentials, agent, timeoutMs }),
      ...(clock ? { clock } : {}),
    });
    this.#agent = agent;
  }

  /** Closes kept connections; watches under way end with an error. */
  close(): void {
    this.#agent.destroy();
  }
}

export function agentFor(base: URL, credentials: HttpCredentials): HttpAgent | HttpsAgent {
  const common = { keepAlive: true, keepAliveMsecs: 30_000, scheduling: 'lifo' as const };
  if (base.protocol === 'http:') return new HttpAgent(common);
  return new HttpsAgent({
    ...common,
    ca: credentials.certificateAuthority,
    cert: credentials.certificate,
    key: credentials.key,
    servername: credentials.serverName,
    rejectUnauthorized: !credentials.insecureSkipVerify,
  });
}

interface Connection {
  readonly base: URL;
  readonly credentials: HttpCredentials;
  readonly agent: HttpAgent | HttpsAgent;
  readonly timeoutMs: number;
}

function exchangeOverHttp(call: RestCall, { base, credentials, agent, timeoutMs }: Connection): Promise<IncomingMessage> {
  const options: RequestOptions = {
    agent,
    method: call.method,
    hostname: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port || (base.protocol === 'http:' ? 80 : 443),
    path: `${base.pathname.replace(/\/$/, '')}${call.path}`,
    headers: { ...call.headers, ...authorization(credentials) },
    ...(call.signal ? { signal: call.signal } : {}),
  };
  return new Promise((resolve, reject) => {
    const outgoing = (base.protocol === 'http:' ? httpRequest : httpsRequest)(options, resolve);
    outgoing.on('error', error => {
      const stale = outgoing.reusedSocket && staleConnectionCodes.has(errorCode(error) ?? '');
      reject(stale ? new StaleConnection(error) : error);
    });
    outgoing.setTimeout(call.quietMs ?? timeoutMs, () => outgoing.destroy(new Error('no answer in time')));
    outgoing.end(call.body);
  });
}

export function authorization({ token, basic }: HttpCredentials): Record<string, string> {
  if (token) return { authorization: `Bearer ${token}` };
  if (basic) return { authorization: `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}` };
  return {};
}

function pathOf({ resource, namespace, subresource }: ResourceRequest<unknown>, call: Call): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query)) if (value !== undefined && value !== '') query.set(key, String(value));
  const search = query.toString();
  return `${resourcePath(resource, namespace)}${call.name ? `/${encodeURIComponent(call.name)}` : ''}${
    subresource ? `/${subresource}` : ''
  }${search ? `?${search}` : ''}`;
}

/** `/api/v1/namespaces/default/pods`. */
export function resourcePath(resource: ResourceReference<unknown>, namespace?: string): string {
  const root = resource.group ? `/apis/${resource.group}/${resource.version}` : `/api/${resource.version}`;
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${resource.resource}`;
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly name?: string | undefined;
  readonly query: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Silence after which the connection counts as lost; the transport's own limit when absent. */
  readonly quietMs?: number;
}

class StaleConnection extends Error {
  constructor(cause: unknown) {
    super('the connection was closed meanwhile', { cause });
  }
}

function listQuery(request: ListRequest<unknown>): Record<string, string | number | undefined> {
  const { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch, limit } = request;
  return { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch, limit, continue: request.continue };
}

function writeQuery(request: { dryRun?: boolean; fieldManager?: string; fieldValidation?: string }) {
  const { fieldManager, fieldValidation } = request;
  return { fieldManager, fieldValidation, dryRun: request.dryRun ? 'All' : undefined };
}

function deleteOptions(options: object | undefined): object {
  return { kind: 'DeleteOptions', apiVersion: 'v1', ...options };
}

/** Some resources (those that implement it themselves) answer a delete with a Status instead of the object. */
function isStatus(value: unknown): value is Status {
  const typed = value as { kind?: string; apiVersion?: string; status?: unknown };
  return typed.kind === 'Status' && typed.apiVersion === 'v1' && typeof typed.status === 'string';
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function statusOf(code: number, text: string, asked: { request: ResourceRequest<unknown>; call: Call }): StatusError {
  try {
    const parsed: unknown = JSON.parse(text);
    if (isStatus(parsed)) return StatusError.from(parsed);
  } catch {
    // A proxy's or a panicking server's answer is not JSON: its code says what it can.
  }
  const reasons: Record<number, string> = {
    400: 'BadRequest',
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'NotFound',
    409: 'Conflict',
    410: 'Expired',
    429: 'TooManyRequests',
    503: 'ServiceUnavailable',
    504: 'Timeout',
  };
  // In the words of client-go, which users search for.
  const words: Record<number, string> = {
    404: `the server could not find the requested resource (${describe(asked)})`,
    503: `the server is currently unable to handle the request (${describe(asked)})`,
  };
  const said = words[code] ?? (text.trim().slice(0, 1024) || `the server answered ${code}`);
  return new StatusError(code, reasons[code] ?? 'InternalError', said);
}

/** `get pods.metrics.k8s.io web`. */
function describe({ request: { resource }, call: { method, name } }: { request: ResourceRequest<unknown>; call: Call }): string {
  const what = resource.group ? `${resource.resource}.${resource.group}` : resource.resource;
  return [method.toLowerCase(), what, ...(name ? [name] : [])].join(' ');
}

function unreachable(cause: unknown): StatusError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new StatusError(503, 'ServiceUnavailable', `the server could not be reached: ${text}`, undefined, cause);
}
