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

function paramsOf({ served: { store } }: ResourceEndpoint): ParamResource {
  const { cache } = store;
  return {
    namespaced: cache.namespaced,
    async get(namespace, name) {
      await cache.prepare?.({ namespace, name });
      return cache.get(namespace, name)?.object;
    },
    async list(namespace, selector) {
      const within = namespace || undefined;
      await cache.prepare?.({ namespace: within });
      return [...cache.entries(within)].filter(({ labels }) => selector.matches(labels)).map(({ object }) => object);
    },
  };
}
