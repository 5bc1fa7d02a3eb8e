import type {
  HPAScalingPolicy,
  HPAScalingRules,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
} from '../../../api/generated/types.js';
import { HorizontalPodAutoscalers } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { cloneJson } from '../../../machinery/object.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';
import { nonNegative } from '../apps/pod-owner.js';
import { nonNegativeQuantity } from '../core/resource-names.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { metricsCell } from './metric-cells.js';
import type { ReferenceOptions } from './metric-validation.js';
import { apiVersionError, validateMetric, validateReference } from './metric-validation.js';

const path = fieldPath('spec');
const maximumPeriodSeconds = 1800;
const maximumStabilizationSeconds = 3600;
const defaultUtilizationPercent = 80;
const selectPolicies = ['Disabled', 'Max', 'Min'];

export const horizontalPodAutoscaler = defineResource<HorizontalPodAutoscaler>({
  reference: HorizontalPodAutoscalers,
  generation: false,
  resetFields: statusResetFields,
  defaults: defaultAutoscaler,
  prepareForCreate(object) {
    // Upstream writes this list also where it is not there.
    object.status = { desiredReplicas: 0, currentMetrics: null as never };
  },
  prepareForUpdate(object, old) {
    object.status = cloneJson(old.status);
  },
  validate: (object, errors) => validateSpec(object.spec, undefined, errors),
  validateUpdate: (object, old, errors) => validateSpec(object.spec, old.spec, errors),
  row(object, context) {
    const { spec, status } = object;
    return [
      object.metadata.name,
      `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`,
      metricsCell(spec.metrics ?? [], status.currentMetrics ?? []),
      spec.minReplicas === undefined ? '<unset>' : String(spec.minReplicas),
      spec.maxReplicas,
      status.currentReplicas ?? 0,
      age(object, context),
    ];
  },
  subresources: {
    status: statusSubresource<HorizontalPodAutoscaler>({
      validateUpdate({ status }, _old, errors) {
        nonNegative(status, ['currentReplicas', 'desiredReplicas'], fieldPath('status'), errors);
      },
    }),
  },
});

export function defaultAutoscaler({ spec }: HorizontalPodAutoscaler): void {
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    const target = { type: 'Utilization', averageUtilization: defaultUtilizationPercent };
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  if (!spec.behavior) return;
  spec.behavior.scaleUp = {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
    ...spec.behavior.scaleUp,
  };
  spec.behavior.scaleDown = {
    selectPolicy: 'Max',
    policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
    ...spec.behavior.scaleDown,
  };
}

function validateSpec(
  spec: HorizontalPodAutoscalerSpec,
  old: Readonly<HorizontalPodAutoscalerSpec> | undefined,
  errors: FieldErrors,
): void {
  const { minReplicas, maxReplicas, scaleTargetRef, metrics = [], behavior } = spec;
  const lowest = old?.minReplicas === 0 ? 0 : 1;
  if (minReplicas !== undefined && minReplicas < lowest) {
    errors.invalid(path.child('minReplicas'), minReplicas, `must be greater than or equal to ${lowest}`);
  }
  const at = path.child('maxReplicas');
  if (!maxReplicas) errors.required(at, 'must be set and greater than 0');
  else if (maxReplicas < 0) errors.invalid(at, maxReplicas, 'must be greater than or equal to 1');
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    errors.invalid(at, maxReplicas, 'must be greater than or equal to `minReplicas`');
  }
  validateReference(scaleTargetRef, path.child('scaleTargetRef'), errors, targetOptions(spec, old));
  const options = metricOptions(old);
  for (const [index, metric] of metrics.entries()) validateMetric(metric, path.child('metrics').index(index), errors, options);
  if (minReplicas === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External')) {
    const text = 'must specify at least one Object or External metric to support scaling to zero replicas';
    errors.forbidden(path.child('metrics'), text);
  }
  validateRules(behavior?.scaleUp, path.child('behavior', 'scaleUp'), errors);
  validateRules(behavior?.scaleDown, path.child('behavior', 'scaleDown'), errors);
}

/** A version that was stored with the same kind may stay; the one scalable kind of the core group has an empty group. */
function targetOptions(
  { scaleTargetRef: target }: HorizontalPodAutoscalerSpec,
  old: Readonly<HorizontalPodAutoscalerSpec> | undefined,
): ReferenceOptions {
  const before = old?.scaleTargetRef;
  const same = before !== undefined && before.apiVersion === target.apiVersion && before.kind === target.kind;
  return { allowInvalidVersion: same, allowEmptyGroup: target.kind === 'ReplicationController' };
}

function metricOptions(old: Readonly<HorizontalPodAutoscalerSpec> | undefined): ReferenceOptions {
  const strict = { allowInvalidVersion: false, allowEmptyGroup: true };
  const wasInvalid = (old?.metrics ?? []).some(
    ({ type, object }) => type === 'Object' && object && apiVersionError(object.describedObject, strict),
  );
  return wasInvalid ? { ...strict, allowInvalidVersion: true } : strict;
}

function validateRules(rules: HPAScalingRules | undefined, at: FieldPath, errors: FieldErrors): void {
  if (!rules) return;
  const { stabilizationWindowSeconds: seconds, selectPolicy, policies = [], tolerance } = rules;
  const window = at.child('stabilizationWindowSeconds');
  if (seconds !== undefined && seconds < 0) errors.invalid(window, seconds, 'must be greater than or equal to zero');
  if (seconds !== undefined && seconds > maximumStabilizationSeconds) {
    errors.invalid(window, seconds, `must be less than or equal to ${maximumStabilizationSeconds}`);
  }
  if (selectPolicy !== undefined && !selectPolicies.includes(selectPolicy)) {
    errors.notSupported(at.child('selectPolicy'), selectPolicy, selectPolicies);
  }
  if (!policies.length) errors.required(at.child('policies'), 'must specify at least one Policy');
  for (const [index, policy] of policies.entries()) validatePolicy(policy, at.child('policies').index(index), errors);
  if (tolerance !== undefined) nonNegativeQuantity(errors, at.child('tolerance'), parseQuantity(tolerance));
}

function validatePolicy({ type, value, periodSeconds }: HPAScalingPolicy, at: FieldPath, errors: FieldErrors): void {
  if (type !== 'Pods' && type !== 'Percent') errors.notSupported(at.child('type'), type, ['Percent', 'Pods']);
  if (value <= 0) errors.invalid(at.child('value'), value, 'must be greater than zero');
  if (periodSeconds <= 0) errors.invalid(at.child('periodSeconds'), periodSeconds, 'must be greater than zero');
  if (periodSeconds > maximumPeriodSeconds) {
    errors.invalid(at.child('periodSeconds'), periodSeconds, `must be less than or equal to ${maximumPeriodSeconds}`);
  }
}
