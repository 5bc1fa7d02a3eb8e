import { podQosClass } from '../../api/pod-resources.js';
import type { Container, ContainerStatus, Pod, PodCondition, PodStatus } from '../../api/generated/types.js';
import { latestContainer, sandboxNeed } from '../runtime/pod-runtime-state.js';
import type { PodRuntimeState } from '../runtime/pod-runtime-state.js';
import { allAreGone, allAreToRestart, mayRestartAll } from '../runtime/restart-all.js';
import { kubeletConditions, podConditions } from './conditions.js';
import { containerStatuses } from './container-statuses.js';
import { podPhase } from './phase.js';
import type { ReasonCache } from './reason-cache.js';

export interface PodStatusInput {
  readonly pod: Pod;
  readonly state: PodRuntimeState;
  /** The last status that was decided for the pod here, when there is one. */
  readonly previous: PodStatus | undefined;
  /** No container will be started any more. */
  readonly terminal: boolean;
  /** The pod is ended by the kubelet: deadline, eviction, rejection. */
  readonly verdict: { readonly phase: 'Failed'; readonly reason: string; readonly message: string } | undefined;
  readonly runtimeName: string;
  readonly hostIps: readonly string[];
  readonly reasons: ReasonCache;
  /** Sets `started` and `ready` of each status. */
  readonly probed: (pod: Pod, container: Container, status: ContainerStatus) => ContainerStatus;
}

const disruptionTarget = 'DisruptionTarget';
const isFinished = (phase: string | undefined): boolean => phase === 'Failed' || phase === 'Succeeded';

/** The pod's status as the runtime, the probes and the past give it. Source: pkg/kubelet generateAPIPodStatus. */
export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, state, verdict } = input;
  const previous = input.previous ?? pod.status ?? {};
  const restartsAll = allAreToRestart(pod, state, previous);
  const make = (kind: 'init' | 'main' | 'ephemeral', containers: readonly Container[] = [], before?: ContainerStatus[]) =>
    containerStatuses({
      pod,
      state,
      containers,
      previous: before,
      kind,
      runtimeName: input.runtimeName,
      restartsAll,
      startFailure: name => input.reasons.get(pod.metadata.uid ?? '', name),
    }).map(status => {
      const container = containers.find(({ name }) => name === status.name)!;
      return input.probed(pod, container, status);
    });
  const init = make('init', pod.spec.initContainers, previous.initContainerStatuses);
  const main = make('main', pod.spec.containers, previous.containerStatuses);
  const ephemeral = make('ephemeral', pod.spec.ephemeralContainers, previous.ephemeralContainerStatuses);

  let phase = podPhase({
    pod,
    statuses: [...main, ...init],
    terminal: input.terminal,
    initialized: pod.spec.containers.some(({ name }) => latestContainer(state, name)?.startedAtMs !== undefined),
  });
  let { reason, message } = { reason: '', message: '' };
  // A pod never leaves a phase that is its end.
  if (isFinished(previous.phase)) phase = previous.phase!;
  else if (isFinished(pod.status?.phase)) phase = pod.status.phase!;
  if (phase === previous.phase) {
    reason = previous.reason ?? pod.status?.reason ?? '';
    message = previous.message ?? pod.status?.message ?? '';
  }
  if (verdict && !isFinished(pod.status?.phase)) ({ phase, reason, message } = verdict);

  const need = sandboxNeed(pod, state);
  const restarting = restartingCondition(pod, restartsAll && !allAreGone(pod, state));
  const others = othersConditions(pod, verdict);
  const ips = podIps(input, previous);
  return {
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
    phase,
    conditions: [
      ...podConditions({ pod, phase, containers: main, initContainers: init, sandboxReady: !need.create, others }),
      ...restarting,
      ...others,
    ],
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(input.hostIps[0] ? { hostIP: input.hostIps[0], hostIPs: input.hostIps.map(ip => ({ ip })) } : {}),
    ...(ips[0] ? { podIP: ips[0], podIPs: ips.map(ip => ({ ip })) } : {}),
    ...(previous.startTime ? { startTime: previous.startTime } : {}),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: main,
    qosClass: pod.status?.qosClass ?? podQosClass(pod.spec),
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
  };
}

/** Only of pods that may begin anew as a whole. Source: pkg/kubelet/status GenerateAllContainersRestartingCondition. */
function restartingCondition(pod: Pod, restarts: boolean): PodCondition[] {
  if (!mayRestartAll(pod)) return [];
  const verdict = restarts
    ? { status: 'True', reason: 'RestartAllContainersStarted', message: 'container exited with restart policy rule' }
    : { status: 'False' };
  const observed = pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {};
  return [{ type: 'AllContainersRestarting', ...observed, ...verdict, lastProbeTime: null, lastTransitionTime: null }];
}

/** What others say of the pod; and for their sake that it was the node's doing when it is evicted. */
function othersConditions(pod: Pod, verdict: PodStatusInput['verdict']): PodCondition[] {
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !kubeletConditions.has(type));
  if (verdict?.reason !== 'Evicted' || others.some(({ type }) => type === disruptionTarget)) return others;
  return [
    ...others,
    {
      type: disruptionTarget,
      ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
      status: 'True',
      reason: 'TerminationByKubelet',
      message: verdict.message,
      lastProbeTime: null,
      lastTransitionTime: null,
    },
  ];
}

function podIps({ pod, state, hostIps }: PodStatusInput, previous: PodStatus): string[] {
  if (pod.spec.hostNetwork) {
    // Once set they stay, though the node's may change.
    const known = (previous.podIPs ?? []).map(({ ip }) => ip);
    return known.length > 0 ? known : [...hostIps];
  }
  const newest = state.sandboxes[0];
  if (newest && (newest.ready || newest.ips.length > 0)) return [...newest.ips];
  // With its sandbox a pod loses its addresses, but what is told of its end names them still.
  return newest || isFinished(previous.phase) ? (previous.podIPs ?? []).map(({ ip }) => ip) : [];
}
