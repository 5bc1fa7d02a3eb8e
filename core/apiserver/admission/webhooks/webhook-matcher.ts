import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { KubeObject } from '../../../machinery/object.js';
import { userOf } from '../../auth/user-info.js';
import type { MatchVariables } from '../../match-expressions.js';
import type { MatchConditionMetrics } from '../match-condition-metrics.js';
import type { ObjectLookup } from '../object-lookup.js';
import { refusal } from '../refusal.js';
import type { ShownObjects } from '../request-matching.js';
import {
  circumstancesMatch,
  invocationOf,
  matchesNamespace,
  matchesObject,
  objectsAs,
  ruleMatches,
} from '../request-matching.js';
import { requestFields } from './admission-review.js';
import type { AdmissionShapes, Invocation, ResourceName } from './admission-shapes.js';
import type { CompiledWebhook } from './compiled-webhook.js';
import { namespaceOf } from './request-scope.js';
import type { WebhookType } from './webhook-metrics.js';

export interface WebhookMatcherOptions {
  readonly lookup: ObjectLookup;
  readonly shapes: AdmissionShapes;
  readonly metrics: MatchConditionMetrics;
}

/** Source: apiserver pkg/admission/plugin/webhook/predicates. */
export class WebhookMatcher {
  readonly #type: WebhookType;
  readonly #lookup: ObjectLookup;
  readonly #shapes: AdmissionShapes;
  readonly #metrics: MatchConditionMetrics;

  constructor(type: WebhookType, { lookup, shapes, metrics }: WebhookMatcherOptions) {
    this.#type = type;
    this.#lookup = lookup;
    this.#shapes = shapes;
    this.#metrics = metrics;
  }

  /** Undefined: not for this webhook. Rejects with a StatusError where that cannot be told. */
  async match(webhook: CompiledWebhook, attributes: AdmissionAttributes): Promise<Invocation | undefined> {
    // The cheapest first; that an unreadable selector or a missing namespace only counts where the rules match is upstream's.
    const invocation = this.#matchRules(webhook, attributes);
    if (!invocation) return undefined;
    if (!matchesObject(webhook.objectSelector, attributes)) return undefined;
    if (!(await matchesNamespace(webhook.namespaceSelector, attributes, this.#lookup))) return undefined;
    if (!webhook.conditions) return invocation;
    const outcome = await webhook.conditions.evaluate(await this.#variables(attributes, invocation));
    const { name, ignoresFailure } = webhook;
    const owner = { name, kind: 'webhook', type: this.#type, operation: attributes.operation } as const;
    this.#metrics.observe(owner, outcome);
    if (outcome.failure !== undefined && !ignoresFailure) throw refusal(attributes, outcome.failure);
    if (outcome.matches) return invocation;
    this.#metrics.observeExclusion({ ...owner, type: owner.type === 'admit' ? 'admit' : 'validate' });
    return undefined;
  }

  async #variables(attributes: AdmissionAttributes, invocation: Invocation): Promise<MatchVariables> {
    const { group, resource, subresource, name, caller } = attributes;
    const { object, oldObject } = await objectsAs(this.#shapes, attributes, invocation);
    const toJson = (each: Readonly<KubeObject> | undefined): object | undefined =>
      each && this.#shapes.toJson(invocation.resource, subresource, each);
    return {
      get object() {
        return toJson(object);
      },
      get oldObject() {
        return toJson(oldObject);
      },
      request: requestFields(attributes, invocation, this.#shapes.kind(attributes, subresource)!),
      user: userOf(caller),
      target: { group, resource, subresource, namespace: namespaceOf(attributes), name },
    };
  }

  /** The objects of a request as the webhook wants to see them. */
  versions(attributes: AdmissionAttributes, invocation: Invocation): Promise<ShownObjects> {
    return objectsAs(this.#shapes, attributes, invocation);
  }

  #matchRules({ rules, matchesEquivalents }: CompiledWebhook, attributes: AdmissionAttributes): Invocation | undefined {
    const { subresource } = attributes;
    for (const rule of rules) {
      if (ruleMatches(rule, attributes, attributes)) return invocationOf(this.#shapes, attributes, subresource);
    }
    if (!matchesEquivalents) return undefined;
    let others: readonly ResourceName[] | undefined;
    for (const rule of rules) {
      if (!circumstancesMatch(rule, attributes)) continue;
      others ??= this.#shapes.equivalents(attributes, subresource);
      for (const other of others) {
        if (ruleMatches(rule, other, attributes)) return invocationOf(this.#shapes, other, subresource);
      }
    }
    return undefined;
  }
}
