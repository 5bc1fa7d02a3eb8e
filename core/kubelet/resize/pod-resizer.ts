import { CodedError, errorText } from '../../base/errors.js';
import { parseResourceList, podRequests } from '../../api/pod-resources.js';
import type {
  Container,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
  ResourceRequirements,
} from '../../api/generated/types.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import { Quantity } from '../../machinery/quantity.js';
import type { PodCgroups } from '../cgroups/pod-cgroups.js';
import type { KubeletContext } from '../kubelet-context.js';
import { podUid } from '../kubelet-context.js';
import type { NodeFacts } from '../node/node-facts.js';
import type { ContainerKiller } from '../runtime/container-killer.js';
import { latestContainer } from '../runtime/pod-runtime-state.js';
import type { RuntimeCache } from '../runtime/runtime-cache.js';
import type { SyncResult } from '../runtime/pod-syncer.js';
import { linuxResources } from '../runtime/runtime-specs.js';
import {
  changedResources,
  recordedAllocation,
  resizableContainers,
  sameAllocation,
  wantedAllocation,
  withAllocation,
} from './resources.js';
import type { Allocation } from './resources.js';

export interface PodResizerOptions {
  readonly context: KubeletContext;
  readonly cache: RuntimeCache;
  readonly killer: ContainerKiller;
  readonly cgroups: PodCgroups | undefined;
  readonly facts: () => NodeFacts;
  /** The other pods that hold resources of the node, as they were granted. */
  readonly others: (pod: Pod) => readonly Pod[];
}

interface Problem {
  readonly reason: 'Deferred' | 'Infeasible' | 'Error';
  readonly message: string;
}

interface Entry {
  allocation: Allocation;
  pending: Problem | undefined;
  /** A granted resize has not reached the containers yet. */
  progress: 'none' | 'running' | Problem;
  /** By container id: what was given to the running container. */
  readonly actual: Map<string, ResourceRequirements | undefined>;
}

interface Change {
  readonly container: Container;
  readonly state: ContainerState;
  readonly restart: boolean;
}

const retryMs = 10_000;
/** A resize that waits for room is tried again. */
const deferredMs = 60_000;

/** Changes what running containers may use. Source: KEP-1287, pkg/kubelet/allocation, kuberuntime doPodResizeAction. */
export class PodResizer {
  readonly #options: PodResizerOptions;
  readonly #pods = new Map<string, Entry>();

  constructor(options: PodResizerOptions) {
    this.#options = options;
  }

  /** The pod with what the node has granted it, which is what it wants unless that does not fit. */
  allocate(pod: Pod): Pod {
    const entry = this.#entry(pod);
    const wanted = wantedAllocation(pod);
    if (sameAllocation(wanted, entry.allocation)) {
      entry.pending = undefined;
      entry.allocation = wanted;
      return pod;
    }
    const problem = this.#problem(pod);
    if (problem) {
      if (problem.reason !== entry.pending?.reason) this.#event(pod, 'Warning', `Resize${problem.reason}`, problem.message);
      entry.pending = problem;
      return withAllocation(pod, entry.allocation);
    }
    entry.pending = undefined;
    entry.allocation = wanted;
    entry.progress = 'running';
    this.#event(pod, 'Normal', 'ResizeStarted');
    return pod;
  }

  /** What the pod was granted, for sums over the node. */
  granted(pod: Pod): Pod {
    const entry = this.#pods.get(podUid(pod));
    return entry ? withAllocation(pod, entry.allocation) : pod;
  }

  /** Gives running containers what was granted. Never rejects for what can be tried again. */
  async actuate(pod: Pod, signal: AbortSignal): Promise<SyncResult> {
    const { cache, cgroups, context } = this.#options;
    const entry = this.#entry(pod);
    const changes = this.#changes(pod, entry);
    try {
      if (changes.length > 0) {
        await cgroups?.raise(pod);
        for (const change of changes) await this.#change(pod, change, entry, signal);
      }
      if (cache.pod(podUid(pod)).sandboxes.length > 0) await cgroups?.ensure(pod);
    } catch (error) {
      if (signal.aborted) return { acted: true, retryAtMs: undefined };
      entry.progress = { reason: 'Error', message: errorText(error) };
      context.logger.warn('a pod was not resized', { pod: pod.metadata.name, error });
      return { acted: true, retryAtMs: context.clock.now() + retryMs };
    }
    const acted = changes.length > 0 || entry.progress !== 'none';
    if (entry.progress !== 'none') this.#event(pod, 'Normal', 'ResizeCompleted');
    entry.progress = 'none';
    const retryAtMs = entry.pending?.reason === 'Deferred' ? context.clock.now() + deferredMs : undefined;
    return { acted, retryAtMs };
  }

  /** Takes note of containers that were just started with what the pod was granted. */
  note(pod: Pod): void {
    const { actual } = this.#entry(pod);
    for (const container of resizableContainers(pod)) {
      const state = latestContainer(this.#options.cache.pod(podUid(pod)), container.name);
      if (state?.state === 'running' && !actual.has(state.id)) actual.set(state.id, container.resources);
    }
  }

  /** Adds to a status what was granted and given, and how a resize goes. */
  decorate(pod: Pod, status: PodStatus): PodStatus {
    const entry = this.#pods.get(podUid(pod));
    if (!entry) return status;
    const of = (own: ContainerStatus): ContainerStatus => {
      const granted = entry.allocation.containers.get(own.name);
      const id = own.containerID?.split('://')[1] ?? '';
      if (own.resources === undefined) return own;
      const result: ContainerStatus = { ...own, resources: (entry.actual.has(id) ? entry.actual.get(id) : granted) ?? {} };
      if (granted?.requests) result.allocatedResources = granted.requests;
      else delete result.allocatedResources;
      return result;
    };
    const conditions = [...(status.conditions ?? []), ...resizeConditions(pod, entry)];
    const decorated: PodStatus = { ...status, conditions };
    if (status.containerStatuses) decorated.containerStatuses = status.containerStatuses.map(of);
    if (status.initContainerStatuses) decorated.initContainerStatuses = status.initContainerStatuses.map(of);
    return decorated;
  }

  forget(uid: string): void {
    this.#pods.delete(uid);
  }

  #entry(pod: Pod): Entry {
    const uid = podUid(pod);
    let entry = this.#pods.get(uid);
    if (!entry) {
      entry = { allocation: recordedAllocation(pod), pending: undefined, progress: 'none', actual: new Map() };
      this.#pods.set(uid, entry);
    }
    return entry;
  }

  #problem(pod: Pod): Problem | undefined {
    const { facts, others } = this.#options;
    const source = pod.metadata.annotations?.['kubernetes.io/config.source'];
    if (source !== undefined && source !== 'api') {
      return { reason: 'Infeasible', message: 'In-place resize of static-pods is not supported' };
    }
    const allocatable = parseResourceList(facts().allocatable);
    const wanted = podRequests(pod);
    const number = (name: string, value: Quantity): number => (name === 'cpu' ? value.milliValue() : value.value());
    for (const name of ['cpu', 'memory']) {
      const request = wanted.get(name) ?? Quantity.zero;
      const capacity = allocatable.get(name) ?? Quantity.zero;
      if (request.compare(capacity) <= 0) continue;
      const numbers = `requested: ${number(name, request)}, capacity: ${number(name, capacity)}`;
      return { reason: 'Infeasible', message: `Node didn't have enough capacity: ${name}, ${numbers}` };
    }
    for (const name of ['cpu', 'memory']) {
      const request = wanted.get(name) ?? Quantity.zero;
      const capacity = allocatable.get(name) ?? Quantity.zero;
      const used = others(pod).reduce((sum, own) => sum.add(podRequests(own).get(name) ?? Quantity.zero), Quantity.zero);
      if (request.isZero || used.add(request).compare(capacity) <= 0) continue;
      const numbers = `requested: ${number(name, request)}, used: ${number(name, used)}, capacity: ${number(name, capacity)}`;
      return { reason: 'Deferred', message: `Node didn't have enough resource: ${name}, ${numbers}` };
    }
    return undefined;
  }

  #changes(pod: Pod, entry: Entry): Change[] {
    const state = this.#options.cache.pod(podUid(pod));
    const changes: Change[] = [];
    for (const id of entry.actual.keys()) if (!state.containers.some(own => own.id === id)) entry.actual.delete(id);
    for (const container of resizableContainers(pod)) {
      const running = latestContainer(state, container.name);
      if (running?.state !== 'running') continue;
      if (!entry.actual.has(running.id)) entry.actual.set(running.id, recordedResources(pod, container, running.id));
      const changed = changedResources(entry.actual.get(running.id), container.resources);
      if (changed.length === 0) continue;
      const restart = changed.some(
        name => container.resizePolicy?.find(own => own.resourceName === name)?.restartPolicy === 'RestartContainer',
      );
      changes.push({ container, state: running, restart });
    }
    return changes;
  }

  async #change(pod: Pod, { container, state, restart }: Change, entry: Entry, signal: AbortSignal): Promise<void> {
    const { cgroups, context, facts, killer } = this.#options;
    if (restart) {
      // It is started anew, with what it is granted, as any that has ended.
      const message = `Container ${container.name} resize requires restart`;
      await killer.killContainer(pod, container, state, { message, signal });
      return;
    }
    const { oomScoreAdjust, ...resources } = linuxResources(pod, container, facts().memoryBytes);
    void oomScoreAdjust;
    await this.#checkMemory(state, container, resources.memoryLimitBytes);
    const unlimited = resources.cpuQuotaMicros === undefined ? { cpuQuotaMicros: -1, cpuPeriodMicros: 100_000 } : {};
    const keys = cgroups ? { unified: cgroups.containerKeys } : {};
    await context.runtime.updateContainerResources(state.id, { ...resources, ...unlimited, ...keys });
    entry.actual.set(state.id, container.resources);
  }

  /** A limit below what is in use would have the kernel kill the container. */
  async #checkMemory(state: ContainerState, { name }: Container, limitBytes: number | undefined): Promise<void> {
    if (limitBytes === undefined) return;
    const stats = (await this.#options.context.runtime.stats(state.sandboxId)).find(own => own.containerId === state.id);
    if (!stats || stats.memoryUsageBytes < limitBytes) return;
    const text = `attempting to set container ${name} memory limit (${limitBytes}) below current usage (${stats.memoryUsageBytes})`;
    throw new CodedError('RESIZE_BELOW_USAGE', text);
  }

  #event(pod: Pod, type: 'Normal' | 'Warning', reason: string, error?: string): void {
    const containers = resizableContainers(pod).map(({ name, resources }) => ({ name, resources: resources ?? {} }));
    const detail = { containers, generation: pod.metadata.generation, ...(error === undefined ? {} : { error }) };
    const message = `Pod resize ${reason.slice('Resize'.length)}: ${JSON.stringify(detail)}`;
    this.#options.context.recorder.event(pod, type, reason, message);
  }
}

/** What a container has that ran before this kubelet: as its status told; one that is not in there yet has what is granted. */
function recordedResources(pod: Pod, container: Container, containerId: string): ResourceRequirements | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses].find(own => own.name === container.name);
  const same = status?.containerID?.endsWith(`://${containerId}`) ?? false;
  return (same ? status?.resources : undefined) ?? container.resources;
}

function resizeConditions(pod: Pod, { pending, progress }: Entry): PodCondition[] {
  const make = (type: string, problem: Problem | undefined): PodCondition => ({
    type,
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
    status: 'True',
    ...(problem ? { reason: problem.reason, message: problem.message } : {}),
    lastProbeTime: null,
    lastTransitionTime: null,
  });
  return [
    ...(pending ? [make('PodResizePending', pending)] : []),
    ...(progress === 'none' ? [] : [make('PodResizeInProgress', progress === 'running' ? undefined : progress)]),
  ];
}
