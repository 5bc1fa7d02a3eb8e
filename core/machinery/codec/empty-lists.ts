import type { StructType, TypeNode } from '../schema.js';
import type { FieldPlan } from './type-plan.js';
import { structPlan } from './type-plan.js';

/** The fields of a struct that can hold such a list, directly or below. */
const concerned = new WeakMap<StructType, readonly FieldPlan[]>();

/**
 * Makes null of the empty lists and maps that JSON shows although they are empty, in place: protobuf, in which upstream keeps its
 * objects, does not tell them from none.
 */
export function nullEmptyLists(struct: StructType, value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const object = value as Record<string, unknown>;
  for (const field of fieldsOf(struct, new Set())) {
    const held = object[field.name];
    if (held === undefined || held === null) continue;
    if (isShownEmpty(field) && isEmpty(held)) object[field.name] = null;
    else walk(field.type, held);
  }
}

function walk(type: TypeNode, value: unknown): void {
  if (type.kind === 'struct') nullEmptyLists(type.struct, value);
  if (type.kind !== 'list' && type.kind !== 'map') return;
  for (const item of Object.values(value as object)) walk(type.element, item);
}

function fieldsOf(struct: StructType, above: Set<StructType>): readonly FieldPlan[] {
  const known = concerned.get(struct);
  if (known) return known;
  // A type inside itself is concerned when something else in it is.
  if (above.has(struct)) return [];
  above.add(struct);
  const found = structPlan(struct).fields.filter(field => {
    if (isShownEmpty(field)) return true;
    const inner = innermost(field.type);
    return inner.kind === 'struct' && fieldsOf(inner.struct, above).length > 0;
  });
  above.delete(struct);
  if (above.size === 0) concerned.set(struct, found);
  return found;
}

function innermost(type: TypeNode): TypeNode {
  return type.kind === 'list' || type.kind === 'map' ? innermost(type.element) : type;
}

function isShownEmpty({ type, omitEmpty, pointer }: FieldPlan): boolean {
  return !omitEmpty && !pointer && (type.kind === 'list' || type.kind === 'map');
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && Object.keys(value!).length === 0;
}
