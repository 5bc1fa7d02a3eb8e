import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.js';
import type { CallerIdentity, DeleteOptions, FieldValidation, PatchType } from '../../contracts/api-transport.js';
import { decodeObject, notRegistered, parseJson, unrecognized } from '../../machinery/codec/json-decode.js';
import { decodeProtobuf } from '../../machinery/codec/protobuf-decode.js';
import type { YamlDocument } from '../../machinery/codec/yaml.js';
import { duplicateKeysText, parseYaml, parseYamlStrict } from '../../machinery/codec/yaml.js';
import { quote } from '../../machinery/field-errors.js';
import type { GroupVersionKind, KubeObject } from '../../machinery/object.js';
import { isJsonObject } from '../../machinery/object.js';
import type { StructType, TypeSet } from '../../machinery/schema.js';
import type { Status } from '../../machinery/status-error.js';
import {
  badRequest,
  methodNotAllowed,
  isStatusError,
  methodNotSupported,
  pathNotFound,
  StatusError,
  unsupportedMediaType,
} from '../../machinery/status-error.js';
import type { ObjectSubresource } from '../registry/resource-definition.js';
import type { Selection } from '../registry/selection.js';
import type { StorageHub } from '../storage/storage-hub.js';
import type { StoredObject } from '../storage/stored-object.js';
import { readBody } from './body.js';
import { encodeEntry, encodeKind, encodeList, encodeMade, includeObjectIn } from './encoding.js';
import { managerName } from '../../machinery/patch/managed-fields/manager-name.js';
import { addWarnings, sendEncoded } from './http-answer.js';
import { listPage, parseSelection, validateListQuery } from './listing.js';
import type { Acceptance, AcceptOptions } from './negotiation.js';
import { negotiate, negotiateWatch } from './negotiation.js';
import type { OperationCall, OperationResult } from './operations.js';
import { customPatchTypes } from './operations.js';
import type { RequestInfo } from './request-info.js';
import { isTrue } from './request-info.js';
import {
  checkDeleteOptions,
  isDryRun,
  listQuery,
  mediaTypeOf,
  wideNumberOf,
  validatePatchOptions,
  validateWriteQuery,
} from './request-options.js';
import type { ResourceEndpoint } from './resource-endpoint.js';
import { serveVirtual } from './virtual-resource.js';
import type { VirtualResource } from './virtual-resource.js';
import type { WatchTarget } from './watch-handler.js';
import { serveWatch, serveWatchOverSocket } from './watch-handler.js';
import type { WatchOptions } from './watch-source.js';
import { parseResourceVersion } from './watch-source.js';

export interface ResourceExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly info: RequestInfo;
  readonly caller: CallerIdentity;
  /** Of a watch: it is open, what comes now are changes. */
  readonly onOpened?: (() => void) | undefined;
}

export interface ResourceHandlerOptions {
  readonly hub: StorageHub;
  readonly clock: Clock;
  readonly endpoint: (group: string, version: string, resource: string) => ResourceEndpoint | undefined;
  /** Resources that are computed, not kept. */
  readonly virtual: (group: string, version: string, resource: string) => VirtualResource | undefined;
  /** With the types of meta/v1: bodies that every resource takes. */
  readonly types: TypeSet;
}

const protobufType = 'application/vnd.kubernetes.protobuf';
const bodyTypes = ['application/json', 'application/yaml', protobufType];
const patchTypes: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};
const objectTransforms = ['Table', 'PartialObjectMetadata'];
const listTransforms = ['Table', 'PartialObjectMetadataList'];
const watchTransforms = ['Table', 'PartialObjectMetadata'];

/** Verbs on resources over HTTP, after authentication and authorization. Throws StatusErrors; the listener answers with them. */
export class ResourceHandler {
  readonly #options: ResourceHandlerOptions;

  constructor(options: ResourceHandlerOptions) {
    this.#options = options;
  }

  async handle(exchange: ResourceExchange): Promise<void> {
    const { info } = exchange;
    const endpoint = this.#options.endpoint(info.group, info.version, info.resource);
    if (!endpoint) return this.#handleVirtual(exchange);
    addWarnings(exchange.response, deprecationOf(endpoint));
    checkScope(info, endpoint);
    // Nothing but discovery and the like is asked for its head alone.
    if (exchange.request.method === 'HEAD') throw methodNotAllowed();
    checkNameSegment(info.name);
    // What cannot be answered is not begun.
    if (exchange.request.headers.accept !== undefined && info.verb !== 'watch' && info.verb !== 'list')
      this.#acceptance(exchange, endpoint);
    switch (info.verb) {
      case 'get':
        return this.#get(exchange, endpoint);
      case 'list':
        return this.#list(exchange, endpoint);
      case 'watch':
        return this.#watch(exchange, endpoint);
      case 'create':
        return this.#create(exchange, endpoint);
      case 'update':
        return this.#update(exchange, endpoint);
      case 'patch':
        return this.#patch(exchange, endpoint);
      case 'delete':
        return this.#delete(exchange, endpoint);
      case 'deletecollection':
        return this.#deleteCollection(exchange, endpoint);
      default:
        throw methodNotAllowed();
    }
  }

  async #handleVirtual(exchange: ResourceExchange): Promise<void> {
    const { info } = exchange;
    const virtual = this.#options.virtual(info.group, info.version, info.resource);
    if (!virtual) throw pathNotFound();
    return serveVirtual(virtual, exchange, this.#options.clock.now());
  }

  async #get(exchange: ResourceExchange, endpoint: ResourceEndpoint): Promise<void> {
    const { info, request, response } = exchange;
    const { served } = endpoint;
    const accept = request.headers.accept;
    // The way of most requests: JSON or protobuf of the object as it is kept.
    const acceptance = negotiate(
      accept,
      acceptOf(endpoint, objectTransforms, info.subresource),
      info.query,
      request.headers['user-agent'],
    );
    const sub = info.subresource ? endpoint.operations.subresource(info.subresource, info.name) : undefined;
    const include = includeObjectIn(info.query, acceptance);
    const version = info.query.get('resourceVersion') ?? '';
    if (version && version !== '0') await this.#options.hub.reached(parseResourceVersion(version));
    const entry =
      version === '' ? await served.store.get(info.namespace, info.name) : await served.store.shown(info.namespace, info.name);
    if (sub) {
      if (sub.type === 'connect' || (sub.type === 'object' && !sub.get)) {
        throw methodNotSupported(info.group, `${info.resource}/${info.subresource}`, 'get');
      }
      if (sub.type === 'object') {
        const context = served.store.context(this.#call(exchange, []), 'UPDATE', info.subresource);
        const object = await sub.get!(entry.exact, context);
        const nowMs = this.#options.clock.now();
        return sendEncoded(request, response, 200, await encodeMade(served.types, object, acceptance, { include, nowMs }));
      }
    }
    const nowMs = this.#options.clock.now();
    return sendEncoded(request, response, 200, await encodeEntry(served, entry, acceptance, include, nowMs));
  }

  async #list(exchange: ResourceExchange, endpoint: ResourceEndpoint): Promise<void> {
    const { info, request, response } = exchange;
    const { served } = endpoint;
    const acceptance = negotiate(
      request.headers.accept,
      { ...acceptOf(endpoint, listTransforms), streams: true },
      info.query,
      request.headers['user-agent'],
    );
    const query = listQuery(info.query);
    validateListQuery(query);
    const selection = parseSelection(served.definition, info.namespace, query);
    const include = includeObjectIn(info.query, acceptance);
    const listing = await listPage({ store: served.store, hub: this.#options.hub }, selection, query);
    return sendEncoded(request, response, 200, await encodeList(served, listing, acceptance, include, this.#options.clock.now()));
  }

  async #watch(exchange: ResourceExchange, endpoint: ResourceEndpoint): Promise<void> {
    const { request, response, onOpened } = exchange;
    const { target, selection, options } = this.#watchOf(exchange, endpoint);
    await serveWatch(target, selection, options, { request, response, onOpened });
  }

  /** A watch whose client asked for a WebSocket on the same URL. */
  async watchOverSocket(exchange: Omit<ResourceExchange, 'response'>, socket: Duplex, head: Buffer): Promise<void> {
    const { info, request, onOpened } = exchange;
    const endpoint = this.#options.endpoint(info.group, info.version, info.resource);
    if (!endpoint) throw pathNotFound();
    checkScope(info, endpoint);
    const { target, selection, options } = this.#watchOf(exchange, endpoint);
    await serveWatchOverSocket(target, selection, options, { request, socket, head, onOpened });
  }

  #watchOf(
    { info, request }: Omit<ResourceExchange, 'response'>,
    endpoint: ResourceEndpoint,
  ): { target: WatchTarget<KubeObject>; selection: Selection; options: WatchOptions } {
    const { served } = endpoint;
    const acceptance = negotiateWatch(
      request.headers.accept,
      { ...acceptOf(endpoint, watchTransforms), streams: true },
      info.query,
    );
    const query = listQuery(info.query);
    const allowWatchBookmarks = isTrue(info.query.get('allowWatchBookmarks'));
    validateListQuery({ ...query, watch: true, allowWatchBookmarks });
    const selection = parseSelection(served.definition, info.namespace, query, info.name);
    const { hub, clock } = this.#options;
    return {
      target: { served, hub, clock, acceptance, include: includeObjectIn(info.query, acceptance) },
      selection,
      options: {
        resourceVersion: query.resourceVersion,
        sendInitialEvents: query.sendInitialEvents,
        allowWatchBookmarks,
        timeoutSeconds: query.timeoutSeconds,
      },
    };
  }

  async #create(exchange: ResourceExchange, endpoint: ResourceEndpoint): Promise<void> {
    const { info } = exchange;
    if (info.name && !info.subresource) throw methodNotAllowed();
    const warnings = deprecationOf(endpoint);
    const call = this.#call(exchange, warnings);
    const object = await this.#body(exchange, endpoint, call);
    return this.#sendResult(exchange, endpoint, await endpoint.operations.create(object, call), warnings);
  }

  async #update(exchange: ResourceExchange, endpoint: ResourceEndpoint): Promise<void> {
    if (!exchange.info.name) throw withoutName(endpoint);
    const warnings = deprecationOf(endpoint);
    const call = this.#call(exchange, warnings);
    const object = await this.#body(exchange, endpoint, call);
    return this.#sendResult(exchange, endpoint, await endpoint.operations.update(object, call), warnings);
  }

  async #patch(exchange: ResourceExchange, endpoint: ResourceEndpoint): Promise<void> {
    const { info, request } = exchange;
    if (!info.name) throw withoutName(endpoint);
    const contentType = mediaTypeOf(request);
    const type = patchTypes[contentType];
    if ((!type || type === 'strategic') && !endpoint.served.struct) throw unsupportedMediaType(customPatchTypes);
    if (!type) throw new StatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
    const warnings = deprecationOf(endpoint);
    const call = this.#call(exchange, warnings);
    const force = info.query.get('force');
    validatePatchOptions(info, type, force);
    const body = await readBody(request, this.#options.clock);
    const patch = type === 'apply' ? await applyBody(body, call) : parsePatch(body, type);
    const result = await endpoint.operations.patch(type, patch, call, isTrue(force));
    return this.#sendResult(exchange, endpoint, result, warnings);
  }

  async #delete(exchange: ResourceExchange, endpoint: ResourceEndpoint): Promise<void> {
    const { info, request, response } = exchange;
    if (info.subresource) throw methodNotAllowed();
    const warnings = deprecationOf(endpoint);
    const options = await this.#deleteOptions(exchange);
    const call = { ...this.#call(exchange, warnings), dryRun: options.dryRun || isDryRun(info.query) };
    warnOfOrphans(endpoint, options, call);
    const { entry, gone } = await endpoint.operations.delete(call, options);
    addWarnings(response, warnings);
    const acceptance = this.#acceptance(exchange, endpoint);
    if (!gone || endpoint.served.definition.returnsDeleted) {
      return sendEncoded(
        request,
        response,
        200,
        await encodeEntry(endpoint.served, entry, acceptance, 'Metadata', this.#options.clock.now()),
      );
    }
    const { group, resource } = endpoint.served.definition.reference;
    const status: Status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: info.name, ...(group ? { group } : {}), kind: resource, uid: entry.uid },
    };
    return sendEncoded(request, response, 200, await encodeKind(endpoint.served.types, status, acceptance));
  }

  async #deleteCollection(exchange: ResourceExchange, endpoint: ResourceEndpoint): Promise<void> {
    const { info, request, response } = exchange;
    if (info.subresource) throw methodNotAllowed();
    const warnings = deprecationOf(endpoint);
    const options = await this.#deleteOptions(exchange);
    const call = { ...this.#call(exchange, warnings), dryRun: options.dryRun || isDryRun(info.query) };
    const query = listQuery(info.query);
    const selection = parseSelection(endpoint.served.definition, info.namespace, query);
    warnOfOrphans(endpoint, options, call);
    const entries = await endpoint.served.store.deleteCollection(selection, call, options);
    addWarnings(response, warnings);
    const listing = { revision: this.#options.hub.revision, entries, continue: undefined, remaining: undefined };
    const acceptance = this.#acceptance(exchange, endpoint);
    return sendEncoded(
      request,
      response,
      200,
      await encodeList(endpoint.served, listing, acceptance, 'Metadata', this.#options.clock.now()),
    );
  }

  #acceptance({ request, info }: ResourceExchange, endpoint: ResourceEndpoint): Acceptance {
    return negotiate(
      request.headers.accept,
      acceptOf(endpoint, objectTransforms, info.subresource),
      info.query,
      request.headers['user-agent'],
    );
  }

  #call({ info, caller, request, response }: ResourceExchange, warnings: string[]): OperationCall {
    const fieldManager = info.query.get('fieldManager') ?? undefined;
    validateWriteQuery(info, fieldManager);
    const validation = info.query.get('fieldValidation');
    return {
      caller,
      namespace: info.resource === 'namespaces' ? '' : info.namespace,
      name: info.name,
      subresource: info.subresource,
      dryRun: isDryRun(info.query),
      fieldManager: managerName(fieldManager, request.headers['user-agent']),
      fieldValidation: (validation || 'Warn') as FieldValidation,
      options: { ...(fieldManager ? { fieldManager } : {}), ...(validation ? { fieldValidation: validation } : {}) },
      // At once, since a request that is refused in the end carries them too.
      warn: text => {
        warnings.push(text);
        addWarnings(response, warnings);
      },
    };
  }

  /** A body as a draft of the resource, or of a subresource's own kind. */
  async #body(exchange: ResourceExchange, endpoint: ResourceEndpoint, call: OperationCall): Promise<KubeObject> {
    const { request } = exchange;
    const contentType = mediaTypeOf(request);
    const isCustom = !endpoint.served.struct && contentType === protobufType && call.subresource !== 'scale';
    if (!bodyTypes.includes(contentType) || isCustom) throw unsupportedMediaType(bodyTypes);
    const bytes = await readBody(request, this.#options.clock);
    const sub = call.subresource ? endpoint.operations.subresource(call.subresource, call.name) : undefined;
    if (sub?.type === 'connect')
      throw methodNotSupported(exchange.info.group, `${exchange.info.resource}/${call.subresource}`, exchange.info.verb);
    let body: unknown = bytes;
    const kind = sub?.type === 'object' ? sub.kind : endpoint.served.definition.reference;
    if (contentType === protobufType) body = decodeProtobuf(endpoint.served.types, bytes, { kind }).object;
    else if (contentType === 'application/yaml') body = await strictYaml(bytes, call, kind.kind);
    if (sub?.type !== 'object') return endpoint.operations.decode(body, call.fieldValidation, text => call.warn(text));
    const struct = this.#structOf(endpoint, sub);
    const { object, strictErrors } = decodeObject(struct, body, {
      kind: sub.kind,
      fieldValidation: call.fieldValidation,
      kinds: endpoint.served.types,
    });
    for (const text of strictErrors) call.warn(text);
    sub.defaults?.(object);
    return object;
  }

  #structOf(endpoint: ResourceEndpoint, sub: ObjectSubresource<KubeObject>): StructType {
    const struct = endpoint.served.types.kind(sub.kind.group, sub.kind.version, sub.kind.kind);
    if (!struct) throw new Error(`no schema for ${sub.kind.group}/${sub.kind.version} ${sub.kind.kind}`);
    return struct;
  }

  async #deleteOptions({ request, info }: ResourceExchange): Promise<DeleteOptions & { dryRun: boolean }> {
    const bytes = await readBody(request, this.#options.clock);
    let options: Record<string, unknown> = {};
    if (bytes.length > 0) {
      const contentType = mediaTypeOf(request);
      if (!bodyTypes.includes(contentType)) throw unsupportedMediaType(bodyTypes);
      const type = this.#options.types.struct('io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
      const kind = { group: '', version: 'v1', kind: 'DeleteOptions' };
      const given =
        contentType === protobufType
          ? decodeProtobuf(this.#options.types, bytes, { kind }).object
          : await parseDeleteOptions(bytes, contentType);
      if (!isJsonObject(given)) throw badRequest('the delete options are not an object');
      const apiVersion = String(given.apiVersion ?? 'v1');
      // Options are registered in every group.
      if ((given.kind ?? kind.kind) !== kind.kind) throw badRequest(notRegistered(String(given.kind), apiVersion, metaScheme));
      const [group, version] = apiVersion.includes('/') ? (apiVersion.split('/') as [string, string]) : ['', apiVersion];
      options = decodeOptions(type, given, { ...kind, group, version });
    } else {
      const grace = wideNumberOf(info.query.get('gracePeriodSeconds'));
      const policy = info.query.get('propagationPolicy');
      const orphan = info.query.get('orphanDependents');
      options = {
        ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
        ...(policy ? { propagationPolicy: policy } : {}),
        ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
      };
    }
    return checkDeleteOptions(options);
  }

  async #sendResult(
    exchange: ResourceExchange,
    endpoint: ResourceEndpoint,
    result: OperationResult<KubeObject>,
    warnings: readonly string[],
  ): Promise<void> {
    const { request, response, info } = exchange;
    addWarnings(response, warnings);
    const status = result.created ? 201 : 200;
    const acceptance = this.#acceptance(exchange, endpoint);
    const include = includeObjectIn(info.query, acceptance);
    if ('entry' in result) {
      const encoded = await encodeEntry(
        endpoint.served,
        result.entry as StoredObject,
        acceptance,
        include,
        this.#options.clock.now(),
      );
      return sendEncoded(request, response, status, encoded);
    }
    const nowMs = this.#options.clock.now();
    const encoded = await encodeMade(endpoint.served.types, result.object, acceptance, { include, nowMs });
    return sendEncoded(request, response, status, encoded);
  }
}

/** Throws 404 and 405 for what the resource's scope and verbs do not have. */
function checkScope(info: RequestInfo, { served: { definition, data } }: ResourceEndpoint): void {
  if (definition.reference.namespaced) {
    if (!info.namespace && info.verb !== 'list' && info.verb !== 'watch') throw info.name ? pathNotFound() : methodNotAllowed();
  } else if (info.namespace && info.resource !== 'namespaces') throw pathNotFound();
  const sub = info.subresource ? data.subresources?.find(({ name }) => name === info.subresource) : undefined;
  if (sub && !sub.verbs.includes(info.verb)) throw methodNotAllowed();
  if (!info.subresource && definition.verbs && !definition.verbs.includes(info.verb as 'get')) throw methodNotAllowed();
}

/** Throws BadRequest for names that no key can hold. Source: apimachinery path.IsValidPathSegmentName. */
function checkNameSegment(name: string): void {
  const fault =
    name === '.' || name === '..'
      ? `may not be '${name}'`
      : name.includes('/')
        ? "may not contain '/'"
        : name.includes('%')
          ? "may not contain '%'"
          : undefined;
  if (fault) throw badRequest(`Name parameter invalid: ${quote(name)}: ${fault}`);
}

/** What is evaluated, not kept, has no Table; nor has a subresource of another kind, unless it can be read (`scale`). */
function transformsOf({ served }: ResourceEndpoint, transforms: readonly string[], subresource = ''): readonly string[] {
  const sub = subresource ? served.definition.subresources?.[subresource] : undefined;
  const tabular = sub?.type === 'object' ? sub.get !== undefined : !served.definition.evaluate;
  return served.data.table === false || !tabular ? transforms.filter(name => name !== 'Table') : transforms;
}

/** Routes of the kinds in the tables know no such method; custom resources have one route for all. */
function withoutName({ served }: ResourceEndpoint): StatusError {
  return served.struct ? methodNotAllowed() : badRequest('name must be provided');
}

function acceptOf(endpoint: ResourceEndpoint, transforms: readonly string[], subresource = ''): AcceptOptions {
  const { struct, definition } = endpoint.served;
  const isMade = subresource !== '' && definition.subresources?.[subresource]?.type === 'object';
  return { protobuf: struct || isMade ? true : 'transforms', transforms: transformsOf(endpoint, transforms, subresource) };
}

async function applyBody(bytes: Buffer, call: OperationCall): Promise<unknown> {
  try {
    return await strictYaml(bytes, call);
  } catch (error) {
    if (!isStatusError(error) || !error.message.startsWith('yaml: ')) throw error;
    throw badRequest(`error decoding YAML: error converting YAML to JSON: ${error.message}`, error);
  }
}

function parsePatch(bytes: Buffer, type: PatchType): unknown {
  try {
    return parseJson(bytes.toString());
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    throw badRequest(type === 'strategic' ? fault : `error decoding patch: ${fault}`, error);
  }
}

/** Where upstream's own scheme for options lies. */
const metaScheme = 'pkg/runtime/scheme.go:111';

/** What is wrong with options is said without a word about their kind. */
function decodeOptions(type: StructType, given: unknown, kind: GroupVersionKind): Record<string, unknown> {
  try {
    return decodeObject(type, given, { kind }).object as unknown as Record<string, unknown>;
  } catch (error) {
    if (!isStatusError(error, 'BadRequest')) throw error;
    throw badRequest(error.message.replace(/^DeleteOptions in version \S+ cannot be handled as a DeleteOptions: /, ''), error);
  }
}

async function parseDeleteOptions(bytes: Buffer, contentType: string): Promise<unknown> {
  if (contentType === 'application/yaml') return parseYaml(bytes);
  try {
    return parseJson(bytes.toString());
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : ''}`, error);
  }
}

/** YAML with its duplicate keys refused, warned about or let through. */
async function strictYaml(bytes: Buffer, call: OperationCall, kind?: string): Promise<unknown> {
  let document: YamlDocument;
  try {
    document = await parseYamlStrict(bytes);
  } catch (error) {
    if (kind === undefined || !isStatusError(error)) throw error;
    throw unrecognized(bytes, kind, error.message, error);
  }
  const { value, duplicates } = document;
  if (duplicates.length && call.fieldValidation === 'Strict') {
    throw badRequest(`strict decoding error: ${duplicateKeysText(duplicates)}`);
  }
  if (call.fieldValidation === 'Warn') for (const text of duplicates) call.warn(text);
  // Text would be taken for JSON that is still to be read.
  return typeof value === 'string' ? JSON.stringify(value) : value;
}

function warnOfOrphans({ served }: ResourceEndpoint, options: DeleteOptions, call: OperationCall): void {
  const { deleteWarning } = served.definition;
  if (deleteWarning === undefined || options.propagationPolicy !== undefined || options.orphanDependents !== undefined) return;
  call.warn(deleteWarning);
}

/** What every request to a deprecated resource is told. */
function deprecationOf({ served: { definition } }: ResourceEndpoint): string[] {
  return definition.deprecation === undefined ? [] : [definition.deprecation];
}
