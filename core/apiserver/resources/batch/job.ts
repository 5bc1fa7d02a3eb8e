import type { Job, JobSpec } from '../../../api/generated/types.js';
import { Jobs } from '../../../api/generated/resources.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath, quote } from '../../../machinery/field-errors.js';
import { humanDuration } from '../../../machinery/human-duration.js';
import { timeToMs } from '../../../machinery/time.js';
import { validateMetadataUpdate } from '../../registry/object-metadata.js';
import { defineResource } from '../../registry/resource-definition.js';
import { resetStatus } from '../../registry/status-reset.js';
import { age } from '../../handlers/table.js';
import { containerCells, isNewGeneration, podNameWarnings, selectorCell } from '../apps/pod-owner.js';
import { defaultPodTemplate, dropDisabledPodFields, podTemplateWarnings } from '../core/pod-template-support.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { validateJobStatusUpdate } from './job-status-validation.js';
import { validateJobUpdate } from './job-update-validation.js';
import { jobLabels, validateJob } from './job-validation.js';

const maximumInt32 = 0x7fffffff;
const manyCompletions = 100_000;
const manyPods = 10_000;

/** Labels that a job got from its template: they follow the template's, which get the generated ones yet. */
const borrowedLabels = new WeakSet<object>();

export const job = defineResource<Job>({
  reference: Jobs,
  resetFields: statusResetFields,
  // For clients of the time before garbage collection.
  orphanByDefault: true,
  deleteWarning:
    'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set ' +
    'propagationPolicy=Orphan to suppress this warning',
  unknownFieldText: label => `field label ${quote(label)} not supported for Job`,
  defaults: defaultJob,
  prepareForCreate(object) {
    const { metadata, spec } = object;
    const own = Object.keys(metadata.labels ?? {}).length > 0 && !borrowedLabels.has(metadata.labels!);
    const borrows = spec.template.metadata?.labels !== undefined && !own;
    if (!spec.manualSelector) generateSelector(object);
    if (borrows) metadata.labels = { ...spec.template.metadata!.labels };
    resetStatus(object, undefined);
    dropDisabledPodFields(spec.template.spec);
  },
  prepareForUpdate(object, old) {
    resetStatus(object, old);
    dropDisabledPodFields(object.spec.template.spec, old.spec.template.spec);
  },
  validate(object, errors) {
    validateJob(object, undefined, { requirePrefixedLabels: true, allowInvalidSelectorValues: false }, errors);
  },
  checks: { update: ['object', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    validateJobUpdate(object, old, errors, () => validateMetadataUpdate(object, old, job, errors));
  },
  warnings: (object, old) => [
    ...(old ? [] : podNameWarnings(object.metadata)),
    ...(isNewGeneration(object, old) ? jobSpecWarnings(object.spec, fieldPath('spec')) : []),
  ],
  row: (object, context) => [
    object.metadata.name,
    statusCell(object),
    completionsCell(object),
    durationCell(object, context.nowMs),
    age(object, context),
    ...containerCells(object.spec.template),
    selectorCell(object.spec.selector),
  ],
  selectableFields: { 'status.successful': object => String(object.status.succeeded ?? 0) },
  subresources: { status: statusSubresource<Job>({ validateUpdate: validateJobStatusUpdate }) },
});

function defaultJob({ metadata, spec }: Job): void {
  defaultJobTemplate(spec);
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : maximumInt32;
  const labels = spec.template.metadata?.labels;
  if (labels && !Object.keys(metadata.labels ?? {}).length) {
    metadata.labels = { ...labels };
    borrowedLabels.add(metadata.labels);
  }
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
}

/** The defaults of a job's spec inside a CronJob: those of its parts, not its own. */
export function defaultJobTemplate(spec: JobSpec): void {
  defaultPodTemplate(spec.template);
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  }
}

/** Labels that only this job's pods have, and the selector that finds them. */
function generateSelector({ metadata, spec }: Job): void {
  const { name = '', uid = '' } = metadata;
  spec.template.metadata = {
    ...spec.template.metadata,
    labels: {
      [jobLabels.legacyName]: name,
      [jobLabels.name]: name,
      [jobLabels.legacyUid]: uid,
      [jobLabels.uid]: uid,
      // What the user set is kept, and refused when it is something else.
      ...spec.template.metadata?.labels,
    },
  };
  spec.selector = { ...spec.selector, matchLabels: { [jobLabels.uid]: uid, ...spec.selector?.matchLabels } };
}

export function jobSpecWarnings(spec: JobSpec, path: FieldPath): string[] {
  const many =
    spec.completionMode === 'Indexed' && (spec.completions ?? 0) > manyCompletions && (spec.parallelism ?? 0) > manyPods;
  const text =
    'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail';
  return [...(many ? [`${path}: ${text}`] : []), ...podTemplateWarnings(spec.template, path.child('template'))];
}

function statusCell({ metadata, status }: Readonly<Job>): string {
  const has = (type: string): boolean =>
    status.conditions?.some(condition => condition.type === type && condition.status === 'True') ?? false;
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (metadata.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(has) ?? 'Running';
}

function completionsCell({ spec, status }: Readonly<Job>): string {
  const succeeded = status.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const { parallelism = 0 } = spec;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationCell({ status }: Readonly<Job>, nowMs: number): string {
  if (!status.startTime) return '';
  const endMs = status.completionTime ? timeToMs(status.completionTime) : nowMs;
  return humanDuration(endMs - timeToMs(status.startTime));
}
