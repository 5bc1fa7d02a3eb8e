import type { AdmissionAttributes, AdmissionPlugin } from '../../../contracts/admission.js';
import { parseJson } from '../../../machinery/codec/json-decode.js';
import { quote } from '../../../machinery/field-errors.js';
import type { KubeObject } from '../../../machinery/object.js';
import { cloneJson, jsonEqual, semanticEqual, setOwn } from '../../../machinery/object.js';
import { applyJsonPatch, decodeJsonPatch } from '../../../machinery/patch/json-patch.js';
import { decodeManagedFields } from '../../../machinery/patch/managed-fields/managed-entries.js';
import { plainServerError } from '../../../machinery/patch/patch-errors.js';
import { internalError } from '../../../machinery/status-error.js';
import type { ReviewResponse } from './admission-review.js';
import type { AdmissionShapes, Invocation } from './admission-shapes.js';
import type { CompiledWebhook } from './compiled-webhook.js';
import { isExempt } from './request-scope.js';
import type { ShownObjects, WebhookCaller } from './webhook-caller.js';
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
    for (const webhook of this.#webhooks.all) {
      const invocation = await this.#matcher.match(webhook, attributes);
      // Nobody is called for the first time in the second round.
      if (!invocation || (isSecond && !notes.again.has(webhook.id))) continue;
      const versions = await this.#matcher.versions(attributes, invocation);
      const { misfit } = held;
      if (misfit && misfit.version !== invocation.kind.version) throw misfit.fault;
      const shown = misfit ? { ...versions, object: misfit.object } : versions;
      const changed = await this.#caller.call(webhook, attributes, invocation, shown, response =>
        this.#apply(response, webhook, attributes, invocation, { shown, held }),
      );
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
    { shown: { object: shown }, held }: { readonly shown: ShownObjects; readonly held: { misfit?: Misfit | undefined } },
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

/** What went wrong itself: what a client would be told of its own patch or body says less, or more. */
function plainFault(error: unknown): Error {
  const { message, cause } = error as Error;
  const inner = cause instanceof Error && message.startsWith('the server rejected our request') ? cause.message : message;
  const said = inner
    .replace(/^error decoding patch: /, '')
    .replace(/^\S+ in version \S+ cannot be handled as a \S+: /, '')
    .replace('pkg/api/legacyscheme/scheme.go:30', 'pkg/runtime/scheme.go:111');
  return new Error(said, { cause: error });
}

/** A patch that left `managedFields` such that nobody can read them has not touched them. Source: upstream's admission of managed fields. */
function keepReadableOwners({ metadata }: KubeObject, before: Readonly<KubeObject>, attributes: AdmissionAttributes): void {
  if (jsonEqual(metadata.managedFields, before.metadata.managedFields)) return;
  try {
    decodeManagedFields(metadata.managedFields, true);
  } catch (error) {
    if (before.metadata.managedFields) metadata.managedFields = cloneJson(before.metadata.managedFields);
    else delete metadata.managedFields;
    const cause = 'this could be caused by an outdated mutating admission controller; please fix your requests';
    const fault = error instanceof Error ? error.message : String(error);
    attributes.warn(`.metadata.managedFields was in an invalid state after admission; ${cause}: ${fault}`);
  }
}

function replaceContents(target: KubeObject, source: KubeObject): void {
  const writable = target as unknown as Record<string, unknown>;
  for (const key of Object.keys(writable)) if (!Object.hasOwn(source, key)) delete writable[key];
  for (const [key, value] of Object.entries(source)) setOwn(writable, key, value);
}
