import { dropEmpties } from '../machinery/codec/empties.js';
import { decodeObject } from '../machinery/codec/json-decode.js';
import type { GroupVersionKind, KubeObject } from '../machinery/object.js';
import { cloneJson, formatApiVersion } from '../machinery/object.js';
import type { StructType, TypeSet } from '../machinery/schema.js';
import type { AdmissionShapes, ResourceName } from './admission/webhooks/admission-shapes.js';
import type { ResourceEndpoint } from './handlers/resource-endpoint.js';
import type { ResourceDefinition } from './registry/resource-definition.js';

export interface Endpoints {
  readonly types: TypeSet;
  endpoint(group: string, version: string, resource: string): ResourceEndpoint | undefined;
  endpoints(): Iterable<ResourceEndpoint>;
}

/** The shapes of what the server serves now. */
export class ServedShapes implements AdmissionShapes {
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

  fromJson(resource: ResourceName, subresource: string, json: unknown): KubeObject {
    const endpoint = this.#find(resource);
    const kind = this.kind(resource, subresource);
    if (!endpoint || !kind) throw new Error(`${resource.resource}.${resource.group} is not served any more`);
    const sub = subresource ? endpoint.served.definition.subresources?.[subresource] : undefined;
    if (!sub || sub.type === 'update') return endpoint.operations.decode(json, 'Ignore', () => undefined);
    const { object } = decodeObject(this.#struct(resource, subresource)!, json, { kind, keepsEmpties: true });
    if (sub.type === 'object') sub.defaults?.(object);
    object.metadata ??= {};
    return object;
  }

  fromAnyJson(json: KubeObject): KubeObject {
    for (const { served, operations } of this.#server.endpoints()) {
      const { reference } = served.definition;
      if (reference.kind !== json.kind || formatApiVersion(reference) !== json.apiVersion) continue;
      return operations.decode(json, 'Ignore', () => undefined);
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
