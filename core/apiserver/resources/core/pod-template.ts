import type { PodTemplate } from '../../../api/generated/types.js';
import { PodTemplates } from '../../../api/generated/resources.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { defineResource } from '../../registry/resource-definition.js';
import {
  defaultPodTemplate,
  dropDisabledPodFields,
  podTemplateWarnings,
  validatePodTemplateSpec,
} from './pod-template-support.js';
import { formatLabels } from './service-columns.js';

const path = fieldPath('template');

export const podTemplate = defineResource<PodTemplate>({
  reference: PodTemplates,
  returnsDeleted: true,
  generation: (object, old) => !semanticEqual(object.template, old.template),
  defaults: object => defaultPodTemplate(object.template),
  prepareForCreate: object => dropDisabledPodFields(object.template.spec),
  prepareForUpdate: (object, old) => dropDisabledPodFields(object.template.spec, old.template.spec),
  validate: (object, errors) => validatePodTemplateSpec(object.template, path, errors),
  validateUpdate: (object, old, errors) => validatePodTemplateSpec(object.template, path, errors, old.template),
  warnings: (object, old) =>
    old && semanticEqual(object.template, old.template) ? [] : podTemplateWarnings(object.template, path),
  row(object) {
    const containers = object.template.spec.containers ?? [];
    return [
      object.metadata.name,
      containers.map(container => container.name).join(','),
      containers.map(container => container.image ?? '').join(','),
      formatLabels(object.template.metadata?.labels),
    ];
  },
});
