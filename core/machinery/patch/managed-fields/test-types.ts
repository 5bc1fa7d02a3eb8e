import { readFileSync } from 'node:fs';
import { TypeSet } from '../../schema.js';
import type { KindEntry, TypeSchema } from '../../schema.js';
import { mergeTypeOf } from './merge-type.js';
import type { MergeType } from './merge-type.js';

/** For tests: the schema tables of the groups used here, as they are generated. */
function loadTypes(): TypeSet {
  const types = new TypeSet();
  for (const group of ['core', 'apps', 'meta']) {
    const file = new URL(`../../../../../core/api/generated/${group}.json`, import.meta.url);
    const table = JSON.parse(readFileSync(file, 'utf8')) as {
      group: string;
      types: Record<string, TypeSchema>;
      kinds?: KindEntry[];
    };
    types.add(table.group, table.types, table.kinds);
  }
  return types;
}

let types: TypeSet | undefined;

export function kindType(group: string, kind: string): MergeType {
  types ??= loadTypes();
  const struct = types.kind(group, 'v1', kind);
  if (!struct) throw new Error(`no type for ${kind}`);
  return mergeTypeOf(struct);
}
