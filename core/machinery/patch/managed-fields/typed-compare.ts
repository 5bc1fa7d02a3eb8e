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
 * that come more than once are compared as one. Throws MERGE_FAULT for items that cannot be told apart.
 */
export function compareObjects(before: unknown, after: unknown, type: MergeType): Comparison {
  const walk = new CompareWalk();
  if (before !== after) walk.compare(before, after, type);
  return walk;
}

type Members = Readonly<Record<string, unknown>>;

class CompareWalk implements Comparison {
  readonly added = new FieldSet();
  readonly modified = new FieldSet();
  readonly removed = new FieldSet();
  readonly #path: PathElement[] = [];

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

  #leaf(before: unknown, after: unknown): true {
    if (before === undefined) this.added.insert(this.#path);
    else if (after === undefined) this.removed.insert(this.#path);
    else if (!jsonEqual(before, after)) this.modified.insert(this.#path);
    return true;
  }

  #compareMaps(map: MapMergeType, before: unknown, after: unknown): boolean {
    const left = membersOf(before);
    const right = membersOf(after);
    if (map.atomic) return this.#leaf(before, after);
    // Where neither side holds anything, the whole is a leaf: this tells an empty object from none.
    if (isBare(map, left) && isBare(map, right)) return left && right ? true : this.#leaf(before, after);
    if (left) for (const name of Object.keys(left)) this.#compareMember(map, name, left, right);
    if (right) {
      for (const name of Object.keys(right)) if (!left || !Object.hasOwn(left, name)) this.#compareMember(map, name, left, right);
    }
    // Where both sides are there, members that both leave out stand for the same.
    if (left && right) return false;
    const only = left ?? right;
    if (only)
      for (const { name } of map.alwaysPresent) if (!Object.hasOwn(only, name)) this.#compareMember(map, name, left, right);
    return false;
  }

  #compareMember(map: MapMergeType, name: string, left: Members | undefined, right: Members | undefined): void {
    const field = map.field(name);
    const before = left && presentValue(field, Object.hasOwn(left, name) ? left[name] : undefined);
    const after = right && presentValue(field, Object.hasOwn(right, name) ? right[name] : undefined);
    if (before !== after) this.#descend(fieldElement(name), before, after, field?.type ?? memberType(map, name));
  }

  #descend(element: PathElement, before: unknown, after: unknown, type: MergeType): void {
    this.#path.push(element);
    this.compare(before, after, type);
    this.#path.pop();
  }

  #compareLists(list: ListMergeType, before: unknown, after: unknown): boolean {
    const left = Array.isArray(before) ? (before as unknown[]) : [];
    const right = Array.isArray(after) ? (after as unknown[]) : [];
    if (list.atomic || (left.length === 0 && right.length === 0)) return this.#leaf(before, after);
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
