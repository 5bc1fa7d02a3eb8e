import { quote } from '../../field-errors.js';
import { isJsonObject } from '../../object.js';
import type { ManagedFieldsEntry } from '../../object.js';
import { decodeFieldsV1, encodeFieldsV1, mayTouch, union } from './field-set.js';
import type { FieldSet } from './field-set.js';
import { mergeFault } from './path-element.js';

/** What one manager owns, at the version in which it does. Decoded when first asked for. */
export class OwnedFields {
  readonly apiVersion: string;
  readonly applied: boolean;
  readonly #encoded: ManagedFieldsEntry | undefined;
  #set: FieldSet | undefined;

  constructor(apiVersion: string, applied: boolean, source: { set: FieldSet } | { entry: ManagedFieldsEntry }) {
    this.apiVersion = apiVersion;
    this.applied = applied;
    if ('set' in source) this.#set = source.set;
    else this.#encoded = source.entry;
  }

  /** Throws MERGE_FAULT when the entry's fields are malformed. */
  get set(): FieldSet {
    return (this.#set ??= decodeFieldsV1(this.#encoded?.fieldsV1 ?? {}));
  }

  /** The entry that it was read from, as long as nothing was changed. */
  get encoded(): ManagedFieldsEntry | undefined {
    return this.#encoded;
  }

  /** Whether the set may share members with `other`; decodes nothing. */
  mayTouch(other: FieldSet): boolean {
    return this.#set !== undefined || mayTouch(this.#encoded?.fieldsV1 ?? {}, other);
  }

  with(set: FieldSet): OwnedFields {
    return set === this.set ? this : new OwnedFields(this.apiVersion, this.applied, { set });
  }
}

/** Who manages what, by manager identifier, and when it was last written. Values are never changed in place. */
export interface ManagedFields {
  readonly owners: Map<string, OwnedFields>;
  readonly times: Map<string, string>;
}

export function noManagedFields(): ManagedFields {
  return { owners: new Map(), times: new Map() };
}

export interface ManagerIdentity {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion?: string | undefined;
  readonly subresource?: string | undefined;
}

/**
 * What tells managers apart. An applier is the same one in whatever version it applies, so its version is left out.
 * The text is JSON because upstream orders managers by it.
 */
export function managerIdentifier(identity: ManagerIdentity): string {
  return JSON.stringify({
    ...(identity.manager ? { manager: identity.manager } : {}),
    operation: identity.operation,
    ...(identity.operation === 'Update' && identity.apiVersion ? { apiVersion: identity.apiVersion } : {}),
    ...(identity.subresource ? { subresource: identity.subresource } : {}),
  });
}

function parseIdentifier(identifier: string): ManagerIdentity {
  const identity = JSON.parse(identifier) as Partial<ManagerIdentity>;
  return { operation: 'Update', ...identity, manager: identity.manager ?? '' };
}

/** The manager as messages name it: `"kubectl-edit" using apps/v1`. */
export function formatManager(identifier: string): string {
  const { manager, operation, apiVersion, subresource } = parseIdentifier(identifier);
  const name = quote(manager) + (subresource ? ` with subresource ${quote(subresource)}` : '');
  return operation === 'Update' ? `${name} using ${apiVersion ?? ''}` : name;
}

/**
 * Reads the entries of `metadata.managedFields`. Field sets are decoded when they are needed; with `eager` (for what clients
 * have sent) at once, and written anew.
 * Throws MERGE_FAULT for what an API server never writes.
 */
export function decodeManagedFields(entries: readonly ManagedFieldsEntry[] | undefined | null, eager = false): ManagedFields {
  const managed = noManagedFields();
  for (const [index, entry] of (entries ?? []).entries()) {
    if (!isEntry(entry)) throw mergeFault(`managed fields entry ${index} is not an object`);
    const { operation } = entry;
    if (operation !== 'Apply' && operation !== 'Update') throw mergeFault('operation must be `Apply` or `Update`');
    if (!entry.apiVersion) throw mergeFault('apiVersion must not be empty');
    if (!entry.fieldsType) throw mergeFault(`missing fieldsType in managed fields entry ${index}`);
    if (entry.fieldsType !== 'FieldsV1') {
      throw mergeFault(`invalid fieldsType ${quote(entry.fieldsType)} in managed fields entry ${index}`);
    }
    const identifier = managerIdentifier({ ...entry, manager: entry.manager ?? '', operation });
    const source = eager ? { set: decodeFieldsV1(entry.fieldsV1 ?? {}) } : { entry };
    const owned = new OwnedFields(entry.apiVersion, operation === 'Apply', source);
    managed.owners.set(identifier, owned);
    if (entry.time) managed.times.set(identifier, entry.time);
    else managed.times.delete(identifier);
  }
  return managed;
}

function isEntry(value: ManagedFieldsEntry): boolean {
  return isJsonObject(value);
}

/** Writes entries in upstream's order: appliers first, then by time, manager, version and subresource. Undefined for none. */
export function encodeManagedFields(managed: ManagedFields): ManagedFieldsEntry[] | undefined {
  if (managed.owners.size === 0) return undefined;
  const entries: ManagedFieldsEntry[] = [];
  for (const [identifier, owned] of managed.owners) entries.push(encodeEntry(identifier, owned, managed.times.get(identifier)));
  return entries.sort(compareEntries);
}

function encodeEntry(identifier: string, owned: OwnedFields, time: string | undefined): ManagedFieldsEntry {
  const known = owned.encoded;
  if (known && known.time === time) return known;
  const { manager, subresource } = parseIdentifier(identifier);
  return {
    ...(manager ? { manager } : {}),
    operation: owned.applied ? 'Apply' : 'Update',
    apiVersion: owned.apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: known?.fieldsV1 ?? encodeFieldsV1(owned.set),
    ...(subresource ? { subresource } : {}),
  };
}

function compareEntries(a: ManagedFieldsEntry, b: ManagedFieldsEntry): number {
  return (
    compareTexts(a.operation, b.operation) ||
    seconds(a.time) - seconds(b.time) ||
    compareTexts(a.manager, b.manager) ||
    compareTexts(a.apiVersion, b.apiVersion) ||
    compareTexts(a.subresource, b.subresource)
  );
}

function compareTexts(a = '', b = ''): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function seconds(time: string | undefined): number {
  const milliseconds = time === undefined ? 0 : Date.parse(time);
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000);
}

export const maximumUpdateManagers = 10;
const bucketManager = 'ancient-changes';

/** Merges the oldest updaters of a version into one while there are more than ten. Changes `managed`. */
export function capUpdateManagers(managed: ManagedFields): void {
  const { owners, times } = managed;
  const updaters = [...owners.keys()].filter(identifier => !owners.get(identifier)!.applied);
  let count = updaters.length;
  if (count <= maximumUpdateManagers) return;
  updaters.sort((a, b) => seconds(times.get(a)) - seconds(times.get(b)) || compareTexts(a, b));
  const firstOfVersion = new Map<string, string>();
  for (const identifier of updaters) {
    if (count <= maximumUpdateManagers) return;
    const owned = owners.get(identifier)!;
    const first = firstOfVersion.get(owned.apiVersion);
    if (first === undefined) {
      firstOfVersion.set(owned.apiVersion, identifier);
      continue;
    }
    const bucket = managerIdentifier({ manager: bucketManager, operation: 'Update', apiVersion: owned.apiVersion });
    if (identifier === bucket) continue;
    if (!owners.has(bucket)) {
      const oldest = owners.get(first)!;
      owners.delete(first);
      owners.set(bucket, new OwnedFields(oldest.apiVersion, false, { set: oldest.set }));
    }
    owners.set(bucket, owned.with(union(owned.set, owners.get(bucket)!.set)));
    owners.delete(identifier);
    count--;
    setTime(managed, bucket, times.get(identifier));
  }
}

export function setTime(managed: ManagedFields, identifier: string, time: string | undefined): void {
  if (time === undefined) managed.times.delete(identifier);
  else managed.times.set(identifier, time);
}
