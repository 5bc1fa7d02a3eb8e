import type { Deployment, DeploymentStrategy } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { Deployments } from '../../../api/generated/resources.js';
import { errorCode } from '../../../base/errors.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { labelSelectorFromObject } from '../../../machinery/label-selector.js';
import { semanticEqual } from '../../../machinery/object.js';
import { defineResource } from '../../registry/resource-definition.js';
import { resetStatus } from '../../registry/status-reset.js';
import { age } from '../../handlers/table.js';
import {
  defaultPodTemplate,
  dropDisabledPodFields,
  podTemplateWarnings,
  validateLongRunningTemplate,
} from '../core/pod-template-support.js';
import { intOrPercentNumber, validateAtMost100Percent, validateIntOrPercent } from '../int-or-percent.js';
import { scaleSubresource } from '../scale.js';
import { statusResetFieldsWithLabels, statusSubresource } from '../status-subresource.js';
import {
  atMost,
  collisionsGrow,
  containerCells,
  isNewGeneration,
  nonNegative,
  podNameWarnings,
  requiredSelector,
  unchangedObject,
} from './pod-owner.js';

const path = fieldPath('spec');

export const deployment = defineResource<Deployment>({
  reference: Deployments,
  fillBookmark: object => void (object.spec.replicas = 0),
  resetFields: statusResetFieldsWithLabels,
  defaults({ spec }) {
    defaultPodTemplate(spec.template);
    spec.replicas ??= 1;
    const { strategy } = spec;
    strategy.type ||= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      strategy.rollingUpdate ??= {};
      strategy.rollingUpdate.maxUnavailable ??= '25%';
      strategy.rollingUpdate.maxSurge ??= '25%';
    }
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
  },
  prepareForCreate(object) {
    resetStatus(object, undefined);
    dropDisabledPodFields(object.spec.template.spec);
  },
  prepareForUpdate(object, old) {
    resetStatus(object, old);
    dropDisabledPodFields(object.spec.template.spec, old.spec.template.spec);
  },
  generation: (object, old) =>
    !semanticEqual(object.spec, old.spec) || !semanticEqual(object.metadata.annotations ?? {}, old.metadata.annotations ?? {}),
  validate: (object, errors) => validateSpec(object, undefined, errors),
  validateUpdate(object, old, errors) {
    validateSpec(object, old, errors);
    unchangedObject(object.spec.selector, old.spec.selector, '*v1.LabelSelector', { path: path.child('selector'), errors });
  },
  warnings: (object, old) => [
    ...(old ? [] : podNameWarnings(object.metadata)),
    ...(isNewGeneration(object, old) ? podTemplateWarnings(object.spec.template, path.child('template')) : []),
  ],
  row(object, context) {
    const { spec, status } = object;
    return [
      object.metadata.name,
      `${status.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
      status.updatedReplicas ?? 0,
      status.availableReplicas ?? 0,
      age(object, context),
      ...containerCells(spec.template),
      selectorText(object),
    ];
  },
  subresources: {
    scale: scaleSubresource<Deployment>({ subject: Deployments }),
    status: statusSubresource<Deployment>({
      keepLabels: true,
      validateUpdate({ status }, old, errors) {
        const at = fieldPath('status');
        nonNegative(
          status,
          [
            'observedGeneration',
            'replicas',
            'updatedReplicas',
            'readyReplicas',
            'availableReplicas',
            'unavailableReplicas',
            'terminatingReplicas',
            'collisionCount',
          ],
          at,
          errors,
        );
        const total = { value: status.replicas ?? 0, text: 'cannot be greater than status.replicas' };
        atMost(status, ['updatedReplicas', 'readyReplicas', 'availableReplicas'], total, { at, errors });
        const ready = { value: status.readyReplicas ?? 0, text: 'cannot be greater than readyReplicas' };
        atMost(status, ['availableReplicas'], ready, { at, errors });
        collisionsGrow(status, old.status, at, errors);
      },
    }),
  },
});

function selectorText({ spec }: Readonly<Deployment>): string {
  try {
    return labelSelectorFromObject(spec.selector).toString();
  } catch (error) {
    if (errorCode(error) !== 'INVALID_SELECTOR') throw error;
    return '<invalid>';
  }
}

function validateSpec({ spec }: Deployment, old: Readonly<Deployment> | undefined, errors: FieldErrors): void {
  nonNegative(spec, ['replicas'], path, errors);
  const selector = requiredSelector(spec.selector, {
    path: path.child('selector'),
    errors,
    kind: 'deployment',
    invalidText: 'invalid label selector',
  });
  if (selector) {
    const check = { path: path.child('template'), errors, selector, kind: 'ReplicaSet', old: old?.spec.template };
    validateLongRunningTemplate(spec.template, check);
  }
  validateStrategy(spec.strategy, path.child('strategy'), errors);
  nonNegative(spec, ['minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds'], path, errors);
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec;
  if (deadline !== undefined && deadline <= minReadySeconds) {
    errors.invalid(path.child('progressDeadlineSeconds'), deadline, 'must be greater than minReadySeconds');
  }
}

function validateStrategy(strategy: DeploymentStrategy, at: FieldPath, errors: FieldErrors): void {
  const { type, rollingUpdate } = strategy;
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {};
  if (type === 'Recreate') {
    if (rollingUpdate) errors.forbidden(at.child('rollingUpdate'), "may not be specified when strategy `type` is 'Recreate'");
  } else if (type === 'RollingUpdate') {
    const unavailable = at.child('rollingUpdate', 'maxUnavailable');
    validateIntOrPercent(maxUnavailable, unavailable, errors);
    validateIntOrPercent(maxSurge, at.child('rollingUpdate', 'maxSurge'), errors);
    if (intOrPercentNumber(maxUnavailable) === 0 && intOrPercentNumber(maxSurge) === 0) {
      errors.invalid(unavailable, maxUnavailable, 'may not be 0 when `maxSurge` is 0');
    }
    validateAtMost100Percent(maxUnavailable, unavailable, errors);
  } else {
    errors.notSupported(at, internalValue('apps.DeploymentStrategy', strategy), ['Recreate', 'RollingUpdate']);
  }
}
