import { ownTurn } from '../../base/own-turn.js';
import { jsonText } from '../../machinery/codec/json-text.js';
import type { KubeObject } from '../../machinery/object.js';
import type { JsonObject } from '../../machinery/object.js';
import { encodeMessage, encodeProtobuf, encodeProtobufList } from '../../machinery/codec/protobuf.js';
import { toYaml } from '../../machinery/codec/yaml.js';
import type { TypeSet } from '../../machinery/schema.js';
import { quote } from '../../machinery/field-errors.js';
import type { Status } from '../../machinery/status-error.js';
import { badRequest } from '../../machinery/status-error.js';
import type { StoredObject } from '../storage/stored-object.js';
import type { Listing } from './listing.js';
import type { Acceptance } from './negotiation.js';
import type { ServedKind } from './served-resource.js';
import { encodeAnyProtobuf } from './served-resource.js';
import { inTableOrder, partialObject, rowsOf, scaleTable, tableOf } from './table.js';

const open = Buffer.from('{');
const comma = Buffer.from(',');
const closeList = Buffer.from(']}\n');

/** What is written to the client: one buffer, or the parts of a list. */
export interface Encoded {
  readonly contentType: string;
  readonly parts: readonly Buffer[];
}

/** What encoding needs of an object: kept or made for one answer. */
export type EncodableEntry<T extends KubeObject> = Pick<StoredObject<T>, 'object' | 'exact' | 'bytes' | 'resourceVersion'>;

export type EncodableListing<T extends KubeObject> = Pick<Listing<T>, 'continue' | 'remaining'> & {
  /** Undefined for lists that are no state of the store. */
  readonly revision: number | undefined;
  readonly entries: readonly EncodableEntry<T>[];
};

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** What rows of a table carry beside their cells. Throws BadRequest. */
export function includeObjectIn(query: URLSearchParams, { as }: Pick<Acceptance, 'as'>): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === 'None' || value === 'Object') return value;
  if (as !== 'Table' || value === '' || value === 'Metadata') return 'Metadata';
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${quote(value)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

/** One object as the client asked for it. */
export async function encodeEntry<T extends KubeObject>(
  served: ServedKind<T>,
  entry: EncodableEntry<T>,
  acceptance: Acceptance,
  include: IncludeObject,
  nowMs: number,
): Promise<Encoded> {
  if (acceptance.as === 'Table')
    return encodeValue(tableOf(served, [entry], { version: acceptance.version!, include, nowMs }), acceptance);
  if (acceptance.as === 'PartialObjectMetadata')
    return encodeKind(
      served.types,
      partialObject(entry.exact, acceptance.version!, served.definition.versionAnnotations),
      acceptance,
    );
  if (acceptance.mediaType === 'application/vnd.kubernetes.protobuf') {
    return { contentType: acceptance.mediaType, parts: [protobufOf(served, entry)] };
  }
  if (acceptance.mediaType === 'application/json' && !acceptance.pretty)
    return { contentType: 'application/json', parts: [entry.bytes] };
  return encodeValue(entry.exact, acceptance);
}

const protobufBytes = new WeakMap<object, Buffer>();

/** Protobuf with its envelope; kept beside the entry, since watchers and lists ask for the same. */
export function protobufOf<T extends KubeObject>(served: ServedKind<T>, entry: EncodableEntry<T>): Buffer {
  let bytes = protobufBytes.get(entry);
  if (!bytes) {
    bytes = encodeProtobuf(served.struct!, entry.exact);
    protobufBytes.set(entry, bytes);
  }
  return bytes;
}

/** An object of a kind in the tables that is made for one answer: Status, Scale, PartialObjectMetadata. */
export async function encodeKind(types: TypeSet, object: KubeObject | Status, acceptance: Acceptance): Promise<Encoded> {
  if (acceptance.mediaType !== 'application/vnd.kubernetes.protobuf') return encodeValue(object, acceptance);
  return { contentType: acceptance.mediaType, parts: [encodeAnyProtobuf(types, object)] };
}

/** What a subresource of another kind or a review answers, as the client asked for it. */
export async function encodeMade(
  types: TypeSet,
  object: KubeObject,
  acceptance: Acceptance,
  { include, nowMs }: { include: IncludeObject; nowMs: number },
): Promise<Encoded> {
  const { as } = acceptance;
  if (as === undefined || object.kind === 'Status') return encodeKind(types, object, acceptance);
  if (as === 'Table') return encodeValue(scaleTable(object, { version: acceptance.version!, include, nowMs }), acceptance);
  return encodeKind(types, partialObject(object, acceptance.version!), acceptance);
}

/** Any value that is not kept encoded: Tables, Status, lists of other shapes. */
export async function encodeValue(value: object, acceptance: Pick<Acceptance, 'mediaType' | 'pretty'>): Promise<Encoded> {
  if (acceptance.mediaType === 'application/yaml') {
    return { contentType: 'application/yaml', parts: [Buffer.from(await toYaml(value as JsonObject))] };
  }
  const text = acceptance.pretty ? jsonText(value, { indent: 2 }) : `${jsonText(value)}\n`;
  return { contentType: 'application/json', parts: [Buffer.from(text)] };
}

const entriesASlice = 100;

/** What has to parse the objects of a list does so for some of them at a time. */
async function inSlices<E, R>(entries: readonly E[], work: (entries: readonly E[]) => R): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < entries.length; at += entriesASlice) {
    if (at > 0) await ownTurn();
    results.push(work(entries.slice(at, at + entriesASlice)));
  }
  return results;
}

export async function encodeList<T extends KubeObject>(
  served: ServedKind<T>,
  listing: EncodableListing<T>,
  acceptance: Acceptance,
  include: IncludeObject,
  nowMs: number,
): Promise<Encoded> {
  const metadata = {
    ...(listing.revision === undefined ? {} : { resourceVersion: String(listing.revision) }),
    // Lists of custom resources always say it.
    ...(listing.continue || !(served.struct || acceptance.as) ? { continue: listing.continue ?? '' } : {}),
    ...(listing.remaining ? { remainingItemCount: listing.remaining } : {}),
  };
  if (acceptance.as === 'Table') {
    const options = { version: acceptance.version!, include, nowMs };
    if (acceptance.mediaType !== 'application/json' || acceptance.pretty)
      return encodeValue({ ...tableOf(served, listing.entries, options), metadata }, acceptance);
    const frame = jsonText({ ...tableOf(served, [], options), metadata });
    const rows = await inSlices(inTableOrder(served, listing.entries), entries =>
      jsonText(rowsOf(served, entries, options)).slice(1, -1),
    );
    return { contentType: acceptance.mediaType, parts: [Buffer.from(`${frame.slice(0, -2)}${rows.join()}]}\n`)] };
  }
  if (acceptance.as === 'PartialObjectMetadataList' || acceptance.as === 'PartialObjectMetadata') {
    const version = acceptance.version!;
    const { versionAnnotations } = served.definition;
    const slices = await inSlices(listing.entries, entries =>
      entries.map(({ object }) => partialObject(object, version, versionAnnotations)),
    );
    const items = slices.flat();
    const list = { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${version}`, metadata, items };
    return encodeKind(served.types, list, acceptance);
  }
  if (acceptance.mediaType === 'application/vnd.kubernetes.protobuf') {
    const head = { kind: served.listKind, apiVersion: served.apiVersion, metadata };
    const messages = await inSlices(listing.entries, entries =>
      entries.map(({ object }) => encodeMessage(served.struct!, object)),
    );
    return { contentType: acceptance.mediaType, parts: encodeProtobufList(head, messages.flat()) };
  }
  if (acceptance.mediaType === 'application/json' && !acceptance.pretty) {
    const head = `{"kind":"${served.listKind}","apiVersion":"${served.apiVersion}","metadata":${JSON.stringify(metadata)},"items":[`;
    const parts: Buffer[] = [Buffer.from(head)];
    let first = true;
    for (const entry of listing.entries) {
      if (!first) parts.push(comma);
      first = false;
      // Items of custom resources say what they are, each for itself.
      if (served.struct) parts.push(open, entry.bytes.subarray(served.itemPrefixBytes));
      else parts.push(entry.bytes);
    }
    parts.push(closeList);
    return { contentType: 'application/json', parts };
  }
  const items = listing.entries.map(entry => {
    if (!served.struct) return entry.exact;
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = entry.exact as KubeObject;
    return rest;
  });
  return encodeValue({ kind: served.listKind, apiVersion: served.apiVersion, metadata, items }, acceptance);
}
