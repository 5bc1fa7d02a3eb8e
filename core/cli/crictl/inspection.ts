import type { ContainerOfRuntime, RuntimeOfNode } from '../../cluster/runtime-access.js';

/** Go's zero time, which crictl prints for what has not happened. */
const never = '0001-01-01T00:00:00Z';

/** What `crictl inspect` prints of a container: CRI's status, and beside it what the runtime adds. */
export async function inspection(runtime: RuntimeOfNode, id: string, isQuiet: boolean): Promise<Record<string, unknown>> {
  const [state, more] = await Promise.all([runtime.container(id), runtime.inspect?.(id)]);
  const result: Record<string, unknown> = { status: { ...statusOf(state), ...more?.status, ...timesOf(state) } };
  if (isQuiet) return result;
  for (const [key, text] of Object.entries(more?.info ?? {}).sort(([left], [right]) => (left < right ? -1 : 1))) {
    result[key] = text.startsWith('{') ? JSON.parse(text) : text.replace(/^"|"$/g, '');
  }
  return result;
}

function statusOf(state: ContainerOfRuntime): Record<string, unknown> {
  const { id, name, attempt, exitCode = 0, imageName, imageId, imageReference, labels, annotations, logPath } = state;
  return {
    id,
    metadata: { attempt, name },
    state: `CONTAINER_${state.state.toUpperCase()}`,
    ...timesOf(state),
    exitCode,
    image: { annotations: {}, image: imageName ?? imageId, runtimeHandler: '', userSpecifiedImage: '' },
    imageRef: imageReference,
    reason: state.reason ?? '',
    message: state.message ?? '',
    labels,
    annotations,
    mounts: [],
    logPath,
    imageId,
  };
}

/** CRI's are in nanoseconds, which JavaScript's numbers do not hold. */
function timesOf({ createdAtMs, startedAtMs, finishedAtMs }: ContainerOfRuntime): Record<string, string> {
  const time = (ms: number | undefined): string => (ms === undefined ? never : new Date(ms).toISOString());
  return { createdAt: time(createdAtMs), startedAt: time(startedAtMs), finishedAt: time(finishedAtMs) };
}
