import type { MatchExpressionEngine } from '../../match-expressions.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { mutatingWebhookConfiguration } from './mutating-webhook-configuration.js';
import { validatingWebhookConfiguration } from './validating-webhook-configuration.js';

export const admissionRegistrationDefinitions = (expressions: MatchExpressionEngine): readonly ResourceDefinition[] => [
  mutatingWebhookConfiguration(expressions),
  validatingWebhookConfiguration(expressions),
];
