import { randomUUID } from 'node:crypto';
import type {
  ApiTransport,
  DeleteOptions,
  DeleteRequest,
  ListRequest,
  ListResult,
  ObjectRequest,
  PatchRequest,
  ResourceRequest,
  WatchEvent,
  WatchRequest,
  WriteRequest,
} from '../../contracts/api-transport.js';
import { jsonText } from '../../machinery/codec/json-text.js';
import { formatApiVersion } from '../../machinery/object.js';
import { internalError } from '../../machinery/status-error.js';
import { resourceAttributes } from '../auth/authorizer.js';
import { selectorAttributes } from '../auth/selector-attributes.js';
import { userOf } from '../auth/user-info.js';
import type { AuditRecord } from './audit-record.js';
import type { Auditor } from './auditor.js';
import { auditFailedText } from './request-audit.js';

/** A request on its way through the transports of the process. */
export interface AuditedCall {
  /** Absent: nothing is written of it. */
  readonly audit?: AuditRecord | undefined;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;
type Selecting<T> = ResourceRequest<T> & Partial<Pick<ListRequest<T>, 'labelSelector' | 'fieldSelector'>>;

/** From where upstream's own parts call, too. */
const loopback: readonly string[] = ['127.0.0.1'];
const defaultAgent = 'k3s';
const okCode = 200;

/**
 * Calls of parts in the process, which are written down as if they had come by HTTP: what upstream's controllers, schedulers and
 * kubelets ask stands in its audit log. Only there where something is audited.
 */
export class AuditedTransport implements ApiTransport {
  readonly #inner: ApiTransport;
  readonly #auditor: Auditor;

  constructor(inner: ApiTransport, auditor: Auditor) {
    this.#inner = inner;
    this.#auditor = auditor;
  }

  get<T>(request: ObjectRequest<T>): Promise<T> {
    const { resourceVersion, parameters } = request;
    const call = { verb: 'get', name: request.name, query: { resourceVersion, ...parameters } };
    return this.#run(request, call, audit => this.#inner.get({ ...request, audit } as ObjectRequest<T>));
  }

  list<T>(request: ListRequest<T>): Promise<ListResult<T>> {
    return this.#run(
      request,
      { verb: 'list', query: listQuery(request), shown: list => shownList(request, list as ListResult<unknown>) },
      audit => this.#inner.list({ ...request, audit } as ListRequest<T>),
    );
  }

  async *watch<T>(request: WatchRequest<T>): AsyncGenerator<WatchEvent<T>> {
    const { allowWatchBookmarks, sendInitialEvents, timeoutSeconds } = request;
    const query = { ...listQuery(request), allowWatchBookmarks, sendInitialEvents, timeoutSeconds, watch: true };
    const audit = this.#begin(request, { verb: 'watch', query });
    if (!audit) return yield* this.#inner.watch(request);
    let failure: unknown;
    try {
      for await (const event of this.#inner.watch({ ...request, audit } as WatchRequest<T>)) {
        audit.started(okCode);
        yield event;
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      // A stream that breaks later has been answered.
      audit.ended(audit.isStarted ? undefined : failure);
    }
  }

  create<T>(request: WriteRequest<T>): Promise<T> {
    const call = { verb: 'create', name: request.subresource ? request.name : '', query: writeQuery(request), code: 201 };
    return this.#run(
      request,
      call,
      audit => this.#inner.create({ ...request, audit } as WriteRequest<T>),
      request.object as object,
    );
  }

  update<T>(request: WriteRequest<T> & { name: string }): Promise<T> {
    return this.#run(
      request,
      { verb: 'update', name: request.name, query: writeQuery(request) },
      audit => this.#inner.update({ ...request, audit } as WriteRequest<T> & { name: string }),
      request.object as object,
    );
  }

  patch<T>(request: PatchRequest<T>): Promise<T> {
    const { name, force, patch } = request;
    return this.#run(request, { verb: 'patch', name, query: { ...writeQuery(request), force } }, audit => {
      if (audit?.wantsRequest) audit.patch(Buffer.from(jsonText(patch)));
      return this.#inner.patch({ ...request, audit } as PatchRequest<T>);
    });
  }

  delete<T>(request: DeleteRequest<T>): Promise<T | undefined> {
    const { name, options, dryRun } = request;
    return this.#run(
      request,
      { verb: 'delete', name, query: dryQuery(dryRun) },
      audit => this.#inner.delete({ ...request, audit } as DeleteRequest<T>),
      shownOptions(options),
    );
  }

  deleteCollection<T>(request: ListRequest<T> & { options?: DeleteOptions; dryRun?: boolean }): Promise<void> {
    return this.#run(
      request,
      { verb: 'deletecollection', query: { ...listQuery(request), ...dryQuery(request.dryRun) } },
      audit => this.#inner.deleteCollection({ ...request, audit } as ListRequest<T>),
      shownOptions(request.options),
    );
  }

  async #run<T, R>(
    request: Selecting<T>,
    call: Call,
    ask: (audit: AuditRecord | undefined) => Promise<R>,
    sent?: object,
  ): Promise<R> {
    const audit = this.#begin(request, call);
    if (!audit) return ask(undefined);
    if (sent) audit.request(sent);
    try {
      const result = await ask(audit);
      if (audit.wantsResponse && result !== undefined) audit.response(jsonText(call.shown ? call.shown(result) : result));
      audit.completed(call.code ?? okCode);
      return result;
    } catch (error) {
      audit.ended(error);
      throw error;
    }
  }

  #begin<T>(request: Selecting<T>, { verb, name = '', query }: Call): AuditRecord | undefined {
    const { resource, namespace = '', subresource = '', caller, userAgent = defaultAgent } = request;
    const { labelSelector, fieldSelector } = request;
    const selectors = new URLSearchParams(defined({ labelSelector, fieldSelector }));
    const auditor = this.#auditor;
    const record = auditor.begin({
      attributes: resourceAttributes({
        user: userOf(caller),
        verb,
        group: resource.group,
        version: resource.version,
        resource: resource.resource,
        subresource,
        namespace,
        ...selectorAttributes(verb, name, selectors),
        path: pathOf(request, name),
      }),
      auditId: randomUUID(),
      uri: uriOf(request, name, query),
      userAgent,
      sourceIps: loopback,
      receivedMs: auditor.nowMs,
    });
    if (record && !auditor.received(record)) throw internalError(new Error(auditFailedText));
    return record;
  }
}

interface Call {
  readonly verb: string;
  readonly name?: string | undefined;
  readonly query: Query;
  /** Of an answer that is no refusal; okCode when absent. */
  readonly code?: number;
  /** What a client would be answered. */
  readonly shown?: (result: unknown) => object;
}

function pathOf({ resource, namespace, subresource }: ResourceRequest<unknown>, name: string): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const parts = [root, resource.version];
  if (namespace && resource.resource !== 'namespaces') parts.push('namespaces', encodeURIComponent(namespace));
  parts.push(resource.resource);
  if (name) parts.push(encodeURIComponent(name));
  if (subresource) parts.push(subresource);
  return parts.join('/');
}

function uriOf(request: ResourceRequest<unknown>, name: string, query: Query): string {
  const text = new URLSearchParams(defined(query)).toString();
  return text ? `${pathOf(request, name)}?${text}` : pathOf(request, name);
}

function defined(query: Query): [string, string][] {
  return Object.entries(query).flatMap(([key, value]) => {
    const isSaid = value !== undefined && value !== '' && value !== false;
    return isSaid ? [[key, String(value)] as [string, string]] : [];
  });
}

function listQuery(request: ListRequest<unknown>): Query {
  const { continue: token, fieldSelector, labelSelector, limit, resourceVersion, resourceVersionMatch } = request;
  return { continue: token, fieldSelector, labelSelector, limit, resourceVersion, resourceVersionMatch };
}

function writeQuery({ dryRun, fieldManager, fieldValidation }: WriteRequest<unknown> | PatchRequest<unknown>): Query {
  return { ...dryQuery(dryRun), fieldManager, fieldValidation };
}

const dryQuery = (dryRun: boolean | undefined): Query => ({ dryRun: dryRun ? 'All' : undefined });

function shownOptions(options: DeleteOptions | undefined): object | undefined {
  return options && { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/__internal', ...options };
}

function shownList({ resource }: ResourceRequest<unknown>, list: ListResult<unknown>): object {
  const { resourceVersion, continue: token, remainingItemCount, entries } = list;
  return {
    kind: `${resource.kind}List`,
    apiVersion: formatApiVersion(resource),
    metadata: { resourceVersion, continue: token, remainingItemCount },
    items: entries.map(({ object }) => object),
  };
}
