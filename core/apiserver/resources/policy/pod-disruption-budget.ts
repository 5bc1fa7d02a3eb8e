import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { PodDisruptionBudgets } from '../../../api/generated/resources.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { cloneJson } from '../../../machinery/object.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';
import { validateConditions } from '../conditions.js';
import { validateAtMost100Percent, validateIntOrPercent } from '../int-or-percent.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';

const path = fieldPath('spec');
const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;

export const podDisruptionBudget = defineResource<PodDisruptionBudget>({
  reference: PodDisruptionBudgets,
  allowUnconditionalUpdate: false,
  resetFields: statusResetFields,
  checks: { create: ['validate'], update: ['validateUpdate'] },
  prepareForCreate(object) {
    object.status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  },
  prepareForUpdate(object, old) {
    object.status = cloneJson(old.status);
  },
  validate: (object, errors) => validateSpec(object.spec, errors, false),
  validateUpdate: (object, old, errors) => validateSpec(object.spec, errors, hasInvalidSelector(old)),
  row: (object, context) => [
    object.metadata.name,
    String(object.spec.minAvailable ?? 'N/A'),
    String(object.spec.maxUnavailable ?? 'N/A'),
    object.status.disruptionsAllowed,
    age(object, context),
  ],
  subresources: {
    status: statusSubresource<PodDisruptionBudget>({
      checks: ['validateUpdate'],
      validateUpdate({ status }, _old, errors) {
        const at = fieldPath('status');
        validateConditions(status.conditions ?? [], at.child('conditions'), errors);
        for (const field of counts) {
          if (status[field] < 0) errors.invalid(at.child(field), status[field], 'must be greater than or equal to 0');
        }
      },
    }),
  },
});

function validateSpec(spec: PodDisruptionBudgetSpec, errors: FieldErrors, allowInvalidValues: boolean): void {
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy: policy } = spec;
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    errors.invalid(
      path,
      internalValue('policy.PodDisruptionBudgetSpec', spec),
      'minAvailable and maxUnavailable cannot be both set',
    );
  }
  for (const field of ['minAvailable', 'maxUnavailable'] as const) {
    const value = spec[field];
    if (value === undefined) continue;
    validateIntOrPercent(value, path.child(field), errors);
    validateAtMost100Percent(value, path.child(field), errors);
  }
  validateLabelSelector(selector, path.child('selector'), errors, { allowInvalidValues });
  if (policy !== undefined && policy !== 'AlwaysAllow' && policy !== 'IfHealthyBudget') {
    errors.notSupported(path.child('unhealthyPodEvictionPolicy'), policy, ['AlwaysAllow', 'IfHealthyBudget']);
  }
}

function hasInvalidSelector({ spec }: Readonly<PodDisruptionBudget>): boolean {
  const errors = new FieldErrors();
  validateLabelSelector(spec.selector, path, errors);
  return !errors.empty;
}
