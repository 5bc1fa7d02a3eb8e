import { CodedError } from '../../base/errors.js';
import { quote } from '../field-errors.js';
import type { GroupVersionKind, KubeObject } from '../object.js';
import { emptyMap, formatApiVersion, isJsonObject, parseApiVersion, setOwn } from '../object.js';
import { canonicalQuantity } from '../quantity.js';
import type { PrimitiveType, StructType, TypeNode } from '../schema.js';
import type { StatusError } from '../status-error.js';
import { badRequest } from '../status-error.js';
import { canonicalTime, formatDuration, parseDuration } from '../time.js';
import { canonicalBase64 } from './base64.js';
import { duplicateFieldErrors, strictFieldErrors } from './duplicate-keys.js';
import { NumberToken, heldFloat, jsonText, parseJsonText, scanJsonText, wideInteger, withoutTokens } from './json-text.js';
import type { FieldPlan, StructPlan } from './type-plan.js';
import { goTypeNameIn, isEmpty, structPlan } from './type-plan.js';
import { isZero, zeroElement, zeroStruct } from './zero-values.js';

/**
 * From JSON to the form that Go would give after reading it into the type and writing it again: fields in Go's order, map keys
 * sorted, zero values left out or filled in as the tags say, quantities, times and base64 canonical.
 */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface DecodeOptions {
  /** What the request is for; fills in what the body leaves out. */
  readonly kind: GroupVersionKind;
  readonly fieldValidation?: FieldValidation;
  /** Lists and maps without elements stay where the tags would leave them out, as in Go's objects; `dropEmpties` takes them away. */
  readonly keepsEmpties?: boolean;
  /** Messages name kinds of types (`string`), not what Go calls the types of fields (`v1.Protocol`). */
  readonly plainNames?: boolean | undefined;
  /** The kinds that there are, to tell a kind that is wrong here from one that is nowhere. */
  readonly kinds?: KindLookup;
}

/** Where types of kinds are found; a TypeSet is one. */
export interface KindLookup {
  kind(group: string, version: string, kind: string): StructType | undefined;
}

export interface DecodeResult {
  readonly object: KubeObject;
  /** For fieldValidation Warn: one warning each. Empty for Ignore; Strict throws instead. */
  readonly strictErrors: readonly string[];
}

export interface ValueOptions {
  /** Collect unknown and duplicate fields. */
  readonly strict?: boolean;
}

export interface ValueResult {
  readonly value: Record<string, unknown>;
  readonly strictErrors: readonly string[];
}

/**
 * A body as an object of `options.kind`. A Buffer or string is JSON text, anything else a JSON value. Throws BadRequest in
 * upstream's words for bodies that are not JSON, not of the type, of another kind or version, or (Strict) have unknown or
 * duplicate fields.
 */
export function decodeObject(struct: StructType, body: unknown, options: DecodeOptions): DecodeResult {
  const { kind } = options;
  const text = bodyText(body);
  const parsed = text === undefined ? { value: body, tokens: false } : parseBody(text, kind.kind);
  const actual = interpret(parsed.value, kind, text);
  checkKind(actual, kind, options.kinds);
  const strict = options.fieldValidation === 'Strict' || options.fieldValidation === 'Warn';
  let result: ValueResult;
  try {
    result = decodeParsed(
      struct,
      { ...parsed, keepsEmpties: options.keepsEmpties === true, plainNames: options.plainNames === true },
      { strict, text },
    );
  } catch (error) {
    throw asBadRequest(error, actual, kind.kind);
  }
  if (options.fieldValidation === 'Strict' && result.strictErrors.length > 0) {
    throw badRequest(cannotBeHandled(actual, kind.kind, strictErrorText(result.strictErrors)));
  }
  return { object: withKind(result.value, actual), strictErrors: result.strictErrors };
}

/** `strict decoding error: unknown field "spec.foo", ...` */
export function strictErrorText(errors: readonly string[]): string {
  return `strict decoding error: ${errors.join(', ')}`;
}

/** A body that was read but not held to a type yet. */
export interface ReadBody {
  readonly value: unknown;
  /** Of which kind it says it is, filled in from what is expected. */
  readonly kind: GroupVersionKind;
  /** `duplicate field "spec.replicas"`, where asked for. */
  readonly duplicates: readonly string[];
}

/** The same for objects whose type is a schema of their own (custom resources). Throws BadRequest for what is no JSON or another version. */
export function readBody(body: unknown, kind: GroupVersionKind, options: ValueOptions = {}): ReadBody {
  const text = bodyText(body);
  const parsed = text === undefined ? { value: body, tokens: false } : parseBody(text, kind.kind);
  const value = parsed.tokens ? withoutTokens(parsed.value) : parsed.value;
  const actual = interpret(value, kind, text);
  const [have, want] = [formatApiVersion(actual), formatApiVersion(kind)];
  if (have !== want) throw badRequest(`the API version in the data (${have}) does not match the expected API version (${want})`);
  return { value, kind: actual, duplicates: options.strict && text !== undefined ? duplicateFieldErrors(text) : [] };
}

/** 400 for a body of `actual` kind that cannot be one of kind `as`. */
export function unfit(actual: GroupVersionKind, as: string, detail: string, cause?: unknown): StatusError {
  return badRequest(cannotBeHandled(actual, as, detail), cause);
}

/** Values for a struct without kind checks. Throws DECODE_ERROR with Go's message alone. */
export function decodeValue(struct: StructType, body: unknown, options: ValueOptions = {}): ValueResult {
  const text = bodyText(body);
  const parsed = text === undefined ? { value: body, tokens: false } : parseWithFacts(text);
  return decodeParsed(struct, parsed, { strict: options.strict === true, text });
}

/** JSON text as a plain value, no deeper than upstream reads it. Throws JSON_SYNTAX in Go's words. */
export function parseJson(text: string): unknown {
  const { value, tokens } = parseWithFacts(text);
  return tokens ? withoutTokens(value) : value;
}

export interface CanonicalOptions {
  /** It came out of a merge of untyped values, as Go makes one: integers are cut to int32, and messages name no fields. */
  readonly wraps?: boolean;
  readonly keepsEmpties?: boolean;
}

/** The canonical form of an object built in this process, without unknown fields. Throws DECODE_ERROR. */
export function canonicalize<T extends object>(struct: StructType, object: T, options: CanonicalOptions = {}): T {
  return decodeParsed(struct, { value: object, tokens: false, ...options }, { strict: false, text: undefined }).value as T;
}

/** What Go writes for the struct's zero value. */
export function zeroFill(struct: StructType): Record<string, unknown> {
  return zeroStruct(structPlan(struct));
}

interface ParsedBody {
  readonly value: unknown;
  readonly tokens: boolean;
  readonly members?: number;
  readonly escapes?: boolean;
  readonly wraps?: boolean;
  readonly keepsEmpties?: boolean;
  readonly plainNames?: boolean;
}

function bodyText(body: unknown): string | undefined {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  return undefined;
}

function parseWithFacts(text: string): ParsedBody {
  const facts = scanJsonText(text);
  if (facts.tooDeepAt >= 0) {
    const character = text[facts.tooDeepAt]!;
    throw new CodedError('JSON_SYNTAX', `invalid character '${character}' exceeded max depth`);
  }
  const value = parseJsonText(text, facts.hasOddNumbers);
  return { value, tokens: facts.hasOddNumbers, members: facts.members, escapes: text.includes('\\u') };
}

function parseBody(text: string, kind: string): ParsedBody {
  try {
    return parseWithFacts(text);
  } catch (error) {
    throw unrecognized(text, kind, `couldn't get version/kind; json parse error: ${(error as Error).message}`, error);
  }
}

/** 400 for a body of which not even the kind can be told, with its beginning. */
export function unrecognized(body: string | Uint8Array | undefined, kind: string, detail: string, cause?: unknown): StatusError {
  const bytes = Buffer.from(body ?? '');
  let summary = '<empty>';
  if (bytes.length > 0) {
    const start = bytes.subarray(0, 30);
    summary = start[0] === 0x7b ? start.toString() : start.toString('hex');
    if (bytes.length > 30) summary += ' ...';
  }
  return badRequest(`the object provided is unrecognized (must be of type ${kind}): ${detail} (${summary})`, cause);
}

/** Kind and version of the body, filled in from what is expected. */
function interpret(value: unknown, expected: GroupVersionKind, text: string | undefined): GroupVersionKind {
  const fail = (detail: string): never => {
    throw unrecognized(text ?? safeStringify(value), expected.kind, detail);
  };
  const parseFailure = (detail: string): never =>
    fail(`couldn't get version/kind; json parse error: json: cannot unmarshal ${detail}`);
  if (value === null || value === undefined) return expected;
  if (!isJsonObject(value) || value instanceof NumberToken) {
    const type = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';
    return parseFailure(`${describe(value)} into Go value of type ${type}`);
  }
  const texts = ['apiVersion', 'kind'].map(name => {
    const member = Object.hasOwn(value, name) ? (value[name] ?? '') : '';
    return typeof member === 'string' ? member : parseFailure(`${describe(member)} into Go struct field .${name} of type string`);
  });
  const [apiVersion, kind] = texts as [string, string];
  let group = '';
  let version = '';
  if (apiVersion !== '' && apiVersion !== '/') {
    const parsed =
      parseApiVersion(apiVersion) ??
      (apiVersion.split('/').length === 2 ? { group: apiVersion.slice(0, -1), version: '' } : undefined);
    if (!parsed) return fail(`unexpected GroupVersion string: ${apiVersion}`);
    ({ group, version } = parsed);
  }
  if (group === '' && version === '') group = expected.group;
  if (version === '' && group === expected.group) version = expected.version;
  return { group, version, kind: kind || expected.kind };
}

function safeStringify(value: unknown): string {
  return (jsonText(value) as string | undefined) ?? '';
}

function checkKind(actual: GroupVersionKind, expected: GroupVersionKind, kinds: KindLookup | undefined): void {
  const isOther = actual.kind !== expected.kind || actual.group !== expected.group || actual.version !== expected.version;
  if (isOther && kinds && !kinds.kind(actual.group, actual.version, actual.kind)) {
    throw badRequest(cannotBeHandled(actual, expected.kind, notRegistered(actual.kind, formatApiVersion(actual))));
  }
  if (actual.kind !== expected.kind) {
    const into = `(${internalPackage(expected.group)}.${expected.kind})`;
    const detail = `converting (${actual.version}.${actual.kind}) to ${into}: unknown conversion`;
    throw badRequest(cannotBeHandled(actual, expected.kind, detail));
  }
  if (actual.group !== expected.group || actual.version !== expected.version) {
    const [have, want] = [formatApiVersion(actual), formatApiVersion(expected)];
    throw badRequest(`the API version in the data (${have}) does not match the expected API version (${want})`);
  }
}

/** The place in upstream's sources is part of what clients see. */
export function notRegistered(kind: string, apiVersion: string, scheme = 'pkg/api/legacyscheme/scheme.go:30'): string {
  return `no kind ${quote(kind)} is registered for version ${quote(apiVersion)} in scheme ${quote(scheme)}`;
}

/** Go package of a group's internal types. */
function internalPackage(group: string): string {
  return group === '' ? 'core' : group.split('.')[0]!;
}

function cannotBeHandled(actual: GroupVersionKind, as: string, detail: string): string {
  return `${actual.kind} in version ${quote(actual.version)} cannot be handled as a ${as}: ${detail}`;
}

function asBadRequest(error: unknown, actual: GroupVersionKind, as: string): unknown {
  if (error instanceof CodedError && error.code === 'DECODE_ERROR') {
    return badRequest(cannotBeHandled(actual, as, error.message), error);
  }
  return error;
}

function withKind(value: Record<string, unknown>, kind: GroupVersionKind): KubeObject {
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = value;
  return { kind: kind.kind, apiVersion: formatApiVersion(kind), ...rest } as unknown as KubeObject;
}

interface ParsedOptions {
  readonly strict: boolean;
  readonly text: string | undefined;
}

function decodeParsed(struct: StructType, parsed: ParsedBody, options: ParsedOptions): ValueResult {
  const decoder = new Decoder(parsed, options.strict);
  try {
    const value = decoder.decode(struct);
    if (!options.strict) return { value, strictErrors: [] };
    const isWhole = parsed.members === undefined ? !decoder.hasUnknown : parsed.members === decoder.members;
    if (isWhole) return { value, strictErrors: [] };
    const text = options.text ?? jsonText(parsed.value);
    return { value, strictErrors: strictFieldErrors(struct, text) };
  } catch (error) {
    // The walks go as deep as the value does, and there may be less stack than Go has.
    if (error instanceof RangeError) throw new CodedError('DECODE_ERROR', 'json: exceeded max depth', { cause: error });
    throw error;
  }
}

/** What Go's messages call a JSON value. */
function describe(value: unknown): string {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof NumberToken) return 'number';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'string' ? 'string' : 'object';
}

const numberText = (value: number | NumberToken): string => (value instanceof NumberToken ? value.source : String(value));

const integerRanges: Partial<Record<PrimitiveType, readonly [bigint, bigint]>> = {
  int32: [-(1n << 31n), (1n << 31n) - 1n],
  int64: [-(1n << 63n), (1n << 63n) - 1n],
  int: [-(1n << 63n), (1n << 63n) - 1n],
  uint8: [0n, 255n],
  uint16: [0n, 65535n],
  uint32: [0n, (1n << 32n) - 1n],
  uint64: [0n, (1n << 64n) - 1n],
};

class Decoder {
  /** Known object members met. Fewer than in the text: some are unknown or duplicates, and the text is read again for which. */
  members = 0;
  hasUnknown = false;
  readonly #parsed: ParsedBody;
  readonly #strict: boolean;
  readonly #looksForUnknown: boolean;
  /** Fields on the way to the value at hand: what error messages name. */
  readonly #path: FieldPlan[] = [];
  /** Go reads on after the first error of this sort, because a later one may be worse. */
  #typeError: string | undefined;

  /** Set on the second walk over a value with type errors: Go reports the first in the order of the text. */
  #inputOrder = false;

  constructor(parsed: ParsedBody, strict: boolean) {
    this.#parsed = parsed;
    this.#strict = strict;
    this.#looksForUnknown = strict && parsed.members === undefined;
  }

  decode(struct: StructType): Record<string, unknown> {
    const { value } = this.#parsed;
    const plan = structPlan(struct);
    const decoded = value === null || value === undefined ? zeroStruct(plan) : this.#struct(plan, value, struct.name);
    if (this.#typeError !== undefined) {
      this.#typeError = undefined;
      this.#inputOrder = true;
      this.#struct(plan, value, struct.name);
      throw new CodedError('DECODE_ERROR', this.#typeError ?? 'json: cannot unmarshal');
    }
    return decoded as Record<string, unknown>;
  }

  #struct(plan: StructPlan, value: unknown, typeName: string): unknown {
    if (plan.jsonForm) return this.#choice(plan, value);
    if (typeof value !== 'object' || Array.isArray(value) || value instanceof NumberToken) {
      this.#mismatch(value, { kind: 'struct', name: typeName, struct: plan.struct });
      return zeroStruct(plan);
    }
    const input = value as Record<string, unknown>;
    const out: Record<string, unknown> = {};
    let found = 0;
    for (const field of this.#inputOrder ? fieldsInInputOrder(plan, input) : plan.fields) {
      const { name } = field;
      const raw = input[name];
      if (raw === undefined || raw === null) {
        if (raw === null) found++;
        const { absent } = field;
        if (absent.kind === 'value') out[name] = absent.value;
        else if (absent.kind === 'struct') out[name] = zeroStruct(structPlan((field.type as { struct: StructType }).struct));
        continue;
      }
      found++;
      const { type } = field;
      if (type.kind === 'primitive' && type.primitive === 'string' && typeof raw === 'string') {
        if (raw !== '' || !field.omitEmpty || field.pointer) out[name] = this.#parsed.escapes ? raw.toWellFormed() : raw;
        continue;
      }
      this.#path.push(field);
      const decoded = this.#value(type, raw);
      this.#path.pop();
      if (!field.pointer) {
        if (field.omitEmpty && isEmpty(decoded, type) && !(this.#parsed.keepsEmpties && typeof decoded === 'object' && decoded))
          continue;
        if (field.omitZero && isZero(decoded, type)) continue;
      }
      out[name] = decoded;
    }
    this.members += found;
    if (this.#looksForUnknown && Object.keys(input).length > found) this.#unknown(plan, input);
    return out;
  }

  /** Fields that are undefined in objects built here are none; those of parsed text are never undefined. */
  #unknown(plan: StructPlan, input: Record<string, unknown>): void {
    for (const key of Object.keys(input)) {
      if (plan.byName.has(key) || input[key] === undefined) continue;
      this.hasUnknown = true;
      return;
    }
  }

  #value(type: TypeNode, value: unknown): unknown {
    switch (type.kind) {
      case 'primitive':
        return this.#primitive(type, value);
      case 'struct':
        return this.#struct(structPlan(type.struct), value, type.name);
      case 'list':
        return this.#list(type, value);
      case 'map':
        return this.#map(type, value);
    }
  }

  #list(type: TypeNode & { kind: 'list' }, value: unknown): unknown {
    if (!Array.isArray(value)) {
      this.#mismatch(value, type);
      return null;
    }
    const { element } = type;
    const out = new Array<unknown>(value.length);
    for (let i = 0; i < value.length; i++) {
      const raw: unknown = value[i];
      out[i] = raw === null || raw === undefined ? zeroElement(element) : this.#value(element, raw);
    }
    return out;
  }

  #map(type: TypeNode & { kind: 'map' }, value: unknown): unknown {
    if (!isJsonObject(value) || value instanceof NumberToken) {
      this.#mismatch(value, type);
      return null;
    }
    const { element } = type;
    let keys = Object.keys(value);
    this.members += keys.length;
    for (let i = 1; i < keys.length; i++) {
      if (keys[i - 1]! > keys[i]!) {
        keys = keys.sort();
        break;
      }
    }
    const out: Record<string, unknown> = keys.length === 0 ? emptyMap() : {};
    for (const key of keys) {
      const raw = value[key];
      if (raw === undefined) continue;
      setOwn(out, key, raw === null ? zeroElement(element) : this.#value(element, raw));
    }
    return out;
  }

  #primitive(type: TypeNode & { kind: 'primitive' }, given: unknown): unknown {
    const { primitive } = type;
    const value = typeof given === 'bigint' ? new NumberToken(Number(given), String(given)) : given;
    switch (primitive) {
      case 'string':
        if (typeof value === 'string') return this.#parsed.escapes ? value.toWellFormed() : value;
        this.#mismatch(value, type);
        return '';
      case 'bool':
        if (typeof value === 'boolean') return value;
        this.#mismatch(value, type);
        return false;
      case 'int32':
        if (typeof value === 'number' && (value | 0) === value) return value;
        return this.#integer(type, value, 'int32');
      case 'int64':
      case 'int':
      case 'uint8':
      case 'uint16':
      case 'uint32':
      case 'uint64':
        return this.#integer(type, value, primitive);
      case 'float32':
      case 'float64':
        if (typeof value === 'number') return heldFloat(value);
        if (value instanceof NumberToken && Number.isFinite(value.value)) return heldFloat(value.value);
        return this.#mismatch(value, type, value instanceof NumberToken ? `number ${value.source}` : describe(value)) ?? 0;
      case 'quantity':
        return this.#quantity(value);
      case 'time':
      case 'microTime':
        return this.#checked(() => canonicalTime(this.#text(value), primitive === 'microTime'));
      case 'duration':
        return this.#checked(() => formatDuration(parseDuration(this.#text(value))));
      case 'intOrString':
        if (typeof value === 'string') return value;
        if (typeof value === 'number' && (value | 0) === value) return value;
        return this.#fatal(
          this.#parsed.wraps
            ? `json: cannot unmarshal ${describeNumber(value)} into Go value of type int32`
            : this.#message(describeNumber(value), 'int32'),
        );
      case 'bytes':
        return this.#bytes(type, value);
      case 'fieldsV1':
      case 'rawExtension':
      case 'json':
        if (this.#strict) this.members += countMembers(given);
        return this.#parsed.tokens ? withoutTokens(given) : given;
    }
  }

  #integer(type: TypeNode, value: unknown, primitive: PrimitiveType): number {
    if (this.#parsed.wraps && primitive === 'int32') {
      const whole = value instanceof NumberToken ? wideInteger(value.source) : Number.isSafeInteger(value) ? value : undefined;
      if (whole !== undefined) return Number(BigInt.asIntN(32, BigInt(whole as number | bigint)));
    }
    if (typeof value === 'number' && Number.isSafeInteger(value)) {
      const [low, high] = integerRanges[primitive]!;
      if (value >= low && value <= high) return value;
    } else if (typeof value === 'number' || value instanceof NumberToken) {
      const source = numberText(value);
      const [low, high] = integerRanges[primitive]!;
      if (/^-?[0-9]{1,40}$/.test(source)) {
        const exact = BigInt(source);
        if (exact >= low && exact <= high) return (wideInteger(source) ?? Number(source)) as number;
      }
    }
    // What was untyped has lost its place in the text.
    if (this.#parsed.wraps && typeof value === 'number') this.#typeError ??= `cannot convert float64 to ${primitive}`;
    else this.#mismatch(value, type, describeNumber(value));
    return 0;
  }

  #quantity(value: unknown): string {
    let text = typeof value === 'string' ? value : describe(value) === 'number' ? numberText(value as number) : 'invalid';
    const first = text.charCodeAt(0);
    if (first <= 32 || text.charCodeAt(text.length - 1) <= 32) text = text.trim();
    return this.#checked(() => canonicalQuantity(text));
  }

  #bytes(type: TypeNode, value: unknown): string | null {
    if (typeof value === 'string') {
      const result = canonicalBase64(value);
      if ('text' in result) return result.text;
      this.#typeError ??= result.error;
      return null;
    }
    if (!Array.isArray(value)) {
      this.#mismatch(value, type);
      return null;
    }
    const bytes = value.map(item =>
      item === null ? 0 : this.#integer({ kind: 'primitive', primitive: 'uint8' }, item, 'uint8'),
    );
    return Buffer.from(bytes).toString('base64');
  }

  /** JSONSchemaPropsOrBool and its like: upstream reads the inner shapes with no eye to unknown fields. */
  #choice(plan: StructPlan, value: unknown): unknown {
    const schema = plan.byName.get('schema')!.type as TypeNode & { kind: 'struct' };
    if (isJsonObject(value) && !(value instanceof NumberToken))
      return this.#struct(structPlan(schema.struct), value, schema.name);
    if (plan.jsonForm === 'schemaOrBool') {
      return typeof value === 'boolean' ? value : this.#fatal('boolean or JSON schema expected');
    }
    if (!Array.isArray(value) || value.length === 0) return null;
    if (plan.jsonForm === 'schemaOrArray') return this.#list({ kind: 'list', element: schema }, value);
    return this.#list({ kind: 'list', element: { kind: 'primitive', primitive: 'string' } }, value);
  }

  /** Types with a reader of their own fail at once, with a message of their own. */
  #checked<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof CodedError && error.code !== 'DECODE_ERROR') return this.#fatal(error.message);
      throw error;
    }
  }

  #text(value: unknown): string {
    return typeof value === 'string' ? value : this.#fatal(this.#message(describe(value), 'string'));
  }

  #fatal(message: string): never {
    throw new CodedError('DECODE_ERROR', message);
  }

  #mismatch(value: unknown, type: TypeNode, description = describe(value)): undefined {
    this.#typeError ??= this.#message(description, goTypeNameIn(this.#parsed.plainNames ? undefined : this.#path.at(-1), type));
    return undefined;
  }

  #message(description: string, typeName: string): string {
    const last = this.#path.at(-1);
    if (!last) return `json: cannot unmarshal ${description} into Go value of type ${typeName}`;
    const path = this.#path.flatMap(field => [...field.inlinePath, field.name]).join('.');
    return `json: cannot unmarshal ${description} into Go struct field ${last.owner}.${path} of type ${typeName}`;
  }
}

function fieldsInInputOrder(plan: StructPlan, input: Record<string, unknown>): FieldPlan[] {
  return Object.keys(input).flatMap(key => plan.byName.get(key) ?? []);
}

function describeNumber(value: unknown): string {
  return typeof value === 'number' || value instanceof NumberToken ? `number ${numberText(value)}` : describe(value);
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof NumberToken) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += countMembers(item);
  else {
    const members = Object.values(value);
    count = members.length;
    for (const item of members) count += countMembers(item);
  }
  return count;
}
