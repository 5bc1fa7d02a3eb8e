import { access } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Clock } from '../../base/clock.js';
import { CodedError, errorCode } from '../../base/errors.js';
import type { ContainerStatus, Pod, PodStatus } from '../../api/generated/types.js';
import type { ContainerRuntime } from '../../contracts/container-runtime.js';
import { ContainerFollower } from './container-follower.js';
import { readLogFile } from './log-file.js';
import { LogSelection } from './log-selection.js';
import type { LogOptions } from './log-selection.js';

export interface ContainerLogsOptions {
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
}

/** Containers' logs as clients ask for them: from files, or from a runtime that keeps them itself. */
export class ContainerLogs {
  readonly #options: ContainerLogsOptions;

  constructor(options: ContainerLogsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when there is a log. Rejects LOG_UNAVAILABLE in upstream's words: the container is waiting to start, there was none before,
   * the log is gone.
   */
  async open(
    pod: Pod,
    request: { readonly status: PodStatus | undefined; readonly container: string; readonly options: LogOptions },
    signal: AbortSignal,
  ): Promise<AsyncGenerator<Buffer>> {
    const { runtime, clock } = this.#options;
    const { options } = request;
    const name = pod.metadata.name ?? '';
    const containerId = loggedContainerId(name, request.status, request.container, options.previous ?? false);
    const id = containerId.replace(/^[^:]*:\/\//, '');
    const unavailable = `unable to retrieve container logs for ${containerId}`;
    try {
      const { logPath } = await runtime.container(id);
      const selection = new LogSelection(options, clock.now());
      if (runtime.logs) return fromRuntime(runtime, id, { options, selection, signal });
      // Before anything is answered.
      await access(logPath);
      const follower = options.follow ? new ContainerFollower() : undefined;
      await follower?.start({ runtime, clock, containerId: id, path: logPath }, signal);
      return fromFile(logPath, { selection, tailLines: options.tailLines, follower, signal });
    } catch (error) {
      const code = errorCode(error);
      if (code === 'RUNTIME_NOT_FOUND' || code === 'ENOENT') {
        throw new CodedError('LOG_UNAVAILABLE', unavailable, { cause: error });
      }
      throw error;
    }
  }
}

async function* fromFile(
  path: string,
  request: {
    readonly selection: LogSelection;
    readonly tailLines: number | undefined;
    readonly follower: ContainerFollower | undefined;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Buffer> {
  try {
    yield* readLogFile({ path, ...request });
  } finally {
    request.follower?.dispose();
  }
}

async function* fromRuntime(
  runtime: ContainerRuntime,
  id: string,
  request: { readonly options: LogOptions; readonly selection: LogSelection; readonly signal: AbortSignal },
): AsyncGenerator<Buffer> {
  const { options, selection, signal } = request;
  let skip = 0;
  if (options.tailLines !== undefined) {
    let count = 0;
    for await (const _record of recordsOf(runtime.logs!(id, { follow: false, signal }))) count++;
    skip = Math.max(0, count - options.tailLines);
  }
  for await (const record of recordsOf(runtime.logs!(id, { follow: options.follow ?? false, signal }))) {
    if (skip-- > 0) continue;
    const text = selection.take(record);
    if (text) yield text;
    if (selection.isFull) return;
  }
}

async function* recordsOf(source: Readable): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of source) {
      const piece = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      const text = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
      let start = 0;
      for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, start)) {
        yield text.subarray(start, end);
        start = end + 1;
      }
      rest = text.subarray(start);
    }
  } finally {
    source.destroy();
  }
}

/** The container whose log is meant, as the status names it (`containerd://ID`). Source: kubelet validateContainerLogStatus. */
export function loggedContainerId(podName: string, status: PodStatus | undefined, name: string, previous: boolean): string {
  const found = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ].find(own => own.name === name);
  const subject = `container "${name}" in pod "${podName}"`;
  const refuse = (text: string): CodedError => new CodedError('LOG_UNAVAILABLE', text);
  if (!found) throw refuse(`${subject} is not available`);
  const last = found.lastState?.terminated;
  const { waiting, running, terminated } = found.state ?? {};
  if (previous) {
    if (last?.containerID) return last.containerID;
    throw refuse(`previous terminated ${subject} not found`);
  }
  if (running) return containerIdOf(found);
  if (terminated ?? last) {
    const id = terminated?.containerID || last?.containerID;
    if (id) return id;
    throw refuse(`${subject} is terminated`);
  }
  if (!waiting) throw refuse(`${subject} is waiting to start - no logs yet`);
  if (waiting.reason === 'ErrImagePull') throw refuse(`${subject} is waiting to start: image can't be pulled`);
  if (waiting.reason === 'ImagePullBackOff') throw refuse(`${subject} is waiting to start: trying and failing to pull image`);
  throw refuse(`${subject} is waiting to start: ${waiting.reason ?? ''}`);
}

function containerIdOf({ containerID = '' }: ContainerStatus): string {
  return containerID;
}
