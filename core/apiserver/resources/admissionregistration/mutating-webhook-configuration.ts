import type { MutatingWebhookConfiguration } from '../../../api/generated/types.js';
import { MutatingWebhookConfigurations } from '../../../api/generated/resources.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { webhookConfiguration } from './webhook-configuration.js';

export const mutatingWebhookConfiguration = (expressions: MatchExpressionEngine): ResourceDefinition =>
  webhookConfiguration<MutatingWebhookConfiguration>({
    reference: MutatingWebhookConfigurations,
    reinvocable: true,
    expressions,
  });
