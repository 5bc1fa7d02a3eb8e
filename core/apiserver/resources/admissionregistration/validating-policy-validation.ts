import { internalValue } from '../../../api/internal-value.js';
import type {
  AuditAnnotation,
  ExpressionWarning,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { jsonPathFault } from '../../../machinery/json-path-syntax.js';
import { nameIsDnsSubdomain } from '../../../machinery/names.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import type { PolicyExpressionCompiler, PolicyExpressionEngine } from '../../policy-expressions.js';
import { validateConditions as validateStatusConditions } from '../conditions.js';
import { addInvalid, qualifiedName, supported } from '../core/checks.js';
import { validateConditions } from './condition-validation.js';
import {
  expressionFault,
  hasSameConditions,
  validateMatchResources,
  validateParamKind,
  validateParamRef,
  validateVariable,
} from './policy-validation.js';
import { failurePolicies } from './rule-validation.js';

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const validationActions = ['Audit', 'Deny', 'Warn'];
const maximumAuditAnnotations = 20;
const longestValueExpressionBytes = 5 * 1024;
const nothingToDo = 'validations or auditAnnotations must contain at least one item';

export interface PolicyEngines {
  readonly expressions: MatchExpressionEngine;
  readonly policyExpressions: PolicyExpressionEngine;
}

/** Source: kubernetes pkg/apis/admissionregistration/validation. */
export async function validatePolicy(
  policy: ValidatingAdmissionPolicy,
  old: Readonly<ValidatingAdmissionPolicy> | undefined,
  errors: FieldErrors,
  { expressions, policyExpressions }: PolicyEngines,
): Promise<void> {
  const { metadata, spec } = policy;
  const path = fieldPath('spec');
  const { paramKind, matchConstraints, matchConditions = [], variables = [], validations = [], auditAnnotations = [] } = spec;
  const hasParams = paramKind !== undefined;
  supported(errors, path.child('failurePolicy'), spec.failurePolicy, failurePolicies);
  if (paramKind) validateParamKind(paramKind, path.child('paramKind'), errors);
  const constraintsPath = path.child('matchConstraints');
  if (!matchConstraints) errors.required(constraintsPath);
  else {
    validateMatchResources(matchConstraints, constraintsPath, errors);
    if (!matchConstraints.resourceRules?.length) errors.required(constraintsPath.child('resourceRules'));
  }
  if (!old || !hasSameConditions(spec, old.spec))
    await validateConditions(matchConditions, path.child('matchConditions'), errors, expressions, { hasParams });
  const compiler = await policyExpressions.compiler({ isComposed: variables.length > 0 });
  const compiling = { compiler, hasParams };
  for (const [index, variable] of variables.entries())
    validateVariable(variable, path.child('variables').index(index), errors, compiling);
  if (validations.length === 0 && auditAnnotations.length === 0) {
    errors.required(path.child('validations'), nothingToDo);
    errors.required(path.child('auditAnnotations'), nothingToDo);
    return;
  }
  for (const [index, validation] of validations.entries())
    validateValidation(validation, path.child('validations').index(index), errors, compiling);
  validateAuditAnnotations(auditAnnotations, path.child('auditAnnotations'), errors, {
    ...compiling,
    policyName: metadata.name ?? '',
  });
}

interface Compiling {
  readonly compiler: PolicyExpressionCompiler;
  readonly hasParams: boolean;
}

function validateValidation(
  validation: Validation,
  path: FieldPath,
  errors: FieldErrors,
  { compiler, hasParams }: Compiling,
): void {
  const { expression = '', message = '', messageExpression = '', reason } = validation;
  const expressionPath = path.child('expression');
  if (expression.trim() === '') errors.required(expressionPath, 'expression is not specified');
  else {
    const fault = compiler.fault(expression, 'bool', { hasParams, hasAuthorizer: true });
    expressionFault(fault, expression, expressionPath, errors);
  }
  const messagePath = path.child('messageExpression');
  if (messageExpression && messageExpression.trim() === '')
    errors.invalid(messagePath, messageExpression, 'must be non-empty if specified');
  else if (messageExpression) {
    const fault = compiler.fault(messageExpression, 'string', { hasParams, hasAuthorizer: false });
    expressionFault(fault, messageExpression, messagePath, errors);
  }
  if (message && message.trim() === '') errors.invalid(path.child('message'), message, 'must be non-empty if specified');
  else if (/[\n\r]/.test(message.trim())) errors.invalid(path.child('message'), message, 'must not contain line breaks');
  if (reason !== undefined) supported(errors, path.child('reason'), reason, reasons);
}

function validateAuditAnnotations(
  annotations: readonly AuditAnnotation[],
  path: FieldPath,
  errors: FieldErrors,
  compiling: Compiling & { readonly policyName: string },
): void {
  if (annotations.length > maximumAuditAnnotations) {
    const text = `must not have more than ${maximumAuditAnnotations} auditAnnotations`;
    errors.invalid(path, internalValue('[]admissionregistration.AuditAnnotation', annotations), text);
  }
  const keys = new Set<string>();
  for (const [index, annotation] of annotations.entries()) {
    const at = path.index(index);
    validateAuditAnnotation(annotation, at, errors, compiling);
    if (keys.has(annotation.key)) errors.duplicate(at.child('key'), annotation.key);
    keys.add(annotation.key);
  }
}

function validateAuditAnnotation(
  { key = '', valueExpression = '' }: Partial<AuditAnnotation>,
  path: FieldPath,
  errors: FieldErrors,
  { compiler, hasParams, policyName }: Compiling & { readonly policyName: string },
): void {
  if (policyName) qualifiedName(errors, path.child('key'), `${policyName}/${key}`);
  else errors.invalid(path.child('key'), key, 'requires metadata.name be non-empty');
  const at = path.child('valueExpression');
  const trimmed = valueExpression.trim();
  if (!trimmed) return errors.required(at, 'valueExpression is not specified');
  if (Buffer.byteLength(trimmed) > longestValueExpressionBytes)
    return errors.required(at, `must not exceed ${longestValueExpressionBytes} bytes in length`);
  const fault = compiler.fault(trimmed, 'string or null', { hasParams, hasAuthorizer: true });
  expressionFault(fault, valueExpression, at, errors);
}

export function validatePolicyStatus({ status }: ValidatingAdmissionPolicy, errors: FieldErrors): void {
  const path = fieldPath('status');
  const warnings = status.typeChecking?.expressionWarnings ?? [];
  for (const [index, warning] of warnings.entries())
    validateWarning(warning, path.child('typeChecking', 'expressionWarnings').index(index), errors);
  validateStatusConditions(status.conditions ?? [], path.child('conditions'), errors);
}

function validateWarning({ warning, fieldRef = '' }: ExpressionWarning, path: FieldPath, errors: FieldErrors): void {
  if (!warning) errors.required(path.child('warning'));
  const trimmed = fieldRef.trim();
  if (!trimmed) return errors.required(path.child('fieldRef'));
  const fault = jsonPathFault(`{${trimmed}}`);
  if (fault !== undefined) errors.invalid(path.child('fieldRef'), trimmed, `invalid JSONPath: ${fault}`);
}

export function validateBinding({ spec }: ValidatingAdmissionPolicyBinding, errors: FieldErrors): void {
  const path = fieldPath('spec');
  const { policyName = '', paramRef, matchResources, validationActions: actions = [] } = spec;
  if (!policyName) errors.required(path.child('policyName'));
  else addInvalid(errors, path.child('policyName'), policyName, nameIsDnsSubdomain(policyName, false));
  if (paramRef) validateParamRef(paramRef, path.child('paramRef'), errors);
  if (matchResources) validateMatchResources(matchResources, path.child('matchResources'), errors);
  validateActions(actions, path.child('validationActions'), errors);
}

function validateActions(actions: readonly string[], path: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, action] of actions.entries()) {
    supported(errors, path.index(index), action, validationActions);
    if (seen.has(action)) errors.duplicate(path.index(index), action);
    seen.add(action);
  }
  if (seen.has('Deny') && seen.has('Warn')) {
    const why = 'repeating the same validation failure information in the API response and headers serves no purpose';
    errors.invalid(path, actions, `must not contain both Deny and Warn (${why})`);
  }
  if (actions.length === 0) errors.required(path, 'at least one validation action is required');
}
