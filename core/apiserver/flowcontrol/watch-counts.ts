import type { Disposable } from '../../base/disposable.js';
import { toDisposable } from '../../base/disposable.js';
import type { RequestInfo } from '../handlers/request-info.js';

/**
 * How many watches a change has to be told to: of the kind, of its namespace, of the object. Watches of the pods of one node are not
 * counted, since a pod is told to one of them. Source: apiserver pkg/util/flowcontrol/watch_tracker.go.
 */
export class WatchCounts {
  readonly #counts = new Map<string, number>();

  /** A watch, of one object where `name` says so, is open until what is returned is disposed. */
  register(info: RequestInfo, name: string): Disposable {
    if (info.resource === 'pods' && info.query.get('fieldSelector')?.includes('spec.nodeName='))
      return toDisposable(() => undefined);
    const key = keyOf(info, info.namespace, name);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    return toDisposable(() => {
      const left = this.#counts.get(key)! - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    });
  }

  interested(info: RequestInfo): number {
    if (this.#counts.size === 0) return 0;
    const { namespace, name } = info;
    const count = (space: string, of: string): number => this.#counts.get(keyOf(info, space, of)) ?? 0;
    return count('', '') + (namespace ? count(namespace, '') : 0) + (name ? count(namespace, name) : 0);
  }
}

function keyOf({ group, resource }: RequestInfo, namespace: string, name: string): string {
  return `${group}/${resource}/${namespace}/${name}`;
}
