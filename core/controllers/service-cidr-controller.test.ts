import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { IPAddresses, ServiceCIDRs } from '../api/generated/resources.js';
import type { IPAddress, ServiceCIDR } from '../api/generated/types.js';
import { serviceCidrController } from './service-cidr-controller.js';
import { ControllerHarness } from './testing/harness.js';

describe('ranges of Service addresses', () => {
  let harness: ControllerHarness;
  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.start(serviceCidrController);
  });
  afterEach(() => harness.stop());

  const ranges = () => harness.resource(ServiceCIDRs);
  const create = async (name: string, ...cidrs: string[]): Promise<void> => {
    await ranges().create({ metadata: { name }, spec: { cidrs } } as unknown as ServiceCIDR);
    await harness.settle();
  };
  const takeAddress = (
    name: string,
    labels: object = { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' },
  ): Promise<IPAddress> => harness.resource(IPAddresses).create({ metadata: { name, labels } } as unknown as IPAddress);
  const remove = async (name: string): Promise<void> => {
    await ranges().delete(name);
    await harness.advance(11_000);
  };
  const names = async (): Promise<string[]> => (await ranges().objects()).map(({ metadata }) => metadata.name!).sort();
  const condition = async (name: string): Promise<object | undefined> => (await ranges().get(name)).status?.conditions?.[0];

  it('says that a range is ready, and protects it', async () => {
    await create('extra', '10.50.0.0/24');
    expect((await ranges().get('extra')).metadata.finalizers).toEqual(['networking.k8s.io/service-cidr-finalizer']);
    expect(await condition('extra')).toMatchObject({
      type: 'Ready',
      status: 'True',
      message: 'Kubernetes Service CIDR is ready',
    });
    const writes = harness.transport.writes().length;
    await harness.advance(60_000);
    expect(harness.transport.writes()).toHaveLength(writes);
  });

  it('lets an unused range go, but not before every server may know', async () => {
    await create('extra', '10.50.0.0/24');
    await takeAddress('10.51.0.1');
    await takeAddress('10.50.0.9', {});
    await ranges().delete('extra');
    await harness.advance(8000);
    expect(await names()).toEqual(['extra']);
    await harness.advance(3000);
    expect(await names()).toEqual([]);
  });

  it('keeps a range as long as a Service has an address of it', async () => {
    await create('extra', '10.50.0.0/24', 'fd00::/112');
    await takeAddress('fd00::5');
    await remove('extra');
    expect(await condition('extra')).toMatchObject({
      status: 'False',
      reason: 'Terminating',
      message: 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
    });
    await harness.resource(IPAddresses).delete('fd00::5');
    await harness.advance(11_000);
    expect(await names()).toEqual([]);
  });

  it.each(['10.50.0.0/24', '10.50.0.0/16'])('lets a range go whose addresses are in %s too', async other => {
    await create('extra', '10.50.0.0/24');
    await create('other', other);
    await takeAddress('10.50.0.9');
    await remove('extra');
    expect(await names()).toEqual(['other']);
  });

  it('lets a range go when another comes that has its addresses', async () => {
    await create('extra', '10.50.0.0/24');
    await takeAddress('10.50.0.9');
    await remove('extra');
    expect(await names()).toEqual(['extra']);
    await create('smaller', '10.50.0.0/28');
    await harness.advance(11_000);
    expect(await names()).toEqual(['smaller']);
  });

  it('does not let two ranges that both go take each other for the one that stays', async () => {
    await create('one', '10.50.0.0/24');
    await create('two', '10.50.0.0/24');
    await takeAddress('10.50.0.9');
    await ranges().delete('one');
    await remove('two');
    expect(await names()).toEqual(['one', 'two']);
  });
});
