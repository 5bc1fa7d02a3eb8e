import { jsonText } from '../../codec/json-text.js';
import { isJsonObject, jsonEqual } from '../../object.js';
import type { JsonSchema } from '../json-schema.js';
import { additionalOf, itemsOf, propertyOf } from '../json-schema.js';

/** Finds the item of a list with the same keys; nothing in lists whose items have none. Source: apiserver pkg/cel/common/maplist.go. */
export function itemLookup(schema: JsonSchema, list: unknown): ((item: unknown) => unknown) | undefined {
  const keyNames = schema['x-kubernetes-list-map-keys'] ?? [];
  if (schema['x-kubernetes-list-type'] !== 'map' || keyNames.length === 0 || !Array.isArray(list)) return undefined;
  let byKey: Map<string, unknown> | undefined;
  return item => {
    const key = keyOf(item, keyNames);
    if (key === undefined) return undefined;
    if (!byKey) {
      byKey = new Map();
      for (const other of list) {
        const otherKey = keyOf(other, keyNames);
        if (otherKey !== undefined && !byKey.has(otherKey)) byKey.set(otherKey, other);
      }
    }
    return byKey.get(key);
  };
}

function keyOf(item: unknown, keyNames: readonly string[]): string | undefined {
  if (!isJsonObject(item)) return undefined;
  const values: unknown[] = [];
  for (const name of keyNames) {
    const value = Object.hasOwn(item, name) ? item[name] : undefined;
    if (value === undefined || typeof value === 'object') return undefined;
    values.push(value);
  }
  return jsonText(values);
}

/**
 * A value of an update beside what it was before, as far as the two can be told to be the same thing.
 * Source: apiserver pkg/cel/common/equality.go.
 */
export class CorrelatedValue {
  readonly #value: unknown;
  readonly #old: unknown;
  readonly #schema: JsonSchema;
  readonly #children = new Map<string | number, CorrelatedValue>();
  #lookup: ((item: unknown) => unknown) | undefined;
  #isEqual: boolean | undefined;

  constructor(value: unknown, old: unknown, schema: JsonSchema) {
    this.#value = value;
    this.#old = old;
    this.#schema = schema;
  }

  member(name: string): CorrelatedValue | undefined {
    const [value, old] = [this.#value, this.#old];
    if (!isJsonObject(value) || !isJsonObject(old) || !Object.hasOwn(value, name) || !Object.hasOwn(old, name)) return undefined;
    const schema = propertyOf(this.#schema, name) ?? additionalOf(this.#schema);
    return schema && this.#child(name, value[name], old[name], schema);
  }

  item(index: number): CorrelatedValue | undefined {
    if (!Array.isArray(this.#value)) return undefined;
    const item: unknown = this.#value[index];
    this.#lookup ??= itemLookup(this.#schema, this.#old);
    const old = this.#lookup?.(item);
    const schema = itemsOf(this.#schema);
    return old === undefined || !schema ? undefined : this.#child(index, item, old, schema);
  }

  #child(key: string | number, value: unknown, old: unknown, schema: JsonSchema): CorrelatedValue {
    let child = this.#children.get(key);
    if (!child) this.#children.set(key, (child = new CorrelatedValue(value, old, schema)));
    return child;
  }

  /** Items with keys may have changed their places. What the schema does not know cannot be told to be equal. */
  get isEqual(): boolean {
    return (this.#isEqual ??= this.#compare());
  }

  #compare(): boolean {
    const [value, old] = [this.#value, this.#old];
    if (Array.isArray(value) && Array.isArray(old)) {
      if (value.length !== old.length) return false;
      if (!itemLookup(this.#schema, old)) return jsonEqual(value, old);
      return value.every((_item, index) => this.item(index)?.isEqual === true);
    }
    if (!isJsonObject(value) || !isJsonObject(old)) return jsonEqual(value, old);
    const names = Object.keys(value);
    return names.length === Object.keys(old).length && names.every(name => this.member(name)?.isEqual === true);
  }
}
