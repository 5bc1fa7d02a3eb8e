import type { WebhookClientConfig } from '../../../api/generated/types.js';
import type { KubeObject } from '../../../machinery/object.js';
import type { MatchConditions, MatchExpressionEngine } from '../../match-expressions.js';
import type { Webhook } from '../../resources/admissionregistration/webhook-configuration.js';
import type { CompiledRule, CompiledSelector } from '../request-matching.js';
import { compileRule, compileSelector } from '../request-matching.js';

export type ReviewVersion = 'v1' | 'v1beta1';

/** One webhook of one configuration, in the form in which requests are held against it. */
export interface CompiledWebhook {
  readonly name: string;
  readonly configuration: string;
  /** `configuration/name/n`: the same webhook in both rounds of mutation. */
  readonly id: string;
  readonly rules: readonly CompiledRule[];
  readonly matchesEquivalents: boolean;
  readonly namespaceSelector: CompiledSelector;
  readonly objectSelector: CompiledSelector;
  readonly conditions: MatchConditions | undefined;
  readonly ignoresFailure: boolean;
  readonly isReinvocable: boolean;
  readonly allowsDryRun: boolean;
  readonly timeoutSeconds: number;
  /** The first of those it names that we speak; none: it cannot be called. */
  readonly reviewVersion: ReviewVersion | undefined;
  readonly client: WebhookClientConfig;
}

export type WebhookConfiguration = KubeObject & { readonly webhooks?: readonly Webhook[] };

const defaultTimeoutSeconds = 10;

export function compileConfiguration(
  { metadata, webhooks = [] }: WebhookConfiguration,
  expressions: MatchExpressionEngine,
): CompiledWebhook[] {
  const seen = new Map<string, number>();
  return webhooks.map(webhook => {
    const count = seen.get(webhook.name) ?? 0;
    seen.set(webhook.name, count + 1);
    const { matchConditions = [], sideEffects, admissionReviewVersions = [] } = webhook;
    return {
      name: webhook.name,
      configuration: metadata.name!,
      id: `${metadata.name}/${webhook.name}/${count}`,
      rules: (webhook.rules ?? []).map(compileRule),
      matchesEquivalents: webhook.matchPolicy === 'Equivalent',
      namespaceSelector: compileSelector(webhook.namespaceSelector),
      objectSelector: compileSelector(webhook.objectSelector),
      conditions: matchConditions.length ? expressions.compile(matchConditions) : undefined,
      ignoresFailure: webhook.failurePolicy === 'Ignore',
      isReinvocable: webhook.reinvocationPolicy === 'IfNeeded',
      allowsDryRun: sideEffects === 'None' || sideEffects === 'NoneOnDryRun',
      timeoutSeconds: webhook.timeoutSeconds ?? defaultTimeoutSeconds,
      reviewVersion: admissionReviewVersions.find(version => version === 'v1' || version === 'v1beta1'),
      client: webhook.clientConfig,
    };
  });
}
