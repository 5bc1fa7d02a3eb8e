import { describe, expect, it } from '@jest/globals';
import { Nodes } from '../../../core/api/generated/resources.js';
import { Client } from '../../../core/client/client.js';
import { Kubelet } from '../../../core/kubelet/kubelet.js';
import { nodeIdentity } from '../../../core/kubelet/kubelet-part.js';
import { silentLogger } from '../../../core/base/logger.js';
import { SimulatedRuntime } from '../../../plugins/container-runtime/simulated/simulated-runtime.js';
import { KubeletFixture, testHost, testSettings } from '../../support/kubelet-fixture.js';

describe('kubelets in one process', () => {
  it('run their own pods only', async () => {
    const fixture = new KubeletFixture('node-a');
    const { clock, recorder, transport } = fixture;
    const other = new SimulatedRuntime({ clock, nodeName: 'node-b', clusterCidrs: ['10.42.0.0/16'] });
    const second = new Kubelet({
      settings: testSettings('node-b'),
      client: new Client(transport, nodeIdentity('node-b')),
      runtime: other,
      recorder,
      clock,
      logger: silentLogger,
      hostFacts: () => Promise.resolve(testHost),
    });
    await fixture.start();
    await second.start();
    await fixture.client
      .resource(Nodes)
      .patch('node-b', 'merge', { spec: { podCIDR: '10.42.9.0/24', podCIDRs: ['10.42.9.0/24'] } });
    await fixture.settle();
    const one = await fixture.createPod('one');
    const two = await fixture.createPod('two', { nodeName: 'node-b' });
    expect([one.status.podIP, two.status.podIP]).toEqual(['10.42.0.2', '10.42.9.2']);
    expect((await other.listContainers()).length).toBe(1);
    expect((await fixture.runtime.listContainers()).length).toBe(1);
    await second.stop();
    await fixture.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
