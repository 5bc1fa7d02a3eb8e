import { isJsonObject } from '../object.js';
import type { JsonSchema } from './json-schema.js';
import { additionalOf, itemsOf, propertyOf } from './json-schema.js';

const metaFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

export interface PruneOptions {
  /** Whether the value is a whole object, with apiVersion, kind and metadata. */
  readonly root: boolean;
  /** Gets the paths of what was taken away. */
  readonly unknown?: string[];
}

/** Takes what the schema does not know from a draft, in place. Source: apiextensions-apiserver pkg/apiserver/schema/pruning. */
export function prune(value: unknown, schema: JsonSchema | undefined, options: PruneOptions): void {
  const from = options.unknown?.length ?? 0;
  new Pruner(options.unknown).prune(value, options.root ? asResource(schema) : schema, '');
  if (!options.unknown) return;
  const found = options.unknown.splice(from);
  options.unknown.push(...found.sort());
}

/** The schema of a whole object. */
export function asResource(schema: JsonSchema | undefined): JsonSchema {
  if (schema?.['x-kubernetes-embedded-resource']) return schema;
  return { ...schema, 'x-kubernetes-embedded-resource': true };
}

class Pruner {
  readonly #unknown: string[] | undefined;

  constructor(unknown: string[] | undefined) {
    this.#unknown = unknown;
  }

  prune(value: unknown, schema: JsonSchema | undefined, path: string): void {
    if (schema?.['x-kubernetes-preserve-unknown-fields']) return this.#keep(value, schema, path);
    if (Array.isArray(value)) {
      const items = itemsOf(schema);
      for (const [index, item] of value.entries()) this.prune(item, items, `${path}[${index}]`);
      return;
    }
    if (!isJsonObject(value)) return;
    for (const key of Object.keys(value)) {
      if (schema?.['x-kubernetes-embedded-resource'] && metaFields.has(key)) continue;
      if (this.#descend(value[key], schema, key, path)) continue;
      if (!metaFields.has(key) || path !== '' || !schema) this.#unknown?.push(below(path, key));
      delete value[key];
    }
  }

  /** What is not declared stays, what is declared is pruned as it says. */
  #keep(value: unknown, schema: JsonSchema | undefined, path: string): void {
    if (!schema) return;
    if (Array.isArray(value)) {
      const items = itemsOf(schema);
      for (const [index, item] of value.entries()) this.#keep(item, items, `${path}[${index}]`);
      return;
    }
    if (!isJsonObject(value)) return;
    for (const key of Object.keys(value)) {
      if (schema['x-kubernetes-embedded-resource'] && metaFields.has(key)) continue;
      this.#descend(value[key], schema, key, path);
    }
  }

  /** False for a member that the schema does not know. */
  #descend(member: unknown, schema: JsonSchema | undefined, key: string, path: string): boolean {
    const property = propertyOf(schema, key);
    if (!property && schema?.additionalProperties === undefined) return false;
    if (typeof member === 'object') this.prune(member, property ?? additionalOf(schema), below(path, key));
    return true;
  }
}

function below(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
