import type { ReplicaSet } from '../../../api/generated/types.js';
import { ReplicaSets } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { cloneJson } from '../../../machinery/object.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';
import {
  defaultPodTemplate,
  dropDisabledPodFields,
  podTemplateWarnings,
  validateLongRunningTemplate,
} from '../core/pod-template-support.js';
import { scaleSubresource } from '../scale.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import {
  atMost,
  containerCells,
  isNewGeneration,
  nonNegative,
  podNameWarnings,
  requiredSelector,
  selectorCell,
  unchangedObject,
} from './pod-owner.js';

const path = fieldPath('spec');

export const replicaSet = defineResource<ReplicaSet>({
  reference: ReplicaSets,
  fillBookmark: object => void (object.spec.replicas = 0),
  resetFields: statusResetFields,
  defaults({ spec }) {
    defaultPodTemplate(spec.template);
    spec.replicas ??= 1;
  },
  prepareForCreate(object) {
    object.status = { replicas: 0 };
    dropDisabledPodFields(object.spec.template.spec);
  },
  prepareForUpdate(object, old) {
    object.status = cloneJson(old.status);
    dropDisabledPodFields(object.spec.template.spec, old.spec.template.spec);
  },
  validate: (object, errors) => validateSpec(object, undefined, errors),
  validateUpdate(object, old, errors) {
    validateSpec(object, old, errors);
    unchangedObject(object.spec.selector, old.spec.selector, '*v1.LabelSelector', { path: path.child('selector'), errors });
  },
  warnings: (object, old) => [
    ...(old ? [] : podNameWarnings(object.metadata)),
    ...(isNewGeneration(object, old) ? podTemplateWarnings(object.spec.template, path.child('template')) : []),
  ],
  row: (object, context) => [
    object.metadata.name,
    object.spec.replicas ?? 0,
    object.status.replicas,
    object.status.readyReplicas ?? 0,
    age(object, context),
    ...containerCells(object.spec.template),
    selectorCell(object.spec.selector),
  ],
  subresources: {
    scale: scaleSubresource<ReplicaSet>({ subject: ReplicaSets }),
    status: statusSubresource<ReplicaSet>({
      validateUpdate({ status }, _old, errors) {
        const at = fieldPath('status');
        nonNegative(
          status,
          ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration', 'terminatingReplicas'],
          at,
          errors,
        );
        const total = { value: status.replicas, text: 'cannot be greater than status.replicas' };
        atMost(status, ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'], total, { at, errors });
        const ready = { value: status.readyReplicas ?? 0, text: 'cannot be greater than readyReplicas' };
        atMost(status, ['availableReplicas'], ready, { at, errors });
      },
    }),
  },
});

function validateSpec({ spec }: ReplicaSet, old: Readonly<ReplicaSet> | undefined, errors: FieldErrors): void {
  nonNegative(spec, ['replicas', 'minReadySeconds'], path, errors);
  const selector = requiredSelector(spec.selector, {
    path: path.child('selector'),
    errors,
    // Upstream's word, also here.
    kind: 'deployment',
    invalidText: 'invalid label selector',
  });
  if (!selector) return;
  const check = { path: path.child('template'), errors, selector, kind: 'ReplicaSet', old: old?.spec.template };
  validateLongRunningTemplate(spec.template, check);
}
