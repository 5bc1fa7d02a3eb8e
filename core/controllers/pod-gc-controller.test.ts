import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Nodes, Pods } from '../api/generated/resources.js';
import type { Node, Pod } from '../api/generated/types.js';
import { createPodGcController } from './pod-gc-controller.js';
import { ControllerHarness } from './testing/harness.js';

describe('pod garbage collector', () => {
  let harness: ControllerHarness;
  const create = (name: string, spec: object, status: object = { phase: 'Running' }, metadata: object = {}) =>
    harness
      .resource(Pods)
      .create({ metadata: { name, ...metadata }, spec: { containers: [], ...spec }, status } as unknown as Pod);
  const names = async () => (await harness.resource(Pods).objects()).map(pod => pod.metadata.name);

  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.resource(Nodes).create({ metadata: { name: 'node' }, spec: {} } as unknown as Node);
    await harness.start(context => createPodGcController(context, 2));
  });
  afterEach(() => harness.stop());

  it('deletes pods of nodes that are gone, after a quarantine', async () => {
    await create('lost', { nodeName: 'gone' }, { phase: 'Running' }, { finalizers: ['example.com/keep'] });
    await create('kept', { nodeName: 'node' });
    await harness.advance(20_000);
    await harness.advance(20_000);
    expect((await harness.resource(Pods).get('lost')).metadata.deletionTimestamp).toBeUndefined();
    await harness.advance(20_000);
    const lost = await harness.resource(Pods).get('lost');
    expect(lost.metadata.deletionTimestamp).toBeDefined();
    expect(lost.status).toMatchObject({
      phase: 'Failed',
      conditions: [
        { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' },
      ],
    });
    expect(await names()).toEqual(['lost', 'kept']);
  });

  it('deletes pods that are deleted and have no node, and those of nodes out of service', async () => {
    await create('unbound', {}, { phase: 'Pending' }, { finalizers: ['example.com/keep'] });
    await harness.resource(Pods).delete('unbound');
    await create('stuck', { nodeName: 'node' });
    await harness.resource(Pods).delete('stuck');
    await harness.advance(20_000);
    expect((await harness.resource(Pods).get('unbound')).status.phase).toBe('Failed');
    expect(await names()).toEqual(['unbound', 'stuck']);
    const taints = [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }];
    await harness.resource(Nodes).patch('node', 'merge', { spec: { taints } });
    await harness.advance(20_000);
    expect(await names()).toEqual(['unbound']);
  });

  it('deletes finished pods beyond the threshold: evicted ones first, then the oldest', async () => {
    await create('old', { nodeName: 'node' }, { phase: 'Succeeded' });
    await harness.clock.advance(2000);
    await create('young', { nodeName: 'node' }, { phase: 'Failed' });
    await create('evicted', { nodeName: 'node' }, { phase: 'Failed', reason: 'Evicted' });
    await create('younger', { nodeName: 'node' }, { phase: 'Succeeded' });
    await harness.advance(20_000);
    // The fake gives bound pods a grace, so being deleted is what can be seen.
    const deleted = (await harness.resource(Pods).objects()).filter(pod => pod.metadata.deletionTimestamp);
    expect(deleted).toEqual([]);
    expect(await names()).toEqual(['young', 'younger']);
  });
});
