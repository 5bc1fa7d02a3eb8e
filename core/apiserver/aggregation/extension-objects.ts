import type { ResourceReference } from '../../api/resource-reference.js';
import type { ApiTransport, ObjectEntry } from '../../contracts/api-transport.js';
import type { RestExchange } from '../../contracts/rest-exchange.js';
import type { KubeObject } from '../../machinery/object.js';

/** All objects of a resource that another server serves, as they were when it was last heard of. */
export interface FollowedObjects {
  /** Resolves when they were listed once; rejects when `signal` or `stop` comes first. */
  whenSynced(signal: AbortSignal): Promise<void>;
  get(namespace: string, name: string): KubeObject | undefined;
  /** Of all namespaces where none is named. */
  entries(namespace?: string): Iterable<ObjectEntry<KubeObject>>;
  stop(): Promise<void>;
}

/** How this server is a client of extension servers. The composition root has the client that it must not import. */
export interface ExtensionClients {
  transport(exchange: RestExchange): ApiTransport;
  /** Follows from now on, as this server itself. */
  follow(transport: ApiTransport, resource: ResourceReference<KubeObject>): FollowedObjects;
}
