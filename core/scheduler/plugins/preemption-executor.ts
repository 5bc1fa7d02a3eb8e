import { Pods } from '../../api/generated/resources.js';
import type { Pod } from '../../api/generated/types.js';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { Client } from '../../client/client.js';
import type { EventRecorder } from '../../client/event-recorder.js';
import type { Informer } from '../../client/informer-types.js';
import { isStatusError } from '../../machinery/status-error.js';
import { podKey } from '../pod-info.js';
import type { PodInfo } from '../pod-info.js';
import { patchPodStatus } from '../pod-status.js';
import type { UsedInformers } from '../used-informers.js';
import type { PreemptionCandidate } from './default-preemption.js';

/** What preemption needs of the scheduler around it. */
export interface PreemptionHandle {
  nominatedPods(nodeName: string): readonly PodInfo[];
  /** Tries the pod again at once. */
  activate(uid: string): void;
  /** Stops the binding of a pod; false when it is bound or cannot be stopped any more. */
  preemptInBinding(uid: string, reason: string): boolean;
  runInBackground(work: Promise<void>): void;
}

export interface PreemptionExecutorOptions {
  readonly client: Client;
  readonly informers: UsedInformers;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handle: PreemptionHandle;
}

/** Has victims deleted, beside the scheduling of other pods. */
export class PreemptionExecutor {
  readonly #options: PreemptionExecutorOptions;
  readonly #pods: Informer<Pod>;
  readonly #running = new Set<string>();
  /** With the last victim's deletion under way the preemptor may be tried: its end may be seen before the call returns. */
  readonly #lastVictims = new Map<string, Pod>();

  constructor(options: PreemptionExecutorOptions) {
    this.#options = options;
    this.#pods = options.informers.informer(Pods);
  }

  isRunningFor(uid: string): boolean {
    if (!this.#running.has(uid)) return false;
    const last = this.#lastVictims.get(uid);
    if (!last) return true;
    const current = this.#pods.get(last.metadata.namespace ?? '', last.metadata.name);
    return Boolean(current && current.metadata.uid === last.metadata.uid && !current.metadata.deletionTimestamp);
  }

  /** Starts the deletions and returns. When they fail the preemptor is tried again. */
  execute({ nodeName, victims }: PreemptionCandidate, preemptor: Pod, priority: number): void {
    const toDelete = victims.map(({ pod }) => pod).filter(({ metadata }) => !metadata.deletionTimestamp);
    if (toDelete.length === 0) return;
    const { handle } = this.#options;
    const uid = preemptor.metadata.uid ?? '';
    this.#running.add(uid);
    const lessImportant = handle.nominatedPods(nodeName).filter(other => other.priority < priority);
    handle.runInBackground(this.#run({ nodeName, preemptor, victims: toDelete, lessImportant }));
  }

  async #run({ nodeName, preemptor, victims, lessImportant }: PreemptionWork): Promise<void> {
    const { handle, logger } = this.#options;
    const uid = preemptor.metadata.uid ?? '';
    let hasFailed = false;
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        hasFailed = true;
        logger.warn('preempting a pod failed', { preemptor: podKey(preemptor), node: nodeName, error });
      }
    };
    // Others that waited for room on the node look for another one.
    for (const { pod } of lessImportant) await attempt(() => this.#takeBackNomination(pod));
    await Promise.all(victims.slice(0, -1).map(victim => attempt(() => this.#preempt(victim, preemptor, nodeName))));
    if (!hasFailed || victims.length === 1) {
      const last = victims.at(-1)!;
      this.#lastVictims.set(uid, last);
      await attempt(() => this.#preempt(last, preemptor, nodeName));
    }
    this.#running.delete(uid);
    this.#lastVictims.delete(uid);
    if (hasFailed) handle.activate(uid);
  }

  async #takeBackNomination(pod: Pod): Promise<void> {
    const { client, clock } = this.#options;
    const current = this.#pods.get(pod.metadata.namespace ?? '', pod.metadata.name);
    if (!current || current.metadata.uid !== pod.metadata.uid) return;
    await ignoreGone(patchPodStatus(client, clock, current, { nominatedNodeName: '' }));
  }

  async #preempt(victim: Pod, preemptor: Pod, nodeName: string): Promise<void> {
    const { client, clock, recorder, handle } = this.#options;
    const { name, namespace, uid } = victim.metadata;
    let note = `Preempted by pod ${preemptor.metadata.uid} on node ${nodeName}`;
    if (handle.preemptInBinding(uid ?? '', 'preempted by DefaultPreemption')) note += ' (in kube-scheduler memory).';
    else {
      const current = this.#pods.get(namespace ?? '', name);
      if (!current || current.metadata.uid !== uid) return;
      const scheduler = preemptor.spec.schedulerName ?? 'default-scheduler';
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'PreemptionByScheduler',
        message: `${scheduler}: preempting to accommodate a higher priority pod`,
      } as const;
      const isThere = await ignoreGone(patchPodStatus(client, clock, current, { condition }));
      if (!isThere) return;
      const preconditions = uid === undefined ? undefined : { uid };
      if (!(await ignoreGone(client.resource(Pods, namespace).delete(name, { preconditions })))) return;
    }
    recorder.event(victim, 'Normal', 'Preempted', note);
  }
}

interface PreemptionWork {
  readonly nodeName: string;
  readonly preemptor: Pod;
  readonly victims: readonly Pod[];
  readonly lessImportant: readonly PodInfo[];
}

/** False when the pod is no longer there; other errors are thrown. */
async function ignoreGone(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return false;
    throw error;
  }
}
