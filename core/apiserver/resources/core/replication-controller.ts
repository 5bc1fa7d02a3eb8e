import type { ReplicationController } from '../../../api/generated/types.js';
import { ReplicationControllers } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsSubdomain, validateDns1123Label } from '../../../machinery/names.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { scaleSubresource } from '../scale.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { nonNegative } from './checks.js';
import {
  defaultPodTemplate,
  dropDisabledPodFields,
  podTemplateWarnings,
  validateLongRunningTemplate,
  validateMapSelector,
} from './pod-template-support.js';
import { formatLabels } from './service-columns.js';

const specPath = fieldPath('spec');
const templatePath = specPath.child('template');
const counts = ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'] as const;

export const replicationController = defineResource<ReplicationController>({
  reference: ReplicationControllers,
  storagePrefix: 'controllers',
  orphanByDefault: true,
  // Upstream checks this kind by rules as data, which count bytes.
  validateName: (name, prefix) =>
    nameIsDnsSubdomain(name, prefix).map(text => text.replace(/(?<=^must be no more than \d+ )characters$/, 'bytes')),
  resetFields: statusResetFields,
  defaults(object) {
    const { spec, metadata } = object;
    const labels = spec.template?.metadata?.labels;
    if (labels) {
      if (!Object.keys(spec.selector ?? {}).length) spec.selector = { ...labels };
      if (!Object.keys(metadata.labels ?? {}).length) metadata.labels = { ...labels };
    }
    spec.replicas ??= 1;
    if (spec.template) defaultPodTemplate(spec.template);
  },
  prepareForCreate(object) {
    object.status = { replicas: 0 };
    if (object.spec.template) dropDisabledPodFields(object.spec.template.spec);
  },
  prepareForUpdate(object, old) {
    object.status = cloneJson(old.status);
    if (object.spec.template) dropDisabledPodFields(object.spec.template.spec, old.spec.template?.spec);
  },
  validate: (object, errors) => validateSpec(object, undefined, errors),
  validateUpdate: (object, old, errors) => validateSpec(object, old, errors),
  warnings(object, old) {
    // Of an update upstream looks at the template that was.
    if (old) return semanticEqual(object.spec, old.spec) ? [] : podTemplateWarnings(old.spec.template, templatePath);
    const texts = validateDns1123Label(object.metadata.name);
    const use = 'this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended';
    const warnings = texts.length ? [`metadata.name: ${use}: [${texts.join(' ')}]`] : [];
    return [...warnings, ...podTemplateWarnings(object.spec.template, templatePath)];
  },
  row(object, context) {
    const containers = object.spec.template?.spec.containers ?? [];
    return [
      object.metadata.name,
      object.spec.replicas ?? 0,
      object.status?.replicas ?? 0,
      object.status?.readyReplicas ?? 0,
      age(object, context),
      containers.map(container => container.name).join(','),
      containers.map(container => container.image ?? '').join(','),
      formatLabels(object.spec.selector),
    ];
  },
  selectableFields: { 'status.replicas': object => String(object.status?.replicas ?? 0) },
  subresources: {
    status: statusSubresource<ReplicationController>({
      validateUpdate: ({ status }, _old, errors) => validateStatus(status, errors),
    }),
    scale: scaleSubresource<ReplicationController>({
      subject: ReplicationControllers,
      selector: ({ spec }) => (Object.keys(spec.selector ?? {}).length ? formatLabels(spec.selector) : ''),
    }),
  },
});

function validateSpec(
  { spec }: ReplicationController,
  old: Readonly<ReplicationController> | undefined,
  errors: FieldErrors,
): void {
  nonNegative(errors, specPath.child('minReadySeconds'), spec.minReadySeconds);
  const selector = validateMapSelector(spec.selector, specPath.child('selector'), errors);
  if (spec.replicas === undefined) errors.required(specPath.child('replicas'));
  else nonNegative(errors, specPath.child('replicas'), spec.replicas);
  validateLongRunningTemplate(spec.template, {
    path: templatePath,
    errors,
    selector,
    kind: 'ReplicationController',
    old: old?.spec.template,
  });
}

/** Source: ValidateReplicationControllerStatus. */
function validateStatus(status: ReplicationController['status'], errors: FieldErrors): void {
  const path = fieldPath('status');
  for (const field of counts) nonNegative(errors, path.child(field), status[field]);
  const { replicas = 0, availableReplicas = 0, readyReplicas = 0 } = status;
  for (const field of ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const) {
    const count = status[field] ?? 0;
    if (count > replicas) errors.invalid(path.child(field), count, 'cannot be greater than status.replicas');
  }
  if (availableReplicas > readyReplicas) {
    errors.invalid(path.child('availableReplicas'), availableReplicas, 'cannot be greater than readyReplicas');
  }
}
