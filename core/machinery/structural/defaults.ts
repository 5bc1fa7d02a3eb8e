import { cloneJson, isJsonObject, setOwn } from '../object.js';
import type { JsonSchema } from './json-schema.js';
import { additionalOf, hasDefault, itemsOf, propertyOf } from './json-schema.js';

/** Fills in what the schema says, in place. Source: apiextensions-apiserver pkg/apiserver/schema/defaulting. */
export function applyDefaults(value: unknown, schema: JsonSchema | undefined): void {
  if (!schema) return;
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    if (!items) return;
    for (let index = 0; index < value.length; index++) {
      if (value[index] === null && !items.nullable) value[index] = cloneJson(items.default ?? null);
      applyDefaults(value[index], items);
    }
    return;
  }
  if (!isJsonObject(value)) return;
  const { properties } = schema;
  for (const name in properties) {
    const property = properties[name]!;
    if (!hasDefault(property)) continue;
    const isAbsent = !Object.hasOwn(value, name) || (value[name] === null && !property.nullable);
    if (isAbsent) setOwn(value, name, cloneJson(property.default));
  }
  const additional = additionalOf(schema);
  for (const key of Object.keys(value)) {
    const property = propertyOf(schema, key);
    if (property) applyDefaults(value[key], property);
    else if (additional) {
      if (value[key] === null && !additional.nullable) setOwn(value, key, cloneJson(additional.default ?? null));
      applyDefaults(value[key], additional);
    }
  }
}

/** Takes away nulls that may not be and that no default replaces, in place. */
export function dropNulls(value: unknown, schema: JsonSchema | undefined): void {
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    for (const item of value) if (typeof item === 'object') dropNulls(item, items);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const key of Object.keys(value)) {
    const member = propertyOf(schema, key) ?? additionalOf(schema);
    if (value[key] === null && member && !member.nullable && !hasDefault(member)) delete value[key];
    else if (typeof value[key] === 'object') dropNulls(value[key], member);
  }
}
