import { jsonEqual } from '../../object.js';
import { FieldSet } from './field-set.js';
import { memberType, presentValue, shapeOf } from './merge-type.js';
import type { ListMergeType, MapMergeType, MergeType } from './merge-type.js';
import { fieldElement, itemElement } from './path-element.js';
import type { PathElement } from './path-element.js';

/** What differs between two objects; no path is in more than one of the sets. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/**
 * Compares two whole objects of a type. Subtrees that are the same JavaScript value cost nothing. Items of associative lists
 * that come more than once are compared as one. With `afterIsMerged` the second one is the result of a merge, not decoded yet:
 * its nulls, empty and zero values are there because someone has applied them.
 * Throws MERGE_FAULT for items that cannot be told apart.
 */
export function compareObjects(before: unknown, after: unknown, type: MergeType, afterIsMerged = false): Comparison {
  const walk = new CompareWalk(afterIsMerged);
  if (before !== after) walk.compare(before, after, type);
  return walk;
}

type Members = Readonly<Record<string, unknown>>;

class CompareWalk implements Comparison {
  readonly added = new FieldSet();
  readonly modified = new FieldSet();
  readonly removed = new FieldSet();
  readonly #path: PathElement[] = [];
  readonly #afterIsMerged: boolean;

  constructor(afterIsMerged: boolean) {
    this.#afterIsMerged = afterIsMerged;
  }

  compare(before: unknown, after: unknown, type: MergeType): void {
    const shapeBefore = shapeOf(type, before);
    const shapeAfter = shapeOf(type, after);
    let isLeaf = false;
    if (after === undefined || (before !== undefined && shapeBefore !== shapeAfter)) {
      isLeaf = this.#compareAs(shapeBefore, before, after, type);
    }
    if (after !== undefined) isLeaf = this.#compareAs(shapeAfter, before, after, type);
    if (isLeaf) return;
    if (before === undefined) this.added.insert(this.#path);
    else if (after === undefined) this.removed.insert(this.#path);
  }

  #compareAs(shape: 'map' | 'scalar' | 'list', before: unknown, after: unknown, type: MergeType): boolean {
    if (shape === 'map') return this.#compareMaps(type.map!, before, after);
    if (shape === 'list') return this.#compareLists(type.list!, before, after);
    return this.#leaf(before, after);
  }

  #leaf(before: unknown, after: unknown, type: MergeType = scalarType): true {
    if (before === undefined) this.added.insert(this.#path);
    else if (after === undefined) this.removed.insert(this.#path);
    else if (this.#afterIsMerged ? !jsonEqual(before, after) : !sameValue(before, after, type)) this.modified.insert(this.#path);
    return true;
  }

  #compareMaps(map: MapMergeType, before: unknown, after: unknown): boolean {
    const left = membersOf(before);
    const right = membersOf(after);
    if (map.atomic) return this.#leaf(before, after, { map });
    // Where neither side holds anything, the whole is a leaf: this tells an empty object from none.
    if (isBare(map, left) && this.#isBareAfter(map, right)) return left && right ? true : this.#leaf(before, after);
    if (left) for (const name of Object.keys(left)) this.#compareMember(map, name, left, right);
    if (right) {
      for (const name of Object.keys(right)) if (!left || !Object.hasOwn(left, name)) this.#compareMember(map, name, left, right);
    }
    // Where both sides are there, members that both leave out stand for the same.
    if (left && right) return false;
    const only = left ?? (this.#afterIsMerged ? undefined : right);
    if (only)
      for (const { name } of map.alwaysPresent) if (!Object.hasOwn(only, name)) this.#compareMember(map, name, left, right);
    return false;
  }

  #compareMember(map: MapMergeType, name: string, left: Members | undefined, right: Members | undefined): void {
    const field = map.field(name);
    const before = left && presentValue(field, Object.hasOwn(left, name) ? left[name] : undefined);
    let after = right && Object.hasOwn(right, name) ? right[name] : undefined;
    if (right && !this.#afterIsMerged) after = presentValue(field, after);
    else if (right && left && after === undefined) after = field?.absent;
    if (before !== after) this.#descend(fieldElement(name), before, after, field?.type ?? memberType(map, name));
  }

  #isBareAfter(map: MapMergeType, members: Members | undefined): boolean {
    return this.#afterIsMerged ? !members || Object.keys(members).length === 0 : isBare(map, members);
  }

  #descend(element: PathElement, before: unknown, after: unknown, type: MergeType): void {
    this.#path.push(element);
    this.compare(before, after, type);
    this.#path.pop();
  }

  #compareLists(list: ListMergeType, before: unknown, after: unknown): boolean {
    const left = Array.isArray(before) ? (before as unknown[]) : [];
    const right = Array.isArray(after) ? (after as unknown[]) : [];
    if (list.atomic || (left.length === 0 && right.length === 0)) return this.#leaf(before, after, { list });
    const leftItems = groupItems(list, left);
    const rightItems = groupItems(list, right);
    for (const [element, items] of leftItems) this.#compareItems(list, element, items, rightItems.get(element) ?? []);
    for (const [element, items] of rightItems) if (!leftItems.has(element)) this.#compareItems(list, element, [], items);
    return false;
  }

  #compareItems(list: ListMergeType, element: PathElement, before: readonly unknown[], after: readonly unknown[]): void {
    if (before.length <= 1 && after.length <= 1) {
      if (before[0] !== after[0]) this.#descend(element, before[0], after[0], list.element);
    } else if (before.length > 1 && after.length > 1) {
      if (!jsonEqual(before, after)) this.modified.insert([...this.#path, element]);
    } else if (before.length > 1) {
      if (after.length > 0) this.#descend(element, undefined, after[0], list.element);
      this.removed.insert([...this.#path, element]);
    } else {
      if (before.length > 0) this.#descend(element, before[0], undefined, list.element);
      this.added.insert([...this.#path, element]);
    }
  }
}

const scalarType: MergeType = { scalar: 'untyped' };

/** Whether two values of a type mean the same, members that may be left out considered. */
function sameValue(a: unknown, b: unknown, type: MergeType): boolean {
  if (jsonEqual(a, b)) return true;
  const left = membersOf(a);
  const right = membersOf(b);
  if (left && right && type.map) {
    const { map } = type;
    for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
      const field = map.field(name);
      const before = presentValue(field, Object.hasOwn(left, name) ? left[name] : undefined);
      const after = presentValue(field, Object.hasOwn(right, name) ? right[name] : undefined);
      if (before === undefined || after === undefined) {
        if (before !== after) return false;
      } else if (!sameValue(before, after, field?.type ?? memberType(map, name))) return false;
    }
    return true;
  }
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length || !type.list) return false;
  const { element } = type.list;
  return a.every((item, index) => sameValue(item, b[index], element));
}

function membersOf(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
}

/** Whether an object has no members, those included that its type has always. */
function isBare(map: MapMergeType, members: Members | undefined): boolean {
  if (!members) return true;
  for (const name in members) if (presentValue(map.field(name), members[name]) !== undefined) return false;
  return map.alwaysPresent.length === 0;
}

/** The items of a list by their step, in order. */
export function groupItems(list: ListMergeType, items: readonly unknown[]): Map<PathElement, unknown[]> {
  const groups = new Map<PathElement, unknown[]>();
  for (const item of items) {
    const element = itemElement(list, item);
    const group = groups.get(element);
    if (group) group.push(item);
    else groups.set(element, [item]);
  }
  return groups;
}
