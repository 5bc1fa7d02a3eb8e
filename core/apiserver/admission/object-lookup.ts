import type { ResourceReference } from '../../api/resource-reference.js';
import type { KubeObject } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { ResourceStores } from '../registry/resource-definition.js';

/** Other objects, as admission plugins need them. What is not served looks empty. */
export class ObjectLookup {
  readonly #stores: ResourceStores;

  constructor(stores: ResourceStores) {
    this.#stores = stores;
  }

  serves(reference: ResourceReference<KubeObject>): boolean {
    return this.#stores.get(reference) !== undefined;
  }

  /** What the cache shows now. */
  cached<T extends KubeObject>(reference: ResourceReference<T>, namespace: string, name: string): Readonly<T> | undefined {
    return this.#stores.get<T>(reference)?.cache.get(namespace, name)?.object;
  }

  /** The newest state. */
  async newest<T extends KubeObject>(
    reference: ResourceReference<T>,
    namespace: string,
    name: string,
  ): Promise<Readonly<T> | undefined> {
    const store = this.#stores.get<T>(reference);
    if (!store) return undefined;
    try {
      return (await store.get(namespace, name)).object;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  /** The cached object, or where the cache has none the newest state. */
  async find<T extends KubeObject>(
    reference: ResourceReference<T>,
    namespace: string,
    name: string,
  ): Promise<Readonly<T> | undefined> {
    return this.cached(reference, namespace, name) ?? (await this.newest(reference, namespace, name));
  }

  /** Of one namespace, or of all where none is given. */
  *list<T extends KubeObject>(reference: ResourceReference<T>, namespace?: string): Generator<Readonly<T>> {
    const cache = this.#stores.get<T>(reference)?.cache;
    if (cache) for (const entry of cache.entries(namespace)) yield entry.object;
  }

  /** Whether the namespace has any; parses nothing. */
  hasAny(reference: ResourceReference<KubeObject>, namespace: string): boolean {
    return (this.#stores.get(reference)?.cache.countIn(namespace) ?? 0) > 0;
  }
}
