import type { CallerIdentity } from './api-transport.js';

/**
 * Routes that a part serves on the HTTPS listener of the API server, all below `/plugins/<name>`. Callers were authenticated, and
 * authorized by RBAC's `nonResourceURLs`: without a rule only administrators get through. Filled by parts in the slot `http-routes`,
 * or promised by others in `provides`. The API server injects the object when it is made, so the object must not need the API server.
 */
export interface HttpRoutes {
  /** Kebab-case, unique: the plugin's id. */
  readonly name: string;
  /** Called for each request, also side by side. What it throws is a Status: its own if it is one, else InternalError without text. */
  handle(request: HttpRouteRequest): HttpRouteAnswer | Promise<HttpRouteAnswer>;
}

export interface HttpRouteRequest {
  readonly method: string;
  /** Behind `/plugins/<name>`: `/` or `/a/b`, as it was sent. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly caller: CallerIdentity;
  /** At most 3 MiB; throws a StatusError for more, or when it does not arrive in time. Once. */
  body(): Promise<Uint8Array>;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

export interface HttpRouteAnswer {
  /** 200 when absent. */
  readonly status?: number;
  /** `Content-Type` of a string is text/plain where nothing else is said. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Nothing when absent; an object is sent as JSON. */
  readonly body?: string | Uint8Array | object;
}

export const HttpRoutes: unique symbol = Symbol.for('k3s/http-routes@1');
