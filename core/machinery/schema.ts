/**
 * Types of API objects as data. The tables under `core/api/generated` are printed by `scripts/schema` and loaded here;
 * custom resources bring theirs as structural schemas later. Everything that needs to know a type (decoding, protobuf,
 * patches, server-side apply, OpenAPI) reads this one form.
 */
export interface FieldSchema {
  /** JSON name; for `inline` entries the Go name of the embedded struct. */
  readonly name: string;
  /** Type expression: a primitive, a type's name, `[]X` or `map[string]X`. */
  readonly type: string;
  /** Protobuf field number; absent for what has none on the wire (TypeMeta). */
  readonly number?: number;
  /** Wire kind word of the protobuf tag, only where the type does not imply it. */
  readonly proto?: string;
  /** Name of the gogo message that wraps a named list or map on the wire (`repeated items = 1`). */
  readonly protoWrapper?: string;
  /** The same for the values of a map. */
  readonly protoValueWrapper?: string;
  readonly pointer?: boolean;
  readonly omitEmpty?: boolean;
  readonly omitZero?: boolean;
  /** The fields of the named type stand beside this type's own in JSON, and (with a number) in a message of their own in protobuf. */
  readonly inline?: boolean;
  readonly required?: boolean;
  readonly default?: unknown;
  /** OpenAPI shows the type's zero as default. */
  readonly zeroDefault?: boolean;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly patchStrategy?: string;
  readonly patchMergeKey?: string;
  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
  readonly mapType?: 'atomic' | 'granular';
  readonly structType?: 'atomic' | 'granular';
}

export interface TypeSchema {
  readonly fields: readonly FieldSchema[];
  readonly structType?: 'atomic' | 'granular';
  readonly mapType?: 'atomic' | 'granular';
  readonly preserveUnknownFields?: boolean;
  /** The JSON is a choice between two shapes (JSONSchemaPropsOrBool and the like). */
  readonly jsonForm?: 'schemaOrBool' | 'schemaOrArray' | 'schemaOrStringArray';
}

export const primitiveTypes = [
  'string',
  'bool',
  'int32',
  'int64',
  'int',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'float32',
  'float64',
  'bytes',
  'time',
  'microTime',
  'duration',
  'quantity',
  'intOrString',
  'fieldsV1',
  'rawExtension',
  'json',
] as const;
export type PrimitiveType = (typeof primitiveTypes)[number];

/** A type expression, parsed. `struct` is resolved through the set of types that it came from. */
export type TypeNode =
  | { readonly kind: 'primitive'; readonly primitive: PrimitiveType }
  | { readonly kind: 'struct'; readonly name: string; readonly struct: StructType }
  | { readonly kind: 'list'; readonly element: TypeNode }
  | { readonly kind: 'map'; readonly element: TypeNode };

/** A struct type with its inline members spread into `jsonFields`. Created on first use. */
export interface StructType {
  readonly name: string;
  readonly schema: TypeSchema;
  /** What JSON sees: own fields and those of inline members, by JSON name, in Go's order. */
  readonly jsonFields: ReadonlyMap<string, StructField>;
  /** What protobuf sees: own fields and inline members with a number. */
  readonly wireFields: readonly StructField[];
  /** Own entries as they stand in the schema, inline members unspread. */
  readonly members: readonly StructField[];
  /** What Go calls the types of fields where the schema does not tell; only messages ask. */
  readonly goTypes?: Readonly<Record<string, string>> | undefined;
}

export interface StructField {
  readonly schema: FieldSchema;
  readonly type: TypeNode;
}

export interface KindEntry {
  readonly version: string;
  readonly kind: string;
  readonly type: string;
  readonly listKind?: string;
}

/** The types of the groups that were added to it. Names are OpenAPI definition names (`io.k8s.api.core.v1.Pod`). */
export class TypeSet {
  readonly #schemas = new Map<string, TypeSchema>();
  readonly #structs = new Map<string, StructType>();
  readonly #nodes = new Map<string, TypeNode>();
  readonly #kinds = new Map<string, string>();
  readonly #loadMissing: ((typeName: string) => boolean) | undefined;

  readonly #goTypes: ((typeName: string) => Readonly<Record<string, string>> | undefined) | undefined;

  /**
   * `loadMissing` may add the group that holds a type not known yet, and says whether it did. `goTypes` names the types of a
   * struct's fields for messages.
   */
  constructor(
    loadMissing?: (typeName: string) => boolean,
    goTypes?: (typeName: string) => Readonly<Record<string, string>> | undefined,
  ) {
    this.#loadMissing = loadMissing;
    this.#goTypes = goTypes;
  }

  add(group: string, types: Readonly<Record<string, TypeSchema>>, kinds: readonly KindEntry[] = []): void {
    for (const [name, schema] of Object.entries(types)) if (!this.#schemas.has(name)) this.#schemas.set(name, schema);
    for (const entry of kinds) this.#kinds.set(`${group}/${entry.version}/${entry.kind}`, entry.type);
  }

  has(name: string): boolean {
    return this.#schemas.has(name);
  }

  names(): Iterable<string> {
    return this.#schemas.keys();
  }

  /** The struct type of a kind, undefined when the kind is not known. */
  kind(group: string, version: string, kind: string): StructType | undefined {
    const name = this.#kinds.get(`${group}/${version}/${kind}`);
    return name === undefined ? undefined : this.struct(name);
  }

  /** The kinds that a type is the type of. */
  kindsOf(typeName: string): { group: string; version: string; kind: string }[] {
    const kinds: { group: string; version: string; kind: string }[] = [];
    for (const [key, name] of this.#kinds) {
      if (name !== typeName) continue;
      const [group = '', version = '', kind = ''] = key.split('/');
      // What all groups share is kept under a name of ours.
      if (group !== 'meta') kinds.push({ group, version, kind });
    }
    return kinds;
  }

  /** Throws on an unknown name: the tables are ours and complete. */
  struct(name: string): StructType {
    const known = this.#structs.get(name);
    if (known) return known;
    let schema = this.#schemas.get(name);
    if (!schema && this.#loadMissing?.(name)) schema = this.#schemas.get(name);
    if (!schema) throw new Error(`type ${name} is not in the loaded schema data`);
    // Types are recursive (JSONSchemaProps), so fields are resolved when first asked for.
    const build = (): { jsonFields: Map<string, StructField>; wireFields: StructField[]; members: StructField[] } => {
      const jsonFields = new Map<string, StructField>();
      const wireFields: StructField[] = [];
      const members: StructField[] = [];
      for (const field of schema.fields) {
        const type = this.node(field.type);
        members.push({ schema: field, type });
        if (field.number !== undefined) wireFields.push({ schema: field, type });
        if (!field.inline) jsonFields.set(field.name, { schema: field, type });
        else if (type.kind === 'struct') for (const [key, inner] of type.struct.jsonFields) jsonFields.set(key, inner);
      }
      return { jsonFields, wireFields, members };
    };
    let built: ReturnType<typeof build> | undefined;
    const goTypes = this.#goTypes;
    const struct: StructType = {
      name,
      schema,
      get goTypes() {
        return goTypes?.(name);
      },
      get jsonFields() {
        return (built ??= build()).jsonFields;
      },
      get wireFields() {
        return (built ??= build()).wireFields;
      },
      get members() {
        return (built ??= build()).members;
      },
    };
    this.#structs.set(name, struct);
    return struct;
  }

  /** The parsed form of a type expression. */
  node(expression: string): TypeNode {
    let node = this.#nodes.get(expression);
    if (!node) {
      node = this.#parse(expression);
      this.#nodes.set(expression, node);
    }
    return node;
  }

  #parse(expression: string): TypeNode {
    if (expression.startsWith('[]')) return { kind: 'list', element: this.node(expression.slice(2)) };
    if (expression.startsWith('map[string]')) return { kind: 'map', element: this.node(expression.slice(11)) };
    if ((primitiveTypes as readonly string[]).includes(expression)) {
      return { kind: 'primitive', primitive: expression as PrimitiveType };
    }
    const types = this;
    let resolved: StructType | undefined;
    return {
      kind: 'struct',
      name: expression,
      get struct() {
        return (resolved ??= types.struct(expression));
      },
    };
  }
}
