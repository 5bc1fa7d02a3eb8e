import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods } from '../../../core/api/generated/resources.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

describe('containers that end', () => {
  let fixture: KubeletFixture;
  beforeEach(async () => {
    fixture = new KubeletFixture();
    await fixture.start();
  });
  afterEach(() => fixture.stop());

  const web = async () => (await fixture.pod('web')).status.containerStatuses![0]!;

  it('restart at once, then after 10, 20, 40 ... 300 s', async () => {
    await fixture.createPod('web', { containers: [testContainer('web', { command: ['false'] })] });
    // The first end is followed by a start at once, and that end by the first wait.
    expect(await web()).toMatchObject({
      restartCount: 1,
      ready: false,
      state: {
        waiting: {
          reason: 'CrashLoopBackOff',
          message: expect.stringMatching(/^back-off 10s restarting failed container=web pod=web_default\(uid-\d+\)$/),
        },
      },
      lastState: { terminated: { exitCode: 1, reason: 'Error' } },
    });
    expect((await fixture.pod('web')).status.phase).toBe('Running');
    for (const [round, seconds] of [10, 20, 40, 80, 160, 300, 300].entries()) {
      await fixture.advance(seconds - 1);
      expect((await web()).restartCount).toBe(round + 1);
      await fixture.advance(1);
      expect((await web()).restartCount).toBe(round + 2);
    }
    const [backOff] = fixture.recorder.lines('BackOff');
    expect(backOff).toMatch(/^BackOff Back-off restarting failed container web in pod web_default\(uid-\d+\)$/);
  });

  it('begin anew all together, init containers too, where a rule says so', async () => {
    const rule = { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } };
    const worker = testContainer('worker', { restartPolicy: 'Never', restartPolicyRules: [rule] });
    await fixture.createPod('web', {
      restartPolicy: 'Never',
      initContainers: [testContainer('init', { command: ['true'] })],
      containers: [worker, testContainer('other')],
    });
    const condition = async () =>
      (await fixture.pod('web')).status.conditions!.find(({ type }) => type === 'AllContainersRestarting')?.status;
    expect([(await fixture.pod('web')).status.phase, await condition()]).toEqual(['Running', 'False']);
    const before = (await fixture.pod('web')).status;
    fixture.runtime.control.exit({ pod: 'web', container: 'worker' }, 42);
    await fixture.settle();
    await fixture.advance(5);
    const { status } = await fixture.pod('web');
    expect([status.phase, await condition()]).toEqual(['Running', 'False']);
    expect(status.initContainerStatuses![0]).toMatchObject({ restartCount: 1, state: { terminated: { exitCode: 0 } } });
    for (const name of ['other', 'worker']) {
      const [old, now] = [before, status].map(own => own.containerStatuses!.find(one => one.name === name)!);
      expect(now).toMatchObject({
        restartCount: 1,
        state: { running: expect.anything() },
        lastState: { terminated: { reason: 'RestartingAllContainers', exitCode: 137 } },
      });
      expect(now!.containerID).not.toBe(old!.containerID);
    }
    expect(status.podIP).toBe(before.podIP);
    expect(fixture.recorder.lines('Killing')).toEqual(['Killing killing']);
    // Another end is one for good.
    fixture.runtime.control.exit({ pod: 'web', container: 'worker' }, 1);
    await fixture.settle();
    expect((await fixture.pod('web')).status.containerStatuses!.map(({ restartCount }) => restartCount)).toEqual([1, 1]);
  });

  it('forget their back-off after a run of more than 10 minutes', async () => {
    await fixture.createPod('web');
    const crash = async () => {
      expect(fixture.runtime.control.exit({ pod: 'web' }, 2)).toBe(true);
      await fixture.settle();
    };
    await crash();
    await crash();
    expect((await web()).state.waiting?.reason).toBe('CrashLoopBackOff');
    await fixture.advance(10);
    await crash();
    await fixture.advance(19);
    expect((await web()).state.waiting?.message).toMatch(/^back-off 20s/);
    await fixture.advance(1);
    expect((await web()).state.running).toBeDefined();
    await fixture.advance(601);
    await crash();
    expect((await web()).restartCount).toBe(4);
    await crash();
    expect((await web()).state.waiting?.message).toMatch(/^back-off 10s/);
  });

  it('stay ended with restartPolicy Never, and the pod tells how', async () => {
    await fixture.createPod('web', {
      restartPolicy: 'Never',
      containers: [testContainer('web', { command: ['sh', '-c', 'echo hello; sleep 5; exit 3'] })],
    });
    expect((await fixture.pod('web')).status.phase).toBe('Running');
    await fixture.advance(5);
    const { status } = await fixture.pod('web');
    expect(status.phase).toBe('Failed');
    expect(status.containerStatuses![0]!.state.terminated).toMatchObject({
      exitCode: 3,
      reason: 'Error',
      startedAt: '2026-01-01T00:00:00Z',
      finishedAt: '2026-01-01T00:00:05Z',
    });
    expect(status.conditions!.filter(({ status: value }) => value === 'False').map(({ type, reason }) => [type, reason])).toEqual(
      [
        ['PodReadyToStartContainers', undefined],
        ['Ready', 'PodFailed'],
        ['ContainersReady', 'PodFailed'],
      ],
    );
    expect(await fixture.exists('web')).toBe(true);
  });

  it('succeed once with restartPolicy OnFailure', async () => {
    await fixture.createPod('web', {
      restartPolicy: 'OnFailure',
      containers: [testContainer('web', { command: ['true'] }), testContainer('other', { command: ['sleep', '3'] })],
    });
    expect((await fixture.pod('web')).status.phase).toBe('Running');
    await fixture.advance(3);
    const { status } = await fixture.pod('web');
    expect(status.phase).toBe('Succeeded');
    expect(status.containerStatuses!.map(({ restartCount }) => restartCount)).toEqual([0, 0]);
    expect(status.conditions!.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'False', reason: 'PodCompleted' });
  });

  it("follow their own restart policy and rules before the pod's", async () => {
    await fixture.createPod('web', {
      restartPolicy: 'Never',
      containers: [
        testContainer('web', {
          command: ['sleep', 'infinity'],
          restartPolicy: 'Never',
          restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
        }),
      ],
    });
    fixture.runtime.control.exit({ pod: 'web' }, 42);
    await fixture.settle();
    expect(await web()).toMatchObject({ restartCount: 1, state: { running: {} } });
    fixture.runtime.control.exit({ pod: 'web' }, 1);
    await fixture.settle();
    expect((await fixture.pod('web')).status.phase).toBe('Failed');
  });

  it('come back in a new sandbox when theirs is gone', async () => {
    const before = await fixture.createPod('web');
    fixture.runtime.control.killSandbox({ pod: 'web' });
    await fixture.settle();
    const after = await fixture.pod('web');
    expect(after.status.phase).toBe('Running');
    expect(after.status.podIP).not.toBe(before.status.podIP);
    expect(after.status.containerStatuses![0]).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 137 } } });
    expect(fixture.recorder.lines('SandboxChanged')).toEqual([
      'SandboxChanged Pod sandbox changed, it will be killed and re-created.',
    ]);
  });

  it('are replaced when the image is edited', async () => {
    await fixture.createPod('web');
    const pods = fixture.client.resource(Pods, 'default');
    await pods.patch('web', 'merge', { spec: { containers: [testContainer('web', { image: 'nginx:2' })] } });
    await fixture.settle();
    expect(await web()).toMatchObject({ image: 'docker.io/library/nginx:2', restartCount: 1, state: { running: {} } });
    expect(fixture.recorder.lines('Killing')).toEqual(['Killing Container web definition changed, will be restarted']);
    expect((await fixture.pod('web')).status.observedGeneration).toBe(2);
  });
});
