import { isPodFinished } from '../../api/pods.js';
import { withoutUndefined } from '../../api/objects.js';
import { formatTime } from '../../api/time.js';
import { Pods } from '../../api/generated/resources.js';
import type { Pod, PodStatus } from '../../api/generated/types.js';
import { sleep } from '../../base/clock.js';
import { backoffMs } from '../../base/backoff.js';

import { isStatusError } from '../../machinery/status-error.js';
import type { KubeletContext } from '../kubelet-context.js';
import { isStaticPod, mirroredUid } from '../static/static-pod.js';
import { sameJson } from './same-json.js';
import { finishedVerdict, kubeletConditions, withTransitionTimes } from './conditions.js';

interface Tracked {
  /** The newest that is known of the API's object, a static pod's mirror; undefined while a static pod has none. */
  pod: Pod | undefined;
  status: PodStatus;
  /** Nothing of the pod is left on this node. */
  finished: boolean;
  /** Containers may still run: the API must not learn the phase that is the end. */
  running: boolean;
  deleted: boolean;
}

const retry = { initialMs: 200, maximumMs: 10_000 };
const parallel = 16;

/**
 * Writes pods' statuses to the API: the last one of each pod, one write of a pod at a time, several pods at once; and deletes pods
 * that are to go once nothing of them is left. Source: pkg/kubelet/status.
 */
export class StatusManager {
  readonly #context: KubeletContext;
  readonly #pods = new Map<string, Tracked>();
  /** By the uid of the static pod. */
  readonly #mirrors = new Map<string, Pod>();
  readonly #waiting = new Set<string>();
  readonly #writing = new Set<string>();
  #stopping = new AbortController();
  #idle: (() => void)[] = [];

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  status(podUid: string): PodStatus | undefined {
    return this.#pods.get(podUid)?.status;
  }

  /** Takes a newer object of the API into account. */
  observe(pod: Pod): void {
    const tracked = this.#pods.get(pod.metadata.uid ?? '');
    if (!tracked) return;
    tracked.pod = newer(tracked.pod, pod);
    // What somebody else wrote over the kubelet's status does not stay.
    if (differs(tracked) || (tracked.finished && pod.metadata.deletionTimestamp)) this.#enqueue(pod.metadata.uid!);
  }

  /** A static pod is shown in the API by this object from now on, or by none; a new one is given the whole status. */
  mirror(podUid: string, mirror: Pod | undefined): void {
    if (mirror) this.#mirrors.set(podUid, newer(this.#mirrors.get(podUid), mirror));
    else this.#mirrors.delete(podUid);
    const tracked = this.#pods.get(podUid);
    if (!tracked) return;
    tracked.pod = mirror && newer(tracked.pod, mirror);
    if (differs(tracked)) this.#enqueue(podUid);
  }

  /** Of what shows a static pod in the API; undefined while nothing does. */
  mirrorUid(podUid: string): string | undefined {
    return this.#mirrors.get(podUid)?.metadata.uid;
  }

  /** Decides a pod's status; `running` says that containers may still run. The decided one, with its times, comes back. */
  set(pod: Pod, status: PodStatus, running: boolean): PodStatus {
    const uid = pod.metadata.uid ?? '';
    const known = this.#pods.get(uid);
    const previous = known?.status ?? pod.status;
    const nowTime = formatTime(this.#context.clock.now());
    const timed = withTransitionTimes(status, previous, nowTime);
    timed.startTime ??= previous?.startTime ?? nowTime;
    if (known) {
      this.#take(known, pod);
      known.running = running;
      if (sameJson(known.status, timed)) return known.status;
      known.status = timed;
    } else {
      const shown = isStaticPod(pod) ? this.#mirrors.get(uid) : pod;
      this.#pods.set(uid, { pod: shown, status: timed, finished: false, running, deleted: false });
    }
    this.#enqueue(uid);
    return timed;
  }

  /** Nothing of the pod is left here: its phase is its end, and the API's object may go. */
  finish(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const tracked = this.#pods.get(uid);
    if (!tracked) return;
    tracked.finished = true;
    tracked.running = false;
    this.#take(tracked, pod);
    if (!isPodFinished({ ...pod, status: tracked.status })) tracked.status = { ...tracked.status, phase: 'Failed' };
    this.#enqueue(uid);
  }

  remove(podUid: string): void {
    this.#pods.delete(podUid);
    this.#waiting.delete(podUid);
  }

  start(): void {
    if (this.#stopping.signal.aborted) this.#stopping = new AbortController();
  }

  /** Writes what is decided, then no more. What an API that is away did not take is decided anew by the next kubelet. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#waiting.size + this.#writing.size > 0) await new Promise<void>(resolve => this.#idle.push(resolve));
    this.#pods.clear();
    this.#mirrors.clear();
  }

  #take(tracked: Tracked, pod: Pod): void {
    if (!isStaticPod(pod)) tracked.pod = newer(tracked.pod, pod);
  }

  #enqueue(uid: string): void {
    this.#waiting.add(uid);
    this.#dispatch();
  }

  #dispatch(): void {
    for (const uid of this.#waiting) {
      if (this.#writing.size >= parallel) return;
      if (this.#writing.has(uid)) continue;
      this.#waiting.delete(uid);
      this.#writing.add(uid);
      void this.#write(uid).finally(() => {
        this.#writing.delete(uid);
        this.#dispatch();
      });
    }
    if (this.#waiting.size + this.#writing.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #write(uid: string): Promise<void> {
    const { clock, logger } = this.#context;
    for (let failures = 0; ; failures++) {
      const tracked = this.#pods.get(uid);
      if (!tracked || tracked.deleted) return;
      try {
        await this.#writeOnce(tracked);
        return;
      } catch (error) {
        const name = tracked.pod?.metadata.name;
        if (isStatusError(error, 'NotFound')) return;
        if (isStatusError(error, 'Conflict') && failures < 5 && (await this.#reload(tracked))) continue;
        // A server that refuses this status will take the next one, or never any.
        if (isStatusError(error, 'Invalid', 'Forbidden', 'BadRequest', 'Conflict')) {
          logger.error('the status of a pod was refused', { pod: name, error });
          return;
        }
        logger.warn('the status of a pod could not be written, trying again', { pod: name, error });
        try {
          await sleep(clock, backoffMs(retry, failures), this.#stopping.signal);
        } catch {
          return;
        }
      }
    }
  }

  /** Reads the object that somebody else has changed. False when it is gone. */
  async #reload(tracked: Tracked): Promise<boolean> {
    const known = tracked.pod;
    if (!known) return false;
    const { namespace, name = '', uid } = known.metadata;
    try {
      const pod = await this.#context.client.resource(Pods, namespace).get(name);
      if (pod.metadata.uid !== uid) return false;
      written(tracked, pod);
      return true;
    } catch (error) {
      if (isStatusError(error)) return false;
      throw error;
    }
  }

  async #writeOnce(tracked: Tracked): Promise<void> {
    // The next mirror is given it all.
    if (!tracked.pod) return;
    const { namespace, name = '', uid = '', resourceVersion } = tracked.pod.metadata;
    const pods = this.#context.client.resource(Pods, namespace);
    const patch = pendingPatch(tracked, tracked.pod);
    if (patch) {
      const body = { metadata: withoutUndefined({ uid, resourceVersion }), status: patch };
      written(tracked, await pods.subresource<Pod>('status').patch(name, 'merge', body));
    }
    // Mirrors are their own maker's to delete.
    if (tracked.finished && tracked.pod.metadata.deletionTimestamp && mirroredUid(tracked.pod) === undefined) {
      await pods.delete(name, { gracePeriodSeconds: 0, preconditions: { uid } });
      tracked.deleted = true;
    }
  }
}

/** The server's answer, unless the pod has got another mirror meanwhile. */
function written(tracked: Tracked, pod: Pod): void {
  if (tracked.pod?.metadata.uid === pod.metadata.uid) tracked.pod = pod;
}

function newer(known: Pod | undefined, pod: Pod): Pod {
  return known && known.metadata.uid === pod.metadata.uid && isOlder(pod, known) ? known : pod;
}

/** What the API's object still lacks; undefined when it is as decided. */
function pendingPatch({ status, running }: Tracked, pod: Pod): Record<string, unknown> | undefined {
  return statusPatch(pod.status ?? {}, mergedStatus(pod, status, running));
}

function differs(tracked: Tracked): boolean {
  return tracked.pod !== undefined && pendingPatch(tracked, tracked.pod) !== undefined;
}

function isOlder(pod: Pod, than: Pod): boolean {
  return Number(pod.metadata.resourceVersion ?? 0) < Number(than.metadata.resourceVersion ?? 0);
}

/** What is to be written: the kubelet's own conditions, everybody else's as they are, no end while containers may run. */
function mergedStatus(pod: Pod, status: PodStatus, running: boolean): PodStatus {
  const old = pod.status ?? {};
  const others = (old.conditions ?? []).filter(({ type }) => !kubeletConditions.has(type));
  const own = (status.conditions ?? []).filter(({ type }) => kubeletConditions.has(type));
  const merged: PodStatus = { ...status, conditions: [...own, ...others] };
  const disruption = status.conditions?.find(({ type }) => type === 'DisruptionTarget');
  const ends = status.phase === 'Failed' || status.phase === 'Succeeded';
  if (ends && running && !isPodFinished(pod)) {
    for (const field of ['phase', 'reason', 'message'] as const) {
      if (old[field] === undefined) delete merged[field];
      else merged[field] = old[field];
    }
    return merged;
  }
  if (ends && disruption && !others.includes(disruption)) {
    merged.conditions = [...own, ...others.filter(({ type }) => type !== 'DisruptionTarget'), disruption];
  }
  if (ends) {
    merged.conditions = merged.conditions!.map(condition =>
      (condition.type === 'Ready' || condition.type === 'ContainersReady') && condition.status === 'True'
        ? { ...condition, ...finishedVerdict(status.phase!) }
        : condition,
    );
  }
  return merged;
}

/** Fields of the status that belong to others. */
const foreignFields: ReadonlySet<string> = new Set([
  'nominatedNodeName',
  'resourceClaimStatuses',
  'extendedResourceClaimStatus',
  'nodeAllocatableResourceClaimStatuses',
  'resize',
]);

/** A merge patch of the fields that differ; undefined when none does. */
function statusPatch(old: PodStatus, next: PodStatus): Record<string, unknown> | undefined {
  const before = old as Record<string, unknown>;
  const after = next as Record<string, unknown>;
  const patch: Record<string, unknown> = {};
  for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (foreignFields.has(field) || sameJson(before[field], after[field])) continue;
    patch[field] = after[field] ?? null;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}
