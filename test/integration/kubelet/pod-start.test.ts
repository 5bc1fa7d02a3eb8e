import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Leases, Nodes } from '../../../core/api/generated/resources.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

describe('a kubelet on a simulated runtime', () => {
  let fixture: KubeletFixture;
  beforeEach(async () => {
    fixture = new KubeletFixture();
    await fixture.start();
  });
  afterEach(() => fixture.stop());

  it('registers its node', async () => {
    const node = await fixture.node();
    expect(node.metadata.labels).toMatchObject({
      'kubernetes.io/hostname': 'node-a',
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'amd64',
      'node.kubernetes.io/instance-type': 'k3s',
      tier: 'edge',
    });
    expect(node.status.conditions!.map(({ type, status, reason }) => [type, status, reason])).toEqual([
      ['MemoryPressure', 'False', 'KubeletHasSufficientMemory'],
      ['DiskPressure', 'False', 'KubeletHasNoDiskPressure'],
      ['PIDPressure', 'False', 'KubeletHasSufficientPID'],
      ['Ready', 'True', 'KubeletReady'],
    ]);
    expect(node.status.addresses).toEqual([
      { type: 'InternalIP', address: '192.0.2.10' },
      { type: 'Hostname', address: 'node-a' },
    ]);
    expect(node.status.capacity).toMatchObject({ cpu: '32', memory: '256Gi', pods: '250' });
    expect(node.status.nodeInfo).toMatchObject({
      containerRuntimeVersion: 'simulated://1.0.0',
      kubeletVersion: 'v1.36.3+k3s-ts',
    });
    expect(node.status.daemonEndpoints.kubeletEndpoint.Port).toBe(10250);
  });

  it('renews its lease every 10 s, and writes its status only every 5 minutes', async () => {
    const lease = () => fixture.client.resource(Leases, 'kube-node-lease').get('node-a');
    const before = await lease();
    expect(before.spec).toMatchObject({ holderIdentity: 'node-a', leaseDurationSeconds: 40 });
    const writesBefore = fixture.transport.writes().filter(write => write === 'patch nodes/status').length;
    for (let round = 0; round < 29; round++) await fixture.advance(10);
    expect((await lease()).spec.renewTime).not.toBe(before.spec.renewTime);
    const writes = () => fixture.transport.writes().filter(write => write === 'patch nodes/status').length - writesBefore;
    expect(writes()).toBe(0);
    await fixture.advance(10);
    expect(writes()).toBe(1);
  });

  it('tells when the node is cordoned', async () => {
    const nodes = fixture.client.resource(Nodes);
    await nodes.patch('node-a', 'merge', { spec: { unschedulable: true } });
    await fixture.settle();
    await nodes.patch('node-a', 'merge', { spec: { unschedulable: null } });
    await fixture.settle();
    expect(fixture.recorder.lines().slice(-2)).toEqual([
      'NodeNotSchedulable Node node-a status is now: NodeNotSchedulable',
      'NodeSchedulable Node node-a status is now: NodeSchedulable',
    ]);
  });

  it('runs a pod and says so', async () => {
    const pod = await fixture.createPod('web', {
      containers: [testContainer('web', { resources: { requests: { cpu: '100m' } } })],
    });
    expect(pod.status).toMatchObject({
      phase: 'Running',
      hostIP: '192.0.2.10',
      hostIPs: [{ ip: '192.0.2.10' }],
      podIP: '10.42.0.2',
      podIPs: [{ ip: '10.42.0.2' }],
      qosClass: 'Burstable',
      observedGeneration: 1,
      startTime: '2026-01-01T00:00:00Z',
    });
    expect(pod.status.conditions!.map(({ type, status }) => [type, status])).toEqual([
      ['PodReadyToStartContainers', 'True'],
      ['Initialized', 'True'],
      ['Ready', 'True'],
      ['ContainersReady', 'True'],
      ['PodScheduled', 'True'],
    ]);
    const status = pod.status.containerStatuses![0]!;
    expect(status).toMatchObject({
      name: 'web',
      ready: true,
      started: true,
      restartCount: 0,
      image: 'docker.io/library/nginx:latest',
      state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
      lastState: {},
    });
    expect(status.imageID).toMatch(/^docker\.io\/library\/nginx@sha256:[0-9a-f]{64}$/);
    expect(status.containerID).toMatch(/^simulated:\/\/[0-9a-f]{64}$/);
    expect(
      fixture.recorder.events.filter(({ reference }) => reference.name === 'web').map(e => [e.type, e.reason, e.message]),
    ).toEqual([
      ['Normal', 'Pulling', 'Pulling image "nginx"'],
      ['Normal', 'Pulled', 'Successfully pulled image "nginx" in 0s (0s including waiting). Image size: 10000000 bytes.'],
      ['Normal', 'Created', 'Container created'],
      ['Normal', 'Started', 'Container started'],
    ]);
    expect(fixture.recorder.events.at(-1)!.reference.fieldPath).toBe('spec.containers{web}');
  });
});
