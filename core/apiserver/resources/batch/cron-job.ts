import type { CronJob, CronJobSpec } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { CronJobs } from '../../../api/generated/resources.js';
import { parseCronSchedule } from '../../../api/cron-schedule.js';
import { zoneClock } from '../../../api/time-zone.js';
import { errorCode, errorText } from '../../../base/errors.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { ageOf } from '../../../machinery/human-duration.js';
import { defineResource } from '../../registry/resource-definition.js';
import { resetStatus } from '../../registry/status-reset.js';
import { age } from '../../handlers/table.js';
import { containerCells, isNewGeneration, nonNegative, podNameWarnings, selectorCell } from '../apps/pod-owner.js';
import { dropDisabledPodFields } from '../core/pod-template-support.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { defaultJobTemplate, jobSpecWarnings } from './job.js';
import { validateJobSpec } from './job-validation.js';

const path = fieldPath('spec');
/** The controller appends eleven characters for a job's name. */
const maximumNameLength = 52;
const concurrencyPolicies = ['Allow', 'Forbid', 'Replace'];
const zonePart = /^[A-Za-z.\-_0-9+]{1,14}$/;

export const cronJob = defineResource<CronJob>({
  reference: CronJobs,
  resetFields: statusResetFields,
  defaults({ spec }) {
    defaultJobTemplate(spec.jobTemplate.spec);
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
  },
  prepareForCreate(object) {
    resetStatus(object, undefined);
    dropDisabledPodFields(object.spec.jobTemplate.spec.template.spec);
  },
  prepareForUpdate(object, old) {
    resetStatus(object, old);
    dropDisabledPodFields(object.spec.jobTemplate.spec.template.spec, old.spec.jobTemplate.spec.template.spec);
  },
  validate({ metadata, spec }, errors) {
    validateSpec(spec, undefined, errors);
    if ((metadata.name ?? '').length > maximumNameLength) {
      errors.invalid(fieldPath('metadata', 'name'), metadata.name, `must be no more than ${maximumNameLength} characters`);
    }
  },
  validateUpdate: (object, old, errors) => validateSpec(object.spec, old.spec, errors),
  warnings(object, old) {
    const { spec } = object;
    const template = path.child('jobTemplate', 'spec');
    const warnings = [
      ...(old ? [] : podNameWarnings(object.metadata)),
      ...(isNewGeneration(object, old) ? jobSpecWarnings(spec.jobTemplate.spec, template) : []),
    ];
    if (old && spec.schedule.includes('TZ')) {
      const where = 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/';
      warnings.push(`cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see ${where} for more details`);
    }
    return warnings;
  },
  row(object, context) {
    const { spec, status } = object;
    return [
      object.metadata.name,
      spec.schedule,
      spec.timeZone ?? '<none>',
      spec.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False',
      status.active?.length ?? 0,
      status.lastScheduleTime ? ageOf(status.lastScheduleTime, context.nowMs) : '<none>',
      age(object, context),
      ...containerCells(spec.jobTemplate.spec.template),
      selectorCell(spec.jobTemplate.spec.selector),
    ];
  },
  subresources: { status: statusSubresource<CronJob>({ checks: [] }) },
});

function validateSpec(spec: CronJobSpec, old: Readonly<CronJobSpec> | undefined, errors: FieldErrors): void {
  validateSchedule(spec, old, errors);
  nonNegative(spec, ['startingDeadlineSeconds'], path, errors);
  if (spec.timeZone !== undefined && spec.timeZone !== old?.timeZone) validateTimeZone(spec.timeZone, errors);
  const policy = spec.concurrencyPolicy ?? '';
  if (!concurrencyPolicies.includes(policy)) errors.notSupported(path.child('concurrencyPolicy'), policy, concurrencyPolicies);
  const template = path.child('jobTemplate', 'spec');
  const jobSpec = spec.jobTemplate.spec;
  validateJobSpec(jobSpec, old?.jobTemplate.spec, template, errors);
  if (jobSpec.selector)
    errors.invalid(
      template.child('selector'),
      internalValue('*v1.LabelSelector', jobSpec.selector),
      '`selector` will be auto-generated',
    );
  if (jobSpec.manualSelector) errors.notSupported(template.child('manualSelector'), true, ['nil', 'false']);
  nonNegative(spec, ['successfulJobsHistoryLimit', 'failedJobsHistoryLimit'], path, errors);
}

function validateSchedule(
  { schedule, timeZone }: CronJobSpec,
  old: Readonly<CronJobSpec> | undefined,
  errors: FieldErrors,
): void {
  const at = path.child('schedule');
  if (!schedule) return errors.required(at);
  try {
    parseCronSchedule(schedule);
  } catch (error) {
    if (errorCode(error) !== 'INVALID_SCHEDULE') throw error;
    errors.invalid(at, schedule, errorText(error));
  }
  if (!schedule.includes('TZ')) return;
  if (!old?.schedule.includes('TZ')) {
    errors.invalid(at, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead');
  } else if (timeZone !== undefined) {
    errors.invalid(at, schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule');
  }
}

function validateTimeZone(zone: string, errors: FieldErrors): void {
  const at = path.child('timeZone');
  if (!zone) return errors.invalid(at, zone, 'timeZone must be nil or non-empty string');
  if (zone.split('/').some(part => part === '.' || part === '..' || part.startsWith('-') || !zonePart.test(part))) {
    return errors.invalid(at, zone, `unknown time zone ${zone}`);
  }
  if (zone.toLowerCase() === 'local') {
    errors.invalid(at, zone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones');
  }
  if (zone !== 'Local' && !isZone(zone)) errors.invalid(at, zone, `unknown time zone ${zone}`);
}

/** Zones are files for upstream: their names have upper and lower case. */
function isZone(zone: string): boolean {
  if (!zoneClock(zone)) return false;
  const known = new Intl.DateTimeFormat('en-US', { timeZone: zone }).resolvedOptions().timeZone;
  return known === zone || known.toLowerCase() !== zone.toLowerCase();
}
