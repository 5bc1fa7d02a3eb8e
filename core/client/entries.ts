import type { ResourceReference } from '../api/resource-reference.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { formatApiVersion } from '../machinery/object.js';
import type { ObjectMeta } from '../machinery/object.js';

const noLabels: Readonly<Record<string, string>> = Object.freeze({});

/** `namespace/name`, or `name` for cluster-scoped objects: how queues and caches name an object. */
export function objectKey(namespace: string | undefined, name: string): string {
  return namespace ? `${namespace}/${name}` : name;
}

export function splitObjectKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export function keyOf(object: { metadata?: ObjectMeta } | ObjectEntry<unknown>): string {
  if ('resourceVersion' in object) return objectKey(object.namespace, object.name);
  const metadata = (object as { metadata?: ObjectMeta }).metadata;
  return objectKey(metadata?.namespace, metadata?.name ?? '');
}

/** The cache's view of a parsed object. */
export function entryOf<T>(object: T): ObjectEntry<T> {
  const metadata = (object as { metadata?: ObjectMeta }).metadata ?? {};
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    labels: metadata.labels ?? noLabels,
    object,
  };
}

/** List items come without apiVersion and kind; everybody else relies on them. */
export function withTypeMeta<T>(object: T, resource: ResourceReference<T>): T {
  const typed = object as { apiVersion?: string; kind?: string };
  if (typed.apiVersion && typed.kind) return object;
  return { apiVersion: formatApiVersion(resource), kind: resource.kind, ...typed } as T;
}
