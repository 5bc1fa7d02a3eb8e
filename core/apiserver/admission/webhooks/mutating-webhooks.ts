import type { AdmissionAttributes, AdmissionPlugin } from '../../../contracts/admission.js';
import { parseJson } from '../../../machinery/codec/json-decode.js';
import { goJsonText, quote, withSortedKeys } from '../../../machinery/field-errors.js';
import type { KubeObject } from '../../../machinery/object.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { applyJsonPatch, decodeJsonPatch } from '../../../machinery/patch/json-patch.js';
import { plainServerError } from '../../../machinery/patch/patch-errors.js';
import { internalError } from '../../../machinery/status-error.js';
import { keepReadableOwners, plainFault, replaceContents } from '../mutated-object.js';
import type { ShownObjects } from '../request-matching.js';
import type { ReviewResponse } from './admission-review.js';
import type { AdmissionShapes, Invocation } from './admission-shapes.js';
import type { CompiledWebhook } from './compiled-webhook.js';
import { isExempt } from './request-scope.js';
import type { WebhookCaller } from './webhook-caller.js';
import type { WebhookMatcher } from './webhook-matcher.js';
import type { WebhookSet } from './webhook-set.js';

/** What is remembered between the two rounds. Source: the webhookReinvokeContext of upstream. */
interface Notes {
  /** Webhooks that were called and want to be called again after changes. */
  readonly called: Set<string>;
  /** Those of them behind whom something changed. */
  readonly again: Set<string>;
  output: KubeObject | undefined;
}

/** What a webhook has made an object of another kind. The webhooks behind it see it, and may set it right. */
interface Misfit {
  readonly object: KubeObject;
  readonly version: string;
  readonly fault: Error;
}

interface Application {
  readonly shown: ShownObjects;
  readonly held: { misfit?: Misfit | undefined };
  /** Under which the audit log tells the patch. */
  readonly patchKey: string;
}

/**
 * Asks mutating webhooks one after the other; each sees what those before it did. Where one changes an object that others with
 * `reinvocationPolicy: IfNeeded` had seen, these are asked once more. Source: apiserver pkg/admission/plugin/webhook/mutating.
 */
export class MutatingWebhooks implements AdmissionPlugin {
  readonly name = 'MutatingAdmissionWebhook';
  readonly #webhooks: WebhookSet;
  readonly #matcher: WebhookMatcher;
  readonly #caller: WebhookCaller;
  readonly #shapes: AdmissionShapes;

  constructor(webhooks: WebhookSet, matcher: WebhookMatcher, caller: WebhookCaller, shapes: AdmissionShapes) {
    this.#webhooks = webhooks;
    this.#matcher = matcher;
    this.#caller = caller;
    this.#shapes = shapes;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return this.#webhooks.all.length > 0 && !isExempt(attributes);
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    const { rounds } = attributes;
    const isSecond = rounds?.isSecond ?? false;
    const notes = (rounds?.notes.get(this.name) as Notes | undefined) ?? {
      called: new Set(),
      again: new Set(),
      output: undefined,
    };
    rounds?.notes.set(this.name, notes);
    if (isSecond && notes.called.size && !semanticEqual(notes.output, attributes.object)) callAgain(notes);
    const held: { misfit?: Misfit | undefined } = {};
    for (const [index, webhook] of this.#webhooks.all.entries()) {
      const invocation = await this.#matcher.match(webhook, attributes);
      // Nobody is called for the first time in the second round.
      if (!invocation || (isSecond && !notes.again.has(webhook.id))) continue;
      const versions = await this.#matcher.versions(attributes, invocation);
      const { misfit } = held;
      if (misfit && misfit.version !== invocation.kind.version) throw misfit.fault;
      const shown = misfit ? { ...versions, object: misfit.object } : versions;
      const place = `round_${isSecond ? 1 : 0}_index_${index}`;
      const annotationKey = `mutation.webhook.admission.k8s.io/${place}`;
      const patchKey = `patch.webhook.admission.k8s.io/${place}`;
      let changed: boolean | undefined;
      try {
        changed = await this.#caller.call(webhook, attributes, invocation, { shown, annotationKey }, response =>
          this.#apply(response, webhook, attributes, invocation, { shown, held, patchKey }),
        );
      } finally {
        attributes.annotate?.(annotationKey, goJsonText({ ...nameOf(webhook), mutated: changed ?? false }));
      }
      if (changed) {
        callAgain(notes);
        rounds?.askForSecond();
      }
      if (webhook.isReinvocable) notes.called.add(webhook.id);
    }
    if (held.misfit) throw held.misfit.fault;
    // Only they look at it.
    if (notes.called.size) notes.output = cloneJson(attributes.object);
  }

  /** Writes a patch into the draft; says whether that changed anything. */
  async #apply(
    { patch, patchType }: ReviewResponse,
    webhook: CompiledWebhook,
    attributes: AdmissionAttributes,
    { resource, kind }: Invocation,
    { shown: { object: shown }, held, patchKey }: Application,
  ): Promise<boolean> {
    if (!patch) return false;
    const operations = decodePatch(patch);
    if (operations.length === 0) return false;
    const { object, subresource } = attributes;
    if (!object || !shown) {
      const what = 'attempted to modify the object, which is not supported for this operation';
      throw internalError(`admission webhook ${quote(webhook.name)} ${what}`);
    }
    if (patchType !== 'JSONPatch') throw this.#caller.failure(webhook, `unsupported patch type ${quote(patchType)}`);
    const patched = this.#patched(operations, resource, subresource, shown);
    attributes.annotate?.(patchKey, patchText(webhook, operations), 'Request');
    held.misfit = 'fault' in patched ? { ...patched, version: kind.version } : undefined;
    if ('fault' in patched) return true;
    if (semanticEqual(patched, shown)) return false;
    keepReadableOwners(patched, shown, attributes);
    replaceContents(object, shown === object ? patched : await this.#shapes.convert(patched, resource, attributes));
    return true;
  }

  #patched(
    operations: readonly unknown[],
    resource: Invocation['resource'],
    subresource: string,
    shown: KubeObject,
  ): KubeObject | Omit<Misfit, 'version'> {
    let json: unknown;
    let fault: Error;
    try {
      json = applyJsonPatch(this.#shapes.toJson(resource, subresource, shown), operations);
      return this.#shapes.fromJson(resource, subresource, json);
    } catch (error) {
      fault = plainFault(error);
      // Upstream reads any kind, and finds that it is another one when it wants to go on with it.
      if (!fault.message.endsWith(': unknown conversion')) throw internalError(fault);
    }
    try {
      return { object: this.#shapes.fromAnyJson(json as KubeObject), fault: plainServerError(fault.message) };
    } catch (error) {
      throw internalError(plainFault(error));
    }
  }
}

const nameOf = ({ configuration, name }: CompiledWebhook): object => ({ configuration, webhook: name });

function patchText(webhook: CompiledWebhook, operations: readonly unknown[]): string {
  return goJsonText({ ...nameOf(webhook), patch: withSortedKeys(operations), patchType: 'JSONPatch' });
}

function callAgain({ called, again }: Notes): void {
  for (const id of called) again.add(id);
  called.clear();
}

function decodePatch(text: string): readonly unknown[] {
  try {
    return decodeJsonPatch(parseJson(text));
  } catch (error) {
    throw internalError(plainFault(error));
  }
}
