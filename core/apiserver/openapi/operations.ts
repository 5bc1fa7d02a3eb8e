import type { TypeNode, TypeSet } from '../../machinery/schema.js';
import { formatApiVersion } from '../../machinery/object.js';
import type { DiscoveredResource, DiscoveredSubresource } from '../discovery/discovery.js';
import { parameterDescriptions } from './parameter-descriptions.js';

/** A path of the API with what can be done there, in words that both forms of OpenAPI can be written from. */
export interface ApiPath {
  readonly path: string;
  /** Those that every operation of the path has, sorted by name. */
  readonly parameters: readonly ApiParameter[];
  readonly operations: Readonly<Record<string, ApiOperation>>;
}

export interface ApiParameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly type: 'string' | 'boolean' | 'integer';
  readonly description: string;
}

export interface ApiOperation {
  readonly id: string;
  readonly tag: string;
  readonly description: string;
  readonly action?: string;
  readonly kind?: KindKey;
  readonly parameters: readonly ApiParameter[];
  readonly body?: { readonly type: string; readonly required: boolean };
  /** Media types of the body; any when absent. */
  readonly consumes?: readonly string[];
  /** Media types of the answer; any when empty. */
  readonly produces: readonly string[];
  /** Codes with the type of their answer: a definition's name, or text. Code 401 goes without saying. */
  readonly answers: Readonly<Record<string, { readonly type: string } | 'text'>>;
}

export interface KindKey {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export const metaTypes = 'io.k8s.apimachinery.pkg.apis.meta.v1';
export const objectMedia = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const streamMedia = [...objectMedia, 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
const customMedia = ['application/json', 'application/yaml'];
const customPatchMedia = ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'];
const patchMedia = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];
const proxyMethods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];
/** Kinds whose DELETE is said to answer with the object. */
const answersWithObject = new Set([
  '/PersistentVolume',
  '/PersistentVolumeClaim',
  '/Pod',
  '/PodTemplate',
  '/ResourceQuota',
  '/Service',
  '/ServiceAccount',
  'resource.k8s.io/DeviceClass',
  'resource.k8s.io/ResourceClaim',
  'resource.k8s.io/ResourceClaimTemplate',
  'resource.k8s.io/ResourceSlice',
  'storage.k8s.io/CSIDriver',
  'storage.k8s.io/CSINode',
  'storage.k8s.io/StorageClass',
  'storage.k8s.io/VolumeAttachment',
  'storage.k8s.io/VolumeAttributesClass',
]);

/** The operations of one resource and its subresources. Source: the API server's own documents, upstream's APIInstaller. */
export class ResourceOperations {
  readonly #types: TypeSet;
  readonly #resource: DiscoveredResource;
  readonly #key: KindKey;
  readonly #title: string;
  readonly #root: string;
  readonly #base: string;
  readonly #type: string;
  readonly #listType: string;
  readonly #custom: boolean;
  readonly #paths: ApiPath[] = [];

  constructor(types: TypeSet, resource: DiscoveredResource) {
    const { group, data } = resource;
    this.#types = types;
    this.#resource = resource;
    this.#key = { group, version: data.version, kind: data.kind };
    this.#title = groupVersionTitle(group, data.version);
    this.#root = `/${group ? 'apis' : 'api'}/${formatApiVersion(this.#key)}`;
    this.#base = data.namespaced ? `/namespaces/{namespace}/${data.name}` : `/${data.name}`;
    this.#custom = resource.schemas !== undefined;
    this.#type = resource.schemas?.type ?? types.kind(group, data.version, data.kind)?.name ?? '';
    this.#listType = resource.schemas?.listType ?? types.kind(group, data.version, `${data.kind}List`)?.name ?? this.#type;
  }

  /** Empty for kinds whose type is not known. */
  paths(): readonly ApiPath[] {
    const { data, subresources } = this.#resource;
    // Documents go on to show what a custom resource loses while its definition terminates.
    const verbs = this.#custom ? data.verbs : this.#resource.verbs;
    if (!this.#type) return [];
    const kind = data.kind;
    const has = (verb: string): boolean => verbs.includes(verb);
    const list = (id: string): ApiOperation =>
      this.#operation(id, `${this.#custom ? 'list' : 'list or watch'} objects of kind ${kind}`, 'list', {
        parameters: this.#optionsOf(`${metaTypes}.ListOptions`),
        ...(this.#custom ? {} : { produces: streamMedia }),
        answers: { 200: { type: this.#listType } },
      });
    this.#add(this.#base, {
      ...(has('list') && { get: list(this.#id('list')) }),
      ...(has('create') && { post: this.#create(this.#id('create'), `create ${article(kind)} ${kind}`, this.#type) }),
      ...(has('deletecollection') && {
        delete: this.#operation(this.#id('delete', { collection: true }), `delete collection of ${kind}`, 'deletecollection', {
          ...this.#deleteCollection(),
          answers: { 200: { type: `${metaTypes}.Status` } },
        }),
      }),
    });
    this.#add(`${this.#base}/{name}`, {
      ...(has('get') && { get: this.#read(this.#id('read'), `read the specified ${kind}`, this.#type) }),
      ...(has('update') && { put: this.#replace(this.#id('replace'), `replace the specified ${kind}`, this.#type) }),
      ...(has('delete') && { delete: this.#delete() }),
      ...(has('patch') && { patch: this.#patch(this.#id('patch'), `partially update the specified ${kind}`, this.#type) }),
    });
    if (data.namespaced && has('list')) this.#add(`/${data.name}`, { get: list(this.#id('list', { everywhere: true })) });
    for (const subresource of subresources) this.#subresource(subresource);
    if (has('watch') && !this.#custom) this.#watches(has('get'));
    return this.#paths;
  }

  #deleteCollection(): Pick<ApiOperation, 'parameters' | 'body'> {
    const selection = this.#optionsOf(`${metaTypes}.ListOptions`);
    if (this.#custom) return { parameters: selection };
    return {
      parameters: [...this.#optionsOf(`${metaTypes}.DeleteOptions`), ...selection].filter(
        ({ name }) => name !== 'watch' && name !== 'allowWatchBookmarks',
      ),
      body: { type: `${metaTypes}.DeleteOptions`, required: false },
    };
  }

  #create(id: string, description: string, type: string, kind?: KindKey): ApiOperation {
    return this.#operation(id, description, 'post', {
      kind,
      parameters: this.#optionsOf(`${metaTypes}.CreateOptions`),
      body: { type, required: true },
      answers: { 200: { type }, 201: { type }, 202: { type } },
    });
  }

  #read(id: string, description: string, type: string, kind?: KindKey): ApiOperation {
    const parameters = this.#custom ? this.#optionsOf(`${metaTypes}.GetOptions`) : [];
    return this.#operation(id, description, 'get', { kind, parameters, answers: { 200: { type } } });
  }

  #replace(id: string, description: string, type: string, kind?: KindKey): ApiOperation {
    return this.#operation(id, description, 'put', {
      kind,
      parameters: this.#optionsOf(`${metaTypes}.UpdateOptions`),
      body: { type, required: true },
      answers: { 200: { type }, 201: { type } },
    });
  }

  #patch(id: string, description: string, type: string, kind?: KindKey): ApiOperation {
    return this.#operation(id, description, 'patch', {
      kind,
      parameters: this.#optionsOf(`${metaTypes}.PatchOptions`),
      body: { type: `${metaTypes}.Patch`, required: true },
      consumes: this.#custom ? customPatchMedia : patchMedia,
      answers: this.#custom ? { 200: { type } } : { 200: { type }, 201: { type } },
    });
  }

  #delete(): ApiOperation {
    const { kind } = this.#resource.data;
    const type = answersWithObject.has(`${this.#key.group}/${kind}`) ? this.#type : `${metaTypes}.Status`;
    return this.#operation(this.#id('delete'), `delete ${article(kind)} ${kind}`, 'delete', {
      parameters: this.#optionsOf(`${metaTypes}.DeleteOptions`),
      body: { type: `${metaTypes}.DeleteOptions`, required: false },
      answers: { 200: { type }, 202: { type } },
    });
  }

  #watches(single: boolean): void {
    const { data } = this.#resource;
    const watch = (id: string, description: string, action: string): ApiOperation =>
      this.#operation(id, `${description} deprecated: use the 'watch' parameter with a list operation instead`, action, {
        parameters: this.#optionsOf(`${metaTypes}.ListOptions`),
        produces: streamMedia,
        answers: { 200: { type: `${metaTypes}.WatchEvent` } },
      });
    const collection = `watch individual changes to a list of ${data.kind}.`;
    this.#add(`/watch${this.#base}`, { get: watch(this.#id('watch', { list: true }), collection, 'watchlist') });
    if (single) {
      const one = `watch changes to an object of kind ${data.kind}.`;
      this.#add(`/watch${this.#base}/{name}`, { get: watch(this.#id('watch'), one, 'watch') });
    }
    if (!data.namespaced) return;
    const id = this.#id('watch', { list: true, everywhere: true });
    this.#add(`/watch/${data.name}`, { get: watch(id, collection, 'watchlist') });
  }

  #subresource(sub: DiscoveredSubresource): void {
    const { kind } = this.#resource.data;
    const path = `${this.#base}/{name}/${sub.name}`;
    const options = this.#types.kind('', 'v1', sub.kind)?.name;
    if (sub.name === 'log') {
      this.#add(path, {
        get: this.#operation(this.#id('read', { sub: sub.name }), `read log of the specified ${kind}`, 'get', {
          parameters: this.#optionsOf('io.k8s.api.core.v1.PodLogOptions'),
          produces: ['text/plain', ...objectMedia],
          answers: { 200: 'text' },
        }),
      });
      return;
    }
    if (sub.kind.endsWith('Options') && options) {
      const methods = sub.name === 'proxy' ? proxyMethods : ['get', 'post'];
      const connect = (withPath: boolean): Record<string, ApiOperation> =>
        Object.fromEntries(
          methods.map(method => [
            method,
            this.#operation(
              this.#id(`connect`, { sub: sub.name, method, withPath }),
              `connect ${method.toUpperCase()} requests to ${sub.name} of ${kind}`,
              'connect',
              { kind: sub, parameters: this.#optionsOf(options), produces: [], answers: { 200: 'text' } },
            ),
          ]),
        );
      this.#add(path, connect(false));
      if (sub.name === 'proxy') this.#add(`${path}/{path}`, connect(true));
      return;
    }
    const isOwn = this.#custom && sub.kind === kind;
    const type = isOwn ? this.#type : this.#types.kind(sub.group, sub.version, sub.kind)?.name;
    if (!type) return;
    const key = this.#custom ? this.#key : sub;
    const has = (verb: string): boolean => sub.verbs.includes(verb);
    const id = (verb: string): string => this.#id(verb, { sub: sub.name });
    const of = `${sub.name} of the specified ${kind}`;
    this.#add(path, {
      ...(has('get') && { get: this.#read(id('read'), `read ${of}`, type, key) }),
      ...(has('create') && { post: this.#create(id('create'), `create ${sub.name} of ${article(kind)} ${kind}`, type, sub) }),
      ...(has('update') && { put: this.#replace(id('replace'), `replace ${of}`, type, key) }),
      ...(has('patch') && { patch: this.#patch(id('patch'), `partially update ${of}`, type, key) }),
    });
  }

  #operation(
    id: string,
    description: string,
    action: string,
    rest: Pick<ApiOperation, 'parameters' | 'body' | 'consumes' | 'answers'> & {
      readonly kind?: KindKey | undefined;
      readonly produces?: readonly string[];
    },
  ): ApiOperation {
    const { group, version, kind } = rest.kind ?? this.#key;
    const tag = `${groupTitle(this.#key.group).tag}_${this.#key.version}`;
    const media = this.#custom ? { produces: customMedia, consumes: customMedia } : { produces: objectMedia };
    return { ...media, ...rest, id, tag, description, action, kind: { group, version, kind } };
  }

  /** Puts what all operations of the path take to the path. */
  #add(path: string, operations: Record<string, ApiOperation>): void {
    const all = Object.values(operations);
    if (all.length === 0) return;
    const full = `${this.#root}${path}`;
    const shared = all[0]!.parameters.filter(({ name }) =>
      all.every(({ parameters }) => parameters.some(other => other.name === name)),
    );
    const sharedNames = new Set(shared.map(({ name }) => name));
    const inPath = [...full.matchAll(/\{(\w+)\}/g)].map(([, name]) => pathParameter(name!, this.#key.kind));
    this.#paths.push({
      path: full,
      parameters: [...inPath, ...shared, ...(all[0]!.action === 'connect' ? [] : [pretty])].filter(unique).sort(byName),
      operations: Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [
          method,
          {
            ...operation,
            parameters: operation.parameters
              .filter(({ name }) => !sharedNames.has(name))
              .filter(unique)
              .sort(byName),
          },
        ]),
      ),
    });
  }

  #id(
    verb: string,
    where: { sub?: string; collection?: boolean; everywhere?: boolean; list?: boolean; method?: string; withPath?: boolean } = {},
  ): string {
    const { data } = this.#resource;
    return [
      verb,
      this.#title,
      where.collection ? 'Collection' : '',
      where.method ? capitalised(where.method) : '',
      data.namespaced && !where.everywhere ? 'Namespaced' : '',
      data.kind,
      where.list ? 'List' : '',
      where.sub ? capitalised(where.sub) : '',
      where.everywhere ? 'ForAllNamespaces' : '',
      where.withPath ? 'WithPath' : '',
    ].join('');
  }

  /** The fields of an options type that a query can say. */
  #optionsOf(typeName: string): ApiParameter[] {
    const parameters: ApiParameter[] = [];
    for (const [name, { type }] of this.#types.struct(typeName).jsonFields) {
      const queryType = name === 'kind' || name === 'apiVersion' ? undefined : queryTypeOf(type);
      if (queryType) parameters.push({ name, in: 'query', type: queryType, description: parameterDescriptions[name] ?? '' });
    }
    return parameters;
  }
}

const pretty: ApiParameter = { name: 'pretty', in: 'query', type: 'string', description: parameterDescriptions['pretty']! };

function pathParameter(name: string, kind: string): ApiParameter {
  const description = name === 'name' ? `name of the ${kind}` : (parameterDescriptions[`{${name}}`] ?? '');
  return { name, in: 'path', type: 'string', description };
}

function queryTypeOf(type: TypeNode): ApiParameter['type'] | undefined {
  if (type.kind === 'list') return queryTypeOf(type.element);
  if (type.kind !== 'primitive') return undefined;
  switch (type.primitive) {
    case 'string':
      return 'string';
    case 'bool':
      return 'boolean';
    case 'int32':
    case 'int64':
      return 'integer';
    default:
      return undefined;
  }
}

function unique(parameter: ApiParameter, index: number, all: readonly ApiParameter[]): boolean {
  return all.findIndex(other => other.name === parameter.name && other.in === parameter.in) === index;
}

function byName(a: ApiParameter, b: ApiParameter): number {
  return a.name === b.name ? (a.in < b.in ? -1 : 1) : a.name < b.name ? -1 : 1;
}

/** `rbac.authorization.k8s.io` is `rbacAuthorization` as a tag and `RbacAuthorization` in an id. */
export function groupTitle(group: string): { tag: string; title: string } {
  const [first = '', ...rest] = group.replace(/\.k8s\.io$/, '').split('.');
  const tag = first + rest.map(capitalised).join('') || 'core';
  return { tag, title: capitalised(tag) };
}

export function groupVersionTitle(group: string, version: string): string {
  return groupTitle(group).title + capitalised(version);
}

function capitalised(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

function article(kind: string): string {
  return /^[AEIOU]/.test(kind) ? 'an' : 'a';
}
