import { bindValue } from '../../cel/bind-value.js';
import type { CelSchema, SchemaType } from '../../cel/schema-type.js';
import { schemaTypeOf, withObjectMeta } from '../../cel/schema-type.js';
import type { JsonSchema, ValidationRule } from '../json-schema.js';
import { additionalOf, itemsOf } from '../json-schema.js';
import { hasRules } from '../rule-engine.js';
import type { ObjectRules, RuleOutcome } from '../rule-engine.js';
import type { CelValue } from '../../cel/values.js';
import type { CompiledRule } from './compiled-rule.js';
import { compileRules } from './compiled-rule.js';
import { RuleRun } from './rule-run.js';

/** What rules and their comparisons read of a schema. */
const kept: ReadonlySet<string> = new Set([
  'type',
  'format',
  'default',
  'enum',
  'maxLength',
  'maxItems',
  'maxProperties',
  'required',
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-list-type',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
] satisfies (keyof JsonSchema)[]);

/** A copy with nothing in it that only people read: it is kept for as long as a definition is. */
function slim(schema: JsonSchema): JsonSchema {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(schema)) if (kept.has(name)) copy[name] = value;
  if (schema.properties) {
    const properties = Object.entries(schema.properties).map(([name, property]) => [name, slim(property)] as const);
    copy['properties'] = Object.fromEntries(properties);
  }
  const additional = additionalOf(schema);
  if (additional) copy['additionalProperties'] = slim(additional);
  else if (schema.additionalProperties !== undefined) copy['additionalProperties'] = schema.additionalProperties;
  const items = itemsOf(schema);
  if (items) copy['items'] = slim(items);
  return copy;
}

/** The rules of one schema; each part's are compiled when the first value of that part comes. */
export class PreparedRules implements ObjectRules {
  readonly #root: RulePart;

  constructor(schema: JsonSchema) {
    this.#root = new RulePart(slim(schema), { isResource: true });
  }

  validate(object: unknown, old: unknown, outcome: RuleOutcome): void {
    new RuleRun(outcome).object(object, old, this.#root);
  }
}

/** A part of a schema that has rules, or has parts that have. */
export class RulePart {
  readonly schema: JsonSchema;
  readonly rules: readonly ValidationRule[];
  readonly items: RulePart | undefined;
  readonly additional: RulePart | undefined;
  readonly properties: ReadonlyMap<string, RulePart>;
  /** The schema of the values as rules see them. */
  readonly #celSchema: CelSchema;
  readonly #isResource: boolean;
  #compiled: readonly CompiledRule[] | undefined;

  constructor(schema: JsonSchema, { isResource }: { isResource: boolean }) {
    this.schema = schema;
    this.rules = schema['x-kubernetes-validations'] ?? [];
    this.#isResource = isResource;
    this.#celSchema = isResource ? withObjectMeta(schema as CelSchema) : (schema as CelSchema);
    this.items = partOf(itemsOf(schema));
    this.additional = partOf(additionalOf(schema));
    const properties = Object.entries(schema.properties ?? {});
    this.properties = new Map(
      properties.flatMap(([name, property]) => {
        const part = partOf(property);
        return part ? [[name, part]] : [];
      }),
    );
  }

  get type(): string {
    return this.schema.type ?? '';
  }

  /** Undefined where expressions can do nothing with such values: a definition that has rules there is refused. */
  compiled(): readonly CompiledRule[] | undefined {
    if (this.#compiled) return this.#compiled;
    const type = this.#celType();
    return type && (this.#compiled = compileRules(this.rules, this.schema, type));
  }

  #celType(): SchemaType | undefined {
    return schemaTypeOf(this.schema as CelSchema, { name: 'selfType', isResource: this.#isResource });
  }

  bind(value: unknown): CelValue {
    return bindValue(value, this.#celSchema);
  }
}

function partOf(schema: JsonSchema | undefined): RulePart | undefined {
  if (!schema || !hasRules(schema)) return undefined;
  return new RulePart(schema, { isResource: schema['x-kubernetes-embedded-resource'] === true });
}
