import { ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings } from '../../../api/generated/resources.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import type { ResourceNames } from './param-permission.js';
import { policyBinding } from './policy-binding.js';
import { validateBinding } from './validating-policy-validation.js';

export function validatingAdmissionPolicyBinding(resourceNames: ResourceNames): ResourceDefinition {
  return policyBinding({
    reference: ValidatingAdmissionPolicyBindings,
    policies: ValidatingAdmissionPolicies,
    validate: validateBinding,
    resourceNames,
  });
}
