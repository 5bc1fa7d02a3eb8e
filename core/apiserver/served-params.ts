import type { ResourceReference } from '../api/resource-reference.js';
import { resourceData } from '../api/schema-data.js';
import type { KubeObject } from '../machinery/object.js';
import { withoutManagedFields } from './admission/policies/policy-params.js';
import type { ParamResource, ParamResources } from './admission/policies/policy-params.js';
import type { ResourceEndpoint } from './handlers/resource-endpoint.js';
import type { Endpoints } from './served-shapes.js';

/** Parameters of policies out of the caches of what is served. */
export class ServedParams implements ParamResources {
  readonly #server: Pick<Endpoints, 'endpoints'>;

  constructor(server: Pick<Endpoints, 'endpoints'>) {
    this.#server = server;
  }

  find(group: string, version: string, kind: string): ParamResource | undefined {
    for (const endpoint of this.#server.endpoints()) {
      const { reference } = endpoint.served.definition;
      if (reference.kind === kind && reference.group === group && reference.version === version) return paramsOf(endpoint);
    }
    return undefined;
  }
}

function paramsOf({ served: { store, definition } }: ResourceEndpoint): ParamResource {
  const { cache } = store;
  const show = isNative(definition.reference) ? withoutManagedFields : (object: Readonly<KubeObject>) => object;
  return {
    namespaced: cache.namespaced,
    async get(namespace, name) {
      await cache.prepare?.({ namespace, name });
      const found = cache.get(namespace, name)?.exact;
      return found && show(found);
    },
    async list(namespace, selector) {
      const within = namespace || undefined;
      await cache.prepare?.({ namespace: within });
      return [...cache.entries(within)].filter(({ labels }) => selector.matches(labels)).map(({ exact }) => show(exact));
    },
  };
}

/** Of the kinds that upstream's server has caches of anyway, which leave the managed fields out. */
function isNative({ group, version, resource }: ResourceReference): boolean {
  return group !== 'apiextensions.k8s.io' && resourceData(group, version, resource) !== undefined;
}
