import type { EventEmitter } from 'node:events';
import type { Attributes } from '../auth/authorizer.js';
import type { RequestInfo } from '../handlers/request-info.js';

/** Decides when a request that came over HTTP may be served. Requests of parts in the process do not come here. */
export interface RequestLimiter {
  /** For each request whose user is known, before it is authorized. Undefined: nobody counts it. */
  enter(info: RequestInfo, asked: Attributes): Passage | undefined;
}

/** One request on its way through. */
export interface Passage {
  /** Whether `wait` comes before everything else. */
  readonly mustWait: boolean;
  /** Resolves when it may go on or is turned away; given up when `client` closes. */
  wait(client: EventEmitter): Promise<void>;
  /** Undefined: it may go on. Otherwise it is answered 429, and its client may come again after so many seconds. */
  readonly retryAfterSeconds: number | undefined;
  /** What its answer says of how it was classified, whatever it is. */
  readonly classification: { readonly flowSchemaUid: string; readonly priorityLevelUid: string } | undefined;
  /** It is served, or, if it is a watch, open. Twice is harmless. */
  end(): void;
  /** A watch is over. Twice is harmless. */
  close(): void;
}

export const tooManyRequestsText = 'Too many requests, please try again later.\n';

const streams: ReadonlySet<string> = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);

/** What lasts as long as its client wants, watches left out. */
export function isStream({ subresource }: RequestInfo): boolean {
  return subresource !== '' && streams.has(subresource);
}

const readingVerbs: ReadonlySet<string> = new Set(['get', 'list', 'watch']);

export function isMutating({ verb }: RequestInfo): boolean {
  return !readingVerbs.has(verb);
}
