import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ObjectEntry } from '../../contracts/api-transport.js';
import type { VirtualApiResource } from '../../contracts/api-group.js';
import { deepFreeze } from '../../machinery/object.js';
import type { KubeObject } from '../../machinery/object.js';
import { methodNotAllowed, notFound, pathNotFound } from '../../machinery/status-error.js';
import { matches } from '../registry/selection.js';
import type { EncodableEntry } from './encoding.js';
import { encodeEntry, encodeList, includeObjectIn } from './encoding.js';
import { sendEncoded } from './http-answer.js';
import type { ListQuery } from './listing.js';
import { parseSelection } from './listing.js';
import { negotiate } from './negotiation.js';
import type { RequestInfo } from './request-info.js';
import type { ServedKind } from './served-resource.js';

const noLabels: Readonly<Record<string, string>> = Object.freeze({});
const nothing: Readonly<Record<string, string>> = Object.freeze({});

export type VirtualEntry = EncodableEntry<KubeObject> & ObjectEntry<KubeObject>;

/** A resource whose objects are computed when they are asked for: `get` and `list`, no revisions, no pages. */
export class VirtualResource {
  readonly kind: ServedKind;
  readonly #source: VirtualApiResource;

  constructor(kind: ServedKind, source: VirtualApiResource) {
    this.kind = kind;
    this.#source = source;
  }

  async get(namespace: string, name: string): Promise<VirtualEntry> {
    const object = await this.#source.get(namespace, name);
    const { group, resource } = this.kind.definition.reference;
    if (!object) throw notFound({ group, resource, name });
    return this.#entry(object);
  }

  /** Throws BadRequest for selectors that are broken or not known. */
  async list(namespace: string, query: ListQuery): Promise<VirtualEntry[]> {
    const { labelSelector, fieldSelector } = query;
    const selection = parseSelection(this.kind.definition, namespace, { labelSelector, fieldSelector });
    const entries = (await this.#source.list(namespace)).map(object => this.#entry(object));
    return entries.filter(entry => matches(selection, { ...entry, fields: nothing }));
  }

  #entry(object: KubeObject): VirtualEntry {
    const { kind, apiVersion, definition } = { ...this.kind, kind: this.kind.definition.reference.kind };
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
    // Lists cut a prefix of known length from each item: the order of the fields matters.
    const typed = { kind, apiVersion, ...rest };
    const { metadata } = typed;
    deepFreeze(typed);
    return {
      object: typed,
      exact: typed,
      bytes: Buffer.from(JSON.stringify(typed)),
      resourceVersion: '',
      namespace: definition.reference.namespaced ? (metadata.namespace ?? '') : '',
      name: metadata.name ?? '',
      uid: metadata.uid ?? '',
      labels: metadata.labels ?? noLabels,
    };
  }
}

/** Over HTTP, after authentication and authorization. */
export async function serveVirtual(
  resource: VirtualResource,
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse; readonly info: RequestInfo },
  nowMs: number,
): Promise<void> {
  const { request, response, info } = exchange;
  const { namespaced } = resource.kind.definition.reference;
  if (info.subresource || (info.namespace && !namespaced)) throw pathNotFound();
  if (info.verb !== 'get' && info.verb !== 'list') throw methodNotAllowed();
  if (info.verb === 'get' && namespaced && !info.namespace) throw pathNotFound();
  const transforms = info.verb === 'get' ? ['Table', 'PartialObjectMetadata'] : ['Table', 'PartialObjectMetadataList'];
  const { accept, 'user-agent': userAgent } = request.headers;
  const acceptance = negotiate(accept, { protobuf: true, transforms }, info.query, userAgent);
  const include = includeObjectIn(info.query, acceptance);
  if (info.verb === 'get') {
    const entry = await resource.get(info.namespace, info.name);
    return sendEncoded(request, response, 200, await encodeEntry(resource.kind, entry, acceptance, include, nowMs));
  }
  const entries = await resource.list(info.namespace, {
    labelSelector: info.query.get('labelSelector') ?? undefined,
    fieldSelector: info.query.get('fieldSelector') ?? undefined,
  });
  const listing = { revision: undefined, entries, continue: undefined, remaining: undefined };
  return sendEncoded(request, response, 200, await encodeList(resource.kind, listing, acceptance, include, nowMs));
}
