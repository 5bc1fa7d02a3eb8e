import type { JsonSchema } from '../../../machinery/structural/json-schema.js';
import { additionalOf, propertyOf } from '../../../machinery/structural/json-schema.js';

/**
 * The schema of the field that a path such as `.spec.host` or `['spec']` names, or what is wrong with the path.
 * Source: apiextensions-apiserver pkg/apiserver/schema/cel, ValidFieldPath.
 */
export function findField(path: string, schema: JsonSchema, { brackets }: { brackets: boolean }): JsonSchema | string {
  const tokens = path.match(/'(?:\\.|[^'\\])*'|[.[\]]|[^.[\]]+/g) ?? [];
  let current = schema;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    let name = tokens[++at];
    if (token === '[') {
      if (!brackets) return 'array notation is not allowed';
      if (name === undefined) return 'unexpected end of JSON path';
      if (!/^'.*'$/s.test(name)) return `expected single quoted string but got ${name}`;
      name = name.slice(1, -1).replace(/\\(.)/g, '$1');
      const close = tokens[++at];
      if (close === undefined) return 'unexpected end of JSON path';
      if (close !== ']') return `expected ] but got ${close}`;
    } else if (token !== '.') return `expected [ or . but got: ${token}`;
    else if (name === undefined) return 'unexpected end of JSON path';
    const next = current.properties ? propertyOf(current, name) : additionalOf(current);
    if (!next) return 'does not refer to a valid field';
    current = next;
  }
  return current;
}
