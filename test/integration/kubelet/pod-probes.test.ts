import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods } from '../../../core/api/generated/resources.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

const http = { httpGet: { path: '/', port: 80 } };

describe('probes', () => {
  let fixture: KubeletFixture;
  beforeEach(async () => {
    fixture = new KubeletFixture();
    await fixture.start();
  });
  afterEach(() => fixture.stop());

  const web = async () => (await fixture.pod('web')).status.containerStatuses![0]!;
  const ready = async () => (await fixture.pod('web')).status.conditions!.find(({ type }) => type === 'Ready')!;

  it('of readiness decide when a pod is ready, with their thresholds', async () => {
    fixture.runtime.control.setProbe({ pod: 'web' }, { ok: false, output: 'HTTP probe failed with statuscode: 503' });
    const readinessProbe = { ...http, initialDelaySeconds: 3, periodSeconds: 5, successThreshold: 2, failureThreshold: 2 };
    await fixture.createPod('web', { containers: [testContainer('web', { readinessProbe })] });
    expect((await ready()).message).toBe('containers with unready status: [web]');
    await fixture.advance(2);
    expect(fixture.recorder.lines('Unhealthy')).toEqual([]);
    await fixture.advance(1);
    expect(fixture.recorder.lines('Unhealthy')).toEqual([
      'Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 503',
    ]);
    fixture.runtime.control.setProbe({ pod: 'web' }, { ok: true, output: '' });
    await fixture.advance(5);
    expect((await web()).ready).toBe(false);
    await fixture.advance(5);
    expect(await web()).toMatchObject({ ready: true, started: true });
    expect((await ready()).lastTransitionTime).toBe('2026-01-01T00:00:13Z');
    fixture.runtime.control.setProbe({ pod: 'web' }, { ok: false, output: 'no' });
    await fixture.advance(5);
    expect((await web()).ready).toBe(true);
    await fixture.advance(5);
    expect((await web()).ready).toBe(false);
    expect((await web()).restartCount).toBe(0);
  });

  it('of liveness restart the container after three failures', async () => {
    let healthy = true;
    fixture.runtime.control.setExec({ pod: 'web' }, command => {
      expect(command).toEqual(['check', '/data']);
      return { exitCode: healthy ? 0 : 1, output: healthy ? '' : 'broken' };
    });
    const livenessProbe = { exec: { command: ['check', '$(DIR)'] }, periodSeconds: 10 };
    await fixture.createPod('web', {
      containers: [testContainer('web', { livenessProbe, env: [{ name: 'DIR', value: '/data' }] })],
    });
    await fixture.advance(60);
    healthy = false;
    await fixture.advance(20);
    expect((await web()).restartCount).toBe(0);
    await fixture.advance(10);
    expect(await web()).toMatchObject({ restartCount: 1, state: { running: {} }, lastState: { terminated: { exitCode: 143 } } });
    expect(fixture.recorder.lines('Unhealthy')).toHaveLength(4);
    expect(fixture.recorder.lines('Unhealthy')[0]).toBe('Unhealthy Liveness probe failed: broken');
    expect(fixture.recorder.lines('Killing')).toEqual(['Killing Container web failed liveness probe, will be restarted']);
  });

  it('by a command that takes too long fail, in the words that upstream has for it', async () => {
    const livenessProbe = { exec: { command: ['sleep', '5'] }, timeoutSeconds: 2, periodSeconds: 10 };
    await fixture.createPod('web', { containers: [testContainer('web', { livenessProbe })] });
    await fixture.advance(20);
    expect(fixture.recorder.lines('Unhealthy')[0]).toBe(
      'Unhealthy Liveness probe failed: command timed out: "sleep 5" timed out after 2s',
    );
  });

  it('of startup hold the others back', async () => {
    let up = false;
    let asked = 0;
    fixture.runtime.control.setProbe({ pod: 'web' }, ({ port }) => {
      if (port === 81) asked++;
      return { ok: port === 81 || up, output: 'not yet' };
    });
    await fixture.createPod('web', {
      containers: [
        testContainer('web', {
          startupProbe: { tcpSocket: { port: 80 }, periodSeconds: 2, failureThreshold: 10 },
          readinessProbe: { tcpSocket: { port: 81 }, periodSeconds: 1 },
        }),
      ],
    });
    await fixture.advance(6);
    expect(asked).toBe(0);
    expect(await web()).toMatchObject({ started: false, ready: false });
    up = true;
    await fixture.advance(2);
    expect(await web()).toMatchObject({ started: true, ready: true });
    expect(asked).toBe(1);
  });

  it('of startup that fail for good restart the container with the grace of the probe', async () => {
    fixture.runtime.control.setProbe({ pod: 'web' }, { ok: false, output: 'dial tcp: connection refused' });
    await fixture.createPod(
      'web',
      {
        containers: [
          testContainer('web', {
            startupProbe: { grpc: { port: 80 }, periodSeconds: 1, failureThreshold: 3, terminationGracePeriodSeconds: 5 },
          }),
        ],
      },
      { annotations: { 'simulated.k3s.io/stop-seconds': '60' } },
    );
    await fixture.advance(2);
    expect(fixture.recorder.lines('Killing')).toEqual(['Killing Container web failed startup probe, will be restarted']);
    await fixture.advance(5);
    expect(await web()).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 137 } } });
  });

  it('with readiness gates wait for the conditions of others', async () => {
    await fixture.createPod('web', { readinessGates: [{ conditionType: 'example.com/wired' }] });
    expect(await ready()).toMatchObject({
      status: 'False',
      reason: 'ReadinessGatesNotReady',
      message: 'corresponding condition of pod readiness gate "example.com/wired" does not exist.',
    });
    const pod = await fixture.pod('web');
    const condition = { type: 'example.com/wired', status: 'True', lastProbeTime: null, lastTransitionTime: null };
    const status = { ...pod.status, conditions: [...pod.status.conditions!, condition] };
    await fixture.client.resource(Pods, 'default').updateStatus('web', { ...pod, status });
    await fixture.settle();
    expect((await ready()).status).toBe('True');
    expect((await fixture.pod('web')).status.conditions!.map(({ type }) => type)).toContain('example.com/wired');
  });

  it('leave no timer behind', async () => {
    const before = fixture.clock.pendingTimers;
    await fixture.createPod('web', { containers: [testContainer('web', { livenessProbe: http, readinessProbe: http })] });
    expect(fixture.clock.pendingTimers).toBeGreaterThan(before);
    await fixture.deletePod('web');
    expect(fixture.clock.pendingTimers).toBe(before);
  });
});
