import type { Clock } from '../../../base/clock.js';
import { CodedError, errorCode } from '../../../base/errors.js';
import type { Logger } from '../../../base/logger.js';
import type { AdmissionAttributes } from '../../../contracts/admission.js';
import { quote } from '../../../machinery/field-errors.js';
import { validateQualifiedName } from '../../../machinery/names.js';
import type { KubeObject } from '../../../machinery/object.js';
import type { StructType } from '../../../machinery/schema.js';
import type { StatusError } from '../../../machinery/status-error.js';
import { badRequest, internalError } from '../../../machinery/status-error.js';
import type { WebhookClients } from '../../connect/webhook-clients.js';
import type { ShownObjects } from '../request-matching.js';
import type { ReviewResponse } from './admission-review.js';
import { readReview, requestFields, reviewRequest, unreadableAnswer, webhookRefusal } from './admission-review.js';
import type { AdmissionShapes, Invocation } from './admission-shapes.js';
import type { CompiledWebhook } from './compiled-webhook.js';
import type { WebhookMetrics, WebhookOutcome, WebhookType } from './webhook-metrics.js';

export interface WebhookCallerOptions {
  readonly clients: Pick<WebhookClients, 'post'>;
  readonly shapes: AdmissionShapes;
  /** The type of an AdmissionReview. */
  readonly review: StructType;
  readonly clock: Clock;
  readonly metrics: WebhookMetrics;
  readonly logger: Logger;
}

/** What one call shows, and where the audit log speaks of it: `mutation.webhook.admission.k8s.io/round_0_index_0`. */
export interface ShownCall {
  readonly shown: ShownObjects;
  readonly annotationKey: string;
}

const badRequestCode = 400;
const unavailableCode = 503;

/** Calls one webhook about one request, and does with failures what its policy says. */
export class WebhookCaller {
  readonly #options: WebhookCallerOptions;
  readonly #type: WebhookType;

  constructor(type: WebhookType, options: WebhookCallerOptions) {
    this.#type = type;
    this.#options = options;
  }

  /**
   * What `use` makes of an answer that allows; undefined where the call failed and that is ignored. Rejects with the webhook's
   * refusal, or with 500 for a call that failed.
   */
  async call<T>(
    webhook: CompiledWebhook,
    attributes: AdmissionAttributes,
    invocation: Invocation,
    { shown, annotationKey }: ShownCall,
    use: (response: ReviewResponse) => T | Promise<T>,
  ): Promise<T | undefined> {
    const { clock, logger } = this.#options;
    const startMs = clock.monotonicMs();
    const observe = (outcome: Pick<WebhookOutcome, 'code'> & Partial<WebhookOutcome>): void =>
      this.#options.metrics.observe({
        name: webhook.name,
        type: this.#type,
        operation: attributes.operation,
        seconds: (clock.monotonicMs() - startMs) / 1000,
        rejection: undefined,
        failedOpen: false,
        ...outcome,
      });
    try {
      const response = await this.#review(webhook, attributes, invocation, shown);
      publishAnnotations(webhook.name, response, attributes);
      for (const text of response.warnings) attributes.warn(text);
      if (!response.allowed) throw new Refused(webhookRefusal(webhook.name, response.status));
      const used = await use(response);
      observe({ code: 200 });
      return used;
    } catch (error) {
      if (error instanceof Refused) {
        observe({ code: error.status.httpStatus, rejection: 'no_error' });
        throw error.status;
      }
      if (!(error instanceof CallFailure)) {
        observe({ code: 0, rejection: 'apiserver_internal_error' });
        throw error;
      }
      const { webhook: name, httpStatus: code } = error;
      if (webhook.ignoresFailure) {
        logger.warn('a webhook could not be called and is ignored', { webhook: name, error: error.message });
        attributes.annotate?.(`failed-open.${annotationKey}`, name);
        observe({ code, failedOpen: true });
        return undefined;
      }
      logger.warn('a webhook could not be called, and its request is refused', { webhook: name, error: error.message });
      observe({ code, rejection: 'calling_webhook_error' });
      throw internalError(error);
    }
  }

  /** For answers that `use` finds wanting. */
  failure(webhook: CompiledWebhook, reason: string): Error {
    return new CallFailure(webhook.name, reason, badRequestCode);
  }

  async #review(
    webhook: CompiledWebhook,
    attributes: AdmissionAttributes,
    invocation: Invocation,
    { object, oldObject }: ShownObjects,
  ): Promise<ReviewResponse> {
    const { name, reviewVersion, client, timeoutSeconds } = webhook;
    if (attributes.dryRun && !webhook.allowsDryRun) throw badRequest(`admission webhook ${quote(name)} does not support dry run`);
    if (!reviewVersion) {
      const text = 'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)';
      throw new CallFailure(name, text, badRequestCode);
    }
    const { shapes, clients, review } = this.#options;
    const { subresource } = attributes;
    const json = (each: Readonly<KubeObject> | undefined): object | undefined =>
      each && shapes.toJson(invocation.resource, subresource, each);
    const fields = requestFields(attributes, invocation, shapes.kind(attributes, subresource) ?? invocation.kind);
    const { uid, text } = reviewRequest(reviewVersion, fields, { object: json(object), oldObject: json(oldObject) });
    try {
      const answer = await clients.post(client, text, timeoutSeconds);
      return await readReview(answer, review, { version: reviewVersion, uid, mutating: this.#type === 'admit' });
    } catch (error) {
      throw callFailure(name, error);
    }
  }
}

/** Keys that are no qualified names are left out. */
function publishAnnotations(webhook: string, { auditAnnotations }: ReviewResponse, { annotate }: AdmissionAttributes): void {
  if (!annotate) return;
  for (const [name, value] of Object.entries(auditAnnotations)) {
    const key = `${webhook}/${name}`;
    if (key.split('/').length === 2 && validateQualifiedName(key).length === 0) annotate(key, value);
  }
}

function callFailure(webhook: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  switch (errorCode(error)) {
    case 'WEBHOOK_ANSWER':
      return new CallFailure(webhook, `received invalid webhook response: ${message}`, unavailableCode, error);
    case 'WEBHOOK_STATUS':
      return new CallFailure(webhook, `failed to call webhook: ${message}`, (error as { httpStatus: number }).httpStatus, error);
    case 'WEBHOOK_CONFIGURATION':
      return new CallFailure(webhook, message, unavailableCode, error);
    case 'WEBHOOK_UNREACHABLE':
    case unreadableAnswer:
      return new CallFailure(webhook, `failed to call webhook: ${message}`, unavailableCode, error);
    default:
      return error as Error;
  }
}

/** No answer that can be used: what `failurePolicy` is about. */
class CallFailure extends CodedError {
  readonly webhook: string;
  readonly httpStatus: number;

  constructor(webhook: string, reason: string, httpStatus: number, cause?: unknown) {
    super('WEBHOOK_CALL_FAILED', `failed calling webhook ${quote(webhook)}: ${reason}`, { cause });
    this.webhook = webhook;
    this.httpStatus = httpStatus;
  }
}

/** The webhook said no, which no policy ignores. */
class Refused extends Error {
  readonly status: StatusError;

  constructor(status: StatusError) {
    super(status.message);
    this.status = status;
  }
}
