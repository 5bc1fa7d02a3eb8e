import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from '../../../api/generated/types.js';
import { errorCode, errorText } from '../../../base/errors.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { quote } from '../../../machinery/field-errors.js';
import { validateQualifiedName } from '../../../machinery/names.js';
import { countIndexes } from './job-indexes.js';

/** Failure and success policies of jobs. Source: pkg/apis/batch/validation. */
const maximumRules = 20;
const maximumExitCodes = 255;
const maximumPatterns = 20;
const maximumIndexesBytes = 64 * 1024;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const statuses = ['False', 'True', 'Unknown'];

export function validatePodFailurePolicy(spec: JobSpec, path: FieldPath, errors: FieldErrors): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const at = path.child('rules');
  if (rules.length > maximumRules) errors.tooMany(at, rules.length, maximumRules);
  const pod = spec.template.spec;
  const containers = new Set([...(pod.containers ?? []), ...(pod.initContainers ?? [])].map(container => container.name));
  for (const [index, rule] of rules.entries()) validateRule(spec, rule, { path: at.index(index), errors, containers });
}

interface RuleCheck {
  readonly path: FieldPath;
  readonly errors: FieldErrors;
  readonly containers: ReadonlySet<string>;
}

function validateRule(spec: JobSpec, rule: PodFailurePolicyRule, { path, errors, containers }: RuleCheck): void {
  const action = path.child('action');
  if (rule.action === 'FailIndex') {
    if (spec.backoffLimitPerIndex === undefined) {
      errors.invalid(action, rule.action, 'requires the backoffLimitPerIndex to be set');
    }
  } else validateChoice(rule.action, actions, action, errors);
  if (rule.onExitCodes) validateExitCodes(rule.onExitCodes, { path: path.child('onExitCodes'), errors, containers });
  const patterns = rule.onPodConditions ?? [];
  const at = path.child('onPodConditions');
  if (patterns.length > maximumPatterns) errors.tooMany(at, patterns.length, maximumPatterns);
  for (const [index, pattern] of patterns.entries()) {
    for (const text of validateQualifiedName(pattern.type)) errors.invalid(at.index(index).child('type'), pattern.type, text);
    validateChoice(pattern.status, statuses, at.index(index).child('status'), errors);
  }
  if (rule.onExitCodes && patterns.length) {
    invalidRule(path, 'specifying both OnExitCodes and OnPodConditions is not supported', errors);
  }
  if (!rule.onExitCodes && !patterns.length) {
    invalidRule(path, 'specifying one of OnExitCodes and OnPodConditions is required', errors);
  }
}

function validateChoice(value: string, choices: readonly string[], path: FieldPath, errors: FieldErrors): void {
  if (!value) errors.required(path, `valid values: [${choices.map(quote).join(' ')}]`);
  else if (!choices.includes(value)) errors.notSupported(path, value, choices);
}

/** Without the value: it is long. */
export function invalidRule(path: FieldPath, text: string, errors: FieldErrors): void {
  errors.add('FieldValueInvalid', path, `Invalid value: ${text}`);
}

function validateExitCodes(rule: PodFailurePolicyOnExitCodesRequirement, { path, errors, containers }: RuleCheck): void {
  validateChoice(rule.operator, operators, path.child('operator'), errors);
  if (rule.containerName !== undefined && !containers.has(rule.containerName)) {
    const text = 'must be one of the container or initContainer names in the pod template';
    errors.invalid(path.child('containerName'), rule.containerName, text);
  }
  const values = rule.values ?? [];
  const at = path.child('values');
  if (!values.length) errors.invalid(at, rule.values, 'at least one value is required');
  else if (values.length > maximumExitCodes) errors.tooMany(at, values.length, maximumExitCodes);
  const seen = new Set<number>();
  for (const [index, value] of values.entries()) {
    if (rule.operator === 'In' && value === 0) errors.invalid(at.index(index), value, 'must not be 0 for the In operator');
    if (seen.has(value)) errors.duplicate(at.index(index), value);
    seen.add(value);
  }
  if (values.some((value, index) => index > 0 && values[index - 1]! > value)) errors.invalid(at, values, 'must be ordered');
}

export function validateSuccessPolicy(spec: JobSpec, path: FieldPath, errors: FieldErrors): void {
  const rules = spec.successPolicy?.rules ?? [];
  const at = path.child('rules');
  if (!rules.length) errors.required(at, 'at least one rules must be specified when the successPolicy is specified');
  if (rules.length > maximumRules) errors.tooMany(at, rules.length, maximumRules);
  for (const [index, rule] of rules.entries()) validateSuccessRule(rule, spec.completions ?? 0, at.index(index), errors);
}

function validateSuccessRule(rule: SuccessPolicyRule, completions: number, path: FieldPath, errors: FieldErrors): void {
  const { succeededCount: count, succeededIndexes: indexes } = rule;
  if (count === undefined && indexes === undefined) {
    errors.required(path, 'at least one of succeededCount or succeededIndexes must be specified');
  }
  let total = 0;
  if (indexes !== undefined) {
    const at = path.child('succeededIndexes');
    if (Buffer.byteLength(indexes) > maximumIndexesBytes) errors.tooLong(at, maximumIndexesBytes);
    try {
      total = countIndexes(indexes, completions);
    } catch (error) {
      if (errorCode(error) !== 'INVALID_INDEXES') throw error;
      errors.invalid(at, indexes, `error parsing succeededIndexes: ${errorText(error)}`);
    }
  }
  if (count === undefined) return;
  const at = path.child('succeededCount');
  if (count < 0) errors.invalid(at, count, 'must be greater than or equal to 0');
  if (count > completions) {
    errors.invalid(at, count, `must be less than or equal to ${completions} (the number of specified completions)`);
  }
  if (indexes !== undefined && count > total) {
    const text = `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`;
    errors.invalid(at, count, text);
  }
}
