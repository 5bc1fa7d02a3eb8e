import { backoffMs } from '../../base/backoff.js';
import type { Disposable } from '../../base/disposable.js';
import { errorCode, errorText } from '../../base/errors.js';
import type { Pod, PodStatus } from '../../api/generated/types.js';
import { parseTime } from '../../api/time.js';
import type { Refusal } from '../admission/admit-pod.js';
import type { PodCgroups } from '../cgroups/pod-cgroups.js';
import type { KubeletContext } from '../kubelet-context.js';
import { podText, podUid } from '../kubelet-context.js';
import type { NodeFacts } from '../node/node-facts.js';
import type { ProbeManager } from '../probes/probe-manager.js';
import type { PodPlugins } from '../extensions/pod-plugins.js';
import type { PodResizer } from '../resize/pod-resizer.js';
import type { ContainerKiller } from '../runtime/container-killer.js';
import type { PodSyncer } from '../runtime/pod-syncer.js';
import type { RuntimeCache } from '../runtime/runtime-cache.js';
import { podStatus } from '../status/pod-status.js';
import type { ReasonCache } from '../status/reason-cache.js';
import { sameJson } from '../status/same-json.js';
import type { StatusManager } from '../status/status-manager.js';
import type { VolumeManager } from '../volumes/volume-manager.js';

export interface PodWorkerServices {
  readonly context: KubeletContext;
  readonly cache: RuntimeCache;
  readonly syncer: PodSyncer;
  readonly killer: ContainerKiller;
  readonly probes: ProbeManager;
  readonly statuses: StatusManager;
  readonly reasons: ReasonCache;
  readonly volumes: VolumeManager;
  /** Undefined where the runtime is not on this host. */
  readonly cgroups: PodCgroups | undefined;
  readonly resizer: PodResizer;
  /** Undefined where the runtime is not on this host. */
  readonly plugins?: PodPlugins | undefined;
  readonly facts: () => NodeFacts;
  /** Why this node refuses the pod; undefined when it takes it. Asked before anything of it runs. */
  readonly admit: (pod: Pod) => Promise<Refusal | undefined>;
  /** The same, of what depends on the other pods: asked last, and without a break before the pod counts as one of them. */
  readonly fits: (pod: Pod) => Refusal | undefined;
  readonly removeLogs: (pod: Pick<Pod, 'metadata'>) => Promise<void>;
  /** Nothing of the pod is left anywhere. */
  readonly gone: (pod: Pod) => void | Promise<void>;
}

interface Verdict {
  readonly phase: 'Failed';
  readonly reason: string;
  readonly message: string;
}

type Stage = 'syncing' | 'terminating' | 'terminated' | 'done' | 'gone';

const failureWait = { initialMs: 1000, maximumMs: 30_000 };
/** A safety net, spread over half as much again: what changes a pod wakes it. */
const resyncMs = 300_000;
const deadlineMessage = 'Pod was active on the node longer than the specified deadline';

/**
 * Everything about one pod on this node, one step at a time: syncing until it is to end, terminating until nothing runs,
 * terminated until nothing is left but what its logs need, gone when the API has forgotten it.
 */
export class PodWorker {
  readonly #services: PodWorkerServices;
  readonly #uid: string;
  #pod: Pod;
  #stage: Stage = 'syncing';
  #deleted = false;
  #admitted = false;
  #verdict: Verdict | undefined;
  #dirty = false;
  #busy = false;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Due by the clock that does not jump. */
  #timer: { readonly dueMs: number; readonly handle: Disposable } | undefined;
  #failures = 0;
  /** Ends the step that is under way because the pod is to end, or to end sooner. */
  #interrupt = new AbortController();
  #graceSeconds: number | undefined;

  constructor(services: PodWorkerServices, pod: Pod) {
    this.#services = services;
    this.#pod = pod;
    this.#uid = podUid(pod);
    if (pod.metadata.deletionTimestamp) this.#hurry();
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** Its containers hold resources of the node. */
  get active(): boolean {
    return this.#stage === 'syncing' || this.#stage === 'terminating';
  }

  /**
   * It counts when another is to be taken: this kubelet took it, or an earlier one did. One that waits to be asked about does not, and
   * neither does one that the API knows as finished, before it is seen that nothing of it is left.
   */
  get holdsPlace(): boolean {
    if (!this.active) return false;
    const { containers, sandboxes } = this.#services.cache.pod(this.#uid);
    if (this.#finished()) return containers.some(({ state }) => state === 'running');
    return this.#admitted || sandboxes.length > 0;
  }

  /** It is not to end, as far as is known. */
  get staying(): boolean {
    return this.#stage === 'syncing' && !this.#endWanted();
  }

  /** Nothing of it runs or is mounted any more. */
  get finished(): boolean {
    return this.#stage === 'done' || this.#stage === 'gone';
  }

  /**
   * Frees the disk of what a finished pod ran, with its logs: nobody can ask for those of a container that is no more. Never rejects:
   * what cannot be removed must not keep others from being tried.
   */
  async discard(): Promise<void> {
    const { cache, context, killer, removeLogs } = this.#services;
    if (this.#stage !== 'done' || this.#busy) return;
    try {
      await killer.removeAll(cache.pod(this.#uid));
      await removeLogs(this.#pod);
    } catch (error) {
      context.logger.warn('what a finished pod ran could not be removed', { pod: podText(this.#pod), error });
    }
  }

  /** The API's newer object. */
  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    this.#services.statuses.observe(pod);
    if (pod.metadata.deletionTimestamp) this.#hurry();
    const { generation, deletionTimestamp, deletionGracePeriodSeconds } = before.metadata;
    // What a container is made of, its variables and sub paths among them: what failed may work now.
    const remade = pod.metadata.generation !== generation || metadataChanged(before, pod);
    if (remade) this.#services.syncer.release(this.#uid);
    // Our own status writes come back as updates: they ask for nothing.
    if (
      remade ||
      pod.metadata.deletionTimestamp !== deletionTimestamp ||
      pod.metadata.deletionGracePeriodSeconds !== deletionGracePeriodSeconds ||
      gatesChanged(before, pod)
    ) {
      this.wake();
    }
  }

  /** The API has forgotten the pod. */
  delete(pod: Pod): void {
    this.#pod = pod;
    this.#deleted = true;
    this.#hurry();
    this.wake();
  }

  /** Something about the pod has changed: look again. */
  wake(): void {
    if (this.#stopped || this.#stage === 'gone') return;
    // While containers end, the status still follows them; of the last one the step itself tells.
    if (this.#stage === 'terminating' && this.#busy && this.#anyRunning()) this.#publish({ terminal: false, running: true });
    this.#dirty = true;
    if (this.#busy) return;
    // Set before the loop begins: what the loop calls may wake the pod again.
    this.#busy = true;
    this.#running = this.#loop().finally(() => {
      this.#busy = false;
      if (this.#dirty) this.wake();
    });
  }

  /** An object that the pod refers to has changed: what failed may work now. */
  referencesChanged(): void {
    this.#services.syncer.release(this.#uid);
    this.wake();
  }

  /** Ends the pod with a status of the kubelet's own: an eviction. */
  fail(reason: string, message: string, graceSeconds?: number): void {
    this.#verdict ??= { phase: 'Failed', reason, message };
    if (graceSeconds !== undefined) this.#graceSeconds = graceSeconds;
    this.#interrupt.abort();
    this.wake();
  }

  /** Leaves the pod as it is: containers go on without the kubelet. */
  async stop(): Promise<void> {
    this.#stopped = true;
    void this.#timer?.handle.dispose();
    this.#interrupt.abort();
    await this.#running;
  }

  /** The pod is to end now, or sooner than it was told before. */
  #hurry(): void {
    const grace = graceSecondsOf(this.#pod);
    if (this.#graceSeconds !== undefined && grace >= this.#graceSeconds) return;
    this.#graceSeconds = grace;
    this.#interrupt.abort();
  }

  async #loop(): Promise<void> {
    while (this.#dirty && !this.#stopped && (this.#stage as Stage) !== 'gone') {
      this.#dirty = false;
      try {
        await this.#step();
      } catch (error) {
        if (this.#stopped) return;
        const { context } = this.#services;
        if (this.#interrupt.signal.aborted) this.#dirty = true;
        else {
          const waitMs = backoffMs(failureWait, this.#failures++);
          context.logger.debug('a pod could not be synced', { pod: podText(this.#pod), error });
          this.#wakeAt(context.clock.now() + waitMs);
        }
      }
    }
  }

  async #step(): Promise<void> {
    if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
    if (this.#stage === 'syncing') {
      if (!this.#endWanted()) await this.#sync();
      if (!this.#endWanted()) {
        this.#wakeAt(this.#services.context.clock.now() + resyncMs * (1 + Math.random() / 2));
        return;
      }
      this.#stage = 'terminating';
    }
    if (this.#stage === 'terminating') {
      await this.#terminate();
      this.#stage = 'terminated';
    }
    if (this.#stage === 'terminated') {
      await this.#services.volumes.unmount(this.#uid);
      await this.#services.cgroups?.remove(this.#uid);
      this.#services.syncer.forget(this.#uid);
      this.#services.resizer.forget(this.#uid);
      this.#services.statuses.finish(this.#pod);
      this.#stage = 'done';
    }
    if (this.#deleted) {
      await this.#services.killer.removeAll(this.#services.cache.pod(this.#uid));
      this.#services.statuses.remove(this.#uid);
      this.#stage = 'gone';
      void this.#timer?.handle.dispose();
      await this.#services.gone(this.#pod);
    }
  }

  #endWanted(): boolean {
    return this.#deleted || this.#verdict !== undefined || this.#pod.metadata.deletionTimestamp !== undefined || this.#finished();
  }

  #finished(): boolean {
    const phase = this.#services.statuses.status(this.#uid)?.phase ?? this.#pod.status?.phase;
    return phase === 'Succeeded' || phase === 'Failed';
  }

  async #sync(): Promise<void> {
    const { context, cache, facts, probes, syncer, volumes } = this.#services;
    const { signal } = this.#interrupt;
    if (!(await this.#admit()) || this.#pastDeadline()) return;
    const pod = this.#services.resizer.allocate(this.#pod);
    probes.sync(this.#pod);
    const status = this.#generate(false);
    if (status.phase === 'Succeeded' || status.phase === 'Failed') {
      this.#services.statuses.set(this.#pod, status, true);
      return;
    }
    this.#services.statuses.set(this.#pod, status, this.#anyRunning());
    const { networkProblem } = facts();
    if (networkProblem !== undefined && !this.#pod.spec.hostNetwork) {
      context.recorder.event(this.#pod, 'Warning', 'NetworkNotReady', `network is not ready: ${networkProblem}`);
      // The node wakes its pods when the network is there.
      return;
    }
    volumes.register(this.#pod);
    try {
      await volumes.mount(this.#pod);
    } catch (error) {
      if (errorCode(error) !== 'VOLUME_NOT_READY') {
        const text = `Unable to attach or mount volumes: ${errorText(error)}`;
        context.recorder.event(this.#pod, 'Warning', 'FailedMount', text);
      }
      throw error;
    }
    if (signal.aborted) return;
    const resized = await this.#services.resizer.actuate(pod, signal);
    if (resized.retryAtMs !== undefined) this.#wakeAt(resized.retryAtMs);
    if (signal.aborted) return;
    const restartAll = status.conditions?.some(own => own.type === 'AllContainersRestarting' && own.status === 'True');
    const { acted, retryAtMs } = await syncer.sync(pod, signal, restartAll);
    this.#services.resizer.note(pod);
    this.#failures = 0;
    probes.sync(this.#pod);
    if ((acted || resized.acted) && !signal.aborted) {
      const next = this.#generate(false);
      this.#services.statuses.set(this.#pod, next, this.#anyRunning() || next.phase === 'Succeeded' || next.phase === 'Failed');
    }
    if (retryAtMs !== undefined) this.#wakeAt(retryAtMs);
    // What was started may have ended before the cache knew that this pod waits for it.
    if (cache.pod(this.#uid).containers.length === 0 && retryAtMs === undefined && !signal.aborted) this.#dirty = acted;
  }

  /** Asked before anything of the pod runs; what runs already was admitted by an earlier kubelet. */
  async #admit(): Promise<boolean> {
    if (this.#admitted) return true;
    if (this.#services.cache.pod(this.#uid).sandboxes.length > 0) {
      this.#admitted = true;
      return true;
    }
    const refusal = (await this.#services.admit(this.#pod)) ?? this.#services.fits(this.#pod);
    if (!refusal) {
      this.#admitted = true;
      return true;
    }
    const message = `Pod was rejected: ${refusal.message}`;
    this.#services.context.recorder.event(this.#pod, 'Warning', refusal.reason, refusal.message);
    this.#verdict = { phase: 'Failed', reason: refusal.reason, message };
    return false;
  }

  #pastDeadline(): boolean {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    if (seconds === undefined) return false;
    const { clock, recorder } = this.#services.context;
    const startTime = this.#services.statuses.status(this.#uid)?.startTime ?? this.#pod.status?.startTime;
    const startedMs = parseTime(startTime) ?? clock.now();
    const dueMs = startedMs + seconds * 1000;
    if (dueMs > clock.now()) {
      this.#wakeAt(dueMs);
      return false;
    }
    recorder.event(this.#pod, 'Normal', 'DeadlineExceeded', deadlineMessage);
    this.#verdict = { phase: 'Failed', reason: 'DeadlineExceeded', message: deadlineMessage };
    return true;
  }

  async #terminate(): Promise<void> {
    const { cache, context, killer, probes, statuses } = this.#services;
    const { signal } = this.#interrupt;
    const state = cache.pod(this.#uid);
    // A kubelet that finds the pod ending goes on to say whether it is ready.
    probes.sync(this.#pod);
    if (this.#anyRunning()) this.#publish({ terminal: false, running: true });
    probes.stopLivenessAndStartup(this.#uid);
    // Of no grace at all a second is given, so that preStop hooks are run.
    const graceSeconds = Math.max(1, this.#graceSeconds ?? graceSecondsOf(this.#pod));
    try {
      await killer.killPod(this.#pod, state, { signal, graceSeconds });
    } catch (error) {
      if (!signal.aborted) {
        context.recorder.event(this.#pod, 'Warning', 'FailedKillPod', `error killing pod: ${errorText(error)}`);
      }
      throw error;
    }
    // Before the API hears of the end: what the pod claims may then be given to others.
    try {
      await this.#services.plugins?.release(this.#pod);
    } catch (error) {
      context.logger.warn('what a pod claims could not be given back, trying again', { pod: podText(this.#pod), error });
      throw error;
    }
    probes.remove(this.#uid);
    statuses.set(this.#pod, this.#generate(true), false);
  }

  #publish({ terminal, running }: { terminal: boolean; running: boolean }): void {
    this.#services.statuses.set(this.#pod, this.#generate(terminal), running);
  }

  #generate(terminal: boolean): PodStatus {
    const { cache, facts, plugins, probes, reasons, resizer, statuses } = this.#services;
    const { hostIps, runtimeName } = facts();
    const status = podStatus({
      pod: this.#pod,
      state: cache.pod(this.#uid),
      previous: statuses.status(this.#uid),
      terminal,
      verdict: this.#verdict,
      runtimeName,
      hostIps,
      reasons,
      probed: (pod, container, own) => probes.apply(pod, container, own),
    });
    const resized = resizer.decorate(this.#pod, status);
    return plugins?.decorate(this.#pod, resized) ?? resized;
  }

  #anyRunning(): boolean {
    return this.#services.cache.pod(this.#uid).containers.some(({ state }) => state === 'running');
  }

  /** One timer a pod, for the next thing that is due. */
  #wakeAt(dueMs: number): void {
    const { clock } = this.#services.context;
    const delayMs = Math.max(0, dueMs - clock.now());
    const steadyDueMs = clock.monotonicMs() + delayMs;
    // Also one that is due already, and has not run yet: what is due later must not take its place.
    if (this.#stopped || (this.#timer && this.#timer.dueMs <= steadyDueMs)) return;
    void this.#timer?.handle.dispose();
    const handle = clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.wake();
    });
    this.#timer = { dueMs: steadyDueMs, handle };
  }
}

function graceSecondsOf({ metadata, spec }: Pod): number {
  const own = spec.terminationGracePeriodSeconds ?? 30;
  return metadata.deletionTimestamp ? (metadata.deletionGracePeriodSeconds ?? own) : own;
}

/** Whether a condition that a readiness gate waits for has changed. */
function gatesChanged(before: Pod, after: Pod): boolean {
  return (after.spec.readinessGates ?? []).some(({ conditionType }) => {
    const status = (pod: Pod): string | undefined => pod.status?.conditions?.find(({ type }) => type === conditionType)?.status;
    return status(before) !== status(after);
  });
}

/** Whether what the pod's downward volumes and variables may show of its metadata has changed. */
function metadataChanged(before: Pod, after: Pod): boolean {
  const { labels, annotations } = before.metadata;
  return !sameJson(labels ?? {}, after.metadata.labels ?? {}) || !sameJson(annotations ?? {}, after.metadata.annotations ?? {});
}
