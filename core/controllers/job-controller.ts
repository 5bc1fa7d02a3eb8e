import { Jobs, Pods } from '../api/generated/resources.js';
import type { Job, Pod } from '../api/generated/types.js';
import { isJobFinished } from '../api/jobs.js';
import { selectorMatcher } from '../api/labels.js';
import { controllerOf } from '../api/owners.js';
import { orphansKey, podsByController } from '../api/pods.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import { WorkQueue } from '../client/work-queue.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import { claimObjects } from './claim.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Expectations } from './expectations.js';
import * as model from './job-model.js';
import type { Backoff } from './job-model.js';
import { JobRound } from './job-round.js';
import { Reconciler } from './reconciler.js';

/** Changes of pods are gathered for this long, so that many make one round and one status. */
const batchMs = 100;
const noBackoff: Backoff = { failures: 0, lastMs: 0 };

/** Runs pods to completion. Source: pkg/controller/job. */
export class JobReconciler extends Reconciler {
  readonly #jobs: Informer<Job>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;
  /** Uids of pods whose finalizer was removed though the informer still shows it, by job. */
  readonly #released = new Map<string, Set<string>>();
  readonly #backoffs = new Map<string, Backoff>();
  /** Jobs whose end was written but not yet seen. */
  readonly #finished = new Set<string>();
  /** Pods that may have a finalizer and no job to remove it. */
  readonly #orphans: WorkQueue<string>;
  #orphanWorker: Promise<void> | undefined;

  constructor(context: ControllerContext) {
    super(context, { name: jobController.name });
    this.#jobs = context.informers.informer(Jobs);
    this.#pods = context.informers.informer(Pods);
    this.#expectations = new Expectations(context.clock);
    this.#orphans = new WorkQueue<string>({ clock: context.clock });
  }

  override async start(): Promise<void> {
    await super.start();
    if (!this.signal.aborted) this.#orphanWorker = this.#workOnOrphans();
  }

  override async stop(): Promise<void> {
    await Promise.all([super.stop(), this.#orphans.shutDown()]);
    await this.#orphanWorker;
  }

  protected override register(): void {
    this.#pods.addIndex(podsByController.name, podsByController.keys);
    this.watch(this.#jobs, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (previous, entry) => this.#jobUpdated(previous.object, entry.object),
      deleted: entry => {
        this.#forget(keyOf(entry), entry.uid);
        this.#enqueuePodsOf(entry.object);
        this.queue.add(keyOf(entry));
      },
    });
    this.watch(this.#pods, {
      added: entry => this.#podAdded(entry.object),
      updated: (previous, entry) => this.#podUpdated(previous, entry),
      deleted: entry => this.#podDeleted(entry.object, true),
    });
  }

  #forget(key: string, uid: string): void {
    this.#expectations.delete(key);
    this.#released.delete(key);
    this.#backoffs.delete(key);
    this.#finished.delete(uid);
  }

  #jobUpdated(previous: Job, job: Job): void {
    if (isJobFinished(job)) {
      this.#forget(keyOf(job), job.metadata.uid ?? '');
      this.#enqueuePodsOf(job);
    } else if (previous.metadata.generation === job.metadata.generation) this.#enqueueSoon(job);
    else this.queue.add(keyOf(job));
  }

  #enqueueSoon(job: Job): void {
    this.queue.addAfter(keyOf(job), batchMs);
  }

  #enqueuePodsOf(job: Job): void {
    for (const pod of this.#pods.byIndex(podsByController.name, job.metadata.uid ?? '')) this.#enqueueOrphan(pod);
  }

  #enqueueOrphan(pod: Pod): void {
    if (model.isTracked(pod)) this.#orphans.add(keyOf(pod));
  }

  #ownerOf(pod: Pod): Job | undefined {
    const reference = controllerOf(pod);
    if (reference?.kind !== Jobs.kind) return undefined;
    const job = this.#jobs.get(pod.metadata.namespace ?? '', reference.name);
    return job?.metadata.uid === reference.uid ? job : undefined;
  }

  #podAdded(pod: Pod): void {
    if (pod.metadata.deletionTimestamp) return this.#podDeleted(pod, false);
    const job = this.#ownerOf(pod);
    if (job) {
      this.#expectations.creationObserved(keyOf(job));
      this.#enqueueSoon(job);
      if (isJobFinished(job)) this.#enqueueOrphan(pod);
    } else if (!controllerOf(pod)) {
      this.#enqueueOrphan(pod);
      this.#enqueueMatching(pod);
    } else if (controllerOf(pod)?.kind === Jobs.kind) this.#enqueueOrphan(pod);
  }

  #podUpdated(previousEntry: ObjectEntry<Pod>, entry: ObjectEntry<Pod>): void {
    if (previousEntry.resourceVersion === entry.resourceVersion) return;
    const previous = previousEntry.object;
    const pod = entry.object;
    if (!model.isTracked(pod)) {
      for (const job of [this.#ownerOf(previous), this.#ownerOf(pod)]) if (job) this.#releaseObserved(job, pod);
    }
    if (pod.metadata.deletionTimestamp) return this.#podDeleted(pod, false);
    const referenceChanged = !jsonEqual(controllerOf(previous), controllerOf(pod));
    const previousJob = referenceChanged ? this.#ownerOf(previous) : undefined;
    if (previousJob) this.#enqueueSoon(previousJob);
    const job = this.#ownerOf(pod);
    if (job) return this.#enqueueSoon(job);
    if (controllerOf(pod)) return;
    this.#enqueueOrphan(pod);
    if (referenceChanged || !jsonEqual(previousEntry.labels, entry.labels)) this.#enqueueMatching(pod);
  }

  #podDeleted(pod: Pod, gone: boolean): void {
    const reference = controllerOf(pod);
    const job = this.#ownerOf(pod);
    if (!job || isJobFinished(job)) {
      if (!gone && (!reference || reference.kind === Jobs.kind)) this.#enqueueOrphan(pod);
      return;
    }
    this.#expectations.deletionObserved(keyOf(job), pod.metadata.uid ?? '');
    if (gone || !model.isTracked(pod)) this.#releaseObserved(job, pod);
    this.#enqueueSoon(job);
  }

  #releaseObserved(job: Job, pod: Pod): void {
    this.#released.get(keyOf(job))?.delete(pod.metadata.uid ?? '');
  }

  #enqueueMatching(pod: Pod): void {
    if (!pod.metadata.labels) return;
    for (const job of this.#jobs.list(pod.metadata.namespace)) {
      if (selectorMatcher(job.spec.selector)(pod.metadata.labels)) this.#enqueueSoon(job);
    }
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const job = this.#jobs.get(namespace, name);
    if (!job) return;
    if (model.isManagedElsewhere(job) || isJobFinished(job) || this.#finished.has(job.metadata.uid ?? '')) return;
    const { completionMode } = job.spec;
    if (completionMode && completionMode !== 'NonIndexed' && completionMode !== 'Indexed') {
      const text = 'Skipped Job sync because completion mode is unknown';
      this.context.recorder.event(job, 'Warning', 'UnknownCompletionMode', text);
      return;
    }
    const satisfied = this.#expectations.satisfied(key);
    const matches = selectorMatcher(job.spec.selector);
    const pods = await claimObjects<Job, Pod>(this.context, {
      owner: job,
      ownerResource: Jobs,
      resource: Pods,
      objects: [
        ...this.#pods.byIndex(podsByController.name, job.metadata.uid ?? ''),
        ...this.#pods.byIndex(podsByController.name, orphansKey(namespace)),
      ],
      matches: pod => matches(pod.metadata.labels),
      finalizer: model.trackingFinalizer,
    });
    const released = (): Set<string> => {
      let uids = this.#released.get(key);
      if (!uids) this.#released.set(key, (uids = new Set()));
      return uids;
    };
    const round = new JobRound(
      {
        context: this.context,
        satisfied,
        backoff: this.#backoffs.get(key) ?? noBackoff,
        isFinalizerRemoved: pod => this.#released.get(key)?.has(pod.metadata.uid ?? '') ?? false,
        expect: (creations, deletions) =>
          this.#expectations.expect(
            key,
            creations,
            deletions.map(pod => pod.metadata.uid ?? ''),
          ),
        creationsMissed: count => this.#expectations.creationObserved(key, count),
        deletionMissed: pod => this.#expectations.deletionObserved(key, pod.metadata.uid ?? ''),
        finalizersRemoved: done => done.forEach(pod => released().add(pod.metadata.uid ?? '')),
        finalizerKept: pod => released().delete(pod.metadata.uid ?? ''),
        saveBackoff: backoff => this.#backoffs.set(key, backoff),
        finished: () => this.#finished.add(job.metadata.uid ?? ''),
        lookAgainAfter: delayMs => this.queue.addAfter(key, Math.max(batchMs, delayMs)),
      },
      job,
      pods,
    );
    await round.run();
  }

  async #workOnOrphans(): Promise<void> {
    for (;;) {
      const key = await this.#orphans.take();
      if (key === undefined) return;
      try {
        await this.#releaseOrphan(key);
        this.#orphans.forget(key);
      } catch (error) {
        this.context.logger.debug('the finalizer of an orphaned pod could not be removed, trying again', { key, error });
        this.#orphans.addRateLimited(key);
      } finally {
        this.#orphans.done(key);
      }
    }
  }

  /** A pod whose job is finished or gone is counted by nobody any more and must not be held up. */
  async #releaseOrphan(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const pod = this.#pods.get(namespace, name);
    if (!pod || !model.isTracked(pod)) return;
    const reference = controllerOf(pod);
    if (reference) {
      if (reference.kind !== Jobs.kind || !reference.apiVersion.startsWith(`${Jobs.group}/`)) return;
      const job = this.#ownerOf(pod);
      if (job && (model.isManagedElsewhere(job) || !isJobFinished(job))) return;
    }
    const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': [model.trackingFinalizer] } };
    try {
      await this.context.client.resource(Pods, namespace).patch(name, 'strategic', patch);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}

export const jobController: ControllerDescriptor = {
  name: 'job-controller',
  create: context => new JobReconciler(context),
};
