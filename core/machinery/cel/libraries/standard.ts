import { add, divide, modulo, multiply, negate, noOverload, subtract } from '../arithmetic.js';
import type { CelType } from '../cel-type.js';
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  listOfDynType,
  listType,
  mapOfDynType,
  mapType,
  nullType,
  stringType,
  timestampType,
  typeOfType,
  typeParameter,
  typeType,
  uintType,
} from '../cel-type.js';
import { toBool, toBytes, toDouble, toDuration, toInt, toText, toTimestamp, toUint } from '../conversions.js';
import type { FunctionDeclaration, Implementation, Library, Overload } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import { listIndex } from '../attribute-nodes.js';
import { plainValue } from '../format-value.js';
import { standardMacros } from '../macros.js';
import type { CelValue } from '../values.js';
import { CelError, compareValues, ListValue, MapValue, noSuchOverload, sizeOf, typeOf } from '../values.js';
import { matches } from './regex.js';
import { timeFunctions } from './time-functions.js';

/** The language's own functions (cel-go's common/stdlib), with the names of overloads that cost depends on. */

const a = typeParameter('A');
const b = typeParameter('B');
const listOfA = listType(a);
const mapOfAB = mapType(a, b);

function single(name: string, implementation: Implementation, ...overloads: Overload[]): FunctionDeclaration {
  return { name, overloads, implementation };
}

/** `[id suffix, left, right, result]` */
type Signature = readonly [string, CelType, CelType, CelType];

function operator(name: string, prefix: string, implementation: Implementation, ...signatures: Signature[]): FunctionDeclaration {
  const overloads = signatures.map(([suffix, left, right, result]) => overload(`${prefix}_${suffix}`, [left, right], result));
  return single(name, implementation, ...overloads);
}

const numbers: readonly Signature[] = [
  ['double', doubleType, doubleType, doubleType],
  ['int64', intType, intType, intType],
  ['uint64', uintType, uintType, uintType],
];

const ordered: readonly Signature[] = [
  ['bool', boolType, boolType, boolType],
  ['int64', intType, intType, boolType],
  ['int64_double', intType, doubleType, boolType],
  ['int64_uint64', intType, uintType, boolType],
  ['uint64', uintType, uintType, boolType],
  ['uint64_double', uintType, doubleType, boolType],
  ['uint64_int64', uintType, intType, boolType],
  ['double', doubleType, doubleType, boolType],
  ['double_int64', doubleType, intType, boolType],
  ['double_uint64', doubleType, uintType, boolType],
  ['string', stringType, stringType, boolType],
  ['bytes', bytesType, bytesType, boolType],
  ['timestamp', timestampType, timestampType, boolType],
  ['duration', durationType, durationType, boolType],
];

function comparison(name: string, prefix: string, holds: (order: number) => boolean): FunctionDeclaration {
  const implementation: Implementation = (left, right) => {
    const order = compareValues(left, right);
    if (order === undefined) return noOverload(name, left);
    return typeof order === 'number' ? holds(order) : order;
  };
  return operator(name, prefix, implementation, ...ordered);
}

function isIn(element: CelValue, container: CelValue): CelValue {
  if (container instanceof ListValue) return container.contains(element);
  return container instanceof MapValue ? container.contains(element) : noSuchOverload;
}

function index(container: CelValue, key: CelValue): CelValue {
  if (container instanceof MapValue) return container.find(key) ?? new CelError(`no such key: ${plainValue(key)}`);
  if (!(container instanceof ListValue)) return noOverload('_[_]', container);
  const place = listIndex(key);
  if (typeof place !== 'number') return place;
  if (place >= 0 && place < container.size) return container.at(place);
  return new CelError(`index '${place}' out of range in list size '${container.size}'`);
}

function size(value: CelValue): CelValue {
  const count = sizeOf(value);
  return count === undefined ? noOverload('size', value) : BigInt(count);
}

function sized(id: string, type: CelType): Overload[] {
  return [overload(`size_${id}`, [type], intType), memberOverload(`${id}_size`, [type], intType)];
}

/** One function for all overloads of a conversion: it tells the types apart itself. */
function conversion(name: string, result: CelType, convert: Implementation, ...from: [string, CelType][]): FunctionDeclaration {
  return declare(name, ...from.map(([id, type]) => overload(id, [type], result, convert)));
}

function stringTest(name: string, id: string, test: (text: string, part: string) => boolean): FunctionDeclaration {
  const implementation: Implementation = (text, part) =>
    typeof text === 'string' && typeof part === 'string' ? test(text, part) : noSuchOverload;
  return { ...declare(name, memberOverload(id, [stringType, stringType], boolType, implementation)), unguarded: true };
}

function unreachable(): CelValue {
  return noSuchOverload;
}

const operators: readonly FunctionDeclaration[] = [
  single('_?_:_', unreachable, overload('conditional', [boolType, a, a], a)),
  single('_&&_', unreachable, overload('logical_and', [boolType, boolType], boolType)),
  single('_||_', unreachable, overload('logical_or', [boolType, boolType], boolType)),
  single('!_', value => (typeof value === 'boolean' ? !value : noSuchOverload), overload('logical_not', [boolType], boolType)),
  {
    name: '@not_strictly_false',
    overloads: [overload('not_strictly_false', [boolType], boolType)],
    implementation: value => value !== false,
    nonStrict: true,
  },
  single('_==_', unreachable, overload('equals', [a, a], boolType)),
  single('_!=_', unreachable, overload('not_equals', [a, a], boolType)),
  operator(
    '_+_',
    'add',
    add,
    ['bytes', bytesType, bytesType, bytesType],
    ['double', doubleType, doubleType, doubleType],
    ['duration_duration', durationType, durationType, durationType],
    ['duration_timestamp', durationType, timestampType, timestampType],
    ['timestamp_duration', timestampType, durationType, timestampType],
    ['int64', intType, intType, intType],
    ['list', listOfA, listOfA, listOfA],
    ['string', stringType, stringType, stringType],
    ['uint64', uintType, uintType, uintType],
  ),
  operator('_/_', 'divide', divide, ...numbers),
  operator('_%_', 'modulo', modulo, ...numbers.slice(1)),
  operator('_*_', 'multiply', multiply, ...numbers),
  single('-_', negate, overload('negate_double', [doubleType], doubleType), overload('negate_int64', [intType], intType)),
  operator(
    '_-_',
    'subtract',
    subtract,
    ['double', doubleType, doubleType, doubleType],
    ['duration_duration', durationType, durationType, durationType],
    ['int64', intType, intType, intType],
    ['timestamp_duration', timestampType, durationType, timestampType],
    ['timestamp_timestamp', timestampType, timestampType, durationType],
    ['uint64', uintType, uintType, uintType],
  ),
  comparison('_<_', 'less', order => order < 0),
  comparison('_<=_', 'less_equals', order => order <= 0),
  comparison('_>_', 'greater', order => order > 0),
  comparison('_>=_', 'greater_equals', order => order >= 0),
  single('_[_]', index, overload('index_list', [listOfA, intType], a), overload('index_map', [mapOfAB, a], b)),
  single('@in', isIn, overload('in_list', [a, listOfA], boolType), overload('in_map', [a, mapOfAB], boolType)),
];

const functions: readonly FunctionDeclaration[] = [
  single(
    'size',
    size,
    ...sized('bytes', bytesType),
    ...sized('list', listOfA),
    ...sized('map', mapOfAB),
    ...sized('string', stringType),
  ),
  single('type', value => (value instanceof CelError ? value : typeOf(value)), overload('type', [a], typeOfType(a))),
  conversion('bool', boolType, toBool, ['bool_to_bool', boolType], ['string_to_bool', stringType]),
  conversion('bytes', bytesType, toBytes, ['bytes_to_bytes', bytesType], ['string_to_bytes', stringType]),
  conversion(
    'double',
    doubleType,
    toDouble,
    ['double_to_double', doubleType],
    ['int64_to_double', intType],
    ['string_to_double', stringType],
    ['uint64_to_double', uintType],
  ),
  conversion(
    'duration',
    durationType,
    toDuration,
    ['duration_to_duration', durationType],
    ['int64_to_duration', intType],
    ['string_to_duration', stringType],
  ),
  single('dyn', value => value, overload('to_dyn', [a], dynType)),
  conversion(
    'int',
    intType,
    toInt,
    ['int64_to_int64', intType],
    ['double_to_int64', doubleType],
    ['duration_to_int64', durationType],
    ['string_to_int64', stringType],
    ['timestamp_to_int64', timestampType],
    ['uint64_to_int64', uintType],
  ),
  conversion(
    'string',
    stringType,
    toText,
    ['string_to_string', stringType],
    ['bool_to_string', boolType],
    ['bytes_to_string', bytesType],
    ['double_to_string', doubleType],
    ['duration_to_string', durationType],
    ['int64_to_string', intType],
    ['timestamp_to_string', timestampType],
    ['uint64_to_string', uintType],
  ),
  conversion(
    'timestamp',
    timestampType,
    toTimestamp,
    ['timestamp_to_timestamp', timestampType],
    ['int64_to_timestamp', intType],
    ['string_to_timestamp', stringType],
  ),
  conversion(
    'uint',
    uintType,
    toUint,
    ['uint64_to_uint64', uintType],
    ['double_to_uint64', doubleType],
    ['int64_to_uint64', intType],
    ['string_to_uint64', stringType],
  ),
  stringTest('contains', 'contains_string', (text, part) => text.includes(part)),
  stringTest('endsWith', 'ends_with_string', (text, part) => text.endsWith(part)),
  stringTest('startsWith', 'starts_with_string', (text, part) => text.startsWith(part)),
  single(
    'matches',
    matches,
    overload('matches', [stringType, stringType], boolType),
    memberOverload('matches_string', [stringType, stringType], boolType),
  ),
  ...timeFunctions,
];

export const standardLibrary: Library = {
  functions: [...operators, ...functions],
  macros: standardMacros,
  types: [
    ...[boolType, bytesType, doubleType, durationType, intType, listOfDynType, mapOfDynType, nullType, stringType],
    ...[timestampType, typeType, uintType],
  ],
};
