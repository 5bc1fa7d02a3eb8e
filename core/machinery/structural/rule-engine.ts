import type { FieldErrors, FieldPath } from '../field-errors.js';
import type { JsonSchema } from './json-schema.js';

/**
 * Holds objects to the rules of their schema (`x-kubernetes-validations`). Where a server has none, definitions with rules are
 * accepted with a warning and nobody holds their objects to them. Source: KEP-2876.
 */
export interface RuleEngine {
  /** The expressions of a schema that a definition brings; `path` is where it stands. Called when nothing else is wrong with it. */
  check(schema: JsonSchema, path: FieldPath, errors: FieldErrors): void;
  /** An object that is of its schema. `old` is undefined for a new one; schemas are the same object only while it is parsed. */
  validate(object: unknown, old: unknown, schema: JsonSchema, errors: FieldErrors): void;
}
