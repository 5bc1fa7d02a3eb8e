import { Pods } from '../api/generated/resources.js';
import type { Binding, Pod } from '../api/generated/types.js';
import type { Clock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import { CodedError, errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Client } from '../client/client.js';
import type { EventRecorder } from '../client/event-recorder.js';
import type { Informer, InformerFactory } from '../client/informer-types.js';
import type { SchedulerPlugin, SchedulingStatus } from '../contracts/scheduler-plugin.js';
import { isStatusError } from '../machinery/status-error.js';
import { SchedulerCache } from './cache.js';
import { assignedPodDeleted } from './cluster-events.js';
import { EventHandlers } from './event-handlers.js';
import { FitError } from './fit-error.js';
import { Framework } from './framework.js';
import type { PluginFault } from './framework.js';
import { NodeSearch } from './node-search.js';
import { PodInfo, podKey } from './pod-info.js';
import { patchPodStatus } from './pod-status.js';
import type { PodStatusChange } from './pod-status.js';
import { defaultPlugins } from './plugins/default-plugins.js';
import type { PreemptionHandle } from './plugins/preemption-executor.js';
import { noNodes } from './plugins/no-nodes.js';
import { SchedulingQueue } from './queue/scheduling-queue.js';
import type { QueuedPod } from './queue/scheduling-queue.js';
import { AttemptState, isRejection, statusMessage } from './status.js';
import { UsedInformers } from './used-informers.js';

export interface SchedulerOptions {
  /** As `system:kube-scheduler`. */
  readonly client: Client;
  readonly informers: Pick<InformerFactory, 'informer'>;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 to 1, for ties. */
  readonly random?: () => number;
  /** Third parties' filters and scores; they come after ours. */
  readonly plugins?: readonly SchedulerPlugin[];
  readonly schedulerName?: string;
}

/** How a pod came to fail: turned away by plugins, or something broke. */
interface Failure {
  readonly reason: 'Unschedulable' | 'SchedulerError';
  readonly message: string;
  readonly unschedulablePlugins?: ReadonlySet<string>;
  readonly pendingPlugins?: ReadonlySet<string>;
  /** '' takes an older nomination back, undefined leaves it. */
  readonly nominatedNodeName?: string;
}

interface PodInBinding {
  readonly state: AttemptState;
  readonly info: PodInfo;
  readonly nodeName: string;
  readonly abort: AbortController;
  /** The API has been asked to bind: there is no way back but deleting the pod. */
  isCommitted: boolean;
}

/** How long the loop runs before it lets others have their turn. */
const sliceMs = 10;
const concurrentBindings = 256;
const longestNote = 1024;

/**
 * Assigns pods to nodes. One pod at a time is placed in memory, without a pause; what waits (permits, volumes, the binding itself)
 * goes on beside the next pod. Source: kube-scheduler 1.36.
 */
export class Scheduler {
  readonly cache = new SchedulerCache();
  readonly queue: SchedulingQueue;
  readonly #options: SchedulerOptions;
  readonly #framework: Framework;
  readonly #search: NodeSearch;
  readonly #handlers: EventHandlers;
  readonly #informers: UsedInformers;
  readonly #pods: Informer<Pod>;
  readonly #inBinding = new Map<string, PodInBinding>();
  readonly #background = new Set<Promise<void>>();
  readonly #ready = deferred();
  readonly #stopping = new AbortController();
  #isRunning = false;
  #isKicked = false;
  #bindingCalls = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { clock, random = Math.random, schedulerName = 'default-scheduler' } = options;
    const informers = (this.#informers = new UsedInformers(options.informers));
    const { cache } = this;
    const handle: PreemptionHandle = {
      nominatedPods: nodeName => this.queue.nominator.podsFor(nodeName),
      activate: uid => this.queue.activate(uid),
      preemptInBinding: (uid, reason) => this.#preemptInBinding(uid, reason),
      runInBackground: work => this.#runInBackground(work),
    };
    const framework = (): Framework => this.#framework;
    const plugins = [...defaultPlugins({ ...options, informers, cache, random, handle, framework }), ...(options.plugins ?? [])];
    this.queue = new SchedulingQueue({ clock, plugins: [...plugins, noNodes], onReady: () => this.#kick() });
    this.#framework = new Framework(plugins, this.queue.nominator);
    this.#search = new NodeSearch(cache, this.#framework, random);
    this.#pods = informers.informer(Pods);
    const onAssumedPodGone = (uid: string): void => this.#onAssumedPodGone(uid);
    const onGatedPod = (pod: Pod): void => this.#tellGated(pod);
    this.#handlers = new EventHandlers({ informers, cache, queue: this.queue, schedulerName, onAssumedPodGone, onGatedPod });
  }

  /** Begins as soon as the informers have their first lists; whoever made them starts them. Twice is harmless. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#handlers.start();
    this.queue.start();
    this.#informers.whenSynced(this.#stopping.signal).then(
      () => {
        this.#ready.resolve();
        this.#kick();
      },
      error => this.#ready.reject(error),
    );
  }

  /** Resolves when scheduling has begun; rejects when the informers failed. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when bindings under way have come to an end. */
  async stop(): Promise<void> {
    this.#stopping.abort(new CodedError('SCHEDULER_STOPPED', 'the scheduler was stopped'));
    this.#ready.reject(this.#stopping.signal.reason);
    this.queue.stop();
    await this.#handlers.stop();
    for (const { abort } of this.#inBinding.values()) abort.abort(this.#stopping.signal.reason);
    await Promise.allSettled(this.#background);
  }

  /** Stops the binding of a pod that was placed but is not bound yet; false when it is too late or there is none. */
  #preemptInBinding(uid: string, reason: string): boolean {
    const binding = this.#inBinding.get(uid);
    if (!binding || binding.isCommitted || binding.abort.signal.aborted) return false;
    binding.abort.abort(new CodedError('PREEMPTED', reason));
    return true;
  }

  /** Work whose end `stop` waits for. It must not throw. */
  #runInBackground(work: Promise<void>): void {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
  }

  #kick(): void {
    if (this.#isKicked || !this.#isRunning) return;
    this.#isKicked = true;
    setImmediate(() => {
      this.#isKicked = false;
      this.#run();
    });
  }

  #run(): void {
    const { clock } = this.#options;
    if (this.#stopping.signal.aborted || !this.#informers.synced) return;
    const untilMs = clock.monotonicMs() + sliceMs;
    while (this.#bindingCalls < concurrentBindings) {
      const queued = this.queue.pop();
      if (!queued) return;
      this.#scheduleOne(queued);
      if (clock.monotonicMs() >= untilMs) return this.#kick();
    }
  }

  #scheduleOne(queued: QueuedPod): void {
    const { info } = queued;
    const { pod, uid } = info;
    if (pod.metadata.deletionTimestamp) {
      this.#options.recorder.event(pod, 'Warning', 'FailedScheduling', `skip schedule deleting pod: ${info.key}`);
      this.queue.done(uid);
      return;
    }
    if (this.cache.isAssumed(uid)) return this.queue.done(uid);
    if (this.cache.nodes.length === 0) {
      const message = 'no nodes available to schedule pods';
      const unschedulablePlugins = new Set([noNodes.name]);
      return this.#fail(queued, { reason: 'Unschedulable', message, unschedulablePlugins, nominatedNodeName: '' });
    }
    const state = new AttemptState();
    try {
      const found = this.#search.find(state, info);
      if (typeof found === 'string') this.#place(queued, state, found);
      else this.#fail(queued, this.#afterMisfit(state, info, found));
    } catch (error) {
      this.#fail(queued, { reason: 'SchedulerError', message: errorText(error), nominatedNodeName: '' });
    }
  }

  /** No node fits: perhaps one can be made to. */
  #afterMisfit(state: AttemptState, info: PodInfo, error: FitError): Failure {
    const { status, nominatedNodeName } = this.#framework.postFilter(state, info, error.outcome);
    if (status) error.postFilterMessage = statusMessage(status);
    return { reason: 'Unschedulable', message: error.message, ...pluginsOf(error), nominatedNodeName };
  }

  #place(queued: QueuedPod, state: AttemptState, nodeName: string): void {
    const { info } = queued;
    const { pod } = info;
    const assumed = PodInfo.placed({ ...pod, spec: { ...pod.spec, nodeName } }, info);
    this.cache.assume(assumed, nodeName);
    this.queue.nominator.delete(info.uid);
    const refused = this.#framework.reserve(state, info, nodeName);
    if (refused) {
      this.#unplace(state, info, nodeName);
      return this.#fail(queued, failureOf(refused, nodeName));
    }
    const binding: PodInBinding = { state, info, nodeName, abort: new AbortController(), isCommitted: false };
    this.#inBinding.set(info.uid, binding);
    this.#bindingCalls++;
    this.#runInBackground(this.#finish(queued, binding));
  }

  /** Never rejects. */
  async #finish(queued: QueuedPod, binding: PodInBinding): Promise<void> {
    const { state, info, nodeName } = binding;
    const { recorder, logger } = this.#options;
    let failure: Failure | undefined;
    try {
      failure = await this.#bind(binding);
    } catch (error) {
      failure = { reason: 'SchedulerError', message: errorText(error), nominatedNodeName: '' };
    } finally {
      if (--this.#bindingCalls === concurrentBindings - 1) this.#kick();
      if (this.#inBinding.get(info.uid) === binding) this.#inBinding.delete(info.uid);
    }
    if (!failure) {
      recorder.event(info.pod, 'Normal', 'Scheduled', `Successfully assigned ${info.key} to ${nodeName}`);
      this.#report(this.#framework.postBind(state, info, nodeName), info);
      // It was deleted just after it had been bound: nobody else will free the node.
      if (binding.abort.signal.aborted) this.#onAssumedPodGone(info.uid);
      return;
    }
    logger.debug('pod was not bound', { pod: info.key, node: nodeName, reason: failure.message });
    this.#unplace(state, info, nodeName);
    // The room is free again; the pod itself is not helped by that.
    this.queue.onEvent(assignedPodDeleted, placedPod(info.pod, nodeName), undefined, other => other.uid !== info.uid);
    if (!this.#stopping.signal.aborted) this.#fail(queued, failure);
    else this.queue.done(info.uid);
  }

  async #bind(binding: PodInBinding): Promise<Failure | undefined> {
    const { state, info, nodeName, abort } = binding;
    const { client } = this.#options;
    const { pod } = info;
    const { signal } = abort;
    if (this.#framework.hasPermits) {
      const refused = await this.#unlimited(this.#framework.permit(state, info, nodeName, signal));
      if (refused) return failureOf(refused, nodeName);
      signal.throwIfAborted();
    }
    this.queue.done(info.uid);
    if (this.#framework.needsPreBind(state, info, nodeName)) {
      // Autoscalers shall see where the pod is going while it waits for its volumes.
      await this.#patchStatus(pod, { nominatedNodeName: nodeName });
      const refused = await this.#unlimited(this.#framework.preBind(state, info, nodeName, signal));
      if (refused) {
        const message = `running PreBind plugin "${refused.plugin}": ${statusMessage(refused)}`;
        return { reason: 'SchedulerError', message, nominatedNodeName: '' };
      }
    }
    signal.throwIfAborted();
    binding.isCommitted = true;
    const { name, namespace, uid } = pod.metadata;
    const body: Binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { kind: 'Node', name: nodeName },
    };
    try {
      await client.resource(Pods, namespace).subresource<Binding>('binding').create(body, { name });
    } catch (error) {
      const message = `running Bind plugin "DefaultBinder": ${errorText(error)}`;
      return { reason: 'SchedulerError', message, nominatedNodeName: '' };
    }
    return undefined;
  }

  /** Waiting for others may take minutes and must not keep further pods from being bound. */
  async #unlimited<T>(work: Promise<T>): Promise<T> {
    if (--this.#bindingCalls === concurrentBindings - 1) this.#kick();
    try {
      return await work;
    } finally {
      this.#bindingCalls++;
    }
  }

  #unplace(state: AttemptState, info: PodInfo, nodeName: string): void {
    this.#report(this.#framework.unreserve(state, info, nodeName), info);
    this.cache.forget(info.uid);
  }

  #report(faults: readonly PluginFault[], { key }: PodInfo): void {
    for (const { plugin, error } of faults) {
      this.#options.logger.error('a plugin of the scheduler failed where it must not', { plugin, pod: key, error });
    }
  }

  #onAssumedPodGone(uid: string): void {
    const binding = this.#inBinding.get(uid);
    if (binding) {
      // The way out of the binding frees the node.
      binding.abort.abort(new CodedError('POD_DELETED', 'the pod was deleted while it was being bound'));
      return;
    }
    const known = this.cache.pod(uid);
    if (!known) return;
    this.cache.forget(uid);
    this.queue.onEvent(assignedPodDeleted, known.info.pod, undefined);
  }

  /** Puts the pod back and says why it waits. */
  #fail(queued: QueuedPod, failure: Failure): void {
    const { recorder, logger } = this.#options;
    const { uid, pod } = queued.info;
    if (failure.reason === 'SchedulerError') {
      logger.warn('scheduling a pod failed, trying again', { pod: queued.info.key, reason: failure.message });
    }
    const entry = this.#pods.entry(pod.metadata.namespace ?? '', pod.metadata.name);
    const current = entry?.object;
    if (!entry || !current || current.metadata.uid !== uid || current.spec.nodeName) {
      this.queue.nominator.delete(uid);
      return this.queue.done(uid);
    }
    queued.info = new PodInfo(entry);
    queued.unschedulablePlugins = new Set(failure.unschedulablePlugins);
    queued.pendingPlugins = new Set(failure.pendingPlugins);
    this.queue.returnUnscheduled(queued);
    const nominated = failure.nominatedNodeName ?? this.queue.nominator.nodeOf(uid) ?? current.status.nominatedNodeName ?? '';
    this.queue.nominator.set(queued.info, nominated);
    const { message, reason, nominatedNodeName } = failure;
    recorder.event(current, 'Warning', 'FailedScheduling', truncate(message));
    const condition = { type: 'PodScheduled', status: 'False', reason, message } as const;
    this.#runInBackground(this.#patchStatus(current, { condition, nominatedNodeName }));
  }

  /** The API server says so when it creates the pod; a pod that came another way is told here. */
  #tellGated(pod: Pod): void {
    if (pod.status.conditions?.some(({ type }) => type === 'PodScheduled')) return;
    const message = 'Scheduling is blocked due to non-empty scheduling gates';
    const condition = { type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message } as const;
    this.#runInBackground(this.#patchStatus(pod, { condition }));
  }

  /** A lost status is written again at the next attempt. */
  async #patchStatus(pod: Pod, change: PodStatusChange): Promise<void> {
    const { client, clock, logger } = this.#options;
    try {
      await patchPodStatus(client, clock, pod, change);
    } catch (error) {
      if (isStatusError(error, 'NotFound', 'Conflict')) return;
      logger.warn('updating the status of a pod failed', { pod: podKey(pod), error });
    }
  }
}

function pluginsOf({ unschedulablePlugins, pendingPlugins }: FitError): Pick<Failure, 'unschedulablePlugins' | 'pendingPlugins'> {
  return { unschedulablePlugins, pendingPlugins };
}

/** After a node was found: a plugin refused it (then the message speaks of one node), or broke. */
function failureOf(status: SchedulingStatus, nodeName: string): Failure {
  if (!isRejection(status)) return { reason: 'SchedulerError', message: statusMessage(status), nominatedNodeName: '' };
  const error = new FitError(1);
  error.set(nodeName, status);
  return { reason: 'Unschedulable', message: error.message, ...pluginsOf(error), nominatedNodeName: '' };
}

function placedPod(pod: Pod, nodeName: string): Pod {
  return { ...pod, spec: { ...pod.spec, nodeName } };
}

/** Events take 1024 bytes. */
function truncate(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= longestNote) return message;
  const suffix = ' ...';
  return (
    bytes
      .subarray(0, longestNote - suffix.length)
      .toString()
      .replace(/\ufffd+$/, '') + suffix
  );
}
