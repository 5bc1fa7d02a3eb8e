import { dropEmpties } from '../machinery/codec/empties.js';
import { canonicalize, decodeObject } from '../machinery/codec/json-decode.js';
import type { GroupVersionKind, KubeObject } from '../machinery/object.js';
import { cloneJson, formatApiVersion, isJsonObject } from '../machinery/object.js';
import type { MergeType } from '../machinery/patch/managed-fields/merge-type.js';
import { mergeTypeOf } from '../machinery/patch/managed-fields/merge-type.js';
import type { StructType, TypeSet } from '../machinery/schema.js';
import type { MergingShapes, ResourceName } from './admission/webhooks/admission-shapes.js';
import { mergeMisfit } from './handlers/merge-misfit.js';
import type { ResourceEndpoint } from './handlers/resource-endpoint.js';
import type { ResourceDefinition } from './registry/resource-definition.js';

export interface Endpoints {
  readonly types: TypeSet;
  endpoint(group: string, version: string, resource: string): ResourceEndpoint | undefined;
  endpoints(): Iterable<ResourceEndpoint>;
}

/** The shapes of what the server serves now. */
export class ServedShapes implements MergingShapes {
  readonly #server: Endpoints;

  constructor(server: Endpoints) {
    this.#server = server;
  }

  kind(resource: ResourceName, subresource: string): GroupVersionKind | undefined {
    const served = this.#find(resource)?.served;
    if (!served) return undefined;
    const { reference } = served.definition;
    if (!subresource) return reference;
    const data = served.data.subresources?.find(({ name }) => name === subresource);
    if (!data) return undefined;
    return { group: data.group ?? reference.group, version: data.version ?? reference.version, kind: data.kind };
  }

  toJson(resource: ResourceName, subresource: string, object: Readonly<KubeObject>): object {
    const struct = this.#struct(resource, subresource);
    if (Object.isFrozen(object)) return object;
    const { kind, apiVersion, metadata, ...rest } = cloneJson(object) as KubeObject;
    const ordered = { kind, apiVersion, ...(struct?.jsonFields.has('metadata') === false ? {} : { metadata }), ...rest };
    if (struct && !this.#definition(resource)?.keepsEmptyLists) dropEmpties(struct, ordered);
    return ordered;
  }

  fromJson(resource: ResourceName, subresource: string, json: unknown, strict = false): KubeObject {
    const endpoint = this.#served(resource);
    const kind = this.#bodyKind(resource, subresource);
    const fieldValidation = strict ? 'Strict' : 'Ignore';
    // Upstream reads no custom resource again after a patch; what the schema does not know is not stored all the same.
    if (!kind && strict && isJsonObject(json) && !this.isBuiltIn(resource)) return this.fromMerged(resource, subresource, json);
    if (!kind) return endpoint.operations.decode(json, fieldValidation, () => undefined);
    const { object } = decodeObject(this.#struct(resource, subresource)!, json, { kind, keepsEmpties: true, fieldValidation });
    return this.#settled(resource, subresource, object);
  }

  mergeType(resource: ResourceName, subresource: string): MergeType | undefined {
    const kind = this.#bodyKind(resource, subresource);
    if (!kind) return this.#find(resource)?.served.mergeType();
    const sub = this.#definition(resource)?.subresources?.[subresource];
    // Upstream finds types in the OpenAPI document of their group and version, which has only what that serves itself.
    if (sub?.type !== 'object' || kind.group !== resource.group || kind.version !== resource.version) return undefined;
    return mergeTypeOf(this.#struct(resource, subresource)!);
  }

  isBuiltIn(resource: ResourceName): boolean {
    return this.#find(resource)?.served.struct !== undefined;
  }

  fromMerged(resource: ResourceName, subresource: string, merged: object): KubeObject {
    const kind = this.#bodyKind(resource, subresource);
    if (!kind) return this.#served(resource).operations.prepareMerged(merged, { keepsNulls: true });
    try {
      const object = canonicalize(this.#struct(resource, subresource)!, cloneJson(merged), { wraps: true, keepsEmpties: true });
      return this.#settled(resource, subresource, object as KubeObject);
    } catch (error) {
      throw mergeMisfit(kind, error);
    }
  }

  /** The kind of the bodies of a subresource that has its own; undefined: the resource's. */
  #bodyKind(resource: ResourceName, subresource: string): GroupVersionKind | undefined {
    const sub = subresource ? this.#definition(resource)?.subresources?.[subresource] : undefined;
    return !sub || sub.type === 'update' ? undefined : this.kind(resource, subresource);
  }

  #settled(resource: ResourceName, subresource: string, object: KubeObject): KubeObject {
    const sub = this.#definition(resource)?.subresources?.[subresource];
    if (sub?.type === 'object') sub.defaults?.(object);
    object.metadata ??= {};
    return object;
  }

  #served(resource: ResourceName): ResourceEndpoint {
    const endpoint = this.#find(resource);
    if (!endpoint) throw new Error(`${resource.resource}.${resource.group} is not served any more`);
    return endpoint;
  }

  fromAnyJson(json: KubeObject, strict = false): KubeObject {
    for (const { served, operations } of this.#server.endpoints()) {
      const { reference } = served.definition;
      if (reference.kind !== json.kind || formatApiVersion(reference) !== json.apiVersion) continue;
      return operations.decode(json, strict ? 'Strict' : 'Ignore', () => undefined);
    }
    return json;
  }

  equivalents(resource: ResourceName, subresource: string): readonly ResourceName[] {
    const own = this.#definition(resource);
    if (!own) return [];
    const stored = storedName(own);
    const found: ResourceName[] = [];
    for (const { served } of this.#server.endpoints()) {
      const { reference } = served.definition;
      if (served.definition === own || storedName(served.definition) !== stored) continue;
      if (!subresource || served.definition.subresources?.[subresource]) found.push(reference);
    }
    return found;
  }

  async convert(object: Readonly<KubeObject>, from: ResourceName, to: ResourceName): Promise<KubeObject> {
    const source = this.#find(from)?.served;
    const target = this.#find(to)?.served;
    if (!source || !target) throw new Error(`unable to convert to ${to.group}/${to.version}, Resource=${to.resource}`);
    const { namespace = '', name = '' } = object.metadata;
    const { viewOf, toVersion } = source.definition;
    if (toVersion) return toVersion(object, target.apiVersion);
    let converted = cloneJson(object) as KubeObject;
    // The newest state, for what a view cannot show; a view of a view there is none.
    if (viewOf) converted = viewOf.fromView(converted, this.#stored(source.definition, namespace, name));
    if (target.definition.viewOf) converted = target.definition.viewOf.toView(converted);
    return converted;
  }

  #stored({ viewOf }: ResourceDefinition, namespace: string, name: string): Readonly<KubeObject> | undefined {
    if (!viewOf || !name) return undefined;
    return this.#find(viewOf.reference)?.served.store.cache.get(namespace, name)?.object;
  }

  #struct(resource: ResourceName, subresource: string): StructType | undefined {
    const kind = this.kind(resource, subresource);
    return kind && this.#server.types.kind(kind.group, kind.version, kind.kind);
  }

  #definition(resource: ResourceName): ResourceDefinition | undefined {
    return this.#find(resource)?.served.definition;
  }

  #find({ group, version, resource }: ResourceName): ResourceEndpoint | undefined {
    return this.#server.endpoint(group, version, resource);
  }
}

function storedName({ reference, viewOf }: ResourceDefinition): string {
  const { group, resource } = viewOf?.reference ?? reference;
  return `${group}/${resource}`;
}
