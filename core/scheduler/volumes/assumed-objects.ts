import type { Informer } from '../../client/informer-types.js';
import type { ObjectMeta } from '../../machinery/object.js';

/**
 * Objects as they will be once writes under way have come back: an assumed state holds until the informer knows a newer version,
 * or it is taken back.
 */
export class AssumedObjects<T extends { metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'resourceVersion'> }> {
  readonly #informer: Informer<T>;
  readonly #assumed = new Map<string, { readonly object: T; readonly basedOn: string }>();

  constructor(informer: Informer<T>) {
    this.#informer = informer;
  }

  get(namespace: string, name: string): T | undefined {
    const entry = this.#informer.entry(namespace, name);
    const key = `${namespace}/${name}`;
    const assumed = this.#assumed.get(key);
    if (!assumed) return entry?.object;
    if (entry?.resourceVersion === assumed.basedOn) return assumed.object;
    this.#assumed.delete(key);
    return entry?.object;
  }

  /** As the informer has it. */
  actual(namespace: string, name: string): T | undefined {
    return this.#informer.get(namespace, name);
  }

  /** `object`, or its assumed state. */
  latest(object: T): T {
    const { namespace = '', name } = object.metadata;
    return this.#assumed.has(`${namespace}/${name}`) ? (this.get(namespace, name!) ?? object) : object;
  }

  /** False when the object was changed meanwhile. */
  assume(object: T): boolean {
    const { namespace = '', name, resourceVersion } = object.metadata;
    const entry = this.#informer.entry(namespace, name!);
    if (!entry || entry.resourceVersion !== resourceVersion) return false;
    this.#assumed.set(`${namespace}/${name}`, { object, basedOn: entry.resourceVersion });
    return true;
  }

  /** Takes back what `assume` was given: that very object, as somebody else may have assumed another state since. */
  restore(object: T): void {
    const { namespace = '', name } = object.metadata;
    const key = `${namespace}/${name}`;
    if (this.#assumed.get(key)?.object === object) this.#assumed.delete(key);
  }

  /** How many states are held, for tests. */
  get size(): number {
    return this.#assumed.size;
  }
}
