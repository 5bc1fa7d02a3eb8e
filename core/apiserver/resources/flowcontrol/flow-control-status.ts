import type { FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { cloneJson } from '../../../machinery/object.js';
import type { StatusSubresource } from '../../registry/resource-definition.js';

/** Both kinds put back everything but status at that endpoint, metadata too. */
export const flowControlResetFields = { '': ['status'], status: ['metadata', 'spec'] } as const;

export function flowControlStatus<T extends FlowSchema | PriorityLevelConfiguration>(): StatusSubresource<T> {
  return {
    type: 'update',
    checks: ['validateUpdate'],
    prepareForUpdate(object, old) {
      object.metadata = { ...cloneJson(old.metadata), managedFields: object.metadata.managedFields };
      object.spec = cloneJson(old.spec);
    },
    validateUpdate: ({ status }, _old, errors) => validateFlowControlStatus(status, errors),
  };
}

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
