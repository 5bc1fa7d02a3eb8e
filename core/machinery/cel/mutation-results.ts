import { CodedError } from '../../base/errors.js';
import { quote } from '../field-errors.js';
import { setOwn } from '../object.js';
import { formatGoSyntax, formatGoValue, GoValue } from '../patch/go-format.js';
import { boundJson } from './bind-value.js';
import { CelType } from './cel-type.js';
import { formatSeconds, formatValue } from './format-value.js';
import { goTypeName } from './fold-node.js';
import { goType, JsonPatchOperation, ObjectInitializer } from './libraries/mutation.js';
import { formatTimestamp } from './timestamps.js';
import type { CelValue } from './values.js';
import { ConcatenatedList, Duration, ListValue, MapValue, OptionalValue, TextList, Timestamp, typeOf, Uint } from './values.js';

/**
 * What mutations evaluate to, as JSON. Both functions throw MUTATION_RESULT, in upstream's words, for what is none. Source:
 * apiserver pkg/cel/mutation/dynamic and pkg/admission/plugin/policy/mutating/patch.
 */

type Members = Record<string, unknown>;

const fault = (text: string): CodedError => new CodedError('MUTATION_RESULT', text);

/** An apply configuration. What JSON has no form for is a GoValue in it, which fits no type. */
export function applyConfigurationOf(value: CelValue): Members {
  if (!(value instanceof ObjectInitializer)) {
    throw fault(`unsupported return type from ApplyConfiguration expression: ${typeOf(value).name}`);
  }
  checkTypeNames(value);
  const members = asGoValues.object(value);
  if (members instanceof GoValue) throw fault('invalid return type: *dynamic.ObjectVal');
  return members as Members;
}

/** A JSON patch. */
export function jsonPatchOf(value: CelValue): readonly Members[] {
  if (!(value instanceof ListValue)) throw fault('type mismatch: JSONPatchType.expression should evaluate to array');
  return [...value].map(operation => {
    if (!(operation instanceof JsonPatchOperation)) {
      throw fault('type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch');
    }
    const result: Members = { op: operation.op, path: operation.path };
    if (operation.from) result['from'] = operation.from;
    if (operation.value === undefined) return result;
    if (operation.value instanceof ObjectInitializer) checkTypeNames(operation.value);
    result['value'] = jsonOf(operation.value);
    return result;
  });
}

/** An object stands where its type's name says: `Object.spec` in the field `spec` of the root. */
function checkTypeNames(root: ObjectInitializer): void {
  const wrong: string[] = [];
  const check = (value: CelValue, path: string): void => {
    if (value instanceof ObjectInitializer) {
      const { name } = value.type;
      const place = `expected ${quote(path)}, which matches field name path from root Object type`;
      if (name !== path) wrong.push(`unexpected type name ${quote(name)}, ${place}`);
      for (const [field, inner] of value.fields) check(inner, `${path}.${field}`);
    } else if (boundJson(value) || value instanceof ConcatenatedList) {
      // Upstream does not look into these.
    } else if (value instanceof OptionalValue) {
      if (value.value !== undefined && !(value.value instanceof ObjectInitializer)) check(value.value, path);
    } else if (value instanceof ListValue) for (const element of value) check(element, path);
    else if (value instanceof MapValue) for (const key of value.keys()) check(value.find(key)!, path);
  };
  check(root, root.type.name);
  if (wrong.length > 0) throw fault(`type mismatch: ${wrong.join('\n')}`);
}

/** What becomes of values that JSON has no form for, and of objects with maps whose keys are no strings. */
interface Foreign {
  integer(value: bigint): unknown;
  json(value: object): unknown;
  convert(value: CelValue): unknown;
  object(value: ObjectInitializer): unknown;
}

function nativeMembers({ fields }: ObjectInitializer, foreign: Foreign): Members {
  const members: Members = {};
  for (const [name, value] of fields) setOwn(members, name, nativeField(name, value, foreign));
  return members;
}

/** Lists and maps that an expression has made are read one level deep; what is in them deeper fits no type. */
function nativeField(name: string, value: CelValue, foreign: Foreign): unknown {
  const plain = value instanceof OptionalValue && value.value !== undefined ? value.value : value;
  const json = boundJson(plain);
  if (json) return foreign.json(json);
  if (plain instanceof TextList) return foreign.convert(plain);
  if (plain instanceof ListValue) return Array.from(plain, item => nativeValue(item, foreign));
  if (!(plain instanceof MapValue)) return nativeValue(plain, foreign);
  const members: Members = {};
  for (const key of plain.keys()) {
    if (typeof key !== 'string') {
      const what = `map key ${formatValue(key)} is of type ${goTypeName(key)}, not string`;
      throw fault(`fail to convert field ${quote(name)}: ${what}`);
    }
    setOwn(members, key, nativeValue(plain.find(key)!, foreign));
  }
  return members;
}

function nativeValue(value: CelValue, foreign: Foreign): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'number':
      return value;
    case 'bigint':
      return foreign.integer(value);
  }
  if (value instanceof OptionalValue) return value.value === undefined ? null : nativeValue(value.value, foreign);
  if (value instanceof CelType) return value.name;
  if (value instanceof ObjectInitializer) return foreign.object(value);
  if (value instanceof ConcatenatedList) return Array.from(value, item => nativeValue(item, foreign));
  const json = boundJson(value);
  return json ? foreign.json(json) : foreign.convert(value);
}

const asGoValues: Foreign = {
  integer: value => (isSafe(value) ? Number(value) : value),
  json: value => value,
  convert: goValue,
  object(value) {
    try {
      return nativeMembers(value, asGoValues);
    } catch (error) {
      const { message } = error as Error;
      return new GoValue('*types.Err', message, `&types.Err{error:${quote(message)}}`);
    }
  },
};

function goValue(value: CelValue): GoValue {
  const type = goType(value);
  if (value === null) return new GoValue(type, 'NULL_VALUE', '0');
  if (value instanceof Uint) return new GoValue(type, String(value.value), `0x${value.value.toString(16)}`);
  if (value instanceof Uint8Array) {
    const bytes = [...value];
    const digits = bytes.map(byte => `0x${byte.toString(16)}`);
    return new GoValue(type, `[${bytes.join(' ')}]`, `${type}{${digits.join(', ')}}`);
  }
  if (value instanceof Timestamp) return goTime(type, new Date(value.seconds * 1000), value.nanos);
  if (value instanceof Duration) return new GoValue(type, formatSeconds(value), String(value.nanos));
  if (value instanceof TextList) {
    const texts = value.items as readonly string[];
    return new GoValue('[]string', formatGoValue(texts), `[]string{${texts.map(formatGoSyntax).join(', ')}}`);
  }
  if (value instanceof ListValue) {
    const items = Array.from(value, item => nativeValue(item, asGoValues));
    return new GoValue(type, formatGoValue(items), `${type}{${items.map(formatGoSyntax).join(', ')}}`);
  }
  if (value instanceof MapValue) {
    const entries = Array.from(value.keys(), key => [key, value.find(key)!].map(each => nativeValue(each, asGoValues)));
    const texts = entries.map(([key, inner]) => `${formatGoValue(key)}:${formatGoValue(inner)}`).sort();
    const syntax = entries.map(([key, inner]) => `${formatGoSyntax(key)}:${formatGoSyntax(inner)}`).sort();
    return new GoValue(type, `map[${texts.join(' ')}]`, `${type}{${syntax.join(', ')}}`);
  }
  const text = formatValue(value);
  return new GoValue(type, text, text);
}

function goTime(type: string, time: Date, nanos: number): GoValue {
  const [date, clock] = time.toISOString().slice(0, -5).split('T') as [string, string];
  const fraction = nanos ? `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}` : '';
  const month = time.toLocaleString('en', { month: 'long', timeZone: 'UTC' });
  const parts = [time.getUTCDate(), time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds(), nanos];
  const syntax = `time.Date(${time.getUTCFullYear()}, time.${month}, ${parts.join(', ')}, time.UTC)`;
  return new GoValue(type, `${date} ${clock}${fraction} +0000 UTC`, syntax);
}

const unmarshalable = (text: string): CodedError =>
  fault(`JSONPath valueExpression evaluated to a type that could not marshal to JSON: ${text}`);
const largestSafe = BigInt(Number.MAX_SAFE_INTEGER);
const isSafe = (value: bigint): boolean => value <= largestSafe && value >= -largestSafe;

/** JSON with something else in the place of whole numbers that a double cannot hold; the same where there are none. */
function withWide(json: unknown, convert: (value: bigint) => unknown): unknown {
  if (typeof json === 'bigint') return convert(json);
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(item => withWide(item, convert));
  const members: Members = {};
  for (const [name, value] of Object.entries(json)) setOwn(members, name, withWide(value, convert));
  return members;
}

/** The value of an operation: numbers are doubles there, and whole ones beyond what those hold are texts. */
function jsonOf(value: CelValue): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
      return isSafe(value) ? Number(value) : String(value);
    case 'number': {
      if (Number.isFinite(value)) return value;
      const text = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
      const field = 'google.protobuf.Value.number_value';
      throw unmarshalable(`json: error calling MarshalJSON for type *structpb.Value: proto: ${field}: invalid ${text} value`);
    }
  }
  if (value === null) return null;
  const json = boundJson(value);
  if (json) return withWide(json, String);
  if (value instanceof Uint) return jsonOf(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Timestamp) return formatTimestamp(new Timestamp(value.seconds, value.nanos));
  if (value instanceof Duration) return formatSeconds(value);
  if (value instanceof ListValue) return [...value].map(jsonOf);
  if (value instanceof MapValue) return jsonMembers(value);
  if (value instanceof ObjectInitializer) return structureOf(value);
  if (value instanceof OptionalValue) {
    if (value.value === undefined) throw unmarshalable('optional.none() dereference');
    return jsonOf(value.value);
  }
  if (value instanceof CelType) throw unmarshalable("type conversion not supported for 'type'");
  if (value instanceof JsonPatchOperation) throw unmarshalable('cannot convert to native type: *structpb.Value');
  throw unmarshalable(`type conversion error from '${typeOf(value).name.replace(/^.*\.(Named)?/, '')}' to '*structpb.Value'`);
}

function jsonMembers(map: MapValue): Members {
  const members: Members = {};
  for (const key of map.keys()) {
    if (typeof key !== 'string') throw unmarshalable(badKey(key));
    setOwn(members, key, jsonOf(map.find(key)!));
  }
  return members;
}

function badKey(key: CelValue): string {
  if (typeof key === 'boolean') return "type conversion error from bool to 'string'";
  if (typeof key === 'number') return "type conversion error from Double to 'string'";
  return `unsupported type conversion from '${typeOf(key).name}' to string`;
}

/** How an object becomes a protobuf structure. */
const asStructure: Foreign = {
  integer: Number,
  json: value => withWide(value, Number),
  convert(value) {
    if (value instanceof Uint) return Number(value.value);
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
    if (value instanceof TextList) return [...value];
    throw fault(`proto: invalid type: ${goType(value)}`);
  },
  object: value => nativeMembers(value, asStructure),
};

function structureOf(value: ObjectInitializer): unknown {
  try {
    return nativeMembers(value, asStructure);
  } catch (error) {
    throw unmarshalable((error as Error).message);
  }
}
