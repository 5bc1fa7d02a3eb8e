import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContainerState, ContainerStatus, Pod, PodStatus } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import type { ContainerRuntime } from '../../contracts/container-runtime.js';
import { ContainerLogs, loggedContainerId } from './container-logs.js';

const startedAt = '2026-01-01T00:00:00Z';

function status(state: ContainerState, lastState: ContainerState = {}): PodStatus {
  return { containerStatuses: [{ name: 'c', containerID: 'x://now', state, lastState } as ContainerStatus] };
}

const ended = (containerID: string): ContainerState => ({
  terminated: { exitCode: 1, containerID, startedAt, finishedAt: startedAt },
});

describe('the container whose log is meant', () => {
  it('is the running one, the last one, or the one before', () => {
    expect(loggedContainerId('p', status({ running: { startedAt } }), 'c', false)).toBe('x://now');
    expect(loggedContainerId('p', status({ running: { startedAt } }, ended('x://old')), 'c', true)).toBe('x://old');
    expect(loggedContainerId('p', status(ended('x://end')), 'c', false)).toBe('x://end');
    expect(loggedContainerId('p', status({ waiting: { reason: 'CrashLoopBackOff' } }, ended('x://old')), 'c', false)).toBe(
      'x://old',
    );
  });

  it('is refused in the words of upstream', () => {
    const refusal = (of: PodStatus | undefined, previous = false): string => {
      try {
        return loggedContainerId('p', of, 'c', previous);
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refusal(undefined)).toBe('container "c" in pod "p" is not available');
    expect(refusal(status({ running: { startedAt } }), true)).toBe('previous terminated container "c" in pod "p" not found');
    expect(refusal(status({ waiting: { reason: 'ContainerCreating' } }))).toBe(
      'container "c" in pod "p" is waiting to start: ContainerCreating',
    );
    expect(refusal(status({ waiting: { reason: 'ImagePullBackOff' } }))).toBe(
      'container "c" in pod "p" is waiting to start: trying and failing to pull image',
    );
    expect(refusal(status({ waiting: { reason: 'ErrImagePull' } }))).toBe(
      `container "c" in pod "p" is waiting to start: image can't be pulled`,
    );
    expect(refusal(status({}))).toBe('container "c" in pod "p" is waiting to start - no logs yet');
  });
});

describe('the log of a container', () => {
  let directory: string;
  let logPath: string;
  let watching: number;
  let looked: () => void;
  const clock = new FakeClock();
  const pod = { metadata: { name: 'p' } } as Pod;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'logs-'));
    logPath = join(directory, '0.log');
    watching = 0;
    looked = () => undefined;
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const open = (follow: boolean, signal: AbortSignal): Promise<AsyncGenerator<Buffer>> => {
    const runtime = {
      container: async () => {
        looked();
        return { logPath, state: 'running' };
      },
      watch: () => {
        watching++;
        return { dispose: () => void watching-- };
      },
    } as unknown as ContainerRuntime;
    const request = { status: status({ running: { startedAt } }), container: 'c', options: { follow } };
    return new ContainerLogs({ runtime, clock }).open(pod, request, signal);
  };

  it.each([false, true])('that has no file is told of before anything is answered (followed: %s)', async follow => {
    await expect(open(follow, new AbortController().signal)).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: 'unable to retrieve container logs for x://now',
    });
    expect(watching).toBe(0);
  });

  it.each(['before it is read', 'while it is looked for'])('is not watched any more when its reader leaves %s', async when => {
    writeFileSync(logPath, `${startedAt} stdout F words\n`);
    const gone = new AbortController();
    if (when === 'while it is looked for') looked = () => gone.abort();
    const log = await open(true, gone.signal);
    if (when === 'before it is read') {
      expect(watching).toBe(1);
      gone.abort();
    }
    expect(watching).toBe(0);
    await log.return(undefined);
    expect(clock.pendingTimers).toBe(0);
  });
});
