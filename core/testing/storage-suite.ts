import assert from 'node:assert/strict';
import { Quantity } from '../plugin-api/index.js';
import type { StorageUnderTest } from './storage-suite-support.js';
import { foreignProvisioner, StorageBench } from './storage-suite-support.js';
import type { TestRunner } from './test-runner.js';

export type { StorageUnderTest, VolumeData } from './storage-suite-support.js';

export interface StorageSuiteOptions {
  /** What does not happen within this time does not happen; 10 s when absent. */
  readonly patienceMs?: number;
}

type Case = (name: string, body: (bench: StorageBench) => Promise<void>) => void;

/** A name as long as one may be, like those that generators make. */
const longName = `${'a'.repeat(62)}.`.repeat(4) + 'a'.repeat(253 - 4 * 63);

/**
 * What claims of a plugin's StorageClass are promised, through the API and in the data of their volumes. `makeStorage` gives a new
 * cluster for each case; `storageCluster` makes one with a plugin. Where neither the plugin's volumes are folders of this machine nor
 * the subject knows their data, only the API is looked at.
 */
export function storageSuite(
  { describe, it }: TestRunner,
  makeStorage: () => Promise<StorageUnderTest>,
  { patienceMs = 10_000 }: StorageSuiteOptions = {},
): void {
  const test: Case = (name, body) =>
    it(name, async () => {
      const subject = await makeStorage();
      try {
        const bench = new StorageBench(subject, patienceMs);
        await bench.begin();
        await body(bench);
      } finally {
        await subject.dispose();
      }
    });
  describe('provisioning', () => provisioningCases(test));
  describe('others', () => otherCases(test));
  describe('refusals', () => refusalCases(test));
  describe('deletion', () => deletionCases(test));
  describe('restarts', () => restartCases(test));
}

function provisioningCases(test: Case): void {
  test('a claim is bound to a new volume of its size, modes and class, with room for data', async bench => {
    const { claim, volume } = await bench.serve('data', { resources: { requests: { storage: '3Mi' } } });
    const { provisioner, reclaimPolicy = 'Delete' } = bench.storageClass;
    const wanted = Quantity.parse('3Mi').value();
    for (const [whose, capacity] of [
      ['volume', volume.spec.capacity],
      ['claim', claim.status?.capacity],
    ] as const) {
      const has = Quantity.parse(capacity?.['storage'] ?? '0').value();
      assert.ok(has >= wanted, `the ${whose} says ${has} bytes instead of ${wanted}`);
    }
    assert.ok(volume.spec.accessModes?.includes('ReadWriteOnce'), `modes ${volume.spec.accessModes?.join()}`);
    assert.equal(volume.spec.storageClassName, bench.className);
    assert.equal(volume.spec.persistentVolumeReclaimPolicy, reclaimPolicy);
    assert.equal(volume.spec.volumeMode ?? 'Filesystem', 'Filesystem');
    assert.equal(volume.spec.claimRef?.uid, claim.metadata.uid);
    // Without it the core does not leave the deletion to the plugin.
    assert.equal(volume.metadata.annotations?.['pv.kubernetes.io/provisioned-by'], provisioner);
    await bench.write(volume, 'kept');
    assert.equal(await bench.read(volume), bench.reaches(volume) ? 'kept' : undefined);
  });

  test('with WaitForFirstConsumer there is none before a pod needs it, and then the pod runs', async bench => {
    const storageClassName = await bench.copyClass({ volumeBindingMode: 'WaitForFirstConsumer' });
    await bench.claim('data', { storageClassName });
    await bench.barrier();
    assert.deepEqual(await bench.volumesOf('data'), []);
    await bench.use('data');
    await bench.bound('data');
    await bench.running('data');
  });

  test('with Immediate there is one without a pod, or an event says why not', async bench => {
    const storageClassName = await bench.copyClass({ volumeBindingMode: 'Immediate' });
    await bench.claim('data', { storageClassName });
    if ((await bench.outcome('data')) === 'refused') assert.deepEqual(await bench.volumesOf('data'), []);
  });

  test('many claims at once each have one volume of their own', async bench => {
    const names = Array.from({ length: 8 }, (_, index) => `data-${index}`);
    const served = await Promise.all(names.map(name => bench.serve(name)));
    for (const { volume } of served) await bench.write(volume, volume.metadata.name!);
    for (const { volume } of served) {
      if (bench.reaches(volume)) assert.equal(await bench.read(volume), volume.metadata.name);
    }
    await bench.barrier();
    for (const name of names) assert.equal((await bench.volumesOf(name)).length, 1, `volumes of ${name}`);
  });

  test('the longest names are names like others', async bench => {
    const { volume } = await bench.serve(longName);
    await bench.write(volume, 'kept');
  });
}

function otherCases(test: Case): void {
  test('claims of other provisioners and of no class are left alone', async bench => {
    const storageClassName = await bench.copyClass({ provisioner: foreignProvisioner });
    await bench.claim('other', { storageClassName });
    await bench.use('other');
    await bench.claim('without', { storageClassName: '' });
    await bench.until('the request for the other provisioner', async () => {
      const { annotations = {} } = (await bench.claims.get('other')).metadata;
      return annotations['volume.kubernetes.io/storage-provisioner'] === foreignProvisioner;
    });
    await bench.barrier();
    for (const name of ['other', 'without']) {
      assert.deepEqual(await bench.volumesOf(name), []);
      assert.equal((await bench.claims.get(name)).status?.phase, 'Pending');
    }
  });

  test('a claim that is served by a volume that is there gets no further one', async bench => {
    // With Delete the core would have a second one removed again.
    const storageClassName = await bench.copyClass({ reclaimPolicy: 'Retain' });
    await bench.handmade('by-hand', { storageClassName });
    await bench.until('the volume of a hand', async () => (await bench.phase('by-hand')) === 'Available');
    const { volume } = await bench.serve('data', { storageClassName });
    assert.equal(volume.metadata.name, 'by-hand');
    await bench.barrier();
    assert.deepEqual(await bench.volumesOf('data'), ['by-hand']);
  });

  test("others' volumes and data stay, whatever they say", async bench => {
    const storageClassName = await bench.copyClass({ reclaimPolicy: 'Delete' });
    const { volume } = await bench.serve('data', { storageClassName });
    const data = await bench.foreignFolder();
    try {
      const released = { claimRef: { namespace: 'default', name: 'gone', uid: '00000000-0000-0000-0000-000000000001' } };
      const policy = { persistentVolumeReclaimPolicy: 'Delete', ...released };
      const beside = bench.besides(volume);
      await bench.handmade('other', { ...policy, hostPath: { path: beside } }, foreignProvisioner);
      // As if ours had made it, and it leads to what is not ours.
      if (bench.reaches(volume)) {
        await bench.handmade('forged', { ...policy, hostPath: { path: data.path } }, volume.metadata.annotations);
      }
      for (const name of ['other', ...(bench.reaches(volume) ? ['forged'] : [])]) {
        // One that is gone by now is told of below.
        await bench.until(`the release of ${name}`, async () => ['Released', 'none'].includes(await bench.phase(name)));
      }
      await bench.remove('data');
      await bench.gone(volume);
      await bench.barrier();
      assert.equal(await bench.phase('other'), 'Released');
      assert.ok(await data.isWhole(), 'a folder that is not of the plugin was removed');
    } finally {
      await data.dispose();
    }
  });
}

function refusalCases(test: Case): void {
  test('an access mode is given, or refused with an event', async bench => {
    for (const mode of ['ReadWriteMany', 'ReadOnlyMany']) {
      const name = mode.toLowerCase();
      await bench.claim(name, { accessModes: [mode] });
      await bench.use(name);
      const outcome = await bench.outcome(name);
      if (outcome === 'refused') assert.deepEqual(await bench.volumesOf(name), []);
      else assert.ok(outcome.spec.accessModes?.includes(mode), `${mode} was asked for, and ${outcome.spec.accessModes} given`);
    }
  });

  test('a block device is given, or refused with an event', async bench => {
    await bench.claim('block', { volumeMode: 'Block' });
    await bench.use('block', 'device');
    const outcome = await bench.outcome('block');
    if (outcome === 'refused') assert.deepEqual(await bench.volumesOf('block'), []);
    else assert.equal(outcome.spec.volumeMode, 'Block');
  });

  test('a parameter of the class that nobody knows is named in an event', async bench => {
    const parameter = 'suite.example.com-unknown';
    const storageClassName = await bench.copyClass({ parameters: { ...bench.storageClass.parameters, [parameter]: 'x' } });
    await bench.claim('data', { storageClassName });
    await bench.use('data');
    await bench.until('a Warning event that names the parameter', async () =>
      (await bench.warnings('data')).some(message => message.includes(parameter)),
    );
  });

  test('what is refused holds nobody up, and its claim can be deleted', async bench => {
    const storageClassName = await bench.copyClass({ parameters: { 'suite.example.com-unknown': 'x' } });
    await bench.claim('wrong', { storageClassName, accessModes: ['ReadWriteMany'], volumeMode: 'Block' });
    await bench.use('wrong', 'device');
    await bench.outcome('wrong');
    await bench.serve('data');
    await bench.remove('wrong');
    await bench.until('no volume', async () => (await bench.volumesOf('wrong')).length === 0);
  });
}

function deletionCases(test: Case): void {
  test('with Delete the volume and its data go with the claim', async bench => {
    const storageClassName = await bench.copyClass({ reclaimPolicy: 'Delete' });
    const { volume } = await bench.serve('data', { storageClassName });
    await bench.write(volume, 'old');
    await bench.remove('data');
    await bench.gone(volume);
    assert.equal(await bench.read(volume), undefined, 'the data is still there');
  });

  test('with Retain the volume and its data stay, also where that was said later', async bench => {
    const retained = await bench.copyClass({ reclaimPolicy: 'Retain' });
    const deleted = await bench.copyClass({ reclaimPolicy: 'Delete' });
    const first = await bench.serve('first', { storageClassName: retained });
    const second = await bench.serve('second', { storageClassName: deleted });
    assert.equal(first.volume.spec.persistentVolumeReclaimPolicy, 'Retain');
    await bench.volumes.patch(second.volume.metadata.name!, 'merge', { spec: { persistentVolumeReclaimPolicy: 'Retain' } });
    for (const [name, { volume }] of Object.entries({ first, second })) {
      await bench.write(volume, name);
      await bench.remove(name);
      await bench.until('the release', async () => (await bench.phase(volume.metadata.name!)) === 'Released');
    }
    await bench.deletionBarrier();
    for (const [name, { volume }] of Object.entries({ first, second })) {
      assert.equal(await bench.phase(volume.metadata.name!), 'Released');
      if (bench.reaches(volume)) assert.equal(await bench.read(volume), name);
    }
  });

  test('while a pod uses it nothing goes', async bench => {
    const { volume } = await bench.serve('data');
    await bench.running('data');
    await bench.write(volume, 'used');
    await bench.claims.delete('data');
    await bench.deletionBarrier();
    assert.equal(await bench.phase(volume.metadata.name!), 'Bound');
    if (bench.reaches(volume)) assert.equal(await bench.read(volume), 'used');
    await bench.stopUsing('data');
    await bench.reclaimed(volume);
  });

  test('a claim that comes again under its name begins without data', async bench => {
    const before = await bench.serve('data');
    await bench.write(before.volume, 'old');
    await bench.remove('data');
    await bench.reclaimed(before.volume);
    const after = await bench.serve('data');
    assert.notEqual(after.volume.metadata.uid, before.volume.metadata.uid);
    assert.equal(await bench.read(after.volume), undefined);
  });

  test('a volume whose data is gone already goes all the same', async bench => {
    const storageClassName = await bench.copyClass({ reclaimPolicy: 'Delete' });
    const { volume } = await bench.serve('data', { storageClassName });
    await bench.loseData(volume);
    await bench.remove('data');
    await bench.gone(volume);
  });
}

function restartCases(test: Case): void {
  test('volumes and their data stay as they are', async bench => {
    const { claim, volume } = await bench.serve('data');
    await bench.running('data');
    await bench.write(volume, 'kept');
    const before = await bench.volumes.get(volume.metadata.name!);
    await bench.subject.restart();
    await bench.barrier();
    const after = await bench.volumes.get(volume.metadata.name!);
    assert.equal(after.metadata.uid, before.metadata.uid);
    assert.deepEqual(after.spec, before.spec);
    assert.deepEqual(await bench.volumesOf('data'), [volume.metadata.name]);
    assert.equal((await bench.claims.get('data')).metadata.uid, claim.metadata.uid);
    if (bench.reaches(volume)) assert.equal(await bench.read(volume), 'kept');
  });

  test('what came and went meanwhile is served and removed', async bench => {
    const storageClassName = await bench.copyClass({ reclaimPolicy: 'Delete' });
    const { volume } = await bench.serve('gone', { storageClassName });
    await bench.write(volume, 'old');
    await bench.subject.restart(async () => {
      await bench.claim('came');
      await bench.use('came');
      await bench.remove('gone');
    });
    await bench.bound('came');
    await bench.running('came');
    await bench.gone(volume);
    assert.equal(await bench.read(volume), undefined, 'the data is still there');
  });

  test('in the middle of work it leaves nothing out and makes nothing twice', async bench => {
    const storageClassName = await bench.copyClass({ reclaimPolicy: 'Delete' });
    const names = Array.from({ length: 6 }, (_, index) => `data-${index}`);
    await Promise.all(names.map(name => bench.claim(name, { storageClassName })));
    await Promise.all(names.map(name => bench.use(name)));
    await bench.subject.restart();
    const served = await Promise.all(names.map(name => bench.bound(name)));
    await bench.barrier();
    for (const name of names) assert.equal((await bench.volumesOf(name)).length, 1, `volumes of ${name}`);
    await Promise.all(names.map(name => bench.remove(name)));
    await bench.subject.restart();
    for (const { volume } of served) await bench.gone(volume);
  });
}
