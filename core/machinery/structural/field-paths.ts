import { FieldPath } from '../field-errors.js';
import type { JsonSchema } from './json-schema.js';
import { additionalOf, propertyOf } from './json-schema.js';

export interface FoundField {
  readonly schema: JsonSchema;
  /** The path as error messages write it. */
  readonly path: FieldPath;
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\',
};

/**
 * The field that a path such as `.spec.host` or `['spec']` names, or what is wrong with the path.
 * Source: apiextensions-apiserver pkg/apiserver/schema/cel, ValidFieldPath.
 */
export function findField(path: string, schema: JsonSchema, { brackets }: { brackets: boolean }): FoundField | string {
  const tokens = path.match(/'(?:\\.|[^'\\])*'|[.[\]]|[^.[\]]+/g) ?? [];
  let found: FoundField = { schema, path: new FieldPath() };
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    let name = tokens[++at];
    if (token === '[') {
      if (!brackets) return 'array notation is not allowed';
      if (name === undefined) return 'unexpected end of JSON path';
      if (!/^'.*'$/s.test(name)) return `expected single quoted string but got ${name}`;
      let odd: string | undefined;
      name = name.slice(1, -1).replace(/\\(.)/gs, (escape, character: string) => {
        if (!Object.hasOwn(escapes, character)) odd ??= escape;
        return escapes[character] ?? '';
      });
      if (odd !== undefined) return `invalid string literal: invalid escape char ${odd}`;
      const close = tokens[++at];
      if (close === undefined) return 'unexpected end of JSON path';
      if (close !== ']') return `expected ] but got ${close}`;
    } else if (token !== '.') return `expected [ or . but got: ${token}`;
    else if (name === undefined) return 'unexpected end of JSON path';
    const isNamed: boolean = found.schema.properties !== undefined;
    const next: JsonSchema | undefined = isNamed ? propertyOf(found.schema, name) : additionalOf(found.schema);
    if (!next) return 'does not refer to a valid field';
    found = { schema: next, path: isNamed ? found.path.child(name) : found.path.key(name) };
  }
  return found;
}
