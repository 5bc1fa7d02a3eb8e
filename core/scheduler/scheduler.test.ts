import { afterEach, describe, expect, it } from '@jest/globals';
import { Nodes, Pods } from '../api/generated/resources.js';
import { settle } from '../client/testing/settle.js';
import type { SchedulerPlugin } from '../contracts/scheduler-plugin.js';
import { produce } from '../machinery/object.js';
import { serviceUnavailable } from '../machinery/status-error.js';
import { SchedulerHarness } from './testing/harness.js';
import { node, pod } from './testing/objects.js';

describe('Scheduler', () => {
  let harness: SchedulerHarness;
  const begin = async (plugins: readonly SchedulerPlugin[] = []): Promise<void> => {
    harness = new SchedulerHarness(plugins);
    await harness.start();
  };

  afterEach(async () => {
    await harness.stop();
    expect(harness.clock.pendingTimers).toBe(0);
  });

  it('binds a pod to the node that it fits and says so', async () => {
    await begin();
    await harness.create(Nodes, node('full', { allocatable: { cpu: '1' } }), node('free'));
    await harness.create(Pods, pod('web', { requests: { cpu: '2' } }));
    expect(await harness.nodeOf('web')).toBe('free');
    expect(harness.recorder.lines()).toEqual(['Scheduled Successfully assigned default/web to free']);
    const binding = harness.transport.actions.find(({ subresource }) => subresource === 'binding');
    expect(binding).toMatchObject({
      caller: 'system:kube-scheduler',
      name: 'web',
      object: {
        kind: 'Binding',
        metadata: { name: 'web', uid: (await harness.pod('web')).metadata.uid },
        target: { kind: 'Node', name: 'free' },
      },
    });
  });

  it('leaves other schedulers their pods', async () => {
    await begin();
    await harness.create(Nodes, node('n1'));
    await harness.create(Pods, pod('theirs', { schedulerName: 'other' }));
    expect(await harness.nodeOf('theirs')).toBeUndefined();
    expect(await harness.reasonOf('theirs')).toBeUndefined();
  });

  it('takes back what it took when a plugin throws, and tries the pod again', async () => {
    let fails = true;
    const unreserved: string[] = [];
    const careless: SchedulerPlugin = {
      name: 'Careless',
      reserve() {
        if (fails) throw new Error('reserve broke');
        return undefined;
      },
      unreserve() {
        unreserved.push('Careless');
        throw new Error('unreserve broke');
      },
      postBind() {
        throw new Error('postBind broke');
      },
    };
    const careful: SchedulerPlugin = { name: 'Careful', unreserve: () => void unreserved.push('Careful') };
    await begin([careful, careless]);
    await harness.create(Nodes, node('n1'));
    await harness.create(Pods, pod('web', { requests: { cpu: '1' } }));
    expect(await harness.reasonOf('web')).toBe('reserve broke');
    expect(unreserved).toEqual(['Careless', 'Careful']);
    expect(harness.scheduler.cache.nodes[0]!.podCount).toBe(0);
    fails = false;
    await harness.clock.advance(3000);
    await settle(20);
    expect(await harness.nodeOf('web')).toBe('n1');
    await harness.create(Pods, pod('next'));
    expect(await harness.nodeOf('next')).toBe('n1');
  });

  it('counts the reasons and sorts them as texts', async () => {
    await begin();
    const taints = [{ key: 'k', value: 'v', effect: 'NoSchedule' }];
    await harness.create(Nodes, node('n1', { taints }), node('n2', { taints }), node('n3', { allocatable: { cpu: '1' } }));
    await harness.create(Pods, pod('web', { requests: { cpu: '2' } }));
    const text =
      '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). ' +
      'no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.';
    expect((await harness.pod('web')).status.conditions).toEqual([
      expect.objectContaining({ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: text }),
    ]);
    expect(harness.recorder.lines()).toEqual([`FailedScheduling ${text}`]);
  });

  it('schedules a waiting pod when the first node comes', async () => {
    await begin();
    await harness.create(Pods, pod('web'));
    expect(await harness.reasonOf('web')).toBe('no nodes available to schedule pods');
    await harness.create(Nodes, node('n1'));
    expect(await harness.nodeOf('web')).toBe('n1');
  });

  it('comes back when a taint goes, and not when something else changes', async () => {
    await begin();
    await harness.create(Nodes, node('n1', { taints: [{ key: 'k', effect: 'NoSchedule' }] }));
    await harness.create(Pods, pod('web'));
    expect(harness.recorder.lines()).toHaveLength(1);
    const nodes = harness.admin.resource(Nodes);
    await nodes.patch('n1', 'merge', { metadata: { labels: { color: 'blue' } } });
    await settle(20);
    expect(harness.recorder.lines()).toHaveLength(1);
    await nodes.patch('n1', 'merge', { spec: { taints: null } });
    await settle(20);
    expect(await harness.nodeOf('web')).toBe('n1');
  });

  it('comes back when a pod that was in the way is deleted', async () => {
    await begin();
    await harness.create(Nodes, node('n1', { allocatable: { cpu: '1' } }));
    await harness.create(Pods, pod('first', { requests: { cpu: '1' } }));
    await harness.create(Pods, pod('second', { requests: { cpu: '1' } }));
    expect(await harness.nodeOf('second')).toBeUndefined();
    await harness.admin.resource(Pods, 'default').delete('first', { gracePeriodSeconds: 0 });
    await settle(20);
    expect(await harness.nodeOf('second')).toBe('n1');
  });

  it('gives the room of ended pods to others', async () => {
    await begin();
    await harness.create(Nodes, node('n1', { allocatable: { cpu: '1' } }));
    await harness.create(Pods, pod('job', { requests: { cpu: '1' } }));
    await harness.create(Pods, pod('second', { requests: { cpu: '1' } }));
    const job = await harness.pod('job');
    await harness.admin.resource(Pods, 'default').updateStatus(
      'job',
      produce(job, draft => void (draft.status.phase = 'Succeeded')),
    );
    await settle(20);
    expect(await harness.nodeOf('second')).toBe('n1');
  });

  it('takes the more important pod first', async () => {
    await begin();
    await harness.create(Pods, pod('low', { requests: { cpu: '1' } }), pod('high', { requests: { cpu: '1' }, priority: 100 }));
    await harness.create(Nodes, node('n1', { allocatable: { cpu: '1' } }));
    expect(await harness.nodeOf('high')).toBe('n1');
    expect(await harness.nodeOf('low')).toBeUndefined();
  });

  it('holds back gated pods until the last gate goes', async () => {
    await begin();
    await harness.create(Nodes, node('n1'));
    await harness.create(Pods, pod('gated', { schedulingGates: [{ name: 'a' }, { name: 'b' }] }));
    const pods = harness.admin.resource(Pods, 'default');
    expect((await harness.pod('gated')).status.conditions).toEqual([
      expect.objectContaining({ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }),
    ]);
    await pods.patch('gated', 'merge', { spec: { schedulingGates: [{ name: 'b' }] } });
    await settle(20);
    expect(await harness.nodeOf('gated')).toBeUndefined();
    await pods.patch('gated', 'merge', { spec: { schedulingGates: null } });
    await settle(20);
    expect(await harness.nodeOf('gated')).toBe('n1');
    expect(harness.recorder.lines('FailedScheduling')).toEqual([]);
  });

  it.each([
    ['names a claim that is not there', [{ name: 'gpu', resourceClaimName: 'card' }], undefined],
    ['has a template of which nothing was made', [{ name: 'gpu', resourceClaimTemplateName: 't' }], undefined],
    [
      'has a template of which a claim was made that is not there',
      [{ name: 'gpu', resourceClaimTemplateName: 't' }],
      [{ name: 'gpu', resourceClaimName: 'web-gpu' }],
    ],
    ['names nothing', [{ name: 'gpu' }], undefined],
  ])('does not even try a pod that %s', async (_what, resourceClaims, resourceClaimStatuses) => {
    await begin();
    await harness.create(Nodes, node('n1'));
    await harness.create(Pods, pod('web', { resourceClaims, status: { resourceClaimStatuses } }));
    expect(await harness.nodeOf('web')).toBeUndefined();
    expect(harness.recorder.lines()).toEqual([]);
  });

  it('runs a pod whose template asked for no claim', async () => {
    await begin();
    await harness.create(Nodes, node('n1'));
    const resourceClaims = [{ name: 'gpu', resourceClaimTemplateName: 't' }];
    await harness.create(Pods, pod('web', { resourceClaims }));
    expect(await harness.nodeOf('web')).toBeUndefined();
    const pods = harness.admin.resource(Pods, 'default');
    const waiting = await pods.get('web');
    await pods.updateStatus(
      'web',
      produce(waiting, draft => void (draft.status.resourceClaimStatuses = [{ name: 'gpu' }])),
    );
    await harness.clock.advance(60_000);
    await settle(20);
    expect(await harness.nodeOf('web')).toBe('n1');
  });

  it('frees the node and tries again after a pause when the binding fails', async () => {
    await begin();
    let failures = 0;
    harness.transport.reactors.push(({ subresource }) => {
      if (subresource === 'binding' && failures++ === 0) throw serviceUnavailable('busy');
    });
    await harness.create(Nodes, node('n1', { allocatable: { cpu: '1' } }));
    await harness.create(Pods, pod('web', { requests: { cpu: '1' } }));
    expect(await harness.nodeOf('web')).toBeUndefined();
    expect((await harness.pod('web')).status.conditions).toEqual([
      expect.objectContaining({ reason: 'SchedulerError', message: 'running Bind plugin "DefaultBinder": busy' }),
    ]);
    expect(harness.scheduler.cache.node('n1')!.podCount).toBe(0);
    await harness.clock.advance(2000);
    await settle(20);
    expect(await harness.nodeOf('web')).toBe('n1');
  });

  it('spreads equal pods over equal nodes', async () => {
    await begin();
    await harness.create(Nodes, node('n1'), node('n2'), node('n3'));
    await harness.create(Pods, ...[1, 2, 3].map(i => pod(`p${i}`, { requests: { cpu: '500m', memory: '256Mi' } })));
    const nodes = await Promise.all([1, 2, 3].map(i => harness.nodeOf(`p${i}`)));
    expect(new Set(nodes)).toEqual(new Set(['n1', 'n2', 'n3']));
  });

  it('says nothing of a pod that is on its way out', async () => {
    await begin();
    await harness.create(Pods, pod('leaving', { meta: { finalizers: ['x/y'] } }));
    await harness.admin.resource(Pods, 'default').delete('leaving');
    await harness.create(Nodes, node('n1'));
    expect(await harness.nodeOf('leaving')).toBeUndefined();
    expect(harness.recorder.lines().at(-1)).toBe('FailedScheduling skip schedule deleting pod: default/leaving');
  });

  describe('with plugins of third parties', () => {
    it('asks their filters and scores', async () => {
      await begin([
        {
          name: 'NotFirst',
          filter: (_s, _p, { name }) => (name === 'n1' ? { code: 'Unschedulable', reasons: ['not the first'] } : undefined),
        },
        { name: 'Last', weight: 100, score: (_s, _p, { name }) => (name === 'n3' ? 100 : 0) },
      ]);
      await harness.create(Nodes, node('n1'), node('n2'), node('n3'));
      await harness.create(Pods, pod('web'));
      expect(await harness.nodeOf('web')).toBe('n3');
    });

    it('names the reasons of their filters', async () => {
      await begin([{ name: 'Never', filter: () => ({ code: 'UnschedulableAndUnresolvable', reasons: ['never'] }) }]);
      await harness.create(Nodes, node('n1'));
      await harness.create(Pods, pod('web'));
      expect(await harness.reasonOf('web')).toMatch(
        /^0\/1 nodes are available: 1 never\. no new claims to deallocate, preemption: /,
      );
    });

    it('waits for their permits and takes a refusal', async () => {
      let permit!: (answer: 'yes' | 'no') => void;
      await begin([
        {
          name: 'Gate',
          permit: () =>
            new Promise(resolve => {
              permit = answer => resolve(answer === 'yes' ? undefined : { code: 'Unschedulable', reasons: ['not today'] });
            }),
        },
      ]);
      await harness.create(Nodes, node('n1'));
      await harness.create(Pods, pod('web'));
      expect(await harness.nodeOf('web')).toBeUndefined();
      permit('no');
      await settle(20);
      expect(await harness.reasonOf('web')).toBe('0/1 nodes are available: 1 not today.');
      await harness.clock.advance(6 * 60_000);
      await settle(20);
      permit('yes');
      await settle(20);
      expect(await harness.nodeOf('web')).toBe('n1');
    });

    it('tries again after a plugin broke', async () => {
      let broken = true;
      await begin([
        {
          name: 'Broken',
          filter: () => {
            if (broken) throw new Error('out of order');
            return undefined;
          },
        },
      ]);
      await harness.create(Nodes, node('n1'));
      await harness.create(Pods, pod('web'));
      expect(await harness.reasonOf('web')).toBe('out of order');
      broken = false;
      await harness.clock.advance(2000);
      await settle(20);
      expect(await harness.nodeOf('web')).toBe('n1');
    });
  });
});
