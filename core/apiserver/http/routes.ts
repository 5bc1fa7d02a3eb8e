import Koa from 'koa';
import Router from '@koa/router';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { encodeProtobuf } from '../../machinery/codec/protobuf.js';
import type { KubeObject } from '../../machinery/object.js';
import type { TypeSet } from '../../machinery/schema.js';
import { isStatusError, methodNotAllowed, notAcceptable, pathNotFound, toStatus } from '../../machinery/status-error.js';
import { encodeValue } from '../handlers/encoding.js';
import type { MediaType } from '../handlers/negotiation.js';
import { checkRepresentable, negotiate } from '../handlers/negotiation.js';
import type { Discovery } from '../discovery/discovery.js';
import { acceptsAggregated, asksOnlyForOthers } from '../discovery/discovery.js';
import type { RequestInfo } from '../handlers/request-info.js';
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
  /** With those of meta/v1. */
  readonly types: TypeSet;
  /** Adds routes of others: OpenAPI, OIDC, metrics, plugins. */
  readonly extend?: (router: Router) => void;
  /** Paths that somebody else serves, for the list of all. */
  readonly others?: () => readonly string[];
}

const jsonType = 'application/json';
const forms = [jsonType, 'application/yaml', 'application/vnd.kubernetes.protobuf'];

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
      router.all(`/${path}`, context => health(context, path, checks));
      router.get(`/${path}/:check`, context => oneCheck(context, checks, String(context.params['check'])));
    }
    options.extend?.(router);
    router.get('/', context => {
      context.body = { paths: this.#paths(router) };
    });
    app.use(async (context, next) => {
      try {
        await next();
      } catch (error) {
        if (!isStatusError(error)) throw error;
        context.body = toStatus(error);
        context.status = toStatus(error).code ?? 500;
      }
      // Koa's own, which Go's servers do not say of JSON.
      if (context.response.get('Content-Type') === 'application/json; charset=utf-8')
        context.set('Content-Type', 'application/json');
    });
    app.use(router.routes());
    this.#callback = app.callback();
    this.#known = (path, method) => router.match(path, method).pathAndMethod.length > 0;
  }

  async serve({ request, response, info }: RouteExchange): Promise<boolean> {
    const { path } = info;
    if (path === '/api' || path === '/apis' || path.startsWith('/api/') || path.startsWith('/apis/')) {
      return this.#discover(request, response, { path: path.endsWith('/') ? path.slice(0, -1) : path, query: info.query });
    }
    if (!this.#known(path, 'GET')) return false;
    if (!this.#known(path, request.method ?? 'GET')) throw methodNotAllowed();
    if (path === '/version') checkRepresentable(request.headers.accept, ['application/json']);
    await this.#callback(request, response);
    return true;
  }

  async #discover(
    request: IncomingMessage,
    response: ServerResponse,
    { path, query }: Pick<RequestInfo, 'path' | 'query'>,
  ): Promise<boolean> {
    const aggregated = acceptsAggregated(request.headers.accept);
    const discovery = this.#options.discovery();
    const document = discovery.document(path, aggregated, this.#options.serverAddress());
    if (!document) {
      const [, root, group = ''] = path.split('/');
      if (root === 'api' || discovery.isBuiltIn(group)) throw pathNotFound();
      return false;
    }
    if (request.method !== 'GET') throw methodNotAllowed();
    checkRepresentable(request.headers.accept, forms);
    if (!aggregated && asksOnlyForOthers(request.headers.accept)) throw notAcceptable(forms);
    if (aggregated) {
      response.setHeader('Vary', 'Accept');
      response.setHeader('ETag', document.etag);
      response.setHeader('Cache-Control', 'public');
    }
    if (aggregated && request.headers['if-none-match'] === document.etag) {
      response.writeHead(304);
      response.end();
      return true;
    }
    let { contentType, bytes } = document;
    const { mediaType }: { mediaType: MediaType } = aggregated
      ? { mediaType: 'application/json' }
      : negotiate(request.headers.accept, { protobuf: true, transforms: [] }, query);
    if (mediaType !== jsonType) [contentType, bytes] = [mediaType, await this.#encoded(bytes, mediaType)];
    response.setHeader('Content-Type', contentType);
    response.setHeader('Content-Length', bytes.length);
    response.writeHead(200);
    response.end(bytes);
    return true;
  }

  /** A document in a form that few ask for. */
  async #encoded(bytes: Buffer, mediaType: MediaType): Promise<Buffer> {
    const document = JSON.parse(bytes.toString()) as KubeObject;
    if (mediaType === 'application/yaml') return (await encodeValue(document, { mediaType, pretty: false })).parts[0]!;
    return encodeProtobuf(this.#options.types.struct(`io.k8s.apimachinery.pkg.apis.meta.v1.${document.kind}`), document);
  }

  #paths(router: Router): string[] {
    const versions = this.#options.discovery().groupVersions();
    const api = versions.flatMap(({ group, version }) =>
      group ? [`/apis/${group}`, `/apis/${group}/${version}`] : ['/api', `/api/${version}`],
    );
    const plain = router.stack
      .map(layer => String(layer.path))
      .filter(path => path !== '/' && !path.includes(':') && !path.startsWith('/debug/'));
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
    context.set('X-Content-Type-Options', 'nosniff');
    context.body = '404 page not found\n';
    return;
  }
  const fault = await check.check();
  context.status = fault === undefined ? 200 : 500;
  context.set('Content-Type', 'text/plain; charset=utf-8');
  if (fault !== undefined) context.set('X-Content-Type-Options', 'nosniff');
  context.body = fault === undefined ? 'ok' : `internal server error: ${fault}\n`;
}
