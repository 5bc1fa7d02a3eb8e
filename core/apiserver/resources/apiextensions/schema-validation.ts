import { internalValue } from '../../../api/internal-value.js';
import { loadTypes } from '../../../api/schema-data.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { FieldErrors, jsonValue } from '../../../machinery/field-errors.js';
import { cloneJson, jsonEqual } from '../../../machinery/object.js';
import type { StructType } from '../../../machinery/schema.js';
import { coerceEmbedded, validateEmbedded } from '../../../machinery/structural/embedded-metadata.js';
import { findField } from '../../../machinery/structural/field-paths.js';
import type { JsonSchema, ValidationRule } from '../../../machinery/structural/json-schema.js';
import { hasDefault, itemsOf, propertyOf } from '../../../machinery/structural/json-schema.js';
import type { RuleEngine } from '../../../machinery/structural/rule-engine.js';
import { asResource, prune } from '../../../machinery/structural/prune.js';
import { validateValue } from '../../../machinery/structural/schema-validator.js';
import { unsupportedPart, validateStructural } from '../../../machinery/structural/structural-rules.js';
import { validateInnerMetadata } from '../../registry/object-metadata.js';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const ruleReasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const metaFields = ['metadata', 'kind', 'apiVersion'];

/** Fields that are there even where they say nothing. */
const pointers: ReadonlySet<string> = new Set([
  '$ref',
  'additionalItems',
  'additionalProperties',
  'maxProperties',
  'minProperties',
  'x-kubernetes-list-type',
  'x-kubernetes-map-type',
]);

/** What the root may have beside a status subresource, as upstream names it. */
const rootFields: Readonly<Record<string, string>> = {
  description: 'Description',
  type: 'Type',
  format: 'Format',
  title: 'Title',
  maximum: 'Maximum',
  exclusiveMaximum: 'ExclusiveMaximum',
  minimum: 'Minimum',
  exclusiveMinimum: 'ExclusiveMinimum',
  maxLength: 'MaxLength',
  minLength: 'MinLength',
  pattern: 'Pattern',
  maxItems: 'MaxItems',
  minItems: 'MinItems',
  uniqueItems: 'UniqueItems',
  multipleOf: 'MultipleOf',
  required: 'Required',
  items: 'Items',
  properties: 'Properties',
  externalDocs: 'ExternalDocs',
  example: 'Example',
  'x-kubernetes-preserve-unknown-fields': 'XPreserveUnknownFields',
  'x-kubernetes-validations': 'XValidations',
};

export interface SchemaContext {
  readonly path: FieldPath;
  /** Whether objects have a status subresource. */
  readonly hasStatus: boolean;
  readonly errors: FieldErrors;
  readonly ruleEngine: RuleEngine;
  /** Whether the cost of each rule is limited: not where the schema is as it was before. */
  readonly limitsEach: boolean;
}

/** One version's schema. `path` is where `openAPIV3Schema` stands. */
export async function validateDefinitionSchema(schema: JsonSchema, context: SchemaContext): Promise<void> {
  const { path, hasStatus, errors, ruleEngine, limitsEach } = context;
  const found = new FieldErrors();
  const at = path.child('openAPIV3Schema');
  if (hasStatus) validateRootFields(schema, path, found);
  if (schema.nullable) found.forbidden(path.child('openAPIV3Schema.nullable'), 'nullable cannot be true at the root');
  const unsupported = unsupportedPart(schema);
  let isStructural = false;
  if (unsupported === undefined) {
    const structural = validateStructural(schema, at);
    found.addAll(structural);
    const defaults = new FieldErrors();
    if (structural.empty) validateDefaults(asResource(schema), { path: at, insideMeta: false }, defaults);
    found.addAll(defaults);
    isStructural = structural.empty && defaults.empty;
  }
  const unsound = new Set<JsonSchema>();
  validatePart(schema, { path: at, isRoot: true, insideMeta: false, unsound }, found);
  if (found.empty && unsupported !== undefined) found.invalid(at, '', unsupported);
  if (isStructural) await ruleEngine.check(schema, { path: at, unsound, limitsEach }, found);
  errors.addAll(found);
}

function validateRootFields(schema: JsonSchema, path: FieldPath, errors: FieldErrors): void {
  if ((schema.type ?? '') !== 'object') {
    const text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
    if (schema.type) return errors.invalid(path.child('openAPIV3Schema.type'), schema.type, text);
  }
  const odd = Object.entries(schema).some(
    ([field, value]) => !Object.hasOwn(rootFields, field) && (pointers.has(field) ? value !== undefined : Boolean(value)),
  );
  if (!odd) return;
  const allowed = `[${Object.values(rootFields).join(' ')}]`;
  const text = `only ${allowed} fields are allowed at the root of the schema if the status subresource is enabled`;
  errors.invalid(path.child('openAPIV3Schema'), internalValue('apiextensions.JSONSchemaProps', schema), text);
}

let metadataType: StructType | undefined;

function validateDefaults(schema: JsonSchema, place: { path: FieldPath; insideMeta: boolean }, errors: FieldErrors): void {
  const { path } = place;
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true;
  const insideMeta = place.insideMeta && !isEmbedded;
  if (hasDefault(schema)) {
    const at = path.child('default');
    if (!insideMeta) {
      const pruned = cloneJson(schema.default);
      prune(pruned, schema, { root: isEmbedded });
      if (!jsonEqual(pruned, schema.default)) errors.invalid(at, jsonValue(schema.default), 'must not have unknown fields');
    }
    metadataType ??= loadTypes().struct('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');
    const fault = insideMeta ? undefined : coerceEmbedded(cloneJson(schema.default), schema, at, { metadata: metadataType });
    if (fault) errors.invalid(fault.path, jsonValue(fault.value), fault.text);
    else if (insideMeta || validateInnerObjects(schema, at, metadataType, errors)) {
      validateValue(schema.default, schema, errors, { path: at });
    }
  }
  const items = itemsOf(schema);
  if (items) validateDefaults(items, { path: path.child('items'), insideMeta }, errors);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const isMeta = insideMeta || (isEmbedded && metaFields.includes(name));
    validateDefaults(property, { path: path.child('properties').key(name), insideMeta: isMeta }, errors);
  }
}

/** Objects in a default are held to what objects are held to. */
function validateInnerObjects(schema: JsonSchema, path: FieldPath, metadata: StructType, errors: FieldErrors): boolean {
  const found = new FieldErrors();
  const validateMetadata = (inner: Record<string, unknown>, at: FieldPath): void => validateInnerMetadata(inner, at, found);
  validateEmbedded(schema.default, schema, path, { errors: found, metadata, validateMetadata });
  errors.addAll(found);
  return found.empty;
}

interface Place {
  readonly path: FieldPath;
  readonly isRoot: boolean;
  /** Below apiVersion, kind or metadata of a resource. */
  readonly insideMeta: boolean;
  /** Why there may be no default. */
  readonly noDefaults?: string | undefined;
  /** Gets the parts in which, or below which, something is wrong. */
  readonly unsound: Set<JsonSchema>;
}

function validatePart(schema: JsonSchema, place: Place, errors: FieldErrors): void {
  const { path, isRoot, insideMeta } = place;
  const before = errors.list.length;
  validateSupported(schema, place, errors);
  const within = (part: JsonSchema | undefined, at: FieldPath, more: Partial<Place> = {}): void => {
    if (part) validatePart(part, { ...place, ...more, path: at, isRoot: false }, errors);
  };
  if (schema.uniqueItems) {
    const text = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.forbidden(path.child('uniqueItems'), text);
  }
  const properties = Object.entries(schema.properties ?? {});
  const { additionalProperties: additional } = schema;
  if (additional !== undefined) {
    const at = path.child('additionalProperties');
    if (properties.length && additional !== true)
      errors.forbidden(at, 'additionalProperties and properties are mutual exclusive');
    const noDefaults = insideMeta ? 'inside additionalProperties applying to object metadata' : place.noDefaults;
    if (typeof additional === 'object') within(additional, at, { noDefaults });
  }
  for (const [name, property] of properties) {
    const isMeta = (isRoot || schema['x-kubernetes-embedded-resource'] === true) && metaFields.includes(name);
    const more = isMeta ? { insideMeta: true, ...(isRoot ? { noDefaults: `in top-level ${name}` } : {}) } : {};
    within(property, path.child('properties').key(name), more);
  }
  within(schema.not, path.child('not'));
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const) {
    for (const [index, part] of (schema[name] ?? []).entries()) within(part, path.child(name).index(index));
  }
  for (const [name, part] of Object.entries(schema.definitions ?? {})) within(part, path.child('definitions').key(name));
  if (Array.isArray(schema.items)) {
    for (const [index, part] of (schema.items as JsonSchema[]).entries()) within(part, path.child('items').index(index));
  } else within(itemsOf(schema), path.child('items'));
  validateExtensions(schema, path, errors);
  for (const [index, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    validateRule(rule, schema, path.child('x-kubernetes-validations').index(index), errors);
  }
  if (errors.list.length > before) place.unsound.add(schema);
}

/** What OpenAPI has and definitions may not. */
function validateSupported(schema: JsonSchema, { path, insideMeta, noDefaults }: Place, errors: FieldErrors): void {
  const { type } = schema;
  if (type && !types.includes(type)) errors.notSupported(path.child('type'), type, types);
  if (hasDefault(schema) && noDefaults !== undefined) errors.forbidden(path.child('default'), `must not be set ${noDefaults}`);
  const refuse = (field: keyof JsonSchema, isThere: boolean): void => {
    if (isThere) errors.forbidden(path.child(field), `${field} is not supported`);
  };
  refuse('id', Boolean(schema.id));
  refuse('additionalItems', schema.additionalItems !== undefined);
  refuse('patternProperties', Object.keys(schema.patternProperties ?? {}).length > 0);
  refuse('definitions', Object.keys(schema.definitions ?? {}).length > 0);
  refuse('dependencies', schema.dependencies !== undefined);
  refuse('$ref', schema.$ref !== undefined);
  if (type === 'null') errors.forbidden(path.child('type'), 'type cannot be set to null, use nullable as an alternative');
  if (Array.isArray(schema.items) && schema.items.length) {
    errors.forbidden(path.child('items'), 'items must be a schema object and not an array');
  }
  if (insideMeta && schema['x-kubernetes-embedded-resource']) {
    errors.forbidden(path.child('x-kubernetes-embedded-resource'), 'must not be used inside of resource meta');
  }
}

function validateExtensions(schema: JsonSchema, path: FieldPath, errors: FieldErrors): void {
  const { type = '', items } = schema;
  const mapType = schema['x-kubernetes-map-type'];
  const listType = schema['x-kubernetes-list-type'];
  const mapKeys = schema['x-kubernetes-list-map-keys'] ?? [];
  const item = itemsOf(schema);
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    errors.invalid(path.child('x-kubernetes-preserve-unknown-fields'), false, 'must be true or undefined');
  }
  const wrongType = (text: string): void => {
    if (type === '') errors.required(path.child('type'), text);
    else errors.invalid(path.child('type'), type, text);
  };
  if (mapType !== undefined && type !== 'object') wrongType('must be object if x-kubernetes-map-type is specified');
  if (mapType !== undefined && mapType !== 'atomic' && mapType !== 'granular') {
    errors.notSupported(path.child('x-kubernetes-map-type'), mapType, ['atomic', 'granular']);
  }
  if (listType !== undefined && type !== 'array') wrongType('must be array if x-kubernetes-list-type is specified');
  else if (listType === 'set' && item) validateSetItem(item, path.child('items'), errors);
  const listTypePath = path.child('x-kubernetes-list-type');
  if (listType !== undefined && !['atomic', 'set', 'map'].includes(listType)) {
    errors.notSupported(listTypePath, listType, ['atomic', 'set', 'map']);
  }
  if (mapKeys.length && listType !== 'map') {
    const text = 'must be map if x-kubernetes-list-map-keys is non-empty';
    if (listType === undefined) errors.required(listTypePath, text);
    else errors.invalid(listTypePath, listType, text);
  }
  if (listType === 'map') {
    const keysPath = path.child('x-kubernetes-list-map-keys');
    if (!mapKeys.length) errors.required(keysPath, 'must not be empty if x-kubernetes-list-type is map');
    if (items === undefined) errors.required(path.child('items'), 'must have a schema if x-kubernetes-list-type is map');
    else if (!item) {
      const shown = internalValue('apiextensions.JSONSchemaPropsOrArray', items);
      errors.invalid(path.child('items'), shown, 'must only have a single schema if x-kubernetes-list-type is map');
    } else if (item.type !== 'object') {
      const text = "must be object if parent array's x-kubernetes-list-type is map";
      errors.invalid(path.child('items', 'type'), item.type ?? '', text);
    } else validateMapKeys(mapKeys, item, path, errors);
  }
  if (item && (listType === 'set' || listType === 'map')) validateKeyItems(item, listType, { path, mapKeys }, errors);
}

function validateSetItem(item: JsonSchema, path: FieldPath, errors: FieldErrors): void {
  const text = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const listType = item['x-kubernetes-list-type'];
  if (item.type === 'array' && listType !== undefined && listType !== 'atomic') {
    errors.invalid(path.child('x-kubernetes-list-type'), listType, text);
  }
  // Upstream shows the list type here, too.
  if (item.type === 'object' && item['x-kubernetes-map-type'] !== 'atomic') {
    errors.invalid(path.child('x-kubernetes-map-type'), listType ?? null, text);
  }
}

function validateMapKeys(mapKeys: readonly string[], item: JsonSchema, path: FieldPath, errors: FieldErrors): void {
  const at = path.child('x-kubernetes-list-map-keys');
  for (const [index, key] of mapKeys.entries()) {
    const property = propertyOf(item, key);
    if (!property) errors.invalid(at, mapKeys, 'entries must all be names of item properties');
    else if (property.type === 'array' || property.type === 'object') {
      const text = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.invalid(path.child('items', 'properties').key(key).child('type'), item.type, text);
    }
    if (mapKeys.indexOf(key) < index) errors.invalid(at, mapKeys, 'must not contain duplicate entries');
  }
}

/** What tells items apart is there, one way or another. */
function validateKeyItems(
  item: JsonSchema,
  listType: string,
  { path, mapKeys }: { path: FieldPath; mapKeys: readonly string[] },
  errors: FieldErrors,
): void {
  const at = path.child('items');
  if (item.nullable) errors.forbidden(at.child('nullable'), `cannot be nullable when x-kubernetes-list-type is ${listType}`);
  if (listType !== 'map') return;
  for (const key of mapKeys) {
    const property = propertyOf(item, key);
    if (!property) continue;
    const keyPath = at.child('properties').key(key);
    if (!item.required?.includes(key) && !hasDefault(property)) {
      const text = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
      errors.required(keyPath.child('default'), text);
    }
    if (property.nullable) {
      const text = 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable';
      errors.forbidden(keyPath.child('nullable'), text);
    }
  }
}

const newline = /[\n\r]/;

/** All of a rule but its expressions. */
function validateRule(rule: ValidationRule, schema: JsonSchema, path: FieldPath, errors: FieldErrors): void {
  const text = rule.rule.trim();
  const message = rule.message?.trim() ?? '';
  const at = path.child('message');
  if (text === '') errors.required(path.child('rule'), 'rule is not specified');
  else if (rule.message && message === '') errors.invalid(at, rule.message, 'must be non-empty if specified');
  else if (newline.test(message)) errors.invalid(at, rule.message, 'must not contain line breaks');
  else if (newline.test(text) && message === '') errors.required(at, 'message must be specified if rule contains line breaks');
  if (rule.messageExpression && rule.messageExpression.trim() === '') {
    errors.required(path.child('messageExpression'), 'messageExpression must be non-empty if specified');
  }
  if (rule.reason !== undefined && !ruleReasons.includes(rule.reason)) {
    errors.notSupported(path.child('reason'), rule.reason, ruleReasons);
  }
  if (!rule.fieldPath) return;
  const fieldAt = path.child('fieldPath');
  if (rule.fieldPath.trim() === '') errors.invalid(fieldAt, rule.fieldPath, 'must be non-empty if specified');
  if (newline.test(rule.fieldPath)) errors.invalid(fieldAt, rule.fieldPath, 'must not contain line breaks');
  if (typeof findField(rule.fieldPath, schema, { brackets: true }) === 'string') {
    errors.invalid(fieldAt, rule.fieldPath, 'must be a valid path');
  }
}
