import { isRestartableInitContainer } from '../../api/pod-resources.js';
import type { Container, Pod } from '../../api/generated/types.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import type { ProbeResults } from '../probes/probe-results.js';
import { anyRegularContainerCreated, latestContainer, restartsAfterExit, sandboxNeed, shouldStart } from './pod-runtime-state.js';
import type { PodRuntimeState } from './pod-runtime-state.js';
import { containersToReset } from './restart-all.js';
import { definitionChanged } from './runtime-labels.js';

export type KillReason = 'StartupProbe' | 'LivenessProbe' | 'Unknown' | 'FailedPostStartHook' | 'RestartAllContainers' | '';

export interface ContainerKill {
  readonly state: ContainerState;
  readonly container: Container;
  readonly message: string;
  readonly reason: KillReason;
}

/** What has to be done to bring a pod's runtime state to what it should be. */
export interface PodActions {
  /** Stop everything; a new sandbox follows when `createSandbox`. */
  killPod: boolean;
  createSandbox: boolean;
  readonly attempt: number;
  readonly sandboxId: string;
  readonly kills: ContainerKill[];
  /** To be stopped at once and removed, in this order; nothing is started before. */
  readonly resets: readonly { readonly container: Container; readonly state: ContainerState }[];
  readonly ephemeral: Container[];
  initContainers: Container[];
  containers: Container[];
}

/** Source: pkg/kubelet/kuberuntime computePodActions, computeInitContainerActions. */
export function podActions(pod: Pod, state: PodRuntimeState, probes: ProbeResults, restartAll = false): PodActions {
  const need = sandboxNeed(pod, state);
  const actions: PodActions = {
    killPod: need.create,
    createSandbox: need.create,
    attempt: need.attempt,
    sandboxId: need.sandboxId,
    kills: [],
    resets: restartAll ? containersToReset(pod, state) : [],
    ephemeral: [],
    initContainers: [],
    containers: [],
  };
  if (actions.resets.length > 0) return { ...actions, killPod: false, createSandbox: false };
  if (need.create) {
    planNewSandbox(pod, state, actions);
    return actions;
  }
  for (const container of pod.spec.ephemeralContainers ?? []) {
    if (!latestContainer(state, container.name)) actions.ephemeral.push(container);
  }
  const initialized = planInitContainers(pod, state, probes, actions);
  if (actions.killPod || !initialized) return actions;
  planContainers(pod, state, probes, actions);
  return actions;
}

function planNewSandbox(pod: Pod, state: PodRuntimeState, actions: PodActions): void {
  if (!restartsOnFailure(pod) && actions.attempt !== 0 && state.containers.length > 0) {
    actions.createSandbox = false;
    return;
  }
  const wanted = pod.spec.containers.filter(container => {
    const policy = container.restartPolicy ?? pod.spec.restartPolicy;
    return !(policy === 'OnFailure' && latestExitCode(state, container) === 0);
  });
  if (wanted.length === 0 && anyRegularContainerCreated(pod, state)) {
    actions.createSandbox = false;
    return;
  }
  const first = pod.spec.initContainers?.[0];
  if (first) actions.initContainers = [first];
  else actions.containers = wanted;
}

function planContainers(pod: Pod, state: PodRuntimeState, probes: ProbeResults, actions: PodActions): void {
  let kept = 0;
  for (const container of pod.spec.containers) {
    const latest = latestContainer(state, container.name);
    if (latest?.state !== 'running') {
      if (!shouldStart(container, pod, state)) continue;
      actions.containers.push(container);
      if (latest?.state === 'unknown') {
        const message = `Container is in "Unknown" state, try killing it before restart`;
        actions.kills.push({ state: latest, container, message, reason: 'Unknown' });
      }
      continue;
    }
    let restart = container.restartPolicy ? container.restartPolicy !== 'Never' : restartsOnFailure(pod);
    let message: string;
    let reason: KillReason = '';
    if (definitionChanged(container, latest.annotations)) {
      message = `Container ${container.name} definition changed`;
      restart = true;
    } else if (probes.get('liveness', latest.id) === 'failure') {
      message = `Container ${container.name} failed liveness probe`;
      reason = 'LivenessProbe';
    } else if (probes.get('startup', latest.id) === 'failure') {
      message = `Container ${container.name} failed startup probe`;
      reason = 'StartupProbe';
    } else {
      kept++;
      continue;
    }
    if (restart) {
      message += ', will be restarted';
      actions.containers.push(container);
    }
    actions.kills.push({ state: latest, container, message, reason });
  }
  if (kept === 0 && actions.containers.length === 0) {
    actions.killPod = true;
    actions.initContainers = [];
  }
}

/** Plans init containers and sidecars; true when the main containers may run. */
function planInitContainers(pod: Pod, state: PodRuntimeState, probes: ProbeResults, actions: PodActions): boolean {
  const containers = pod.spec.initContainers ?? [];
  if (containers.length === 0) return true;
  // A main container that is there tells that all init containers are done, though the runtime may have forgotten them.
  let initialized = pod.spec.containers.some(({ name }) => {
    const latest = latestContainer(state, name);
    return latest?.state === 'created' || latest?.state === 'running';
  });
  let previous = initialized;
  const start: Container[] = [];
  const last = containers.length - 1;
  // From the last to the first: the last that has a state tells how far the pod has come.
  for (let index = last; index >= 0; index--) {
    const container = containers[index]!;
    const sidecar = isRestartableInitContainer(container);
    const latest = latestContainer(state, container.name);
    if (!latest) {
      if (previous && sidecar) start.push(container);
      continue;
    }
    if (previous && !sidecar) continue;
    const done = (): void => {
      if (index === last) initialized = true;
      else if (!previous) start.push(containers[index + 1]!);
    };
    if (latest.state === 'created') start.push(container);
    else if (latest.state === 'running') {
      if (sidecar) planRunningSidecar(container, latest, probes, { actions, start, done });
    } else if (latest.state === 'exited') {
      if (sidecar) start.push(container);
      else if ((latest.exitCode ?? 0) !== 0) {
        if (!restartsAfterExit(container, pod, latest.exitCode ?? 0) || pod.metadata.deletionTimestamp) {
          actions.killPod = true;
          return false;
        }
        start.push(container);
      } else done();
    } else {
      const restart = container.restartPolicy ? container.restartPolicy !== 'Never' : restartsOnFailure(pod);
      if (!restart) {
        actions.killPod = true;
        return false;
      }
      const message = `Init container is in "Unknown" state, try killing it before restart`;
      actions.kills.push({ state: latest, container, message, reason: 'Unknown' });
      start.push(container);
    }
    previous = true;
  }
  if (!previous) start.push(containers[0]!);
  actions.initContainers = start.reverse();
  return initialized;
}

function planRunningSidecar(
  container: Container,
  latest: ContainerState,
  probes: ProbeResults,
  plan: { readonly actions: PodActions; readonly start: Container[]; readonly done: () => void },
): void {
  const replace = (message: string, reason: KillReason): void => {
    plan.actions.kills.push({ state: latest, container, message: `Init container ${container.name} ${message}`, reason });
    plan.start.push(container);
  };
  if (container.startupProbe) {
    const startup = probes.get('startup', latest.id);
    if (startup === 'failure') replace('failed startup probe', 'StartupProbe');
    if (startup !== 'success') return;
  }
  plan.done();
  if (definitionChanged(container, latest.annotations)) replace('definition changed', '');
  else if (container.livenessProbe && probes.get('liveness', latest.id) === 'failure') {
    replace('failed liveness probe', 'LivenessProbe');
  }
}

/** Whether any container may start again after a failure. */
function restartsOnFailure(pod: Pod): boolean {
  if (pod.spec.restartPolicy !== 'Never') return true;
  return pod.spec.containers.some(({ restartPolicy }) => restartPolicy !== undefined && restartPolicy !== 'Never');
}

function latestExitCode(state: PodRuntimeState, container: Container): number | undefined {
  const latest = latestContainer(state, container.name);
  return latest?.state === 'exited' ? (latest.exitCode ?? 0) : undefined;
}
