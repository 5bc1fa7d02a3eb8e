import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Nodes, PodDisruptionBudgets, Pods } from '../api/generated/resources.js';
import type { PodDisruptionBudget } from '../api/generated/types.js';
import { settle } from '../client/testing/settle.js';
import { internalError } from '../machinery/status-error.js';
import { pickCandidate } from './plugins/default-preemption.js';
import { PodInfo } from './pod-info.js';
import { SchedulerHarness } from './testing/harness.js';
import { node, pod } from './testing/objects.js';
import type { PodFields } from './testing/objects.js';

const one = { allocatable: { cpu: '1' } };
const cpu = (amount: string) => ({ requests: { cpu: amount } });

describe('preemption', () => {
  let harness: SchedulerHarness;

  beforeEach(async () => {
    harness = new SchedulerHarness();
    await harness.start();
  });
  afterEach(async () => {
    await harness.stop();
    expect(harness.clock.pendingTimers).toBe(0);
  });

  const leaving = async (): Promise<string[]> => {
    const pods = await harness.admin.resource(Pods, 'default').objects();
    return pods.filter(({ metadata }) => metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
  };
  /** What the kubelet does in the end. */
  const finish = async (name: string): Promise<void> => {
    await harness.admin.resource(Pods, 'default').delete(name, { gracePeriodSeconds: 0 });
    await settle(20);
  };
  const budget = (name: string, labels: Record<string, string>, disruptionsAllowed: number): PodDisruptionBudget =>
    ({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name, namespace: 'default' },
      spec: { selector: { matchLabels: labels } },
      status: { disruptionsAllowed },
    }) as unknown as PodDisruptionBudget;

  it('pushes out the less important pod, waits for it to go and takes its place', async () => {
    await harness.create(Nodes, node('n1', one));
    await harness.create(Pods, pod('low', cpu('1')));
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10 }));
    const victim = await harness.pod('low');
    expect(victim.metadata.deletionTimestamp).toBeDefined();
    expect(victim.status.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: 'default-scheduler: preempting to accommodate a higher priority pod',
    });
    const high = await harness.pod('high');
    expect(high.status.nominatedNodeName).toBe('n1');
    expect(await harness.reasonOf('high')).toBe('0/1 nodes are available: 1 Insufficient cpu.');
    expect(harness.recorder.lines('Preempted')).toEqual([`Preempted Preempted by pod ${high.metadata.uid} on node n1`]);
    await finish('low');
    expect(await harness.nodeOf('high')).toBe('n1');
  });

  it('does nothing for a pod whose policy is Never', async () => {
    await harness.create(Nodes, node('n1', one));
    await harness.create(Pods, pod('low', cpu('1')));
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10, preemptionPolicy: 'Never' }));
    expect(await leaving()).toEqual([]);
    expect(await harness.reasonOf('high')).toBe(
      '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.',
    );
  });

  it('does not push out equals', async () => {
    await harness.create(Nodes, node('n1', one));
    await harness.create(Pods, pod('first', { ...cpu('1'), priority: 10 }));
    await harness.create(Pods, pod('second', { ...cpu('1'), priority: 10 }));
    expect(await leaving()).toEqual([]);
    expect(await harness.reasonOf('second')).toBe(
      '0/1 nodes are available: 1 Insufficient cpu. ' +
        'no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
    );
  });

  it('tells nodes where it would not help from those without victims', async () => {
    await harness.create(Nodes, node('n1', one), node('n2', { taints: [{ key: 'k', effect: 'NoSchedule' }] }));
    await harness.create(Pods, pod('first', cpu('1')));
    await harness.create(Pods, pod('second', cpu('1')));
    expect(await harness.reasonOf('second')).toBe(
      '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: ' +
        '1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
    );
  });

  it('takes no more than it needs, and the least important', async () => {
    await harness.create(Nodes, node('n1', { allocatable: { cpu: '3' } }));
    await harness.create(
      Pods,
      pod('p1', { ...cpu('1'), priority: 1 }),
      pod('p2', { ...cpu('1'), priority: 2 }),
      pod('p3', { ...cpu('1'), priority: 3 }),
    );
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10 }));
    expect(await leaving()).toEqual(['p1']);
  });

  it('spares pods whose budget is spent, where it can', async () => {
    const guarded = { labels: { app: 'guarded' } };
    await harness.create(Nodes, node('n1', { allocatable: { cpu: '2' } }));
    await harness.create(PodDisruptionBudgets, budget('b', guarded.labels, 0));
    await harness.create(
      Pods,
      pod('guarded', { ...cpu('1'), ...guarded, priority: 1 }),
      pod('free', { ...cpu('1'), priority: 5 }),
    );
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10 }));
    expect(await leaving()).toEqual(['free']);
  });

  it('breaks a budget when there is no other way', async () => {
    await harness.create(Nodes, node('n1', one));
    await harness.create(PodDisruptionBudgets, budget('b', { app: 'guarded' }, 0));
    await harness.create(Pods, pod('guarded', { ...cpu('1'), labels: { app: 'guarded' } }));
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10 }));
    expect(await leaving()).toEqual(['guarded']);
  });

  it('prefers the node where no budget is broken', async () => {
    await harness.create(Nodes, node('n1', one));
    await harness.create(Pods, pod('guarded', { ...cpu('1'), labels: { app: 'guarded' } }));
    await harness.create(Nodes, node('n2', one));
    await harness.create(Pods, pod('free', { ...cpu('1'), priority: 5 }));
    await harness.create(PodDisruptionBudgets, budget('b', { app: 'guarded' }, 0));
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10 }));
    expect(await leaving()).toEqual(['free']);
    expect((await harness.pod('high')).status.nominatedNodeName).toBe('n2');
  });

  it('keeps the freed room from pods that are less important', async () => {
    await harness.create(Nodes, node('n1', one));
    await harness.create(Pods, pod('low', cpu('1')));
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10 }));
    await harness.create(Pods, pod('middle', { ...cpu('500m'), priority: 5 }));
    await finish('low');
    expect(await harness.nodeOf('high')).toBe('n1');
    expect(await harness.nodeOf('middle')).toBeUndefined();
  });

  it('does not look for further victims while the first are leaving', async () => {
    await harness.create(Nodes, node('n1', one), node('n2', one));
    await harness.create(Pods, pod('low1', cpu('1')), pod('low2', cpu('1')));
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10 }));
    expect(await leaving()).toHaveLength(1);
    await harness.admin.resource(Nodes).patch('n1', 'merge', { status: { allocatable: { cpu: '1', memory: '9Gi' } } });
    await harness.clock.advance(6 * 60_000);
    await settle(20);
    expect(await leaving()).toHaveLength(1);
    expect(await harness.reasonOf('high')).toMatch(/not eligible due to a terminating pod on the nominated node\.$/);
  });

  it('resolves anti-affinity by preemption', async () => {
    const hostile: PodFields = {
      labels: { app: 'a' },
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'a' } } },
          ],
        },
      },
    };
    await harness.create(Nodes, node('n1'));
    await harness.create(Pods, pod('low', hostile));
    await harness.create(Pods, pod('high', { ...hostile, priority: 10 }));
    expect(await harness.reasonOf('high')).toMatch(
      /^0\/1 nodes are available: 1 node\(s\) didn't match pod anti-affinity rules\./,
    );
    expect(await leaving()).toEqual(['low']);
    await finish('low');
    expect(await harness.nodeOf('high')).toBe('n1');
  });

  it('tries again when a victim could not be deleted', async () => {
    let failures = 0;
    harness.transport.reactors.push(({ verb, resource }) => {
      if (verb === 'delete' && resource === 'pods' && failures++ === 0) throw internalError('no luck');
    });
    await harness.create(Nodes, node('n1', one));
    await harness.create(Pods, pod('low', cpu('1')));
    await harness.create(Pods, pod('high', { ...cpu('1'), priority: 10 }));
    expect(failures).toBeGreaterThan(1);
    expect(await leaving()).toEqual(['low']);
  });

  describe('pickCandidate', () => {
    const victim = (name: string, priority: number, startTime = '2026-01-01T00:00:00Z') =>
      new PodInfo({ object: pod(name, { priority, status: { startTime } }) });
    const candidate = (nodeName: string, victims: PodInfo[], budgetViolations = 0) => ({ nodeName, victims, budgetViolations });
    const cases: [string, ReturnType<typeof candidate>[], string][] = [
      ['fewest broken budgets', [candidate('a', [victim('v', 1)], 1), candidate('b', [victim('v', 9), victim('w', 9)])], 'b'],
      ['lowest highest priority', [candidate('a', [victim('v', 5)]), candidate('b', [victim('v', 4), victim('w', 4)])], 'b'],
      ['lowest sum', [candidate('a', [victim('v', 5), victim('w', 4)]), candidate('b', [victim('v', 5), victim('w', 3)])], 'b'],
      ['fewer pods below zero', [candidate('a', [victim('v', 0), victim('w', -1)]), candidate('b', [victim('v', 0)])], 'b'],
      [
        'the latest start of the most important',
        [candidate('a', [victim('v', 5, '2026-01-01T00:00:01Z')]), candidate('b', [victim('v', 5, '2026-01-01T00:00:02Z')])],
        'b',
      ],
      ['the first of equals', [candidate('a', [victim('v', 5)]), candidate('b', [victim('v', 5)])], 'a'],
    ];
    it.each(cases)('%s', (_name, candidates, expected) => expect(pickCandidate(candidates, 0).nodeName).toBe(expected));
  });
});
