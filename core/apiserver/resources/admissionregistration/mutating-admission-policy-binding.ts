import { MutatingAdmissionPolicies, MutatingAdmissionPolicyBindings } from '../../../api/generated/resources.js';
import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { checkParamRef } from './param-permission.js';
import type { ResourceNames } from './param-permission.js';
import { paramRefCell, setMatchDefaults, staticNameWarnings } from './policy-definition.js';
import { validateMutatingBinding } from './mutating-policy-validation.js';

/** Source: kubernetes pkg/registry/admissionregistration/mutatingadmissionpolicybinding. */
export function mutatingAdmissionPolicyBinding(resourceNames: ResourceNames): ResourceDefinition {
  const validate = async (
    binding: MutatingAdmissionPolicyBinding,
    errors: FieldErrors,
    context: RequestContext,
  ): Promise<void> => {
    validateMutatingBinding(binding, errors);
    const { paramRef, policyName = '' } = binding.spec;
    // Also where nothing of it changed: upstream compares addresses of what it has in hand.
    if (!errors.empty || !paramRef) return;
    const policies = context.stores.get<MutatingAdmissionPolicy>(MutatingAdmissionPolicies);
    const policy = policies?.cache.get('', policyName)?.object;
    await checkParamRef({ policyName, policy, paramRef }, errors, context, resourceNames);
  };
  return defineResource<MutatingAdmissionPolicyBinding>({
    reference: MutatingAdmissionPolicyBindings,
    allowUnconditionalUpdate: false,
    checks: { update: ['object', 'validateUpdate'] },
    generation: (binding, old) => !semanticEqual(binding.spec, old.spec),
    defaults: ({ spec }) => setMatchDefaults(spec.matchResources),
    validate,
    validateUpdate: (binding, _old, errors, context) => validate(binding, errors, context),
    warnings: staticNameWarnings,
    row: (binding, context) => {
      const { policyName = '', paramRef } = binding.spec;
      return [binding.metadata.name, policyName, paramRefCell(paramRef), age(binding, context)];
    },
  });
}
