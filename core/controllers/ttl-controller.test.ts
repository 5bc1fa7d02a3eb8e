import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Nodes } from '../api/generated/resources.js';
import type { Node } from '../api/generated/types.js';
import { ControllerHarness } from './testing/harness.js';
import { ttlController } from './ttl-controller.js';

describe('how long kubelets may keep what they read', () => {
  let harness: ControllerHarness;
  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.start(ttlController);
  });
  afterEach(() => harness.stop());

  const add = async (from: number, upTo: number): Promise<void> => {
    for (let index = from; index < upTo; index++) {
      await harness.resource(Nodes).create({ metadata: { name: `n${index}` } } as unknown as Node);
    }
    await harness.settle();
  };
  const told = async (): Promise<string[]> => {
    const nodes = await harness.resource(Nodes).objects();
    return [...new Set(nodes.map(({ metadata }) => metadata.annotations?.['node.alpha.kubernetes.io/ttl'] ?? 'nothing'))];
  };

  it('grows with the cluster, and shrinks with it a little later', async () => {
    await add(0, 100);
    expect(await told()).toEqual(['0']);
    await add(100, 101);
    expect(await told()).toEqual(['15']);
    const remove = async (from: number, upTo: number): Promise<void> => {
      for (let index = from; index < upTo; index++) await harness.resource(Nodes).delete(`n${index}`);
      await harness.settle();
    };
    await remove(0, 11);
    expect(await told()).toEqual(['15']);
    await remove(11, 12);
    expect(await told()).toEqual(['0']);
  });

  it('puts back what somebody changed', async () => {
    await add(0, 1);
    await harness.resource(Nodes).patch('n0', 'merge', { metadata: { annotations: { 'node.alpha.kubernetes.io/ttl': '9' } } });
    await harness.settle();
    expect(await told()).toEqual(['0']);
  });
});
