import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { toDisposable } from '../base/disposable.js';
import type { ResourceData } from '../api/schema-data.js';
import { resourceData } from '../api/schema-data.js';
import type { AdmissionPlugin } from '../contracts/admission.js';
import type { ApiGroup, VirtualApiResource } from '../contracts/api-group.js';
import type { CallerIdentity } from '../contracts/api-transport.js';
import type { CataloguedResource } from '../contracts/resource-catalogue.js';
import type { KubeObject } from '../machinery/object.js';
import { parseApiVersion } from '../machinery/object.js';
import type { MergeType } from '../machinery/patch/managed-fields/merge-type.js';
import { mergeTypeOf } from '../machinery/patch/managed-fields/merge-type.js';
import type { ResourceVersion } from '../machinery/patch/managed-fields/ownership.js';
import type { ReplicasPaths } from '../machinery/patch/managed-fields/scale-fields.js';
import type { TypeSet } from '../machinery/schema.js';
import type { Authorizer } from './auth/authorizer.js';
import { resourceAttributes } from './auth/authorizer.js';
import { userOf } from './auth/user-info.js';
import type { DiscoveredResource } from './discovery/discovery.js';
import { FieldManagerOwner } from './handlers/field-manager-owner.js';
import type { ObjectCodec } from './handlers/object-codec.js';
import { Operations } from './handlers/operations.js';
import type { RequestInfo } from './handlers/request-info.js';
import type { ResourceEndpoint } from './handlers/resource-endpoint.js';
import { servedKind, servedResource } from './handlers/served-resource.js';
import { VirtualResource } from './handlers/virtual-resource.js';
import type { CustomSchemas } from './openapi/custom-schemas.js';
import type { RequestContext, ResourceDefinition, ResourceStores } from './registry/resource-definition.js';
import type { KeptObjects } from './registry/resource-store.js';
import { ResourceStore } from './registry/resource-store.js';
import type { StorageHub } from './storage/storage-hub.js';

export interface ServedResourcesOptions {
  readonly hub: StorageHub;
  readonly clock: Clock;
  readonly types: TypeSet;
  readonly groups: ReadonlyMap<string, ApiGroup>;
  readonly authorizer: Authorizer;
  readonly admission: () => readonly AdmissionPlugin[];
}

/** What a version of a custom resource has in place of types and tables. */
export interface CustomResource {
  readonly definition: ResourceDefinition;
  readonly data: ResourceData;
  readonly listKind: string;
  readonly codec: ObjectCodec;
  readonly kept: KeptObjects<KubeObject>;
  readonly type: () => MergeType;
  readonly version: (apiVersion: string) => ResourceVersion | undefined;
  /** For work with `version`, where conversions must be waited for. */
  readonly whenConverted: (<R>(work: () => R) => Promise<R>) | undefined;
  readonly replicasPaths: ReplicasPaths;
  readonly schemas: CustomSchemas;
  /** False: only kept, for the server itself. */
  readonly isServed: boolean;
  /** Whether this is the version that other parts of the server get when they name none. */
  readonly isStored: boolean;
}

type ResourcePath = Pick<RequestInfo, 'group' | 'version' | 'resource' | 'namespace' | 'verb'>;

const readingVerbs: readonly string[] = ['delete', 'deletecollection', 'get', 'list', 'watch'];

/** Every resource that is served at this moment, with its store; what URLs, parts in the process and discovery lead to. */
export class ServedResources {
  readonly stores: ResourceStores;
  readonly #options: ServedResourcesOptions;
  readonly #endpoints = new Map<string, ResourceEndpoint>();
  readonly #virtual = new Map<string, VirtualResource>();
  readonly #storesByName = new Map<string, ResourceStore>();
  readonly #custom = new Map<string, DiscoveredResource>();
  #builtIn: readonly DiscoveredResource[] | undefined;
  #groupVersions: Set<string> | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(options: ServedResourcesOptions) {
    this.#options = options;
    this.stores = {
      get: <T extends KubeObject>(reference: { group: string; resource: string }) =>
        this.#storesByName.get(`${reference.group}/${reference.resource}`) as unknown as ResourceStore<T> | undefined,
    };
  }

  endpoint(group: string, version: string, resource: string): ResourceEndpoint | undefined {
    return this.#endpoints.get(`${group}/${version}/${resource}`);
  }

  /** Whether a request is answered by a resource or, of built-in groups, by there being none. */
  serves({ group, version, resource, namespace, verb }: ResourcePath, isKnown: boolean): boolean {
    const custom = this.#custom.get(`${group}/${version}/${resource}`);
    if (!custom) return isKnown && (this.#groupVersions ??= this.#builtInVersions()).has(`${group}/${version}`);
    return custom.data.namespaced ? namespace !== '' || verb === 'list' || verb === 'watch' : namespace === '';
  }

  #builtInVersions(): Set<string> {
    return new Set(this.#builtInResources().map(({ group, data }) => `${group}/${data.version}`));
  }

  virtual(group: string, version: string, resource: string): VirtualResource | undefined {
    return this.#virtual.get(`${group}/${version}/${resource}`);
  }

  endpoints(): Iterable<ResourceEndpoint> {
    return this.#endpoints.values();
  }

  /** Called when custom resources have come or gone. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return toDisposable(() => void this.#listeners.delete(listener));
  }

  /** Before the hub starts. What a view shows is installed before it. */
  install(definition: ResourceDefinition): void {
    const { group, version, resource } = definition.reference;
    const { types, hub, clock } = this.#options;
    const data = this.#dataOf(definition);
    if (!data) throw new Error(`no facts about ${group}/${version} ${resource}: its group's tables do not have it`);
    const { viewOf } = definition;
    const viewed = viewOf && this.#storesByName.get(`${viewOf.reference.group}/${viewOf.reference.resource}`);
    if (viewOf && !viewed)
      throw new Error(`${group}/${version} ${resource} shows ${viewOf.reference.resource}, which are not served`);
    const kindOf = servedKind({ definition, types, data });
    const type = kindOf.mergeType;
    const sameType = (apiVersion: string): ResourceVersion => {
      return { type: type(), convert: object => ({ ...(object as object), apiVersion }) };
    };
    const owner = new FieldManagerOwner({
      definition,
      type,
      clock,
      scaleStruct: this.#scale(definition),
      version: apiVersion => {
        // What was written through another group (Events) is forgotten; other versions of the group count as one of the same type.
        if (parseApiVersion(apiVersion)?.group !== group) return undefined;
        return this.#otherVersion(definition, apiVersion) ?? sameType(apiVersion);
      },
    });
    const store = new ResourceStore({
      ...this.#storeOptions(),
      definition,
      viewed,
      hub,
      clock,
      ownership: owner,
      settle: draft => {
        kindOf.codec.settle(draft);
        definition.defaults?.(draft);
      },
    });
    const served = { ...kindOf, store };
    if (viewed?.definition.reference.group !== group) this.#storesByName.set(`${group}/${resource}`, store);
    this.#endpoints.set(`${group}/${version}/${resource}`, { served, operations: new Operations(served, owner) });
  }

  /** Another version of the same objects, where one is a view of the other. */
  #otherVersion({ reference, viewOf }: ResourceDefinition, apiVersion: string): ResourceVersion | undefined {
    const { group, resource, kind } = reference;
    const { version } = parseApiVersion(apiVersion)!;
    const other = version === reference.version ? undefined : this.endpoint(group, version, resource)?.served.definition;
    const struct = other && this.#options.types.kind(group, version, kind);
    const isView = other?.viewOf?.reference.version === reference.version;
    if (!struct || !(isView || viewOf?.reference.version === version)) return undefined;
    return {
      type: mergeTypeOf(struct),
      convert: object => {
        const from = object as KubeObject;
        if (from.apiVersion === apiVersion) return from;
        return isView ? other.viewOf!.toView(from) : viewOf!.fromView(from, undefined);
      },
    };
  }

  installVirtual(definition: ResourceDefinition, source: VirtualApiResource): void {
    const { group, version, resource } = definition.reference;
    const kind = servedKind({ definition, types: this.#options.types, data: this.#dataOf(definition)! });
    this.#virtual.set(`${group}/${version}/${resource}`, new VirtualResource(kind, source));
  }

  /** Serves the versions of a custom resource from now on, until what it returns is called. */
  mount(versions: readonly CustomResource[]): () => void {
    const { types, hub, clock } = this.#options;
    const keys: string[] = [];
    const stores: [string, ResourceStore][] = [];
    for (const custom of versions) {
      const { definition, data, codec, listKind, kept } = custom;
      const { group, version, resource } = definition.reference;
      const { type, version: otherVersion, whenConverted, replicasPaths } = custom;
      const scaleStruct = this.#scale(definition);
      const owner = new FieldManagerOwner({
        definition,
        type,
        clock,
        scaleStruct,
        version: otherVersion,
        whenConverted,
        replicasPaths,
      });
      const settle = (draft: KubeObject): void => definition.defaults?.(draft);
      const store = new ResourceStore({ ...this.#storeOptions(), definition, hub, clock, ownership: owner, kept, settle });
      const served = servedResource({ definition, store, types, data, own: { codec, listKind, mergeType: type } });
      const key = `${group}/${version}/${resource}`;
      if (custom.isServed) {
        this.#endpoints.set(key, { served, operations: new Operations(served, owner) });
        this.#custom.set(key, discovered({ served }, custom.schemas));
        keys.push(key);
      }
      if (custom.isStored) {
        this.#storesByName.set(`${group}/${resource}`, store);
        stores.push([`${group}/${resource}`, store]);
      }
    }
    this.#changed();
    return () => {
      for (const key of keys) {
        this.#endpoints.delete(key);
        this.#custom.delete(key);
      }
      for (const [key, store] of stores) if (this.#storesByName.get(key) === store) this.#storesByName.delete(key);
      this.#changed();
    };
  }

  /** Discovery says that nothing new can be made of these any more. */
  closeToNew(versions: readonly CustomResource[]): void {
    for (const { definition } of versions) {
      const { group, version, resource } = definition.reference;
      const key = `${group}/${version}/${resource}`;
      const found = this.#custom.get(key);
      if (found) this.#custom.set(key, { ...found, verbs: readingVerbs });
    }
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  #scale(definition: ResourceDefinition): ReturnType<TypeSet['kind']> {
    return definition.subresources?.['scale'] && this.#options.types.kind('autoscaling', 'v1', 'Scale');
  }

  #storeOptions(): {
    admission: () => readonly AdmissionPlugin[];
    stores: ResourceStores;
    allows: (caller: CallerIdentity, attributes: Parameters<RequestContext['allows']>[0]) => Promise<boolean>;
  } {
    const { admission, authorizer } = this.#options;
    return {
      admission,
      stores: this.stores,
      allows: async (caller, attributes) =>
        authorizer.authorize(
          resourceAttributes({ user: userOf(caller), version: '*', ...attributes, subresource: attributes.subresource ?? '' }),
        ).decision === 'allow',
    };
  }

  #dataOf({ reference: { group, version, resource } }: ResourceDefinition): ResourceData | undefined {
    const brought = this.#options.groups.get(group)?.data;
    if (!brought) return resourceData(group, version, resource);
    return brought.resources.find(entry => entry.version === version && entry.name === resource);
  }

  /** What discovery may list: only what has a definition, with the verbs that work. */
  discovered(): DiscoveredResource[] {
    return [...this.#builtInResources(), ...this.#custom.values()];
  }

  #builtInResources(): readonly DiscoveredResource[] {
    return (this.#builtIn ??= [
      ...Array.from(this.#endpoints)
        .filter(([key]) => !this.#custom.has(key))
        .map(([, endpoint]) => discovered(endpoint)),
      ...Array.from(this.#virtual.values(), ({ kind }): DiscoveredResource => {
        return { group: kind.definition.reference.group, data: kind.data, verbs: ['get', 'list'], subresources: [] };
      }),
    ]);
  }

  catalogue(): CataloguedResource[] {
    return this.discovered().map(({ group, data, verbs }) => ({
      reference: { group, version: data.version, resource: data.name, kind: data.kind, namespaced: data.namespaced },
      verbs,
    }));
  }

  /** How many objects there are of each kind. */
  objectMetrics(): string {
    const lines = ['# HELP apiserver_resource_objects Objects that are stored.', '# TYPE apiserver_resource_objects gauge'];
    const older = ['# HELP apiserver_storage_objects Objects that are stored.', '# TYPE apiserver_storage_objects gauge'];
    const seen = new Set<string>();
    for (const { served } of this.#endpoints.values()) {
      const { reference, viewOf, evaluate } = served.definition;
      const { group, resource } = reference;
      if (viewOf || evaluate || seen.has(`${group}/${resource}`)) continue;
      seen.add(`${group}/${resource}`);
      const { count } = served.store.cache;
      lines.push(`apiserver_resource_objects{group="${group}",resource="${resource}"} ${count}`);
      older.push(`apiserver_storage_objects{resource="${group ? `${resource}.${group}` : resource}"} ${count}`);
    }
    return `${[...lines, ...older].join('\n')}\n`;
  }
}

function discovered({ served }: Pick<ResourceEndpoint, 'served'>, schemas?: CustomSchemas): DiscoveredResource {
  const { definition, data } = served;
  const { group, version } = definition.reference;
  const own = new Set(Object.keys(definition.subresources ?? {}));
  const verbs = definition.evaluate
    ? ['create']
    : definition.verbs
      ? data.verbs.filter(verb => definition.verbs!.includes(verb as 'get'))
      : data.verbs;
  return {
    group,
    data,
    verbs,
    subresources: (data.subresources ?? [])
      .filter(sub => own.has(sub.name))
      .map(sub => ({
        name: sub.name,
        group: sub.group ?? group,
        version: sub.version ?? version,
        kind: sub.kind,
        verbs: sub.verbs,
      })),
    ...(schemas ? { schemas } : {}),
  };
}
