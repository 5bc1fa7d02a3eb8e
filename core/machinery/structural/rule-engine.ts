import type { FieldErrors } from '../field-errors.js';
import type { JsonSchema } from './json-schema.js';

/**
 * Holds objects to the rules of their schema (`x-kubernetes-validations`). There is none in this tree yet: definitions with rules are
 * accepted with a warning and their rules are not evaluated. Source: KEP-2876.
 */
export interface RuleEngine {
  /** Called once the schema itself has found nothing. `old` is the object before an update. */
  validate(object: unknown, old: unknown, schema: JsonSchema, errors: FieldErrors): void;
}
