import type { TypeNode } from '../schema.js';
import type { StructPlan } from './type-plan.js';
import { structPlan, zeroOf } from './type-plan.js';

export function zeroStruct(plan: StructPlan): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const { name, absent, type } of plan.fields) {
    if (absent.kind === 'value') out[name] = absent.value;
    else if (absent.kind === 'struct' && type.kind === 'struct') out[name] = zeroStruct(structPlan(type.struct));
  }
  return out;
}

export function zeroElement(type: TypeNode): unknown {
  if (type.kind !== 'struct') return zeroOf(type);
  const plan = structPlan(type.struct);
  if (plan.jsonForm) return plan.jsonForm === 'schemaOrBool' ? false : null;
  return zeroStruct(plan);
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

/** A list or map that is there. */
export function isElementless(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** Go's `omitzero`. */
export function isZero(value: unknown, type: TypeNode): boolean {
  if (type.kind === 'struct') return JSON.stringify(value) === JSON.stringify(zeroElement(type));
  return value === zeroOf(type);
}
