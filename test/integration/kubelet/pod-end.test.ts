import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods } from '../../../core/api/generated/resources.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

describe('the end of a pod', () => {
  let fixture: KubeletFixture;
  beforeEach(async () => {
    fixture = new KubeletFixture();
    await fixture.start();
  });
  afterEach(() => fixture.stop());

  const states = async () => (await fixture.runtime.listContainers()).map(({ name, state }) => `${name} ${state}`);

  it('waits for containers that take their time, then leaves nothing', async () => {
    await fixture.createPod('web', {}, { annotations: { 'simulated.k3s.io/stop-seconds': '7' } });
    await fixture.deletePod('web');
    expect(fixture.recorder.lines('Killing')).toEqual(['Killing Stopping container web']);
    await fixture.advance(6);
    expect(await fixture.exists('web')).toBe(true);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
    await fixture.advance(1);
    expect(await fixture.exists('web')).toBe(false);
    expect(await fixture.runtime.listContainers()).toEqual([]);
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
    const last = fixture.transport.actions.filter(({ verb, subresource }) => verb === 'patch' && subresource === 'status').at(-1);
    expect(last?.object).toMatchObject({
      status: { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 143 } } }] },
    });
    expect(fixture.transport.actions.filter(({ verb }) => verb === 'delete').at(-1)?.object).toMatchObject({
      gracePeriodSeconds: 0,
    });
  });

  it('kills after the grace', async () => {
    await fixture.createPod(
      'web',
      { terminationGracePeriodSeconds: 5 },
      { annotations: { 'simulated.k3s.io/stop-seconds': '60' } },
    );
    await fixture.deletePod('web');
    await fixture.advance(4);
    expect(await states()).toEqual(['web running']);
    await fixture.advance(1);
    expect(await fixture.exists('web')).toBe(false);
  });

  it('comes sooner when a shorter grace is asked for', async () => {
    await fixture.createPod('web', {}, { annotations: { 'simulated.k3s.io/stop-seconds': '60' } });
    await fixture.deletePod('web');
    await fixture.advance(2);
    const pods = fixture.client.resource(Pods, 'default');
    await pods.patch('web', 'merge', { metadata: { deletionGracePeriodSeconds: 3 } });
    await fixture.settle();
    await fixture.advance(3);
    expect(await fixture.exists('web')).toBe(false);
  });

  it('by force leaves no container behind', async () => {
    await fixture.createPod('web', {}, { annotations: { 'simulated.k3s.io/stop-seconds': '60' } });
    await fixture.deletePod('web', 0);
    expect(await fixture.exists('web')).toBe(false);
    await fixture.advance(30);
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
  });

  it('runs preStop within the grace, and stops sidecars last', async () => {
    const order: string[] = [];
    const note = (name: string) =>
      fixture.runtime.control.setExec({ pod: 'web', container: name }, () => {
        order.push(name);
        return { exitCode: 0 };
      });
    note('web');
    await fixture.createPod('web', {
      initContainers: [testContainer('log', { restartPolicy: 'Always' }), testContainer('proxy', { restartPolicy: 'Always' })],
      containers: [
        testContainer('web', { lifecycle: { preStop: { exec: { command: ['drain'] } } } }),
        testContainer('slow', { lifecycle: { preStop: { sleep: { seconds: 4 } } } }),
      ],
    });
    fixture.runtime.watch({
      event: ({ type, kind, id }) => {
        if (type !== 'exited' || kind !== 'container') return;
        void fixture.runtime.container(id).then(
          ({ name }) => order.push(`end of ${name}`),
          () => undefined,
        );
      },
      lost: () => undefined,
    });
    await fixture.deletePod('web');
    expect(order).toEqual(['web', 'end of web']);
    await fixture.advance(4);
    expect(order).toEqual(['web', 'end of web', 'end of slow', 'end of proxy', 'end of log']);
    expect(await fixture.exists('web')).toBe(false);
  });

  it('comes with the active deadline', async () => {
    await fixture.createPod('web', { activeDeadlineSeconds: 20 });
    await fixture.advance(19);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
    await fixture.advance(1);
    expect((await fixture.pod('web')).status).toMatchObject({
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
      containerStatuses: [{ state: { terminated: { exitCode: 143 } } }],
    });
    expect(await states()).toEqual(['web exited']);
    expect(fixture.recorder.lines('DeadlineExceeded')).toEqual([
      'DeadlineExceeded Pod was active on the node longer than the specified deadline',
    ]);
  });

  it('of a finished pod keeps its container for the logs until it is deleted', async () => {
    await fixture.createPod('web', { restartPolicy: 'Never', containers: [testContainer('web', { command: ['echo', 'done'] })] });
    const pod = await fixture.pod('web');
    expect(pod.status.phase).toBe('Succeeded');
    const lines: string[] = [];
    for await (const line of fixture.kubelet.connector!.logs(pod, 'web')) lines.push(line);
    expect(lines).toEqual(['done\n']);
    await fixture.deletePod('web');
    expect(await fixture.exists('web')).toBe(false);
    expect(await states()).toEqual([]);
  });

  it('is told when the node refuses the pod', async () => {
    await fixture.createPod('big', { containers: [testContainer('web', { resources: { requests: { cpu: '40' } } })] });
    expect((await fixture.pod('big')).status).toMatchObject({
      phase: 'Failed',
      reason: 'OutOfcpu',
      message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 40000, used: 0, capacity: 32000",
    });
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
  });

  it('of a pod that nobody knows any more comes too', async () => {
    await fixture.createPod('web');
    await fixture.kubelet.stop();
    await fixture.deletePod('web', 0);
    fixture.kubelet = fixture.newKubelet();
    await fixture.start();
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
  });
});
