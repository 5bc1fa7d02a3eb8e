import type { Container, Job, JobSpec, PodSpec } from '../../../api/generated/types.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { unchanged } from '../apps/pod-owner.js';
import { internalFailurePolicy } from './job-policy-validation.js';
import { internalSuccessPolicy } from './job-policy-validation.js';
import type { JobCheck } from './job-validation.js';
import { jobLabels, validateJob, validateJobSpecAndSelector } from './job-validation.js';

const path = fieldPath('spec');

/** Source: ValidateJobUpdate and the options of the job strategy. Upstream checks the spec twice, and so tells its errors twice. */
export function validateJobUpdate(job: Job, old: Readonly<Job>, errors: FieldErrors): void {
  const oldLabels = old.spec.template.metadata?.labels ?? {};
  const check: JobCheck = {
    requirePrefixedLabels: Object.hasOwn(oldLabels, jobLabels.name) && Object.hasOwn(oldLabels, jobLabels.uid),
    allowInvalidSelectorValues: hasInvalidSelector(old.spec),
  };
  validateJob(job, old, check, errors);
  validateJobSpecAndSelector(job.spec, old.spec, check, errors);
  const { spec } = job;
  validateCompletions(spec, old.spec, errors);
  unchanged(spec.selector, old.spec.selector, path.child('selector'), errors);
  validateTemplateUpdate(spec, old, errors);
  unchanged(spec.completionMode, old.spec.completionMode, path.child('completionMode'), errors);
  unchangedPolicy(spec.podFailurePolicy, old.spec.podFailurePolicy, 'podFailurePolicy', errors);
  unchanged(spec.backoffLimitPerIndex, old.spec.backoffLimitPerIndex, path.child('backoffLimitPerIndex'), errors);
  unchanged(spec.managedBy, old.spec.managedBy, path.child('managedBy'), errors);
  unchangedPolicy(spec.successPolicy, old.spec.successPolicy, 'successPolicy', errors);
}

function hasInvalidSelector(spec: Readonly<JobSpec>): boolean {
  const errors = new FieldErrors();
  validateLabelSelector(spec.selector, path, errors);
  return !errors.empty;
}

function unchangedPolicy<F extends 'podFailurePolicy' | 'successPolicy'>(
  value: JobSpec[F],
  old: JobSpec[F],
  field: F,
  errors: FieldErrors,
): void {
  if (semanticEqual(value, old)) return;
  const internal =
    field === 'podFailurePolicy'
      ? internalFailurePolicy(value as JobSpec['podFailurePolicy'])
      : internalSuccessPolicy(value as JobSpec['successPolicy']);
  errors.invalid(path.child(field), internal, 'field is immutable');
}

/** Indexed jobs may grow and shrink, with as many pods at once as indexes. */
function validateCompletions(spec: JobSpec, old: Readonly<JobSpec>, errors: FieldErrors): void {
  const at = path.child('completions');
  if (spec.completionMode !== 'Indexed') return unchanged(spec.completions, old.completions, at, errors);
  if (spec.completions === old.completions || spec.completions === undefined) return;
  if (spec.completions !== spec.parallelism) {
    errors.invalid(at, spec.completions, 'can only be modified in tandem with spec.parallelism');
  }
}

/** A job that is suspended and has no pods may get other resources and another place to run. */
function isChangeable({ spec, status }: Readonly<Job>): boolean {
  const stopped = status.conditions?.some(({ type, status: value }) => type === 'Suspended' && value === 'True');
  return !!spec.suspend && (status.startTime === undefined || !!stopped) && !status.active;
}

function validateTemplateUpdate(spec: JobSpec, old: Readonly<Job>, errors: FieldErrors): void {
  const { template } = spec;
  const before = cloneJson(old.spec.template);
  const changeable = isChangeable(old);
  if (changeable) {
    takeAffinity(template.spec, before.spec);
    for (const field of ['nodeSelector', 'tolerations', 'schedulingGates'] as const) take(template.spec, before.spec, field);
    before.metadata ??= {};
    take(template.metadata ?? {}, before.metadata, 'annotations');
    take(template.metadata ?? {}, before.metadata, 'labels');
    takeResources(template.spec.containers, before.spec.containers);
    takeResources(template.spec.initContainers, before.spec.initContainers);
    unchanged(template.spec, before.spec, path.child('template.spec'), errors);
  } else unchanged(template, before, path.child('template'), errors);
}

function take<T extends object, K extends keyof T>(from: T, to: T, field: K): void {
  if (from[field] === undefined) delete to[field];
  else to[field] = cloneJson(from[field]);
}

function takeAffinity(from: PodSpec, to: PodSpec): void {
  if (from.affinity) {
    to.affinity ??= {};
    take(from.affinity, to.affinity, 'nodeAffinity');
  } else if (to.affinity) {
    delete to.affinity.nodeAffinity;
    if (semanticEqual(to.affinity, {})) delete to.affinity;
  }
}

function takeResources(from: readonly Container[] | undefined, to: Container[] | undefined): void {
  if (!from || !to || from.length !== to.length) return;
  for (const [index, container] of to.entries()) {
    const changed = from[index]!;
    if (changed.name === container.name) take(changed, container, 'resources');
  }
}
