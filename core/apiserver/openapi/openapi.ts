import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { jsonText, parseOwnJson } from '../../machinery/codec/json-text.js';
import type { TypeSet } from '../../machinery/schema.js';
import type { DiscoveredResource } from '../discovery/discovery.js';
import { documentV2, documentV3 } from './gnostic-messages.js';
import { encodeMessage } from './gnostic-encoder.js';
import type { ApiPath, KindKey } from './operations.js';
import { metaTypes, ResourceOperations } from './operations.js';
import { renderPathsV2 } from './render-v2.js';
import { renderPathsV3 } from './render-v3.js';
import type { SwaggerDocument } from './merge-v2.js';
import { mergeInto } from './merge-v2.js';
import type { CustomSchemas } from './custom-schemas.js';
import type { DescriptionLookup, OpenApiSchema } from './schema-builder.js';
import { SchemaBuilder } from './schema-builder.js';
import { serverPaths } from './server-operations.js';

export interface OpenApiOptions {
  /** What is served now. */
  readonly resources: readonly DiscoveredResource[];
  readonly types: TypeSet;
  readonly describe: DescriptionLookup;
  /** `1.36` */
  readonly version: string;
  /** What other servers add. */
  readonly extensions?: ExtensionDocuments | undefined;
}

/** Documents of extension servers. */
export interface ExtensionDocuments {
  /** Where their documents of v3 lie, by key. */
  index(): Promise<ReadonlyMap<string, string>>;
  /** Another text when `documentsV2` gives other documents. */
  stampV2(): Promise<string>;
  /** Each with no more than its own paths; they may be changed. */
  documentsV2(): SwaggerDocument[];
}

export interface OpenApiDocument {
  /** Of the JSON, also for the protobuf form: what it is asked by. */
  readonly hash: string;
  readonly bytes: Buffer;
}

type GroupVersion = Omit<KindKey, 'kind'>;
type IndexPaths = Record<string, { readonly serverRelativeURL: string }>;

export type OpenApiForm = 'json' | 'protobuf';

/** Documents are large and rarely asked for twice: so many are kept. */
const keptDocuments = 4;
/** What upstream calls the documents of groups of custom resources. */
const customInfo = { title: 'Kubernetes CRD Swagger', version: 'v0.1.0' };
/** Groups of the server that client-go has no types of. */
const unknownToClients: ReadonlySet<string> = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io', 'metrics.k8s.io']);
const security = {
  BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' },
};

/** OpenAPI documents of the served groups, built when asked for. Source: KEP-2896; the forms are those of upstream's kube-openapi. */
export class OpenApi {
  readonly #options: Omit<OpenApiOptions, 'resources'>;
  #resources: readonly DiscoveredResource[];
  readonly #hashes = new Map<string, string>();
  /** By form and key, the latest last. */
  readonly #kept = new Map<string, Buffer>();
  #index: Promise<IndexPaths> | undefined;
  #extensionStamp = '';
  #knownGroupVersions: readonly GroupVersion[] | undefined;
  #knownKeys: ReadonlySet<string> | undefined;
  #knownServerPaths: ReadonlyMap<string, ApiPath> | undefined;

  constructor(options: OpenApiOptions) {
    this.#options = options;
    this.#resources = options.resources;
  }

  /** Other resources are served: documents of groups whose resources are the same stay. */
  update(resources: readonly DiscoveredResource[]): void {
    const before = byDocument(this.#resources);
    const now = byDocument(resources);
    for (const key of new Set([...before.keys(), ...now.keys()])) {
      const [old, fresh] = [before.get(key) ?? [], now.get(key) ?? []];
      if (old.length === fresh.length && old.every(resource => fresh.includes(resource))) continue;
      this.#forget(key);
      // A group's own document names its versions.
      this.#forget(key.replace(/\/[^/]*$/, ''));
    }
    this.#forget('');
    this.#forget('apis');
    this.#resources = resources;
    this.#index = undefined;
    this.#knownGroupVersions = undefined;
    this.#knownServerPaths = undefined;
    this.#knownKeys = undefined;
  }

  #forget(key: string): void {
    this.#hashes.delete(key);
    for (const form of ['json', 'protobuf']) this.#kept.delete(`${form} ${key}`);
  }

  /** `/openapi/v3`: where each document lies, by hash. */
  async index(): Promise<OpenApiDocument> {
    const building = (this.#index ??= this.#buildIndex());
    let local: IndexPaths;
    try {
      local = await building;
    } catch (error) {
      // Whoever asks next tries again.
      if (this.#index === building) this.#index = undefined;
      throw error;
    }
    const others = (await this.#options.extensions?.index()) ?? new Map<string, string>();
    const paths = { ...local };
    for (const [key, serverRelativeURL] of others) if (!Object.hasOwn(local, key)) paths[key] = { serverRelativeURL };
    const bytes = Buffer.from(JSON.stringify({ paths }));
    return { hash: hashOf(bytes), bytes };
  }

  /** Whether this server itself has a document of v3. */
  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** `/openapi/v3/KEY`: `key` is `api`, `apis/GROUP`, `apis/GROUP/VERSION` and the like. Undefined when there is none. */
  document(key: string, form: OpenApiForm = 'json'): OpenApiDocument | undefined {
    if (!this.#keys.has(key)) return undefined;
    return this.#document(key, form, () => this.#buildV3(key));
  }

  /** `/openapi/v2`: everything in one document. */
  async documentV2(form: OpenApiForm = 'json'): Promise<OpenApiDocument> {
    const stamp = (await this.#options.extensions?.stampV2()) ?? '';
    if (stamp !== this.#extensionStamp) this.#forget('');
    this.#extensionStamp = stamp;
    return this.#document('', form, () => this.#buildV2());
  }

  async #buildIndex(): Promise<IndexPaths> {
    const paths: IndexPaths = {};
    for (const key of [...this.#keys].sort()) {
      // It may have gone while others had their turn.
      const document = this.document(key);
      if (document) paths[key] = { serverRelativeURL: `/openapi/v3/${key}?hash=${document.hash}` };
      // Dozens of documents are made for their hashes: others get their turn between them.
      await setImmediate();
    }
    return paths;
  }

  #document(key: string, form: OpenApiForm, build: () => object): OpenApiDocument {
    const name = `${form} ${key}`;
    const hash = this.#hashes.get(key);
    const kept = this.#kept.get(name);
    if (hash !== undefined && kept) {
      this.#kept.delete(name);
      this.#kept.set(name, kept);
      return { hash, bytes: kept };
    }
    const json = Buffer.from(jsonText(build()));
    const bytes =
      form === 'json' ? json : encodeMessage(key ? documentV3 : documentV2, parseOwnJson(json.toString()) as OpenApiSchema);
    const known = hash ?? hashOf(json);
    this.#hashes.set(key, known);
    this.#kept.set(name, bytes);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptDocuments) break;
      this.#kept.delete(oldest);
    }
    return { hash: known, bytes };
  }

  /** All but those that only custom resources have. */
  get #groupVersions(): readonly GroupVersion[] {
    return (this.#knownGroupVersions ??= groupVersionsOf(this.#resources.filter(({ schemas }) => !schemas)));
  }

  get #serverPaths(): ReadonlyMap<string, ApiPath> {
    return (this.#knownServerPaths ??= serverPaths(this.#groupVersions));
  }

  /** What there are documents for. */
  get #keys(): ReadonlySet<string> {
    return (this.#knownKeys ??= new Set([...this.#serverPaths.keys(), ...this.#resources.map(documentOf)]));
  }

  /** The kinds of a type, in a document of some versions of groups. */
  #kindsIn(groupVersions: readonly GroupVersion[]): (typeName: string) => KindKey[] {
    return typeName => {
      // These two belong to every version of every group of the server's own.
      for (const kind of ['DeleteOptions', 'WatchEvent'])
        if (typeName === `${metaTypes}.${kind}`) return groupVersions.map(each => ({ ...each, kind }));
      return this.#options.types.kindsOf(typeName);
    };
  }

  #paths(key?: string): ApiPath[] {
    const paths: ApiPath[] = [];
    for (const [serverKey, path] of this.#serverPaths) if (key === undefined || key === serverKey) paths.push(path);
    for (const resource of this.#resources) {
      if (key !== undefined && key !== documentOf(resource)) continue;
      paths.push(...new ResourceOperations(this.#options.types, resource).paths());
    }
    return paths.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  get #custom(): CustomSchemas[] {
    return this.#resources.flatMap(({ schemas }) => (schemas ? [schemas] : []));
  }

  #buildV3(key: string): object {
    const builder = new SchemaBuilder(this.#options.types, this.#options.describe, 'v3', this.#custom);
    const paths = renderPathsV3(this.#paths(key), builder);
    const isCustom = this.#resources.some(resource => resource.schemas && documentOf(resource) === key);
    // A custom resource belongs to no part of the server, and its documents name the versions that Go's client library has.
    const own = this.#groupVersions.filter(({ group, version }) =>
      isCustom ? !unknownToClients.has(group) : group === '' || key === `apis/${group}/${version}`,
    );
    const schemas = builder.finish(this.#kindsIn(own));
    return {
      openapi: '3.0.0',
      info: isCustom ? customInfo : { title: 'Kubernetes', version: this.#options.version },
      paths,
      components: { ...(Object.keys(schemas).length > 0 && { schemas }), ...(!isCustom && { securitySchemes: security }) },
    };
  }

  #buildV2(): object {
    const builder = new SchemaBuilder(this.#options.types, this.#options.describe, 'v2', this.#custom);
    const { paths, parameters } = renderPathsV2(this.#paths(), builder);
    const document = {
      swagger: '2.0',
      info: { title: 'Kubernetes', version: this.#options.version },
      paths,
      definitions: builder.finish(this.#kindsIn(this.#groupVersions)),
      parameters,
      securityDefinitions: security,
      security: [{ BearerToken: [] }],
    };
    for (const other of this.#options.extensions?.documentsV2() ?? []) mergeInto(document as SwaggerDocument, other);
    return document;
  }
}

function documentOf({ group, data }: DiscoveredResource): string {
  return group ? `apis/${group}/${data.version}` : `api/${data.version}`;
}

function byDocument(resources: readonly DiscoveredResource[]): Map<string, DiscoveredResource[]> {
  return Map.groupBy(resources, documentOf);
}

function groupVersionsOf(resources: readonly DiscoveredResource[]): GroupVersion[] {
  const all = resources.map(({ group, data }) => ({ group, version: data.version }));
  const key = ({ group, version }: GroupVersion): string => `${group}/${version}`;
  return [...new Map(all.map(each => [key(each), each])).values()].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function hashOf(bytes: Buffer): string {
  return createHash('sha512').update(bytes).digest('hex').toUpperCase();
}
