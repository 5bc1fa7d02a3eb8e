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

/** Go's `omitzero`. */
export function isZero(value: unknown, type: TypeNode): boolean {
  if (type.kind === 'struct') return JSON.stringify(value) === JSON.stringify(zeroElement(type));
  return value === zeroOf(type);
}
