import type { Job, JobSpec } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { errorCode } from '../../../base/errors.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { labelSelectorFromObject, validateLabelSelector } from '../../../machinery/label-selector.js';
import { regexError, validateDns1123Label, validateDns1123Subdomain } from '../../../machinery/names.js';
import { nonNegative } from '../apps/pod-owner.js';
import { validatePodTemplateSpec } from '../core/pod-template-support.js';
import { validatePodFailurePolicy, validateSuccessPolicy } from './job-policy-validation.js';

/** Source: pkg/apis/batch/validation. */
const indexedParallelismLimit = 100_000;
const failedIndexesLimit = 100_000;
const manyCompletions = 100_000;
const limitForManyCompletions = 10_000;
const maximumManagedByBytes = 63;
const path = fieldPath('spec');

export const jobLabels = {
  legacyName: 'job-name',
  name: 'batch.kubernetes.io/job-name',
  legacyUid: 'controller-uid',
  uid: 'batch.kubernetes.io/controller-uid',
} as const;

export interface JobCheck {
  /** Jobs of older versions lack the labels with a prefix. */
  readonly requirePrefixedLabels: boolean;
  readonly allowInvalidSelectorValues: boolean;
}

export function validateJob(job: Job, old: Readonly<Job> | undefined, check: JobCheck, errors: FieldErrors): void {
  validateGeneratedSelector(job, check, errors);
  validateJobSpecAndSelector(job.spec, old?.spec, check, errors);
  const { completions = 0, completionMode } = job.spec;
  if (completionMode !== 'Indexed' || completions <= 0) return;
  // Pods get the index behind the name, and that as their host name.
  const hostname = `${job.metadata.name ?? ''}-${completions - 1}`;
  if (validateDns1123Label(hostname).length) {
    const text = `will not able to create pod with invalid DNS label: ${hostname}`;
    errors.invalid(fieldPath('metadata', 'name'), job.metadata.name ?? '', text);
  }
}

function validateGeneratedSelector(job: Job, check: JobCheck, errors: FieldErrors): void {
  const { spec, metadata } = job;
  if (spec.manualSelector || !spec.selector) return;
  if (!metadata.uid) errors.required(fieldPath('metadata', 'uid'));
  const expected: Record<string, string> = {
    [jobLabels.legacyUid]: metadata.uid ?? '',
    [jobLabels.legacyName]: metadata.name ?? '',
    ...(check.requirePrefixedLabels ? { [jobLabels.uid]: metadata.uid ?? '', [jobLabels.name]: metadata.name ?? '' } : {}),
  };
  const labels = spec.template.metadata?.labels ?? {};
  for (const [key, value] of Object.entries(expected)) {
    const at = path.child('template', 'metadata', 'labels').key(key);
    if (!Object.hasOwn(labels, key)) errors.required(at, `must be '${value}'`);
    else if (labels[key] !== value) errors.invalid(at, sorted(labels), `must be '${value}'`);
  }
  if (matches(spec, expected) === false) {
    errors.invalid(path.child('selector'), internalValue('*v1.LabelSelector', spec.selector), '`selector` not auto-generated');
  }
}

/** Maps print in the order of their keys. */
function sorted(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Undefined for a selector that cannot be read, of which enough is said elsewhere. */
function matches(spec: JobSpec, labels: Readonly<Record<string, string>>): boolean | undefined {
  try {
    return labelSelectorFromObject(spec.selector).matches(labels);
  } catch (error) {
    if (errorCode(error) !== 'INVALID_SELECTOR') throw error;
    return undefined;
  }
}

export function validateJobSpecAndSelector(
  spec: JobSpec,
  old: Readonly<JobSpec> | undefined,
  check: JobCheck,
  errors: FieldErrors,
): void {
  validateJobSpec(spec, old, path, errors);
  const at = path.child('selector');
  if (!spec.selector) errors.required(at);
  else validateLabelSelector(spec.selector, at, errors, { allowInvalidValues: check.allowInvalidSelectorValues });
  const labels = spec.template.metadata?.labels;
  if (matches(spec, labels ?? {}) === false) {
    const value = labels && sorted(labels);
    errors.invalid(path.child('template', 'metadata', 'labels'), value, '`selector` does not match template `labels`');
  }
}

export function validateJobSpec(spec: JobSpec, old: Readonly<JobSpec> | undefined, at: FieldPath, errors: FieldErrors): void {
  nonNegative(
    spec,
    [
      'parallelism',
      'completions',
      'activeDeadlineSeconds',
      'backoffLimit',
      'ttlSecondsAfterFinished',
      'backoffLimitPerIndex',
      'maxFailedIndexes',
    ],
    at,
    errors,
  );
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    errors.required(at.child('backoffLimitPerIndex'), 'when maxFailedIndexes is specified');
  }
  if (spec.managedBy !== undefined) validateManagedBy(spec.managedBy, at.child('managedBy'), errors);
  const mode = spec.completionMode;
  if (mode !== undefined && mode !== 'NonIndexed' && mode !== 'Indexed') {
    errors.notSupported(at.child('completionMode'), mode, ['NonIndexed', 'Indexed']);
  }
  if (mode === 'Indexed') validateIndexed(spec, at, errors);
  else if (mode === undefined || mode === 'NonIndexed') {
    for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const) {
      if (spec[field] !== undefined) errors.invalid(at.child(field), spec[field], 'requires indexed completion mode');
    }
  }
  if (spec.podFailurePolicy) validatePodFailurePolicy(spec, at.child('podFailurePolicy'), errors);
  if (spec.successPolicy) {
    const policy = at.child('successPolicy');
    if (mode === 'Indexed') validateSuccessPolicy(spec, policy, errors);
    else errors.invalid(policy, internalValue('*batch.SuccessPolicy', spec.successPolicy), 'requires indexed completion mode');
  }
  validateReplacement(spec, at.child('podReplacementPolicy'), errors);
  validatePodTemplateSpec(spec.template, at.child('template'), errors, old?.template);
  validateRestartPolicy(spec, at.child('template', 'spec', 'restartPolicy'), errors);
}

function validateManagedBy(value: string, at: FieldPath, errors: FieldErrors): void {
  if (!value) errors.required(at);
  else {
    const slash = value.indexOf('/');
    const host = value.slice(0, Math.max(0, slash));
    const rest = value.slice(slash + 1);
    if (slash < 0 || !host || !rest) {
      errors.invalid(at, value, 'must be a domain-prefixed path (such as "acme.io/foo")');
    } else {
      for (const text of validateDns1123Subdomain(host)) errors.invalid(at, host, text);
      if (!httpPath.test(rest)) errors.invalid(at, rest, regexError('Invalid path', httpPathPattern));
    }
  }
  if (Buffer.byteLength(value) > maximumManagedByBytes) errors.tooLong(at, maximumManagedByBytes);
}

const httpPathPattern = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const httpPath = new RegExp(`^${httpPathPattern}$`);

function validateIndexed(spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const { completions, parallelism = 0, maxFailedIndexes: failed, backoffLimitPerIndex } = spec;
  if (completions === undefined) errors.required(at.child('completions'), 'when completion mode is Indexed');
  if (parallelism > indexedParallelismLimit) {
    const text = `must be less than or equal to ${indexedParallelismLimit} when completion mode is Indexed`;
    errors.invalid(at.child('parallelism'), parallelism, text);
  }
  if (failed !== undefined && completions !== undefined && failed > completions) {
    errors.invalid(at.child('maxFailedIndexes'), failed, 'must be less than or equal to completions');
  }
  if (failed !== undefined && failed > failedIndexesLimit) {
    errors.invalid(at.child('maxFailedIndexes'), failed, `must be less than or equal to ${failedIndexesLimit}`);
  }
  if (completions === undefined || completions <= manyCompletions || backoffLimitPerIndex === undefined) return;
  const text = `must be less than or equal to ${limitForManyCompletions} when completions are above ${manyCompletions} and used with backoff limit per index`;
  if (failed === undefined) {
    errors.required(at.child('maxFailedIndexes'), `must be specified when completions is above ${manyCompletions}`);
  }
  if (parallelism > limitForManyCompletions) errors.invalid(at.child('parallelism'), parallelism, text);
  if (failed !== undefined && failed > limitForManyCompletions) errors.invalid(at.child('maxFailedIndexes'), failed, text);
}

function validateReplacement(spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const policy = spec.podReplacementPolicy;
  if (policy === undefined) return;
  const choices = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  if (!choices.includes(policy)) errors.notSupported(at, policy, choices);
}

function validateRestartPolicy(spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const policy = spec.template.spec.restartPolicy;
  if (!policy || policy === 'Always') errors.required(at, 'valid values: "OnFailure", "Never"');
  else if (policy !== 'OnFailure' && policy !== 'Never') errors.notSupported(at, policy, ['OnFailure', 'Never']);
  else if (spec.podFailurePolicy && policy !== 'Never') {
    errors.invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified');
  }
}
