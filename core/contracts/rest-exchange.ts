import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { CallerIdentity } from './api-transport.js';

/** One request of the API as bytes: what an ApiTransport over HTTP makes of a verb. */
export interface RestCall {
  readonly caller: CallerIdentity;
  readonly resource: { readonly group: string; readonly version: string };
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From `/api` or `/apis` on, with the query. */
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Buffer;
  readonly signal?: AbortSignal;
  /** Silence after which the connection counts as lost; whoever carries the request has a limit of its own when absent. */
  readonly quietMs?: number;
}

/**
 * Carries requests to whoever answers them; resolves with the head of the answer, whatever its status. Called by the transport for
 * every verb; StatusErrors that it rejects with are the answer, other errors mean that the server could not be reached.
 */
export type RestExchange = (call: RestCall) => Promise<IncomingMessage>;
