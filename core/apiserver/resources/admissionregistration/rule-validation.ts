import type { RuleWithOperations } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { supported } from '../core/checks.js';

export const failurePolicies = ['Fail', 'Ignore'];
export const matchPolicies = ['Equivalent', 'Exact'];
export const reinvocationPolicies = ['IfNeeded', 'Never'];
const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];

/** Which requests a webhook or a policy is for. Source: kubernetes pkg/apis/admissionregistration/validation. */
export function validateRule(rule: RuleWithOperations, path: FieldPath, errors: FieldErrors): void {
  const { operations: verbs = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  const at = path.child('operations');
  if (verbs.length === 0) errors.required(at);
  if (verbs.length > 1 && verbs.includes('*')) errors.invalid(at, verbs, "if '*' is present, must not specify other operations");
  for (const [index, verb] of verbs.entries()) supported(errors, at.index(index), verb, operations);
  validateWords(apiGroups, 'API groups', path.child('apiGroups'), errors);
  validateWords(apiVersions, 'API versions', path.child('apiVersions'), errors);
  for (const [index, version] of apiVersions.entries()) if (!version) errors.required(path.child('apiVersions').index(index));
  validateResources(resources, path.child('resources'), errors);
  if (scope !== undefined) supported(errors, path.child('scope'), scope, scopes);
}

function validateWords(words: readonly string[], what: string, path: FieldPath, errors: FieldErrors): void {
  if (words.length === 0) errors.required(path);
  if (words.length > 1 && words.includes('*')) errors.invalid(path, words, `if '*' is present, must not specify other ${what}`);
}

function validateResources(resources: readonly string[], path: FieldPath, errors: FieldErrors): void {
  if (resources.length === 0) errors.required(path);
  const withAnySubresource = new Set<string>();
  const ofAnyResource = new Set<string>();
  let hasPlain = false;
  for (const [index, text] of resources.entries()) {
    const at = path.index(index);
    if (!text) {
      errors.required(at);
      continue;
    }
    const slash = text.indexOf('/');
    if (slash < 0) {
      // Upstream looks at the last one only.
      hasPlain = text !== '*';
      continue;
    }
    const [resource, subresource] = [text.slice(0, slash), text.slice(slash + 1)];
    if (withAnySubresource.has(resource)) errors.invalid(at, text, `if '${resource}/*' is present, must not specify ${text}`);
    if (ofAnyResource.has(subresource)) errors.invalid(at, text, `if '*/${subresource}' is present, must not specify ${text}`);
    if (subresource === '*') withAnySubresource.add(resource);
    if (resource === '*') ofAnyResource.add(subresource);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.invalid(path, resources, "if '*/*' is present, must not specify other resources");
  if (resources.includes('*') && hasPlain)
    errors.invalid(path, resources, "if '*' is present, must not specify other resources without subresources");
}
