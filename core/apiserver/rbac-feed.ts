import type { Disposable } from '../base/disposable.js';
import { DisposableStore } from '../base/disposable.js';
import type { ApiServer } from './api-server.js';
import type { RbacObjects, RbacStore } from './auth/rbac-store.js';

const resources: readonly (keyof RbacObjects)[] = ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'];

/** Keeps the authorizer's roles and bindings as the cache shows them, in the same turn. Start it before the hub. */
export function feedRbac(server: ApiServer, store: RbacStore): Disposable {
  const held = new DisposableStore();
  for (const resource of resources) {
    const cache = server.endpoint('rbac.authorization.k8s.io', 'v1', resource)?.served.store.cache;
    if (!cache) continue;
    let known = new Set<string>();
    // After the stream broke the cache is loaded anew: what is gone by then was deleted in between.
    const fill = (): void => {
      const before = known;
      known = new Set();
      for (const entry of cache.entries()) {
        known.add(`${entry.namespace}/${entry.name}`);
        store.upsert(resource, entry.object as never);
      }
      for (const key of before)
        if (!known.has(key)) store.delete(resource, key.slice(0, key.indexOf('/')), key.slice(key.indexOf('/') + 1));
    };
    fill();
    held.add(
      cache.listen(
        event => {
          if (!event) return;
          const { namespace, name } = event.entry;
          const key = `${namespace}/${name}`;
          if (event.type === 'put') {
            known.add(key);
            store.upsert(resource, event.entry.object as never);
          } else {
            known.delete(key);
            store.delete(resource, namespace, name);
          }
        },
        { onLoaded: fill },
      ),
    );
  }
  return held;
}
