import { createHash } from 'node:crypto';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../api/generated/types.js';
import type { ResourceData } from '../../api/schema-data.js';
import type { KubeObject } from '../../machinery/object.js';
import { cloneJson, formatApiVersion, jsonEqual } from '../../machinery/object.js';
import { memberPath } from '../../machinery/patch/managed-fields/field-set.js';
import type { MergeType } from '../../machinery/patch/managed-fields/merge-type.js';
import { mergeTypeOf } from '../../machinery/patch/managed-fields/merge-type.js';
import type { ResourceVersion } from '../../machinery/patch/managed-fields/ownership.js';
import type { ReplicasPaths } from '../../machinery/patch/managed-fields/scale-fields.js';
import { structuralMergeType } from '../../machinery/patch/managed-fields/structural-merge-type.js';
import type { StructuralSchema } from '../../machinery/patch/managed-fields/structural-merge-type.js';
import { validateApplied } from '../../machinery/patch/managed-fields/typed-value.js';
import type { TypeSet } from '../../machinery/schema.js';
import { applyDefaults, dropNulls } from '../../machinery/structural/defaults.js';
import type { JsonSchema } from '../../machinery/structural/json-schema.js';
import { compareKubeVersions } from '../../machinery/structural/kube-version.js';
import type { RuleEngine } from '../../machinery/structural/rule-engine.js';
import { prune } from '../../machinery/structural/prune.js';
import type { CustomResource } from '../served-resources.js';
import type { ObjectCache } from '../storage/resource-cache.js';
import type { StorageHub } from '../storage/storage-hub.js';
import type { ViewCache } from '../storage/view-cache.js';
import { AwaitedConversions } from './awaited-conversions.js';
import type { WebhookCaller } from './conversion-webhook.js';
import { convertByWebhook } from './conversion-webhook.js';
import { CustomCodec } from './custom-codec.js';
import { customColumns } from './custom-columns.js';
import { customDefinition } from './custom-definition.js';
import { customOpenApi } from './custom-openapi.js';
import { pathMembers } from './custom-scale.js';

const customVerbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];
const subresourceVerbs = ['get', 'patch', 'update'];
const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const noSchema: JsonSchema = {};

export interface CustomVersionsOptions {
  /** With accepted names. Asked again whenever a schema is needed: nothing of it is kept. */
  readonly definition: () => Readonly<CustomResourceDefinition>;
  /** All objects in whatever version each was stored. */
  readonly cache: ObjectCache;
  readonly hub: StorageHub;
  readonly types: TypeSet;
  readonly isTerminating: () => boolean;
  /** Absent: definitions that convert by a webhook serve what needs no conversion. */
  readonly webhooks?: WebhookCaller | undefined;
  readonly ruleEngine: RuleEngine;
}

/** The served versions of one definition over one cache. What a version needs is made when it is first used. */
export class CustomVersions {
  readonly resources: readonly CustomResource[];
  readonly #options: CustomVersionsOptions;
  /** By apiVersion, the names of all versions. */
  readonly #names: ReadonlyMap<string, string>;
  readonly #group: string;
  readonly #isByWebhook: boolean;
  readonly #mergeTypes = new Map<string, MergeType>();
  readonly #views: ViewCache[] = [];
  readonly #conversions = new AwaitedConversions(async (object, apiVersion) => (await this.#ask([object], apiVersion))[0]!);
  readonly #storageVersion: string;

  constructor(options: CustomVersionsOptions) {
    this.#options = options;
    const { spec } = options.definition();
    this.#group = spec.group;
    this.#isByWebhook = spec.conversion?.strategy === 'Webhook';
    this.#names = new Map(spec.versions.map(({ name }) => [this.#apiVersion(name), name]));
    this.#storageVersion = this.#apiVersion(spec.versions.find(({ storage }) => storage)!.name);
    this.resources = spec.versions.filter(({ served, storage }) => served || storage).map(version => this.#resource(version));
  }

  /** Watches of every version end. */
  close(): void {
    for (const view of this.#views) view.close();
  }

  #apiVersion(version: string): string {
    return formatApiVersion({ group: this.#group, version });
  }

  #schema(apiVersion: string): JsonSchema | undefined {
    const name = this.#names.get(apiVersion);
    const version = this.#options.definition().spec.versions.find(each => each.name === name);
    return version && ((version.schema?.openAPIV3Schema ?? noSchema) as JsonSchema);
  }

  #resource({ schema: _schema, ...version }: CustomResourceDefinitionVersion): CustomResource {
    const { types, isTerminating, hub, cache, ruleEngine } = this.#options;
    const crd = this.#options.definition();
    const { group, scope } = crd.spec;
    const names = cloneJson(crd.status.acceptedNames);
    const { name, subresources } = version;
    const apiVersion = this.#apiVersion(name);
    const kind = { group, version: name, kind: names.kind };
    const reference = { ...kind, resource: names.plural, namespaced: scope === 'Namespaced' };
    const schema = (): JsonSchema => this.#schema(apiVersion)!;
    const metadata = types.struct(objectMeta);
    const columns = customColumns(version.additionalPrinterColumns);
    const deprecation = version.deprecated ? (version.deprecationWarning ?? defaultDeprecation(version, crd)) : undefined;
    const toVersion = (object: Readonly<KubeObject>, other: string): Promise<KubeObject> => this.#inVersion(object, other);
    const definition = {
      ...customDefinition({
        reference,
        version,
        schema,
        deprecation,
        columns,
        metadata,
        isTerminating,
        ruleEngine,
      }),
      toVersion,
    };
    const data: ResourceData = {
      version: name,
      name: names.plural,
      singularName: names.singular ?? '',
      namespaced: reference.namespaced,
      kind: names.kind,
      ...(names.shortNames?.length ? { shortNames: names.shortNames } : {}),
      ...(names.categories?.length ? { categories: names.categories } : {}),
      verbs: customVerbs,
      storageVersionHash: storageVersionHash(crd),
      subresources: [
        ...(subresources?.status ? [{ name: 'status', kind: names.kind, verbs: subresourceVerbs }] : []),
        ...(subresources?.scale
          ? [{ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: subresourceVerbs }]
          : []),
      ],
      columns: columns.columns,
    };
    const selectors = Object.entries(definition.selectableFields ?? {});
    const fields = selectors.length
      ? (object: KubeObject) => Object.fromEntries(selectors.map(([field, value]) => [field, value(object)]))
      : undefined;
    const conversion = this.#isByWebhook
      ? {
          isNeeded: (stored: Readonly<KubeObject>) => stored.apiVersion !== apiVersion,
          convert: (stored: readonly Readonly<KubeObject>[]) => this.#converted(stored, apiVersion),
        }
      : undefined;
    const view = hub.view(cache, { isCustom: true, toView: stored => this.#shown(stored, apiVersion), fields, conversion });
    this.#views.push(view);
    const listKind = names.listKind ?? `${names.kind}List`;
    return {
      definition,
      data,
      listKind,
      codec: new CustomCodec(kind, schema, metadata),
      kept: {
        cache: view,
        toStored: draft => this.#kept(draft, apiVersion),
        converts: this.#isByWebhook && apiVersion !== this.#storageVersion,
      },
      type: () => this.#mergeType(apiVersion),
      // What was owned through a version that there is no more is forgotten.
      version: other => (this.#names.has(other) ? this.#comparable(other) : undefined),
      whenConverted: this.#isByWebhook ? work => this.#conversions.run(work) : undefined,
      replicasPaths: replicasPaths(crd),
      schemas: customOpenApi({
        ...kind,
        listKind,
        plural: names.plural,
        schema,
        selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath),
      }),
      isServed: version.served,
      isStored: version.storage,
    };
  }

  /** A version as that of an earlier writer, who must be able to hold what is written now. */
  #comparable(apiVersion: string): ResourceVersion {
    const type = this.#mergeType(apiVersion);
    return {
      type,
      convert: object => {
        const source = object as Readonly<KubeObject>;
        const converted = this.#isByWebhook ? this.#conversions.convert(source, apiVersion) : { ...source, apiVersion };
        validateApplied(converted, type);
        return converted;
      },
    };
  }

  #mergeType(apiVersion: string): MergeType {
    let type = this.#mergeTypes.get(apiVersion);
    if (!type) {
      const metadata = mergeTypeOf(this.#options.types.struct(objectMeta));
      type = structuralMergeType(this.#schema(apiVersion) as StructuralSchema, metadata);
      this.#mergeTypes.set(apiVersion, type);
    }
    return type;
  }

  /** A stored object as a version shows it: itself where nothing differs. */
  #shown(stored: Readonly<KubeObject>, apiVersion: string): KubeObject {
    const draft = this.#read(stored);
    if (stored.apiVersion !== apiVersion) {
      draft.apiVersion = apiVersion;
      this.#settle(draft, apiVersion);
    }
    return jsonEqual(draft, stored) ? stored : draft;
  }

  /** A stored object in the version that it is stored in. */
  #read(stored: Readonly<KubeObject>): KubeObject {
    const draft = cloneJson(stored) as KubeObject;
    this.#settle(draft, stored.apiVersion);
    applyDefaults(draft, this.#schema(stored.apiVersion));
    return draft;
  }

  /** What webhooks see that are for another version. */
  async #inVersion(object: Readonly<KubeObject>, apiVersion: string): Promise<KubeObject> {
    const draft = { ...cloneJson(object), apiVersion } as KubeObject;
    if (object.apiVersion === apiVersion || !this.#isByWebhook) return draft;
    const [converted] = (await this.#ask([object], apiVersion)) as [KubeObject];
    return converted;
  }

  /** A draft of a version in the form in which objects are kept. */
  async #kept(draft: KubeObject, apiVersion: string): Promise<KubeObject> {
    if (apiVersion === this.#storageVersion) return draft;
    let stored = { ...cloneJson(draft), apiVersion: this.#storageVersion };
    if (this.#isByWebhook) [stored] = (await this.#ask([draft], this.#storageVersion)) as [KubeObject];
    this.#settle(stored, this.#storageVersion);
    return stored;
  }

  async #converted(stored: readonly Readonly<KubeObject>[], apiVersion: string): Promise<KubeObject[]> {
    const drafts = await this.#ask(
      stored.map(object => this.#read(object)),
      apiVersion,
    );
    for (const draft of drafts) this.#settle(draft, apiVersion);
    return drafts;
  }

  #ask(objects: readonly Readonly<KubeObject>[], apiVersion: string): Promise<KubeObject[]> {
    return convertByWebhook(objects, apiVersion, this.#options.definition(), this.#options.webhooks);
  }

  #settle(draft: KubeObject, apiVersion: string): void {
    const schema = this.#schema(apiVersion);
    prune(draft, schema, { root: true });
    dropNulls(draft, schema);
  }
}

function replicasPaths({ spec }: Readonly<CustomResourceDefinition>): ReplicasPaths {
  return Object.fromEntries(
    spec.versions.map(({ name, subresources }) => {
      const path = subresources?.scale?.specReplicasPath;
      return [formatApiVersion({ group: spec.group, version: name }), path ? memberPath(...pathMembers(path)) : null];
    }),
  );
}

/** Source: apiserver pkg/endpoints/discovery, StorageVersionHash. */
function storageVersionHash({ spec }: Readonly<CustomResourceDefinition>): string {
  const stored = spec.versions.find(({ storage }) => storage)!.name;
  const hash = createHash('sha256').update(`${spec.group}/${stored}/${spec.names.kind}`).digest();
  return hash.subarray(0, 8).toString('base64');
}

function defaultDeprecation({ name }: CustomResourceDefinitionVersion, { spec }: Readonly<CustomResourceDefinition>): string {
  const { group, names, versions } = spec;
  const better = versions
    .filter(({ served, deprecated, name: other }) => served && !deprecated && compareKubeVersions(other, name) < 0)
    .map(version => version.name)
    .sort(compareKubeVersions)[0];
  const text = `${group}/${name} ${names.kind} is deprecated`;
  return better === undefined ? text : `${text}; use ${group}/${better} ${names.kind}`;
}
