import { createHash } from 'node:crypto';
import type { DiscoveredResource, DiscoveredSubresource } from '../discovery/discovery.js';
import type { TypeSet } from '../../machinery/schema.js';
import { formatApiVersion } from '../../machinery/object.js';
import type { DescriptionLookup, OpenApiSchema } from './schema-builder.js';
import { SchemaBuilder } from './schema-builder.js';

export interface OpenApiOptions {
  readonly resources: () => readonly DiscoveredResource[];
  readonly types: TypeSet;
  readonly describe: DescriptionLookup;
  readonly version: string;
}

interface Document {
  readonly hash: string;
  readonly bytes: Buffer;
}

interface KindKey {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const statusType = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';
const deleteOptionsType = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';
const patchType = 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch';
const bodyTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

/** OpenAPI documents of the built-in groups, built when first asked for and kept. Source: KEP-2896. */
export class OpenApi {
  readonly #options: OpenApiOptions;
  readonly #documents = new Map<string, Document>();
  #index: Document | undefined;

  constructor(options: OpenApiOptions) {
    this.#options = options;
  }

  /** `/openapi/v3`: where each group version's document lies, by hash. */
  index(): Document {
    return (this.#index ??= this.#encode({
      paths: Object.fromEntries(
        this.#groupVersions().map(key => [key, { serverRelativeURL: `/openapi/v3/${key}?hash=${this.document(key)!.hash}` }]),
      ),
    }));
  }

  /** `key` is `api/v1` or `apis/GROUP/VERSION`. */
  document(key: string): Document | undefined {
    let document = this.#documents.get(key);
    if (!document) {
      const resources = this.#options.resources().filter(resource => keyOf(resource) === key);
      if (resources.length === 0) return undefined;
      document = this.#encode(this.#build(resources));
      this.#documents.set(key, document);
    }
    return document;
  }

  #groupVersions(): string[] {
    return [...new Set(this.#options.resources().map(keyOf))].sort();
  }

  #encode(value: object): Document {
    const bytes = Buffer.from(JSON.stringify(value));
    return { hash: createHash('sha512').update(bytes).digest('hex').toUpperCase(), bytes };
  }

  #build(resources: readonly DiscoveredResource[]): object {
    const builder = new SchemaBuilder(this.#options.types, this.#options.describe, 'v3');
    const kinds = new Map<string, KindKey[]>();
    const paths: Record<string, OpenApiSchema> = {};
    for (const resource of resources) this.#addResource(resource, builder, kinds, paths);
    const schemas = builder.finish(name => kinds.get(name) ?? []);
    schemas[patchType] ??= { type: 'object' };
    return {
      openapi: '3.0.0',
      info: { title: 'Kubernetes', version: this.#options.version },
      paths,
      components: {
        schemas,
        securitySchemes: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
      },
    };
  }

  #addResource(
    { group, data, verbs, subresources }: DiscoveredResource,
    builder: SchemaBuilder,
    kinds: Map<string, KindKey[]>,
    paths: Record<string, OpenApiSchema>,
  ): void {
    const key: KindKey = { group, version: data.version, kind: data.kind };
    const root = `/${group ? 'apis' : 'api'}/${formatApiVersion(key)}`;
    const base = data.namespaced ? `${root}/namespaces/{namespace}/${data.name}` : `${root}/${data.name}`;
    const type = this.#typeOf(key, builder, kinds);
    const list = this.#typeOf({ ...key, kind: `${data.kind}List` }, builder, kinds) ?? type;
    const scope = data.namespaced ? [pathParameter('namespace')] : [];
    if (!type || !list) return;
    const collection: OpenApiSchema = {};
    const single: OpenApiSchema = {};
    const operation = (
      action: string,
      code: number,
      result: OpenApiSchema,
      body?: OpenApiSchema,
      contentTypes = bodyTypes,
    ): OpenApiSchema => ({
      tags: [`${group || 'core'}_${data.version}`],
      operationId: `${action}${data.version}${data.namespaced ? 'Namespaced' : ''}${data.kind}`,
      ...(body
        ? { requestBody: { content: Object.fromEntries(contentTypes.map(name => [name, { schema: body }])), required: true } }
        : {}),
      parameters:
        body && action !== 'delete'
          ? [queryParameter('dryRun'), queryParameter('fieldManager'), queryParameter('fieldValidation')]
          : [],
      responses: {
        [code]: { description: 'OK', content: Object.fromEntries(bodyTypes.map(name => [name, { schema: result }])) },
        401: { description: 'Unauthorized' },
      },
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': key,
    });
    const has = (verb: string): boolean => verbs.includes(verb);
    if (has('list')) collection['get'] = operation('list', 200, list);
    if (has('create')) collection['post'] = operation('post', 201, type, type);
    if (has('deletecollection'))
      collection['delete'] = operation(
        'deletecollection',
        200,
        this.#meta(builder, statusType),
        this.#meta(builder, deleteOptionsType),
      );
    if (has('get')) single['get'] = operation('get', 200, type);
    if (has('update')) single['put'] = operation('put', 200, type, type);
    if (has('patch')) single['patch'] = operation('patch', 200, type, { $ref: `#/components/schemas/${patchType}` }, patchTypes);
    if (has('delete'))
      single['delete'] = operation('delete', 200, this.#meta(builder, statusType), this.#meta(builder, deleteOptionsType));
    if (Object.keys(collection).length) paths[base] = { ...collection, parameters: scope };
    if (Object.keys(single).length) paths[`${base}/{name}`] = { ...single, parameters: [...scope, pathParameter('name')] };
    if (data.namespaced && has('list')) paths[`${root}/${data.name}`] = { get: operation('list', 200, list) };
    for (const sub of subresources) {
      const item = this.#subresource(sub, builder, kinds, operation);
      if (item) paths[`${base}/{name}/${sub.name}`] = { ...item, parameters: [...scope, pathParameter('name')] };
    }
  }

  #subresource(
    sub: DiscoveredSubresource,
    builder: SchemaBuilder,
    kinds: Map<string, KindKey[]>,
    operation: (
      action: string,
      code: number,
      result: OpenApiSchema,
      body?: OpenApiSchema,
      contentTypes?: string[],
    ) => OpenApiSchema,
  ): OpenApiSchema | undefined {
    const key: KindKey = { group: sub.group, version: sub.version, kind: sub.kind };
    const type = this.#typeOf(key, builder, kinds);
    if (!type) return undefined;
    const item: OpenApiSchema = {};
    const put = (method: string, action: string, body?: OpenApiSchema, contentTypes?: string[]): void => {
      item[method] = {
        ...operation(action, method === 'post' ? 201 : 200, type, body, contentTypes),
        'x-kubernetes-group-version-kind': key,
      };
    };
    if (sub.verbs.includes('get')) put('get', 'get');
    if (sub.verbs.includes('create')) put('post', 'post', type);
    if (sub.verbs.includes('update')) put('put', 'put', type);
    if (sub.verbs.includes('patch')) put('patch', 'patch', { $ref: `#/components/schemas/${patchType}` }, patchTypes);
    return item;
  }

  #meta(builder: SchemaBuilder, name: string): OpenApiSchema {
    return builder.reference(name);
  }

  #typeOf(key: KindKey, builder: SchemaBuilder, kinds: Map<string, KindKey[]>): OpenApiSchema | undefined {
    const struct = this.#options.types.kind(key.group, key.version, key.kind);
    if (!struct) return undefined;
    const known = kinds.get(struct.name) ?? [];
    if (!known.some(other => other.kind === key.kind && other.group === key.group && other.version === key.version)) {
      kinds.set(struct.name, [...known, { group: key.group, kind: key.kind, version: key.version }]);
    }
    return builder.reference(struct.name);
  }
}

function keyOf({ group, data }: DiscoveredResource): string {
  return group ? `apis/${group}/${data.version}` : `api/${data.version}`;
}

function pathParameter(name: string): OpenApiSchema {
  return { name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } };
}

function queryParameter(name: string): OpenApiSchema {
  return { name, in: 'query', schema: { type: 'string', uniqueItems: true } };
}
