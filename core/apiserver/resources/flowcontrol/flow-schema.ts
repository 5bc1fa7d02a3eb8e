import type { FlowSchema } from '../../../api/generated/types.js';
import { FlowSchemas } from '../../../api/generated/resources.js';
import { internalValue } from '../../../api/internal-value.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { byPrecedence, mandatoryFlowSchemas } from '../../flowcontrol/default-flow-control.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { flowControlResetFields, flowControlStatus, validateFlowControlStatus } from './flow-control-status.js';
import { validateFlowSchemaSpec } from './flow-schema-validation.js';

const defaultPrecedence = 1000;

export const flowSchema = defineResource<FlowSchema>({
  reference: FlowSchemas,
  resetFields: flowControlResetFields,
  checks: { update: ['object', 'validate'] },
  defaults({ spec }) {
    if (!spec.matchingPrecedence) spec.matchingPrecedence = defaultPrecedence;
  },
  validate({ metadata: { name = '' }, spec, status }, errors) {
    validateFlowSchemaSpec(name, spec, errors);
    const fixed = mandatoryFlowSchemas().get(name);
    if (fixed && !semanticEqual(spec, fixed.spec)) {
      const value = internalValue('flowcontrol.FlowSchemaSpec', spec);
      errors.invalid(fieldPath('spec'), value, `spec of '${name}' must equal the fixed value`);
    }
    validateFlowControlStatus(status, errors);
  },
  tableOrder: byPrecedence,
  row: (object, context) => [
    object.metadata.name,
    object.spec.priorityLevelConfiguration.name,
    object.spec.matchingPrecedence,
    object.spec.distinguisherMethod?.type ?? '<none>',
    age(object, context),
    object.status.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?',
  ],
  subresources: {
    status: flowControlStatus(),
  },
});
