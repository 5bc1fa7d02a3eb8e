import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PersistentVolumeClaims, PersistentVolumes, VolumeAttributesClasses } from '../api/generated/resources.js';
import type { PersistentVolume, PersistentVolumeClaim, VolumeAttributesClass } from '../api/generated/types.js';
import { ControllerHarness } from './testing/harness.js';
import { attributesClassProtectionController } from './volume-protection-controllers.js';

describe('protection of volume attributes classes', () => {
  let harness: ControllerHarness;
  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.start(attributesClassProtectionController);
    await harness.resource(VolumeAttributesClasses).create({ metadata: { name: 'gold' } } as unknown as VolumeAttributesClass);
    await harness.settle();
  });
  afterEach(() => harness.stop());

  const classes = () => harness.resource(VolumeAttributesClasses);
  const remove = async (): Promise<string[]> => {
    await classes().delete('gold');
    await harness.settle();
    return (await classes().objects()).map(({ metadata }) => metadata.name!);
  };

  it('lets one go that nobody uses', async () => {
    expect((await classes().get('gold')).metadata.finalizers).toEqual(['kubernetes.io/vac-protection']);
    expect(await remove()).toEqual([]);
  });

  it.each([
    ['wants it', { spec: { volumeAttributesClassName: 'gold' } }],
    ['has it', { spec: { volumeAttributesClassName: 'silver' }, status: { currentVolumeAttributesClassName: 'gold' } }],
    [
      'changes to it',
      { spec: {}, status: { modifyVolumeStatus: { targetVolumeAttributesClassName: 'gold', status: 'Pending' } } },
    ],
  ])('keeps one while a claim %s', async (_what, more) => {
    const claims = harness.resource(PersistentVolumeClaims);
    const claim = await claims.create({ metadata: { name: 'data' }, ...more } as unknown as PersistentVolumeClaim);
    await claims.updateStatus('data', { ...claim, ...more } as PersistentVolumeClaim);
    await harness.settle();
    expect(await remove()).toEqual(['gold']);
    await claims.delete('data');
    await harness.settle();
    expect(await classes().objects()).toEqual([]);
  });

  it('keeps one while a volume names it', async () => {
    const volumes = harness.resource(PersistentVolumes);
    const volume = { metadata: { name: 'disk' }, spec: { volumeAttributesClassName: 'gold' } };
    await volumes.create(volume as unknown as PersistentVolume);
    await harness.settle();
    expect(await remove()).toEqual(['gold']);
    await volumes.patch('disk', 'merge', { spec: { volumeAttributesClassName: 'silver' } });
    await harness.settle();
    expect(await classes().objects()).toEqual([]);
  });
});
