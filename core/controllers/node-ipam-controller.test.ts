import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Nodes } from '../api/generated/resources.js';
import type { Node } from '../api/generated/types.js';
import { CidrSet } from './cidr-set.js';
import { nodeIpamController } from './node-ipam-controller.js';
import { fakeEnvironment } from './testing/environment.js';
import { ControllerHarness } from './testing/harness.js';

describe('node IPAM', () => {
  let harness: ControllerHarness;
  const create = async (name: string, podCIDRs?: string[]) => {
    const spec = podCIDRs ? { podCIDR: podCIDRs[0], podCIDRs } : {};
    await harness.resource(Nodes).create({ metadata: { name }, spec } as unknown as Node);
    await harness.settle();
  };
  const ranges = async (name: string) => (await harness.resource(Nodes).get(name)).spec.podCIDRs;

  beforeEach(() => {
    harness = new ControllerHarness();
  });
  afterEach(() => harness.stop());

  it('gives every node a range of each family, none twice, and those of gone nodes again', async () => {
    harness.environment = { ...fakeEnvironment(), clusterCidrs: ['10.42.0.0/22', 'fd00:42::/62'] };
    await create('old', ['10.42.1.0/24', 'fd00:42:0:1::/64']);
    await harness.start(nodeIpamController.create);
    for (const name of ['a', 'b', 'c', 'd']) await create(name);
    expect(await ranges('a')).toEqual(['10.42.0.0/24', 'fd00:42::/64']);
    expect((await harness.resource(Nodes).get('a')).spec.podCIDR).toBe('10.42.0.0/24');
    expect(await ranges('b')).toEqual(['10.42.2.0/24', 'fd00:42:0:2::/64']);
    expect(await ranges('c')).toEqual(['10.42.3.0/24', 'fd00:42:0:3::/64']);
    expect(await ranges('d')).toBeUndefined();
    expect(harness.events('CIDRNotAvailable')[0]).toBe('CIDRNotAvailable Node d status is now: CIDRNotAvailable');
    await harness.resource(Nodes).delete('old');
    await harness.advance(60_000);
    expect(await ranges('d')).toEqual(['10.42.1.0/24', 'fd00:42:0:1::/64']);
  });

  it('gives ranges of the size that the user wants', async () => {
    const tuning = { nodeCidrMaskSizes: { 4: 26 } };
    harness.environment = { ...fakeEnvironment(), clusterCidrs: ['10.42.0.0/24', 'fd00:42::/62'], tuning };
    await harness.start(nodeIpamController.create);
    for (const name of ['a', 'b']) await create(name);
    expect(await ranges('b')).toEqual(['10.42.0.64/26', 'fd00:42:0:1::/64']);
  });

  it('keeps clear of the ranges of Services', async () => {
    harness.environment = { ...fakeEnvironment(), clusterCidrs: ['10.42.0.0/16'], serviceCidrs: ['10.42.0.0/20'] };
    await harness.start(nodeIpamController.create);
    await create('a');
    expect(await ranges('a')).toEqual(['10.42.16.0/24']);
  });

  it('counts in sets of any size', () => {
    const set = new CidrSet('10.42.0.0/23', 24);
    expect(set.count).toBe(2);
    expect([set.allocate(), set.allocate(), set.allocate()]).toEqual(['10.42.0.0/24', '10.42.1.0/24', undefined]);
    set.release('10.42.0.0/24');
    expect(set.allocate()).toBe('10.42.0.0/24');
    expect(set.occupy('192.168.0.0/24')).toBe(false);
    expect(new CidrSet('10.0.0.0/26', 24).allocate()).toBe('10.0.0.0/26');
    expect(() => new CidrSet('nonsense', 24)).toThrow('"nonsense" is no range of addresses');
  });
});
