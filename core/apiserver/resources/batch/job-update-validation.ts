import type { Container, Job, JobSpec, PodSpec } from '../../../api/generated/types.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { unchanged, unchangedObject } from '../apps/pod-owner.js';
import type { JobCheck } from './job-validation.js';
import { jobLabels, validateJob, validateJobSpecAndSelector } from './job-validation.js';

const path = fieldPath('spec');

/** Source: ValidateJobUpdate and the options of the job strategy. Upstream checks the spec twice, and so tells its errors twice. */
export function validateJobUpdate(job: Job, old: Readonly<Job>, errors: FieldErrors, validateMetadata: () => void): void {
  const oldLabels = old.spec.template.metadata?.labels ?? {};
  const jobCheck: JobCheck = {
    requirePrefixedLabels: Object.hasOwn(oldLabels, jobLabels.name) && Object.hasOwn(oldLabels, jobLabels.uid),
    allowInvalidSelectorValues: hasInvalidSelector(old.spec),
  };
  validateJob(job, old, jobCheck, errors);
  validateMetadata();
  validateJobSpecAndSelector(job.spec, old.spec, jobCheck, errors);
  const { spec } = job;
  validateCompletions(spec, old.spec, errors);
  const check = (field: string): { path: FieldPath; errors: FieldErrors } => ({ path: path.child(field), errors });
  unchangedObject(spec.selector, old.spec.selector, '*v1.LabelSelector', check('selector'));
  validateTemplateUpdate(spec, old, errors);
  unchanged(spec.completionMode, old.spec.completionMode, path.child('completionMode'), errors);
  unchangedObject(spec.podFailurePolicy, old.spec.podFailurePolicy, '*batch.PodFailurePolicy', check('podFailurePolicy'));
  unchanged(spec.backoffLimitPerIndex, old.spec.backoffLimitPerIndex, path.child('backoffLimitPerIndex'), errors);
  unchanged(spec.managedBy, old.spec.managedBy, path.child('managedBy'), errors);
  unchangedObject(spec.successPolicy, old.spec.successPolicy, '*batch.SuccessPolicy', check('successPolicy'));
}

function hasInvalidSelector(spec: Readonly<JobSpec>): boolean {
  const errors = new FieldErrors();
  validateLabelSelector(spec.selector, path, errors);
  return !errors.empty;
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
    unchangedObject(template.spec, before.spec, 'core.PodSpec', { path: path.child('template.spec'), errors });
  } else unchangedObject(template, before, 'core.PodTemplateSpec', { path: path.child('template'), errors });
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
