import type { FieldPath } from '../field-errors.js';
import { FieldErrors } from '../field-errors.js';
import { errorCode } from '../../base/errors.js';
import { goRegexp } from '../go-regexp.js';
import { jsonEqual } from '../object.js';
import type { JsonSchema } from './json-schema.js';
import { additionalOf, hasDefault, itemsOf, propertyOf } from './json-schema.js';

type Level = 'root' | 'item' | 'field';

const intOrString = [{ type: 'integer' }, { type: 'string' }];

/** Why a schema cannot even be looked at as a structural one; undefined when it can. Source: NewStructural. */
export function unsupportedPart(schema: JsonSchema): string | undefined {
  const unsupported = (field: string): string => `OpenAPIV3Schema '${field}' is not supported`;
  if (schema.id) return unsupported('id');
  if (schema.$schema) return unsupported('schema');
  if (schema.$ref) return unsupported('$ref');
  if (Object.keys(schema.patternProperties ?? {}).length) return unsupported('patternProperties');
  if (Object.keys(schema.dependencies ?? {}).length) return unsupported('dependencies');
  if (schema.additionalItems !== undefined) return unsupported('additionalItems');
  if (Object.keys(schema.definitions ?? {}).length) return unsupported('definitions');
  for (const list of [schema.not ? [schema.not] : [], schema.allOf, schema.anyOf, schema.oneOf]) {
    for (const part of list ?? []) {
      const fault = unsupportedPart(part);
      if (fault) return fault;
    }
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
  }
  if (Array.isArray(schema.items)) return "OpenAPIV3Schema 'items' must be a schema, but is an array";
  const nested = [itemsOf(schema), ...Object.values(schema.properties ?? {}), additionalOf(schema)];
  for (const part of nested) {
    const fault = part && unsupportedPart(part);
    if (fault) return fault;
  }
  return undefined;
}

/**
 * The rules of structural schemas: every field's type is said outside of allOf, anyOf, oneOf and not, and these say nothing else than
 * what a value may be. Source: apiextensions-apiserver pkg/apiserver/schema, ValidateStructural.
 */
export function validateStructural(schema: JsonSchema, path: FieldPath): FieldErrors {
  const errors = new FieldErrors();
  invariants(schema, 'root', path, errors);
  completeness(schema, schema, { own: path, defined: path }, errors);
  const text = ({ field, body }: { field: string; body: string }): string => `${field}: ${body}`;
  errors.list.sort((a, b) => (text(a) < text(b) ? -1 : 1));
  return errors;
}

function invariants(schema: JsonSchema, level: Level, path: FieldPath, errors: FieldErrors): void {
  const { type = '' } = schema;
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true;
  const items = itemsOf(schema);
  if (type === 'array' && !items) errors.required(path.child('items'), 'must be specified');
  if (items) invariants(items, 'item', path.child('items'), errors);
  const properties = Object.entries(schema.properties ?? {});
  for (const [name, property] of properties) invariants(property, 'field', path.child('properties').key(name), errors);
  if (schema.additionalProperties !== undefined) {
    const at = path.child('additionalProperties');
    if (level === 'root') errors.forbidden(at, 'must not be used at the root');
    const additional = additionalOf(schema);
    if (additional) invariants(additional, 'field', at, errors);
  }
  extensions(schema, path, errors);
  const skips = { anyOf: isIntOrString(schema.anyOf), firstAllOf: isIntOrString(schema.allOf?.[0]?.anyOf) };
  valueRules(schema, skips, { level, path }, errors);
  const typePath = path.child('type');
  if (isEmbedded && type !== 'object') {
    const text = 'must be object if x-kubernetes-embedded-resource is true';
    if (type === '') errors.required(typePath, text);
    else errors.invalid(typePath, type, text);
  } else if (type === '' && !schema['x-kubernetes-int-or-string'] && !schema['x-kubernetes-preserve-unknown-fields']) {
    const where = { root: 'at the root', item: 'for specified array items', field: 'for specified object fields' };
    errors.required(typePath, `must not be empty ${where[level]}`);
  }
  if (isEmbedded && schema.additionalProperties !== undefined) {
    errors.forbidden(path.child('additionalProperties'), 'must not be used if x-kubernetes-embedded-resource is set');
  }
  if (level === 'root' && type !== '' && type !== 'object') errors.invalid(typePath, type, 'must be object at the root');
  resourceMembers(schema, level, path, errors);
  if (isEmbedded && !schema['x-kubernetes-preserve-unknown-fields'] && properties.length === 0) {
    const text = 'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
    errors.required(path.child('properties'), text);
  }
}

function resourceMembers(schema: JsonSchema, level: Level, path: FieldPath, errors: FieldErrors): void {
  const isResource = level === 'root' || schema['x-kubernetes-embedded-resource'] === true;
  const at = (name: string): FieldPath => path.child('properties').key(name);
  for (const name of ['kind', 'apiVersion']) {
    const member = propertyOf(schema, name);
    if (member && isResource && member.type !== 'string')
      errors.invalid(at(name).child('type'), member.type ?? '', 'must be string');
  }
  const metadata = propertyOf(schema, 'metadata');
  if (!metadata) return;
  if (isResource && metadata.type !== 'object')
    errors.invalid(at('metadata').child('type'), metadata.type ?? '', 'must be object');
  if (level !== 'root') return;
  const { type: _type, default: _default, properties, ...rest } = metadata;
  const declared = Object.keys(properties ?? {});
  const isOnlyNames = declared.every(name => name === 'name' || name === 'generateName');
  const isEmpty = Object.values(rest).every(value => value === undefined || value === '' || value === false);
  if (!isOnlyNames || !isEmpty) {
    const text = 'must not specify anything other than name and generateName, but metadata is implicitly specified';
    errors.forbidden(at('metadata'), text);
  }
}

function isIntOrString(parts: readonly JsonSchema[] | undefined): boolean {
  return parts !== undefined && jsonEqual(parts, intOrString);
}

function extensions(schema: JsonSchema, path: FieldPath, errors: FieldErrors): void {
  if (!schema['x-kubernetes-int-or-string']) return;
  for (const name of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const) {
    if (schema[name]) errors.invalid(path.child(name), true, 'must be false if x-kubernetes-int-or-string is true');
  }
}

interface Place {
  readonly level: Level;
  readonly path: FieldPath;
}

function valueRules(
  schema: JsonSchema,
  skips: { anyOf: boolean; firstAllOf: boolean },
  { level, path }: Place,
  errors: FieldErrors,
): void {
  const no = { anyOf: false, firstAllOf: false };
  const each = (name: 'anyOf' | 'allOf' | 'oneOf', skip: (index: number) => typeof no): void => {
    for (const [index, part] of (schema[name] ?? []).entries()) {
      nestedRules(part, skip(index), { level, path: path.child(name).index(index) }, errors);
    }
  };
  if (!skips.anyOf) each('anyOf', () => no);
  each('allOf', index => (index === 0 && skips.firstAllOf ? { anyOf: true, firstAllOf: false } : no));
  each('oneOf', () => no);
  if (schema.not) nestedRules(schema.not, no, { level, path: path.child('not') }, errors);
  if (!schema.pattern) return;
  try {
    goRegexp(schema.pattern);
  } catch (error) {
    if (errorCode(error) !== 'REGEXP_SYNTAX') throw error;
    const text = `must be a valid regular expression, but isn't: ${(error as Error).message}`;
    errors.invalid(path.child('pattern'), schema.pattern, text);
  }
}

const forbiddenInside = [
  ['type', 'must be empty to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
] as const;

/** Inside allOf, anyOf, oneOf and not. */
function nestedRules(
  schema: JsonSchema,
  skips: { anyOf: boolean; firstAllOf: boolean },
  { level, path }: Place,
  errors: FieldErrors,
): void {
  const no = { anyOf: false, firstAllOf: false };
  valueRules(schema, skips, { level, path }, errors);
  const items = itemsOf(schema);
  if (items) nestedRules(items, no, { level, path: path.child('items') }, errors);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    nestedRules(property, no, { level: 'field', path: path.child('properties').key(name) }, errors);
  }
  if (schema.additionalProperties) {
    errors.forbidden(path.child('additionalProperties'), 'must be undefined to be structural');
  }
  if (hasDefault(schema)) errors.forbidden(path.child('default'), 'must be undefined to be structural');
  for (const [name, text] of forbiddenInside) {
    const value = schema[name];
    // These two are there even when they are empty.
    const isType = name === 'x-kubernetes-list-type' || name === 'x-kubernetes-map-type';
    const isThere = Array.isArray(value) ? value.length > 0 : isType ? value !== undefined : Boolean(value);
    if (isThere) errors.forbidden(path.child(name), text);
  }
  if (propertyOf(schema, 'metadata')) {
    errors.forbidden(path.child('properties').key('metadata'), 'must not be specified in a nested context');
  }
}

/** Every field that a combination speaks of is declared outside of it. */
function completeness(
  value: JsonSchema,
  schema: JsonSchema | undefined,
  paths: { own: FieldPath; defined: FieldPath },
  errors: FieldErrors,
): void {
  const { own, defined } = paths;
  const nested = (part: JsonSchema, at: FieldPath): void => nestedCompleteness(part, schema, { own, defined: at }, errors);
  if (value.not) nested(value.not, defined.child('not'));
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [index, part] of (value[name] ?? []).entries()) nested(part, defined.child(name).index(index));
  }
}

function nestedCompleteness(
  value: JsonSchema,
  schema: JsonSchema | undefined,
  paths: { own: FieldPath; defined: FieldPath },
  errors: FieldErrors,
): void {
  const { own, defined } = paths;
  if (!schema) return errors.required(own, `because it is defined in ${defined}`);
  completeness(value, schema, paths, errors);
  const items = itemsOf(value);
  if (items) nestedCompleteness(items, itemsOf(schema), { own: own.child('items'), defined: defined.child('items') }, errors);
  for (const [name, property] of Object.entries(value.properties ?? {})) {
    const [ownAt, definedAt] = [own.child('properties').key(name), defined.child('properties').key(name)];
    const declared = propertyOf(schema, name);
    if (declared) nestedCompleteness(property, declared, { own: ownAt, defined: definedAt }, errors);
    else errors.required(ownAt, `because it is defined in ${definedAt}`);
  }
}
