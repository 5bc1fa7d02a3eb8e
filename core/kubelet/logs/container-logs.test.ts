import { describe, expect, it } from '@jest/globals';
import type { ContainerState, ContainerStatus, PodStatus } from '../../api/generated/types.js';
import { loggedContainerId } from './container-logs.js';

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
