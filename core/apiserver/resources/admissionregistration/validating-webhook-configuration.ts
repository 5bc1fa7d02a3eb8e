import type { ValidatingWebhookConfiguration } from '../../../api/generated/types.js';
import { ValidatingWebhookConfigurations } from '../../../api/generated/resources.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { webhookConfiguration } from './webhook-configuration.js';

export const validatingWebhookConfiguration = (expressions: MatchExpressionEngine): ResourceDefinition =>
  webhookConfiguration<ValidatingWebhookConfiguration>({
    reference: ValidatingWebhookConfigurations,
    reinvocable: false,
    expressions,
  });
