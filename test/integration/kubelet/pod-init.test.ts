import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

describe('init containers', () => {
  let fixture: KubeletFixture;
  beforeEach(async () => {
    fixture = new KubeletFixture();
    await fixture.start();
  });
  afterEach(() => fixture.stop());

  const status = async () => (await fixture.pod('web')).status;
  const condition = async (type: string) => (await status()).conditions!.find(own => own.type === type)!;

  it('run one after the other before the main ones', async () => {
    await fixture.createPod('web', {
      initContainers: [testContainer('first', { command: ['sleep', '2'] }), testContainer('second', { command: ['sleep', '3'] })],
    });
    expect(await status()).toMatchObject({
      phase: 'Pending',
      initContainerStatuses: [
        { name: 'first', state: { running: {} }, ready: false },
        { name: 'second', state: { waiting: { reason: 'PodInitializing' } } },
      ],
      containerStatuses: [{ state: { waiting: { reason: 'PodInitializing' } } }],
    });
    expect(await condition('Initialized')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [first second]',
    });
    await fixture.advance(2);
    expect((await status()).initContainerStatuses).toMatchObject([
      { state: { terminated: { reason: 'Completed', exitCode: 0 } }, ready: true },
      { state: { running: {} } },
    ]);
    await fixture.advance(3);
    expect(await status()).toMatchObject({ phase: 'Running', containerStatuses: [{ ready: true }] });
    expect(await condition('Initialized')).toMatchObject({ status: 'True', lastTransitionTime: '2026-01-01T00:00:05Z' });
    const started = fixture.recorder.events.filter(({ reason }) => reason === 'Started').map(e => e.reference.fieldPath);
    expect(started).toEqual(['spec.initContainers{first}', 'spec.initContainers{second}', 'spec.containers{web}']);
  });

  it('that fail are tried again, or fail the pod when it restarts never', async () => {
    await fixture.createPod('web', { initContainers: [testContainer('first', { command: ['false'] })] });
    expect((await status()).initContainerStatuses).toMatchObject([
      { restartCount: 1, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { exitCode: 1 } } },
    ]);
    expect((await status()).phase).toBe('Pending');
    await fixture.createPod('never', {
      restartPolicy: 'Never',
      initContainers: [testContainer('first', { command: ['false'] })],
    });
    expect((await fixture.pod('never')).status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { waiting: { reason: 'PodInitializing' } } }],
    });
  });

  it('that are sidecars go on, and restart whatever the policy of the pod', async () => {
    await fixture.createPod('web', {
      restartPolicy: 'Never',
      initContainers: [
        testContainer('proxy', { restartPolicy: 'Always', startupProbe: { tcpSocket: { port: 1 }, initialDelaySeconds: 4 } }),
        testContainer('setup', { command: ['true'] }),
      ],
      containers: [testContainer('web', { command: ['sleep', '60'] })],
    });
    expect((await status()).initContainerStatuses).toMatchObject([
      { started: false, state: { running: {} } },
      { state: { waiting: {} } },
    ]);
    await fixture.advance(4);
    expect(await status()).toMatchObject({
      phase: 'Running',
      initContainerStatuses: [{ started: true, ready: true }, { ready: true }],
    });
    fixture.runtime.control.exit({ pod: 'web', container: 'proxy' }, 1);
    await fixture.settle();
    expect((await status()).initContainerStatuses![0]).toMatchObject({ restartCount: 1, state: { running: {} } });
    expect((await status()).phase).toBe('Running');
    await fixture.advance(60);
    expect((await status()).phase).toBe('Succeeded');
    expect((await fixture.runtime.listContainers()).filter(({ state }) => state === 'running')).toEqual([]);
  });
});
