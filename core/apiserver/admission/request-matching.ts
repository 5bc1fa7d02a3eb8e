import { Namespaces } from '../../api/generated/resources.js';
import type { Namespace, RuleWithOperations } from '../../api/generated/types.js';
import type { AdmissionAttributes } from '../../contracts/admission.js';
import type { LabelSelectorObject } from '../../machinery/label-selector.js';
import { LabelSelector, labelSelectorFromObject } from '../../machinery/label-selector.js';
import type { Labels } from '../../machinery/label-selector.js';
import type { KubeObject } from '../../machinery/object.js';
import { internalError, notFound } from '../../machinery/status-error.js';
import type { ObjectLookup } from './object-lookup.js';
import type { AdmissionShapes, Invocation, ResourceName } from './webhooks/admission-shapes.js';
import { isNamespace, namespaceOf } from './webhooks/request-scope.js';

/** What webhooks and policies have in common to say which requests they are for. */
export interface CompiledRule {
  readonly scope: string;
  readonly operations: readonly string[];
  readonly groups: readonly string[];
  readonly versions: readonly string[];
  readonly resources: readonly { readonly resource: string; readonly subresource: string }[];
}

/** An error where the stored selector cannot be read. */
export type CompiledSelector = LabelSelector | Error;

export interface ShownObjects {
  readonly object: Readonly<KubeObject> | undefined;
  readonly oldObject: Readonly<KubeObject> | undefined;
}

export function compileSelector(selector: LabelSelectorObject | undefined): CompiledSelector {
  try {
    return selector ? labelSelectorFromObject(selector) : LabelSelector.everything;
  } catch (error) {
    return error as Error;
  }
}

export function compileRule(rule: RuleWithOperations): CompiledRule {
  return {
    scope: rule.scope ?? '*',
    operations: rule.operations ?? [],
    groups: rule.apiGroups ?? [],
    versions: rule.apiVersions ?? [],
    resources: (rule.resources ?? []).map(text => {
      const slash = text.indexOf('/');
      return slash < 0
        ? { resource: text, subresource: '' }
        : { resource: text.slice(0, slash), subresource: text.slice(slash + 1) };
    }),
  };
}

const includes = (words: readonly string[], word: string): boolean => words.includes('*') || words.includes(word);

/** Whether a request is for the rule when its resource goes by this name. Source: apiserver pkg/admission/plugin/webhook/predicates/rules. */
export function ruleMatches(rule: CompiledRule, name: ResourceName, attributes: AdmissionAttributes): boolean {
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
export function circumstancesMatch(
  rule: CompiledRule,
  attributes: AdmissionAttributes,
  name: ResourceName = attributes,
): boolean {
  if (!includes(rule.operations, attributes.operation)) return false;
  if (rule.scope === '*') return true;
  const isNamespaced = !(isNamespace(name) && name.version === 'v1') && namespaceOf(attributes) !== '';
  return rule.scope === (isNamespaced ? 'Namespaced' : 'Cluster');
}

/** The name under which a request is shown, with its kind. Throws a StatusError for what is not served. */
export function invocationOf(
  shapes: AdmissionShapes,
  { group, version, resource }: ResourceName,
  subresource: string,
): Invocation {
  const kind = shapes.kind({ group, version, resource }, subresource);
  if (!kind) throw internalError(`unable to convert to ${group}/${version}, Resource=${resource}: unknown kind`);
  return { resource: { group, version, resource }, kind };
}

/** The objects of a request in another version. */
export async function objectsAs(
  shapes: AdmissionShapes,
  attributes: AdmissionAttributes,
  { resource }: Invocation,
): Promise<ShownObjects> {
  const { object, oldObject } = attributes;
  if (isSameName(resource, attributes)) return { object, oldObject };
  return {
    object: object && (await shapes.convert(object, attributes, resource)),
    oldObject: oldObject && (await shapes.convert(oldObject, attributes, resource)),
  };
}

function isSameName(a: ResourceName, b: ResourceName): boolean {
  return a.resource === b.resource && a.version === b.version && a.group === b.group;
}

/** Throws a StatusError for a selector that cannot be read. */
export function matchesObject(selector: CompiledSelector, { object, oldObject }: AdmissionAttributes): boolean {
  if (selector instanceof Error) throw internalError(selector);
  if (selector.empty) return true;
  return [object, oldObject].some(each => each !== undefined && selector.matches(each.metadata.labels));
}

/** Rejects with a StatusError for a selector that cannot be read and for a namespace that is not there. */
export async function matchesNamespace(
  selector: CompiledSelector,
  attributes: AdmissionAttributes,
  lookup: ObjectLookup,
): Promise<boolean> {
  const namespace = namespaceOf(attributes);
  // What lies in no namespace cannot be exempted by one.
  if (!namespace && attributes.resource !== 'namespaces') return true;
  if (selector instanceof Error) throw internalError(selector);
  return selector.empty || selector.matches(await namespaceLabels(namespace, attributes, lookup));
}

async function namespaceLabels(name: string, attributes: AdmissionAttributes, lookup: ObjectLookup): Promise<Labels | undefined> {
  const { operation, resource, subresource, object } = attributes;
  if (resource === 'namespaces' && !subresource && (operation === 'CREATE' || operation === 'UPDATE'))
    return object?.metadata.labels;
  return (await findNamespace(name, lookup)).metadata.labels;
}

/** Rejects with NotFound. */
export async function findNamespace(name: string, lookup: ObjectLookup): Promise<Readonly<Namespace>> {
  const found = await lookup.find(Namespaces, '', name);
  if (!found) throw notFound({ group: '', resource: 'namespaces', name });
  return found;
}
