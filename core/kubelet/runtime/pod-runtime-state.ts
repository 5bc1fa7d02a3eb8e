import { restartRule } from './restart-all.js';
import type { Container, Pod } from '../../api/generated/types.js';
import type { ContainerState, SandboxState } from '../../contracts/container-runtime.js';

/** What the runtime has of one pod; both lists newest first. */
export interface PodRuntimeState {
  readonly sandboxes: readonly SandboxState[];
  readonly containers: readonly ContainerState[];
}

export const noRuntimeState: PodRuntimeState = { sandboxes: [], containers: [] };

/** The newest container of that name. */
export function latestContainer(state: PodRuntimeState, name: string): ContainerState | undefined {
  return state.containers.find(container => container.name === name);
}

export interface SandboxNeed {
  /** A new sandbox is to be made. */
  readonly create: boolean;
  readonly attempt: number;
  /** The newest there is, '' when there is none. */
  readonly sandboxId: string;
}

/** Whether the pod's newest sandbox still serves. Source: pkg/kubelet/kuberuntime/util PodSandboxChanged. */
export function sandboxNeed(pod: Pod, state: PodRuntimeState): SandboxNeed {
  const newest = state.sandboxes[0];
  if (!newest) return { create: true, attempt: 0, sandboxId: '' };
  const next = { create: true, attempt: newest.attempt + 1, sandboxId: newest.id };
  if (!newest.ready) return next;
  if (state.sandboxes.filter(sandbox => sandbox.ready).length > 1) return next;
  if (!pod.spec.hostNetwork && newest.ips.length === 0) return next;
  return { create: false, attempt: newest.attempt, sandboxId: newest.id };
}

/** Whether a container that ended so is started again. Source: pkg/api/v1/pod ContainerShouldRestart (KEP-5307). */
export function restartsAfterExit(container: Container, pod: Pod, exitCode: number): boolean {
  if (container.restartPolicy) {
    const rule = restartRule(container, exitCode);
    if (rule?.action === 'Restart' || rule?.action === 'RestartAllContainers') return true;
    if (container.restartPolicy === 'Always') return true;
    if (container.restartPolicy === 'OnFailure') return exitCode !== 0;
    if (container.restartPolicy === 'Never') return false;
  }
  if (pod.spec.restartPolicy === 'Never') return false;
  if (pod.spec.restartPolicy === 'OnFailure') return exitCode !== 0;
  return true;
}

/** Whether the container is to be started, now or after its back-off. Source: pkg/kubelet/container ShouldContainerBeRestarted. */
export function shouldStart(container: Container, pod: Pod, state: PodRuntimeState): boolean {
  if (pod.metadata.deletionTimestamp) return false;
  const latest = latestContainer(state, container.name);
  if (!latest) return true;
  if (latest.state === 'running') return false;
  if (latest.state !== 'exited') return true;
  return restartsAfterExit(container, pod, latest.exitCode ?? 0);
}

export function anyRegularContainerCreated(pod: Pod, state: PodRuntimeState): boolean {
  return pod.spec.containers.some(container => latestContainer(state, container.name) !== undefined);
}
