import { errorCode } from '../../../base/errors.js';
import { isJsonObject, jsonEqual } from '../../object.js';
import type { ManagedFieldsEntry } from '../../object.js';
import { parseApiVersion } from '../../object.js';
import { badRequest, isStatusError } from '../../status-error.js';
import { plainServerError } from '../patch-errors.js';
import { ApplyConflicts, applyConflict } from './conflicts.js';
import type { FieldFilter } from './field-filter.js';
import { difference, fieldSetOf, memberPath, union } from './field-set.js';
import type { FieldSet } from './field-set.js';
import { allowedByLastApplied, withLastApplied } from './last-applied.js';
import {
  OwnedFields,
  capUpdateManagers,
  decodeManagedFields,
  encodeManagedFields,
  managerIdentifier,
  noManagedFields,
} from './managed-entries.js';
import type { ManagedFields } from './managed-entries.js';
import type { MergeType } from './merge-type.js';
import { Ownership } from './ownership.js';
import type { ResourceVersion } from './ownership.js';
import { formatRfc3339Seconds } from './time-text.js';
import { validateApplied } from './typed-value.js';

type ApiObject = Readonly<Record<string, unknown>>;

export interface FieldManagerOptions {
  /** Of the requests that this manager serves. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly type: MergeType;
  /** Empty for the resource itself. */
  readonly subresource?: string | undefined;
  /** What requests to the (sub)resource cannot set, by version; `excludeFields('status')` for most main resources. */
  readonly resetFields?: Readonly<Record<string, FieldFilter>> | undefined;
  /**
   * Other versions of the resource, which earlier managers may have used; undefined for those no longer served.
   * Without it every other version counts as one of the same type.
   */
  readonly version?: ((apiVersion: string) => ResourceVersion | undefined) | undefined;
}

export interface UpdateOptions {
  /** Of `managerName(fieldManager, userAgent)`. */
  readonly manager: string;
  readonly nowMs: number;
}

export interface ApplyOptions {
  readonly manager: string;
  readonly force?: boolean | undefined;
  readonly nowMs: number;
}

const stripped = fieldSetOf([
  memberPath('apiVersion'),
  memberPath('kind'),
  memberPath('metadata'),
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map(name => memberPath('metadata', name)),
]);

const currentOperation = 'current-operation';
const empty: ApiObject = Object.freeze({});

/**
 * Keeps `metadata.managedFields` of one resource (or subresource) in one version, and merges applied configurations.
 * Holds no state; make one for each endpoint. Objects go in and come out in the version of the request; inputs stay as they are.
 * Source: apimachinery util/managedfields; KEP-555.
 */
export class FieldManager {
  readonly #options: FieldManagerOptions;
  readonly #ownership: Ownership;

  constructor(options: FieldManagerOptions) {
    this.#options = options;
    const main: ResourceVersion = { type: options.type, convert: object => object };
    this.#ownership = new Ownership({
      apiVersion: options.apiVersion,
      version: apiVersion => {
        if (apiVersion === options.apiVersion) return main;
        return options.version ? options.version(apiVersion) : { ...main, convert: object => withApiVersion(object, apiVersion) };
      },
      filter: apiVersion => options.resetFields?.[apiVersion],
    });
  }

  /**
   * For create, update and the JSON patches: `next` with its managed fields. `live` is undefined on create, and `next` is decoded
   * and defaulted. Never fails: an object that cannot be tracked loses its managed fields, as upstream does it.
   */
  updateManagedFields<T extends object>(live: object | undefined, next: T, options: UpdateOptions): T {
    const before = (live ?? empty) as ApiObject;
    const after = withManagedFields(next as ApiObject, undefined);
    let entries: ManagedFieldsEntry[] | undefined;
    try {
      const managed = this.#decodeForUpdate(before, next as ApiObject);
      entries = encodeManagedFields(this.#update(withManagedFields(before, undefined), after, managed, options));
    } catch (error) {
      if (errorCode(error) !== 'MERGE_FAULT') throw error;
    }
    return withManagedFields(after, entries) as T;
  }

  /**
   * Server-side apply: `live` (undefined to create) with `applied` merged in. The result is to be decoded and defaulted before it
   * is stored; it may hold nulls where all of a list or an object was removed. When nothing
   * changes, all but its managed fields equals `live`.
   *
   * Errors: 400 for another kind or version or managed fields in `applied`, 409 for conflicts, 500 with upstream's text where
   * `applied` does not fit the type.
   */
  apply(live: object | undefined, applied: ApiObject, options: ApplyOptions): Record<string, unknown> {
    const before = (live ?? empty) as ApiObject;
    this.#checkApplied(applied);
    const managed = this.#decodeLive(before);
    try {
      const base = withManagedFields(before, undefined);
      const result = this.#applyOrUpgrade(base, applied, managed, options);
      let { object } = result;
      if (options.manager === 'kubectl') object = withLastApplied(object, applied);
      return withManagedFields(object, encodeManagedFields(result.managed));
    } catch (error) {
      if (error instanceof ApplyConflicts) throw applyConflict(error.conflicts);
      if (errorCode(error) === 'MERGE_FAULT' && error instanceof Error) throw plainServerError(error.message);
      throw error;
    }
  }

  #checkApplied(applied: ApiObject): void {
    const { apiVersion, kind, type } = this.#options;
    if (applied['apiVersion'] !== apiVersion || applied['kind'] !== kind) {
      throw badRequest(`invalid object type: ${formatKind(applied['apiVersion'], applied['kind'])}`);
    }
    const metadata = isJsonObject(applied['metadata']) ? applied['metadata'] : empty;
    if (metadata['managedFields'] !== undefined && metadata['managedFields'] !== null) {
      throw badRequest('metadata.managedFields must be nil');
    }
    try {
      validateApplied(applied, type);
    } catch (error) {
      if (errorCode(error) !== 'MERGE_FAULT' || !(error instanceof Error)) throw error;
      const name = `${textOf(metadata['namespace'])}/${textOf(metadata['name'])}`;
      throw plainServerError(`failed to create typed patch object (${name}; ${formatKind(apiVersion, kind)}): ${error.message}`);
    }
  }

  #decodeLive(live: ApiObject): ManagedFields {
    try {
      return decodeManagedFields(entriesOf(live));
    } catch (error) {
      if (errorCode(error) !== 'MERGE_FAULT' || !(error instanceof Error)) throw error;
      throw plainServerError(`failed to decode managed fields: ${error.message}`);
    }
  }

  /** The entries that a writer has sent count, unless there are none or they are malformed; `[]` or `[{}]` resets. */
  #decodeForUpdate(live: ApiObject, next: ApiObject): ManagedFields {
    const own = entriesOf(live);
    const sent = entriesOf(next);
    if (!this.#options.subresource && sent && sent !== own) {
      if (isReset(sent)) return noManagedFields();
      if (!jsonEqual(sent, own)) {
        const managed = decodedOrNone(sent, true);
        if (managed.owners.size > 0) return managed;
      }
    }
    return decodedOrNone(own, false);
  }

  #update(live: ApiObject, next: ApiObject, managed: ManagedFields, options: UpdateOptions): ManagedFields {
    const isCreate = !textOf(isJsonObject(live['metadata']) ? live['metadata']['uid'] : undefined);
    if (managed.owners.size === 0 && !isCreate) return managed;
    return this.#trackUpdate(live, next, managed, options);
  }

  #trackUpdate(live: ApiObject, next: ApiObject, managed: ManagedFields, options: UpdateOptions): ManagedFields {
    const { apiVersion, subresource } = this.#options;
    const result = this.#ownership.update(live, next, managed, currentOperation);
    const times = new Map(managed.times);
    const updated: ManagedFields = { owners: result.owners, times };
    const current = updated.owners.get(currentOperation);
    if (current) {
      updated.owners.delete(currentOperation);
      const set = difference(current.set, stripped);
      if (!set.empty) {
        const manager = managerIdentifier({
          manager: options.manager || 'unknown',
          operation: 'Update',
          apiVersion,
          subresource,
        });
        const previous = updated.owners.get(manager);
        const all: FieldSet = previous ? union(set, previous.set) : set;
        updated.owners.set(manager, new OwnedFields(apiVersion, false, { set: all }));
        times.set(manager, formatRfc3339Seconds(options.nowMs));
      }
    }
    capUpdateManagers(updated);
    return updated;
  }

  /** kubectl may take over what it owned as client-side apply, which its annotation tells. */
  #applyOrUpgrade(live: ApiObject, applied: ApiObject, managed: ManagedFields, options: ApplyOptions): Applied {
    try {
      return this.#apply(live, applied, managed, options);
    } catch (error) {
      if (!(error instanceof ApplyConflicts) || options.manager !== 'kubectl') throw error;
      const allowed = allowedByLastApplied(live, this.#options.apiVersion, this.#options.type);
      if (!allowed) throw error;
      const rest = error.conflicts.filter(conflict => !allowed.has(conflict.path));
      if (rest.length > 0) throw new ApplyConflicts(rest);
      return this.#apply(live, applied, managed, { ...options, force: true });
    }
  }

  #apply(live: ApiObject, applied: ApiObject, managed: ManagedFields, options: ApplyOptions): Applied {
    const { subresource } = this.#options;
    const known =
      managed.owners.size > 0
        ? managed
        : this.#trackUpdate(empty, live, managed, { manager: 'before-first-apply', nowMs: options.nowMs });
    const manager = managerIdentifier({ manager: options.manager || 'unknown', operation: 'Apply', subresource });
    const result = this.#ownership.apply(live, applied, known, { manager, force: options.force ?? false });
    const { owners } = result.managed;
    const owned = owners.get(manager);
    if (owned) {
      const set = difference(owned.set, stripped);
      if (set.empty) owners.delete(manager);
      else owners.set(manager, owned.with(set));
    }
    const times = new Map(known.times);
    if (result.changed) times.set(manager, formatRfc3339Seconds(options.nowMs));
    return { object: result.changed ? (result.object as ApiObject) : live, managed: { owners, times } };
  }
}

interface Applied {
  readonly object: ApiObject;
  readonly managed: ManagedFields;
}

function decodedOrNone(entries: readonly ManagedFieldsEntry[] | undefined, eager: boolean): ManagedFields {
  try {
    return decodeManagedFields(entries, eager);
  } catch (error) {
    if (errorCode(error) === 'MERGE_FAULT') return noManagedFields();
    throw error;
  }
}

function entriesOf(object: ApiObject): readonly ManagedFieldsEntry[] | undefined {
  const metadata = object['metadata'];
  const entries = isJsonObject(metadata) ? metadata['managedFields'] : undefined;
  return Array.isArray(entries) ? (entries as ManagedFieldsEntry[]) : undefined;
}

function isReset(entries: readonly ManagedFieldsEntry[]): boolean {
  return entries.length === 0 || (entries.length === 1 && isJsonObject(entries[0]) && Object.keys(entries[0]).length === 0);
}

/** The object with other managed fields, all else shared; the same object where nothing changes. */
function withManagedFields(object: ApiObject, entries: readonly ManagedFieldsEntry[] | undefined): Record<string, unknown> {
  const metadata = object['metadata'];
  if (!isJsonObject(metadata)) return entries ? { ...object, metadata: { managedFields: entries } } : object;
  if (metadata['managedFields'] === undefined && !entries) return object;
  const { managedFields: _, ...rest } = metadata;
  return { ...object, metadata: entries ? { ...rest, managedFields: entries } : rest };
}

function withApiVersion(object: unknown, apiVersion: string): unknown {
  return isJsonObject(object) ? { ...object, apiVersion } : object;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Go's text of a GroupVersionKind. */
function formatKind(apiVersion: unknown, kind: unknown): string {
  const parsed = parseApiVersion(textOf(apiVersion));
  return `${parsed?.group ?? ''}/${parsed?.version ?? ''}, Kind=${textOf(kind)}`;
}

/** Whether an error of ours (see `status-error`) says that an apply met fields of others. */
export function isApplyConflict(error: unknown): boolean {
  return (
    isStatusError(error, 'Conflict') &&
    (error.status.details?.causes ?? []).some(cause => cause.reason === 'FieldManagerConflict')
  );
}
