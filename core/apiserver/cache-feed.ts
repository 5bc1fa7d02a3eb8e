import type { PersistentVolume, Pod, Service } from '../api/generated/types.js';
import type { Disposable } from '../base/disposable.js';
import { DisposableStore, toDisposable } from '../base/disposable.js';
import type { ServiceAllocator } from '../contracts/service-allocator.js';
import type { KubeObject } from '../machinery/object.js';
import type { ApiServer } from './api-server.js';
import type { NodeGraph } from './auth/node-graph.js';
import type { RbacObjects, RbacStore } from './auth/rbac-store.js';

import { claimOf } from './resources/core/service-facts.js';

interface Feed {
  upsert(object: KubeObject): void;
  delete(namespace: string, name: string): void;
}

/** Tells `feed` of every object of a resource and of each change, in the turn in which the cache shows it. Start it before the hub. */
export function feedFrom(
  server: ApiServer,
  reference: { group: string; version: string; resource: string },
  feed: Feed,
): Disposable {
  const cache = server.endpoint(reference.group, reference.version, reference.resource)?.served.store.cache;
  if (!cache) return toDisposable(() => undefined);
  let known = new Set<string>();
  // After the stream broke the cache is loaded anew: what is gone by then was deleted in between.
  const fill = (): void => {
    const before = known;
    known = new Set();
    for (const entry of cache.entries()) {
      known.add(`${entry.namespace}/${entry.name}`);
      feed.upsert(entry.object);
    }
    for (const key of before) {
      const slash = key.indexOf('/');
      if (!known.has(key)) feed.delete(key.slice(0, slash), key.slice(slash + 1));
    }
  };
  fill();
  return cache.listen(
    event => {
      if (!event) return;
      const { namespace, name } = event.entry;
      if (event.type === 'put') {
        known.add(`${namespace}/${name}`);
        feed.upsert(event.entry.object);
      } else {
        known.delete(`${namespace}/${name}`);
        feed.delete(namespace, name);
      }
    },
    { onLoaded: fill },
  );
}

const rbacResources: readonly (keyof RbacObjects)[] = ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'];

/** Keeps the RBAC authorizer's roles and bindings. */
export function feedRbac(server: ApiServer, store: RbacStore): Disposable {
  const held = new DisposableStore();
  for (const resource of rbacResources) {
    held.add(
      feedFrom(
        server,
        { group: 'rbac.authorization.k8s.io', version: 'v1', resource },
        {
          upsert: object => store.upsert(resource, object as never),
          delete: (namespace, name) => store.delete(resource, namespace, name),
        },
      ),
    );
  }
  return held;
}

/** Keeps the node authorizer's picture of which node needs what. */
export function feedNodeGraph(server: ApiServer, graph: NodeGraph): Disposable {
  const held = new DisposableStore();
  held.add(
    feedFrom(
      server,
      { group: '', version: 'v1', resource: 'pods' },
      {
        upsert: object => graph.upsertPod(object as unknown as Pod),
        delete: (namespace, name) => graph.deletePod(namespace, name),
      },
    ),
  );
  held.add(
    feedFrom(
      server,
      { group: '', version: 'v1', resource: 'persistentvolumes' },
      {
        upsert: object => graph.upsertPersistentVolume(object as unknown as PersistentVolume),
        delete: (_namespace, name) => graph.deletePersistentVolume(name),
      },
    ),
  );
  held.add(
    feedFrom(
      server,
      { group: 'storage.k8s.io', version: 'v1', resource: 'volumeattachments' },
      {
        upsert: object => {
          const { nodeName } = (object as unknown as { spec: { nodeName: string } }).spec;
          graph.upsertNodeBound('volumeattachment', { namespace: '', name: object.metadata.name!, nodeName });
        },
        delete: (namespace, name) => graph.deleteNodeBound('volumeattachment', namespace, name),
      },
    ),
  );
  return held;
}

/** Tells the allocator what Services hold. */
export function feedServiceAllocator(server: ApiServer, allocator: ServiceAllocator): Disposable {
  return feedFrom(
    server,
    { group: '', version: 'v1', resource: 'services' },
    {
      upsert: object => allocator.record(claimOf(object as unknown as Service)),
      delete: (namespace, name) => allocator.record({ service: `${namespace}/${name}`, addresses: [], ports: [] }),
    },
  );
}
