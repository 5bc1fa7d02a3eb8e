import { Jobs, Pods } from '../api/generated/resources.js';
import type { Job, JobCondition, JobStatus, Pod } from '../api/generated/types.js';
import { findCondition, nonZero, withoutUndefined } from '../api/objects.js';
import { isPodActive, isPodReady, isPodTerminating } from '../api/pods.js';
import { formatTime, parseTime } from '../api/time.js';
import { cloneJson } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext } from './controller.js';
import { IndexSet } from './job-indexes.js';
import * as model from './job-model.js';
import type { Backoff } from './job-model.js';
import { createPod, deletePod, isNamespaceTerminating, slowStart } from './pod-control.js';
import { rankForDeletion } from './pod-ranking.js';

const longestUncounted = 500;
const burst = 500;

/** What the round needs of its controller. */
export interface JobRoundHost {
  readonly context: ControllerContext;
  /** Whether earlier creations and deletions were seen. */
  readonly satisfied: boolean;
  readonly backoff: Backoff;
  /** Pods whose finalizer was removed and which the informer still shows with it. */
  isFinalizerRemoved(pod: Pod): boolean;
  expect(creations: number, deletions: readonly Pod[]): void;
  creationsMissed(count: number): void;
  deletionMissed(pod: Pod): void;
  finalizersRemoved(pods: readonly Pod[]): void;
  finalizerKept(pod: Pod): void;
  saveBackoff(backoff: Backoff): void;
  finished(): void;
  lookAgainAfter(delayMs: number): void;
}

/** The end that a job comes to; the interim types come first, the final ones when no pod is left. */
interface End {
  readonly type: 'FailureTarget' | 'SuccessCriteriaMet' | 'Failed' | 'Complete';
  readonly reason: string;
  readonly message: string;
}

/** One round of work on one job, whose copy is written to. Source: pkg/controller/job syncJob; KEP-2307 for the finalizers. */
export class JobRound {
  readonly #host: JobRoundHost;
  readonly #job: Job;
  readonly #pods: readonly Pod[];
  #active: Pod[];
  readonly #newSucceeded: readonly Pod[];
  readonly #newFailed: readonly Pod[];
  readonly #nowMs: number;
  readonly #backoff: Backoff;
  readonly #previousIndexes: IndexSet;
  #succeededIndexes = IndexSet.of([]);
  #failedIndexes: IndexSet | undefined;
  #delayed = new Map<number, Pod>();
  #succeeded: number;
  #failed: number;
  #activeCount: number;
  #ready: number;
  #terminating: number;
  #end: End | undefined;

  constructor(host: JobRoundHost, job: Job, pods: readonly Pod[]) {
    this.#host = host;
    this.#job = cloneJson(job);
    this.#job.status ??= {};
    this.#job.status.uncountedTerminatedPods ??= {};
    this.#pods = model.isIndexed(job) ? [...pods].sort((a, b) => (model.indexOf(a) ?? -1) - (model.indexOf(b) ?? -1)) : pods;
    this.#nowMs = host.context.clock.now();
    this.#active = pods.filter(isPodActive);
    this.#activeCount = this.#active.length;
    this.#ready = this.#active.filter(isPodReady).length;
    this.#terminating = pods.filter(isPodTerminating).length;
    const uncounted = this.#uncounted;
    const countable = this.#pods.filter(
      pod =>
        model.isTracked(pod) &&
        !host.isFinalizerRemoved(pod) &&
        (!model.isIndexed(job) || model.validIndexOf(job, pod) !== undefined),
    );
    this.#newSucceeded = countable.filter(pod => pod.status?.phase === 'Succeeded' && !uncounted.succeeded.includes(uidOf(pod)));
    this.#newFailed = countable.filter(pod => model.isFailed(job, pod) && !uncounted.failed.includes(uidOf(pod)));
    this.#backoff = model.nextBackoff(host.backoff, this.#newSucceeded, this.#newFailed);
    this.#previousIndexes = IndexSet.parse(job.status?.completedIndexes, model.completionsOf(job));
    this.#succeeded = (job.status?.succeeded ?? 0) + this.#newSucceeded.length + uncounted.succeeded.length;
    this.#failed =
      (job.status?.failed ?? 0) +
      this.#newFailed.filter(pod => model.judgeFailure(job, pod).counts).length +
      uncounted.failed.length;
  }

  get #status(): JobStatus {
    return this.#job.status;
  }

  get #uncounted(): { readonly succeeded: string[]; readonly failed: string[] } {
    const { succeeded = [], failed = [] } = this.#status.uncountedTerminatedPods ?? {};
    return { succeeded, failed };
  }

  async run(): Promise<void> {
    const job = this.#job;
    const started = this.#status.startTime === undefined && !model.isSuspended(job);
    if (started) this.#status.startTime = formatTime(this.#nowMs);
    this.#decideEnd();
    let failure: unknown;
    let changed = started;
    if (this.#end) failure = await this.#endActive();
    else {
      const managed = this.#host.satisfied && !job.metadata.deletionTimestamp;
      if (managed) failure = await this.#manage();
      const wanted = job.spec.completions;
      const complete = this.#activeCount === 0 && (wanted === undefined ? this.#succeeded > 0 : this.#succeeded >= wanted);
      if (complete) {
        this.#end = {
          type: 'SuccessCriteriaMet',
          reason: 'CompletionsReached',
          message: 'Reached expected number of succeeded pods',
        };
      } else if (managed) changed = this.#markSuspension() || changed;
    }
    const before = this.#status;
    changed ||=
      (before.active ?? 0) !== this.#activeCount || before.ready !== this.#ready || before.terminating !== this.#terminating;
    this.#job.status = withoutUndefined({
      ...before,
      active: nonZero(this.#activeCount),
      ready: this.#ready,
      terminating: this.#terminating,
    });
    await this.#track(changed);
    if (failure !== undefined) throw failure;
  }

  /** Whether the job has come to its end, and which. */
  #decideEnd(): void {
    const job = this.#job;
    const { conditions } = this.#status;
    const met = findCondition(conditions, 'SuccessCriteriaMet');
    const target = findCondition(conditions, 'FailureTarget');
    const limit = model.backoffLimitOf(job);
    if (met?.status === 'True') this.#setEnd('SuccessCriteriaMet', met.reason, met.message);
    else if (target?.status === 'True') this.#setEnd('Failed', target.reason, target.message);
    else {
      const message = this.#pods
        .filter(pod => job.spec.podFailurePolicy && model.isFailed(job, pod))
        .map(pod => model.judgeFailure(job, pod).failsJob)
        .find(text => text !== undefined);
      if (message !== undefined) this.#setEnd('FailureTarget', 'PodFailurePolicy', message);
      else if (this.#failed > limit || model.pastBackoffLimitByRestarts(job, this.#pods)) {
        this.#setEnd('FailureTarget', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit');
      } else this.#checkDeadline();
    }
    if (model.isIndexed(job)) this.#decideByIndexes();
  }

  #setEnd(type: End['type'], reason = '', message = ''): void {
    this.#end = { type, reason, message };
  }

  #checkDeadline(): void {
    const { activeDeadlineSeconds } = this.#job.spec;
    const startMs = parseTime(this.#status.startTime);
    if (activeDeadlineSeconds === undefined || startMs === undefined || model.isSuspended(this.#job)) return;
    const leftMs = startMs + activeDeadlineSeconds * 1000 - this.#nowMs;
    if (leftMs > 0) this.#host.lookAgainAfter(leftMs);
    else this.#setEnd('FailureTarget', 'DeadlineExceeded', 'Job was active longer than specified deadline');
  }

  #decideByIndexes(): void {
    const job = this.#job;
    const completions = model.completionsOf(job);
    const tracked = this.#pods.filter(pod => model.isTracked(pod) && model.validIndexOf(job, pod) !== undefined);
    const indexes = (pods: readonly Pod[]): IndexSet => model.indexesOf(pods);
    this.#succeededIndexes = this.#previousIndexes.with(indexes(tracked.filter(pod => pod.status?.phase === 'Succeeded')));
    this.#succeeded = this.#succeededIndexes.size;
    if (model.limitsPerIndex(job)) {
      const failed = IndexSet.parse(this.#status.failedIndexes, completions).with(
        indexes(tracked.filter(pod => model.failsIndex(job, pod))),
      );
      this.#failedIndexes = failed;
      if (!this.#end) {
        const { maxFailedIndexes } = job.spec;
        if (maxFailedIndexes !== undefined && failed.size > maxFailedIndexes) {
          const text = 'Job has exceeded the specified maximal number of failed indexes';
          this.#setEnd('FailureTarget', 'MaxFailedIndexesExceeded', text);
        } else if (failed.size > 0 && failed.size + this.#succeededIndexes.size >= completions) {
          this.#setEnd('FailureTarget', 'FailedIndexes', 'Job has failed indexes');
        }
      }
      this.#findDelayed(failed);
    }
    if (this.#end) return;
    const rule = model.metSuccessRule(job, this.#succeededIndexes);
    if (rule !== undefined) this.#setEnd('SuccessCriteriaMet', 'SuccessPolicy', rule);
  }

  /** Failed pods that keep their finalizer until the next pod of their index carries on their failure count. */
  #findDelayed(failed: IndexSet): void {
    const activeIndexes = model.indexesOf(this.#active);
    for (const pod of this.#pods) {
      const index = model.validIndexOf(this.#job, pod);
      if (index === undefined || !model.isTracked(pod) || this.#host.isFinalizerRemoved(pod)) continue;
      if (!model.isFailed(this.#job, pod)) continue;
      if (this.#succeededIndexes.has(index) || failed.has(index) || activeIndexes.has(index)) continue;
      const known = this.#delayed.get(index);
      const later =
        !known ||
        (model.absoluteFailures(known) <= model.absoluteFailures(pod) && model.finishedMs(pod) >= model.finishedMs(known));
      if (later) this.#delayed.set(index, pod);
    }
  }

  /** The job has ended: its running pods go. As long as some may be unseen, the end waits. */
  async #endActive(): Promise<unknown> {
    const { deleted, error } = await this.#deletePods(this.#active, { removeFinalizer: false });
    if (deleted < this.#active.length || !this.#host.satisfied) this.#end = undefined;
    return error;
  }

  async #manage(): Promise<unknown> {
    const job = this.#job;
    if (model.isSuspended(job)) return this.#remove(this.#active);
    const parallelism = job.spec.parallelism ?? 1;
    const active = this.#active.length;
    let wanted: number;
    if (job.spec.completions === undefined) wanted = this.#succeeded > 0 ? active : parallelism;
    else wanted = Math.max(0, Math.min(job.spec.completions - this.#succeeded, parallelism));
    const surplus = this.#chooseForRemoval(Math.max(0, active - wanted)).slice(0, burst);
    if (surplus.length > 0) return this.#remove(surplus);
    const missing = wanted - active - (model.replacesOnlyFailed(job) ? this.#terminating : 0);
    return missing > 0 ? this.#create(Math.min(missing, burst)) : undefined;
  }

  #chooseForRemoval(atLeast: number): Pod[] {
    const remove: Pod[] = [];
    let rest = this.#active;
    if (model.isIndexed(this.#job)) {
      const byIndex = Map.groupBy(this.#active, pod => model.validIndexOf(this.#job, pod));
      rest = [];
      for (const [index, pods] of byIndex) {
        const ranked = rankForDeletion(pods, [], this.#nowMs);
        const keep = index === undefined ? undefined : ranked.pop();
        remove.push(...ranked);
        if (keep) rest.push(keep);
      }
    }
    const more = atLeast - remove.length;
    return more > 0 ? [...remove, ...rankForDeletion(rest, [], this.#nowMs).slice(0, more)] : remove;
  }

  async #remove(pods: readonly Pod[]): Promise<unknown> {
    if (pods.length === 0) return undefined;
    this.#host.expect(0, pods);
    return (await this.#deletePods(pods, { removeFinalizer: true })).error;
  }

  /** Without their finalizer pods are not counted as failed: the job itself did not want them any more. */
  async #deletePods(
    pods: readonly Pod[],
    { removeFinalizer }: { removeFinalizer: boolean },
  ): Promise<{ deleted: number; error?: unknown }> {
    const { context } = this.#host;
    const results = await Promise.allSettled(
      pods.map(async pod => {
        try {
          if (removeFinalizer && model.isTracked(pod)) await this.#removeFinalizer(pod);
          await deletePod(context, this.#job, pod.metadata.name);
        } catch (error) {
          this.#host.deletionMissed(pod);
          if (!isStatusError(error, 'NotFound')) throw error;
        }
      }),
    );
    const deleted = pods.filter((_pod, index) => results[index]!.status === 'fulfilled');
    this.#activeCount -= deleted.length;
    this.#terminating += deleted.length;
    this.#ready -= deleted.filter(isPodReady).length;
    return { deleted: deleted.length, error: results.find(result => result.status === 'rejected')?.reason as unknown };
  }

  async #create(count: number): Promise<unknown> {
    const job = this.#job;
    let indexes: number[] | undefined;
    if (!model.limitsPerIndex(job)) {
      const waitMs = model.remainingBackoffMs(this.#backoff.failures, this.#backoff.lastMs, this.#nowMs);
      if (waitMs > 0) {
        this.#host.lookAgainAfter(waitMs);
        return undefined;
      }
    }
    if (model.isIndexed(job)) indexes = this.#pendingIndexes(count);
    const total = indexes?.length ?? count;
    if (total === 0) return undefined;
    this.#host.expect(total, []);
    const template = model.jobPodTemplate(job);
    const { successes, error } = await slowStart(total, async position => {
      const index = indexes?.[position];
      const replaced = index === undefined ? undefined : this.#delayed.get(index);
      try {
        await createPod(this.#host.context, job, model.jobPod(job, template, index, replaced));
      } catch (failure) {
        if (!isNamespaceTerminating(failure)) throw failure;
      }
    });
    this.#host.creationsMissed(total - successes);
    this.#activeCount += successes;
    return error;
  }

  #pendingIndexes(count: number): number[] {
    const job = this.#job;
    let taken = this.#succeededIndexes.with(model.indexesOf(this.#active));
    if (model.replacesOnlyFailed(job)) taken = taken.with(model.indexesOf(this.#pods.filter(isPodTerminating)));
    if (this.#failedIndexes) taken = taken.with(this.#failedIndexes);
    const pending = taken.firstMissing(count, model.completionsOf(job));
    if (!model.limitsPerIndex(job)) return pending;
    const waits = pending.map(index => {
      const failed = this.#delayed.get(index);
      return failed ? model.remainingBackoffMs(model.absoluteFailures(failed) + 1, model.finishedMs(failed), this.#nowMs) : 0;
    });
    const now = pending.filter((_index, position) => waits[position] === 0);
    if (now.length === 0 && waits.length > 0) this.#host.lookAgainAfter(Math.min(...waits));
    return now;
  }

  #markSuspension(): boolean {
    const { recorder } = this.#host.context;
    if (model.isSuspended(this.#job)) {
      if (!this.#ensureCondition('Suspended', 'True', 'JobSuspended', 'Job suspended')) return false;
      recorder.event(this.#job, 'Normal', 'Suspended', 'Job suspended');
      delete this.#status.startTime;
      return true;
    }
    if (!this.#ensureCondition('Suspended', 'False', 'JobResumed', 'Job resumed')) return false;
    recorder.event(this.#job, 'Normal', 'Resumed', 'Job resumed');
    this.#status.startTime = formatTime(this.#nowMs);
    return true;
  }

  /** A condition that is not there and would be False is not added. */
  #ensureCondition(type: string, status: 'True' | 'False', reason: string, message: string): boolean {
    const conditions = this.#status.conditions ?? [];
    const known = conditions.findIndex(condition => condition.type === type);
    if (known < 0 && status === 'False') return false;
    const before = conditions[known];
    if (before?.status === status && before.reason === reason && before.message === message) return false;
    const next = this.#condition(type, status, reason, message);
    this.#status.conditions = known < 0 ? [...conditions, next] : conditions.with(known, next);
    return true;
  }

  #condition(type: string, status: string, reason: string, message: string): JobCondition {
    const now = formatTime(this.#nowMs);
    return withoutUndefined<JobCondition>({
      type,
      status,
      lastProbeTime: now,
      lastTransitionTime: now,
      reason: reason || undefined,
      message: message || undefined,
    });
  }

  /**
   * Counts finished pods without losing or doubling one: their uids go into the status, then their finalizers go, then the
   * counters are raised and the uids leave the status.
   */
  async #track(changed: boolean): Promise<void> {
    const job = this.#job;
    const indexed = model.isIndexed(job);
    const withFinalizer = new Set(
      this.#pods.filter(pod => model.isTracked(pod) && !this.#host.isFinalizerRemoved(pod)).map(uidOf),
    );
    let flush = this.#countReleased(withFinalizer) || changed;
    const done: Pod[] = [];
    const uncounted = this.#uncounted;
    const succeeded = [...uncounted.succeeded];
    const failed = [...uncounted.failed];
    const newIndexes: number[] = [];
    let full = false;
    for (const pod of this.#pods) {
      if (!withFinalizer.has(uidOf(pod)) || !this.#mayRelease(pod)) continue;
      done.push(pod);
      const index = model.validIndexOf(job, pod);
      const isFailed = model.isFailed(job, pod) || (this.#end !== undefined && this.#end.type !== 'SuccessCriteriaMet');
      if (pod.status?.phase === 'Succeeded' && !failed.includes(uidOf(pod))) {
        if (indexed) {
          if (index !== undefined && !this.#previousIndexes.has(index)) newIndexes.push(index);
        } else if (!succeeded.includes(uidOf(pod))) succeeded.push(uidOf(pod));
      } else if (isFailed && !failed.includes(uidOf(pod)) && (!indexed || index !== undefined)) {
        if (model.judgeFailure(job, pod).counts) failed.push(uidOf(pod));
      }
      if (newIndexes.length + succeeded.length + failed.length >= longestUncounted) {
        full = true;
        break;
      }
    }
    flush ||= newIndexes.length > 0 || succeeded.length > uncounted.succeeded.length || failed.length > uncounted.failed.length;
    this.#setUncounted(succeeded, failed);
    if (indexed) flush = this.#writeIndexes(newIndexes) || flush;
    flush = this.#writeInterimCondition() || flush;
    if (flush) {
      await this.#flush();
      this.#host.saveBackoff(this.#backoff);
    }
    const removalError = await this.#release(done, withFinalizer);
    flush = this.#countReleased(withFinalizer);
    if (removalError !== undefined) {
      if (flush) await this.#flush();
      throw removalError;
    }
    const ended = !full && this.#finish();
    if (flush || ended) await this.#flush();
    if (ended) this.#announceEnd();
  }

  #mayRelease(pod: Pod): boolean {
    const job = this.#job;
    if (job.metadata.deletionTimestamp || this.#end || pod.status?.phase === 'Succeeded') return true;
    if (!model.isFailed(job, pod)) return false;
    const index = model.indexOf(pod);
    return index === undefined || this.#delayed.get(index)?.metadata.uid !== pod.metadata.uid;
  }

  /** Pods of the uncounted list that have no finalizer any more are counted. */
  #countReleased(withFinalizer: ReadonlySet<string>): boolean {
    const { succeeded, failed } = this.#uncounted;
    const stillSucceeded = succeeded.filter(uid => withFinalizer.has(uid));
    const stillFailed = failed.filter(uid => withFinalizer.has(uid));
    const newSucceeded = succeeded.length - stillSucceeded.length;
    const newFailed = failed.length - stillFailed.length;
    if (newSucceeded + newFailed === 0) return false;
    if (newSucceeded > 0) this.#status.succeeded = (this.#status.succeeded ?? 0) + newSucceeded;
    if (newFailed > 0) this.#status.failed = (this.#status.failed ?? 0) + newFailed;
    this.#setUncounted(stillSucceeded, stillFailed);
    return true;
  }

  #setUncounted(succeeded: string[], failed: string[]): void {
    this.#status.uncountedTerminatedPods = {
      ...(succeeded.length > 0 ? { succeeded } : {}),
      ...(failed.length > 0 ? { failed } : {}),
    };
  }

  #writeIndexes(newIndexes: readonly number[]): boolean {
    this.#succeededIndexes = this.#succeededIndexes.with(IndexSet.of(newIndexes));
    const text = this.#succeededIndexes.toString();
    const failedText = this.#failedIndexes?.toString();
    const changed = text !== (this.#status.completedIndexes ?? '') || failedText !== this.#status.failedIndexes;
    this.#job.status = withoutUndefined({
      ...this.#status,
      succeeded: nonZero(this.#succeededIndexes.size),
      completedIndexes: text || undefined,
      failedIndexes: failedText,
    });
    return changed;
  }

  /** The interim condition tells early how the job ends; the final one comes when no pod is left. */
  #writeInterimCondition(): boolean {
    const end = this.#end;
    if (end?.type === 'FailureTarget') {
      this.#status.conditions = [...(this.#status.conditions ?? []), this.#condition(end.type, 'True', end.reason, end.message)];
      this.#end = { ...end, type: 'Failed' };
      return true;
    }
    if (end?.type !== 'SuccessCriteriaMet') return false;
    this.#end = { ...end, type: 'Complete' };
    if (findCondition(this.#status.conditions, 'SuccessCriteriaMet')) return false;
    this.#status.conditions = [...(this.#status.conditions ?? []), this.#condition(end.type, 'True', end.reason, end.message)];
    return true;
  }

  async #release(pods: readonly Pod[], withFinalizer: Set<string>): Promise<unknown> {
    if (pods.length === 0) return undefined;
    this.#host.finalizersRemoved(pods);
    const results = await Promise.allSettled(
      pods.map(async pod => {
        try {
          await this.#removeFinalizer(pod);
        } catch (error) {
          this.#host.finalizerKept(pod);
          if (!isStatusError(error, 'NotFound')) throw error;
        }
        withFinalizer.delete(uidOf(pod));
      }),
    );
    return results.find(result => result.status === 'rejected')?.reason as unknown;
  }

  async #removeFinalizer({ metadata: { namespace, name } }: Pod): Promise<void> {
    const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': [model.trackingFinalizer] } };
    await this.#host.context.client.resource(Pods, namespace).patch(name, 'strategic', patch);
  }

  #finish(): boolean {
    const end = this.#end;
    if (!end) return false;
    const { succeeded, failed } = this.#uncounted;
    if (succeeded.length + failed.length > 0 || this.#terminating > 0) return false;
    this.#ensureCondition(end.type, 'True', end.reason, end.message);
    if (end.type === 'Complete') this.#status.completionTime = formatTime(this.#nowMs);
    return true;
  }

  #announceEnd(): void {
    this.#host.finished();
    const end = this.#end!;
    const { recorder } = this.#host.context;
    if (end.type !== 'Complete') {
      recorder.event(this.#job, 'Warning', end.reason, end.message);
      return;
    }
    if (this.#job.spec.completions !== undefined && (this.#status.succeeded ?? 0) > this.#job.spec.completions) {
      const text = 'Too many succeeded pods running after completion count reached';
      recorder.event(this.#job, 'Warning', 'TooManySucceededPods', text);
    }
    recorder.event(this.#job, 'Normal', 'Completed', 'Job completed');
  }

  async #flush(): Promise<void> {
    const { namespace, name } = this.#job.metadata;
    const written = await this.#host.context.client.resource(Jobs, namespace).updateStatus(name, this.#job);
    this.#job.metadata.resourceVersion = written.metadata.resourceVersion;
  }
}

const uidOf = (pod: Pod): string => pod.metadata.uid ?? '';
