import type { TypeSet, StructType } from '../../machinery/schema.js';
import type { KubeObject } from '../../machinery/object.js';
import { formatApiVersion } from '../../machinery/object.js';
import type { ResourceData } from '../../api/schema-data.js';
import type { ResourceDefinition } from '../registry/resource-definition.js';
import type { ResourceStore } from '../registry/resource-store.js';

/** A definition with its store, its type and the facts printed from upstream: what handlers work with. */
export interface ServedResource<T extends KubeObject = KubeObject> {
  readonly definition: ResourceDefinition<T>;
  readonly store: ResourceStore<T>;
  readonly struct: StructType;
  readonly types: TypeSet;
  readonly data: ResourceData;
  /** `apps/v1`. */
  readonly apiVersion: string;
  readonly listKind: string;
  /** `{"kind":"Pod","apiVersion":"v1",`: items of lists stand without it. */
  readonly itemPrefixBytes: number;
}

export function servedResource<T extends KubeObject>(options: {
  definition: ResourceDefinition<T>;
  store: ResourceStore<T>;
  types: TypeSet;
  data: ResourceData;
}): ServedResource<T> {
  const { reference } = options.definition;
  const struct = options.types.kind(reference.group, reference.version, reference.kind);
  if (!struct) throw new Error(`no schema for ${formatApiVersion(reference)} ${reference.kind}`);
  const apiVersion = formatApiVersion(reference);
  return {
    ...options,
    struct,
    apiVersion,
    listKind: `${reference.kind}List`,
    itemPrefixBytes: Buffer.byteLength(`{"kind":${JSON.stringify(reference.kind)},"apiVersion":${JSON.stringify(apiVersion)},`),
  };
}
