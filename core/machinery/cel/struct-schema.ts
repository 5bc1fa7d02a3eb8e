import type { PrimitiveType, StructType, TypeNode } from '../schema.js';
import type { CelSchema } from './schema-type.js';

const text: CelSchema = { type: 'string' };
const time: CelSchema = { type: 'string', format: 'date-time' };
const whole: CelSchema = { type: 'integer' };
const real: CelSchema = { type: 'number' };
const anyObject: CelSchema = { type: 'object' };
/** Upstream's definitions give these no type, so expressions cannot speak of them. */
const unknown: CelSchema = {};

const primitives: Readonly<Record<PrimitiveType, CelSchema>> = {
  string: text,
  bool: { type: 'boolean' },
  int32: whole,
  int64: whole,
  int: whole,
  uint8: whole,
  uint16: whole,
  uint32: whole,
  uint64: whole,
  float32: real,
  float64: real,
  bytes: { type: 'string', format: 'byte' },
  time,
  microTime: time,
  duration: text,
  quantity: unknown,
  intOrString: { 'x-kubernetes-int-or-string': true },
  fieldsV1: anyObject,
  rawExtension: anyObject,
  json: unknown,
};

/**
 * The schema of a built-in type as expressions are checked against it. Source: apiserver pkg/cel/openapi/resolver, over what
 * kubernetes pkg/generated/openapi says of the types.
 */
export function structSchema(struct: StructType): CelSchema {
  return schemaOf(struct, new Set());
}

/** `within`: the types around this one. */
function schemaOf(struct: StructType, within: Set<string>): CelSchema {
  if (within.has(struct.name)) return anyObject;
  if (struct.schema.jsonForm) return unknown;
  within.add(struct.name);
  const properties = Object.fromEntries(Array.from(struct.jsonFields, ([name, { type }]) => [name, nodeSchema(type, within)]));
  within.delete(struct.name);
  return { type: 'object', properties };
}

function nodeSchema(node: TypeNode, within: Set<string>): CelSchema {
  switch (node.kind) {
    case 'primitive':
      return primitives[node.primitive];
    case 'list':
      return { type: 'array', items: nodeSchema(node.element, within) };
    case 'map':
      return { type: 'object', additionalProperties: nodeSchema(node.element, within) };
    case 'struct':
      return schemaOf(node.struct, within);
  }
}
