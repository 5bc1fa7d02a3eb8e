import { add, noOverload } from '../arithmetic.js';
import { runtimeName } from '../conversions.js';
import type { CelType } from '../cel-type.js';
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  listType,
  stringType,
  timestampType,
  typeParameter,
  uintType,
} from '../cel-type.js';
import type { FunctionDeclaration, Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import { sortByMacro } from '../macros.js';
import type { CelValue } from '../values.js';
import { ArrayList, CelError, compareValues, Duration, equalValues, ListValue, noSuchOverload, typeOf, Uint } from '../values.js';

/** Kubernetes' list functions, cel-go's lists extension (version 3) and its sets extension. */

const summable: readonly [string, CelType, CelValue][] = [
  ['int', intType, 0n],
  ['uint', uintType, new Uint(0n)],
  ['double', doubleType, 0],
  ['duration', durationType, new Duration(0n)],
];
const comparable: readonly [string, CelType][] = [
  ['int', intType],
  ['uint', uintType],
  ['double', doubleType],
  ['bool', boolType],
  ['duration', durationType],
  ['timestamp', timestampType],
  ['string', stringType],
  ['bytes', bytesType],
];

function isSorted(list: ListValue): CelValue {
  for (let index = 0; index < list.size; index++) {
    const value = list.at(index);
    const order = compareValues(index === 0 ? value : list.at(index - 1), value);
    if (order === undefined) return noSuchOverload;
    if (typeof order === 'number' && order > 0) return false;
  }
  return true;
}

function sumFrom(zero: CelValue): (list: ListValue) => CelValue {
  return list => {
    let sum = zero;
    for (const value of list) {
      sum = add(sum, value);
      if (sum instanceof CelError) return sum;
    }
    return sum;
  };
}

/** `sign` is 1 for the largest, -1 for the smallest. */
function extreme(name: string, sign: number): (list: ListValue) => CelValue {
  return list => {
    let result: CelValue | undefined;
    for (const value of list) {
      if (result === undefined) {
        if (compareValues(value, value) === undefined) return noSuchOverload;
        result = value;
        continue;
      }
      const order = compareValues(result, value);
      if (order === undefined) return noSuchOverload;
      if (typeof order === 'number' && order * sign < 0) result = value;
    }
    return result ?? new CelError(`${name} called on empty list`);
  };
}

function indexOf(list: ListValue, item: CelValue): CelValue {
  for (let index = 0; index < list.size; index++) if (equalValues(list.at(index), item) === true) return BigInt(index);
  return -1n;
}

function lastIndexOf(list: ListValue, item: CelValue): CelValue {
  for (let index = list.size - 1; index >= 0; index--) {
    if (equalValues(list.at(index), item) === true) return BigInt(index);
  }
  return -1n;
}

function eachComparable(
  name: string,
  id: (type: string) => string,
  make: (type: CelType) => CelType,
  call: (list: ListValue) => CelValue,
) {
  return declare(name, ...comparable.map(([typeName, type]) => memberOverload(id(typeName), [listType(type)], make(type), call)));
}

const a = typeParameter('A');

export const kubernetesListsLibrary: Library = {
  functions: [
    eachComparable(
      'isSorted',
      name => `list_${name}_is_sorted_bool`,
      () => boolType,
      isSorted,
    ),
    declare(
      'sum',
      ...summable.map(([name, type, zero]) => memberOverload(`list_${name}_sum_${name}`, [listType(type)], type, sumFrom(zero))),
    ),
    eachComparable(
      'max',
      name => `list_${name}_max_${name}`,
      type => type,
      extreme('max', 1),
    ),
    eachComparable(
      'min',
      name => `list_${name}_min_${name}`,
      type => type,
      extreme('min', -1),
    ),
    declare('indexOf', memberOverload('list_a_index_of_int', [listType(a), a], intType, indexOf)),
    declare('lastIndexOf', memberOverload('list_a_last_index_of_int', [listType(a), a], intType, lastIndexOf)),
  ],
};

function slice(list: ListValue, start: bigint, end: bigint): CelValue {
  const fail = (reason: string): CelError => new CelError(`cannot slice(${start}, ${end}), ${reason}`);
  if (start < 0n || end < 0n) return fail('negative indexes not supported');
  if (start > end) return fail('start index must be less than or equal to end index');
  if (BigInt(list.size) < end) return fail(`list is length ${list.size}`);
  const items: CelValue[] = [];
  for (let index = Number(start); index < Number(end); index++) items.push(list.at(index));
  return new ArrayList(items);
}

function flattenInto(list: ListValue, depth: number, items: CelValue[]): void {
  for (const value of list) {
    if (value instanceof ListValue && depth > 0) flattenInto(value, depth - 1, items);
    else items.push(value);
  }
}

/** Goes without guards, as upstream's does. */
function flatten(list: CelValue, depth: CelValue): CelValue {
  if (!(list instanceof ListValue) || (depth !== null && typeof depth !== 'bigint')) {
    return new CelError(`no such overload: ${runtimeName(typeOf(list))}.flatten(${depth === null ? '' : typeOf(depth).name})`);
  }
  if (depth !== null && depth < 0n) return new CelError('level must be non-negative');
  const items: CelValue[] = [];
  flattenInto(list, Number(depth ?? 1n), items);
  return new ArrayList(items);
}

function sort(list: CelValue): CelValue {
  return list instanceof ListValue ? sortByKeys(list, list) : noOverload('sort', list);
}

function sortByKeys(list: CelValue, keys: CelValue): CelValue {
  if (!(list instanceof ListValue) || !(keys instanceof ListValue)) {
    return noOverload('@sortByAssociatedKeys', list);
  }
  if (list.size !== keys.size) {
    return new CelError(
      `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.size} and ${keys.size} elements respectively`,
    );
  }
  if (list.size === 0) return list;
  const first = keys.at(0);
  if (compareValues(first, first) === undefined) return new CelError('list elements must be comparable');
  const all = [...keys];
  const { name } = typeOf(first);
  if (all.some(key => typeOf(key).name !== name)) return new CelError('list elements must have the same type');
  const order = all.map((_, index) => index);
  order.sort((left, right) => {
    const result = compareValues(all[left]!, all[right]!);
    return typeof result === 'number' ? result : 0;
  });
  return new ArrayList(order.map(index => list.at(index)));
}

/** A bound of ours: upstream's is the memory of the process, since the cost comes after the list. */
const maximumRange = 1_000_000n;

function range(count: bigint): CelValue {
  if (count > maximumRange) return new CelError(`lists.range(${count}) is longer than ${maximumRange}`);
  return new ArrayList(Array.from({ length: Math.max(0, Number(count)) }, (_, index) => BigInt(index)));
}

function reverse(list: ListValue): CelValue {
  return new ArrayList([...list].toReversed());
}

function distinct(list: ListValue): CelValue {
  const items: CelValue[] = [];
  for (const value of list) if (!items.some(item => equalValues(value, item) === true)) items.push(value);
  return new ArrayList(items);
}

const listOfT = listType(typeParameter('T'));
const listOfDyn = listType(dynType);

const flattenFunction: FunctionDeclaration = {
  name: 'flatten',
  overloads: [
    memberOverload('list_flatten', [listType(listOfT)], listOfT, flatten),
    memberOverload('list_flatten_int', [listOfDyn, intType], listOfDyn, flatten),
  ],
  unguarded: true,
};

export const listsLibrary: Library = {
  functions: [
    declare('slice', memberOverload('list_slice', [listOfT, intType, intType], listOfT, slice)),
    flattenFunction,
    {
      name: 'sort',
      overloads: comparable.map(([, type]) => memberOverload(`list_${type.name}_sort`, [listType(type)], listType(type))),
      implementation: sort,
    },
    {
      name: '@sortByAssociatedKeys',
      overloads: comparable.map(([, type]) =>
        memberOverload(`list_${type.name}_sortByAssociatedKeys`, [listOfT, listType(type)], listOfT),
      ),
      implementation: sortByKeys,
    },
    declare('lists.range', overload('lists_range', [intType], listType(intType), range)),
    declare('reverse', memberOverload('list_reverse', [listOfT], listOfT, reverse)),
    declare('distinct', memberOverload('list_distinct', [listOfT], listOfT, distinct)),
  ],
  macros: [sortByMacro],
};

function containsAll(list: ListValue, part: ListValue): CelValue {
  for (const value of part) {
    const found = list.contains(value);
    if (found !== true) return found;
  }
  return true;
}

function equivalent(left: ListValue, right: ListValue): CelValue {
  const contained = containsAll(left, right);
  return contained === true ? containsAll(right, left) : contained;
}

function intersects(left: ListValue, right: ListValue): CelValue {
  for (const value of left) if (right.contains(value) === true) return true;
  return false;
}

const twoLists = [listOfT, listOfT];

export const setsLibrary: Library = {
  functions: [
    declare('sets.contains', overload('list_sets_contains_list', twoLists, boolType, containsAll)),
    declare('sets.equivalent', overload('list_sets_equivalent_list', twoLists, boolType, equivalent)),
    declare('sets.intersects', overload('list_sets_intersects_list', twoLists, boolType, intersects)),
  ],
};
