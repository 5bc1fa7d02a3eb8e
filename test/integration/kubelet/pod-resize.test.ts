import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods } from '../../../core/api/generated/resources.js';
import type { Container, Pod, ResourceRequirements } from '../../../core/api/generated/types.js';
import type { LinuxResources } from '../../../core/contracts/container-runtime.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

describe('in-place resize', () => {
  let fixture: KubeletFixture;
  let updates: LinuxResources[];

  beforeEach(async () => {
    fixture = new KubeletFixture();
    updates = [];
    const { runtime } = fixture;
    const original = runtime.updateContainerResources.bind(runtime);
    runtime.updateContainerResources = async (id: string, resources?: LinuxResources) => {
      updates.push(resources!);
      await original(id);
    };
    await fixture.start();
  });
  afterEach(() => fixture.stop());

  const resources = (cpu: string, memory: string): ResourceRequirements => ({
    requests: { cpu, memory },
    limits: { cpu, memory },
  });

  async function resize(name: string, wanted: ResourceRequirements): Promise<Pod> {
    const pods = fixture.client.resource(Pods, 'default');
    const pod = await fixture.pod(name);
    const containers = pod.spec.containers.map(own => ({ ...own, resources: wanted }));
    await pods.update(name, { ...pod, spec: { ...pod.spec, containers } });
    await fixture.settle();
    return fixture.pod(name);
  }

  const start = (name: string, container: Partial<Container>) =>
    fixture.createPod(name, { containers: [testContainer('web', container)] });

  const condition = (pod: Pod, type: string) => pod.status.conditions?.find(own => own.type === type);

  it('changes a running container, and says so', async () => {
    await start('a', { resources: resources('100m', '64Mi') });
    const before = (await fixture.pod('a')).status.containerStatuses![0]!;
    const pod = await resize('a', resources('200m', '128Mi'));
    expect(updates).toEqual([
      { cpuShares: 204, cpuPeriodMicros: 100_000, cpuQuotaMicros: 20_000, memoryLimitBytes: 128 * 1024 ** 2 },
    ]);
    const status = pod.status.containerStatuses![0]!;
    expect(status).toMatchObject({ containerID: before.containerID, restartCount: 0, resources: resources('200m', '128Mi') });
    expect(status.allocatedResources).toEqual({ cpu: '200m', memory: '128Mi' });
    expect(condition(pod, 'PodResizePending')).toBeUndefined();
    expect(condition(pod, 'PodResizeInProgress')).toBeUndefined();
    expect(fixture.recorder.lines('ResizeCompleted')).toHaveLength(1);
  });

  it('restarts a container that wants it so', async () => {
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
    await start('a', { resources: resources('100m', '64Mi'), resizePolicy });
    await resize('a', resources('100m', '128Mi'));
    await fixture.advance(40);
    const pod = await fixture.pod('a');
    expect(updates).toEqual([]);
    expect(pod.status.containerStatuses![0]).toMatchObject({ restartCount: 1, resources: resources('100m', '128Mi') });
    expect(fixture.recorder.lines('Killing')).toEqual(['Killing Container web resize requires restart']);
  });

  it('refuses for good what the node never has, and goes on with what it had', async () => {
    await start('a', { resources: resources('100m', '64Mi') });
    const pod = await resize('a', resources('1k', '64Mi'));
    expect(condition(pod, 'PodResizePending')).toMatchObject({ status: 'True', reason: 'Infeasible' });
    expect(pod.status.containerStatuses![0]!.resources).toEqual(resources('100m', '64Mi'));
    expect(updates).toEqual([]);
    const back = await resize('a', resources('100m', '64Mi'));
    expect(condition(back, 'PodResizePending')).toBeUndefined();
  });

  it('defers until there is room', async () => {
    const { allocatable } = (await fixture.node()).status!;
    const cpus = Number(allocatable!['cpu']);
    await start('big', { resources: resources(String(cpus - 1), '64Mi') });
    await start('a', { resources: resources('500m', '64Mi') });
    const pod = await resize('a', resources('2', '64Mi'));
    expect(condition(pod, 'PodResizePending')).toMatchObject({
      reason: 'Deferred',
      message: `Node didn't have enough resource: cpu, requested: 2000, used: ${(cpus - 1) * 1000}, capacity: ${cpus * 1000}`,
    });
    await fixture.deletePod('big', 0);
    await fixture.advance(61);
    expect(condition(await fixture.pod('a'), 'PodResizePending')).toBeUndefined();
    expect(updates).toHaveLength(1);
  });
});
