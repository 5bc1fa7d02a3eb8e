import { MutatingAdmissionPolicies, MutatingAdmissionPolicyBindings } from '../../../api/generated/resources.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { validateMutatingBinding } from './mutating-policy-validation.js';
import type { ResourceNames } from './param-permission.js';
import { policyBinding } from './policy-binding.js';

export function mutatingAdmissionPolicyBinding(resourceNames: ResourceNames): ResourceDefinition {
  return policyBinding({
    reference: MutatingAdmissionPolicyBindings,
    policies: MutatingAdmissionPolicies,
    validate: validateMutatingBinding,
    resourceNames,
  });
}
