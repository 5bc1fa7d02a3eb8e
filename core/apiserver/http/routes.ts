import Koa from 'koa';
import Router from '@koa/router';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { methodNotAllowed, notAcceptable } from '../../machinery/status-error.js';
import { checkRepresentable } from '../handlers/negotiation.js';
import type { Discovery } from '../discovery/discovery.js';
import { acceptsAggregated, asksOnlyForOthers } from '../discovery/discovery.js';
import type { RouteExchange } from './front.js';

export interface HealthCheck {
  readonly name: string;
  /** Resolves undefined when well, otherwise what is wrong. */
  check(): Promise<string | undefined>;
}

export interface RoutesOptions {
  readonly discovery: () => Discovery;
  readonly serverAddress: () => string;
  readonly livez: readonly HealthCheck[];
  readonly readyz: readonly HealthCheck[];
  readonly version: Readonly<Record<string, string>>;
  /** Adds routes of others: OpenAPI, OIDC, metrics, plugins. */
  readonly extend?: (router: Router) => void;
  /** Paths that somebody else serves, for the list of all. */
  readonly others?: () => readonly string[];
}

const forms = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

/** Everything that is no resource. Discovery goes past Koa, since every client begins with it. */
export class Routes {
  readonly #options: RoutesOptions;
  readonly #callback: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly #known: (path: string, method: string) => boolean;

  constructor(options: RoutesOptions) {
    this.#options = options;
    const app = new Koa();
    app.silent = true;
    const router = new Router();
    router.get('/version', context => {
      context.body = options.version;
    });
    for (const [path, checks] of [
      ['livez', options.livez],
      ['readyz', options.readyz],
      ['healthz', options.livez],
    ] as const) {
      router.get(`/${path}`, context => health(context, path, checks));
      router.get(`/${path}/:check`, context => oneCheck(context, checks, String(context.params['check'])));
    }
    options.extend?.(router);
    router.get('/', context => {
      context.body = { paths: this.#paths(router) };
    });
    app.use(router.routes());
    this.#callback = app.callback();
    this.#known = (path, method) => router.match(path, method).pathAndMethod.length > 0;
  }

  async serve({ request, response, info }: RouteExchange): Promise<boolean> {
    const { path } = info;
    if (path === '/api' || path === '/apis' || path.startsWith('/api/') || path.startsWith('/apis/')) {
      return this.#discover(request, response, path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);
    }
    if (!this.#known(path, 'GET')) return false;
    if (!this.#known(path, request.method ?? 'GET')) throw methodNotAllowed();
    if (path === '/version') checkRepresentable(request.headers.accept, ['application/json']);
    await this.#callback(request, response);
    return true;
  }

  #discover(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    const aggregated = acceptsAggregated(request.headers.accept);
    const document = this.#options.discovery().document(path, aggregated, this.#options.serverAddress());
    if (!document) return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed();
    checkRepresentable(request.headers.accept, forms);
    if (!aggregated && asksOnlyForOthers(request.headers.accept)) throw notAcceptable(forms);
    response.setHeader('Vary', 'Accept');
    response.setHeader('ETag', document.etag);
    response.setHeader('Cache-Control', 'public');
    if (request.headers['if-none-match'] === document.etag) {
      response.writeHead(304);
      response.end();
      return true;
    }
    response.setHeader('Content-Type', document.contentType);
    response.setHeader('Content-Length', document.bytes.length);
    response.writeHead(200);
    response.end(document.bytes);
    return true;
  }

  #paths(router: Router): string[] {
    const versions = this.#options.discovery().groupVersions();
    const api = versions.flatMap(({ group, version }) =>
      group ? [`/apis/${group}`, `/apis/${group}/${version}`] : ['/api', `/api/${version}`],
    );
    const plain = router.stack.map(layer => String(layer.path)).filter(path => path !== '/' && !path.includes(':'));
    return [...new Set(['/apis', ...api, ...plain, ...(this.#options.others?.() ?? [])])].sort();
  }
}

interface HealthContext {
  readonly query: NodeJS.Dict<string | string[]>;
  status: number;
  body: unknown;
  set(name: string, value: string): void;
}

/** `ok`, or with `?verbose` and on failure a line a check. Source: apiserver pkg/server/healthz. */
async function health(context: HealthContext, name: string, checks: readonly HealthCheck[]): Promise<void> {
  const excluded = new Set([context.query['exclude'] ?? []].flat());
  const results = await Promise.all(
    checks.map(async check => ({
      name: check.name,
      excluded: excluded.has(check.name),
      fault: excluded.has(check.name) ? undefined : await check.check(),
    })),
  );
  const failed = results.some(result => result.fault !== undefined);
  context.status = failed ? 500 : 200;
  context.set('Content-Type', 'text/plain; charset=utf-8');
  context.set('X-Content-Type-Options', 'nosniff');
  if (!failed && context.query['verbose'] === undefined) {
    context.body = 'ok';
    return;
  }
  const lines = results.map(result =>
    result.excluded
      ? `[+]${result.name} excluded: ok`
      : result.fault === undefined
        ? `[+]${result.name} ok`
        : `[-]${result.name} failed: reason withheld`,
  );
  context.body = `${lines.join('\n')}\n${name} check ${failed ? 'failed' : 'passed'}\n`;
}

async function oneCheck(context: HealthContext, checks: readonly HealthCheck[], name: string): Promise<void> {
  const check = checks.find(candidate => candidate.name === name);
  if (!check) {
    context.status = 404;
    context.body = '404 page not found\n';
    return;
  }
  const fault = await check.check();
  context.status = fault === undefined ? 200 : 500;
  context.set('Content-Type', 'text/plain; charset=utf-8');
  context.body = fault === undefined ? 'ok' : `internal server error: ${fault}\n`;
}
