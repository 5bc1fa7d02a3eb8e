import { readFileSync } from 'node:fs';
import type { KindEntry, TypeSchema } from '../schema.js';
import { TypeSet } from '../schema.js';

/** For tests: the real tables, read from the sources (tests run at the root of the checkout). */
export function fixtureTypes(...groups: string[]): TypeSet {
  const types = new TypeSet();
  for (const group of ['meta', ...groups]) {
    const file = `core/api/generated/${group === '' ? 'core' : group}.json`;
    const data = JSON.parse(readFileSync(file, 'utf8')) as { kinds: KindEntry[]; types: Record<string, TypeSchema> };
    types.add(group, data.types, data.kinds);
  }
  return types;
}

/** One example of what upstream's own encoders write. */
export interface WireVector {
  readonly type: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly protobufBase64: string;
  readonly json: string | Record<string, unknown>;
}

export function wireVectors(): WireVector[] {
  return JSON.parse(readFileSync('core/api/generated/testdata/wire-vectors.json', 'utf8')) as WireVector[];
}
