import type { PrimitiveType, StructType, TypeNode, TypeSchema } from '../schema.js';

/**
 * A struct as it stands on the wire: fields by number, with tags and presence rules precomputed.
 * Source: the tables' notes on wire forms; gogo's rules for proto2 messages made from Go structs.
 */
export interface WirePlan {
  readonly name: string;
  readonly jsonForm: TypeSchema['jsonForm'];
  /** Ascending by number. */
  readonly fields: readonly WireField[];
  readonly byNumber: readonly (WireField | undefined)[];
}

export type WireKind = 'single' | 'list' | 'map' | 'inline';

export interface WireField {
  readonly name: string;
  readonly number: number;
  /** Number and wire type. */
  readonly tag: number;
  readonly kind: WireKind;
  readonly pointer: boolean;
  /** Where a nil pointer is left out of JSON, a null there is a time that is zero. */
  readonly nullIsZero: boolean;
  /** The list or map stands in a message of its own, as field 1. */
  readonly wrapped: boolean;
  readonly value: WireValue;
  /** Of a map's entries. */
  readonly valueTag: number;
}

/** What one value is: of the field, of the list's elements or of the map's values. */
export interface WireValue {
  readonly wireType: number;
  readonly primitive: PrimitiveType | undefined;
  readonly plan: WirePlan | undefined;
  /** A map's value that is a list in a message of its own. */
  readonly wrappedList: WireValue | undefined;
}

export const varintType = 0;
export const fixed64Type = 1;
export const bytesType = 2;
export const fixed32Type = 5;

const plans = new WeakMap<StructType, WirePlan>();

export function wirePlan(struct: StructType): WirePlan {
  let plan = plans.get(struct);
  if (!plan) {
    plan = build(struct);
    plans.set(struct, plan);
  }
  return plan;
}

function build(struct: StructType): WirePlan {
  const fields = struct.wireFields
    .map(({ schema, type }): WireField => {
      const kind: WireKind = schema.inline ? 'inline' : type.kind === 'list' ? 'list' : type.kind === 'map' ? 'map' : 'single';
      const value = wireValue(type.kind === 'list' || type.kind === 'map' ? type.element : type);
      const wrapped = schema.protoWrapper !== undefined;
      const wireType = kind === 'single' || (kind === 'list' && !wrapped) ? value.wireType : bytesType;
      return {
        name: schema.name,
        number: schema.number!,
        tag: schema.number! * 8 + wireType,
        kind,
        pointer: schema.pointer === true,
        nullIsZero: schema.omitEmpty === true && (value.primitive === 'time' || value.primitive === 'microTime'),
        wrapped,
        value,
        valueTag: 16 + value.wireType,
      };
    })
    .sort((a, b) => a.number - b.number);
  const byNumber: (WireField | undefined)[] = [];
  for (const field of fields) byNumber[field.number] = field;
  return { name: struct.name.slice(struct.name.lastIndexOf('.') + 1), jsonForm: struct.schema.jsonForm, fields, byNumber };
}

function wireValue(type: TypeNode): WireValue {
  if (type.kind === 'list') {
    return { wireType: bytesType, primitive: undefined, plan: undefined, wrappedList: wireValue(type.element) };
  }
  if (type.kind === 'map') throw new Error('a map inside a list or map has no form on the wire');
  if (type.kind === 'struct') {
    const node = type;
    let plan: WirePlan | undefined;
    return {
      wireType: bytesType,
      primitive: undefined,
      // Resolved late: types are recursive.
      get plan() {
        return (plan ??= wirePlan(node.struct));
      },
      wrappedList: undefined,
    };
  }
  return { wireType: wireTypes[type.primitive] ?? bytesType, primitive: type.primitive, plan: undefined, wrappedList: undefined };
}

const wireTypes: Partial<Record<PrimitiveType, number>> = {
  bool: varintType,
  int: varintType,
  int32: varintType,
  int64: varintType,
  uint8: varintType,
  uint16: varintType,
  uint32: varintType,
  uint64: varintType,
  float32: fixed32Type,
  float64: fixed64Type,
};
