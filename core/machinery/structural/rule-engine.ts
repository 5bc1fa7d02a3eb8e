import type { FieldErrors, FieldPath } from '../field-errors.js';
import type { JsonSchema } from './json-schema.js';
import { someSchema } from './json-schema.js';

/** Holds objects to the rules of their schema (`x-kubernetes-validations`). Source: KEP-2876. */
export interface RuleEngine {
  /** The expressions of a schema that a definition brings. */
  check(schema: JsonSchema, place: RuleCheckPlace, errors: FieldErrors): Promise<void>;
  /** Undefined where a schema has no rules. Keeps nothing of the schema as it was given. */
  prepare(schema: JsonSchema): Promise<ObjectRules | undefined>;
}

export interface RuleCheckPlace {
  /** Where the schema stands. */
  readonly path: FieldPath;
  /** Parts in which, or below which, something else is wrong: nothing is said of their rules. */
  readonly unsound: ReadonlySet<JsonSchema>;
  /** Whether single expressions may be too expensive. What a definition had before may stay. */
  readonly limitsEach: boolean;
}

/** The rules of one schema, ready for many objects. */
export interface ObjectRules {
  /** For an object that is of its schema; `old` is undefined for a new one. */
  validate(object: unknown, old: unknown, outcome: RuleOutcome): void;
}

export interface RuleOutcome {
  readonly errors: FieldErrors;
  /** Told what an update did not make wrong. */
  readonly warn: (text: string) => void;
}

export function hasRules(schema: JsonSchema | undefined): boolean {
  return someSchema(schema, part => (part['x-kubernetes-validations']?.length ?? 0) > 0);
}

/** By the CEL engine, which is loaded when the first rule is met: most clusters' definitions have some, but not all. */
export class CelRuleEngine implements RuleEngine {
  async check(schema: JsonSchema, place: RuleCheckPlace, errors: FieldErrors): Promise<void> {
    if (!hasRules(schema)) return;
    const { checkRules } = await import('./rules/check-rules.js');
    checkRules(schema, place, errors);
  }

  async prepare(schema: JsonSchema): Promise<ObjectRules | undefined> {
    if (!hasRules(schema)) return undefined;
    const { PreparedRules } = await import('./rules/prepared-rules.js');
    return new PreparedRules(schema);
  }
}
