import { jsonText } from '../codec/json-text.js';
import type { FieldErrors } from '../field-errors.js';
import { FieldPath, jsonValue, withSortedKeys } from '../field-errors.js';
import { isJsonObject, setOwn } from '../object.js';
import type { JsonSchema } from './json-schema.js';
import { additionalOf, itemsOf, propertyOf } from './json-schema.js';

/** No two items of a set, or of a list with keys, are the same. Source: apiextensions-apiserver pkg/apiserver/schema/listtype. */
export function validateListItems(
  value: unknown,
  schema: JsonSchema | undefined,
  errors: FieldErrors,
  path = new FieldPath(),
): void {
  if (!schema) return;
  if (Array.isArray(value)) {
    const type = schema['x-kubernetes-list-type'];
    if (type === 'set') {
      for (const index of repeated(value)) errors.duplicate(path.index(index), value[index]);
    } else if (type === 'map') validateKeys(value, schema['x-kubernetes-list-map-keys'] ?? [], errors, path);
    const items = itemsOf(schema);
    if (items) for (const [index, item] of value.entries()) validateListItems(item, items, errors, path.index(index));
    return;
  }
  if (!isJsonObject(value)) return;
  const additional = additionalOf(schema);
  for (const [key, member] of Object.entries(value)) {
    if (additional) validateListItems(member, additional, errors, path.key(key));
    const property = propertyOf(schema, key);
    if (property) validateListItems(member, property, errors, path.child(key));
  }
}

function validateKeys(list: readonly unknown[], keyFields: readonly string[], errors: FieldErrors, path: FieldPath): void {
  for (const [index, item] of list.entries()) {
    if (item === null || isJsonObject(item)) continue;
    errors.invalid(path.index(index), jsonValue(item), 'must be an object for an array of list-type map');
    return;
  }
  const keys = list.map(item => {
    const key: Record<string, unknown> = {};
    for (const field of keyFields) if (isJsonObject(item) && Object.hasOwn(item, field)) setOwn(key, field, item[field]);
    return key;
  });
  for (const index of repeated(keys)) errors.duplicate(path.index(index), jsonValue(keys[index]));
}

/** Where what was there before comes for the second time; not for the third. */
function repeated(list: readonly unknown[]): number[] {
  const seen = new Map<string, number>();
  const indexes: number[] = [];
  for (const [index, item] of list.entries()) {
    const text = jsonText(withSortedKeys(item));
    const times = (seen.get(text) ?? 0) + 1;
    seen.set(text, times);
    if (times === 2) indexes.push(index);
  }
  return indexes;
}
