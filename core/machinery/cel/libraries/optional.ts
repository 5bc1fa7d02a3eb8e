import {
  boolType,
  dynType,
  intType,
  listType,
  mapType,
  optionalType,
  optionalOfDynType,
  stringType,
  typeParameter,
} from '../cel-type.js';
import type { Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import { plainValue } from '../format-value.js';
import { GrowingMap } from '../fold-node.js';
import { optionalMacros, twoVariableMacros } from '../macros.js';
import type { CelValue, ListValue, MapValue } from '../values.js';
import { ArrayList, CelError, Duration, EntryMap, ObjectValue, OptionalValue, sizeOf, Timestamp, Uint } from '../values.js';

/** cel-go's optional values, version 2, and what its two-variable comprehensions need. */

const k = typeParameter('K');
const v = typeParameter('V');
const optionalV = optionalType(v);
const listOfV = listType(v);
const mapOfKV = mapType(k, v);

function isZero(value: CelValue): boolean {
  if (value instanceof ObjectValue) return value.isZero;
  if (value === null || value === false || value === 0n || value === 0) return true;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof Timestamp) return value.seconds === -62135596800 && value.nanos === 0;
  return sizeOf(value) === 0;
}

function valueOf(optional: OptionalValue): CelValue {
  return optional.value ?? (optional.value === null ? null : new CelError('optional.none() dereference'));
}

function unwrapAll(list: ListValue): CelValue {
  const items: CelValue[] = [];
  for (const element of list) {
    if (!(element instanceof OptionalValue)) return new CelError(`value ${plainValue(element)} is not optional`);
    if (element.value !== undefined) items.push(element.value);
  }
  return new ArrayList(items);
}

function elementAt(list: ListValue, index: number): CelValue {
  return list.size === 0 ? OptionalValue.none : OptionalValue.of(list.at(index));
}

const unwrapped = [listType(optionalV)];

export const optionalLibrary: Library = {
  functions: [
    declare(
      'optional.of',
      overload('optional_of', [v], optionalV, value => OptionalValue.of(value)),
    ),
    declare(
      'optional.ofNonZeroValue',
      overload('optional_ofNonZeroValue', [v], optionalV, value =>
        isZero(value) ? OptionalValue.none : OptionalValue.of(value),
      ),
    ),
    declare(
      'optional.none',
      overload('optional_none', [], optionalV, () => OptionalValue.none),
    ),
    declare('value', memberOverload('optional_value', [optionalV], v, valueOf)),
    declare(
      'hasValue',
      memberOverload('optional_hasValue', [optionalV], boolType, (value: OptionalValue): CelValue => value.value !== undefined),
    ),
    // The planner does these and the indexes itself.
    declare('or', memberOverload('optional_or_optional', [optionalV, optionalV], optionalV)),
    declare('orValue', memberOverload('optional_orValue_value', [optionalV, v], v)),
    declare('_?._', overload('select_optional_field', [dynType, stringType], optionalV)),
    declare(
      '_[?_]',
      overload('list_optindex_optional_int', [listOfV, intType], optionalV),
      overload('optional_list_optindex_optional_int', [optionalType(listOfV), intType], optionalV),
      overload('map_optindex_optional_value', [mapOfKV, k], optionalV),
      overload('optional_map_optindex_optional_value', [optionalType(mapOfKV), k], optionalV),
    ),
    declare(
      '_[_]',
      overload('optional_list_index_int', [optionalType(listOfV), intType], optionalV),
      overload('optional_map_index_value', [optionalType(mapOfKV), k], optionalV),
    ),
    declare(
      'last',
      memberOverload('list_last', [listOfV], optionalV, (list: ListValue): CelValue => elementAt(list, list.size - 1)),
    ),
    declare(
      'first',
      memberOverload('list_first', [listOfV], optionalV, (list: ListValue): CelValue => elementAt(list, 0)),
    ),
    declare('optional.unwrap', overload('optional_unwrap', unwrapped, listOfV, unwrapAll)),
    declare('unwrapOpt', memberOverload('optional_unwrapOpt', unwrapped, listOfV, unwrapAll)),
  ],
  macros: optionalMacros,
  types: [optionalOfDynType],
};

function insert(map: MapValue, key: CelValue, value: CelValue): MapValue | CelError {
  const existing = map.find(key);
  if (existing !== undefined) {
    return existing instanceof CelError ? existing : new CelError(`insert failed: key ${plainValue(key)} already exists`);
  }
  const target = map instanceof GrowingMap ? map : copyOf(map);
  target.insert(key, value);
  return target;
}

function copyOf(map: MapValue): EntryMap {
  return new EntryMap([...map.keys()].map(key => ({ key, value: map.find(key)! })));
}

function insertAll(map: MapValue, added: MapValue): CelValue {
  let result: MapValue = map;
  for (const key of added.keys()) {
    const next = insert(result, key, added.find(key)!);
    if (next instanceof CelError) return next;
    result = next;
  }
  return result;
}

export const twoVariableLibrary: Library = {
  functions: [
    declare(
      'cel.@mapInsert',
      overload('@mapInsert_map_key_value', [mapOfKV, k, v], mapOfKV, insert),
      overload('@mapInsert_map_map', [mapOfKV, mapOfKV], mapOfKV, insertAll),
    ),
  ],
  macros: twoVariableMacros,
};
