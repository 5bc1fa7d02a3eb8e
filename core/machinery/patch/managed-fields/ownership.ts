import { errorCode } from '../../../base/errors.js';
import { jsonEqual } from '../../object.js';
import { ApplyConflicts } from './conflicts.js';
import type { FieldFilter } from './field-filter.js';
import type { FieldSet } from './field-set.js';
import { difference, emptyFieldSet, intersection, union, withNamedMembers } from './field-set.js';
import { OwnedFields } from './managed-entries.js';
import type { ManagedFields } from './managed-entries.js';
import type { MergeType } from './merge-type.js';
import { mergeFault } from './path-element.js';
import { compareObjects } from './typed-compare.js';
import type { Comparison } from './typed-compare.js';
import { mergeValues, reconcileFieldSet, removeFields, toFieldSet } from './typed-value.js';

/** A version of the resource: its type, and how an object of another version becomes one of this. */
export interface ResourceVersion {
  readonly type: MergeType;
  /** Throws MERGE_FAULT for an object that this version cannot hold. */
  convert(object: unknown): unknown;
}

export interface OwnershipRules {
  /** The request's version. */
  readonly apiVersion: string;
  /** Undefined for versions that are no longer served: what their managers own is forgotten. */
  version(apiVersion: string): ResourceVersion | undefined;
  filter(apiVersion: string): FieldFilter | undefined;
}

/**
 * Who owns what after a change. Works on field sets only; entries, times and metadata are the field manager's.
 * Source: structured-merge-diff `merge.Updater`; KEP-555.
 */
export class Ownership {
  readonly #rules: OwnershipRules;

  constructor(rules: OwnershipRules) {
    this.#rules = rules;
  }

  /** The owners after `manager` has replaced `live` by `next`: what was changed is the manager's. */
  update(live: unknown, next: unknown, managed: ManagedFields, manager: string): ManagedFields {
    const { apiVersion } = this.#rules;
    const { owners, comparison } = this.#transfer({ live, next, managed, manager, force: true, isMerged: false });
    const before = owners.get(manager)?.set ?? emptyFieldSet;
    let set = union(union(difference(before, comparison.removed), comparison.modified), comparison.added);
    set = this.#rules.filter(apiVersion)?.(set) ?? set;
    if (set.empty) owners.delete(manager);
    else owners.set(manager, new OwnedFields(apiVersion, false, { set }));
    return { owners, times: managed.times };
  }

  /**
   * The object after `manager` has applied `applied`, and its owners. Throws APPLY_CONFLICTS when others own what it changes
   * and `force` is not set.
   */
  apply(
    live: unknown,
    applied: unknown,
    managed: ManagedFields,
    options: { readonly manager: string; readonly force: boolean },
  ): { readonly object: unknown; readonly managed: ManagedFields; readonly changed: boolean } {
    const { apiVersion } = this.#rules;
    const { manager, force } = options;
    const type = this.#version(apiVersion).type;
    const reconciled = this.#reconcile(live, managed);
    let merged = mergeValues(live, applied, type);
    let set = toFieldSet(applied, type);
    set = this.#rules.filter(apiVersion)?.(set) ?? set;
    const last = reconciled.owners.get(manager);
    reconciled.owners.set(manager, new OwnedFields(apiVersion, true, { set }));
    if (last && !last.set.empty) merged = this.#prune(merged, reconciled, last);
    const { owners } = this.#transfer({ live, next: merged, managed: reconciled, manager, force, isMerged: true });
    return { object: merged, managed: { owners, times: managed.times }, changed: !jsonEqual(live, merged) };
  }

  #version(apiVersion: string): ResourceVersion {
    const version = this.#rules.version(apiVersion);
    if (!version) throw mergeFault(`version ${apiVersion} is not served`);
    return version;
  }

  /** Every known owner's set, fitted to the types of today. Each must be able to see the object. */
  #reconcile(live: unknown, managed: ManagedFields): ManagedFields {
    const owners = new Map<string, OwnedFields>();
    const seenBy = new Set([this.#rules.apiVersion]);
    for (const [identifier, owned] of managed.owners) {
      const version = this.#rules.version(owned.apiVersion);
      if (!version) continue;
      if (!seenBy.has(owned.apiVersion)) version.convert(live);
      seenBy.add(owned.apiVersion);
      owners.set(identifier, owned.with(reconcileFieldSet(owned.set, version.type)));
    }
    return { owners, times: managed.times };
  }

  /** Takes what changed from everyone but `manager`. */
  #transfer(change: {
    readonly live: unknown;
    readonly next: unknown;
    readonly managed: ManagedFields;
    readonly manager: string;
    readonly force: boolean;
    readonly isMerged: boolean;
  }): { owners: Map<string, OwnedFields>; comparison: Comparison } {
    const { live, next, managed, manager, force, isMerged } = change;
    const comparisons = new Map<string, { taken: FieldSet; removed: FieldSet } | undefined>();
    const compareAt = (apiVersion: string): Comparison | undefined => {
      const version = this.#rules.version(apiVersion);
      if (!version) return undefined;
      const comparison =
        apiVersion === this.#rules.apiVersion
          ? compareObjects(live, next, version.type, isMerged)
          : compareObjects(
              converted('old object', live, version),
              converted('new object', next, version),
              version.type,
              isMerged,
            );
      return filtered(comparison, this.#rules.filter(apiVersion));
    };
    const summarize = (comparison: Comparison | undefined): { taken: FieldSet; removed: FieldSet } | undefined =>
      comparison && { taken: union(comparison.modified, comparison.added), removed: comparison.removed };
    const comparison = compareAt(this.#rules.apiVersion);
    if (!comparison) throw mergeFault(`version ${this.#rules.apiVersion} is not served`);
    comparisons.set(this.#rules.apiVersion, summarize(comparison));

    const owners = new Map<string, OwnedFields>();
    const conflicts = new Map<string, FieldSet>();
    for (const [identifier, owned] of managed.owners) {
      if (identifier === manager) {
        owners.set(identifier, owned);
        continue;
      }
      const { apiVersion } = owned;
      if (!comparisons.has(apiVersion)) comparisons.set(apiVersion, summarize(compareAt(apiVersion)));
      const delta = comparisons.get(apiVersion);
      if (!delta) continue;
      if (!owned.mayTouch(delta.taken) && !owned.mayTouch(delta.removed)) {
        owners.set(identifier, owned);
        continue;
      }
      const set = reconcileFieldSet(owned.set, this.#version(apiVersion).type);
      const conflict = intersection(set, delta.taken);
      if (!conflict.empty) conflicts.set(identifier, conflict);
      const rest = difference(difference(set, conflict), delta.removed);
      if (!rest.empty) owners.set(identifier, owned.with(rest));
    }
    if (!force && conflicts.size > 0) throw ApplyConflicts.from(conflicts);
    return { owners, comparison };
  }

  /** Removes what the manager applied last time and not this time, unless someone else owns it. */
  #prune(merged: unknown, managed: ManagedFields, last: OwnedFields): unknown {
    const version = this.#rules.version(last.apiVersion);
    if (!version) return merged;
    const isOther = last.apiVersion !== this.#rules.apiVersion;
    const base = isOther ? converted('merged object to last applied version', merged, version, pruning) : merged;
    const { type } = version;
    const lastSet = withNamedMembers(last.set, type);
    let pruned = removeFields(base, lastSet, type);
    pruned = this.#addBackOwned(base, pruned, last.apiVersion, managed);
    pruned = addBackDangling(base, pruned, lastSet, type);
    return isOther ? this.#version(this.#rules.apiVersion).convert(pruned) : pruned;
  }

  #addBackOwned(merged: unknown, pruned: unknown, apiVersion: string, managed: ManagedFields): unknown {
    const ownedAt = new Map<string, FieldSet>([[apiVersion, emptyFieldSet]]);
    for (const owned of managed.owners.values()) {
      ownedAt.set(owned.apiVersion, union(ownedAt.get(owned.apiVersion) ?? emptyFieldSet, owned.set));
    }
    // The last applied version comes first, so that nothing which a conversion needs is missing in the others.
    let current = pruned;
    let at = apiVersion;
    for (const [ownersVersion, set] of ownedAt) {
      const version = this.#rules.version(ownersVersion);
      if (!version) continue;
      const inVersion = (what: string, object: unknown): unknown =>
        ownersVersion === at
          ? object
          : converted(`${what} object at version ${ownersVersion}`, object, version, `${pruning}failed add back owned items: `);
      const [base, cut] = [inVersion('merged', merged), inVersion('pruned', current)];
      const { type } = version;
      const kept = union(withNamedMembers(toFieldSet(cut, type), type), withNamedMembers(set, type));
      current = removeFields(base, difference(withNamedMembers(toFieldSet(base, type), type), kept), type);
      at = ownersVersion;
      merged = base;
    }
    return at === apiVersion ? current : this.#version(apiVersion).convert(current);
  }
}

const pruning = 'failed to prune fields: ';

/** Says what could not be converted, in upstream's words. */
function converted(what: string, object: unknown, version: ResourceVersion, doing = ''): unknown {
  try {
    return version.convert(object);
  } catch (error) {
    if (errorCode(error) !== 'MERGE_FAULT' || !(error instanceof Error)) throw error;
    throw mergeFault(`${doing}failed to convert ${what}: ${error.message}`);
  }
}

/** Only what the manager owned before may go. */
function addBackDangling(merged: unknown, pruned: unknown, lastSet: FieldSet, type: MergeType): unknown {
  const before = withNamedMembers(toFieldSet(merged, type), type);
  const after = withNamedMembers(toFieldSet(pruned, type), type);
  return removeFields(merged, intersection(difference(before, after), lastSet), type);
}

function filtered(comparison: Comparison, filter: FieldFilter | undefined): Comparison {
  if (!filter) return comparison;
  return { added: filter(comparison.added), modified: filter(comparison.modified), removed: filter(comparison.removed) };
}
