import { isJsonObject } from '../../object.js';
import type { MergeType } from './merge-type.js';
import { decodeElement, encodeElement, fieldElement, formatElement, mergeFault, sortElements } from './path-element.js';
import type { PathElement } from './path-element.js';

export type FieldSetPath = readonly PathElement[];

/**
 * A set of field paths as a trie. A node says whether the path that leads to it is a member, and holds the nodes below; the
 * root is never a member. Sets are written to only while they are built; the operations here make new ones and share nodes.
 */
export class FieldSet {
  member: boolean;
  children: Map<PathElement, FieldSet> | undefined;

  constructor(member = false, children?: Map<PathElement, FieldSet>) {
    this.member = member;
    this.children = children;
  }

  /** Only while building. */
  insert(path: FieldSetPath): void {
    let at: FieldSet = this;
    for (const element of path) at = at.descend(element);
    if (path.length > 0) at.member = true;
  }

  /** The node below, made when it is not there. Only while building. */
  descend(element: PathElement): FieldSet {
    this.children ??= new Map();
    let child = this.children.get(element);
    if (!child) this.children.set(element, (child = new FieldSet()));
    return child;
  }

  get empty(): boolean {
    return !this.member && !this.children?.size;
  }

  has(path: FieldSetPath): boolean {
    let at: FieldSet | undefined = this;
    for (const element of path) at = at?.children?.get(element);
    return path.length > 0 && at?.member === true;
  }

  /** All member paths: those of a level before those below it, as upstream lists them. */
  *paths(prefix: FieldSetPath = []): Generator<FieldSetPath> {
    if (!this.children) return;
    const sorted = sortElements(this.children.keys());
    for (const element of sorted) if (this.children.get(element)!.member) yield [...prefix, element];
    for (const element of sorted) yield* this.children.get(element)!.paths([...prefix, element]);
  }
}

export const emptyFieldSet: FieldSet = Object.freeze(new FieldSet());

const noChildren: ReadonlyMap<PathElement, FieldSet> = new Map();
const childrenOf = (set: FieldSet): ReadonlyMap<PathElement, FieldSet> => set.children ?? noChildren;

export function fieldSetOf(paths: Iterable<FieldSetPath>): FieldSet {
  const set = new FieldSet();
  for (const path of paths) set.insert(path);
  return set;
}

/** A path of member names, as `['spec', 'replicas']`. */
export function memberPath(...names: string[]): FieldSetPath {
  return names.map(fieldElement);
}

export function formatFieldPath(path: FieldSetPath): string {
  return path.map(formatElement).join('');
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b || b.empty) return a;
  if (a.empty) return b;
  const children = new Map(childrenOf(a));
  for (const [element, right] of childrenOf(b)) {
    const left = children.get(element);
    children.set(element, left ? union(left, right) : right);
  }
  return new FieldSet(a.member || b.member, children);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  let children: Map<PathElement, FieldSet> | undefined;
  if (a.children && b.children) {
    const [few, many] = a.children.size < b.children.size ? [a.children, b.children] : [b.children, a.children];
    for (const [element, one] of few) {
      const other = many.get(element);
      if (!other) continue;
      const both = intersection(one, other);
      if (!both.empty) (children ??= new Map()).set(element, both);
    }
  }
  return new FieldSet(a.member && b.member, children);
}

/** The members of `a` that are not members of `b`; the members below one of `b` stay. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return subtract(a, b, false);
}

/** The members of `a` that are neither members of `b` nor below one. */
export function recursiveDifference(a: FieldSet, b: FieldSet): FieldSet {
  return subtract(a, b, true);
}

function subtract(a: FieldSet, b: FieldSet, recursive: boolean): FieldSet {
  const member = a.member && !b.member;
  if (!a.children || !b.children) return member === a.member ? a : new FieldSet(member, a.children);
  let children: Map<PathElement, FieldSet> | undefined;
  for (const [element, right] of b.children) {
    const left = a.children.get(element);
    if (!left) continue;
    const rest = recursive && right.member ? emptyFieldSet : subtract(left, right, recursive);
    if (rest === left) continue;
    children ??= new Map(a.children);
    if (rest.empty) children.delete(element);
    else children.set(element, rest);
  }
  if (!children && member === a.member) return a;
  return new FieldSet(member, children ?? a.children);
}

/** The set with every declared member on the way to a member as a member too. */
export function withNamedMembers(set: FieldSet, type: MergeType | undefined): FieldSet {
  if (!set.children) return set;
  const children = new Map<PathElement, FieldSet>();
  for (const [element, child] of set.children) {
    let childType: MergeType | undefined;
    let named = false;
    if (element.startsWith('f:') && type?.map) {
      const field = type.map.field(element.slice(2));
      childType = field?.type ?? type.map.element;
      named = field !== undefined;
    } else if (element.startsWith('k:')) {
      childType = type?.list?.element;
    }
    const below = withNamedMembers(child, childType);
    const member = below.member || (named && below.children !== undefined && below.children.size > 0);
    children.set(element, member === below.member ? below : new FieldSet(member, below.children));
  }
  return new FieldSet(set.member, children);
}

export type FieldsV1 = Readonly<Record<string, unknown>>;

/** Reads FieldsV1. Throws MERGE_FAULT for what is none. */
export function decodeFieldsV1(fields: FieldsV1): FieldSet {
  const set = decodeNode(fields);
  // At the root "." means nothing.
  set.member = false;
  return set;
}

function decodeNode(fields: unknown): FieldSet {
  if (fields === null) return new FieldSet(true);
  if (!isJsonObject(fields)) throw mergeFault('a field set must consist of objects');
  const node = new FieldSet();
  for (const key in fields) {
    if (key === '.') {
      node.member = true;
      continue;
    }
    const element = decodeElement(key);
    if (element === undefined) continue;
    const child = decodeNode(fields[key]);
    if (child.empty) continue;
    node.children ??= new Map();
    const known = node.children.get(element);
    node.children.set(element, known ? union(known, child) : child);
  }
  if (!node.children) node.member = true;
  return node;
}

/**
 * Whether fields may share a member with `set`, told without decoding them; false is certain for fields that were written by
 * `encodeFieldsV1`. What lies below a member of `set` counts, because a type may have become atomic since the fields were written.
 */
export function mayTouch(fields: FieldsV1, set: FieldSet): boolean {
  if (!set.children) return false;
  for (const [element, child] of set.children) {
    const below = fields[encodeElement(element)];
    if (below === undefined) continue;
    if (child.member || (isJsonObject(below) && mayTouch(below, child))) return true;
  }
  return false;
}

const leaf: FieldsV1 = Object.freeze({});

/** Writes FieldsV1, in upstream's order. The result may share frozen parts. */
export function encodeFieldsV1(set: FieldSet): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (!set.children) return fields;
  if (set.member) fields['.'] = leaf;
  for (const element of sortElements(set.children.keys())) {
    const child = set.children.get(element)!;
    fields[encodeElement(element)] = child.children?.size ? encodeFieldsV1(child) : leaf;
  }
  return fields;
}
