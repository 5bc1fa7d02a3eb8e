import { errorCode } from '../../base/errors.js';
import type { KubeObject } from '../../machinery/object.js';
import { FieldErrors, fieldPath, quote } from '../../machinery/field-errors.js';
import { parseJson } from '../../machinery/codec/json-decode.js';
import { isJsonObject } from '../../machinery/object.js';
import { parseFieldSelector } from '../../machinery/field-selector.js';
import { parseLabelSelector } from '../../machinery/label-selector.js';
import type { StatusError } from '../../machinery/status-error.js';
import { badRequest, expired, invalid } from '../../machinery/status-error.js';
import type { ResourceDefinition } from '../registry/resource-definition.js';
import type { ResourceStore } from '../registry/resource-store.js';
import type { Selection } from '../registry/selection.js';
import { matches } from '../registry/selection.js';
import type { StorageHub } from '../storage/storage-hub.js';
import type { StoredObject } from '../storage/stored-object.js';
import { badVersionText, tooOld, versionOf } from './watch-source.js';

export interface ListQuery {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
}

export interface Listing<T extends KubeObject> {
  readonly revision: number;
  readonly entries: readonly StoredObject<T>[];
  readonly continue: string | undefined;
  readonly remaining: number | undefined;
}

/** Parses selectors; unknown fields and broken syntax are BadRequest as upstream words them. */
export function parseSelection<T extends KubeObject>(
  definition: ResourceDefinition<T>,
  namespace: string,
  query: ListQuery,
  name?: string,
): Selection {
  let labels: Selection['labels'];
  let fields: Selection['fields'];
  let exactName = name || undefined;
  if (query.labelSelector) {
    const selector = parse(() => parseLabelSelector(query.labelSelector!));
    labels = selector.empty ? undefined : set => selector.matches(set);
  }
  if (query.fieldSelector) {
    const selector = parse(() => parseFieldSelector(query.fieldSelector!));
    for (const { field } of selector.requirements) {
      if (field === 'metadata.name' || field === 'metadata.namespace') continue;
      const known = definition.selectableFields;
      if (known && Object.hasOwn(known, field)) continue;
      throw badRequest(
        known
          ? (definition.unknownFieldText?.(field) ?? `field label not supported: ${field}`)
          : `${quote(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
      );
    }
    const only = selector.exactValue('metadata.name');
    if (only !== undefined) {
      if (exactName !== undefined && only !== exactName)
        throw badRequest(`fieldSelector metadata.name=${only} doesn't match requested name ${exactName}`);
      exactName = only;
    }
    const rest = selector.transform(requirement =>
      requirement.field === 'metadata.name' && requirement.operator === '=' && requirement.value === only
        ? undefined
        : requirement,
    );
    fields = rest.empty ? undefined : set => rest.matches(set);
  }
  return { namespace, name: exactName, labels, fields };
}

function parse<R>(run: () => R): R {
  try {
    return run();
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : String(error), error);
  }
}

/** Checks the combination of list parameters. Source: apimachinery ValidateListOptions. */
export function validateListQuery(
  query: ListQuery & { watch?: boolean; sendInitialEvents?: boolean | undefined; allowWatchBookmarks?: boolean | undefined },
): void {
  const errors = new FieldErrors();
  const match = query.resourceVersionMatch;
  if (query.watch) {
    if (match && query.sendInitialEvents === undefined) {
      errors.forbidden(
        fieldPath('resourceVersionMatch'),
        'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      );
    }
    if (query.sendInitialEvents !== undefined) {
      if (!match)
        errors.forbidden(
          fieldPath('resourceVersionMatch'),
          'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
        );
      else if (match !== 'NotOlderThan') {
        errors.forbidden(
          fieldPath('resourceVersionMatch'),
          'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
        );
        errors.notSupported(fieldPath('resourceVersionMatch'), match, ['NotOlderThan']);
      }
    }
    if (query.continue)
      errors.forbidden(fieldPath('resourceVersionMatch'), 'resourceVersionMatch is forbidden when continue is provided');
  } else {
    if (query.sendInitialEvents !== undefined) {
      errors.forbidden(fieldPath('sendInitialEvents'), 'sendInitialEvents is forbidden for list');
    }
    if (match) {
      if (!query.resourceVersion)
        errors.forbidden(
          fieldPath('resourceVersionMatch'),
          'resourceVersionMatch is forbidden unless resourceVersion is provided',
        );
      if (query.continue)
        errors.forbidden(fieldPath('resourceVersionMatch'), 'resourceVersionMatch is forbidden when continue is provided');
      if (match !== 'Exact' && match !== 'NotOlderThan')
        errors.notSupported(fieldPath('resourceVersionMatch'), match, ['Exact', 'NotOlderThan', '']);
      if (match === 'Exact' && query.resourceVersion === '0') {
        errors.forbidden(fieldPath('resourceVersionMatch'), 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
      }
    }
  }
  if (!errors.empty) throw invalid('meta.k8s.io', 'ListOptions', '', errors);
}

/** One page of objects at one revision. */
export async function listPage<T extends KubeObject>(
  source: { store: ResourceStore<T>; hub: StorageHub },
  selection: Selection,
  query: ListQuery,
): Promise<Listing<T>> {
  const { store, hub } = source;
  const limit = query.limit && query.limit > 0 ? query.limit : undefined;
  if (query.continue) {
    if (query.resourceVersion && query.resourceVersion !== '0')
      throw badRequest('specifying resource version is not allowed when using continue');
    const token = decodeToken(query.continue);
    await hub.fresh();
    if (token.revision < 0 || token.revision === hub.revision)
      return fromCache(await prepared(store, selection), selection, limit, token.after);
    return fromHistory(source, selection, { revision: token.revision, after: token.after, limit, continued: true });
  }
  const version = query.resourceVersion ?? '';
  if (version === '') await hub.fresh();
  else {
    const revision = listVersion(version);
    const isExact = query.resourceVersionMatch === 'Exact' || (limit !== undefined && !query.resourceVersionMatch);
    if (revision > hub.revision) await (isExact ? hub.exactly(revision) : hub.reached(revision));
    if (isExact && revision !== 0 && revision !== hub.revision)
      return fromHistory(source, selection, { revision, after: undefined, limit, continued: false });
  }
  return fromCache(await prepared(store, selection), selection, limit, undefined);
}

async function prepared<T extends KubeObject>(
  store: ResourceStore<T>,
  { namespace, name }: Selection,
): Promise<ResourceStore<T>> {
  await store.cache.prepare?.({ namespace, name });
  return store;
}

function listVersion(text: string): number {
  const version = versionOf(text);
  if (version === undefined) throw badRequest(`invalid resource version: ${badVersionText(text)}`);
  return version;
}

function fromCache<T extends KubeObject>(
  store: ResourceStore<T>,
  selection: Selection,
  limit: number | undefined,
  after: string | undefined,
): Listing<T> {
  const revision = store.cache.revision;
  const entries: StoredObject<T>[] = [];
  let more = false;
  for (const entry of store.select(selection, after)) {
    entries.push(entry);
    if (entries.length !== limit) continue;
    more = isMoreBehind(store, selection, entry);
    break;
  }
  return page(store, selection, entries, more, revision, after);
}

function page<T extends KubeObject>(
  store: ResourceStore<T>,
  selection: Selection,
  entries: StoredObject<T>[],
  more: boolean,
  revision: number,
  after: string | undefined,
): Listing<T> {
  if (!more) return { revision, entries, continue: undefined, remaining: undefined };
  const lastKey = keyOf(store, entries.at(-1)!);
  const isWhole = after === undefined && !selection.labels && !selection.fields && selection.name === undefined;
  const total = selection.namespace ? store.cache.countIn(selection.namespace) : store.cache.count;
  const remaining = isWhole ? total - entries.length : countBehind(store, selection, lastKey);
  return { revision, entries, continue: encodeToken(revision, lastKey), remaining };
}

/** Whether anything follows, selected or not: upstream looks no further than the page either. */
function isMoreBehind<T extends KubeObject>(store: ResourceStore<T>, selection: Selection, last: StoredObject<T>): boolean {
  if (isOne(store, selection)) return false;
  return !store.select({ namespace: selection.namespace }, keyOf(store, last)).next().done;
}

/** Whether the selection names one object. */
function isOne<T extends KubeObject>(store: ResourceStore<T>, selection: Selection): boolean {
  return selection.name !== undefined && (!!selection.namespace || !store.cache.namespaced);
}

function keyOf<T extends KubeObject>({ cache }: ResourceStore<T>, { namespace, name }: StoredObject<T>): string {
  return cache.namespaced ? `${namespace}/${name}` : name;
}

/**
 * How many objects follow, of the newest state: for a page out of a long history it is the estimate that the field is for. Unknown with
 * selectors, as upstream.
 */
function countBehind<T extends KubeObject>(store: ResourceStore<T>, selection: Selection, key: string): number | undefined {
  if (selection.labels || selection.fields || selection.name !== undefined) return undefined;
  let count = 0;
  for (const _ of store.select(selection, key)) count++;
  return count;
}

async function fromHistory<T extends KubeObject>(
  source: { store: ResourceStore<T>; hub: StorageHub },
  selection: Selection,
  range: { revision: number; after: string | undefined; limit: number | undefined; continued: boolean },
): Promise<Listing<T>> {
  const { cache } = source.store;
  const prefix = selection.namespace && cache.namespaced ? `${cache.prefix}${selection.namespace}/` : cache.prefix;
  const entries: StoredObject<T>[] = [];
  let after = range.after === undefined ? undefined : `${cache.prefix}${range.after}`;
  try {
    for (;;) {
      const read = await source.hub.datastore.list(prefix, { revision: range.revision, after, limit: 500 });
      for (const [index, item] of read.items.entries()) {
        const entry = (await cache.decodePrepared?.(item.value, item.modRevision)) ?? cache.decode(item.value, item.modRevision);
        if (!matches(selection, entry)) continue;
        entries.push(entry);
        if (entries.length !== range.limit) continue;
        const behind = read.items.length - 1 - index;
        if (isOne(source.store, selection) || (behind === 0 && !read.more)) break;
        const lastKey = keyOf(source.store, entry);
        const estimate = countBehind(source.store, selection, lastKey);
        const remaining = estimate !== undefined && !read.more ? behind : estimate;
        return { revision: range.revision, entries, continue: encodeToken(range.revision, lastKey), remaining };
      }
      if (!read.more) return { revision: range.revision, entries, continue: undefined, remaining: undefined };
      after = read.items.at(-1)!.key;
    }
  } catch (error) {
    if (errorCode(error) !== 'DATASTORE_COMPACTED') throw error;
    if (!range.continued) throw tooOld(range.revision, cache.revision);
    throw expiredContinue(range.after!);
  }
}

/** 410 with a token that goes on at the newest revision instead, for clients that accept an inconsistent list. */
function expiredContinue(after: string): StatusError {
  const error = expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue ' +
      'parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided ' +
      'token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was ' +
      'returned and now may show up in the list.',
  );
  error.status.metadata.continue = encodeToken(-1, after);
  return error;
}

function encodeToken(revision: number, lastKey: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: `${lastKey}\u0000` })).toString('base64url');
}

function decodeToken(token: string): { revision: number; after: string } {
  const fail = (fault: string): never => {
    throw badRequest(`invalid continue token: continue key is not valid: ${fault}`);
  };
  const wrongAt = /[^A-Za-z0-9_-]/.exec(token)?.index ?? (token.length % 4 === 1 ? token.length - 1 : -1);
  if (wrongAt >= 0) return fail(`illegal base64 data at input byte ${wrongAt}`);
  let fields: unknown;
  try {
    fields = parseJson(Buffer.from(token, 'base64url').toString());
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  const { v, rv, start } = isJsonObject(fields) ? fields : {};
  if (v !== 'meta.k8s.io/v1' || typeof rv !== 'number' || typeof start !== 'string') {
    return fail(`server does not recognize this encoded version ${typeof v === 'string' ? v : ''}`);
  }
  if (rv === 0) return fail('incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  if (start === '') return fail('encoded start key empty (version meta.k8s.io/v1)');
  if (start.includes('../')) return fail(`${start}`);
  return { revision: rv, after: start.replace(/\u0000$/, '') };
}
