import type { CustomSchemas, OpenApiSchema, SchemaContext } from './custom-schemas.js';
import type { FieldSchema, PrimitiveType, StructField, StructType, TypeNode, TypeSet } from '../../machinery/schema.js';

/** Descriptions of one type and its fields, brought in at build time. */
export interface TypeDescription {
  readonly description?: string;
  readonly fields?: Readonly<Record<string, string>>;
}

export type DescriptionLookup = (typeName: string) => TypeDescription | undefined;
export type { OpenApiSchema };

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Primitive types that upstream's documents name: references keep `kubectl explain` saying `<Quantity>`. */
const namedPrimitives: Partial<Record<PrimitiveType, { name: string; schema: OpenApiSchema }>> = {
  time: { name: `${meta}.Time`, schema: { type: 'string', format: 'date-time' } },
  microTime: { name: `${meta}.MicroTime`, schema: { type: 'string', format: 'date-time' } },
  duration: { name: `${meta}.Duration`, schema: { type: 'string' } },
  fieldsV1: { name: `${meta}.FieldsV1`, schema: { type: 'object' } },
  quantity: {
    name: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
    schema: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  },
  intOrString: {
    name: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
    schema: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  },
  rawExtension: { name: 'io.k8s.apimachinery.pkg.runtime.RawExtension', schema: { type: 'object' } },
  json: { name: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON', schema: {} },
};

const plainPrimitives: Partial<Record<PrimitiveType, OpenApiSchema>> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  int: { type: 'integer', format: 'int32' },
  uint8: { type: 'integer', format: 'byte' },
  uint16: { type: 'integer', format: 'int32' },
  uint32: { type: 'integer', format: 'int64' },
  uint64: { type: 'integer', format: 'int64' },
  float32: { type: 'number', format: 'float' },
  float64: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
};

/** Types of which only one of some fields is to be set. Source: the `+union` marks of k8s.io/api. */
const unions: Readonly<Record<string, object>> = {
  'io.k8s.api.core.v1.AppArmorProfile': {
    discriminator: 'type',
    'fields-to-discriminateBy': { localhostProfile: 'LocalhostProfile' },
  },
  'io.k8s.api.core.v1.PodSchedulingGroup': { 'fields-to-discriminateBy': { podGroupName: 'PodGroupName' } },
  'io.k8s.api.core.v1.SeccompProfile': {
    discriminator: 'type',
    'fields-to-discriminateBy': { localhostProfile: 'LocalhostProfile' },
  },
  'io.k8s.api.flowcontrol.v1.LimitResponse': { discriminator: 'type', 'fields-to-discriminateBy': { queuing: 'Queuing' } },
  'io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec': {
    discriminator: 'type',
    'fields-to-discriminateBy': { exempt: 'Exempt', limited: 'Limited' },
  },
  'io.k8s.api.flowcontrol.v1.Subject': {
    discriminator: 'kind',
    'fields-to-discriminateBy': { group: 'Group', serviceAccount: 'ServiceAccount', user: 'User' },
  },
};

/** Builds schemas and remembers which types they refer to, so that a document holds just what it needs. */
export class SchemaBuilder {
  readonly #types: TypeSet;
  readonly #describe: DescriptionLookup;
  readonly #prefix: string;
  /** v3 has `allOf` around references with siblings, and defaults. */
  readonly #v3: boolean;
  readonly #done = new Map<string, OpenApiSchema>();
  readonly #pending: string[] = [];
  readonly #custom = new Map<string, (context: SchemaContext) => OpenApiSchema>();

  /** `custom` are types that are not in the tables. */
  constructor(types: TypeSet, describe: DescriptionLookup, form: 'v2' | 'v3', custom: readonly CustomSchemas[] = []) {
    for (const schemas of custom) {
      this.#custom.set(schemas.type, context => schemas.object(context));
      this.#custom.set(schemas.listType, context => schemas.list(context));
    }
    this.#types = types;
    this.#describe = describe;
    this.#prefix = form === 'v3' ? '#/components/schemas/' : '#/definitions/';
    this.#v3 = form === 'v3';
  }

  reference(typeName: string): OpenApiSchema {
    if (!this.#done.has(typeName)) {
      this.#done.set(typeName, {});
      this.#pending.push(typeName);
    }
    return { $ref: `${this.#prefix}${typeName}` };
  }

  /** Every schema that was referred to, with `extensions` of kinds put in. */
  finish(kindsOf: (typeName: string) => readonly object[]): Record<string, OpenApiSchema> {
    for (let name = this.#pending.pop(); name !== undefined; name = this.#pending.pop()) {
      const schema = this.#named(name) ?? this.#custom.get(name)?.(this.#context) ?? this.#struct(this.#types.struct(name));
      const kinds = kindsOf(name);
      if (kinds.length) schema['x-kubernetes-group-version-kind'] = kinds;
      this.#done.set(name, schema);
    }
    return Object.fromEntries([...this.#done].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  get #context(): SchemaContext {
    return {
      form: this.#v3 ? 'v3' : 'v2',
      reference: name => this.reference(name),
      member: (name, description) => {
        const reference = this.reference(name);
        const extra = description ? { description } : {};
        return this.#v3 ? { allOf: [reference], ...extra } : { ...reference, ...extra };
      },
      describe: (kind, field) => this.#describe(`io.k8s.api.core.v1.${kind}`)?.fields?.[field],
    };
  }

  #named(name: string): OpenApiSchema | undefined {
    if (name === `${meta}.Patch`) {
      const description = this.#describe(name)?.description ?? 'A change to an object, as its media type says.';
      return { description, type: 'object' };
    }
    for (const entry of Object.values(namedPrimitives)) {
      if (entry.name !== name) continue;
      const description = this.#describe(name)?.description;
      const schema = this.#v3 ? entry.schema : flatUnion(entry.schema);
      return { ...(description ? { description } : {}), ...schema };
    }
    return undefined;
  }

  #struct(struct: StructType): OpenApiSchema {
    const described = this.#describe(struct.name);
    // A choice between two shapes, of which OpenAPI says nothing.
    if (struct.schema.jsonForm) return described?.description ? { description: described.description } : {};
    const properties: Record<string, OpenApiSchema> = {};
    const required: string[] = [];
    for (const [name, field] of struct.jsonFields) {
      properties[name] = this.#field(field, described?.fields?.[name]);
      if (field.schema.required) required.push(name);
    }
    return {
      ...(described?.description ? { description: described.description } : {}),
      type: 'object',
      ...(Object.keys(properties).length ? { properties } : {}),
      ...(required.length ? { required: required.sort() } : {}),
      ...(struct.schema.structType === 'atomic' || struct.schema.mapType === 'atomic'
        ? { 'x-kubernetes-map-type': 'atomic' }
        : {}),
      ...(unions[struct.name] ? { 'x-kubernetes-unions': [unions[struct.name]] } : {}),
    };
  }

  #field({ schema, type }: StructField, description: string | undefined): OpenApiSchema {
    const built = this.#type(type, schema);
    const extra: OpenApiSchema = {
      ...(description ? { description } : {}),
      ...this.#default(schema, type),
      ...(schema.patchStrategy ? { 'x-kubernetes-patch-strategy': schema.patchStrategy } : {}),
      ...(schema.patchMergeKey ? { 'x-kubernetes-patch-merge-key': schema.patchMergeKey } : {}),
      ...(schema.listType ? { 'x-kubernetes-list-type': schema.listType } : {}),
      ...(schema.listMapKeys ? { 'x-kubernetes-list-map-keys': schema.listMapKeys } : {}),
      ...(schema.mapType || schema.structType ? { 'x-kubernetes-map-type': schema.mapType ?? schema.structType } : {}),
    };
    if (!('$ref' in built)) return { ...built, ...extra };
    if (Object.keys(extra).length === 0) return built;
    return this.#v3 ? { allOf: [built], ...extra } : { ...built, ...extra };
  }

  #default(schema: Partial<FieldSchema>, type: TypeNode): OpenApiSchema {
    if (!this.#v3) return {};
    if (schema.default !== undefined) return { default: schema.default };
    return schema.zeroDefault ? zeroOf(type) : {};
  }

  /** Of a list or map: never absent, so that it has a zero to default to. */
  #element(type: TypeNode, { enum: choices }: Partial<FieldSchema>): OpenApiSchema {
    const built = this.#type(type, { enum: choices });
    const zero = this.#v3 ? zeroOf(type) : {};
    if (!('default' in zero)) return built;
    return '$ref' in built ? { allOf: [built], ...zero } : { ...built, ...zero };
  }

  #type(type: TypeNode, schema: Partial<FieldSchema>): OpenApiSchema {
    switch (type.kind) {
      case 'struct':
        return this.reference(type.name);
      case 'list':
        return { type: 'array', items: this.#element(type.element, schema) };
      case 'map':
        return { type: 'object', additionalProperties: this.#element(type.element, schema) };
      case 'primitive': {
        const named = namedPrimitives[type.primitive];
        if (named) return this.reference(named.name);
        return {
          ...plainPrimitives[type.primitive],
          ...(schema.format ? { format: schema.format } : {}),
          ...(schema.enum ? { enum: schema.enum } : {}),
        };
      }
    }
  }
}

/** v2 cannot say `oneOf`; upstream says string there. */
function flatUnion(schema: OpenApiSchema): OpenApiSchema {
  if (!('oneOf' in schema)) return schema;
  const { oneOf: _oneOf, ...rest } = schema;
  return { type: 'string', ...rest };
}

/** Go's zero of what is neither a pointer, a list, a map nor a type that marshals itself. */
function zeroOf(type: TypeNode): { default?: unknown } {
  if (type.kind === 'struct') return type.struct.schema.jsonForm ? {} : { default: {} };
  if (type.kind !== 'primitive') return {};
  const kind = plainPrimitives[type.primitive]?.['type'];
  if (type.primitive === 'bytes') return {};
  if (kind === 'string') return { default: '' };
  if (kind === 'boolean') return { default: false };
  return kind === undefined ? {} : { default: 0 };
}
