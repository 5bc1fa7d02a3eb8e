import type { ResourceClaimTemplate } from '../../../api/generated/types.js';
import { ResourceClaimTemplates } from '../../../api/generated/resources.js';
import { internalValue } from '../../../api/internal-value.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { immutable } from '../core/checks.js';
import { validateTemplateMetadata } from '../core/claim-spec-validation.js';
import { authorizeAdminRequests } from './claim-authorization.js';
import { defaultClaimSpec } from './claim-defaults.js';
import { selectorsOf, validateClaimSpec } from './claim-spec-validation.js';
import { SelectorChecks } from './device-selectors.js';

/** Source: kubernetes pkg/registry/resource/resourceclaimtemplate. */
export const resourceClaimTemplate = defineResource<ResourceClaimTemplate>({
  reference: ResourceClaimTemplates,
  returnsDeleted: true,
  generation: false,
  defaults: ({ spec }) => defaultClaimSpec(spec.spec),
  async validate({ spec }, errors, context) {
    const path = fieldPath('spec');
    if (context.operation === 'CREATE') {
      const refusals = new FieldErrors();
      await authorizeAdminRequests(spec.spec.devices?.requests ?? [], context, refusals);
      // They are listed before what is wrong with the metadata.
      errors.list.unshift(...refusals.list);
    }
    validateTemplateMetadata(spec.metadata, path.child('metadata'), errors);
    validateClaimSpec(spec.spec, path.child('spec'), errors, await SelectorChecks.of(selectorsOf(spec.spec)));
  },
  checks: { update: ['object', 'validate', 'change', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    if (!semanticEqual(object.spec, old.spec))
      immutable(errors, fieldPath('spec'), internalValue('resource.ResourceClaimTemplateSpec', object.spec));
  },
  row: (object, context) => [object.metadata.name, age(object, context)],
});
