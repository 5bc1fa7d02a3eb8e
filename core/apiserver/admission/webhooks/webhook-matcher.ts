import { Namespaces } from '../../../api/generated/resources.js';
import { errorCode } from '../../../base/errors.js';
import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { LabelSelector, Labels } from '../../../machinery/label-selector.js';
import type { KubeObject } from '../../../machinery/object.js';
import { internalError, notFound } from '../../../machinery/status-error.js';
import { userOf } from '../../auth/user-info.js';
import type { MatchVariables } from '../../match-expressions.js';
import { evaluationFailed } from '../../match-expressions.js';
import type { ObjectLookup } from '../object-lookup.js';
import { refusal } from '../refusal.js';
import { requestFields } from './admission-review.js';
import type { AdmissionShapes, Invocation, ResourceName } from './admission-shapes.js';
import type { CompiledRule, CompiledWebhook } from './compiled-webhook.js';
import { isNamespace, namespaceOf } from './request-scope.js';

/** Source: apiserver pkg/admission/plugin/webhook/predicates. */
export class WebhookMatcher {
  readonly #lookup: ObjectLookup;
  readonly #shapes: AdmissionShapes;

  constructor(lookup: ObjectLookup, shapes: AdmissionShapes) {
    this.#lookup = lookup;
    this.#shapes = shapes;
  }

  /** Undefined: not for this webhook. Rejects with a StatusError where that cannot be told. */
  async match(webhook: CompiledWebhook, attributes: AdmissionAttributes): Promise<Invocation | undefined> {
    // The cheapest first; that an unreadable selector or a missing namespace only counts where the rules match is upstream's.
    const invocation = this.#matchRules(webhook, attributes);
    if (!invocation) return undefined;
    if (!matchesObject(webhook.objectSelector, attributes)) return undefined;
    if (!(await this.#matchesNamespace(webhook.namespaceSelector, attributes))) return undefined;
    if (!webhook.conditions) return invocation;
    const variables = await this.#variables(attributes, invocation);
    try {
      return (await webhook.conditions.matches(variables)) ? invocation : undefined;
    } catch (error) {
      if (errorCode(error) !== evaluationFailed) throw error;
      if (webhook.ignoresFailure) return undefined;
      throw refusal(attributes, (error as Error).message);
    }
  }

  async #variables(attributes: AdmissionAttributes, invocation: Invocation): Promise<MatchVariables> {
    const { group, resource, subresource, name, caller } = attributes;
    const { object, oldObject } = await this.versions(attributes, invocation);
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
  async versions(
    attributes: AdmissionAttributes,
    { resource }: Invocation,
  ): Promise<{ object: Readonly<KubeObject> | undefined; oldObject: Readonly<KubeObject> | undefined }> {
    const { object, oldObject } = attributes;
    if (sameName(resource, attributes)) return { object, oldObject };
    return {
      object: object && (await this.#shapes.convert(object, attributes, resource)),
      oldObject: oldObject && (await this.#shapes.convert(oldObject, attributes, resource)),
    };
  }

  #matchRules({ rules, matchesEquivalents }: CompiledWebhook, attributes: AdmissionAttributes): Invocation | undefined {
    const { subresource } = attributes;
    for (const rule of rules) {
      if (ruleMatches(rule, attributes, attributes)) return this.#invocation(attributes, subresource);
    }
    if (!matchesEquivalents) return undefined;
    let others: readonly ResourceName[] | undefined;
    for (const rule of rules) {
      if (!circumstancesMatch(rule, attributes)) continue;
      others ??= this.#shapes.equivalents(attributes, subresource);
      for (const other of others) if (ruleMatches(rule, other, attributes)) return this.#invocation(other, subresource);
    }
    return undefined;
  }

  #invocation({ group, version, resource }: ResourceName, subresource: string): Invocation {
    const kind = this.#shapes.kind({ group, version, resource }, subresource);
    if (!kind) throw internalError(`unable to convert to ${group}/${version}, Resource=${resource}: unknown kind`);
    return { resource: { group, version, resource }, kind };
  }

  async #matchesNamespace(selector: LabelSelector | Error, attributes: AdmissionAttributes): Promise<boolean> {
    const namespace = namespaceOf(attributes);
    // What lies in no namespace cannot be exempted by one.
    if (!namespace && attributes.resource !== 'namespaces') return true;
    if (selector instanceof Error) throw internalError(selector);
    return selector.empty || selector.matches(await this.#namespaceLabels(namespace, attributes));
  }

  async #namespaceLabels(name: string, attributes: AdmissionAttributes): Promise<Labels | undefined> {
    const { operation, resource, subresource, object } = attributes;
    if (resource === 'namespaces' && !subresource && (operation === 'CREATE' || operation === 'UPDATE'))
      return object?.metadata.labels;
    const found = await this.#lookup.find(Namespaces, '', name);
    if (!found) throw notFound({ group: '', resource: 'namespaces', name });
    return found.metadata.labels;
  }
}

function matchesObject(selector: LabelSelector | Error, { object, oldObject }: AdmissionAttributes): boolean {
  if (selector instanceof Error) throw internalError(selector);
  if (selector.empty) return true;
  return [object, oldObject].some(each => each !== undefined && selector.matches(each.metadata.labels));
}

function sameName(a: ResourceName, b: ResourceName): boolean {
  return a.resource === b.resource && a.version === b.version && a.group === b.group;
}

const includes = (words: readonly string[], word: string): boolean => words.includes('*') || words.includes(word);

function ruleMatches(rule: CompiledRule, name: ResourceName, attributes: AdmissionAttributes): boolean {
  return (
    includes(rule.groups, name.group) &&
    includes(rule.versions, name.version) &&
    rule.resources.some(
      ({ resource, subresource }) =>
        (resource === '*' || resource === name.resource) && (subresource === '*' || subresource === attributes.subresource),
    ) &&
    circumstancesMatch(rule, attributes, name)
  );
}

/** What does not hang on the name of the resource. */
function circumstancesMatch(rule: CompiledRule, attributes: AdmissionAttributes, name: ResourceName = attributes): boolean {
  if (!includes(rule.operations, attributes.operation)) return false;
  if (rule.scope === '*') return true;
  const isNamespaced = !(isNamespace(name) && name.version === 'v1') && namespaceOf(attributes) !== '';
  return rule.scope === (isNamespaced ? 'Namespaced' : 'Cluster');
}
