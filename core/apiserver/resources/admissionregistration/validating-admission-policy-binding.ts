import { ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings } from '../../../api/generated/resources.js';
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { checkParamRef } from './param-permission.js';
import type { ResourceNames } from './param-permission.js';
import { paramRefCell, setMatchDefaults, staticNameWarnings } from './policy-definition.js';
import { validateBinding } from './validating-policy-validation.js';

/** Source: kubernetes pkg/registry/admissionregistration/validatingadmissionpolicybinding. */
export function validatingAdmissionPolicyBinding(resourceNames: ResourceNames): ResourceDefinition {
  const validate = async (
    binding: ValidatingAdmissionPolicyBinding,
    errors: FieldErrors,
    context: RequestContext,
  ): Promise<void> => {
    validateBinding(binding, errors);
    const { paramRef, policyName = '' } = binding.spec;
    // Also where nothing of it changed: upstream compares addresses of what it has in hand.
    if (!errors.empty || !paramRef) return;
    const policies = context.stores.get<ValidatingAdmissionPolicy>(ValidatingAdmissionPolicies);
    const policy = policies?.cache.get('', policyName)?.object;
    await checkParamRef({ policyName, policy, paramRef }, errors, context, resourceNames);
  };
  return defineResource<ValidatingAdmissionPolicyBinding>({
    reference: ValidatingAdmissionPolicyBindings,
    allowUnconditionalUpdate: false,
    checks: { update: ['object', 'validateUpdate'] },
    defaults: ({ spec }) => setMatchDefaults(spec.matchResources),
    generation: (binding, old) => !semanticEqual(binding.spec, old.spec),
    validate,
    validateUpdate: (binding, _old, errors, context) => validate(binding, errors, context),
    warnings: staticNameWarnings,
    row: (binding, context) => {
      const { policyName = '', paramRef } = binding.spec;
      return [binding.metadata.name, policyName, paramRefCell(paramRef), age(binding, context)];
    },
  });
}
