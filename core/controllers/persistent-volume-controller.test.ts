import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PersistentVolumeClaims, PersistentVolumes, Pods, StorageClasses } from '../api/generated/resources.js';
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../api/generated/types.js';
import { ephemeralVolumeController } from './ephemeral-volume-controller.js';
import { persistentVolumeController } from './persistent-volume-controller.js';
import { ControllerHarness } from './testing/harness.js';
import { claimProtectionController, volumeProtectionController } from './volume-protection-controllers.js';

describe('persistent volumes', () => {
  let harness: ControllerHarness;
  const claims = () => harness.resource(PersistentVolumeClaims);
  const volumes = () => harness.resource(PersistentVolumes);
  const createVolume = async (name: string, size: string, spec: object = {}, metadata: object = {}) => {
    await volumes().create({
      metadata: { name, ...metadata },
      spec: { capacity: { storage: size }, accessModes: ['ReadWriteOnce'], persistentVolumeReclaimPolicy: 'Retain', ...spec },
    } as unknown as PersistentVolume);
    await harness.settle();
  };
  const createClaim = async (name: string, size: string, spec: object = {}, metadata: object = {}) => {
    await claims().create({
      metadata: { name, ...metadata },
      spec: { resources: { requests: { storage: size } }, accessModes: ['ReadWriteOnce'], storageClassName: '', ...spec },
    } as unknown as PersistentVolumeClaim);
    await harness.settle();
  };
  const createClass = async (name: string, extra: object = {}, metadata: object = {}) => {
    const provisioner = 'rancher.io/local-path';
    await harness
      .resource(StorageClasses)
      .create({ metadata: { name, ...metadata }, provisioner, ...extra } as unknown as StorageClass);
    await harness.settle();
  };
  /** Every round of a claim that waits tells the same again. */
  const events = (reason: string) => [...new Set(harness.events(reason))];
  const phase = async (name: string) => (await volumes().get(name)).status?.phase;
  const state = async (name: string) => {
    const claim = await claims().get(name);
    return `${claim.status?.phase} ${claim.spec.volumeName ?? ''}`.trim();
  };

  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.start(
      persistentVolumeController.create,
      claimProtectionController.create,
      volumeProtectionController.create,
      ephemeralVolumeController.create,
    );
  });
  afterEach(() => harness.stop());

  it('bind the smallest volume that fits, both ways', async () => {
    await createVolume('large', '10Gi');
    await createVolume('small', '2Gi');
    await createVolume('tiny', '500Mi');
    await createVolume('other', '2Gi', { accessModes: ['ReadOnlyMany'] });
    expect(await phase('small')).toBe('Available');
    await createClaim('data', '1Gi');
    expect(await state('data')).toBe('Bound small');
    const claim = await claims().get('data');
    expect(claim.status).toMatchObject({ capacity: { storage: '2Gi' }, accessModes: ['ReadWriteOnce'] });
    expect(claim.metadata).toMatchObject({
      annotations: { 'pv.kubernetes.io/bind-completed': 'yes', 'pv.kubernetes.io/bound-by-controller': 'yes' },
      finalizers: ['kubernetes.io/pvc-protection'],
    });
    const volume = await volumes().get('small');
    expect(volume.spec.claimRef).toMatchObject({
      kind: 'PersistentVolumeClaim',
      namespace: 'default',
      name: 'data',
      uid: claim.metadata.uid,
    });
    expect(volume.metadata).toMatchObject({
      annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes' },
      finalizers: ['kubernetes.io/pv-protection'],
    });
    expect(volume.status?.phase).toBe('Bound');
  });

  it('never promise one volume to two claims, and serve the second when another comes', async () => {
    await createVolume('one', '1Gi');
    await claims().create({
      metadata: { name: 'a' },
      spec: { resources: { requests: { storage: '1Gi' } }, storageClassName: '' },
    } as unknown as PersistentVolumeClaim);
    await createClaim('b', '1Gi');
    expect([await state('a'), await state('b')].sort()).toEqual(['Bound one', 'Pending']);
    await createVolume('two', '1Gi');
    expect([await state('a'), await state('b')].sort()).toEqual(['Bound one', 'Bound two']);
  });

  it('bind what was reserved, and only what was asked for by name when it fits', async () => {
    await createVolume('reserved', '5Gi', { claimRef: { namespace: 'default', name: 'data' } });
    await createClaim('first', '4Gi');
    expect(await state('first')).toBe('Pending');
    await createClaim('data', '1Gi');
    expect(await state('data')).toBe('Bound reserved');
    expect((await volumes().get('reserved')).metadata.annotations ?? {}).not.toHaveProperty([
      'pv.kubernetes.io/bound-by-controller',
    ]);
    await createVolume('small', '1Gi');
    await createClaim('picky', '2Gi', { volumeName: 'small' });
    expect(await state('picky')).toBe('Pending small');
    expect(events('VolumeMismatch')).toEqual([
      'VolumeMismatch Cannot bind to requested volume "small": requested PV is too small',
    ]);
  });

  it('wait for the first consumer, then for the provisioner, then bind what it made', async () => {
    await createClass('local-path', { volumeBindingMode: 'WaitForFirstConsumer' });
    await createVolume('static', '1Gi', { storageClassName: 'local-path' });
    await createClaim('data', '1Gi', { storageClassName: 'local-path' });
    expect(await state('data')).toBe('Pending');
    expect(events('WaitForFirstConsumer')).toEqual([
      'WaitForFirstConsumer waiting for first consumer to be created before binding',
    ]);
    await claims().patch('data', 'merge', { metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'node' } } });
    await harness.settle();
    expect((await claims().get('data')).metadata.annotations).toMatchObject({
      'volume.kubernetes.io/storage-provisioner': 'rancher.io/local-path',
      'volume.beta.kubernetes.io/storage-provisioner': 'rancher.io/local-path',
    });
    expect(harness.events('ExternalProvisioning')[0]).toContain("external provisioner 'rancher.io/local-path'");
    const claimRef = { namespace: 'default', name: 'data', uid: (await claims().get('data')).metadata.uid };
    const annotations = { 'pv.kubernetes.io/provisioned-by': 'rancher.io/local-path' };
    const spec = { storageClassName: 'local-path', claimRef, persistentVolumeReclaimPolicy: 'Delete' };
    await createVolume('made', '1Gi', spec, { annotations });
    expect(await state('data')).toBe('Bound made');
    expect(await phase('static')).toBe('Available');
    await claims().delete('data');
    await harness.settle();
    expect(await claims().objects()).toEqual([]);
    expect(await phase('made')).toBe('Released');
  });

  it('get the default class, also when it comes later', async () => {
    await claims().create({
      metadata: { name: 'data' },
      spec: { resources: { requests: { storage: '1Gi' } } },
    } as unknown as PersistentVolumeClaim);
    await harness.settle();
    expect(events('FailedBinding')).toEqual([
      'FailedBinding no persistent volumes available for this claim and no storage class is set',
    ]);
    await createClass('old', {}, { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } });
    expect((await claims().get('data')).spec.storageClassName).toBe('old');
  });

  it('are released and kept, and fail where nobody can delete or recycle them', async () => {
    for (const policy of ['Retain', 'Delete', 'Recycle']) {
      const name = policy.toLowerCase();
      await createVolume(name, '1Gi', { persistentVolumeReclaimPolicy: policy });
      await createClaim(name, '1Gi', { volumeName: name });
      expect(await state(name)).toBe(`Bound ${name}`);
      await claims().delete(name);
      await harness.settle();
    }
    expect(await phase('retain')).toBe('Released');
    expect(await volumes().get('delete')).toMatchObject({
      status: {
        phase: 'Failed',
        message: 'error getting deleter volume plugin for volume "delete": no deletable volume plugin matched',
      },
    });
    expect(await volumes().get('recycle')).toMatchObject({
      status: { phase: 'Failed', message: 'No recycler plugin found for the volume!' },
    });
    await createClaim('later', '1Gi');
    expect(await state('later')).toBe('Pending');
  });

  it('tell when a bound claim loses its volume', async () => {
    await createVolume('one', '1Gi');
    await createClaim('data', '1Gi');
    await volumes().patch('one', 'merge', { metadata: { finalizers: null } });
    await volumes().delete('one');
    await harness.settle();
    expect(await state('data')).toBe('Lost one');
    expect(harness.events('ClaimLost')).toEqual([
      'ClaimLost Bound claim has lost its PersistentVolume. Data on the volume is lost!',
    ]);
  });

  it('are kept while they are used: claims by pods, volumes by claims', async () => {
    await createVolume('one', '1Gi');
    await createClaim('data', '1Gi');
    const volume = { name: 'data', persistentVolumeClaim: { claimName: 'data' } };
    await harness.resource(Pods).create({
      metadata: { name: 'web' },
      spec: { nodeName: 'node', containers: [], volumes: [volume] },
    } as unknown as Pod);
    await claims().delete('data');
    await volumes().delete('one');
    await harness.settle();
    expect((await claims().get('data')).metadata.deletionTimestamp).toBeDefined();
    expect((await volumes().get('one')).metadata.deletionTimestamp).toBeDefined();
    await harness.resource(Pods).delete('web', { gracePeriodSeconds: 0 });
    await harness.settle();
    expect(await claims().objects()).toEqual([]);
    expect(await volumes().objects()).toEqual([]);
  });

  it('are made for ephemeral volumes of pods, unless the name is taken', async () => {
    const volumeClaimTemplate = {
      metadata: { labels: { kind: 'scratch' } },
      spec: { resources: { requests: { storage: '1Gi' } } },
    };
    const createPod = async (name: string) => {
      const spec = { containers: [], volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate } }] };
      const pod = await harness.resource(Pods).create({ metadata: { name }, spec } as unknown as Pod);
      await harness.settle();
      return pod;
    };
    const pod = await createPod('web');
    expect((await claims().get('web-scratch')).metadata).toMatchObject({
      labels: { kind: 'scratch' },
      ownerReferences: [{ kind: 'Pod', name: 'web', uid: pod.metadata.uid, controller: true, blockOwnerDeletion: true }],
    });
    await createClaim('other-scratch', '1Gi');
    await createPod('other');
    expect(events('FailedBinding')).toContain(
      'FailedBinding ephemeral volume scratch: PVC default/other-scratch was not created for pod default/other (pod is not owner)',
    );
    await claims().delete('other-scratch');
    await harness.settle();
    expect((await claims().get('other-scratch')).metadata.ownerReferences).toMatchObject([{ name: 'other' }]);
  });
});
