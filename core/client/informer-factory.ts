import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { Client } from './client.js';
import { SharedInformer } from './informer.js';
import type { Informer, InformerFactory, InformerSelection } from './informer-types.js';

export interface InformerFactoryOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SharedInformerFactory implements InformerFactory {
  readonly #options: InformerFactoryOptions;
  readonly #informers = new Map<string, SharedInformer<unknown>>();
  /** Those that were released. */
  readonly #stopping = new Set<Promise<void>>();
  #started = false;
  #stopped = false;

  constructor(options: InformerFactoryOptions) {
    this.#options = options;
  }

  informer<T>(resource: ResourceReference<T>, selection: InformerSelection = {}): Informer<T> {
    const { namespace = '', labelSelector = '', fieldSelector = '' } = selection;
    const key = [resource.group, resource.version, resource.resource, namespace, labelSelector, fieldSelector].join('/');
    let informer = this.#informers.get(key) as SharedInformer<T> | undefined;
    if (!informer) {
      informer = new SharedInformer<T>({ ...this.#options, ...selection, resource });
      this.#informers.set(key, informer as SharedInformer<unknown>);
      if (this.#started && !this.#stopped) informer.start();
    }
    return informer;
  }

  release({ group, version, resource }: ResourceReference): void {
    const key = [group, version, resource, '', '', ''].join('/');
    const informer = this.#informers.get(key);
    if (!informer || informer.hasHandlers) return;
    this.#informers.delete(key);
    const stopped = informer.stop().finally(() => this.#stopping.delete(stopped));
    this.#stopping.add(stopped);
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const informer of this.#informers.values()) informer.start();
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    await Promise.all(Array.from(this.#informers.values(), informer => informer.whenSynced(signal)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...Array.from(this.#informers.values(), informer => informer.stop()), ...this.#stopping]);
  }
}
