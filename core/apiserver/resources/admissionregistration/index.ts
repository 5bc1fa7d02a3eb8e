import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { mutatingAdmissionPolicyBinding } from './mutating-admission-policy-binding.js';
import { mutatingAdmissionPolicy } from './mutating-admission-policy.js';
import { mutatingWebhookConfiguration } from './mutating-webhook-configuration.js';
import { validatingAdmissionPolicyBinding } from './validating-admission-policy-binding.js';
import type { PolicyDefinitionOptions } from './validating-admission-policy.js';
import { validatingAdmissionPolicy } from './validating-admission-policy.js';
import { validatingWebhookConfiguration } from './validating-webhook-configuration.js';

/** What the kinds that configure admission need from other parts of the server. */
export type AdmissionRegistrationOptions = PolicyDefinitionOptions;

export const admissionRegistrationDefinitions = (options: AdmissionRegistrationOptions): readonly ResourceDefinition[] => [
  mutatingAdmissionPolicy(options),
  mutatingAdmissionPolicyBinding(options.resourceNames),
  mutatingWebhookConfiguration(options.expressions),
  validatingAdmissionPolicy(options),
  validatingAdmissionPolicyBinding(options.resourceNames),
  validatingWebhookConfiguration(options.expressions),
];
