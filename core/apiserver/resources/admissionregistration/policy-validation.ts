import type {
  MatchCondition,
  MatchResources,
  NamedRuleWithOperations,
  ParamKind,
  ParamRef,
  Variable,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { validateDns1035Label, validateDns1123Subdomain, validatePathSegmentName } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import type { ExpressionFault } from '../../match-expressions.js';
import type { PolicyExpressionCompiler } from '../../policy-expressions.js';
import { supported } from '../core/checks.js';
import { matchPolicies, validateRule } from './rule-validation.js';

/** What validating and mutating policies have in common. Source: kubernetes pkg/apis/admissionregistration/validation. */

const notFoundActions = ['Deny', 'Allow'];
const identifier = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

interface Conditioned {
  readonly paramKind?: ParamKind;
  readonly matchConditions?: readonly MatchCondition[];
}

/** Whether an update has nothing in it that could make conditions wrong. */
export function hasSameConditions(spec: Conditioned, old: Conditioned): boolean {
  return semanticEqual(spec.paramKind, old.paramKind) && semanticEqual(spec.matchConditions, old.matchConditions);
}

export function validateParamKind({ apiVersion = '', kind = '' }: ParamKind, path: FieldPath, errors: FieldErrors): void {
  const at = path.child('apiVersion');
  const parts = apiVersion === '/' ? [''] : apiVersion.split('/');
  if (apiVersion === '') errors.required(at);
  else if (parts.length > 2) errors.invalid(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  else {
    const [version, group] = [parts.at(-1)!, parts.length === 2 ? parts[0]! : ''];
    const groupFaults = group ? validateDns1123Subdomain(group) : [];
    if (groupFaults.length) errors.invalid(at, group, groupFaults.join(','));
    const versionFaults = version ? validateDns1035Label(version) : [];
    if (!version) errors.invalid(at, apiVersion, 'version must be specified');
    else if (versionFaults.length) errors.invalid(at, version, versionFaults.join(','));
  }
  if (kind === '') return errors.required(path.child('kind'));
  const faults = validateDns1035Label(kind.toLowerCase());
  const rule = 'may have mixed case, but should otherwise match: ';
  if (faults.length) errors.invalid(path.child('kind'), kind, rule + faults.join(','));
}

export function validateMatchResources(resources: MatchResources, path: FieldPath, errors: FieldErrors): void {
  supported(errors, path.child('matchPolicy'), resources.matchPolicy, matchPolicies);
  validateLabelSelector(resources.namespaceSelector, path.child('namespaceSelector'), errors);
  validateLabelSelector(resources.objectSelector, path.child('objectSelector'), errors);
  for (const list of ['resourceRules', 'excludeResourceRules'] as const) {
    for (const [index, rule] of (resources[list] ?? []).entries()) validateNamedRule(rule, path.child(list).index(index), errors);
  }
}

function validateNamedRule(rule: NamedRuleWithOperations, path: FieldPath, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [index, name] of (rule.resourceNames ?? []).entries()) {
    const at = path.child('resourceNames').index(index);
    for (const text of validatePathSegmentName(name)) errors.invalid(at, name, text);
    if (names.has(name)) errors.duplicate(at, name);
    names.add(name);
  }
  validateRule(rule, path, errors);
}

/** Makes the variable known to what is compiled behind it. */
export function validateVariable(
  { name = '', expression = '' }: Partial<Variable>,
  path: FieldPath,
  errors: FieldErrors,
  { compiler, hasParams }: { readonly compiler: PolicyExpressionCompiler; readonly hasParams: boolean },
): void {
  if (name.trim() === '') errors.required(path.child('name'), 'name is not specified');
  else if (!identifier.test(name) || reserved.has(name))
    errors.invalid(path.child('name'), name, 'must be a valid CEL identifier');
  if (expression.trim() === '') return errors.required(path.child('expression'), 'expression is not specified');
  const fault = compiler.addVariable(name, expression, { hasParams, hasAuthorizer: true });
  expressionFault(fault, expression, path.child('expression'), errors);
}

export function expressionFault(
  fault: ExpressionFault | undefined,
  expression: string,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (fault?.isInternal) errors.internal(path, fault.detail);
  else if (fault) errors.invalid(path, expression, fault.detail);
}

export function validateParamRef(ref: ParamRef, path: FieldPath, errors: FieldErrors): void {
  const { name = '', selector, parameterNotFoundAction } = ref;
  const both = 'name and selector are mutually exclusive';
  if (name) {
    for (const text of validatePathSegmentName(name)) errors.invalid(path.child('name'), name, text);
    if (selector) errors.forbidden(path.child('name'), both);
  }
  if (selector) {
    validateLabelSelector(selector, path.child('selector'), errors);
    if (name) errors.forbidden(path.child('selector'), both);
  }
  if (!name && !selector) errors.required(path, 'one of name or selector must be specified');
  const at = path.child('parameterNotFoundAction');
  if (!parameterNotFoundAction) errors.required(at);
  else supported(errors, at, parameterNotFoundAction, notFoundActions);
}
