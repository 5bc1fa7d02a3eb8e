import type {
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  Mutation,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsSubdomain } from '../../../machinery/names.js';
import type { PolicyExpressionCompiler } from '../../policy-expressions.js';
import { addInvalid, supported } from '../core/checks.js';
import { validateConditions } from './condition-validation.js';
import {
  expressionFault,
  hasSameConditions,
  validateMatchResources,
  validateParamKind,
  validateParamRef,
  validateVariable,
} from './policy-validation.js';
import { failurePolicies, reinvocationPolicies } from './rule-validation.js';
import type { PolicyEngines } from './validating-policy-validation.js';

/** There is nothing to change of what is deleted. */
const mutableOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE'];
const patchTypes = ['ApplyConfiguration', 'JSONPatch'];

interface Compiling {
  readonly compiler: PolicyExpressionCompiler;
  readonly hasParams: boolean;
}

/** Source: kubernetes pkg/apis/admissionregistration/validation. */
export async function validateMutatingPolicy(
  { spec }: MutatingAdmissionPolicy,
  old: Readonly<MutatingAdmissionPolicy> | undefined,
  errors: FieldErrors,
  { expressions, policyExpressions }: PolicyEngines,
): Promise<void> {
  const path = fieldPath('spec');
  const { paramKind, matchConstraints, matchConditions = [], variables = [], mutations = [], reinvocationPolicy } = spec;
  const hasParams = paramKind !== undefined;
  supported(errors, path.child('failurePolicy'), spec.failurePolicy, failurePolicies);
  if (paramKind) validateParamKind(paramKind, path.child('paramKind'), errors);
  const constraintsPath = path.child('matchConstraints');
  if (!matchConstraints) errors.required(constraintsPath);
  else {
    validateMatchResources(matchConstraints, constraintsPath, errors);
    if (!matchConstraints.resourceRules?.length) errors.required(constraintsPath.child('resourceRules'));
    validateOperations(matchConstraints, constraintsPath, errors);
  }
  if (!old || !hasSameConditions(spec, old.spec))
    await validateConditions(matchConditions, path.child('matchConditions'), errors, expressions, { hasParams });
  const compiling = { compiler: await policyExpressions.compiler({ isComposed: true }), hasParams };
  for (const [index, variable] of variables.entries())
    validateVariable(variable, path.child('variables').index(index), errors, compiling);
  const mutationsPath = path.child('mutations');
  if (mutations.length === 0) errors.required(mutationsPath, 'mutations must contain at least one item');
  for (const [index, mutation] of mutations.entries()) validateMutation(mutation, mutationsPath.index(index), errors, compiling);
  const reinvocationPath = path.child('reinvocationPolicy');
  if (!reinvocationPolicy) errors.required(reinvocationPath);
  else supported(errors, reinvocationPath, reinvocationPolicy, reinvocationPolicies);
}

/** Operations of all rules, under one path. */
function validateOperations({ resourceRules = [] }: MatchResources, path: FieldPath, errors: FieldErrors): void {
  const at = path.child('resourceRules', 'operations');
  for (const { operations = [] } of resourceRules) {
    for (const operation of operations) supported(errors, at, operation, mutableOperations);
  }
}

function validateMutation(mutation: Mutation, path: FieldPath, errors: FieldErrors, compiling: Compiling): void {
  const { patchType, applyConfiguration, jsonPatch } = mutation;
  if (!patchType) return errors.required(path.child('patchType'));
  if (!supported(errors, path.child('patchType'), patchType, patchTypes)) return;
  const isPatch = patchType === 'JSONPatch';
  const [name, other] = isPatch ? (['jsonPatch', 'applyConfiguration'] as const) : (['applyConfiguration', 'jsonPatch'] as const);
  const given = isPatch ? jsonPatch : applyConfiguration;
  if (!given) errors.required(path.child(name), `must be specified when patchType is ${patchType}`);
  else {
    const at = path.child(name, 'expression');
    const expression = (given.expression ?? '').trim();
    const result = isPatch ? 'JSON patch' : 'apply configuration';
    const { compiler, hasParams } = compiling;
    if (!expression) errors.required(at);
    else expressionFault(compiler.fault(expression, result, { hasParams, hasAuthorizer: true }), expression, at, errors);
  }
  if (isPatch ? applyConfiguration : jsonPatch)
    errors.invalid(path.child(other), `{${other}}`, `must not be specified when patchType is ${patchType}`);
}

export function validateMutatingBinding({ spec }: MutatingAdmissionPolicyBinding, errors: FieldErrors): void {
  const path = fieldPath('spec');
  const { policyName = '', paramRef, matchResources } = spec;
  if (!policyName) errors.required(path.child('policyName'));
  else addInvalid(errors, path.child('policyName'), policyName, nameIsDnsSubdomain(policyName, false));
  if (paramRef) validateParamRef(paramRef, path.child('paramRef'), errors);
  if (!matchResources) return;
  validateMatchResources(matchResources, path.child('matchResources'), errors);
  validateOperations(matchResources, path.child('matchResources'), errors);
}
