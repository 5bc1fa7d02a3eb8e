import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../../api/generated/types.js';
import { podRow } from './pod-columns.js';

const nowMs = Date.parse('2026-01-01T00:10:00Z');

/** No more of a pod than the columns look at. */
interface Shape {
  readonly status: object;
  readonly init?: readonly string[];
  readonly sidecars?: readonly string[];
  readonly containers?: readonly string[];
  readonly deleted?: boolean;
}

function cells({ status, init = [], sidecars = [], containers = ['a'], deleted = false }: Shape): string {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'p',
      namespace: 'n',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...(deleted && { deletionTimestamp: '2026-01-01T00:05:00Z' }),
    },
    spec: {
      initContainers: [...init.map(name => ({ name })), ...sidecars.map(name => ({ name, restartPolicy: 'Always' }))],
      containers: containers.map(name => ({ name })),
    },
    status,
  } as unknown as Pod;
  return podRow(pod, { nowMs }).slice(1, 4).join(' | ');
}

const state = (name: string, given: object): object => ({
  name,
  image: 'x',
  imageID: '',
  ready: false,
  restartCount: 0,
  ...given,
});
const running = (name = 'a', given: object = {}): object =>
  state(name, { ready: true, started: true, state: { running: {} }, ...given });
const ended = (exitCode: number, reason?: string, name = 'a'): object =>
  state(name, { state: { terminated: { exitCode, ...(reason !== undefined && { reason }) } } });

const restarted = {
  restartCount: 3,
  lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:07:00Z' } },
};

describe('podRow', () => {
  it.each<[string, Shape, string]>([
    ['pending', { status: { phase: 'Pending' } }, '0/1 | Pending | 0'],
    ['running', { status: { phase: 'Running', containerStatuses: [running()] } }, '1/1 | Running | 0'],
    ['restarted', { status: { phase: 'Running', containerStatuses: [running('a', restarted)] } }, '1/1 | Running | 3 (3m ago)'],
    [
      'crash loop',
      {
        status: {
          phase: 'Running',
          containerStatuses: [state('a', { ...restarted, state: { waiting: { reason: 'CrashLoopBackOff' } } })],
        },
      },
      '0/1 | CrashLoopBackOff | 3 (3m ago)',
    ],
    ['completed', { status: { phase: 'Succeeded', containerStatuses: [ended(0, 'Completed')] } }, '0/1 | Completed | 0'],
    ['exit code', { status: { phase: 'Failed', containerStatuses: [ended(2)] } }, '0/1 | ExitCode:2 | 0'],
    [
      'signal',
      { status: { phase: 'Failed', containerStatuses: [state('a', { state: { terminated: { exitCode: 137, signal: 9 } } })] } },
      '0/1 | Signal:9 | 0',
    ],
    ['evicted', { status: { phase: 'Failed', reason: 'Evicted' } }, '0/1 | Evicted | 0'],
    [
      'one done, one running, ready',
      {
        containers: ['a', 'b'],
        status: {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'True' }],
          containerStatuses: [ended(0, 'Completed'), running('b')],
        },
      },
      '1/2 | Running | 0',
    ],
    [
      'one done, one running, not ready',
      { containers: ['a', 'b'], status: { phase: 'Running', containerStatuses: [ended(0, 'Completed'), running('b')] } },
      '1/2 | NotReady | 0',
    ],
    [
      'initializing',
      {
        init: ['i', 'j'],
        status: { phase: 'Pending', initContainerStatuses: [ended(0, 'Completed', 'i'), state('j', { state: { running: {} } })] },
      },
      '0/1 | Init:1/2 | 0',
    ],
    [
      'init failed',
      { init: ['i'], status: { phase: 'Pending', initContainerStatuses: [ended(1, 'Error', 'i')] } },
      '0/1 | Init:Error | 0',
    ],
    [
      'init image',
      {
        init: ['i'],
        status: { phase: 'Pending', initContainerStatuses: [state('i', { state: { waiting: { reason: 'ImagePullBackOff' } } })] },
      },
      '0/1 | Init:ImagePullBackOff | 0',
    ],
    [
      'sidecar counts',
      { sidecars: ['s'], status: { phase: 'Running', initContainerStatuses: [running('s')], containerStatuses: [running()] } },
      '2/2 | Running | 0',
    ],
    ['terminating', { deleted: true, status: { phase: 'Running', containerStatuses: [running()] } }, '1/1 | Terminating | 0'],
    ['node lost', { deleted: true, status: { phase: 'Running', reason: 'NodeLost' } }, '0/1 | Unknown | 0'],
    [
      'deleted after its end',
      { deleted: true, status: { phase: 'Succeeded', containerStatuses: [ended(0, 'Completed')] } },
      '0/1 | Completed | 0',
    ],
    [
      'gated',
      { status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] } },
      '0/1 | SchedulingGated | 0',
    ],
  ])('%s', (_, shape, expected) => {
    expect(cells(shape)).toBe(expected);
  });

  it('shows where it runs and its readiness gates', () => {
    const pod = {
      metadata: { name: 'p', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { containers: [{ name: 'a' }], nodeName: 'n1', readinessGates: [{ conditionType: 'x' }, { conditionType: 'y' }] },
      status: {
        phase: 'Pending',
        podIPs: [{ ip: '10.1.0.1' }],
        nominatedNodeName: 'n2',
        conditions: [{ type: 'y', status: 'True' }],
      },
    } as unknown as Pod;
    expect(podRow(pod, { nowMs }).slice(4)).toEqual(['10m', '10.1.0.1', 'n1', 'n2', '1/2']);
  });
});
