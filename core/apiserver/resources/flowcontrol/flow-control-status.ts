import type { FlowSchemaCondition } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';

/** Both kinds put back everything but status at that endpoint, metadata too. */
export const flowControlResetFields = { '': ['status'], status: ['metadata', 'spec'] } as const;

/** The status of either kind, which is a list of conditions. */
export function validateFlowControlStatus(status: { conditions?: readonly FlowSchemaCondition[] }, errors: FieldErrors): void {
  const types = new Set<string>();
  for (const [index, { type = '' }] of (status.conditions ?? []).entries()) {
    const path = fieldPath('status', 'conditions').index(index).child('type');
    if (types.has(type)) errors.duplicate(path, type);
    types.add(type);
    if (!type) errors.required(path);
  }
}
