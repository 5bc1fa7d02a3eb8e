import type { WithMetadata } from '../api/owners.js';
import { keyOf, objectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';

/**
 * An informer's objects, and over them what this controller wrote and the informer has not shown yet: so that a decision is never
 * made twice on what is no longer so.
 */
export class Latest<T extends WithMetadata> {
  readonly informer: Informer<T>;
  readonly #written = new Map<string, T>();

  constructor(informer: Informer<T>) {
    this.informer = informer;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#written.get(objectKey(namespace, name)) ?? this.informer.get(namespace, name);
  }

  list(): T[] {
    if (this.#written.size === 0) return this.informer.list();
    return this.informer.list().map(object => this.#written.get(keyOf(object)) ?? object);
  }

  /** Remembers what a write answered, until the informer shows it or something newer. */
  written(object: T): T {
    const key = keyOf(object);
    const shown = this.informer.get(object.metadata.namespace ?? '', object.metadata.name ?? '');
    if (shown && versionOf(shown) >= versionOf(object)) this.#written.delete(key);
    else this.#written.set(key, object);
    return object;
  }

  /** For the informer's `added` and `updated`. */
  seen(entry: ObjectEntry<T>): void {
    const written = this.#written.get(keyOf(entry));
    if (!written) return;
    if (Number(entry.resourceVersion) >= versionOf(written)) this.#written.delete(keyOf(entry));
  }

  gone(entry: ObjectEntry<T>): void {
    this.#written.delete(keyOf(entry));
  }
}

function versionOf(object: WithMetadata): number {
  return Number(object.metadata.resourceVersion);
}
