import type { ResourceReference } from '../api/resource-reference.js';
import { toDisposable } from '../base/disposable.js';
import type { Informer, InformerFactory } from '../client/informer-types.js';
import type { ResourceCatalogue } from '../contracts/resource-catalogue.js';

/**
 * Informers of what the API serves when the scheduler starts. A server that leaves out a group (`--runtime-config`) has none of
 * its objects; an informer would wait for it for ever.
 */
export class ServedInformers implements Pick<InformerFactory, 'informer'> {
  readonly #factory: Pick<InformerFactory, 'informer'>;
  readonly #served: ReadonlySet<string>;

  constructor(factory: Pick<InformerFactory, 'informer'>, catalogue: ResourceCatalogue) {
    this.#factory = factory;
    this.#served = new Set(catalogue.resources().map(({ reference }) => keyOf(reference)));
  }

  informer<T>(resource: ResourceReference<T>): Informer<T> {
    return this.#served.has(keyOf(resource)) ? this.#factory.informer(resource) : emptyInformer(resource);
  }
}

function keyOf({ group, version, resource }: ResourceReference): string {
  return `${group}/${version}/${resource}`;
}

function emptyInformer<T>(resource: ResourceReference<T>): Informer<T> {
  return {
    resource,
    synced: true,
    addHandler: () => toDisposable(() => undefined),
    get: () => undefined,
    entry: () => undefined,
    list: () => [],
    entries: () => [],
    addIndex: () => undefined,
    byIndex: () => [],
    whenSynced: () => Promise.resolve(),
  };
}
