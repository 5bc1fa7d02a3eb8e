import { AsyncQueue } from '../../base/async-queue.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { errorCode } from '../../base/errors.js';
import type {
  ApiTransport,
  CallerIdentity,
  DeleteOptions,
  DeleteRequest,
  ListRequest,
  ListResult,
  ObjectEntry,
  ObjectRequest,
  PatchRequest,
  ResourceRequest,
  WatchEvent,
  WatchRequest,
  WriteRequest,
} from '../../contracts/api-transport.js';
import type { AuditRecord } from '../audit/audit-record.js';
import type { AuditedCall } from '../audit/audited-transport.js';
import type { KubeObject } from '../../machinery/object.js';
import { cloneJson, deepFreeze } from '../../machinery/object.js';
import { expired, methodNotAllowed, methodNotSupported, pathNotFound } from '../../machinery/status-error.js';
import type { StorageHub } from '../storage/storage-hub.js';
import { managerName } from '../../machinery/patch/managed-fields/manager-name.js';
import { listPage, parseSelection, validateListQuery } from './listing.js';
import type { OperationCall, OperationResult } from './operations.js';
import type { ResourceEndpoint } from './resource-endpoint.js';
import type { VirtualResource } from './virtual-resource.js';
import { openWatch } from './watch-source.js';

export interface LocalTransportOptions {
  readonly hub: StorageHub;
  readonly clock: Clock;
  readonly endpoint: (group: string, version: string, resource: string) => ResourceEndpoint | undefined;
  /** Resources that are computed, not kept. */
  readonly virtual: (group: string, version: string, resource: string) => VirtualResource | undefined;
  readonly authorize: (caller: CallerIdentity, attributes: LocalAttributes, audit?: AuditRecord) => Promise<void>;
}

export interface LocalAttributes {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Of lists and watches, as text. */
  readonly selectors: Readonly<Record<string, string>>;
}

/** A reader in the process that is so many events behind is cut off and lists again. */
const queueLimit = 20_000;
const noWarning = (): void => undefined;
const okCode = 200;

/** The API for parts in the same process: no TLS, no bytes, no authentication; authorization and admission as for everybody. */
export class LocalTransport implements ApiTransport {
  readonly #options: LocalTransportOptions;

  constructor(options: LocalTransportOptions) {
    this.#options = options;
  }

  async get<T>(request: ObjectRequest<T>): Promise<T> {
    const virtual = await this.#enterVirtual(request, 'get', request.name);
    if (virtual) return (await virtual.get(request.namespace ?? '', request.name)).object as unknown as T;
    const endpoint = await this.#enter(request, 'get', request.name);
    if (request.subresource) {
      const sub = endpoint.operations.subresource(request.subresource, request.name);
      if (sub.type === 'connect' || (sub.type === 'object' && !sub.get)) {
        throw methodNotSupported(request.resource.group, `${request.resource.resource}/${request.subresource}`, 'get');
      }
      const entry = await endpoint.served.store.get(request.namespace ?? '', request.name);
      if (sub.type === 'update') return entry.object as T;
      const call = this.#call(request, request.name);
      return deepFreeze(await sub.get!(entry.object, endpoint.served.store.context(call, 'UPDATE', request.subresource))) as T;
    }
    const { store } = endpoint.served;
    const entry =
      request.resourceVersion === '0'
        ? await store.shown(request.namespace ?? '', request.name)
        : await store.get(request.namespace ?? '', request.name);
    return entry.object as T;
  }

  async list<T>(request: ListRequest<T>): Promise<ListResult<T>> {
    const virtual = await this.#enterVirtual(request, 'list');
    if (virtual) {
      const entries = await virtual.list(request.namespace ?? '', request);
      return { resourceVersion: '', entries: entries as unknown as ObjectEntry<T>[] };
    }
    const endpoint = await this.#enter(request, 'list');
    const { served } = endpoint;
    validateListQuery(request);
    const listing = await listPage(
      { store: served.store, hub: this.#options.hub },
      parseSelection(served.definition, request.namespace ?? '', request),
      request,
    );
    return {
      resourceVersion: String(listing.revision),
      continue: listing.continue,
      remainingItemCount: listing.remaining,
      entries: listing.entries as unknown as ObjectEntry<T>[],
    };
  }

  async *watch<T>(request: WatchRequest<T>): AsyncGenerator<WatchEvent<T>> {
    const endpoint = await this.#enter(request, 'watch');
    const { served } = endpoint;
    const selection = parseSelection(served.definition, request.namespace ?? '', request);
    let watch: Disposable | undefined;
    const queue = new AsyncQueue<WatchEvent<T>>(queueLimit, () => void watch?.dispose());
    // The initial state may be larger than the queue: it is handed over before the limit counts.
    let initial: WatchEvent<T>[] | undefined = [];
    const push = (event: WatchEvent<T>): void => {
      if (initial) initial.push(event);
      else queue.push(event);
    };
    watch = await openWatch({ store: served.store, hub: this.#options.hub, clock: this.#options.clock }, selection, request, {
      change: (type, entry) => push({ type, entry: entry as unknown as ObjectEntry<T> }),
      bookmark: (revision, initialEventsEnd) => push({ type: 'BOOKMARK', resourceVersion: String(revision), initialEventsEnd }),
      end: error => (error ? queue.fail(error) : queue.end()),
    });
    auditOf(request)?.started(okCode);
    const first = initial;
    initial = undefined;
    const { signal } = request;
    const onAbort = (): void => queue.end();
    if (signal?.aborted) queue.end();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for (const event of first) yield event;
      yield* queue;
    } catch (error) {
      throw errorCode(error) === 'QUEUE_OVERFLOW' ? expired('the watch was too slow and was cut off') : error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await watch.dispose();
    }
  }

  async create<T>(request: WriteRequest<T>): Promise<T> {
    const name = request.name ?? (request.object as KubeObject).metadata?.name ?? '';
    const endpoint = await this.#enter(request, 'create', request.subresource ? name : '');
    const call = this.#call(request, name);
    const object = request.subresource
      ? (cloneJson(request.object) as KubeObject)
      : endpoint.operations.prepare(request.object as object);
    return resultOf<T>(
      await endpoint.operations.create(object, { ...call, name: request.subresource ? name : (request.name ?? '') }),
    );
  }

  async update<T>(request: WriteRequest<T> & { name: string }): Promise<T> {
    const endpoint = await this.#enter(request, 'update', request.name);
    const sub = request.subresource ? endpoint.operations.subresource(request.subresource, request.name) : undefined;
    const object =
      sub?.type === 'object' ? (cloneJson(request.object) as KubeObject) : endpoint.operations.prepare(request.object as object);
    return resultOf<T>(await endpoint.operations.update(object, this.#call(request, request.name)));
  }

  async patch<T>(request: PatchRequest<T>): Promise<T> {
    const endpoint = await this.#enter(request, 'patch', request.name);
    return resultOf<T>(
      await endpoint.operations.patch(request.type, request.patch, this.#call(request, request.name), request.force ?? false),
    );
  }

  async delete<T>(request: DeleteRequest<T>): Promise<T | undefined> {
    const endpoint = await this.#enter(request, 'delete', request.name);
    const { entry, gone } = await endpoint.operations.delete(this.#call(request, request.name), request.options ?? {});
    return gone ? undefined : (entry.object as T);
  }

  async deleteCollection<T>(request: ListRequest<T> & { options?: DeleteOptions; dryRun?: boolean }): Promise<void> {
    const endpoint = await this.#enter(request, 'deletecollection');
    const selection = parseSelection(endpoint.served.definition, request.namespace ?? '', request);
    await endpoint.served.store.deleteCollection(selection, this.#call(request, ''), request.options);
  }

  async #enter<T>(
    request: ResourceRequest<T> & { labelSelector?: string; fieldSelector?: string },
    verb: string,
    name = '',
  ): Promise<ResourceEndpoint> {
    const { group, version, resource } = request.resource;
    const endpoint = this.#options.endpoint(group, version, resource);
    if (!endpoint) throw this.#options.virtual(group, version, resource) ? methodNotAllowed() : pathNotFound();
    await this.#authorize(request, verb, name);
    return endpoint;
  }

  async #enterVirtual<T>(
    request: ResourceRequest<T> & { labelSelector?: string; fieldSelector?: string },
    verb: string,
    name = '',
  ): Promise<VirtualResource | undefined> {
    const { group, version, resource } = request.resource;
    const virtual = this.#options.virtual(group, version, resource);
    if (!virtual) return undefined;
    if (request.subresource) throw pathNotFound();
    await this.#authorize(request, verb, name);
    return virtual;
  }

  async #authorize<T>(
    request: ResourceRequest<T> & { labelSelector?: string; fieldSelector?: string },
    verb: string,
    name: string,
  ): Promise<void> {
    const { group, version, resource } = request.resource;
    const attributes: LocalAttributes = {
      verb,
      group,
      version,
      resource,
      subresource: request.subresource ?? '',
      namespace: request.namespace ?? '',
      name,
      selectors: {
        ...(request.labelSelector ? { labelSelector: request.labelSelector } : {}),
        ...(request.fieldSelector ? { fieldSelector: request.fieldSelector } : {}),
      },
    };
    await this.#options.authorize(request.caller, attributes, auditOf(request));
  }

  #call<T>(request: ResourceRequest<T> & { dryRun?: boolean; fieldManager?: string }, name: string): OperationCall {
    return {
      caller: request.caller,
      namespace: request.namespace ?? '',
      name,
      subresource: request.subresource ?? '',
      dryRun: request.dryRun ?? false,
      fieldManager: managerName(request.fieldManager, request.userAgent),
      fieldValidation: 'Ignore',
      options: request.fieldManager ? { fieldManager: request.fieldManager } : {},
      warn: noWarning,
      annotate: auditOf(request)?.annotate,
    };
  }
}

/** What is written down of a call; the transport around this one has put it there. */
function auditOf(request: ResourceRequest<unknown>): AuditRecord | undefined {
  return (request as AuditedCall).audit;
}

function resultOf<T>(result: OperationResult<KubeObject>): T {
  return ('entry' in result ? result.entry.object : deepFreeze(result.object)) as T;
}
