import type {
  ApiTransport,
  ListRequest,
  ListResult,
  ObjectEntry,
  PatchRequest,
  ResourceRequest,
  WatchEvent,
  WatchRequest,
  WriteRequest,
} from '../../core/contracts/api-transport.js';

interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: unknown;
  readonly initial: boolean;
}

/** How the part behind the transport is lied to. */
export interface Lies {
  /** What it reads of a resource's objects; undefined hides them. */
  readonly read?: (resource: string, object: unknown) => unknown;
  /** Whether it hears of a change. `initial`: it tells what was there when the watch began. */
  readonly hears?: (resource: string, change: Change) => boolean;
  /** What it writes: `resource/subresource`. Undefined: the write is answered and lost. */
  readonly write?: (resource: string, object: unknown, request: ResourceRequest<unknown> & { readonly name?: string }) => unknown;
}

/** Stands between a sound part and the API, so that together they are a part with a fault. */
export function faultyTransport(real: ApiTransport, { read = same, hears = yes, write = same }: Lies): ApiTransport {
  const shown = <T>(resource: string, entry: ObjectEntry<T>): ObjectEntry<T> | undefined => {
    const object = read(resource, entry.object) as T | undefined;
    return object === undefined ? undefined : { ...entry, object };
  };
  return {
    get: request => real.get(request),
    async list<T>(request: ListRequest<T>): Promise<ListResult<T>> {
      const result = await real.list(request);
      return { ...result, entries: result.entries.flatMap(entry => shown(request.resource.resource, entry) ?? []) };
    },
    async *watch<T>(request: WatchRequest<T>): AsyncIterable<WatchEvent<T>> {
      const { resource } = request.resource;
      let initial = request.sendInitialEvents === true;
      for await (const event of real.watch(request)) {
        if (event.type === 'BOOKMARK') {
          if (event.initialEventsEnd) initial = false;
          yield event;
        } else if (hears(resource, { type: event.type, object: event.entry.object, initial })) {
          const entry = shown(resource, event.entry);
          if (entry) yield { type: event.type, entry };
        }
      }
    },
    async create<T>(request: WriteRequest<T>): Promise<T> {
      const object = (await write(nameOf(request), request.object, request)) as T | undefined;
      return object === undefined ? request.object : real.create({ ...request, object });
    },
    update: request => real.update(request),
    async patch<T>(request: PatchRequest<T>): Promise<T> {
      const patch = (await write(nameOf(request), request.patch, request)) as object | undefined;
      return patch === undefined ? real.get<T>({ ...request, subresource: undefined }) : real.patch({ ...request, patch });
    },
    delete: request => real.delete(request),
    deleteCollection: request => real.deleteCollection(request),
  };
}

const same = (_: string, object: unknown): unknown => object;
const yes = (): boolean => true;
const nameOf = ({ resource, subresource }: ResourceRequest<unknown>): string =>
  subresource === undefined ? resource.resource : `${resource.resource}/${subresource}`;
