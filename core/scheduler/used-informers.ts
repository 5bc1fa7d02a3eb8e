import type { ResourceReference } from '../api/resource-reference.js';
import type { Informer, InformerFactory } from '../client/informer-types.js';

/** The shared informers that one part uses, so that it need not wait for everybody's. */
export class UsedInformers implements Pick<InformerFactory, 'informer' | 'whenSynced'> {
  readonly #factory: Pick<InformerFactory, 'informer'>;
  readonly #used = new Set<Informer<unknown>>();

  constructor(factory: Pick<InformerFactory, 'informer'>) {
    this.#factory = factory;
  }

  informer<T>(resource: ResourceReference<T>): Informer<T> {
    const informer = this.#factory.informer(resource);
    this.#used.add(informer as Informer<unknown>);
    return informer;
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    await Promise.all(Array.from(this.#used, informer => informer.whenSynced(signal)));
  }

  get synced(): boolean {
    for (const informer of this.#used) if (!informer.synced) return false;
    return true;
  }
}
