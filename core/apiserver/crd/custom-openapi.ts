import type { JsonSchema } from '../../machinery/structural/json-schema.js';
import { additionalOf, itemsOf } from '../../machinery/structural/json-schema.js';
import { isJsonObject } from '../../machinery/object.js';
import type { CustomSchemas, OpenApiSchema, SchemaContext } from '../openapi/custom-schemas.js';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const conventions = 'https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md';

// `kubectl explain` of upstream's own tests looks for these words.
const objectMetadata = `Standard object's metadata. More info: ${conventions}#metadata`;
const listMetadata = `Standard list metadata. More info: ${conventions}#types-kinds`;

export interface CustomOpenApiOptions {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly schema: () => JsonSchema;
  readonly selectableFields: readonly string[];
}

/** How the documents of OpenAPI show one version. Source: apiextensions-apiserver pkg/controller/openapi. */
export function customOpenApi(options: CustomOpenApiOptions): CustomSchemas {
  const { group, version, kind, listKind } = options;
  const name = `${[...group.split('.')].reverse().join('.')}.${version}.`;
  const key = (of: string): OpenApiSchema => ({
    'x-kubernetes-group-version-kind': [{ group, kind: of, version }],
    ...(options.selectableFields.length
      ? { 'x-kubernetes-selectable-fields': options.selectableFields.map(path => ({ fieldPath: path.replace(/^\./, '') })) }
      : {}),
  });
  return {
    type: `${name}${kind}`,
    listType: `${name}${listKind}`,
    object: context => ({ ...objectSchema(options, context), ...key(kind) }),
    list: context => ({
      description: `${listKind} is a list of ${kind}`,
      type: 'object',
      required: ['items'],
      properties: {
        ...typeMembers(context),
        items: {
          description: `List of ${options.plural}. More info: ${conventions}`,
          type: 'array',
          items: context.reference(`${name}${kind}`),
        },
        metadata: context.member(`${meta}.ListMeta`, listMetadata),
      },
      ...key(listKind),
    }),
  };
}

function objectSchema(options: CustomOpenApiOptions, context: SchemaContext): OpenApiSchema {
  const schema = options.schema();
  if (context.form === 'v2' && schema['x-kubernetes-preserve-unknown-fields']) return { type: 'object' };
  const shown = shownSchema(schema, context);
  const properties = isJsonObject(shown['properties']) ? shown['properties'] : {};
  const metadata = context.member(`${meta}.ObjectMeta`, objectMetadata);
  return { ...shown, properties: { ...properties, ...typeMembers(context), metadata } };
}

function typeMembers(context: SchemaContext): Record<string, OpenApiSchema> {
  const member = (name: string): OpenApiSchema => {
    const description = context.describe('ConfigMap', name);
    return { ...(description ? { description } : {}), type: 'string' };
  };
  return { apiVersion: member('apiVersion'), kind: member('kind') };
}

function shownSchema(schema: JsonSchema, context: SchemaContext): OpenApiSchema {
  const shown = context.form === 'v2' ? flattened(schema) : expanded(schema);
  const items = itemsOf(shown);
  const additional = additionalOf(shown);
  const result: OpenApiSchema = { ...shown };
  if (items) result['items'] = shownSchema(items, context);
  if (additional) result['additionalProperties'] = shownSchema(additional, context);
  if (shown.properties) {
    const entries = Object.entries(shown.properties).map(([name, property]) => [name, shownSchema(property, context)] as const);
    result['properties'] = Object.fromEntries(entries);
  }
  const isOpaque = context.form === 'v2' && schema['x-kubernetes-preserve-unknown-fields'];
  return schema['x-kubernetes-embedded-resource'] && !isOpaque ? embedded(result, context) : result;
}

/** An object inside an object has what every object has. */
function embedded(schema: OpenApiSchema, context: SchemaContext): OpenApiSchema {
  const properties = isJsonObject(schema['properties']) ? schema['properties'] : {};
  const required = new Set((schema['required'] as readonly string[] | undefined) ?? []);
  const member = (name: string): OpenApiSchema => {
    const description = context.describe('ConfigMap', name);
    // As upstream: these descriptions begin in lower case.
    return { ...(description ? { description: `${description[0]!.toLowerCase()}${description.slice(1)}` } : {}), type: 'string' };
  };
  return {
    ...schema,
    required: [...required, ...['kind', 'apiVersion'].filter(name => !required.has(name))],
    properties: {
      ...properties,
      apiVersion: member('apiVersion'),
      kind: member('kind'),
      metadata: context.member(`${meta}.ObjectMeta`, objectMetadata),
    },
  };
}

const intOrString: readonly JsonSchema[] = [{ type: 'integer' }, { type: 'string' }];

/** v3 says what int-or-string means. */
function expanded(schema: JsonSchema): JsonSchema {
  if (!schema['x-kubernetes-int-or-string']) return schema;
  const { anyOf, allOf } = schema;
  if (!anyOf) return { ...schema, anyOf: intOrString };
  const isSaid = [anyOf, allOf?.[0]?.anyOf].some(
    parts => parts?.length === 2 && parts[0]!.type === 'integer' && parts[1]!.type === 'string',
  );
  return isSaid ? schema : { ...schema, allOf: [{ anyOf: intOrString }, ...(allOf ?? [])] };
}

/** What v2 can say, and kubectl can read: no combinations, nothing below what may be null or anything. */
function flattened(schema: JsonSchema): JsonSchema {
  const { allOf: _allOf, anyOf: _anyOf, oneOf: _oneOf, not: _not, default: _default, ...rest } = schema;
  let shown: JsonSchema = rest;
  if (schema.nullable) {
    const { type: _type, nullable: _nullable, items: _items, properties: _properties, ...untyped } = shown;
    shown = untyped;
  }
  const keeps = schema['x-kubernetes-preserve-unknown-fields'];
  if (keeps) {
    const { items: _items, properties: _properties, ...opaque } = shown;
    shown = opaque;
  }
  if ((shown.type === 'array' && !shown.items) || (keeps && shown.type === 'object')) {
    const { type: _type, ...untyped } = shown;
    shown = untyped;
  }
  if (!shown.required) return shown;
  const needed = shown.required.filter(name => !shown.properties?.[name]?.nullable);
  const { required: _required, ...without } = shown;
  return needed.length > 0 && !additionalOf(shown)?.nullable ? { ...without, required: needed } : without;
}
