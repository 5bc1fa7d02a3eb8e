import { isJsonObject, setOwn } from '../object.js';
import type { StructType, TypeNode } from '../schema.js';
import { badRequest } from '../status-error.js';
import { formatGoValue, goTypeName } from './go-format.js';
import { withoutNulls } from './merge-patch.js';
import { goJsonKind, patchNotApplicable, plainServerError } from './patch-errors.js';
import { orderAfterMerge } from './strategic-merge-order.js';

type Fields = Record<string, unknown>;

const directive = '$patch';
const retainKeysDirective = '$retainKeys';
const deleteListPrefix = '$deleteFromPrimitiveList';
const orderPrefix = '$setElementOrder';

/**
 * Applies a strategic merge patch and returns the new object; inputs stay as they are, what did not change is shared.
 * How lists merge is read from the type. Source: apimachinery strategicpatch; "Update API Objects in Place Using kubectl patch".
 *
 * Errors: 400 for a patch of the wrong form, 422 for lists of lists, 500 with upstream's text for the rest.
 */
export function applyStrategicMergePatch(object: Readonly<Fields>, patch: unknown, type: StructType): Fields {
  if (patch === null) return object;
  if (!isJsonObject(patch)) {
    throw badRequest(`json: cannot unmarshal ${goJsonKind(patch)} into Go value of type map[string]interface {}`);
  }
  return mergeMaps(object, patch, { kind: 'struct', name: type.name, struct: type });
}

interface FieldRule {
  /** The field's type; for lists that of the elements. */
  readonly type: TypeNode;
  readonly strategy: string;
  readonly mergeKey: string;
}

function mergeMaps(original: Readonly<Fields>, patch: Readonly<Fields>, type: TypeNode): Fields {
  if (Object.hasOwn(patch, directive)) {
    const word = patch[directive];
    if (word === 'delete') return {};
    if (word !== 'replace') throw unknownPatchType(word, patch);
    const { [directive]: _, ...rest } = patch;
    return rest;
  }
  const rest: Fields = { ...patch };
  const merged = retainKeys({ ...original }, rest);
  mergeOrderedLists(merged, rest, type);
  for (const patchKey of Object.keys(rest)) {
    const change = rest[patchKey];
    const isDeleteList = patchKey.startsWith(deleteListPrefix);
    const key = isDeleteList ? fieldOfDirective(patchKey, deleteListPrefix) : patchKey;
    if (change === null) {
      delete merged[key];
      continue;
    }
    const has = Object.hasOwn(merged, key);
    if (isDeleteList && (!has || !sameKind(merged[key], change))) continue;
    if (!has || !sameKind(merged[key], change)) {
      take(merged, key, withoutNulls(change));
    } else if (isJsonObject(change)) {
      const rule = fieldRule(type, key, false);
      const current = merged[key] as Fields;
      setOwn(merged, key, rule.strategy === 'replace' ? change : mergeMaps(current, change, rule.type));
    } else if (Array.isArray(change)) {
      setOwn(merged, key, mergeLists(merged[key] as unknown[], change, fieldRule(type, key, true), isDeleteList));
    } else {
      setOwn(merged, key, change);
    }
  }
  return merged;
}

/** Sets what a patch brings without its directives; a map that is nothing but a directive leaves nothing. */
function take(target: Fields, key: string, value: unknown): void {
  const clean = withoutDirectives(value);
  if (clean === undefined) delete target[key];
  else setOwn(target, key, clean);
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives).filter(item => item !== undefined);
  if (!isJsonObject(value)) return value;
  if (Object.hasOwn(value, directive)) return undefined;
  const kept: Fields = {};
  for (const key of Object.keys(value)) {
    const clean = withoutDirectives(value[key]);
    if (clean !== undefined) setOwn(kept, key, clean);
  }
  return kept;
}

function sameKind(a: unknown, b: unknown): boolean {
  return goTypeName(a) === goTypeName(b);
}

/** `$retainKeys`: fields that it does not name go. Takes the directive out of `patch`. */
function retainKeys(original: Fields, patch: Fields): Fields {
  if (!Object.hasOwn(patch, retainKeysDirective)) return original;
  const names = patch[retainKeysDirective];
  delete patch[retainKeysDirective];
  if (!Array.isArray(names)) throw badRequest('invalid patch format of retainKeys');
  const retained = new Set<unknown>(names);
  for (const key of Object.keys(patch)) {
    if (patch[key] === null || key.startsWith(deleteListPrefix) || key.startsWith(orderPrefix)) continue;
    if (!retained.has(key)) throw badRequest('invalid patch format of retainKeys');
  }
  for (const key of Object.keys(original)) if (!retained.has(key)) delete original[key];
  return original;
}

/** Merges the lists that a `$setElementOrder/x` directive orders, and takes both out of `patch`. */
function mergeOrderedLists(merged: Fields, patch: Fields, type: TypeNode): void {
  for (const patchKey of Object.keys(patch)) {
    if (!patchKey.startsWith(orderPrefix)) continue;
    const order = patch[patchKey];
    delete patch[patchKey];
    if (!Array.isArray(order)) throw badArgument([], order);
    const key = fieldOfDirective(patchKey, orderPrefix);
    const current = listAt(merged, key);
    const change = listAt(patch, key);
    const rule = fieldRule(type, key, true);
    checkOrder(change ?? [], order, rule.mergeKey);
    let list: unknown[];
    if (current && change) list = mergeLists(current, change, rule, false);
    else if (current) list = current;
    else if (change) list = withoutDirectives(change) as unknown[];
    else continue;
    elementKind(current ?? [], change ?? []);
    if (rule.mergeKey) {
      for (const item of list) mergeKeyOf(item, rule.mergeKey);
      checkOrderItems(order, list as Fields[], rule.mergeKey);
    }
    setOwn(merged, key, orderAfterMerge({ merged: list, order, serverOrder: current ?? [], mergeKey: rule.mergeKey }));
    delete patch[key];
  }
}

/** Each item is looked for among those of the order list, as far as it takes. */
function checkOrderItems(order: readonly unknown[], list: readonly Fields[], mergeKey: string): void {
  const wrong = order.findIndex(item => !isJsonObject(item));
  if (wrong < 0) return;
  const before = new Set(order.slice(0, wrong).map(item => (item as Fields)[mergeKey]));
  if (list.some(item => !before.has(item[mergeKey]))) throw plainServerError(`value for key ${wrong} is not a map`);
}

function listAt(fields: Fields, key: string): unknown[] | undefined {
  if (!Object.hasOwn(fields, key)) return undefined;
  const list = fields[key];
  if (!Array.isArray(list)) throw badArgument([], list);
  return list as unknown[];
}

/** The items of a patch list must stand in the order list, in its order. */
function checkOrder(patchList: readonly unknown[], order: readonly unknown[], mergeKey: string): void {
  if (order.length === 0 || patchList.length === 0) return;
  const items = patchList.filter(item => {
    if (mergeKey === '') return true;
    if (!isJsonObject(item)) throw badArgument({}, item);
    return item[directive] !== 'delete';
  });
  let at = 0;
  for (let i = 0; at < items.length && i < order.length;) {
    const item = items[at];
    if (isJsonObject(item) && Object.hasOwn(item, directive)) {
      at++;
      continue;
    }
    if (mergeKey === '' ? item === order[i] : mergeKeyOf(item, mergeKey) === mergeKeyOf(order[i], mergeKey)) at++;
    i++;
  }
  if (at < items.length) {
    throw plainServerError(
      `The order in patch list:\n${formatGoValue(patchList)}\n doesn't match ${orderPrefix} list:\n${formatGoValue(order)}\n`,
    );
  }
}

function mergeLists(original: readonly unknown[], patch: readonly unknown[], rule: FieldRule, isDeleteList: boolean): unknown[] {
  if (rule.strategy !== 'merge' && !isDeleteList) return [...patch];
  if (original.length === 0 && patch.length === 0) return [];
  const { mergeKey } = rule;
  if (elementKind(original, patch) !== 'map') {
    if (isDeleteList) {
      const gone = new Set(patch);
      return original.filter(item => !gone.has(item));
    }
    const merged = [...new Set([...original, ...patch])];
    return orderAfterMerge({ merged, order: patch, serverOrder: original, mergeKey: '' });
  }
  if (mergeKey === '') throw plainServerError(`cannot merge lists without merge key for ${goKind(rule.type)}`);
  const { kept, items, replaced } = applyListDirectives(original as Fields[], patch as Fields[], mergeKey);
  if (replaced) return items;
  const merged: Fields[] = [...kept];
  const places = new Map<unknown, number>();
  for (const [index, item] of merged.entries()) {
    if (Object.hasOwn(item, mergeKey) && !places.has(item[mergeKey])) places.set(item[mergeKey], index);
  }
  for (const item of items) {
    const key = mergeKeyOf(item, mergeKey);
    const place = places.get(key);
    if (place === undefined) places.set(key, merged.push(item) - 1);
    else merged[place] = mergeMaps(merged[place]!, item, rule.type);
  }
  for (const item of merged) mergeKeyOf(item, mergeKey);
  return orderAfterMerge({ merged, order: items, serverOrder: kept, mergeKey });
}

/** Carries out `$patch` of items and takes those items out. */
function applyListDirectives(
  original: readonly Fields[],
  patch: readonly Fields[],
  mergeKey: string,
): { kept: readonly Fields[]; items: Fields[]; replaced: boolean } {
  const deleted = new Set<unknown>();
  let replaced = false;
  const items: Fields[] = [];
  for (const item of patch) {
    if (!Object.hasOwn(item, directive)) {
      items.push(item);
      continue;
    }
    const word = item[directive];
    if (word === 'delete') {
      deleted.add(mergeKeyOf(item, mergeKey));
    } else if (word === 'replace') {
      replaced = true;
    } else if (word === 'merge') {
      throw plainServerError('merging lists cannot yet be specified in the patch');
    } else {
      throw unknownPatchType(word, item);
    }
  }
  const kept =
    deleted.size > 0 ? original.filter(item => !Object.hasOwn(item, mergeKey) || !deleted.has(item[mergeKey])) : original;
  return { kept, items, replaced };
}

/** What the items of both lists are; all must be of one type, and lists of lists are refused. */
function elementKind(...lists: readonly (readonly unknown[])[]): 'map' | 'scalar' {
  let typeName: string | undefined;
  for (const list of lists) {
    for (const item of list) {
      const name = goTypeName(item);
      if (typeName === undefined && Array.isArray(item)) throw patchNotApplicable('lists of lists are not supported');
      typeName ??= name;
      if (typeName !== name) {
        throw plainServerError(`list element types are not identical: ${formatGoValue(lists)}`);
      }
    }
  }
  if (typeName === undefined) throw plainServerError('no elements in any of the given slices');
  return typeName === 'map[string]interface {}' ? 'map' : 'scalar';
}

function mergeKeyOf(item: unknown, mergeKey: string): unknown {
  if (!isJsonObject(item)) throw badArgument({}, item);
  if (!Object.hasOwn(item, mergeKey)) {
    throw plainServerError(`map: ${formatGoValue(item)} does not contain declared merge key: ${mergeKey}`);
  }
  return item[mergeKey];
}

function fieldOfDirective(patchKey: string, prefix: string): string {
  const slash = patchKey.indexOf('/');
  if (slash < 0 || patchKey.slice(0, slash) !== prefix) {
    throw badRequest(`invalid patch format of ${prefix === orderPrefix ? 'setElementOrder list' : 'primitive list'}`);
  }
  return patchKey.slice(slash + 1);
}

/** How the field `key` of a value of type `type` is merged. */
function fieldRule(type: TypeNode, key: string, isList: boolean): FieldRule {
  if (type.kind === 'map') {
    // Lists in maps have no rules to be merged by, not even that they are replaced.
    if (isList) throw plainServerError('merging an object in json but data type is not struct, instead is: map');
    return { type: type.element, strategy: '', mergeKey: '' };
  }
  if (type.kind !== 'struct') {
    // Free-form values (raw extensions, JSON) have no rules: objects merge, lists are replaced.
    return { type, strategy: '', mergeKey: '' };
  }
  const field = type.struct.jsonFields.get(key);
  if (!field) {
    const name = type.name.slice(type.name.lastIndexOf('.') + 1);
    throw plainServerError(`unable to find api field in struct ${name} for the json field "${key}"`);
  }
  const strategies = (field.schema.patchStrategy ?? '').split(',');
  return {
    type: isList ? elementOf(field.type) : field.type,
    strategy: strategies.find(strategy => strategy !== 'retainKeys') ?? '',
    mergeKey: field.schema.patchMergeKey ?? '',
  };
}

function elementOf(type: TypeNode): TypeNode {
  return type.kind === 'list' ? type.element : type;
}

function goKind(type: TypeNode): string {
  return type.kind === 'primitive' ? type.primitive : type.kind === 'list' ? 'slice' : type.kind;
}

function badArgument(expected: unknown, actual: unknown): Error {
  return plainServerError(`expected a ${goTypeName(expected)}, but received a ${goTypeName(actual)}`);
}

function unknownPatchType(word: unknown, map: Readonly<Fields>): Error {
  return plainServerError(`unknown patch type: ${formatGoValue(word)} in map: ${formatGoValue(map)}`);
}

/** As upstream's messages print a patch: what it adds is without nulls by then. */
export function shownPatch(patch: unknown, original: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const shown: Fields = {};
  for (const [key, value] of Object.entries(patch)) {
    const old = isJsonObject(original) && Object.hasOwn(original, key) ? original[key] : undefined;
    setOwn(shown, key, old === undefined ? withoutNulls(value) : shownPatch(value, old));
  }
  return shown;
}
