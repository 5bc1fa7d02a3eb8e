import { loadTypes } from '../../../api/schema-data.js';
import type { Clock } from '../../../base/clock.js';
import type { Logger } from '../../../base/logger.js';
import type { AdmissionPlugin } from '../../../contracts/admission.js';
import type { WebhookClients } from '../../connect/webhook-clients.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import type { MatchConditionMetrics } from '../match-condition-metrics.js';
import type { ObjectLookup } from '../object-lookup.js';
import type { AdmissionShapes } from './admission-shapes.js';
import { MutatingWebhooks } from './mutating-webhooks.js';
import { ValidatingWebhooks } from './validating-webhooks.js';
import { WebhookCaller } from './webhook-caller.js';
import { WebhookMatcher } from './webhook-matcher.js';
import type { WebhookMetrics, WebhookType } from './webhook-metrics.js';
import { WebhookSet } from './webhook-set.js';

export interface WebhookServices {
  readonly clients: Pick<WebhookClients, 'post'>;
  readonly shapes: AdmissionShapes;
  readonly expressions: MatchExpressionEngine;
  readonly metrics: WebhookMetrics;
  readonly conditionMetrics: MatchConditionMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Dynamic admission: the sets are fed with configurations, the plugins heed them. */
export class DynamicAdmission {
  readonly mutating: WebhookSet;
  readonly validating: WebhookSet;
  readonly #services: WebhookServices;

  constructor(services: WebhookServices) {
    this.#services = services;
    this.mutating = new WebhookSet(services.expressions);
    this.validating = new WebhookSet(services.expressions);
  }

  mutatingPlugin(lookup: ObjectLookup): AdmissionPlugin {
    const { shapes } = this.#services;
    return new MutatingWebhooks(this.mutating, this.#matcher('admit', lookup), this.#caller('admit'), shapes);
  }

  validatingPlugin(lookup: ObjectLookup): AdmissionPlugin {
    return new ValidatingWebhooks(this.validating, this.#matcher('validating', lookup), this.#caller('validating'));
  }

  #matcher(type: WebhookType, lookup: ObjectLookup): WebhookMatcher {
    const { shapes, conditionMetrics: metrics } = this.#services;
    return new WebhookMatcher(type, { lookup, shapes, metrics });
  }

  #caller(type: WebhookType): WebhookCaller {
    const { shapes, clients, clock, logger, metrics } = this.#services;
    const review = loadTypes('admission.k8s.io').kind('admission.k8s.io', 'v1', 'AdmissionReview')!;
    return new WebhookCaller(type, { shapes, clients, clock, logger, metrics, review });
  }
}
