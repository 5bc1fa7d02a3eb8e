import { withoutUndefined } from '../../api/objects.js';
import { isRestartableInitContainer } from '../../api/pod-resources.js';
import { formatTime } from '../../api/time.js';
import type {
  Container,
  ContainerState as ApiContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  Pod,
  VolumeMountStatus,
} from '../../api/generated/types.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import { anyRegularContainerCreated, latestContainer, shouldStart } from '../runtime/pod-runtime-state.js';
import type { PodRuntimeState } from '../runtime/pod-runtime-state.js';
import { restartingAll } from '../runtime/restart-all.js';
import type { StartFailure } from './reason-cache.js';

export interface ContainerStatusInput {
  readonly pod: Pod;
  readonly state: PodRuntimeState;
  readonly containers: readonly Container[];
  readonly previous: readonly ContainerStatus[] | undefined;
  readonly kind: 'init' | 'main' | 'ephemeral';
  readonly runtimeName: string;
  /** All containers are being taken away, to begin anew. */
  readonly restartsAll: boolean;
  readonly startFailure: (container: string) => StartFailure | undefined;
}

const messageLimit = 12 * 1024;
/** What a status says of a container that ran and of which the runtime knows nothing any more. */
const lost = { exitCode: 137, reason: 'ContainerStatusUnknown', startedAt: null, finishedAt: null };

/** Source: pkg/kubelet convertToAPIContainerStatuses. */
export function containerStatuses(input: ContainerStatusInput): ContainerStatus[] {
  const previous = new Map((input.previous ?? []).map(status => [status.name, status]));
  const statuses = input.containers.map(container => {
    const seen = input.state.containers.filter(({ name }) => name === container.name);
    const before = previous.get(container.name);
    const status = seen[0] ? seenStatus(input, container, seen, before) : unseenStatus(input, container, before);
    return waitingToStart(input, container, status);
  });
  return input.kind === 'init' ? statuses : statuses.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function unseenStatus(input: ContainerStatusInput, container: Container, before: ContainerStatus | undefined): ContainerStatus {
  const { pod, kind } = input;
  if (input.restartsAll && before && !before.state.waiting) return resetStatus(container, before);
  if (before?.state.terminated) return before;
  const creating = (pod.spec.initContainers?.length ?? 0) > 0 ? 'PodInitializing' : 'ContainerCreating';
  const status: ContainerStatus = {
    name: container.name,
    state: { waiting: { reason: creating } },
    lastState: before?.lastState ?? {},
    ready: false,
    restartCount: before?.restartCount ?? 0,
    image: container.image ?? '',
    imageID: '',
    ...mounts(container),
  };
  // It was running and is gone: it must not look as if it never ran.
  if (before?.state.running && !status.lastState.terminated) {
    const message = 'The container could not be located when the pod was deleted.  The container used to be Running';
    status.lastState = { terminated: { ...lost, message } };
    if (!pod.metadata.deletionTimestamp) status.restartCount++;
  }
  if (kind === 'init' && !isRestartableInitContainer(container) && anyRegularContainerCreated(pod, input.state)) {
    const message =
      'Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally';
    status.state = { terminated: { exitCode: 0, reason: 'Completed', message, startedAt: null, finishedAt: null } };
  }
  return status;
}

function resetStatus(container: Container, before: ContainerStatus): ContainerStatus {
  return {
    name: container.name,
    state: { waiting: restartingAll },
    lastState: { terminated: { ...restartingAll, exitCode: 137, startedAt: null, finishedAt: null } },
    ready: false,
    restartCount: before.restartCount + 1,
    image: container.image ?? '',
    imageID: '',
    ...mounts(container),
  };
}

function seenStatus(
  input: ContainerStatusInput,
  container: Container,
  seen: readonly ContainerState[],
  before: ContainerStatus | undefined,
): ContainerStatus {
  const latest = seen[0]!;
  const earlier = seen[1];
  const containerID = `${input.runtimeName}://${latest.id}`;
  let lastState: ApiContainerState = {};
  if (earlier) lastState = apiState(earlier, input, before);
  else if (before && before.containerID !== containerID && before.state.terminated) {
    lastState = { terminated: before.state.terminated };
  } else if (before?.lastState.terminated) lastState = { terminated: before.lastState.terminated };
  const { requests } = container.resources ?? {};
  return withoutUndefined<ContainerStatus>({
    name: container.name,
    state: apiState(latest, input, before),
    lastState,
    ready: false,
    restartCount: Math.max(latest.attempt, before?.restartCount ?? 0),
    image: latest.imageName ?? container.image ?? '',
    imageID: latest.imageReference,
    containerID,
    allocatedResources: requests,
    resources: container.resources ?? {},
    volumeMounts: mounts(container).volumeMounts,
    user: latest.user && {
      linux: withoutUndefined({
        uid: latest.user.userId,
        gid: latest.user.groupId,
        supplementalGroups: latest.user.supplementalGroups.length > 0 ? [...latest.user.supplementalGroups] : undefined,
      }),
    },
  });
}

function apiState(state: ContainerState, input: ContainerStatusInput, before: ContainerStatus | undefined): ApiContainerState {
  switch (state.state) {
    case 'running':
      return { running: { startedAt: formatTime(state.startedAtMs ?? state.createdAtMs) } };
    case 'exited':
      return { terminated: terminated(state, input, before) };
    case 'unknown':
      if (before?.state.running) {
        return { terminated: { ...lost, message: 'The container could not be located when the pod was terminated' } };
      }
      return { waiting: {} };
    default:
      return { waiting: {} };
  }
}

function terminated(
  state: ContainerState,
  { pod, runtimeName }: ContainerStatusInput,
  before: ContainerStatus | undefined,
): ContainerStateTerminated {
  // Its last words may be gone with the pod's files; what was told once stays.
  const containerID = `${runtimeName}://${state.id}`;
  const told = [before?.state.terminated, before?.lastState.terminated].find(own => own?.containerID === containerID)?.message;
  const message = state.message || told;
  const { spec } = pod;
  const count = spec.containers.length + (spec.initContainers?.length ?? 0) + (spec.ephemeralContainers?.length ?? 0);
  return withoutUndefined<ContainerStateTerminated>({
    exitCode: state.exitCode ?? 0,
    signal: state.signal || undefined,
    reason: state.reason || undefined,
    message: message?.slice(0, Math.floor(messageLimit / count)) || undefined,
    startedAt: state.startedAtMs === undefined ? null : formatTime(state.startedAtMs),
    finishedAt: state.finishedAtMs === undefined ? null : formatTime(state.finishedAtMs),
    containerID,
  });
}

/** A container that is to be started and could not be is waiting, with the reason; how it ended before becomes its last state. */
function waitingToStart(input: ContainerStatusInput, container: Container, status: ContainerStatus): ContainerStatus {
  const { pod, state, kind } = input;
  if (kind === 'init') {
    const latest = latestContainer(state, container.name);
    if (latest?.state === 'exited' && latest.exitCode === 0 && !isRestartableInitContainer(container)) return status;
    if (!latest && status.state.terminated) return status;
  }
  if (kind === 'ephemeral' && status.state.terminated) return status;
  if (!shouldStart(container, pod, state)) return status;
  const failure = input.startFailure(container.name);
  if (!failure) return status;
  return {
    ...status,
    lastState: status.state.terminated ? { terminated: status.state.terminated } : status.lastState,
    state: { waiting: withoutUndefined({ reason: failure.reason, message: failure.message || undefined }) },
  };
}

function mounts(container: Container): { volumeMounts?: VolumeMountStatus[] } {
  if (!container.volumeMounts?.length) return {};
  return {
    volumeMounts: container.volumeMounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
    })),
  };
}
