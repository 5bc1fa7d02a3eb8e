import type {
  ApiTransport,
  DeleteRequest,
  ListRequest,
  ListResult,
  ObjectEntry,
  ObjectRequest,
  PatchRequest,
  WatchEvent,
  WatchRequest,
  WriteRequest,
} from '../../core/contracts/api-transport.js';

/** Lets a sound part see and write something else than there is. Everything goes through until it is told otherwise. */
export class FaultyTransport implements ApiTransport {
  readonly #inner: ApiTransport;
  /** What the part takes an object for; undefined: it does not see it. */
  sees: (object: unknown, resource: string) => unknown = object => object;
  /** What is patched instead; undefined: nothing. */
  patches: (request: PatchRequest<unknown>) => Promise<PatchRequest<unknown> | undefined> = request => Promise.resolve(request);
  missesDeletions = false;
  missesWhatWasThere = false;

  constructor(inner: ApiTransport) {
    this.#inner = inner;
  }

  async list<T>(request: ListRequest<T>): Promise<ListResult<T>> {
    const result = await this.#inner.list(request);
    return { ...result, entries: result.entries.flatMap(entry => this.#seen(request, entry) ?? []) };
  }

  async *watch<T>(request: WatchRequest<T>): AsyncIterable<WatchEvent<T>> {
    let begun = !request.sendInitialEvents;
    for await (const event of this.#inner.watch(request)) {
      if (event.type === 'BOOKMARK') {
        begun ||= event.initialEventsEnd === true;
        yield event;
        continue;
      }
      if (this.missesWhatWasThere && !begun) continue;
      if (this.missesDeletions && event.type === 'DELETED') continue;
      const entry = this.#seen(request, event.entry);
      if (entry) yield { type: event.type, entry };
    }
  }

  get<T>(request: ObjectRequest<T>): Promise<T> {
    return this.#inner.get(request);
  }

  create<T>(request: WriteRequest<T>): Promise<T> {
    return this.#inner.create(request);
  }

  update<T>(request: WriteRequest<T> & { name: string }): Promise<T> {
    return this.#inner.update(request);
  }

  async patch<T>(request: PatchRequest<T>): Promise<T> {
    const patch = await this.patches(request as PatchRequest<unknown>);
    return patch ? this.#inner.patch(patch as PatchRequest<T>) : this.#inner.get<T>({ ...request, subresource: undefined });
  }

  delete<T>(request: DeleteRequest<T>): Promise<T | undefined> {
    return this.#inner.delete(request);
  }

  deleteCollection<T>(request: ListRequest<T>): Promise<void> {
    return this.#inner.deleteCollection(request);
  }

  #seen<T>(request: ListRequest<T>, entry: ObjectEntry<T>): ObjectEntry<T> | undefined {
    const object = this.sees(entry.object, request.resource.resource) as T | undefined;
    if (object === entry.object) return entry;
    const { namespace, name, uid, resourceVersion, labels } = entry;
    return object === undefined ? undefined : { namespace, name, uid, resourceVersion, labels, object };
  }
}
