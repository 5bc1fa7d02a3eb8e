/**
 * The schema of a version of a custom resource: JSONSchemaProps of apiextensions.k8s.io/v1, as its JSON stands in a
 * CustomResourceDefinition.
 */
export interface JsonSchema {
  readonly id?: string;
  readonly $schema?: string;
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: string;
  readonly format?: string;
  readonly title?: string;
  readonly default?: unknown;
  readonly maximum?: number;
  readonly exclusiveMaximum?: boolean;
  readonly minimum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly maxItems?: number;
  readonly minItems?: number;
  readonly uniqueItems?: boolean;
  readonly multipleOf?: number;
  readonly enum?: readonly unknown[];
  readonly maxProperties?: number;
  readonly minProperties?: number;
  readonly required?: readonly string[];
  /** A list of schemas is refused everywhere. */
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly dependencies?: Readonly<Record<string, JsonSchema | readonly string[]>>;
  readonly additionalItems?: JsonSchema | boolean;
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
  readonly externalDocs?: { readonly description?: string; readonly url?: string };
  readonly example?: unknown;
  readonly nullable?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-map-type'?: string;
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
}

/** A rule in CEL. Source: KEP-2876. */
export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

/** The schema of a declared property. */
export function propertyOf(schema: JsonSchema | undefined, name: string): JsonSchema | undefined {
  const { properties } = schema ?? {};
  return properties && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** The schema of a list's items. */
export function itemsOf(schema: JsonSchema | undefined): JsonSchema | undefined {
  const { items } = schema ?? {};
  return Array.isArray(items) ? undefined : (items as JsonSchema | undefined);
}

/** What is said of undeclared properties: a schema, whether there may be any, or nothing. */
export function additionalOf(schema: JsonSchema | undefined): JsonSchema | undefined {
  const additional = schema?.additionalProperties;
  return typeof additional === 'object' ? additional : undefined;
}

/** A default of null is none. */
export function hasDefault(schema: JsonSchema): boolean {
  return schema.default !== undefined && schema.default !== null;
}

/** Whether a part of the schema, wherever it stands, satisfies `predicate`. */
export function someSchema(schema: JsonSchema | undefined, predicate: (part: JsonSchema) => boolean): boolean {
  if (!schema) return false;
  if (predicate(schema)) return true;
  const some = (part: JsonSchema): boolean => someSchema(part, predicate);
  const single = [schema.items, schema.not, schema.additionalProperties, schema.additionalItems];
  for (const part of single) if (isSchema(part) && some(part)) return true;
  const lists = [Array.isArray(schema.items) ? (schema.items as JsonSchema[]) : [], schema.allOf, schema.anyOf, schema.oneOf];
  for (const list of lists) if (list?.some(some)) return true;
  const maps = [schema.properties, schema.patternProperties, schema.definitions, schema.dependencies];
  return maps.some(map => Object.values(map ?? {}).some(part => isSchema(part) && some(part)));
}

function isSchema(part: unknown): part is JsonSchema {
  return typeof part === 'object' && part !== null && !Array.isArray(part);
}
