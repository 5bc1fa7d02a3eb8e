import type {
  FlowSchemaSpec,
  FlowcontrolSubject,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  ServiceAccountSubject,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsLabel, nameIsDnsSubdomain } from '../../../machinery/names.js';
import { exemptName } from '../../flowcontrol/default-flow-control.js';
import { addInvalid, namespaceName, objectName, required } from '../core/checks.js';

const highestPrecedence = 10_000;
const distinguishers = ['ByNamespace', 'ByUser'];
const subjectKinds = ['Group', 'ServiceAccount', 'User'];
const knownVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const namespacePrefix = "each member of this list must be '*' or a DNS-1123 label; ";

/** Source: kubernetes pkg/apis/flowcontrol/validation. */
export function validateFlowSchemaSpec(name: string, spec: FlowSchemaSpec, errors: FieldErrors): void {
  const path = fieldPath('spec');
  const { matchingPrecedence: precedence, distinguisherMethod: method, priorityLevelConfiguration: level } = spec;
  const at = path.child('matchingPrecedence');
  if (precedence <= 0) errors.invalid(at, precedence, 'must be a positive value');
  if (precedence > highestPrecedence) errors.invalid(at, precedence, `must not be greater than ${highestPrecedence}`);
  if (precedence === 1 && name !== exemptName)
    errors.invalid(at, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
  if (method && !distinguishers.includes(method.type)) {
    const value = internalValue('flowcontrol.FlowDistinguisherMethod', method);
    errors.notSupported(path.child('distinguisherMethod', 'type'), value, distinguishers);
  }
  const reference = path.child('priorityLevelConfiguration', 'name');
  if (level.name) objectName(errors, reference, level.name);
  else errors.required(reference, 'must reference a priority level');
  for (const [index, rule] of (spec.rules ?? []).entries()) validateRule(rule, path.child('rules').index(index), errors);
}

function validateRule(rule: PolicyRulesWithSubjects, path: FieldPath, errors: FieldErrors): void {
  const { resourceRules = [], nonResourceRules = [] } = rule;
  const subjects = rule.subjects ?? [];
  if (subjects.length === 0) errors.required(path.child('subjects'), 'subjects must contain at least one value');
  for (const [index, subject] of subjects.entries()) validateSubject(subject, path.child('subjects').index(index), errors);
  if (resourceRules.length === 0 && nonResourceRules.length === 0)
    errors.required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  for (const [index, inner] of resourceRules.entries())
    validateResourceRule(inner, path.child('resourceRules').index(index), errors);
  for (const [index, inner] of nonResourceRules.entries())
    validateNonResourceRule(inner, path.child('nonResourceRules').index(index), errors);
}

/** What is set beside the kind is complained about in upstream's order. */
const forbiddenBeside: Readonly<Record<string, readonly ['serviceAccount' | 'user' | 'group', string][]>> = {
  ServiceAccount: [
    ['user', 'User'],
    ['group', 'Group'],
  ],
  User: [
    ['serviceAccount', 'ServiceAccount'],
    ['group', 'Group'],
  ],
  Group: [
    ['serviceAccount', 'ServiceAccount'],
    ['user', 'User'],
  ],
};

function validateSubject(subject: FlowcontrolSubject, path: FieldPath, errors: FieldErrors): void {
  const { kind, serviceAccount, user, group } = subject;
  if (kind === 'ServiceAccount') validateServiceAccount(serviceAccount, path.child('serviceAccount'), errors);
  else if (kind === 'User') validateNamed(user, 'user', 'User', path, errors);
  else if (kind === 'Group') validateNamed(group, 'group', 'Group', path, errors);
  else return errors.notSupported(path.child('kind'), kind, subjectKinds);
  for (const [field, owner] of forbiddenBeside[kind]!) {
    if (subject[field]) errors.forbidden(path.child(field), `${field} is forbidden when subject kind is not '${owner}'`);
  }
}

function validateNamed(
  subject: { name: string } | undefined,
  field: string,
  kind: string,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!subject) errors.required(path.child(field), `${field} is required when subject kind is '${kind}'`);
  else required(errors, path.child(field, 'name'), subject.name);
}

function validateServiceAccount(subject: ServiceAccountSubject | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!subject) return errors.required(path, "serviceAccount is required when subject kind is 'ServiceAccount'");
  const { name, namespace } = subject;
  if (!name) errors.required(path.child('name'));
  else if (name !== '*') addInvalid(errors, path.child('name'), name, nameIsDnsSubdomain(name, false));
  if (namespace) namespaceName(errors, path.child('namespace'), namespace);
  else errors.required(path.child('namespace'), 'must specify namespace for service account');
}

/** Whether the list is to be looked at further. */
function validateList(
  values: readonly string[],
  path: FieldPath,
  words: readonly [string, string],
  errors: FieldErrors,
): boolean {
  const [missing, others] = words;
  if (values.length === 0) errors.required(path, missing);
  else if (!values.includes('*')) return true;
  else if (values.length > 1) errors.invalid(path, values, `if '*' is present, must not specify other ${others}`);
  return false;
}

function validateVerbs(verbs: readonly string[], path: FieldPath, errors: FieldErrors): void {
  if (!validateList(verbs, path, ['verbs must contain at least one value', 'verbs'], errors)) return;
  if (!verbs.every(verb => knownVerbs.includes(verb))) errors.notSupported(path, verbs, knownVerbs);
}

function validateNonResourceRule(rule: NonResourcePolicyRule, path: FieldPath, errors: FieldErrors): void {
  validateVerbs(rule.verbs ?? [], path.child('verbs'), errors);
  const urls = rule.nonResourceURLs ?? [];
  const at = path.child('nonResourceURLs');
  const words = ['nonResourceURLs must contain at least one value', 'non-resource URLs'] as const;
  if (!validateList(urls, at, words, errors)) return;
  for (const [index, url] of urls.entries()) {
    const fault = urlFault(url);
    if (fault) errors.invalid(at.index(index), url, fault);
  }
}

function urlFault(url: string): string | undefined {
  if (!url) return 'must not be empty';
  if (url === '/') return undefined;
  if (!url.startsWith('/')) return 'must start with slash';
  if (url.includes(' ')) return 'must not contain white-space';
  if (url.includes('//')) return 'must not contain double slash';
  const stars = url.split('*').length - 1;
  if (stars > 1 || (stars === 1 && !url.endsWith('/*'))) return 'wildcard can only do suffix matching';
  return undefined;
}

function validateResourceRule(rule: ResourcePolicyRule, path: FieldPath, errors: FieldErrors): void {
  validateVerbs(rule.verbs ?? [], path.child('verbs'), errors);
  const apiGroups = ['resource rules must supply at least one api group', 'api groups'] as const;
  validateList(rule.apiGroups ?? [], path.child('apiGroups'), apiGroups, errors);
  const resources = ['resource rules must supply at least one resource', 'resources'] as const;
  validateList(rule.resources ?? [], path.child('resources'), resources, errors);
  const namespaces = rule.namespaces ?? [];
  const at = path.child('namespaces');
  if (namespaces.length === 0) {
    if (!rule.clusterScope) errors.required(at, 'resource rules that are not cluster scoped must supply at least one namespace');
  } else if (namespaces.includes('*')) {
    if (namespaces.length > 1) errors.invalid(at, namespaces, "if '*' is present, must not specify other namespaces");
  } else {
    for (const [index, namespace] of namespaces.entries()) {
      for (const text of nameIsDnsLabel(namespace, false)) errors.invalid(at.index(index), namespace, namespacePrefix + text);
    }
  }
}
