import type { StructType, TypeNode } from '../schema.js';
import { structPlan } from './type-plan.js';

/**
 * Takes away, in place, the lists and maps without elements that decoding kept: null where JSON always shows the field, nothing elsewhere.
 * Protobuf, in which upstream keeps its objects, does not tell them from none.
 */
export function dropEmpties(struct: StructType, value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const object = value as Record<string, unknown>;
  const { byName } = structPlan(struct);
  for (const name in object) {
    const held = object[name];
    if (typeof held !== 'object' || held === null) continue;
    const field = byName.get(name);
    if (field === undefined) continue;
    const { type } = field;
    if (type.kind === 'struct') dropEmpties(type.struct, held);
    else if (type.kind !== 'primitive') {
      if (!isEmpty(held)) dropBelow(type.element, held);
      else if (!field.pointer) {
        if (field.omitEmpty) delete object[name];
        else object[name] = null;
      }
    }
  }
}

function dropBelow(type: TypeNode, held: object): void {
  if (type.kind === 'primitive') return;
  if (Array.isArray(held)) for (const item of held) dropIn(type, item);
  else for (const key in held) dropIn(type, (held as Record<string, unknown>)[key]);
}

function dropIn(type: TypeNode, value: unknown): void {
  if (type.kind === 'struct') dropEmpties(type.struct, value);
  else if (type.kind !== 'primitive' && typeof value === 'object' && value !== null) dropBelow(type.element, value);
}

function isEmpty(value: object): boolean {
  for (const _ in value) return false;
  return true;
}
