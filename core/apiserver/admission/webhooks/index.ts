import { loadTypes } from '../../../api/schema-data.js';
import type { Clock } from '../../../base/clock.js';
import type { Logger } from '../../../base/logger.js';
import type { AdmissionPlugin } from '../../../contracts/admission.js';
import type { WebhookClients } from '../../connect/webhook-clients.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import type { ObjectLookup } from '../object-lookup.js';
import type { AdmissionShapes } from './admission-shapes.js';
import { MutatingWebhooks } from './mutating-webhooks.js';
import { ValidatingWebhooks } from './validating-webhooks.js';
import type { WebhookCallerOptions } from './webhook-caller.js';
import { WebhookCaller } from './webhook-caller.js';
import { WebhookMatcher } from './webhook-matcher.js';
import type { WebhookMetrics } from './webhook-metrics.js';
import { WebhookSet } from './webhook-set.js';

export interface WebhookServices {
  readonly clients: Pick<WebhookClients, 'post'>;
  readonly shapes: AdmissionShapes;
  readonly expressions: MatchExpressionEngine;
  readonly metrics: WebhookMetrics;
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

  /** In upstream's order. */
  plugins(lookup: ObjectLookup): readonly AdmissionPlugin[] {
    const { shapes, clients, clock, logger, metrics } = this.#services;
    const matcher = new WebhookMatcher(lookup, shapes);
    const review = loadTypes('admission.k8s.io').kind('admission.k8s.io', 'v1', 'AdmissionReview')!;
    const options: WebhookCallerOptions = { shapes, clients, clock, logger, metrics, review };
    return [
      new MutatingWebhooks(this.mutating, matcher, new WebhookCaller('admit', options), shapes),
      new ValidatingWebhooks(this.validating, matcher, new WebhookCaller('validating', options)),
    ];
  }
}
