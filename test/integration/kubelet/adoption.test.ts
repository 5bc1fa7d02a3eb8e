import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../../core/base/clock.js';
import { Pods } from '../../../core/api/generated/resources.js';
import { silentLogger } from '../../../core/base/logger.js';
import { Client } from '../../../core/client/client.js';
import { nodeIdentity } from '../../../core/kubelet/kubelet-part.js';
import { Kubelet } from '../../../core/kubelet/kubelet.js';
import { KubeletFixture, testContainer, testHost, testSettings } from '../../support/kubelet-fixture.js';

describe('another kubelet on the same runtime', () => {
  let fixture: KubeletFixture;
  afterEach(() => fixture.stop());

  it('adopts what runs: nothing restarts, nothing turns unready', async () => {
    fixture = new KubeletFixture();
    await fixture.start();
    const readinessProbe = { httpGet: { path: '/', port: 80 }, initialDelaySeconds: 30 };
    const startupProbe = { tcpSocket: { port: 80 } };
    const before = await fixture.createPod('web', { containers: [testContainer('web', { readinessProbe, startupProbe })] });
    await fixture.advance(60);
    const ready = (await fixture.pod('web')).status;
    expect(ready.containerStatuses![0]).toMatchObject({ ready: true, started: true });
    await fixture.kubelet.stop();
    expect((await fixture.runtime.listContainers())[0]?.state).toBe('running');
    const writes = fixture.transport.writes().filter(write => write === 'patch pods/status').length;
    fixture.kubelet = fixture.newKubelet();
    await fixture.start();
    await fixture.advance(60);
    const after = await fixture.pod('web');
    expect(after.status).toEqual(ready);
    expect(after.status.podIP).toBe(before.status.podIP ?? ready.podIP);
    expect(fixture.transport.writes().filter(write => write === 'patch pods/status')).toHaveLength(writes);
    expect(fixture.recorder.lines('Started')).toHaveLength(1);
  });

  it('goes on with what ended meanwhile, and with what was deleted', async () => {
    fixture = new KubeletFixture();
    await fixture.start();
    await fixture.createPod('web');
    await fixture.createPod('going');
    await fixture.kubelet.stop();
    fixture.runtime.control.exit({ pod: 'web' }, 9);
    await fixture.deletePod('going');
    fixture.kubelet = fixture.newKubelet();
    await fixture.start();
    expect((await fixture.pod('web')).status.containerStatuses![0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 9 } },
      state: { running: {} },
    });
    expect(await fixture.exists('going')).toBe(false);
  });

  it('removes what nobody knows any more, also where that fails at first', async () => {
    fixture = new KubeletFixture();
    await fixture.start();
    await fixture.createPod('going');
    await fixture.kubelet.stop();
    await fixture.deletePod('going', 0);
    fixture.runtime.control.failNext('stopContainer', new Error('the runtime is away'), 2);
    fixture.kubelet = fixture.newKubelet();
    await fixture.start();
    await fixture.advance(10);
    expect((await fixture.runtime.listContainers()).map(({ state }) => state)).toEqual(['running']);
    await fixture.advance(20);
    // Its grace.
    await fixture.advance(30);
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
    expect(await fixture.runtime.listContainers()).toEqual([]);
  });

  it('takes the logs of a pod that was deleted meanwhile, and those of nobody else', async () => {
    fixture = new KubeletFixture();
    const status = await fixture.runtime.status();
    fixture.runtime.status = () => Promise.resolve({ ...status, onHost: true });
    const directory = await mkdtemp(join(tmpdir(), 'kubelet-'));
    const podLogsDir = join(directory, 'logs');
    const settings = { ...testSettings('node-a'), podLogsDir, rootDir: join(directory, 'root'), containerLogsDir: directory };
    const newKubelet = (): Kubelet =>
      new Kubelet({
        settings,
        staticPods: false,
        client: new Client(fixture.transport, nodeIdentity('node-a')),
        runtime: fixture.runtime,
        recorder: fixture.recorder,
        clock: fixture.clock,
        logger: silentLogger,
        hostFacts: () => Promise.resolve(testHost),
        cgroups: () => Promise.reject(new Error('none here')),
      });
    const until = async (met: () => boolean | Promise<boolean>): Promise<void> => {
      for (let turn = 0; !(await met()); turn++) {
        if (turn === 1000) throw new Error('it did not come about');
        await fixture.settle();
      }
    };
    try {
      fixture.kubelet = newKubelet();
      await fixture.start();
      const { metadata } = await fixture.createPod('web');
      await until(async () => (await fixture.pod('web')).status.phase === 'Running');
      const own = `default_web_${metadata.uid}`;
      for (const name of [own, 'default_other_1']) await mkdir(join(podLogsDir, name), { recursive: true });
      await fixture.kubelet.stop();
      await fixture.deletePod('web', 0);
      fixture.kubelet = newKubelet();
      await fixture.start();
      await until(() => !existsSync(join(podLogsDir, own)));
      expect(await fixture.runtime.listSandboxes()).toEqual([]);
      expect(await readdir(podLogsDir)).toEqual(['default_other_1']);
      await fixture.kubelet.stop();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('starts 1,000 pods in no time', async () => {
    fixture = new KubeletFixture();
    const wide = { 'pod-cidr': '10.42.0.0/16', pods: 2000, cpu: '4000', memory: '4Ti' };
    const { SimulatedRuntime } = await import('../../../plugins/container-runtime/simulated/simulated-runtime.js');
    Object.assign(fixture, {
      runtime: new SimulatedRuntime({ clock: fixture.clock, nodeName: 'node-a', clusterCidrs: ['10.42.0.0/16'], ...wide }),
    });
    fixture.kubelet = fixture.newKubelet();
    await fixture.start();
    const pods = fixture.client.resource(Pods, 'default');
    const watch = new SystemClock();
    const startedMs = watch.monotonicMs();
    const template = await fixture.createPod('template');
    for (let index = 0; index < 1000; index++) {
      await pods.create({
        ...template,
        metadata: { name: `pod-${index}`, namespace: 'default' },
        status: {},
      });
    }
    const running = async () => (await pods.objects()).filter(({ status }) => status.phase === 'Running').length;
    for (let turn = 0; turn < 1000 && (await running()) < 1001; turn++) await fixture.settle();
    expect(await running()).toBe(1001);
    expect(watch.monotonicMs() - startedMs).toBeLessThan(10_000);
  });
});
