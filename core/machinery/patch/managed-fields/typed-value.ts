import { CodedError } from '../../../base/errors.js';
import { isJsonObject, setOwn } from '../../object.js';
import { formatGoSyntax, formatGoValue, goTypeName } from '../go-format.js';
import { FieldSet } from './field-set.js';
import { memberType, shapeOf } from './merge-type.js';
import type { ListMergeType, MapMergeType, MergeType, ScalarKind } from './merge-type.js';
import { fieldElement, formatElement, itemElement, mergeFault } from './path-element.js';
import type { PathElement } from './path-element.js';
import { groupItems } from './typed-compare.js';

type Members = Readonly<Record<string, unknown>>;

/** Every leaf and every item that a value mentions. */
export function toFieldSet(value: unknown, type: MergeType): FieldSet {
  const set = new FieldSet();
  collect(set, value, type);
  set.member = false;
  return set;
}

function collect(node: FieldSet, value: unknown, type: MergeType): void {
  const shape = shapeOf(type, value);
  if (shape === 'scalar') {
    node.member = true;
  } else if (shape === 'map') {
    const map = type.map!;
    if (map.atomic) node.member = true;
    else if (isJsonObject(value)) collectMembers(node, value, map);
  } else {
    const list = type.list!;
    if (list.atomic) node.member = true;
    else if (Array.isArray(value)) collectItems(node, value, list);
  }
}

function collectMembers(node: FieldSet, members: Members, map: MapMergeType): void {
  for (const name of Object.keys(members)) {
    const value = members[name];
    const field = map.field(name);
    const child = new FieldSet();
    collect(child, value, field?.type ?? memberType(map, name));
    if (!field || value === null || (isJsonObject(value) && Object.keys(value).length === 0)) child.member = true;
    if (!child.empty) (node.children ??= new Map()).set(fieldElement(name), child);
  }
}

function collectItems(node: FieldSet, items: readonly unknown[], list: ListMergeType): void {
  for (const [element, group] of groupItems(list, items)) {
    const child = node.descend(element);
    if (group.length === 1) collect(child, group[0], list.element);
    child.member = true;
  }
}

/**
 * Merges an applied configuration into an object: nothing goes, the configuration's values win, and lists take its order where
 * both have an item. What did not change is shared. Throws MERGE_FAULT for items that cannot be told apart.
 */
export function mergeValues(live: unknown, applied: unknown, type: MergeType): unknown {
  if (applied === undefined || applied === live) return live;
  if (live === undefined) return applied;
  const shape = shapeOf(type, applied);
  if (shape === 'scalar') return applied;
  if (shape === 'map') {
    const left = isJsonObject(live) ? live : undefined;
    const right = isJsonObject(applied) ? applied : undefined;
    if (type.map!.atomic || (isEmptyObject(left) && isEmptyObject(right))) return applied;
    return mergeMembers(left ?? {}, right ?? {}, type.map!);
  }
  const left = Array.isArray(live) ? (live as unknown[]) : [];
  const right = Array.isArray(applied) ? (applied as unknown[]) : [];
  if (type.list!.atomic || (left.length === 0 && right.length === 0)) return applied;
  return mergeItems(left, right, type.list!);
}

function isEmptyObject(members: Members | undefined): boolean {
  return !members || Object.keys(members).length === 0;
}

function mergeMembers(live: Members, applied: Members, map: MapMergeType): Members {
  let merged: Record<string, unknown> | undefined;
  for (const name of Object.keys(applied)) {
    const before = Object.hasOwn(live, name) ? live[name] : undefined;
    const after = mergeValues(before, applied[name], memberType(map, name));
    if (after === before) continue;
    merged ??= { ...live };
    setOwn(merged, name, after);
  }
  return merged ?? live;
}

/**
 * Items of both sides stand in the order of the configuration; the object's own keep their place before the shared item that
 * they stood before, others of the configuration come where it has them.
 */
function mergeItems(live: readonly unknown[], applied: readonly unknown[], list: ListMergeType): unknown[] {
  const liveElements = live.map(item => itemElement(list, item));
  const appliedElements = applied.map(item => itemElement(list, item));
  const byElement = new Map<PathElement, unknown>();
  // Items that come more than once do not merge with the configuration's: it replaces them.
  liveElements.forEach((element, index) => byElement.set(element, byElement.has(element) ? undefined : live[index]));
  const inApplied = new Set(appliedElements);
  const shared = appliedElements.filter(element => byElement.has(element));
  let nextShared = 0;
  const done = new Set<PathElement>();
  const merged: unknown[] = [];
  const takeApplied = (index: number): void => {
    const element = appliedElements[index]!;
    done.add(element);
    merged.push(mergeValues(byElement.get(element), applied[index], list.element));
    if (shared[nextShared] === element) nextShared++;
  };
  let l = 0;
  let a = 0;
  while (l < live.length || a < applied.length) {
    const element = liveElements[l];
    if (element !== undefined && a < applied.length) {
      if (element === appliedElements[a]) {
        takeApplied(a++);
        l++;
        continue;
      }
      if (inApplied.has(element) && nextShared < shared.length && shared[nextShared] !== element) {
        l++;
        continue;
      }
    }
    if (element !== undefined) {
      if (!inApplied.has(element)) {
        merged.push(live[l++]);
        continue;
      }
      if (done.has(element)) l++;
    }
    if (a < applied.length) takeApplied(a++);
  }
  return merged;
}

/** The value without the fields and items of `gone`; null where a list or an object loses all it had. */
export function removeFields(value: unknown, gone: FieldSet, type: MergeType): unknown {
  const shape = shapeOf(type, value);
  if (shape === 'scalar') return value;
  if (shape === 'map') return isJsonObject(value) && !type.map!.atomic ? removeMembers(value, gone, type.map!) : null;
  return Array.isArray(value) && !type.list!.atomic ? removeItems(value as unknown[], gone, type.list!) : null;
}

function removeMembers(members: Members, gone: FieldSet, map: MapMergeType): Members | null {
  const kept: Record<string, unknown> = {};
  let count = 0;
  for (const name of Object.keys(members)) {
    const node = gone.children?.get(fieldElement(name));
    if (node?.member) continue;
    setOwn(kept, name, node?.children?.size ? removeFields(members[name], node, memberType(map, name)) : members[name]);
    count++;
  }
  return count > 0 ? kept : null;
}

function removeItems(items: readonly unknown[], gone: FieldSet, list: ListMergeType): unknown[] | null {
  const kept: unknown[] = [];
  for (const item of items) {
    const node = gone.children?.get(itemElement(list, item));
    if (node?.member) continue;
    kept.push(node?.children?.size ? removeFields(item, node, list.element) : item);
  }
  return kept.length > 0 ? kept : null;
}

/**
 * A field set as it must be where the type's atomic lists and objects have been granular when the set was written: then the
 * whole is owned and nothing inside it. Returns the same set where nothing is to be done.
 */
export function reconcileFieldSet(set: FieldSet, type: MergeType): FieldSet {
  return reconcile(set, type) ?? set;
}

function reconcile(node: FieldSet, type: MergeType): FieldSet | undefined {
  if (!node.children?.size) return undefined;
  if (type.map && type.map.element && !type.map.atomic && type.scalar) return undefined; // deduced types say nothing
  if (type.map ? type.map.atomic : type.list?.atomic) return new FieldSet(true);
  let children: Map<PathElement, FieldSet> | undefined;
  for (const [element, child] of node.children) {
    const childType = type.map ? stepType(type.map, element) : type.list?.element;
    const changed = childType && reconcile(child, childType);
    if (changed) (children ??= new Map(node.children)).set(element, changed);
  }
  return children && new FieldSet(node.member, children);
}

function stepType(map: MapMergeType, element: PathElement): MergeType | undefined {
  return element.startsWith('f:') ? (map.field(element.slice(2))?.type ?? map.element) : map.element;
}

/** Checks an applied configuration against its type. Throws MERGE_FAULT with all errors in upstream's words. */
export function validateApplied(value: unknown, type: MergeType): void {
  const errors: string[] = [];
  validate(value, type, '', errors);
  if (errors.length === 1) throw mergeFault(errors[0]!);
  if (errors.length > 1) throw mergeFault(['errors:', ...errors.map(error => `  ${error}`)].join('\n'));
}

function validate(value: unknown, type: MergeType, path: string, errors: string[]): void {
  const report = (text: string): void => void errors.push(path ? `${path}: ${text}` : text);
  if (value === null) return;
  const shape = shapeOf(type, value);
  if (shape === 'scalar') {
    const text = scalarFault(type.scalar!, value);
    if (text) report(text);
  } else if (shape === 'map') {
    if (!isJsonObject(value)) return report(`expected map, got &{${formatGoValue(value)}}`);
    for (const name of Object.keys(value)) {
      const child = `${path}.${name}`;
      const member = type.map!.field(name)?.type ?? type.map!.element;
      if (member) validate(value[name], member, child, errors);
      else {
        errors.push(`${child}: field not declared in schema`);
        return;
      }
    }
  } else if (!Array.isArray(value)) {
    report(`expected list, got &{${formatGoValue(value)}}`);
  } else {
    validateItems(value as unknown[], type.list!, path, errors);
  }
}

function validateItems(items: readonly unknown[], list: ListMergeType, path: string, errors: string[]): void {
  const seen = new Set<PathElement>();
  for (const [index, item] of items.entries()) {
    let element: PathElement = `i:${index}`;
    if (!list.atomic) {
      try {
        element = itemElement(list, item);
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        errors.push(`${path ? `${path}: ` : ''}element ${index}: ${error.message}`);
        return;
      }
      if (seen.has(element)) errors.push(`${path ? `${path}: ` : ''}duplicate entries for key ${formatElement(element)}`);
      seen.add(element);
    }
    validate(item, list.element, path + formatElement(element), errors);
  }
}

function scalarFault(scalar: ScalarKind, value: unknown): string | undefined {
  switch (scalar) {
    case 'numeric':
      return typeof value === 'number' || typeof value === 'bigint'
        ? undefined
        : `expected numeric (int or float), got ${goTypeName(value)}`;
    case 'string':
      return typeof value === 'string'
        ? undefined
        : `expected string, got &value.valueUnstructured{Value:${formatGoSyntax(value)}}`;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected boolean, got &{${formatGoValue(value)}}`;
    case 'untyped':
      return typeof value === 'object' ? `expected any scalar, got &{${formatGoValue(value)}}` : undefined;
  }
}
