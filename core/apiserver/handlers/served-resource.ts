import type { ResourceData } from '../../api/schema-data.js';
import { encodeProtobuf } from '../../machinery/codec/protobuf.js';
import type { KubeObject } from '../../machinery/object.js';
import { formatApiVersion, parseApiVersion } from '../../machinery/object.js';
import type { MergeType } from '../../machinery/patch/managed-fields/merge-type.js';
import { mergeTypeOf } from '../../machinery/patch/managed-fields/merge-type.js';
import type { StructType, TypeSet } from '../../machinery/schema.js';
import type { Status } from '../../machinery/status-error.js';
import type { ResourceDefinition } from '../registry/resource-definition.js';
import type { ResourceStore } from '../registry/resource-store.js';
import type { ObjectCodec } from './object-codec.js';
import { StructCodec } from './object-codec.js';

/** A definition with its type and the facts printed from upstream: what encoding works with. */
export interface ServedKind<T extends KubeObject = KubeObject> {
  readonly definition: ResourceDefinition<T>;
  /** Of protobuf and strategic patches; undefined for custom resources, which have neither. */
  readonly struct: StructType | undefined;
  readonly codec: ObjectCodec;
  /** How its objects merge. */
  readonly mergeType: () => MergeType;
  readonly types: TypeSet;
  readonly data: ResourceData;
  /** `apps/v1`. */
  readonly apiVersion: string;
  readonly listKind: string;
  /** `{"kind":"Pod","apiVersion":"v1",`: items of lists stand without it. */
  readonly itemPrefixBytes: number;
}

/** The same with its store: what handlers work with. */
export interface ServedResource<T extends KubeObject = KubeObject> extends ServedKind<T> {
  readonly store: ResourceStore<T>;
}

export function servedResource<T extends KubeObject>(
  options: Parameters<typeof servedKind<T>>[0] & { store: ResourceStore<T> },
): ServedResource<T> {
  return { ...servedKind(options), store: options.store };
}

export function servedKind<T extends KubeObject>(options: {
  definition: ResourceDefinition<T>;
  types: TypeSet;
  data: ResourceData;
  /** Of kinds that are not in the tables. */
  own?: { readonly codec: ObjectCodec; readonly listKind: string; readonly mergeType: () => MergeType } | undefined;
}): ServedKind<T> {
  const { definition, types, data, own } = options;
  const { reference } = definition;
  const struct = own ? undefined : types.kind(reference.group, reference.version, reference.kind);
  const apiVersion = formatApiVersion(reference);
  if (!struct && !own) throw new Error(`no schema for ${apiVersion} ${reference.kind}`);
  const keepsEmptyLists = definition.keepsEmptyLists === true;
  return {
    definition,
    types,
    data,
    struct,
    mergeType: own?.mergeType ?? (() => mergeTypeOf(struct!)),
    codec: own?.codec ?? new StructCodec(struct!, { kind: reference, kinds: types, keepsEmptyLists }),
    apiVersion,
    listKind: own?.listKind ?? `${reference.kind}List`,
    itemPrefixBytes: Buffer.byteLength(`{"kind":${JSON.stringify(reference.kind)},"apiVersion":${JSON.stringify(apiVersion)},`),
  };
}

/** Protobuf with its envelope of an object of any kind in the tables (Status, Scale, Eviction ...). */
export function encodeAnyProtobuf(types: TypeSet, object: KubeObject | Status): Buffer {
  const version = parseApiVersion(object.apiVersion);
  const struct =
    object.kind === 'Status'
      ? types.struct('io.k8s.apimachinery.pkg.apis.meta.v1.Status')
      : version && types.kind(version.group, version.version, object.kind);
  if (!struct) throw new Error(`no schema for ${object.apiVersion} ${object.kind}`);
  return encodeProtobuf(struct, object as KubeObject);
}
