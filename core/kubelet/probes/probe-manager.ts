import { isRestartableInitContainer } from '../../api/pod-resources.js';
import { withoutUndefined } from '../../api/objects.js';
import type { Container, ContainerStatus, Pod } from '../../api/generated/types.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import type { KubeletContext } from '../kubelet-context.js';
import type { RuntimeCache } from '../runtime/runtime-cache.js';
import { latestContainer } from '../runtime/pod-runtime-state.js';
import type { NetworkProber } from './network-prober.js';
import { ProbeCounts } from './probe-counts.js';
import { ProbeResults } from './probe-results.js';
import type { ProbeResult, ProbeType } from './probe-results.js';
import { ProbeWorker } from './probe-worker.js';

export interface ProbeManagerOptions {
  readonly context: KubeletContext;
  readonly cache: RuntimeCache;
  readonly prober: NetworkProber;
  readonly podIp: (podUid: string) => string;
  readonly changed: (podUid: string) => void;
}

interface Probed {
  readonly containerId: string;
  readonly workers: Map<ProbeType, ProbeWorker>;
}

/** Runs the probes of the containers that run, and says what is started and ready. Source: pkg/kubelet/prober. */
export class ProbeManager {
  readonly results = new ProbeResults();
  readonly counts = new ProbeCounts();
  readonly #options: ProbeManagerOptions;
  readonly #pods = new Map<string, Map<string, Probed>>();

  constructor(options: ProbeManagerOptions) {
    this.#options = options;
  }

  /** Begins and ends probes as containers come and go. */
  sync(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const state = this.#options.cache.pod(uid);
    for (const container of probedContainers(pod)) {
      const latest = latestContainer(state, container.name);
      const known = this.#pods.get(uid)?.get(container.name);
      if (latest?.state !== 'running') {
        if (known) this.#end(uid, container.name, known, latest);
        continue;
      }
      if (known?.containerId === latest.id) continue;
      if (known) this.#end(uid, container.name, known, latest);
      this.#begin(pod, container, latest);
    }
  }

  /** The pod is ending: it will not be restarted, but may still turn unready. */
  stopLivenessAndStartup(podUid: string): void {
    for (const { workers, containerId } of this.#pods.get(podUid)?.values() ?? []) {
      for (const type of ['liveness', 'startup'] as const) {
        workers.get(type)?.stop();
        if (workers.delete(type)) this.results.set(type, containerId, 'success');
      }
    }
  }

  remove(podUid: string): void {
    for (const { workers, containerId } of this.#pods.get(podUid)?.values() ?? []) {
      for (const worker of workers.values()) worker.stop();
      this.results.remove(containerId);
    }
    this.#pods.delete(podUid);
    this.counts.forget(podUid);
  }

  stop(): void {
    for (const uid of [...this.#pods.keys()]) this.remove(uid);
  }

  /** Sets `started` and `ready` as the probes say. */
  apply(pod: Pod, container: Container, status: ContainerStatus): ContainerStatus {
    const kind = pod.spec.initContainers?.some(({ name }) => name === container.name) ? 'init' : 'other';
    if (pod.spec.ephemeralContainers?.some(({ name }) => name === container.name)) return { ...status, ready: false };
    const id = status.containerID?.replace(/^.*:\/\//, '') ?? '';
    const running = status.state.running !== undefined;
    const started = running && (!container.startupProbe || this.results.get('startup', id) === 'success');
    if (kind === 'init' && !isRestartableInitContainer(container)) {
      return { ...status, started, ready: status.state.terminated?.exitCode === 0 };
    }
    const ready = started && (!container.readinessProbe || this.results.get('readiness', id) === 'success');
    return withoutUndefined({ ...status, started, ready });
  }

  #begin(pod: Pod, container: Container, state: ContainerState): void {
    const uid = pod.metadata.uid ?? '';
    const before = previousStatus(pod, container.name);
    // A container that this kubelet finds running keeps what is known of it until its probes say otherwise.
    const adopted = before?.containerID?.endsWith(`//${state.id}`) ? before : undefined;
    const set = (type: ProbeType, result: ProbeResult): void => {
      if (this.results.get(type, state.id) === undefined) this.results.set(type, state.id, result);
    };
    if (container.startupProbe) set('startup', adopted?.started ? 'success' : 'unknown');
    if (container.livenessProbe) set('liveness', 'success');
    if (container.readinessProbe) set('readiness', adopted?.ready ? 'success' : 'failure');
    const probed: Probed = { containerId: state.id, workers: new Map() };
    let containers = this.#pods.get(uid);
    if (!containers) this.#pods.set(uid, (containers = new Map()));
    containers.set(container.name, probed);
    if (container.startupProbe && this.results.get('startup', state.id) !== 'success') {
      this.#work('startup', pod, container, { state, probed });
    } else this.#beginRunning(pod, container, { state, probed });
  }

  #beginRunning(pod: Pod, container: Container, target: { state: ContainerState; probed: Probed }): void {
    if (container.livenessProbe && !pod.metadata.deletionTimestamp) this.#work('liveness', pod, container, target);
    if (container.readinessProbe) this.#work('readiness', pod, container, target);
  }

  #work(type: ProbeType, pod: Pod, container: Container, target: { state: ContainerState; probed: Probed }): void {
    const { context, prober, cache, podIp, changed } = this.#options;
    const { state, probed } = target;
    const uid = pod.metadata.uid ?? '';
    const worker = new ProbeWorker({
      context,
      prober,
      type,
      probe: container[`${type}Probe`]!,
      pod,
      container,
      containerId: state.id,
      startedAtMs: state.startedAtMs ?? state.createdAtMs,
      podIp: () => podIp(uid),
      running: () => cache.pod(uid).containers.some(({ id, state: now }) => id === state.id && now === 'running'),
      probed: result => this.counts.add(pod, container, type, result),
      decided: result => {
        const different = this.results.set(type, state.id, result);
        if (type === 'startup' && result === 'success') {
          probed.workers.delete('startup');
          this.#beginRunning(pod, container, target);
        }
        if (different) changed(uid);
      },
    });
    probed.workers.set(type, worker);
    worker.start();
  }

  #end(uid: string, name: string, { workers, containerId }: Probed, latest: ContainerState | undefined): void {
    for (const worker of workers.values()) worker.stop();
    this.#pods.get(uid)?.delete(name);
    if (latest?.id !== containerId) this.results.remove(containerId);
  }
}

function probedContainers(pod: Pod): Container[] {
  return [...(pod.spec.initContainers ?? []).filter(isRestartableInitContainer), ...pod.spec.containers].filter(
    ({ startupProbe, livenessProbe, readinessProbe }) => startupProbe ?? livenessProbe ?? readinessProbe,
  );
}

function previousStatus(pod: Pod, name: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].find(status => status.name === name);
}
