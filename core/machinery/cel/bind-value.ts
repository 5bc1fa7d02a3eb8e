import { jsonText } from '../codec/json-text.js';
import { CodedError } from '../../base/errors.js';
import { parseDuration } from '../time.js';
import { escapeProperty, unescapeProperty } from './escaping.js';
import { memberKey } from './nodes.js';
import type { CelSchema } from './schema-type.js';
import { withObjectMeta } from './schema-type.js';
import { isCivilDate, parseTimestamp } from './timestamps.js';
import type { CelValue } from './values.js';
import {
  ArrayList,
  CelError,
  Duration,
  equalValues,
  ListValue,
  MapValue,
  noSuchOverload,
  ObjectValue,
  Timestamp,
} from './values.js';
import { opaqueType } from './cel-type.js';

/**
 * JSON as values of expressions. Nothing is copied: objects and lists are wrapped, and their parts converted when they are
 * read. The JSON must not change while a value of it is in use.
 */
export function bindValue(json: unknown, schema: CelSchema): CelValue {
  if (json === null || json === undefined) {
    return schema.nullable ? null : new CelError('invalid data, got null for schema with nullable=false');
  }
  if (schema['x-kubernetes-int-or-string']) {
    if (typeof json === 'string') return json;
    return toInt(json) ?? new CelError('invalid data, expected XIntOrString value to be either a string or integer');
  }
  switch (schema.type) {
    case 'object':
      if (typeof json === 'object' && !Array.isArray(json)) return new SchemaMap(json as JsonObject, schema);
      return new CelError('invalid data, expected a map for the provided schema with type=object');
    case 'array':
      return bindList(json, schema);
    case 'string':
      return typeof json === 'string' ? bindText(json, schema) : invalid('string', json);
    case 'number':
      return typeof json === 'number' || typeof json === 'bigint' ? Number(json) : invalid('float', json);
    case 'integer':
      return toInt(json) ?? invalid('int', json);
    case 'boolean':
      return typeof json === 'boolean' ? json : invalid('bool', json);
    default:
      if (schema['x-kubernetes-preserve-unknown-fields']) return new UnknownValue(json);
      return new CelError(
        `invalid type, expected object, array, number, integer, boolean or string, or no type with x-kubernetes-int-or-string or x-kubernetes-preserve-unknown-fields is true, got ${schema.type ?? ''}`,
      );
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function toInt(json: unknown): bigint | undefined {
  if (typeof json === 'bigint') return json;
  return typeof json === 'number' && Number.isInteger(json) ? BigInt(json) : undefined;
}

/** Go's name of what JSON is read into. */
function goKind(json: unknown): string {
  if (typeof json === 'string') return 'string';
  if (typeof json === 'boolean') return 'bool';
  if (Array.isArray(json)) return '[]interface {}';
  if (typeof json === 'object') return 'map[string]interface {}';
  return toInt(json) === undefined ? 'float64' : 'int64';
}

function invalid(expected: string, json: unknown): CelError {
  return new CelError(`invalid data, expected ${expected}, got ${goKind(json)}`);
}

function bindText(text: string, schema: CelSchema): CelValue {
  switch (schema.format) {
    case 'duration':
      try {
        return new Duration(parseDuration(text));
      } catch (error) {
        if (error instanceof CodedError) return new CelError(`Invalid duration ${text}: unable to parse ${text} as duration`);
        throw error;
      }
    case 'date': {
      const time = isCivilDate(text) ? parseTimestamp(`${text}T00:00:00Z`) : undefined;
      return time ?? new CelError(`Invalid date formatted string ${text}`);
    }
    case 'date-time': {
      const zoned = /[zZ]|[+-][0-9]{2}:[0-9]{2}$/.test(text) ? text : `${text}Z`;
      return parseTimestamp(zoned) ?? new CelError(`Invalid date-time formatted string ${text}`);
    }
    case 'byte': {
      const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9_-]*={0,2}$/.test(text);
      return isBase64 ? new Uint8Array(Buffer.from(text, 'base64url')) : new CelError(`Invalid byte formatted string ${text}`);
    }
    default:
      return text;
  }
}

function bindList(json: unknown, schema: CelSchema): CelValue {
  if (!Array.isArray(json)) return new CelError('invalid data, expected an array for the provided schema with type=array');
  if (!schema.items) return new CelError('invalid array type, expected Items with a non-empty Schema');
  const list = new SchemaList(json, schema.items);
  switch (schema['x-kubernetes-list-type']) {
    case undefined:
    case '':
    case 'atomic':
      return list;
    case 'map':
      return new KeyedList(list, schema['x-kubernetes-list-map-keys'] ?? []);
    case 'set':
      return new SetList(list);
    default:
      return new CelError(
        `invalid x-kubernetes-list-type, expected 'map', 'set' or 'atomic' but got ${schema['x-kubernetes-list-type']}`,
      );
  }
}

/** Lists of schemas can be compared with lists only, and pass the errors of their elements on. */
abstract class TypedList extends ListValue {
  override concat(other: ListValue): ListValue {
    return new JoinedList(this, other);
  }

  override contains(element: CelValue): boolean | CelError {
    let failure: CelError | undefined;
    for (let index = 0; index < this.size; index++) {
      const equal = equalValues(this.at(index), element);
      if (equal === true) return true;
      if (equal !== false) failure ??= equal;
    }
    return failure ?? false;
  }

  override equals(other: CelValue): boolean | CelError {
    if (!(other instanceof ListValue)) return noSuchOverload;
    if (other.size !== this.size) return false;
    for (let index = 0; index < this.size; index++) {
      const equal = equalValues(this.at(index), other.at(index));
      if (equal !== true) return equal;
    }
    return true;
  }
}

/** A list of a schema with more behind it; still one of a schema, also when that is nothing. */
class JoinedList extends TypedList {
  readonly size: number;

  constructor(
    readonly first: ListValue,
    readonly second: ListValue,
  ) {
    super();
    this.size = first.size + second.size;
  }

  at(index: number): CelValue {
    return index < this.first.size ? this.first.at(index) : this.second.at(index - this.first.size);
  }
}

class SchemaList extends TypedList {
  constructor(
    readonly json: readonly unknown[],
    readonly items: CelSchema,
  ) {
    super();
  }

  get size(): number {
    return this.json.length;
  }

  at(index: number): CelValue {
    return bindValue(this.json[index], this.items);
  }
}

/** Equal for equal elements. */
function setKey(value: CelValue): string {
  const key = memberKey(value);
  if (key !== undefined) return `${typeof key}:${String(key)}`;
  return jsonText(toJson(value));
}

/** `x-kubernetes-list-type: set`: order does not matter, and adding leaves out what is there. */
class SetList extends TypedList {
  #keys: ReadonlySet<string> | undefined;

  constructor(readonly elements: ListValue) {
    super();
  }

  get size(): number {
    return this.elements.size;
  }

  at(index: number): CelValue {
    return this.elements.at(index);
  }

  #set(): ReadonlySet<string> {
    return (this.#keys ??= new Set([...this.elements].map(setKey)));
  }

  override equals(other: CelValue): boolean | CelError {
    if (!(other instanceof ListValue)) return noSuchOverload;
    return other.size === this.size && [...other].every(element => this.#set().has(setKey(element)));
  }

  override concat(other: ListValue): ListValue {
    const keys = new Set(this.#set());
    const added: CelValue[] = [];
    for (const element of other) {
      const key = setKey(element);
      if (keys.has(key)) continue;
      keys.add(key);
      added.push(element);
    }
    return new SetList(this.elements.concat(new ArrayList(added)));
  }
}

/** `x-kubernetes-list-type: map`: elements are told apart by their keys; adding replaces what has the same ones. */
class KeyedList extends TypedList {
  #index: ReadonlyMap<string, number> | undefined;
  readonly #keyNames: readonly string[];

  constructor(
    readonly elements: ListValue,
    keyNames: readonly string[],
  ) {
    super();
    this.#keyNames = keyNames;
  }

  get size(): number {
    return this.elements.size;
  }

  at(index: number): CelValue {
    return this.elements.at(index);
  }

  #keyOf(element: CelValue): string {
    if (!(element instanceof MapValue)) return setKey(element);
    return JSON.stringify(
      this.#keyNames.map(name => {
        const value = element.find(escapeProperty(name) ?? name);
        return value === undefined ? null : setKey(value);
      }),
    );
  }

  #places(): ReadonlyMap<string, number> {
    return (this.#index ??= new Map([...this.elements].map((element, index) => [this.#keyOf(element), index])));
  }

  override equals(other: CelValue): boolean | CelError {
    if (!(other instanceof ListValue)) return noSuchOverload;
    if (other.size !== this.size) return false;
    for (const element of other) {
      const place = this.#places().get(this.#keyOf(element));
      const equal = place !== undefined && equalValues(this.at(place), element);
      if (equal !== true) return equal;
    }
    return true;
  }

  override concat(other: ListValue): ListValue {
    const elements = [...this.elements];
    const places = new Map(this.#places());
    for (const element of other) {
      const key = this.#keyOf(element);
      const place = places.get(key);
      if (place !== undefined) elements[place] = element;
      else {
        places.set(key, elements.length);
        elements.push(element);
      }
    }
    return new KeyedList(new ArrayList(elements), this.#keyNames);
  }
}

class SchemaMap extends MapValue {
  readonly #schema: CelSchema;
  readonly #isObject: boolean;

  constructor(
    readonly json: JsonObject,
    schema: CelSchema,
  ) {
    super();
    this.#schema = schema['x-kubernetes-embedded-resource'] ? withObjectMeta(schema) : schema;
    this.#isObject = this.#schema.properties !== undefined;
  }

  get size(): number {
    return Object.keys(this.json).length;
  }

  #schemaOf(key: string): CelSchema | undefined {
    const { properties, additionalProperties } = this.#schema;
    if (properties) return Object.hasOwn(properties, key) ? properties[key] : undefined;
    return typeof additionalProperties === 'object' ? additionalProperties : undefined;
  }

  find(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string') return noSuchOverload;
    const name = this.#isObject ? unescapeProperty(key) : key;
    if (name === undefined || !Object.hasOwn(this.json, name)) return undefined;
    const value = this.json[name];
    if (this.#isObject && (value === null || value === undefined)) return undefined;
    const schema = this.#schemaOf(name);
    return schema && bindValue(value, schema);
  }

  *keys(): Iterable<CelValue> {
    for (const name of Object.keys(this.json)) {
      if (this.#schemaOf(name)) yield this.#isObject ? (escapeProperty(name) ?? name) : name;
    }
  }

  override equals(other: CelValue): boolean | CelError {
    if (!(other instanceof MapValue)) return noSuchOverload;
    if (other.size !== this.size) return false;
    for (const [name, value] of Object.entries(this.json)) {
      if (this.#schemaOf(name)) {
        const mine = this.find(name);
        const theirs = other.find(name);
        if ((mine === undefined) !== (theirs === undefined)) return false;
        if (mine === undefined) continue;
        const equal = equalValues(mine, theirs!);
        if (equal !== true) return equal;
      } else if (!(other instanceof SchemaMap)) return noSuchOverload;
      else if (Object.hasOwn(other.json, name) && !equalJson(value, other.json[name])) return false;
    }
    return true;
  }
}

const unknownType = opaqueType('unknown');

/** Of a part without a type that is kept as it is: only good for comparing. */
class UnknownValue extends ObjectValue {
  readonly type = unknownType;

  constructor(readonly json: unknown) {
    super();
  }

  equals(other: CelValue): boolean {
    return equalJson(this.json, toJson(other));
  }

  toString(): string {
    return jsonText(this.json);
  }
}

/** JSON of which no schema is known: whole numbers are ints. */
export function bindJson(json: unknown): CelValue {
  switch (typeof json) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return json;
    case 'number':
      return Number.isInteger(json) ? BigInt(json) : json;
    case 'object':
      if (json === null) return null;
      return Array.isArray(json) ? new JsonList(json) : new JsonMap(json as JsonObject);
    default:
      return null;
  }
}

class JsonList extends ListValue {
  constructor(readonly json: readonly unknown[]) {
    super();
  }

  get size(): number {
    return this.json.length;
  }

  at(index: number): CelValue {
    return bindJson(this.json[index]);
  }
}

/** Fields that are undefined are not there: JSON has none, what runs in this process may. */
class JsonMap extends MapValue {
  constructor(readonly json: JsonObject) {
    super();
  }

  get size(): number {
    return this.keys().length;
  }

  find(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.json, key)) return undefined;
    const value = this.json[key];
    return value === undefined ? undefined : bindJson(value);
  }

  keys(): string[] {
    return Object.keys(this.json).filter(key => this.json[key] !== undefined);
  }
}

/** The value as JSON; what JSON has no form for becomes its text. */
export function toJson(value: CelValue): unknown {
  if (value instanceof SchemaMap || value instanceof JsonMap || value instanceof SchemaList || value instanceof JsonList) {
    return value.json;
  }
  if (value instanceof UnknownValue) return value.json;
  if (value instanceof ListValue) return [...value].map(toJson);
  if (value instanceof MapValue) {
    return Object.fromEntries([...value.keys()].map(key => [String(toJson(key)), toJson(value.find(key)!)]));
  }
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return value instanceof Object && !(value instanceof Timestamp || value instanceof Duration) ? String(value) : value;
}

function equalJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every(name => Object.hasOwn(right, name) && equalJson((left as JsonObject)[name], (right as JsonObject)[name]))
  );
}
