import type { Job } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { errorCode, errorText } from '../../../base/errors.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { isJobFinished } from '../../../api/jobs.js';
import { semanticEqual } from '../../../machinery/object.js';
import { timeToMs } from '../../../machinery/time.js';
import { nonNegative } from '../apps/pod-owner.js';
import { countIndexes, sharedIndex } from './job-indexes.js';
import { invalidRule } from './job-policy-validation.js';

const path = fieldPath('status');
const conditionsPath = path.child('conditions');

/** What the checks of a status ask again and again. */
class JobState {
  readonly job: Readonly<Job>;

  constructor(job: Readonly<Job>) {
    this.job = job;
  }

  condition(type: string, value = 'True'): boolean {
    return this.job.status.conditions?.some(condition => condition.type === type && condition.status === value) ?? false;
  }

  get complete(): boolean {
    return this.condition('Complete');
  }

  get failed(): boolean {
    return this.condition('Failed');
  }

  get finished(): boolean {
    return isJobFinished(this.job);
  }

  get successful(): boolean {
    return this.condition('SuccessCriteriaMet');
  }

  get failing(): boolean {
    return this.condition('FailureTarget');
  }
}

/**
 * Since other controllers may manage jobs, a status must make sense; rules count only where what they speak of has changed, so that
 * an old fault does not block unrelated updates. Source: ValidateJobUpdateStatus and getStatusValidationOptions.
 */
export function validateJobStatusUpdate(job: Job, old: Readonly<Job>, errors: FieldErrors): void {
  const now = new JobState(job);
  const before = new JobState(old);
  nonNegative(job.status, ['active', 'succeeded', 'failed', 'ready', 'terminating'], path, errors);
  validateUncounted(job, errors);
  validateEnd(now, before, errors);
  validateFinished(now, before, errors);
  validateIndexes(now, before, errors);
  validateCounts(now, before, errors);
  validateSuccess(now, errors);
  validateTransitions(now, before, errors);
}

function validateUncounted({ status }: Job, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const field of ['succeeded', 'failed'] as const) {
    for (const [index, uid] of (status.uncountedTerminatedPods?.[field] ?? []).entries()) {
      const at = path.child('uncountedTerminatedPods', field).index(index);
      if (uid === '') errors.invalid(at, uid, 'must not be empty');
      else if (seen.has(uid)) errors.duplicate(at, uid);
      seen.add(uid);
    }
  }
}

function differs(now: JobState, before: JobState, field: keyof Job['status']): boolean {
  return !semanticEqual(now.job.status[field], before.job.status[field]);
}

function validateEnd(now: JobState, before: JobState, errors: FieldErrors): void {
  const { completionTime, startTime } = now.job.status;
  const completed = now.complete !== before.complete;
  const failed = now.failed !== before.failed;
  const at = path.child('completionTime');
  if ((completed || failed) && now.complete && now.failed) {
    invalidRule(conditionsPath, 'cannot set Complete=True and Failed=true conditions', errors);
  }
  if ((completed || now.failing !== before.failing) && now.complete && now.failing) {
    invalidRule(conditionsPath, 'cannot set Complete=True and FailureTarget=true conditions', errors);
  }
  const timed = completed || differs(now, before, 'completionTime');
  if (timed && completionTime !== undefined && !now.complete) {
    errors.invalid(at, completionTime, 'cannot set completionTime when there is no Complete=True condition');
  }
  if (timed && completionTime === undefined && now.complete) {
    errors.required(at, 'completionTime is required for Complete jobs');
  }
  const moved = differs(now, before, 'startTime') || differs(now, before, 'completionTime');
  if (moved && startTime && completionTime && timeToMs(completionTime) < timeToMs(startTime)) {
    errors.invalid(at, completionTime, 'must be equal to or after `startTime`');
  }
  if ((failed || differs(now, before, 'failedIndexes')) && now.failed && !now.failing) {
    invalidRule(conditionsPath, 'cannot set Failed=True condition without the FailureTarget=true condition', errors);
  }
  if ((completed || now.successful !== before.successful) && now.complete && !now.successful) {
    invalidRule(conditionsPath, 'cannot set Complete=True condition without the SuccessCriteriaMet=true condition', errors);
  }
}

function validateFinished(now: JobState, before: JobState, errors: FieldErrors): void {
  if (!now.finished) return;
  const { spec, status } = now.job;
  const ended = !before.finished;
  if ((ended || differs(now, before, 'active')) && (status.active ?? 0) > 0) {
    errors.invalid(path.child('active'), status.active, 'active>0 is invalid for finished job');
  }
  const empty = spec.suspend === true && spec.completions === 0;
  if ((ended || differs(now, before, 'startTime')) && !empty && status.startTime === undefined) {
    errors.required(path.child('startTime'), 'startTime is required for finished job');
  }
  const uncounted = status.uncountedTerminatedPods;
  const left = (uncounted?.failed?.length ?? 0) + (uncounted?.succeeded?.length ?? 0);
  if ((ended || differs(now, before, 'uncountedTerminatedPods')) && left > 0) {
    const value = internalValue('*batch.UncountedTerminatedPods', uncounted);
    errors.invalid(path.child('uncountedTerminatedPods'), value, 'must be empty for finished job');
  }
}

function validateIndexes(now: JobState, before: JobState, errors: FieldErrors): void {
  const { spec, status } = now.job;
  const { completedIndexes = '', failedIndexes } = status;
  const completed = completedIndexes !== (before.job.status.completedIndexes ?? '');
  const failed = failedIndexes !== before.job.status.failedIndexes;
  const completedPath = path.child('completedIndexes');
  const failedPath = path.child('failedIndexes');
  if (completed && spec.completions !== undefined) {
    const text = indexError(completedIndexes, spec.completions);
    if (text) errors.invalid(completedPath, completedIndexes, `error parsing completedIndexes: ${text}`);
  }
  if (failed && spec.completions !== undefined && spec.backoffLimitPerIndex !== undefined && failedIndexes !== undefined) {
    const text = indexError(failedIndexes, spec.completions);
    if (text) errors.invalid(failedPath, failedIndexes, `error parsing failedIndexes: ${text}`);
  }
  if (completed && completedIndexes && spec.completionMode !== 'Indexed') {
    const text = 'cannot set non-empty completedIndexes when non-indexed completion mode';
    errors.invalid(completedPath, completedIndexes, text);
  }
  if (failed && spec.backoffLimitPerIndex === undefined && failedIndexes !== undefined) {
    errors.invalid(failedPath, failedIndexes, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null');
  }
  if ((completed || failed) && spec.completions !== undefined && failedIndexes !== undefined) {
    const shared = sharedIndex(completedIndexes, failedIndexes, spec.completions);
    if (shared !== undefined) {
      errors.invalid(failedPath, failedIndexes, `failedIndexes and completedIndexes overlap at index: ${shared}`);
    }
  }
}

function indexError(indexes: string, completions: number): string | undefined {
  try {
    countIndexes(indexes, completions);
    return undefined;
  } catch (error) {
    if (errorCode(error) !== 'INVALID_INDEXES') throw error;
    return errorText(error);
  }
}

function validateCounts(now: JobState, before: JobState, errors: FieldErrors): void {
  const { terminating = 0, ready, active = 0 } = now.job.status;
  if ((now.finished !== before.finished || differs(now, before, 'terminating')) && terminating > 0 && now.finished) {
    errors.invalid(path.child('terminating'), terminating, 'terminating>0 is invalid for finished job');
  }
  const changed = differs(now, before, 'ready') || active !== (before.job.status.active ?? 0);
  if (changed && ready !== undefined && ready > active) {
    errors.invalid(path.child('ready'), ready, 'cannot set more ready pods than active');
  }
}

function validateSuccess(now: JobState, errors: FieldErrors): void {
  if (now.successful && now.failed) {
    invalidRule(conditionsPath, 'cannot set SuccessCriteriaMet=True and Failed=true conditions', errors);
  }
  if (now.successful && now.failing) {
    invalidRule(conditionsPath, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions', errors);
  }
  if (now.job.spec.successPolicy && !now.successful && now.complete) {
    const text = 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True';
    invalidRule(conditionsPath, text, errors);
  }
}

function validateTransitions(now: JobState, before: JobState, errors: FieldErrors): void {
  const { spec, status } = now.job;
  const old = before.job.status;
  for (const type of ['Failed', 'Complete', 'FailureTarget']) {
    if (before.condition(type) && !now.condition(type)) {
      invalidRule(conditionsPath, `cannot disable the terminal ${type}=True condition`, errors);
    }
  }
  if ((status.failed ?? 0) < (old.failed ?? 0)) {
    errors.invalid(path.child('failed'), status.failed ?? 0, 'cannot decrease the failed counter');
  }
  const scalable = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  if (!scalable && (status.succeeded ?? 0) < (old.succeeded ?? 0)) {
    errors.invalid(path.child('succeeded'), status.succeeded ?? 0, 'cannot decrease the succeeded counter');
  }
  if (status.completionTime && old.completionTime && status.completionTime !== old.completionTime) {
    errors.invalid(path.child('completionTime'), status.completionTime, 'field is immutable');
  }
  const resuming = before.condition('Suspended') && now.condition('Suspended', 'False');
  if (old.startTime && old.startTime !== status.startTime && !resuming && !spec.suspend) {
    errors.invalid(path.child('startTime'), status.startTime, 'field is immutable for unsuspended job once set');
  }
  if (before.successful && !now.successful) {
    invalidRule(conditionsPath, 'cannot disable the SuccessCriteriaMet=True condition', errors);
  }
  if (before.complete && !before.successful && now.successful) {
    const text = 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions';
    invalidRule(conditionsPath, text, errors);
  }
}
