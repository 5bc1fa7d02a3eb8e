import type { MutatingWebhook, ValidatingWebhook } from '../../../api/generated/types.js';
import type { ResourceReference } from '../../../api/resource-reference.js';
import type { KubeObject } from '../../../machinery/object.js';
import { jsonEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { staticNameWarnings } from './policy-definition.js';
import { updateRules, validateWebhooks } from './webhook-validation.js';

/** A webhook of either kind; only mutating ones have a `reinvocationPolicy`. */
export type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>;
type WebhookConfiguration = KubeObject & { webhooks?: Webhook[] };

const defaultTimeoutSeconds = 10;
const httpsPort = 443;

/** What the two kinds of configurations have in common, which is all but reinvocation. */
export function webhookConfiguration<T extends WebhookConfiguration>(options: {
  readonly reference: ResourceReference<T>;
  readonly reinvocable: boolean;
  readonly expressions: MatchExpressionEngine;
}): ResourceDefinition {
  return defineResource<T>({
    reference: options.reference,
    allowUnconditionalUpdate: false,
    checks: { update: ['object', 'validateUpdate'] },
    defaults(object) {
      for (const webhook of object.webhooks ?? []) {
        setWebhookDefaults(webhook);
        if (options.reinvocable) webhook.reinvocationPolicy ??= 'Never';
      }
    },
    prepareForCreate(object) {
      object.metadata.generation = 1;
    },
    // As exactly as upstream compares: a list without entries is another than none.
    generation: (object, old) => !jsonEqual(object.webhooks, old.webhooks),
    validate: (object, errors) => validateWebhooks(object.webhooks ?? [], errors, options.expressions),
    validateUpdate: (object, old, errors) =>
      validateWebhooks(
        object.webhooks ?? [],
        errors,
        options.expressions,
        updateRules(object.webhooks ?? [], old.webhooks ?? []),
      ),
    warnings: staticNameWarnings,
    row: (object, context) => [object.metadata.name, object.webhooks?.length ?? 0, age(object, context)],
  });
}

function setWebhookDefaults(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= defaultTimeoutSeconds;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  const { service } = webhook.clientConfig;
  if (service) service.port ??= httpsPort;
}
