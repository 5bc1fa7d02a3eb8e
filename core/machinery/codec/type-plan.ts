import type { FieldSchema, PrimitiveType, StructType, TypeNode, TypeSchema } from '../schema.js';

/**
 * A struct's type, flattened for the codecs: fields in Go's order with everything they ask on the way precomputed.
 * Plans are derived from immutable tables and kept as long as these.
 */
export interface StructPlan {
  readonly struct: StructType;
  /** `DeploymentSpec`, as error messages name it. */
  readonly goName: string;
  /** JSON fields in Go's order, inline members spread. */
  readonly fields: readonly FieldPlan[];
  readonly byName: ReadonlyMap<string, FieldPlan>;
  readonly jsonForm: TypeSchema['jsonForm'];
}

export interface FieldPlan {
  readonly name: string;
  readonly schema: FieldSchema;
  readonly type: TypeNode;
  readonly pointer: boolean;
  readonly omitEmpty: boolean;
  readonly omitZero: boolean;
  /** The struct that has the field, which may stand inline in the one that JSON sees it in. */
  readonly declaredIn: StructType;
  /** Go name of the struct that JSON sees the field in. */
  readonly owner: string;
  /** Go names of the inline members between the struct and this field, as error paths name them. */
  readonly inlinePath: readonly string[];
  /** What stands in JSON where the input has nothing. */
  readonly absent: AbsentForm;
}

/** Nothing at all, a constant, the zero of a struct, or null. */
export type AbsentForm =
  | { readonly kind: 'omit' }
  | { readonly kind: 'value'; readonly value: string | number | boolean | null }
  | { readonly kind: 'struct' };

const plans = new WeakMap<StructType, StructPlan>();

export function structPlan(struct: StructType): StructPlan {
  let plan = plans.get(struct);
  if (!plan) {
    plan = buildPlan(struct);
    plans.set(struct, plan);
  }
  return plan;
}

/** `PodSpec` of `io.k8s.api.core.v1.PodSpec`. */
function shortName(typeName: string): string {
  return typeName.slice(typeName.lastIndexOf('.') + 1);
}

function buildPlan(struct: StructType): StructPlan {
  const fields: FieldPlan[] = [];
  const seen = new Set<string>();
  collect(struct, { owner: shortName(struct.name), inlinePath: [] }, fields, seen);
  return {
    struct,
    goName: shortName(struct.name),
    fields,
    byName: new Map(fields.map(field => [field.name, field])),
    jsonForm: struct.schema.jsonForm,
  };
}

interface CollectContext {
  readonly owner: string;
  readonly inlinePath: readonly string[];
}

function collect(struct: StructType, context: CollectContext, fields: FieldPlan[], seen: Set<string>): void {
  for (const { schema, type } of struct.members) {
    if (schema.inline) {
      if (type.kind === 'struct') {
        const inlinePath = [...context.inlinePath, shortName(type.name)];
        collect(type.struct, { ...context, inlinePath }, fields, seen);
      }
      continue;
    }
    if (seen.has(schema.name)) continue;
    seen.add(schema.name);
    fields.push({
      name: schema.name,
      schema,
      type,
      pointer: schema.pointer === true,
      omitEmpty: schema.omitEmpty === true,
      omitZero: schema.omitZero === true,
      declaredIn: struct,
      ...context,
      absent: absentForm(schema, type),
    });
  }
}

const zeros: Readonly<Record<PrimitiveType, string | number | boolean | null>> = {
  string: '',
  bool: false,
  int32: 0,
  int64: 0,
  int: 0,
  uint8: 0,
  uint16: 0,
  uint32: 0,
  uint64: 0,
  float32: 0,
  float64: 0,
  bytes: null,
  time: null,
  microTime: null,
  duration: '0s',
  quantity: '0',
  intOrString: 0,
  fieldsV1: null,
  rawExtension: null,
  json: null,
};

/** Structs of Go, which `omitempty` never leaves out, though their JSON is one word. */
const structLike: ReadonlySet<string> = new Set([
  'time',
  'microTime',
  'duration',
  'quantity',
  'intOrString',
  'fieldsV1',
  'rawExtension',
  'json',
]);

/** The JSON zero of a type that is no pointer; undefined for a struct. */
export function zeroOf(type: TypeNode): string | number | boolean | null | undefined {
  if (type.kind === 'primitive') return zeros[type.primitive];
  return type.kind === 'struct' ? undefined : null;
}

/** Go's `omitempty`: false, 0, "", nil and what has no elements; never structs. */
export function isEmpty(value: unknown, type: TypeNode): boolean {
  switch (type.kind) {
    case 'struct':
      return false;
    case 'list':
      return value === null || (value as unknown[]).length === 0;
    case 'map':
      if (value !== null) for (const _key in value as object) return false;
      return true;
    case 'primitive':
      switch (type.primitive) {
        case 'time':
        case 'microTime':
        case 'duration':
        case 'quantity':
        case 'intOrString':
        case 'fieldsV1':
        case 'rawExtension':
        case 'json':
          return false;
        default:
          return value === '' || value === 0 || value === false || value === null;
      }
  }
}

function absentForm(schema: FieldSchema, type: TypeNode): AbsentForm {
  if (schema.omitZero) return { kind: 'omit' };
  if (schema.pointer) return schema.omitEmpty ? { kind: 'omit' } : { kind: 'value', value: null };
  if (type.kind === 'struct') return { kind: 'struct' };
  const isStruct = type.kind === 'primitive' && structLike.has(type.primitive);
  if (schema.omitEmpty && !isStruct) return { kind: 'omit' };
  return { kind: 'value', value: zeroOf(type) ?? null };
}

/** A type as Go's messages print it: `int32`, `[]v1.Container`, `map[string]string`. */
export function goTypeName(type: TypeNode): string {
  switch (type.kind) {
    case 'list':
      return `[]${goTypeName(type.element)}`;
    case 'map':
      return `map[string]${goTypeName(type.element)}`;
    case 'struct': {
      const parts = type.name.split('.');
      return parts.slice(-2).join('.');
    }
    case 'primitive':
      return goPrimitives[type.primitive] ?? type.primitive;
  }
}

/** The same of a value in a field, which may have a name of its own in Go or lie in a list or map that has one. */
export function goTypeNameIn(field: FieldPlan | undefined, type: TypeNode): string {
  let text = field?.declaredIn.goTypes?.[field.schema.name];
  for (let node = field?.type; node && text; node = node.kind === 'list' || node.kind === 'map' ? node.element : undefined) {
    if (node === type || (node.kind === 'struct' && type.kind === 'struct')) return text.split('=')[0]!;
    text = elementName(text);
  }
  return goTypeName(type);
}

/** `string` of `[]string`, `map[string]string` and `v1.Verbs=[]string`. */
function elementName(text: string): string {
  const element = /^(?:\[\]|map\[[^\]]*\])(.*)$/.exec(text)?.[1];
  if (element !== undefined) return element;
  const at = text.indexOf('=');
  return at < 0 ? '' : elementName(text.slice(at + 1));
}

const goPrimitives: Partial<Record<PrimitiveType, string>> = {
  bytes: '[]uint8',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  duration: 'v1.Duration',
  quantity: 'resource.Quantity',
  intOrString: 'intstr.IntOrString',
  fieldsV1: 'v1.FieldsV1',
  rawExtension: 'runtime.RawExtension',
  json: 'interface {}',
};
