import type { AdmissionAttributes, AdmissionPlugin } from '../../../contracts/admission.js';
import type { ShownObjects } from '../request-matching.js';
import type { Invocation } from './admission-shapes.js';
import type { CompiledWebhook } from './compiled-webhook.js';
import { isExempt } from './request-scope.js';
import type { WebhookCaller } from './webhook-caller.js';
import type { WebhookMatcher } from './webhook-matcher.js';
import type { WebhookSet } from './webhook-set.js';

/** Asks all validating webhooks that a request is for, at the same time. Source: apiserver pkg/admission/plugin/webhook/validating. */
export class ValidatingWebhooks implements AdmissionPlugin {
  readonly name = 'ValidatingAdmissionWebhook';
  readonly #webhooks: WebhookSet;
  readonly #matcher: WebhookMatcher;
  readonly #caller: WebhookCaller;

  constructor(webhooks: WebhookSet, matcher: WebhookMatcher, caller: WebhookCaller) {
    this.#webhooks = webhooks;
    this.#matcher = matcher;
    this.#caller = caller;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return this.#webhooks.all.length > 0 && !isExempt(attributes);
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const calls: [CompiledWebhook, Invocation, ShownObjects][] = [];
    for (const webhook of this.#webhooks.all) {
      const invocation = await this.#matcher.match(webhook, attributes);
      if (invocation) calls.push([webhook, invocation, await this.#matcher.versions(attributes, invocation)]);
    }
    const results = await Promise.allSettled(
      calls.map(([webhook, invocation, shown], index) => {
        const annotationKey = `validating.webhook.admission.k8s.io/round_0_index_${index}`;
        return this.#caller.call(webhook, attributes, invocation, { shown, annotationKey }, () => undefined);
      }),
    );
    // All have been heard, since some may count on it; the first of those that refuse is told.
    const refusal = results.find(result => result.status === 'rejected');
    if (refusal) throw refusal.reason;
  }
}
