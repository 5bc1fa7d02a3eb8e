import { CodedError, errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Clock } from '../../contracts/clock.js';
import { internalError, isStatusError } from '../../machinery/status-error.js';
import type { HttpRouteAnswer, HttpRouteRequest, HttpRoutes } from '../../contracts/http-routes.js';
import { readBody } from '../handlers/body.js';
import type { RouteExchange } from './front.js';

export const pluginPrefix = '/plugins/';
const namePattern = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** What plugins serve below paths of their own. Throws `ROUTES_INVALID` for a name that is none, or that two have. */
export class PluginRoutes {
  readonly #byName = new Map<string, HttpRoutes>();
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(all: readonly HttpRoutes[], clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    for (const routes of all) {
      const name: unknown = routes?.name;
      if (typeof name !== 'string' || !namePattern.test(name) || typeof routes.handle !== 'function') {
        throw new CodedError(
          'ROUTES_INVALID',
          `HTTP routes of a plugin need a name in kebab-case and "handle", not "${String(name)}"`,
        );
      }
      if (this.#byName.has(name))
        throw new CodedError('ROUTES_INVALID', `two plugins serve HTTP routes below ${pluginPrefix}${name}`);
      this.#byName.set(name, routes);
    }
  }

  get paths(): readonly string[] {
    return Array.from(this.#byName.keys(), name => `${pluginPrefix}${name}`);
  }

  /** False: nobody serves the path. */
  async serve({ request, response, info, user }: RouteExchange): Promise<boolean> {
    if (!info.path.startsWith(pluginPrefix)) return false;
    const [, name = '', path = ''] = /^\/plugins\/([^/]*)(.*)$/s.exec(info.path) ?? [];
    const routes = this.#byName.get(name);
    if (!routes) return false;
    const gone = new AbortController();
    response.once('close', () => gone.abort(new CodedError('CLIENT_GONE', 'the client has left')));
    const query = (request.url ?? '').split('?').slice(1).join('?');
    const answer = await this.#ask(routes, {
      method: request.method ?? 'GET',
      path: path === '' ? '/' : path,
      query: new URLSearchParams(query),
      headers: request.headers,
      caller: user,
      body: () => readBody(request, this.#clock),
      signal: gone.signal,
    });
    const { status, headers, bytes } = answer;
    response.writeHead(status, { 'X-Content-Type-Options': 'nosniff', ...headers, 'Content-Length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
    return true;
  }

  /** What a plugin did not mean to say is for the log alone. */
  async #ask(routes: HttpRoutes, request: HttpRouteRequest): Promise<CheckedAnswer> {
    try {
      return checked(await routes.handle(request));
    } catch (error) {
      if (isStatusError(error)) throw error;
      this.#logger.warn('the HTTP routes of a plugin failed', { plugin: routes.name, error: errorText(error) });
      throw internalError(new Error(`the plugin ${routes.name} failed`));
    }
  }
}

interface CheckedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** A plugin's answer is not trusted to be one. */
function checked(answer: HttpRouteAnswer): CheckedAnswer {
  const { status = 200, headers = {}, body = '' } = (answer ?? { status: 0 }) as HttpRouteAnswer;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new CodedError('ROUTES_INVALID', 'it gave no answer with a status from 200 to 599');
  }
  const type = Object.keys(headers).some(key => key.toLowerCase() === 'content-type');
  const typed = (fallback: string): Record<string, string> => (type ? { ...headers } : { ...headers, 'Content-Type': fallback });
  if (typeof body === 'string') return { status, headers: typed('text/plain; charset=utf-8'), bytes: Buffer.from(body) };
  if (body instanceof Uint8Array) return { status, headers: typed('application/octet-stream'), bytes: Buffer.from(body) };
  return { status, headers: typed('application/json'), bytes: Buffer.from(JSON.stringify(body)) };
}
