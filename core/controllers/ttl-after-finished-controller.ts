import { Jobs } from '../api/generated/resources.js';
import type { Job } from '../api/generated/types.js';
import { finishedCondition } from '../api/jobs.js';
import { parseTime } from '../api/time.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

/** Deletes finished Jobs when their `ttlSecondsAfterFinished` is over. Source: pkg/controller/ttlafterfinished, KEP-592. */
export class TtlAfterFinishedReconciler extends Reconciler {
  readonly #jobs: Informer<Job>;

  constructor(context: ControllerContext) {
    super(context, { name: ttlAfterFinishedController.name });
    this.#jobs = context.informers.informer(Jobs);
  }

  protected override register(): void {
    const enqueue = (entry: ObjectEntry<Job>): void => {
      if (expiryMs(entry.object) !== undefined) this.queue.add(keyOf(entry));
    };
    this.watch(this.#jobs, { added: enqueue, updated: (_previous, entry) => enqueue(entry) });
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    if (!this.#isExpired(key, this.#jobs.get(namespace, name))) return;
    const jobs = this.context.client.resource(Jobs, namespace);
    try {
      // The time to live may have been raised since the informer saw the job.
      const fresh = await jobs.get(name);
      if (!this.#isExpired(key, fresh)) return;
      await jobs.delete(name, { propagationPolicy: 'Foreground', preconditions: { uid: fresh.metadata.uid } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }

  #isExpired(key: string, job: Job | undefined): boolean {
    const dueMs = job && expiryMs(job);
    if (dueMs === undefined) return false;
    const waitMs = dueMs - this.context.clock.now();
    if (waitMs > 0) this.queue.addAfter(key, waitMs);
    return waitMs <= 0;
  }
}

function expiryMs(job: Job): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec;
  if (ttlSecondsAfterFinished === undefined || job.metadata.deletionTimestamp) return undefined;
  const finishedMs = parseTime(finishedCondition(job)?.lastTransitionTime);
  return finishedMs === undefined ? undefined : finishedMs + ttlSecondsAfterFinished * 1000;
}

export const ttlAfterFinishedController: ControllerDescriptor = {
  name: 'ttl-after-finished-controller',
  create: context => new TtlAfterFinishedReconciler(context),
};
