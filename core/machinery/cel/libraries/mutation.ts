import { boundJson } from '../bind-value.js';
import type { CelType } from '../cel-type.js';
import { dynType, objectType, stringType } from '../cel-type.js';
import type { Environment, TypeProvider } from '../environment.js';
import type { CelValue } from '../values.js';
import {
  ArrayList,
  CelError,
  Duration,
  EntryMap,
  equalValues,
  ListValue,
  MapValue,
  ObjectValue,
  OptionalValue,
  Timestamp,
  typeOf,
  Uint,
} from '../values.js';
import { CelType as Type } from '../cel-type.js';
import { jsonPatchLibrary } from './urls.js';

/** `Object{...}` and `JSONPatch{...}` of mutating policies. Source: apiserver pkg/cel/mutation. */

const rootName = 'Object';
const patchName = 'JSONPatch';
export const rootObjectType = objectType(rootName);
export const jsonPatchType = objectType(patchName);
/** What upstream's checker takes a field for that JSONPatch does not have. */
const unknownFieldType = objectType('');

/**
 * An object written out, in any type below `Object`: nothing is known of its fields. It can be read where the checker knows that
 * it is one, and then as plain maps; elsewhere it has no fields, as upstream has it.
 */
export class ObjectInitializer extends ObjectValue {
  constructor(
    readonly type: CelType,
    readonly fields: ReadonlyMap<string, CelValue>,
  ) {
    super();
  }

  override declaredField(name: string): CelValue {
    const value = this.fields.get(name);
    return value === undefined ? null : plainMaps(value);
  }

  override hasField(name: string, declared: boolean): boolean {
    return declared && this.fields.has(name);
  }

  override get isZero(): boolean {
    return this.fields.size === 0;
  }

  /** As upstream compares: numbers are equal only to those of their type, and lists only to themselves. */
  equals(other: CelValue): boolean {
    if (!(other instanceof ObjectInitializer) || other.type.name !== this.type.name) return false;
    if (other.fields.size !== this.fields.size) return false;
    for (const [name, value] of this.fields) {
      const theirs = other.fields.get(name);
      if (theirs === undefined || !areSame(value, theirs)) return false;
    }
    return true;
  }

  toString(): string {
    return `${this.type.name}{${[...this.fields.keys()].join(', ')}}`;
  }
}

function areSame(left: CelValue, right: CelValue): boolean {
  if (left === right) return true;
  if (left instanceof ListValue || right instanceof ListValue) return false;
  if (left instanceof MapValue && right instanceof MapValue) {
    if (left.size !== right.size) return false;
    return [...left.keys()].every(key => {
      const theirs = right.find(key);
      return theirs !== undefined && areSame(left.find(key)!, theirs);
    });
  }
  return typeOf(left).equals(typeOf(right)) && equalValues(left, right) === true;
}

function plainMaps(value: CelValue): CelValue {
  if (boundJson(value)) return value;
  if (value instanceof ObjectInitializer) {
    return new EntryMap(Array.from(value.fields, ([key, field]) => ({ key, value: plainMaps(field) })));
  }
  if (value instanceof ListValue) return new ArrayList([...value].map(plainMaps));
  if (!(value instanceof MapValue)) return value;
  return new EntryMap(Array.from(value.keys(), key => ({ key, value: plainMaps(value.find(key)!) })));
}

/** One operation of a JSON patch. */
export class JsonPatchOperation extends ObjectValue {
  readonly type = jsonPatchType;

  constructor(
    readonly op: string,
    readonly path: string,
    readonly from: string,
    readonly value: CelValue | undefined,
  ) {
    super();
  }

  override field(name: string): CelValue {
    switch (name) {
      case 'op':
        return this.op;
      case 'path':
        return this.path;
      case 'from':
        return this.from;
      case 'value':
        return this.value ?? null;
      default:
        return new CelError(`unsupported indexer: ${name}`);
    }
  }

  override hasField(name: string): boolean | CelError {
    if (name === 'value') return this.value !== undefined;
    const text = this.field(name);
    return text instanceof CelError ? new CelError(`unsupported field: ${name}`) : text !== '';
  }

  equals(other: CelValue): boolean | CelError {
    if (!(other instanceof JsonPatchOperation)) return false;
    if (this.op !== other.op || this.path !== other.path || this.from !== other.from) return false;
    if (this.value === undefined || other.value === undefined) return this.value === other.value;
    return equalValues(this.value, other.value);
  }

  toString(): string {
    return `${patchName}{op: ${this.op}, path: ${this.path}}`;
  }
}

class MutationTypes implements TypeProvider {
  hasType(typeName: string): boolean {
    return typeName === patchName || typeName === rootName || typeName.startsWith(`${rootName}.`);
  }

  fieldType(typeName: string, field: string): CelType {
    if (typeName !== patchName || field === 'value') return dynType;
    return field === 'op' || field === 'path' || field === 'from' ? stringType : unknownFieldType;
  }

  create(typeName: string, fields: ReadonlyMap<string, CelValue>): CelValue {
    return typeName === patchName ? createOperation(fields) : new ObjectInitializer(objectType(typeName), fields);
  }
}

function createOperation(fields: ReadonlyMap<string, CelValue>): CelValue {
  const texts = { op: '', path: '', from: '' };
  for (const [name, value] of fields) {
    if (name === 'value') continue;
    if (name !== 'op' && name !== 'path' && name !== 'from') return new CelError(`unexpected JSONPatchType field: ${name}`);
    const text = textOf(value);
    if (text === undefined) return new CelError(`unexpected type ${goType(value)} for JSONPatchType '${name}' field`);
    texts[name] = text;
  }
  return new JsonPatchOperation(texts.op, texts.path, texts.from, fields.get('value'));
}

function textOf(value: CelValue): string | undefined {
  if (value instanceof OptionalValue) return value.value === undefined ? undefined : textOf(value.value);
  if (value instanceof Type) return value.name;
  return typeof value === 'string' ? value : undefined;
}

/** What Go calls the type of a value's own form. */
export function goType(value: CelValue): string {
  switch (typeof value) {
    case 'bigint':
      return 'int64';
    case 'boolean':
      return 'bool';
    case 'number':
      return 'float64';
    case 'string':
      return 'string';
  }
  if (value === null) return 'structpb.NullValue';
  if (value instanceof Uint) return 'uint64';
  if (value instanceof Uint8Array) return '[]uint8';
  if (value instanceof Timestamp) return 'time.Time';
  if (value instanceof Duration) return 'time.Duration';
  if (value instanceof ListValue) return boundJson(value) ? '[]interface {}' : '[]ref.Val';
  if (value instanceof MapValue) return boundJson(value) ? 'map[string]interface {}' : 'map[ref.Val]ref.Val';
  if (value instanceof OptionalValue) return value.value === undefined ? '<nil>' : goType(value.value);
  if (value instanceof ObjectInitializer) return 'map[string]interface {}';
  if (value instanceof JsonPatchOperation) return '*mutation.JSONPatchVal';
  const { name } = typeOf(value);
  return goTypes.get(name) ?? name;
}

const goTypes = new Map([
  ['kubernetes.Quantity', '*resource.Quantity'],
  ['kubernetes.URL', '*url.URL'],
  ['net.IP', 'netip.Addr'],
  ['net.CIDR', 'netip.Prefix'],
]);

/** The environment with what the expressions of mutations may use beside. */
export function withMutationTypes(environment: Environment): Environment {
  return environment.extend({ provider: new MutationTypes(), libraries: [jsonPatchLibrary] });
}
