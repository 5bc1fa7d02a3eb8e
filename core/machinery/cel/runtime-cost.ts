import { unlimited } from './estimate.js';
import { FormatValue } from './libraries/format.js';
import type { CelValue } from './values.js';
import { ListValue, MapValue, ObjectValue, OptionalValue, sizeOf } from './values.js';

/**
 * What calls cost when they run: Kubernetes' own estimator first (k8s.io/apiserver/pkg/cel/library/cost.go), cel-go's for the
 * rest. The numbers decide what upstream refuses, so they are upstream's.
 */
export type CallCost = number | ArgumentCost | ResultCost;

/** Known before the call: an expression that is over its limit never makes it. */
export type ArgumentCost = (first: CelValue, second: CelValue) => number;

/** Known only after the call. */
export interface ResultCost {
  readonly ofResult: (result: CelValue) => number;
}

export const stringFactor = 0.1;
export const regexFactor = 0.25;
const listCreateCost = 10;

/** Characters, bytes, elements; 1 for what has no size. */
function size(value: CelValue): number {
  if (value instanceof OptionalValue && value.value !== undefined) return size(value.value);
  return sizeOf(value) ?? (value instanceof ObjectValue ? value.size : undefined) ?? 1;
}

/** Without looking into optionals, as the libraries of Kubernetes have it. */
function plainSize(value: CelValue): number {
  return value instanceof OptionalValue ? 1 : size(value);
}

function traversal(value: CelValue): number {
  if (typeof value === 'string') return Math.trunc(Buffer.byteLength(value) * stringFactor);
  if (value instanceof Uint8Array) return Math.trunc(value.length * stringFactor);
  let cost = 0;
  if (value instanceof ListValue) {
    for (let index = 0; index < value.size; index++) cost += traversal(value.at(index));
    return cost;
  }
  if (value instanceof MapValue) {
    for (const key of value.keys()) cost += traversal(key) + traversal(value.find(key) ?? null);
    return cost;
  }
  return 1;
}

const perCharacter: CallCost = first => Math.ceil(plainSize(first) * stringFactor);
const twicePerCharacter: CallCost = first => Math.ceil(plainSize(first) * 2 * stringFactor);
const wholeTraversal: CallCost = first => traversal(first);

function regexCost(text: number, pattern: number): number {
  return Math.ceil((1 + text) * stringFactor) * Math.ceil(pattern * regexFactor);
}

const nominal = [
  ...['serviceAccount', 'path', 'group', 'resource', 'subresource', 'namespace', 'name', 'allowed', 'reason', 'error', 'errored'],
  ...['masked', 'prefixLength', 'family', 'isUnspecified', 'isLoopback', 'isLinkLocalMulticast', 'isLinkLocalUnicast'],
  ...['isGlobalUnicast', 'format.named', 'sign', 'asInteger', 'isInteger', 'asApproximateFloat', 'isGreaterThan'],
  ...['isLessThan', 'compareTo', 'add', 'sub', 'major', 'minor', 'patch', 'getScheme', 'getHostname', 'getHost', 'getPort'],
  ...['getEscapedPath', 'getQuery'],
];

/** A selector of that many characters: one list and one structure for each two of them, and the reading. */
export function selectorCost(length: number): number {
  return listCreateCost + Math.ceil(length * stringFactor) + Math.ceil(Math.ceil(length * 0.5) * 50);
}

const byFunction = new Map<string, CallCost>([
  ...nominal.map(name => [name, 1] as const),
  ...['isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'].map(name => [name, wholeTraversal] as const),
  ...['url', 'lowerAscii', 'upperAscii', 'substring', 'trim', 'jsonpatch.escapeKey'].map(name => [name, perCharacter] as const),
  ...['cidr', 'isIP', 'isCIDR', 'quantity', 'isQuantity', 'semver', 'isSemver'].map(name => [name, perCharacter] as const),
  ...['replace', 'split', 'ip.isCanonical'].map(name => [name, twicePerCharacter] as const),
  ...['find', 'findAll'].map(
    name => [name, (first: CelValue, second: CelValue) => regexCost(plainSize(first), plainSize(second))] as const,
  ),
  ...['fieldSelector', 'labelSelector'].map(
    name => [name, (_first: CelValue, second: CelValue) => selectorCost(plainSize(second))] as const,
  ),
  ['check', 350000],
  ['join', { ofResult: result => Math.ceil(plainSize(result) * 2 * stringFactor) }],
]);

/** The size of what a function answers, or the square of what it gets, and a new list. */
const newList: CallCost = { ofResult: result => size(result) + 1 + listCreateCost };

function selfCompare(list: CelValue): number {
  if (!(list instanceof ListValue) || list.size === 0) return 1 + listCreateCost;
  const first = list.at(0);
  const factor = 2 + (typeof first === 'string' || first instanceof Uint8Array ? stringFactor : 0);
  return Math.trunc(list.size * list.size * factor) + 1 + listCreateCost;
}

/** A negative depth comes round at 2^64 upstream. */
function flattenCost(list: CelValue, depth: CelValue): number {
  const cost = size(list) * (typeof depth === 'bigint' ? Number(depth) : 1) + 1 + listCreateCost;
  return cost < 0 ? unlimited : cost;
}

function setsCost(factor: number): CallCost {
  return (first, second) => 1 + Math.trunc(size(first) * size(second) * factor);
}

const shorterOfBoth: ArgumentCost = (first, second) => Math.ceil(Math.min(size(first), size(second)) * stringFactor);
const sumOfBoth: CallCost = (first, second) => Math.ceil((size(first) + size(second)) * stringFactor);
const cheapString: CallCost = first => Math.ceil(size(first) * stringFactor);

const orderings = ['less', 'greater', 'less_equals', 'greater_equals'];

const byOverload = new Map<string, CallCost>([
  ...orderings.flatMap(name => [[`${name}_string`, shorterOfBoth] as const, [`${name}_bytes`, shorterOfBoth] as const]),
  ...['starts_with_string', 'ends_with_string', 'string_to_bytes', 'bytes_to_string', 'strings_quote', 'string_format'].map(
    id => [id, cheapString] as const,
  ),
  ['in_list', (_first, second) => size(second)],
  ['add_string', sumOfBoth],
  ['add_bytes', sumOfBoth],
  ['matches_string', (first, second) => regexCost(size(first), size(second))],
  ['contains_string', (first, second) => Math.ceil(size(first) * stringFactor) * Math.ceil(size(second) * stringFactor)],
]);

/** Libraries that bring their own numbers; asked before all others. */
const ownTrackers = new Map<string, CallCost>([
  ['list_sets_contains_list', setsCost(1)],
  ['list_sets_intersects_list', setsCost(1)],
  ['list_sets_equivalent_list', setsCost(2)],
  ['list_slice', newList],
  ['lists_range', first => (typeof first === 'bigint' ? Math.max(0, Number(first)) : 1) + 1 + listCreateCost],
  ['list_reverse', newList],
  ['list_flatten', first => size(first) + 1 + listCreateCost],
  ['list_flatten_int', (first, second) => flattenCost(first, second)],
  ['list_distinct', first => selfCompare(first)],
]);

export const equalityCost: ArgumentCost = (first, second) =>
  first instanceof ObjectValue ? 1 : Math.ceil(Math.min(size(first), size(second)) * stringFactor);

export const inequalityCost: ArgumentCost = shorterOfBoth;

function containsAddress(isRange: boolean, isText: boolean): CallCost {
  return (first, second) => {
    const width = plainSize(first);
    let cost = Math.ceil(width * 2 * stringFactor);
    if (isRange) cost += Math.ceil(width * stringFactor) + 1;
    return isText ? cost + Math.ceil(plainSize(second) * stringFactor) : cost;
  };
}

/** `overloadId` is empty where several overloads may be meant. */
export function callCost(functionName: string, overloadId: string): CallCost {
  const own = ownTrackers.get(overloadId);
  if (own !== undefined) return own;
  if (/^list_.*_sort$/.test(overloadId)) return first => selfCompare(first);
  if (overloadId.endsWith('_sortByAssociatedKeys')) return (_first, second) => selfCompare(second);
  switch (functionName) {
    case 'ip':
      return overloadId === 'cidr_ip' ? 1 : perCharacter;
    case 'containsIP':
      return containsAddress(false, overloadId === 'cidr_contains_ip_string');
    case 'containsCIDR':
      return containsAddress(true, overloadId === 'cidr_contains_cidr_string');
    case 'validate':
      return (first, second) =>
        first instanceof FormatValue
          ? Math.ceil((1 + plainSize(second)) * stringFactor) * Math.ceil(first.format.patternLength * regexFactor)
          : 1;
    default:
      return byFunction.get(functionName) ?? byOverload.get(overloadId) ?? 1;
  }
}
