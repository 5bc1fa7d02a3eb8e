import { jsonText, parseOwnJson, wideInteger } from '../../codec/json-text.js';
import { CodedError } from '../../../base/errors.js';
import type { BadValue } from '../../field-errors.js';
import { formatBadValue, goJsonText, quote } from '../../field-errors.js';
import { formatGoValue } from '../go-format.js';
import type { ListMergeType } from './merge-type.js';

/**
 * One step of a path to a field, in the form that FieldsV1 has: `f:name` (member of an object), `k:{"name":"web"}` (item of a
 * list by key), `v:"text"` (item of a set), `i:0` (item by index). Keys are sorted and their JSON has no spaces, so equal steps
 * are equal strings.
 */
export type PathElement = string;

export const fieldElement = (name: string): PathElement => `f:${name}`;

/** A value or a field set that server-side apply cannot work with. */
export function mergeFault(text: string): CodedError {
  return new CodedError('MERGE_FAULT', text);
}

/** The step to an item of a list that is a map or a set. Throws MERGE_FAULT when the item cannot be told apart. */
export function itemElement(list: ListMergeType, item: unknown): PathElement {
  if (list.keys.length === 0) {
    if (item === null || item === undefined)
      throw mergeFault("associative list without keys has an element that's an explicit null");
    if (Array.isArray(item)) throw mergeFault('not supported: associative list with lists as elements');
    if (typeof item === 'object') throw mergeFault("associative list without keys has an element that's a map type");
    return `v:${jsonText(item)}`;
  }
  if (item === null || item === undefined) throw mergeFault('associative list with keys may not have a null element');
  if (typeof item !== 'object' || Array.isArray(item)) {
    throw mergeFault('associative list with keys may not have non-map elements');
  }
  const members = item as Readonly<Record<string, unknown>>;
  let text = '';
  for (const key of sortedKeys(list)) {
    let value = Object.hasOwn(members, key) ? members[key] : undefined;
    if (value === undefined) value = list.element.map?.field(key)?.default;
    if (value === undefined) continue;
    text += `${text ? ',' : ''}${JSON.stringify(key)}:${jsonText(value)}`;
  }
  if (text === '') {
    throw mergeFault(
      `associative list with keys has an element that omits all key fields [${list.keys.map(quote).join(' ')}] ` +
        `(and doesn't have default values for any key fields)`,
    );
  }
  return `k:{${text}}`;
}

const keyOrders = new WeakMap<readonly string[], readonly string[]>();

function sortedKeys(list: ListMergeType): readonly string[] {
  if (list.keys.length < 2) return list.keys;
  let sorted = keyOrders.get(list.keys);
  if (!sorted) keyOrders.set(list.keys, (sorted = [...list.keys].sort()));
  return sorted;
}

/** Reads a member name of FieldsV1; undefined for kinds of steps that are not known, which are dropped as upstream does. */
export function decodeElement(text: string): PathElement | undefined {
  if (text.length < 2) throw mergeFault('key must be 2 characters long:');
  if (text[1] !== ':') throw mergeFault(`missing colon: ${text}`);
  const rest = text.slice(2);
  switch (text[0]) {
    case 'f':
      return text;
    case 'k': {
      const key = parseElementJson(rest);
      if (typeof key !== 'object' || key === null || Array.isArray(key)) throw mergeFault(`expected an object as key: ${rest}`);
      return keyElement(key as Record<string, unknown>);
    }
    case 'v':
      return `v:${jsonText(parseElementJson(rest))}`;
    case 'i':
      if (!/^[+-]?\d+$/.test(rest)) throw mergeFault(`strconv.Atoi: parsing ${quote(rest)}: invalid syntax`);
      return `i:${Number(rest)}`;
    default:
      return undefined;
  }
}

/** The step to the item whose members have the values given. */
export function keyElement(key: Readonly<Record<string, unknown>>): PathElement {
  const names = Object.keys(key).sort();
  return `k:{${names.map(name => `${JSON.stringify(name)}:${jsonText(key[name])}`).join(',')}}`;
}

/** Of a value by itself: there is nothing before its digits. */
const parseElement = (text: string): unknown => wideInteger(text) ?? parseOwnJson(text);

function parseElementJson(text: string): unknown {
  try {
    return parseElement(text);
  } catch (cause) {
    throw new CodedError('MERGE_FAULT', `invalid JSON in a path element: ${text}`, { cause });
  }
}

/** Writes a member name of FieldsV1. Go escapes what HTML gives a meaning to, and the names must be the same bytes. */
export function encodeElement(element: PathElement): string {
  if (element.charCodeAt(0) === 0x66 /* f */ || !/[<>&\u2028\u2029]/.test(element)) return element;
  return element.replace(/[<>&\u2028\u2029]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The step as messages show it: `.spec`, `[name="web"]`, `[="text"]`, `[0]`. */
export function formatElement(element: PathElement): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${rest}`;
    case 'k': {
      const key = parseElement(rest) as Record<string, unknown>;
      return `[${Object.keys(key)
        .map(name => `${name}=${formatElementValue(key[name])}`)
        .join(',')}]`;
    }
    case 'v':
      return `[=${formatElementValue(parseElement(rest))}]`;
    default:
      return `[${rest}]`;
  }
}

function formatElementValue(value: unknown): string {
  return typeof value === 'number' || typeof value === 'bigint'
    ? formatGoValue(value)
    : typeof value === 'object'
      ? goJsonText(value)
      : formatBadValue(value as BadValue);
}

const kindOrder = 'fkvi';

/** The elements in the order that FieldsV1 has them: members, keys, values, indices, each by content. */
export function sortElements(elements: Iterable<PathElement>): PathElement[] {
  const decorated = Array.from(elements, element => ({
    element,
    kind: kindOrder.indexOf(element[0]!),
    content: element[0] === 'f' ? element : parseElement(element.slice(2)),
  }));
  decorated.sort((a, b) => {
    if (a.kind !== b.kind) return a.kind - b.kind;
    return a.kind === 1 ? compareKeys(a.content as KeyContent, b.content as KeyContent) : compareValues(a.content, b.content);
  });
  return decorated.map(each => each.element);
}

type KeyContent = Readonly<Record<string, unknown>>;

function compareKeys(a: KeyContent, b: KeyContent): number {
  const left = Object.entries(a);
  const right = Object.entries(b);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const byName = compareTexts(left[i]![0], right[i]![0]);
    if (byName !== 0) return byName;
    const byValue = compareValues(left[i]![1], right[i]![1]);
    if (byValue !== 0) return byValue;
  }
  return left.length - right.length;
}

const valueRank = (value: unknown): number =>
  ['number', 'string', 'boolean'].indexOf(typeof value === 'bigint' ? 'number' : typeof value) +
  (typeof value === 'object' ? 4 : 0);

function compareValues(a: unknown, b: unknown): number {
  if (valueRank(a) !== valueRank(b)) return valueRank(a) - valueRank(b);
  if (typeof a === 'number' || typeof a === 'bigint') return a < (b as number) ? -1 : a > (b as number) ? 1 : 0;
  if (typeof a === 'boolean') return Number(a) - Number(b);
  return typeof a === 'string' ? compareTexts(a, b as string) : compareTexts(jsonText(a), jsonText(b));
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
