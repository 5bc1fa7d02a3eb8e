import type { FieldSchema, PrimitiveType, StructType, TypeNode } from '../../schema.js';

/**
 * How server-side apply sees a type: which shapes a value may have and how each merges. Types from schema data, structural
 * schemas of custom resources and schemaless objects (`deducedMergeType`) all come down to this view.
 * Source: structured-merge-diff schema; kube-openapi schemaconv.
 */
export interface MergeType {
  readonly scalar?: ScalarKind | undefined;
  readonly list?: ListMergeType | undefined;
  readonly map?: MapMergeType | undefined;
}

export type ScalarKind = 'numeric' | 'string' | 'boolean' | 'untyped';

export interface ListMergeType {
  readonly atomic: boolean;
  /** The members that tell items apart; none for a set of scalars. */
  readonly keys: readonly string[];
  readonly element: MergeType;
}

export interface MapMergeType {
  readonly atomic: boolean;
  /** A declared member; undefined for the keys of plain maps. */
  field(name: string): MergeField | undefined;
  /** The type of members that are not declared; undefined where there must be none. */
  readonly element?: MergeType | undefined;
  /** Declared members that an object has even where its JSON leaves them out. */
  readonly alwaysPresent: readonly MergeField[];
}

export interface MergeField {
  readonly name: string;
  readonly type: MergeType;
  readonly default?: unknown;
  /** What an absent member stands for in an object of the type; undefined when absent means absent. */
  readonly absent?: unknown;
  /** Whether null is no value of its own but the same as absent. */
  readonly nullIsAbsent?: boolean | undefined;
  /** Whether an empty or zero value is the same as none at all (Go's omitempty). */
  readonly omitEmpty?: boolean | undefined;
}

/** The value of a member of a whole object (not of an applied configuration) as Go would have it; undefined for none. */
export function presentValue(field: MergeField | undefined, value: unknown): unknown {
  if (!field) return value;
  if (value === undefined || (value === null && field.nullIsAbsent)) return field.absent;
  return field.omitEmpty && isZero(value) ? undefined : value;
}

function isZero(value: unknown): boolean {
  if (typeof value !== 'object') return value === '' || value === 0 || value === false;
  if (value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
}

const noFields: readonly MergeField[] = [];

function mapOf(element: () => MergeType, atomic: boolean): MapMergeType {
  return {
    atomic,
    field: () => undefined,
    get element() {
      return element();
    },
    alwaysPresent: noFields,
  };
}

/** Anything, owned as a whole. */
export const atomicMergeType: MergeType = {
  scalar: 'untyped',
  list: {
    atomic: true,
    keys: [],
    get element() {
      return atomicMergeType;
    },
  },
  map: mapOf(() => atomicMergeType, true),
};

/** For objects without a schema: objects merge member by member, lists are atomic. */
export const deducedMergeType: MergeType = {
  scalar: 'untyped',
  list: { atomic: true, keys: [], element: atomicMergeType },
  map: mapOf(() => deducedMergeType, false),
};

const structTypes = new WeakMap<StructType, MergeType>();

/** The view of a type from schema data. Made once for each type. */
export function mergeTypeOf(struct: StructType): MergeType {
  let type = structTypes.get(struct);
  if (!type && struct.schema.jsonForm) {
    // A choice between shapes, which upstream's schema leaves open.
    type = deducedMergeType;
    structTypes.set(struct, type);
  }
  if (!type) {
    type = { map: structMap(struct, isAtomic(struct.schema)) };
    structTypes.set(struct, type);
  }
  return type;
}

function isAtomic(rule: { readonly structType?: string; readonly mapType?: string }): boolean | undefined {
  const word = rule.structType ?? rule.mapType;
  return word === undefined ? undefined : word === 'atomic';
}

function structMap(struct: StructType, atomic: boolean | undefined): MapMergeType {
  const fields = new Map<string, MergeField | undefined>();
  const field = (name: string): MergeField | undefined => {
    if (fields.has(name)) return fields.get(name);
    const known = struct.jsonFields.get(name);
    const made = known ? mergeField(known.schema, known.type) : undefined;
    if (made || fields.size < 1000) fields.set(name, made);
    return made;
  };
  let alwaysPresent: readonly MergeField[] | undefined;
  return {
    atomic: atomic ?? false,
    field,
    get element() {
      return struct.schema.preserveUnknownFields || struct.jsonFields.size === 0 ? deducedMergeType : undefined;
    },
    get alwaysPresent() {
      alwaysPresent ??= [...struct.jsonFields.keys()].map(name => field(name)!).filter(each => each.absent !== undefined);
      return alwaysPresent;
    },
  };
}

function mergeField(schema: FieldSchema, node: TypeNode): MergeField {
  const type = fieldType(schema, node);
  const absent = absentValue(schema, node);
  return {
    name: schema.name,
    type,
    default: schema.default ?? (schema.zeroDefault ? zeroOf(node) : undefined),
    absent,
    nullIsAbsent: !isOptionalTime(schema, node),
    omitEmpty: absent === undefined && schema.omitEmpty === true && !schema.pointer,
  };
}

/** A pointer to the zero time, which JSON shows as null, is not the same as no pointer, which it does not show. */
function isOptionalTime(schema: FieldSchema, node: TypeNode): boolean {
  return schema.pointer === true && node.kind === 'primitive' && (node.primitive === 'time' || node.primitive === 'microTime');
}

function fieldType(schema: FieldSchema, node: TypeNode): MergeType {
  if (node.kind === 'list') {
    const { atomic, keys } = listRule(schema);
    return { list: listOf(node.element, atomic, keys) };
  }
  if (node.kind === 'map') return { map: mapOf(lazily(node.element), isAtomic(schema) ?? false) };
  if (node.kind === 'struct') {
    const atomic = isAtomic(schema);
    const own = mergeTypeOf(node.struct);
    return atomic === undefined || atomic === own.map!.atomic ? own : { map: structMap(node.struct, atomic) };
  }
  return primitiveType(node.primitive);
}

function listRule(schema: FieldSchema): { atomic: boolean; keys: readonly string[] } {
  if (schema.listType) return { atomic: schema.listType === 'atomic', keys: schema.listMapKeys ?? [] };
  const merges = schema.patchStrategy?.split(',').includes('merge') ?? false;
  return { atomic: !merges, keys: merges && schema.patchMergeKey ? [schema.patchMergeKey] : [] };
}

function listOf(element: TypeNode, atomic: boolean, keys: readonly string[]): ListMergeType {
  const elementType = lazily(element);
  return {
    atomic,
    keys,
    get element() {
      return elementType();
    },
  };
}

function lazily(node: TypeNode): () => MergeType {
  let type: MergeType | undefined;
  return () => (type ??= nodeType(node));
}

function nodeType(node: TypeNode): MergeType {
  switch (node.kind) {
    case 'primitive':
      return primitiveType(node.primitive);
    case 'struct':
      return mergeTypeOf(node.struct);
    case 'list':
      return { list: listOf(node.element, true, []) };
    case 'map':
      return { map: mapOf(lazily(node.element), false) };
  }
}

const numeric: MergeType = { scalar: 'numeric' };
const text: MergeType = { scalar: 'string' };
const truth: MergeType = { scalar: 'boolean' };
const untyped: MergeType = { scalar: 'untyped' };
const freeForm: MergeType = { map: mapOf(() => deducedMergeType, false) };

function primitiveType(primitive: PrimitiveType): MergeType {
  switch (primitive) {
    case 'string':
    case 'bytes':
    case 'duration':
      return text;
    case 'bool':
      return truth;
    case 'time':
    case 'microTime':
    case 'quantity':
    case 'intOrString':
      return untyped;
    case 'rawExtension':
      return atomicMergeType;
    case 'json':
      return deducedMergeType;
    case 'fieldsV1':
      return freeForm;
    default:
      return numeric;
  }
}

/** What Go's JSON writes for a field that was never set; undefined when it writes nothing. */
function absentValue(schema: FieldSchema, node: TypeNode): unknown {
  if (schema.omitZero) return undefined;
  if (schema.pointer) return schema.omitEmpty ? undefined : null;
  if (node.kind === 'struct') return zeroOf(node);
  if (node.kind === 'primitive') {
    switch (node.primitive) {
      case 'time':
      case 'microTime':
      case 'rawExtension':
      case 'json':
        return null;
      case 'duration':
        return '0s';
      case 'quantity':
        return '0';
      case 'intOrString':
        return 0;
    }
  }
  return schema.omitEmpty ? undefined : zeroOf(node);
}

const emptyObject = Object.freeze({});

function zeroOf(node: TypeNode): unknown {
  if (node.kind === 'struct') return emptyObject;
  if (node.kind !== 'primitive') return null;
  const { scalar } = primitiveType(node.primitive);
  if (node.primitive === 'bytes') return null;
  if (scalar === 'string') return '';
  if (scalar === 'boolean') return false;
  return scalar === 'numeric' ? 0 : null;
}

export type Shape = 'map' | 'scalar' | 'list';

/** Which of the type's shapes a value has; for null, nothing and what fits nowhere the first of map, scalar and list. */
export function shapeOf(type: MergeType, value: unknown): Shape {
  if (typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) {
      if (type.list) return 'list';
    } else if (type.map) return 'map';
  } else if (value !== undefined && value !== null && type.scalar) {
    return 'scalar';
  }
  if (type.map) return 'map';
  return type.scalar ? 'scalar' : 'list';
}

/** The type of the member `name` of a value of the type. */
export function memberType(map: MapMergeType, name: string): MergeType {
  return map.field(name)?.type ?? map.element ?? atomicMergeType;
}
