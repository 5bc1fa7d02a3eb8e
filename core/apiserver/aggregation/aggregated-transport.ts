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
import type { AuditedCall } from '../audit/audited-transport.js';
import type { LocalTransportOptions } from '../handlers/local-transport.js';

export interface AggregatedTransportOptions {
  readonly local: ApiTransport;
  /** To extension servers. */
  readonly remote: ApiTransport;
  /** Whether another server serves a version. */
  readonly isRemote: (resource: ResourceRequest<unknown>['resource']) => boolean;
  /** Throws Forbidden. What is local is authorized by the local transport. */
  readonly authorize: LocalTransportOptions['authorize'];
}

/** The API for parts in the same process, with what extension servers serve: authorized here, as requests of clients are. */
export class AggregatedTransport implements ApiTransport {
  readonly #options: AggregatedTransportOptions;

  constructor(options: AggregatedTransportOptions) {
    this.#options = options;
  }

  async get<T>(request: ObjectRequest<T>): Promise<T> {
    const verb = request.name ? 'get' : 'list';
    return (await this.#enter(request, verb, request.name)).get(request);
  }

  async list<T>(request: ListRequest<T>): Promise<ListResult<T>> {
    return (await this.#enter(request, 'list')).list(request);
  }

  async *watch<T>(request: WatchRequest<T>): AsyncGenerator<WatchEvent<T>> {
    yield* (await this.#enter(request, 'watch')).watch(request);
  }

  async create<T>(request: WriteRequest<T>): Promise<T> {
    return (await this.#enter(request, 'create', request.subresource ? request.name : '')).create(request);
  }

  async update<T>(request: WriteRequest<T> & { name: string }): Promise<T> {
    return (await this.#enter(request, 'update', request.name)).update(request);
  }

  async patch<T>(request: PatchRequest<T>): Promise<T> {
    return (await this.#enter(request, 'patch', request.name)).patch(request);
  }

  async delete<T>(request: DeleteRequest<T>): Promise<T | undefined> {
    return (await this.#enter(request, 'delete', request.name)).delete(request);
  }

  async deleteCollection<T>(request: ListRequest<T> & { options?: DeleteOptions; dryRun?: boolean }): Promise<void> {
    return (await this.#enter(request, 'deletecollection')).deleteCollection(request);
  }

  async #enter(
    request: ResourceRequest<unknown> & { labelSelector?: string; fieldSelector?: string },
    verb: string,
    name = '',
  ): Promise<ApiTransport> {
    const { local, remote, isRemote, authorize } = this.#options;
    if (!isRemote(request.resource)) return local;
    const { resource, caller, subresource = '', namespace = '', labelSelector, fieldSelector } = request;
    await authorize(
      caller,
      {
        verb,
        group: resource.group,
        version: resource.version,
        resource: resource.resource,
        subresource,
        namespace,
        name,
        selectors: { ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) },
      },
      (request as AuditedCall).audit,
    );
    return remote;
  }
}
