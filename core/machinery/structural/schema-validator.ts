import { jsonText } from '../codec/json-text.js';
import { errorCode } from '../../base/errors.js';
import type { FieldErrors } from '../field-errors.js';
import { FieldPath, jsonValue, quote } from '../field-errors.js';
import { goRegexp } from '../go-regexp.js';
import { isJsonObject, jsonEqual } from '../object.js';
import { formatCheck, isKnownFormat } from './formats.js';
import type { JsonSchema } from './json-schema.js';
import { additionalOf, itemsOf, propertyOf } from './json-schema.js';
import { checkNumber } from './number-checks.js';

/**
 * Holds values to a schema and says what is wrong in the words of upstream's validator, which clients read and tests compare.
 * Source: kube-openapi pkg/validation/validate; apiextensions-apiserver pkg/apiserver/validation.
 */
export function validateValue(value: unknown, schema: JsonSchema, errors: FieldErrors, options: ValidateOptions = {}): void {
  const result = new Validation(options.old !== undefined).schema(value, schema, '', options.old);
  report(result.faults, errors, options.path ?? new FieldPath());
}

export interface ValidateOptions {
  /** The value before an update: what it did not change is let through. Source: KEP-4008 (ratcheting). */
  readonly old?: unknown;
  /** Where the value stands in its object. */
  readonly path?: FieldPath;
}

export interface Fault {
  readonly code: 'type' | 'required' | 'enum' | 'tooLong' | 'tooMany' | 'plain' | 'general';
  readonly name: string;
  readonly value?: unknown;
  readonly text: string;
  readonly limit?: number;
  readonly choices?: readonly unknown[];
}

interface Result {
  readonly faults: Fault[];
  /** How much of the schema fitted: the best of several alternatives is the one that is told about. */
  matches: number;
}

const noFaults: readonly Fault[] = [];

class Validation {
  readonly #ratchets: boolean;

  constructor(ratchets: boolean) {
    this.#ratchets = ratchets;
  }

  /** `old` is undefined where there was nothing before that this value could be compared with. */
  schema(value: unknown, schema: JsonSchema, path: string, old: unknown): Result {
    const result: Result = { faults: [], matches: 0 };
    if (this.#ratchets && old !== undefined && jsonEqual(old, value)) return result;
    const type = checkType(value, schema, path);
    if (type) this.#merge(result, type === 'fits' ? undefined : [type], type === 'fits' ? 1 : 0);
    if (value === null) {
      this.#merge(result, checkEnum(value, schema, path));
      return result;
    }
    if (type) result.matches++;
    this.#combinations(result, value, schema, path, old);
    result.matches += 2;
    if (typeof value === 'string') this.#string(result, value, schema, path);
    else if (typeof value === 'number' || typeof value === 'bigint') {
      this.#merge(result, checkNumber(value, schema, path));
      result.matches += 2;
    } else if (Array.isArray(value)) this.#list(result, value, schema, path, old);
    this.#merge(result, checkEnum(value, schema, path));
    result.matches++;
    if (isJsonObject(value)) this.#object(result, value, schema, path, old);
    result.matches++;
    return result;
  }

  #merge(result: Result, faults: readonly Fault[] | undefined, matches = 0): void {
    result.matches += matches;
    for (const fault of faults ?? noFaults) {
      if (!result.faults.some(known => known.text === fault.text)) result.faults.push(fault);
    }
  }

  #mergeResult(result: Result, other: Result | undefined): void {
    if (other) this.#merge(result, other.faults, other.matches);
  }

  #string(result: Result, value: string, schema: JsonSchema, path: string): void {
    this.#merge(result, checkString(value, schema, path));
    result.matches++;
    if (schema.format === undefined || !isKnownFormat(schema)) return;
    const check = formatCheck(schema.format);
    if (!check) return;
    if (!check(value)) {
      const text = `${path} in body must be of type ${schema.format}: ${quote(value)}`;
      this.#merge(result, [{ code: 'type', name: path, value, text }]);
    }
    result.matches++;
  }

  #list(result: Result, value: readonly unknown[], schema: JsonSchema, path: string, old: unknown): void {
    const items = itemsOf(schema);
    if (items) {
      const oldItem = this.#ratchets ? correlated(value, old, schema) : undefined;
      for (const [index, item] of value.entries()) {
        this.#mergeResult(result, this.schema(item, items, `${path}[${index}]`, oldItem?.(item)));
      }
    }
    const size = value.length;
    const { minItems, maxItems } = schema;
    if (minItems !== undefined && size < minItems) {
      this.#merge(result, [plain(path, size, `${path} in body should have at least ${minItems} items`)]);
    }
    if (maxItems !== undefined && size > maxItems) {
      const text = `${path} in body should have at most ${maxItems} items`;
      this.#merge(result, [{ code: 'tooMany', name: path, value: size, text, limit: maxItems }]);
    }
    if (schema.uniqueItems && value.some((item, index) => value.slice(0, index).some(other => jsonEqual(item, other)))) {
      this.#merge(result, [plain(path, undefined, `${path} in body shouldn't contain duplicates`)]);
    }
    result.matches += 2;
  }

  #object(result: Result, value: Record<string, unknown>, schema: JsonSchema, path: string, old: unknown): void {
    const keys = Object.keys(value);
    const { minProperties, maxProperties } = schema;
    if (minProperties !== undefined && keys.length < minProperties) {
      this.#merge(result, [plain(path, keys.length, `${path} in body should have at least ${minProperties} properties`)]);
    }
    if (maxProperties !== undefined && keys.length > maxProperties) {
      const text = `${path} in body should have at most ${maxProperties} properties`;
      this.#merge(result, [{ code: 'tooMany', name: path, value: keys.length, text, limit: maxProperties }]);
    }
    const oldOf = (key: string): unknown => {
      if (!this.#ratchets || !isJsonObject(old) || !Object.hasOwn(old, key)) return undefined;
      return path === '' && (key === 'kind' || key === 'apiVersion') ? undefined : old[key];
    };
    const additional = additionalOf(schema);
    for (const key of keys) {
      if (propertyOf(schema, key)) continue;
      if (additional) this.#mergeResult(result, this.schema(value[key], additional, `${path}.${key}`, oldOf(key)));
      else if (schema.additionalProperties === false) {
        this.#merge(result, [plain(path, key, `${path}.${key} in body is a forbidden property`)]);
      }
    }
    for (const key in schema.properties) {
      if (!Object.hasOwn(value, key)) continue;
      const inner = path === '' ? key : `${path}.${key}`;
      this.#mergeResult(result, this.schema(value[key], schema.properties[key]!, inner, oldOf(key)));
    }
    for (const key of schema.required ?? []) {
      if (Object.hasOwn(value, key)) continue;
      this.#merge(result, [{ code: 'required', name: `${path}.${key}`, text: `${path}.${key} in body is required` }]);
    }
    result.matches++;
  }

  #combinations(result: Result, value: unknown, schema: JsonSchema, path: string, old: unknown): void {
    if (schema.anyOf?.length) this.#anyOf(result, value, schema.anyOf, path, old);
    if (schema.oneOf?.length) this.#oneOf(result, value, schema.oneOf, path, old);
    if (schema.allOf?.length) {
      let valid = 0;
      for (const part of schema.allOf) {
        const one = this.#alternative(value, part, path, old);
        if (one.faults.length === 0) valid++;
        this.#mergeResult(result, one);
      }
      if (valid !== schema.allOf.length) {
        const more = valid === 0 ? '. None validated' : '';
        this.#merge(result, [general(`${quote(path)} must validate all the schemas (allOf)${more}`)]);
      }
    }
    if (schema.not && this.#alternative(value, schema.not, path, old).faults.length === 0) {
      this.#merge(result, [general(`${quote(path)} must not validate the schema (not)`)]);
    }
  }

  /** The value as a whole is never let through because it is as before: its parts may be. */
  #alternative(value: unknown, schema: JsonSchema, path: string, old: unknown): Result {
    return new Validation(this.#ratchets && !jsonEqual(old, value)).schema(value, schema, path, old);
  }

  #anyOf(result: Result, value: unknown, parts: readonly JsonSchema[], path: string, old: unknown): void {
    let best: Result | undefined;
    for (const part of parts) {
      const one = this.#alternative(value, part, path, old);
      if (one.faults.length === 0) return this.#mergeResult(result, one);
      if (!best || one.matches > best.matches) best = one;
    }
    this.#merge(result, [general(`${quote(path)} must validate at least one schema (anyOf)`)]);
    this.#mergeResult(result, best);
  }

  #oneOf(result: Result, value: unknown, parts: readonly JsonSchema[], path: string, old: unknown): void {
    let best: Result | undefined;
    let first: Result | undefined;
    let valid = 0;
    for (const part of parts) {
      const one = this.#alternative(value, part, path, old);
      if (one.faults.length === 0) {
        valid++;
        first ??= one;
        best = undefined;
      } else if (valid === 0 && (!best || one.matches > best.matches)) best = one;
    }
    if (valid === 1) return this.#mergeResult(result, first);
    const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
    this.#merge(result, [general(`${quote(path)} must validate one and only one schema (oneOf). ${found}`)]);
    this.#mergeResult(result, best);
  }
}

/** Finds what an item of a list with keys was before. Items of other lists cannot be told from each other. */
function correlated(value: readonly unknown[], old: unknown, schema: JsonSchema): ((item: unknown) => unknown) | undefined {
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old) || value.length === 0) return undefined;
  const keyOf = (item: unknown): string => {
    const properties = itemsOf(schema)?.properties ?? {};
    return jsonText(keys.map(key => (isJsonObject(item) ? item[key] : undefined) ?? properties[key]?.default ?? null));
  };
  const before = new Map(old.map(item => [keyOf(item), item as unknown]));
  return item => before.get(keyOf(item));
}

function plain(name: string, value: unknown, text: string): Fault {
  return { code: 'plain', name, value, text };
}

function general(text: string): Fault {
  return { code: 'general', name: '', text };
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'bigint') return 'integer';
  // Whole numbers that are no BigInts and yet beyond are floats to upstream.
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/** `fits`, what is wrong, or undefined where the schema says nothing of a type. */
function checkType(value: unknown, schema: JsonSchema, path: string): Fault | 'fits' | undefined {
  const types = schema['x-kubernetes-int-or-string'] ? ['integer', 'string'] : schema.type ? [schema.type] : [];
  const format = schema.format !== undefined && isKnownFormat(schema) ? schema.format : '';
  if (types.length === 0 && format === '') return undefined;
  const wrong = (expected: string, found: string): Fault => {
    const text = `${path} in body must be of type ${expected}: ${quote(found)}`;
    return { code: 'type', name: path, value: found, text };
  };
  if (value === null) return types.length > 0 && !schema.nullable ? wrong(types.join(','), 'null') : 'fits';
  const actual = typeName(value);
  const fits = types.includes(actual) || (actual === 'integer' && types.includes('number'));
  const isTextual = typeof value === 'string' || Array.isArray(value);
  if (!isTextual && format !== '' && !fits)
    return wrong(format, actual === 'integer' ? 'int64' : actual === 'number' ? 'float64' : '');
  if (isTextual && format !== '' && !types.includes('number') && !types.includes('integer')) return 'fits';
  return fits ? 'fits' : wrong(types.join(','), actual);
}

function checkEnum(value: unknown, schema: JsonSchema, path: string): Fault[] {
  const choices = schema.enum;
  if (!choices?.length || choices.some(choice => choice !== null && jsonEqual(choice, value))) return [];
  return [{ code: 'enum', name: path, value, text: `${path} in body should be one of ${jsonText(choices)}`, choices }];
}

function checkString(value: string, { maxLength, minLength, pattern }: JsonSchema, path: string): Fault[] {
  if (maxLength !== undefined && value.length > maxLength && [...value].length > maxLength) {
    const text = `${path} in body should be at most ${maxLength} chars long`;
    return [{ code: 'tooLong', name: path, value, text, limit: maxLength }];
  }
  if (minLength !== undefined && [...value].length < minLength) {
    return [plain(path, value, `${path} in body should be at least ${minLength} chars long`)];
  }
  if (!pattern) return [];
  const wrong = (what: string): Fault[] => [plain(path, value, `${path} in body should match '${what}'`)];
  try {
    return goRegexp(pattern).test(value) ? [] : wrong(pattern);
  } catch (error) {
    if (errorCode(error) !== 'REGEXP_SYNTAX') throw error;
    return wrong(`${pattern}, but pattern is invalid: ${(error as Error).message}`);
  }
}

/** Source: kubeOpenAPIResultToFieldErrors. */
function report(faults: readonly Fault[], errors: FieldErrors, base: FieldPath): void {
  for (const { code, name, value, text, limit, choices } of faults) {
    const path = name === '' || name === '.' ? base : base.child(name.replace(/^\./, ''));
    switch (code) {
      case 'required':
        errors.required(path);
        break;
      case 'enum':
        errors.notSupported(
          path,
          jsonValue(value),
          choices!.map(choice => (typeof choice === 'string' ? choice : jsonText(choice))),
        );
        break;
      case 'tooLong':
        errors.tooLong(path, limit!);
        break;
      case 'tooMany':
        errors.tooMany(path, value as number, limit!);
        break;
      case 'type':
        errors.typeInvalid(path, jsonValue(value ?? ''), text);
        break;
      case 'plain':
        errors.invalid(path, jsonValue(value ?? ''), text);
        break;
      case 'general':
        errors.invalid(base, '', text);
        break;
    }
  }
}
