import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods } from '../../../core/api/generated/resources.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

/** What comes at the wrong moment: deletions while something starts, restarts while something ends. */
describe('the kubelet', () => {
  let fixture: KubeletFixture;
  let stopped: boolean;
  beforeEach(async () => {
    stopped = false;
    fixture = new KubeletFixture();
    await fixture.start();
  });
  afterEach(async () => {
    if (!stopped) await fixture.stop();
  });

  const restart = async (): Promise<void> => {
    await fixture.kubelet.stop();
    fixture.kubelet = fixture.newKubelet();
    await fixture.start();
  };

  it('ends a pod, and itself, while a postStart hook never comes to an end', async () => {
    fixture.runtime.execSync = () => new Promise(() => undefined);
    const hook = { postStart: { exec: { command: ['wait'] } } };
    const containers = [testContainer('web', { lifecycle: hook })];
    await fixture.createPod('web', { containers });
    await fixture.deletePod('web', 5);
    await fixture.advance(5);
    expect(await fixture.exists('web')).toBe(false);
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
    expect(fixture.recorder.lines('FailedPostStartHook')).toEqual([]);
    await fixture.createPod('again', { containers });
    stopped = true;
    await fixture.kubelet.stop();
    expect((await fixture.runtime.listContainers()).map(({ state }) => state)).toEqual(['running']);
    fixture.runtime.stop();
  });

  it('takes one of two pods that come at once and do not both fit', async () => {
    const ports = [{ containerPort: 80, hostPort: 8080 }];
    const containers = [testContainer('web', { ports })];
    stopped = true;
    await fixture.kubelet.stop();
    for (const name of ['first', 'second', 'third']) await fixture.createPod(name, { containers });
    fixture.kubelet = fixture.newKubelet();
    stopped = false;
    await fixture.start();
    const pods = await Promise.all(['first', 'second', 'third'].map(name => fixture.pod(name)));
    expect(pods.map(({ status }) => status.reason ?? status.phase)).toEqual(['Running', 'NodePorts', 'NodePorts']);
  });

  it('goes on pulling an image for one pod when the other that wanted it is deleted', async () => {
    fixture.runtime.control.setPullMs(10_000);
    const containers = [testContainer('web', { image: 'some/thing:1' })];
    await fixture.createPod('first', { containers });
    await fixture.createPod('second', { containers });
    await fixture.advance(2);
    await fixture.deletePod('first', 1);
    expect(await fixture.exists('first')).toBe(false);
    await fixture.advance(8);
    expect((await fixture.pod('second')).status.phase).toBe('Running');
    expect(fixture.recorder.lines('Failed')).toEqual([]);
  });

  it('gives up pulling an image that nobody wants any more, and says nothing against it', async () => {
    fixture.runtime.control.setPullMs(10_000);
    await fixture.createPod('web', { containers: [testContainer('web', { image: 'some/thing:1' })] });
    await fixture.deletePod('web', 1);
    await fixture.advance(10);
    expect((await fixture.runtime.listImages()).flatMap(({ tags }) => tags)).not.toContain('docker.io/some/thing:1');
    expect(fixture.recorder.lines('Failed')).toEqual([]);
  });

  it('tells the addresses of a pod that has ended', async () => {
    await fixture.createPod('web', { restartPolicy: 'Never' });
    const { podIP, podIPs } = (await fixture.pod('web')).status;
    expect(podIP).toMatch(/^10\.42\.0\./);
    fixture.runtime.control.exit({ pod: 'web' }, 0);
    await fixture.settle();
    expect((await fixture.pod('web')).status).toMatchObject({ phase: 'Succeeded', podIP, podIPs });
    await restart();
    expect((await fixture.pod('web')).status).toMatchObject({ phase: 'Succeeded', podIP, podIPs });
  });

  it('runs preStop once when it finds a pod ending, and goes on saying that it is ready', async () => {
    let runs = 0;
    fixture.runtime.control.setExec({ pod: 'web' }, () => {
      runs++;
      return { exitCode: 0 };
    });
    const lifecycle = { preStop: { exec: { command: ['drain'] } } };
    const readinessProbe = { httpGet: { path: '/', port: 80 }, periodSeconds: 5, failureThreshold: 1 };
    await fixture.createPod(
      'web',
      { containers: [testContainer('web', { lifecycle, readinessProbe })] },
      { annotations: { 'simulated.k3s.io/stop-seconds': '20' } },
    );
    await fixture.advance(1);
    await fixture.deletePod('web');
    expect(runs).toBe(1);
    await restart();
    expect(runs).toBe(2);
    await fixture.client.resource(Pods, 'default').patch('web', 'merge', { metadata: { labels: { seen: 'yes' } } });
    await fixture.settle();
    expect(runs).toBe(2);
    expect((await fixture.pod('web')).status.containerStatuses![0]).toMatchObject({ ready: true, state: { running: {} } });
    fixture.runtime.control.setProbe({ pod: 'web' }, { ok: false, output: 'draining' });
    await fixture.advance(5);
    expect((await fixture.pod('web')).status.containerStatuses![0]!.ready).toBe(false);
    await fixture.advance(25);
    expect(await fixture.exists('web')).toBe(false);
  });

  it('runs preStop of a pod that is to have no grace, for a second', async () => {
    const order: string[] = [];
    fixture.runtime.control.setExec({ pod: 'web' }, () => {
      order.push('preStop');
      return { exitCode: 0 };
    });
    const lifecycle = { preStop: { exec: { command: ['drain'] } } };
    const containers = [testContainer('web', { lifecycle })];
    await fixture.createPod('web', { terminationGracePeriodSeconds: 0, containers });
    await fixture.deletePod('web');
    await fixture.advance(2);
    expect(order).toEqual(['preStop']);
    expect(await fixture.runtime.listSandboxes()).toEqual([]);
  });

  it('touches nothing that runs before it knows which pods there are to be', async () => {
    await fixture.createPod('web', { restartPolicy: 'Never', containers: [testContainer('web'), testContainer('other')] });
    await fixture.kubelet.stop();
    fixture.transport.reactors.push(({ verb, resource }) => {
      if (resource === 'services' && (verb === 'list' || verb === 'watch')) throw new Error('not yet');
    });
    fixture.kubelet = fixture.newKubelet();
    await fixture.start();
    // It does not wait for ever to run static pods.
    await fixture.advance(11);
    fixture.runtime.control.exit({ pod: 'web', container: 'other' }, 0);
    await fixture.settle();
    const states = (await fixture.runtime.listContainers()).map(({ name, state }) => `${name} ${state}`);
    expect(states.sort()).toEqual(['other exited', 'web running']);
    fixture.transport.reactors.length = 0;
    await fixture.advance(40);
    expect((await fixture.pod('web')).status).toMatchObject({
      phase: 'Running',
      containerStatuses: [{ state: { terminated: { exitCode: 0 } } }, { state: { running: {} } }],
    });
  });

  it('stops though the API does not take what it has to tell', async () => {
    await fixture.createPod('web');
    fixture.transport.reactors.push(({ subresource }) => {
      if (subresource === 'status') throw new Error('connection refused');
    });
    fixture.runtime.control.exit({ pod: 'web' }, 1);
    await fixture.settle();
    stopped = true;
    await fixture.stop();
    expect(fixture.clock.pendingTimers).toBe(0);
  });
});
