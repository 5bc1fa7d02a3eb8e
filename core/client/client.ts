import type { ResourceReference } from '../api/resource-reference.js';
import type {
  ApiTransport,
  CallerIdentity,
  DeleteOptions,
  FieldValidation,
  ListRequest,
  ListResult,
  ObjectEntry,
  ObjectRequest,
  PatchType,
  WatchEvent,
  WatchRequest,
} from '../contracts/api-transport.js';

export interface WriteOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: FieldValidation;
  readonly signal?: AbortSignal;
}

type Selection = Pick<
  ListRequest<unknown>,
  'labelSelector' | 'fieldSelector' | 'resourceVersion' | 'resourceVersionMatch' | 'limit' | 'continue' | 'signal'
>;
type WatchSelection = Selection & Pick<WatchRequest<unknown>, 'allowWatchBookmarks' | 'sendInitialEvents' | 'timeoutSeconds'>;

/** Verbs on objects as one caller, over any transport: `client.resource(Pods, 'default').get('web')`. */
export class Client {
  readonly transport: ApiTransport;
  readonly caller: CallerIdentity;
  readonly #userAgent: string | undefined;

  constructor(transport: ApiTransport, caller: CallerIdentity, userAgent?: string) {
    this.transport = transport;
    this.caller = caller;
    this.#userAgent = userAgent;
  }

  /** The same transport as another caller. */
  as(caller: CallerIdentity, userAgent?: string): Client {
    return new Client(this.transport, caller, userAgent ?? this.#userAgent);
  }

  /** Objects of one resource; in one namespace, or in all (lists and watches only) when none is given. */
  resource<T>(resource: ResourceReference<T>, namespace?: string): ResourceClient<T> {
    return new ResourceClient<T>(this.transport, { caller: this.caller, resource, namespace, userAgent: this.#userAgent });
  }
}

interface Target<T> {
  readonly caller: CallerIdentity;
  readonly resource: ResourceReference<T>;
  readonly namespace?: string | undefined;
  readonly subresource?: string;
  readonly userAgent?: string | undefined;
}

export class ResourceClient<T> {
  readonly #transport: ApiTransport;
  readonly #target: Target<T>;

  constructor(transport: ApiTransport, target: Target<T>) {
    this.#transport = transport;
    this.#target = target;
  }

  /** Verbs on `status`, `scale`, `binding` ...; the object type of some subresources is another one. */
  subresource<S = T>(subresource: string): ResourceClient<S> {
    return new ResourceClient<S>(this.#transport, { ...(this.#target as unknown as Target<S>), subresource });
  }

  get(name: string, options: Pick<ObjectRequest<T>, 'resourceVersion' | 'parameters' | 'signal'> = {}): Promise<T> {
    return this.#transport.get<T>({ ...this.#target, name, ...options });
  }

  list(options: Selection = {}): Promise<ListResult<T>> {
    return this.#transport.list<T>({ ...this.#target, ...options });
  }

  /** All objects of a list, parsed. For small lists; caches use `list` and keep entries. */
  async objects(options: Selection = {}): Promise<T[]> {
    return (await this.list(options)).entries.map((entry: ObjectEntry<T>) => entry.object);
  }

  watch(options: WatchSelection = {}): AsyncIterable<WatchEvent<T>> {
    return this.#transport.watch<T>({ ...this.#target, ...options });
  }

  create(object: T, options: WriteOptions & { name?: string } = {}): Promise<T> {
    return this.#transport.create<T>({ ...this.#target, object, ...options });
  }

  update(name: string, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#transport.update<T>({ ...this.#target, name, object, ...options });
  }

  updateStatus(name: string, object: T, options: WriteOptions = {}): Promise<T> {
    return this.subresource('status').update(name, object, options);
  }

  patch(name: string, type: PatchType, patch: object, options: WriteOptions & { force?: boolean } = {}): Promise<T> {
    return this.#transport.patch<T>({ ...this.#target, name, type, patch, ...options });
  }

  delete(name: string, options: DeleteOptions & { dryRun?: boolean; signal?: AbortSignal } = {}): Promise<T | undefined> {
    const { dryRun, signal, ...rest } = options;
    return this.#transport.delete<T>({ ...this.#target, name, options: rest, dryRun, signal });
  }

  deleteCollection(selection: Selection = {}, options: DeleteOptions = {}): Promise<void> {
    return this.#transport.deleteCollection<T>({ ...this.#target, ...selection, options });
  }
}
