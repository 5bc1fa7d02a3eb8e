import { errorText } from '../base/errors.js';
import { CronJobs, Jobs } from '../api/generated/resources.js';
import type { CronJob, Job, ObjectReference } from '../api/generated/types.js';
import { parseCronSchedule } from '../api/cron-schedule.js';
import type { CronSchedule } from '../api/cron-schedule.js';
import { finishedCondition, isJobFinished } from '../api/jobs.js';
import { controllerOf, controllerReference, isControlledBy } from '../api/owners.js';
import { zoneClock } from '../api/time-zone.js';
import { formatTime, parseTime } from '../api/time.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import { eventReference } from '../client/event-recorder.js';
import type { Informer } from '../client/informer-types.js';
import { cloneJson, jsonEqual } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { findDue, nextDueMs } from './cronjob-times.js';
import { isNamespaceTerminating } from './pod-control.js';
import { Reconciler } from './reconciler.js';

const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
const childrenIndex = 'cronJob';

/** Creates Jobs by schedule and clears finished ones away. Source: pkg/controller/cronjob (v2). */
export class CronJobReconciler extends Reconciler {
  readonly #cronJobs: Informer<CronJob>;
  readonly #jobs: Informer<Job>;

  constructor(context: ControllerContext) {
    super(context, { name: cronjobController.name });
    this.#cronJobs = context.informers.informer(CronJobs);
    this.#jobs = context.informers.informer(Jobs);
  }

  protected override register(): void {
    this.#jobs.addIndex(childrenIndex, job => {
      const reference = controllerOf(job);
      return reference?.kind === CronJobs.kind ? [reference.uid] : [];
    });
    this.watch(this.#cronJobs, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (previous, entry) => this.#updated(previous.object, entry.object),
      deleted: entry => this.queue.add(keyOf(entry)),
    });
    this.watch(this.#jobs, {
      added: entry => this.#enqueueOwner(entry.object),
      updated: (previous, entry) => {
        if (!jsonEqual(controllerOf(previous.object), controllerOf(entry.object))) this.#enqueueOwner(previous.object);
        this.#enqueueOwner(entry.object);
      },
      deleted: entry => this.#enqueueOwner(entry.object),
    });
  }

  /** A new schedule begins with its next time; what the old one may have missed is not made up for. */
  #updated(previous: CronJob, cronJob: CronJob): void {
    const same = previous.spec.schedule === cronJob.spec.schedule && previous.spec.timeZone === cronJob.spec.timeZone;
    if (same) return this.queue.add(keyOf(cronJob));
    try {
      const nowMs = this.context.clock.now();
      this.queue.addAfter(keyOf(cronJob), nextDueMs(cronJob, nowMs, this.#schedule(cronJob)) - nowMs);
    } catch {
      const text = `unparseable schedule for cronjob: ${cronJob.spec.schedule}`;
      this.context.recorder.event(cronJob, 'Warning', 'UnParseableCronJobSchedule', text);
    }
  }

  #enqueueOwner(job: Job): void {
    const reference = controllerOf(job);
    if (reference?.kind !== CronJobs.kind) return;
    const cronJob = this.#cronJobs.get(job.metadata.namespace ?? '', reference.name);
    if (cronJob?.metadata.uid === reference.uid) this.queue.add(keyOf(cronJob));
  }

  #schedule({ spec: { schedule, timeZone } }: CronJob): CronSchedule {
    const known = timeZone === undefined || zoneClock(timeZone) !== undefined;
    return parseCronSchedule(schedule, schedule.includes('TZ') || !known ? undefined : timeZone);
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const cronJob = this.#cronJobs.get(namespace, name);
    if (!cronJob) return;
    const draft = cloneJson(cronJob);
    draft.status ??= {};
    const children = this.#jobs.byIndex(childrenIndex, cronJob.metadata.uid ?? '');
    let failure: unknown;
    let waitMs: number | undefined;
    try {
      await this.#clearFinished(draft, children);
      await this.#followActive(draft, children);
      waitMs = await this.#start(draft);
    } catch (error) {
      failure = error ?? new Error('unknown failure');
    }
    if (draft.status.active?.length === 0) delete draft.status.active;
    if (!jsonEqual(draft.status, cronJob.status ?? {})) {
      await this.context.client.resource(CronJobs, namespace).updateStatus(name, draft);
    }
    if (failure !== undefined) throw failure;
    if (waitMs !== undefined) this.queue.addAfter(key, waitMs);
  }

  async #clearFinished(cronJob: CronJob, jobs: readonly Job[]): Promise<void> {
    const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cronJob.spec;
    const limits = [
      ['Complete', successfulJobsHistoryLimit],
      ['Failed', failedJobsHistoryLimit],
    ] as const;
    for (const [type, limit] of limits) {
      if (limit === undefined) continue;
      const finished = jobs.filter(job => finishedCondition(job)?.type === type).sort(byStartTime);
      for (const job of finished.slice(0, Math.max(0, finished.length - limit))) await this.#deleteJob(cronJob, job);
    }
  }

  async #deleteJob(cronJob: CronJob, job: Job): Promise<boolean> {
    const { namespace, name, uid } = job.metadata;
    try {
      await this.context.client.resource(Jobs, namespace).delete(name, { propagationPolicy: 'Background' });
    } catch (error) {
      this.context.recorder.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${errorText(error)}`);
      return false;
    }
    removeActive(cronJob, uid);
    this.context.recorder.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    return true;
  }

  /** Takes finished and missing jobs off the list of active ones. */
  async #followActive(cronJob: CronJob, jobs: readonly Job[]): Promise<void> {
    const { recorder, client } = this.context;
    const { namespace } = cronJob.metadata;
    const uids = new Set<string | undefined>();
    for (const job of jobs) {
      const { name, uid } = job.metadata;
      uids.add(uid);
      const active = cronJob.status.active?.some(reference => reference.uid === uid) ?? false;
      if (!isJobFinished(job)) {
        if (active) continue;
        const fresh = await client.resource(CronJobs, namespace).get(cronJob.metadata.name);
        // The informer lags behind the status that an earlier round wrote.
        if (fresh.status?.active?.some(reference => reference.uid === uid)) {
          cronJob.status = cloneJson(fresh.status);
          cronJob.metadata.resourceVersion = fresh.metadata.resourceVersion;
          continue;
        }
        recorder.event(cronJob, 'Warning', 'UnexpectedJob', `Saw a job that the controller did not create or forgot: ${name}`);
        continue;
      }
      const type = finishedCondition(job)!.type;
      if (active) {
        removeActive(cronJob, uid);
        recorder.event(cronJob, 'Normal', 'SawCompletedJob', `Saw completed job: ${name}, condition: ${type}`);
      }
      const completedMs = parseTime(job.status.completionTime);
      if (type !== 'Complete' || completedMs === undefined) continue;
      const lastMs = parseTime(cronJob.status.lastSuccessfulTime);
      if (lastMs === undefined || completedMs > lastMs) cronJob.status.lastSuccessfulTime = job.status.completionTime;
    }
    for (const reference of cronJob.status.active ?? []) {
      if (uids.has(reference.uid)) continue;
      try {
        await client.resource(Jobs, reference.namespace).get(reference.name ?? '');
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
        recorder.event(cronJob, 'Normal', 'MissingJob', `Active job went missing: ${reference.name}`);
        removeActive(cronJob, reference.uid);
      }
    }
  }

  /** Starts the job that is due; gives back the wait until the next one. */
  async #start(cronJob: CronJob): Promise<number | undefined> {
    const { recorder, clock } = this.context;
    const { spec, metadata } = cronJob;
    const nowMs = clock.now();
    const warn = (reason: string, text: string): undefined => {
      recorder.event(cronJob, 'Warning', reason, text);
    };
    if (metadata.deletionTimestamp) return undefined;
    if (spec.timeZone !== undefined && !zoneClock(spec.timeZone)) {
      const text = `invalid timeZone: ${JSON.stringify(spec.timeZone)}: unknown time zone ${spec.timeZone}`;
      return warn('UnknownTimeZone', text);
    }
    if (spec.suspend) return undefined;
    if (spec.schedule.includes('TZ')) {
      const text = `CRON_TZ or TZ used in schedule ${JSON.stringify(spec.schedule)} is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details`;
      warn('UnsupportedSchedule', text);
    }
    let schedule: CronSchedule;
    try {
      schedule = this.#schedule(cronJob);
    } catch (error) {
      return warn('UnparseableSchedule', `unparseable schedule: ${JSON.stringify(spec.schedule)} : ${errorText(error)}`);
    }
    let due: ReturnType<typeof findDue>;
    try {
      due = findDue(cronJob, nowMs, schedule);
    } catch (error) {
      return warn('InvalidSchedule', `invalid schedule: ${spec.schedule} : ${errorText(error)}`);
    }
    const waitMs = (): number => Math.max(0, nextDueMs(cronJob, nowMs, schedule) - nowMs);
    const dueMs = due.dueMs;
    if (dueMs === undefined) return waitMs();
    if (due.missed === 'many') {
      warn(
        'TooManyMissedTimes',
        'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
      );
    }
    const { startingDeadlineSeconds } = spec;
    if (startingDeadlineSeconds !== undefined && dueMs + startingDeadlineSeconds * 1000 < nowMs) {
      warn('MissSchedule', `Missed scheduled time to start a job: ${new Date(dueMs).toUTCString().replace('GMT', 'UTC')}`);
      return waitMs();
    }
    const jobName = `${metadata.name}-${Math.floor(dueMs / 60_000)}`;
    const active = cronJob.status.active ?? [];
    const done = parseTime(cronJob.status.lastScheduleTime) === dueMs;
    if (done || active.some(reference => reference.name === jobName)) return waitMs();
    if (spec.concurrencyPolicy === 'Forbid' && active.length > 0) {
      const text = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      recorder.event(cronJob, 'Normal', 'JobAlreadyActive', text);
      return waitMs();
    }
    if (spec.concurrencyPolicy === 'Replace') await this.#replaceActive(cronJob, active);
    const job = await this.#createJob(cronJob, jobName, dueMs);
    if (!job) return undefined;
    const { kind, namespace, name, uid, apiVersion, resourceVersion } = eventReference(job);
    const reference: ObjectReference = { kind, namespace, name, uid, apiVersion, resourceVersion };
    cronJob.status.active = [...(cronJob.status.active ?? []), reference];
    cronJob.status.lastScheduleTime = formatTime(dueMs);
    return waitMs();
  }

  async #replaceActive(cronJob: CronJob, active: readonly ObjectReference[]): Promise<void> {
    for (const reference of active) {
      let job: Job;
      try {
        job = await this.context.client.resource(Jobs, reference.namespace).get(reference.name ?? '');
      } catch (error) {
        this.context.recorder.event(cronJob, 'Warning', 'FailedGet', `Get job: ${errorText(error)}`);
        throw error;
      }
      if (!(await this.#deleteJob(cronJob, job))) {
        throw new Error(`could not replace job ${reference.namespace}/${reference.name}`);
      }
    }
  }

  /** Undefined when a job of that name is there that is not ours to follow. */
  async #createJob(cronJob: CronJob, name: string, dueMs: number): Promise<Job | undefined> {
    const { namespace } = cronJob.metadata;
    const { jobTemplate, timeZone } = cronJob.spec;
    const jobs = this.context.client.resource(Jobs, namespace);
    const draft = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name,
        namespace,
        ...(jobTemplate.metadata?.labels ? { labels: { ...jobTemplate.metadata.labels } } : {}),
        annotations: {
          ...jobTemplate.metadata?.annotations,
          [scheduledAnnotation]: zoneClock(timeZone ?? '')!.format(dueMs),
        },
        ownerReferences: [controllerReference(cronJob, CronJobs)],
      },
      spec: jobTemplate.spec,
    } as unknown as Job;
    try {
      const created = await jobs.create(draft);
      this.context.recorder.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${name}`);
      return created;
    } catch (error) {
      if (isStatusError(error, 'AlreadyExists')) {
        // An earlier round created it and could not write the status.
        const found = await jobs.get(name);
        const followed = cronJob.status.active?.some(reference => reference.uid === found.metadata.uid);
        return isControlledBy(found, cronJob) && !followed ? found : undefined;
      }
      if (!isNamespaceTerminating(error)) {
        this.context.recorder.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${errorText(error)}`);
      }
      throw error;
    }
  }
}

function removeActive(cronJob: CronJob, uid: string | undefined): void {
  cronJob.status.active = (cronJob.status.active ?? []).filter(reference => reference.uid !== uid);
}

/** Jobs that never started come last. */
function byStartTime(a: Job, b: Job): number {
  const timeA = a.status?.startTime ?? '~';
  const timeB = b.status?.startTime ?? '~';
  if (timeA !== timeB) return timeA < timeB ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

export const cronjobController: ControllerDescriptor = {
  name: 'cronjob-controller',
  create: context => new CronJobReconciler(context),
};
