import type { DeviceClass } from '../../../api/generated/types.js';
import { DeviceClasses } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateDns1123Subdomain } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { isExtendedResource } from '../core/resource-names.js';
import { maximumConfigurations, validateConfiguration } from './claim-spec-validation.js';
import { SelectorChecks } from './device-selectors.js';
import { validateList } from './list-checks.js';

/** Source: kubernetes pkg/registry/resource/deviceclass. */
export const deviceClass = defineResource<DeviceClass>({
  reference: DeviceClasses,
  returnsDeleted: true,
  // Upstream looks at whole names only, and counts bytes here.
  validateName: (name, prefix) =>
    prefix ? [] : validateDns1123Subdomain(name).map(text => text.replace(/characters$/, 'bytes')),
  prepareForCreate(object) {
    object.metadata.generation = 1;
  },
  generation: (object, old) => !semanticEqual(object.spec, old.spec),
  validate: (object, errors) => validateClass(object, undefined, errors),
  checks: { update: ['object', 'change', 'validateUpdate'] },
  validateUpdate: (object, old, errors) => validateClass(object, old, errors),
  row: (object, context) => [object.metadata.name, age(object, context)],
});

async function validateClass({ spec }: DeviceClass, old: Readonly<DeviceClass> | undefined, errors: FieldErrors): Promise<void> {
  const path = fieldPath('spec');
  const { selectors, config, extendedResourceName } = spec;
  const checks = await SelectorChecks.of([selectors]);
  checks.validate(selectors, path.child('selectors'), errors);
  const stored = old !== undefined && semanticEqual(config, old.spec.config);
  validateList(config, maximumConfigurations, path.child('config'), errors, (item, at) =>
    validateConfiguration(item, at, errors, stored),
  );
  if (extendedResourceName !== undefined && !isExtendedResource(extendedResourceName))
    errors.invalid(path.child('extendedResourceName'), extendedResourceName, 'must be a valid extended resource name');
}
