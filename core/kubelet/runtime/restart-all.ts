import type { Container, ContainerRestartRule, ContainerStatus, Pod, PodStatus } from '../../api/generated/types.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import { latestContainer } from './pod-runtime-state.js';
import type { PodRuntimeState } from './pod-runtime-state.js';

/** What statuses say of containers that were taken away so that all begin anew. */
export const restartingAll = {
  reason: 'RestartingAllContainers',
  message: 'The container is removed because RestartAllContainers in place',
} as const;

/** The first rule for how the container ended. Source: pkg/api/v1/pod FindMatchingContainerRestartRule (KEP-5307). */
export function restartRule({ restartPolicyRules }: Container, exitCode: number): ContainerRestartRule | undefined {
  return restartPolicyRules?.find(({ exitCodes }) => {
    if (!exitCodes) return false;
    const listed = exitCodes.values?.includes(exitCode) ?? false;
    return exitCodes.operator === 'NotIn' ? !listed : listed;
  });
}

/** Whether an end of a container may begin the whole pod anew (KEP-5532). */
export function mayRestartAll(pod: Pod): boolean {
  return ownContainers(pod).some(({ restartPolicyRules }) => restartPolicyRules?.some(({ action }) => action === restartAll));
}

/** A container has ended so that all are to begin anew, and not all are gone yet or told as gone. Source: ShouldAllContainersRestart. */
export function allAreToRestart(pod: Pod, state: PodRuntimeState, previous: PodStatus): boolean {
  if (!mayRestartAll(pod)) return false;
  if (previous.conditions?.some(({ type, status }) => type === 'AllContainersRestarting' && status === 'True')) return true;
  const told = new Map<string, ContainerStatus>();
  for (const status of [...(previous.initContainerStatuses ?? []), ...(previous.containerStatuses ?? [])])
    told.set(status.name, status);
  return ownContainers(pod).some(container => {
    const latest = latestContainer(state, container.name);
    if (latest?.state !== 'exited') return false;
    const code = told.get(container.name)?.state.terminated?.exitCode;
    return endsAll(container, latest.exitCode ?? 0) || (code !== undefined && endsAll(container, code));
  });
}

/** Nothing of the pod is left in the runtime but its sandbox. */
export function allAreGone(pod: Pod, state: PodRuntimeState): boolean {
  return ownContainers(pod).every(({ name }) => latestContainer(state, name) === undefined);
}

/** All that is to be removed, in order: who asked for it goes last, so that a cut-off removal is taken up again. */
export function containersToReset(pod: Pod, state: PodRuntimeState): { container: Container; state: ContainerState }[] {
  const found = (containers: readonly Container[]) =>
    containers.flatMap(container =>
      state.containers.filter(({ name }) => name === container.name).map(own => ({ container, state: own })),
    );
  const asked = (own: { container: Container; state: ContainerState }): boolean =>
    own.state.state === 'exited' && endsAll(own.container, own.state.exitCode ?? 0);
  const main = found(pod.spec.containers);
  const init = found(pod.spec.initContainers ?? []);
  return [...main.filter(own => !asked(own)), ...init.filter(own => !asked(own)), ...main.filter(asked), ...init.filter(asked)];
}

const restartAll = 'RestartAllContainers';

function endsAll(container: Container, exitCode: number): boolean {
  return restartRule(container, exitCode)?.action === restartAll;
}

function ownContainers({ spec }: Pod): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}
