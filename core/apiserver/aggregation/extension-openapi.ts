import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import { CodedError, errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { isJsonObject } from '../../machinery/object.js';
import { convertV2ToV3 } from '../openapi/convert-v2.js';
import type { ExtensionDocuments } from '../openapi/openapi.js';
import { encodeMessage } from '../openapi/gnostic-encoder.js';
import { documentV2 } from '../openapi/gnostic-messages.js';
import type { SwaggerDocument } from '../openapi/merge-v2.js';
import { filteredByPath } from '../openapi/merge-v2.js';
import type { ExtensionServer } from './extension-server.js';
import { askFor } from './read-answer.js';

/** As old a document may be when it is shown: it is asked for again when somebody asks for it, never by itself. */
const freshMs = 60_000;
const afterFailureMs = 10_000;
const timeoutMs = 5000;
const user = { name: 'system:aggregator', groups: [] } as const;

export interface ExtensionOpenApiOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly servers: () => Iterable<ExtensionServer>;
}

interface Fetched<T> {
  readonly server: ExtensionServer;
  readonly value: T | undefined;
  readonly etag: string;
  readonly untilMs: number;
}

/** Undefined: it is as before. */
type Found<T> = { readonly value: T | undefined; readonly etag: string } | undefined;

/** Paths of v3 documents, or none where the server has only v2. */
type Index = ReadonlyMap<string, string> | 'legacy';

/**
 * The OpenAPI documents of extension servers. Asked for when a client asks ours for its own, with the ETag of what is known; of one
 * that does not answer, what it said last is shown. Source: kube-aggregator pkg/controllers/{openapi,openapiv3}, which ask every minute.
 */
export class ExtensionOpenApi implements ExtensionDocuments {
  readonly #options: ExtensionOpenApiOptions;
  readonly #indexes = new Map<string, Fetched<Index>>();
  readonly #documents = new Map<string, Fetched<SwaggerDocument>>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(options: ExtensionOpenApiOptions) {
    this.#options = options;
  }

  /** The APIService has gone. */
  forget(name: string): void {
    this.#indexes.delete(name);
    this.#documents.delete(name);
  }

  async index(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    await Promise.all(
      Array.from(this.#options.servers(), async server => {
        for (const [key, path] of await this.#pathsOf(server)) found.set(key, path);
      }),
    );
    return found;
  }

  /** Who has a document of v3; `document` where it has to be made out of v2. Undefined: nobody. */
  async find(key: string): Promise<{ server: ExtensionServer; document?: object } | undefined> {
    for (const server of this.#options.servers()) {
      if (!(await this.#pathsOf(server)).has(key)) continue;
      if (this.#indexes.get(server.name)?.value !== 'legacy') return { server };
      await this.#refreshDocument(server);
      const document = this.#documents.get(server.name)?.value;
      if (document) return { server, document: convertV2ToV3(document) };
    }
    return undefined;
  }

  async stampV2(): Promise<string> {
    const servers = [...this.#options.servers()];
    await Promise.all(servers.map(server => this.#refreshDocument(server)));
    return servers.map(({ name }) => `${name} ${this.#documents.get(name)?.etag ?? ''}`).join('\n');
  }

  documentsV2(): SwaggerDocument[] {
    return Array.from(this.#options.servers(), ({ name }) => this.#documents.get(name)?.value)
      .filter(document => document !== undefined)
      .map(document => structuredClone(document));
  }

  async #pathsOf(server: ExtensionServer): Promise<ReadonlyMap<string, string>> {
    await this.#once(`v3 ${server.name}`, () => this.#refresh(this.#indexes, server, () => this.#fetchIndex(server)));
    const value = this.#indexes.get(server.name)?.value;
    if (value !== 'legacy') return value ?? new Map();
    const key = `apis/${server.group}/${server.version}`;
    return new Map([[key, `/openapi/v3/${key}`]]);
  }

  async #refreshDocument(server: ExtensionServer): Promise<void> {
    const fetch = (etag: string): Promise<Found<SwaggerDocument>> => this.#fetchDocument(server, etag);
    await this.#once(`v2 ${server.name}`, () => this.#refresh(this.#documents, server, fetch));
  }

  /** Those who come while one asks wait for the same answer. */
  #once(key: string, work: () => Promise<void>): Promise<void> {
    let pending = this.#pending.get(key);
    if (!pending) {
      pending = work().finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  async #refresh<T>(
    all: Map<string, Fetched<T>>,
    server: ExtensionServer,
    fetch: (etag: string) => Promise<Found<T>>,
  ): Promise<void> {
    const { clock, logger } = this.#options;
    const { name } = server;
    const last = all.get(name);
    const isSame = last?.server === server;
    if (!server.isAvailable || (isSame && clock.monotonicMs() < last.untilMs)) return;
    try {
      const found = (await fetch(isSame ? last.etag : '')) ?? { value: last?.value, etag: last?.etag ?? '' };
      all.set(name, { server, ...found, untilMs: clock.monotonicMs() + freshMs });
    } catch (error) {
      logger.warn('the OpenAPI document of an APIService could not be read', { name, error: errorText(error) });
      all.set(name, { server, value: last?.value, etag: last?.etag ?? '', untilMs: clock.monotonicMs() + afterFailureMs });
    }
  }

  async #fetchIndex(server: ExtensionServer): Promise<{ value: Index; etag: string }> {
    const { clock } = this.#options;
    const headers = { accept: 'application/json' };
    const { status, bytes } = await askFor(server, { path: '/openapi/v3', user, headers, clock, timeoutMs });
    if (status === 404) return { value: 'legacy', etag: '' };
    if (status !== 200) throw new CodedError('EXTENSION_OPENAPI', `it answered ${status} to /openapi/v3`);
    const list = JSON.parse(bytes.toString()) as unknown;
    const paths = isJsonObject(list) && isJsonObject(list['paths']) ? list['paths'] : {};
    const value = new Map<string, string>();
    for (const [key, item] of Object.entries(paths)) {
      const url = isJsonObject(item) ? item['serverRelativeURL'] : undefined;
      if (key.startsWith('apis/')) value.set(key, typeof url === 'string' ? url : `/openapi/v3/${key}`);
    }
    return { value, etag: '' };
  }

  async #fetchDocument(server: ExtensionServer, etag: string): Promise<Found<SwaggerDocument>> {
    const { clock } = this.#options;
    const headers = { accept: 'application/json', ...(etag.startsWith('own ') || !etag ? {} : { 'if-none-match': etag }) };
    const answer = await askFor(server, { path: '/openapi/v2', user, headers, clock, timeoutMs });
    if (answer.status === 304) return undefined;
    if (answer.status === 404) return { value: undefined, etag: '' };
    if (answer.status !== 200) throw new CodedError('EXTENSION_OPENAPI', `it answered ${answer.status} to /openapi/v2`);
    const document = JSON.parse(answer.bytes.toString()) as unknown;
    if (!isJsonObject(document) || !isJsonObject(document['paths'])) {
      throw new CodedError('EXTENSION_OPENAPI', 'its /openapi/v2 is no document of OpenAPI');
    }
    const value = filteredByPath(document as SwaggerDocument, `/apis/${server.group}/${server.version}/`);
    // What cannot be said in protobuf would take the whole document from those who ask for that form.
    encodeMessage(documentV2, { swagger: '2.0', info: { title: '', version: '' }, ...value });
    const hash = createHash('sha256').update(answer.bytes).digest('hex');
    return { value, etag: answer.etag || `own ${hash}` };
  }
}
