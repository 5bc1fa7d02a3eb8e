import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ControllerRevisions, PersistentVolumeClaims, Pods, StatefulSets } from '../api/generated/resources.js';
import type { StatefulSet } from '../api/generated/types.js';
import { statefulsetController } from './statefulset-controller.js';
import { ControllerHarness } from './testing/harness.js';
import { PodDriver } from './testing/pods.js';

const template = (image: string) => ({ metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'main', image }] } });

const statefulSet = (replicas: number, extra: object = {}): StatefulSet =>
  ({
    metadata: { name: 'db' },
    spec: {
      replicas,
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: template('one'),
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      revisionHistoryLimit: 10,
      ...extra,
    },
  }) as unknown as StatefulSet;

const withClaims = { volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }] };

describe('StatefulSet controller', () => {
  let harness: ControllerHarness;
  let driver: PodDriver;
  const sets = () => harness.resource(StatefulSets);
  const create = async (replicas: number, extra: object = {}) => {
    await sets().create(statefulSet(replicas, extra));
    await harness.settle();
  };
  const patch = async (spec: object) => {
    await sets().patch('db', 'merge', { spec });
    await harness.settle();
  };
  const status = async () => (await sets().get('db')).status;
  const images = async () =>
    Object.fromEntries((await driver.pods()).map(pod => [pod.metadata.name, pod.spec.containers[0]!.image]));

  beforeEach(async () => {
    harness = new ControllerHarness();
    driver = new PodDriver(harness);
    await harness.start(statefulsetController);
  });
  afterEach(() => harness.stop());

  it('creates pods in order, each after the one before is ready', async () => {
    await create(3);
    expect(await driver.names()).toEqual(['db-0']);
    await driver.run();
    expect(await driver.names()).toEqual(['db-0', 'db-1']);
    await driver.converge();
    expect(await driver.names()).toEqual(['db-0', 'db-1', 'db-2']);
    const pod = await harness.resource(Pods).get('db-1');
    expect(pod.spec).toMatchObject({ hostname: 'db-1', subdomain: 'db' });
    expect(pod.metadata.labels).toMatchObject({
      'statefulset.kubernetes.io/pod-name': 'db-1',
      'apps.kubernetes.io/pod-index': '1',
      'controller-revision-hash': (await status()).updateRevision,
    });
    expect(await status()).toMatchObject({
      replicas: 3,
      readyReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
      availableReplicas: 3,
      collisionCount: 0,
    });
    expect(harness.events('SuccessfulCreate')[0]).toBe('SuccessfulCreate Create Pod db-0 in StatefulSet db successful');
  });

  it('creates all at once when parallel', async () => {
    await create(4, { podManagementPolicy: 'Parallel' });
    expect(await driver.pods()).toHaveLength(4);
    await patch({ replicas: 1 });
    await driver.converge();
    expect(await driver.names()).toEqual(['db-0']);
  });

  it('scales down from the highest ordinal, one by one', async () => {
    await create(3);
    await driver.converge();
    await patch({ replicas: 1 });
    const deleting = async () =>
      (await driver.pods()).filter(pod => pod.metadata.deletionTimestamp).map(pod => pod.metadata.name);
    expect(await deleting()).toEqual(['db-2']);
    await driver.reap();
    expect(await deleting()).toEqual(['db-1']);
    await driver.converge();
    expect(await driver.names()).toEqual(['db-0']);
  });

  it('does not go on while an earlier pod is not ready', async () => {
    await create(2);
    await driver.converge();
    await driver.setStatus('db-0', driver.readyStatus(false));
    await patch({ replicas: 3 });
    expect(await driver.names()).toEqual(['db-0', 'db-1']);
    await driver.setStatus('db-0', driver.readyStatus(true));
    await harness.settle();
    expect(await driver.names()).toEqual(['db-0', 'db-1', 'db-2']);
  });

  it('replaces a failed pod under its name', async () => {
    await create(1);
    await driver.converge();
    const before = await harness.resource(Pods).get('db-0');
    await driver.finish('db-0', 1);
    await driver.reap();
    const after = await harness.resource(Pods).get('db-0');
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
  });

  it('rolls from the top, waiting for each', async () => {
    await create(3);
    await driver.converge();
    const first = (await status()).currentRevision;
    await patch({ template: template('two') });
    expect((await driver.pods()).filter(pod => pod.metadata.deletionTimestamp).map(pod => pod.metadata.name)).toEqual(['db-2']);
    await driver.reap();
    expect(await images()).toEqual({ 'db-0': 'one', 'db-1': 'one', 'db-2': 'two' });
    expect(await status()).toMatchObject({ currentRevision: first, updatedReplicas: 1, currentReplicas: 2 });
    await driver.converge();
    expect(await images()).toEqual({ 'db-0': 'two', 'db-1': 'two', 'db-2': 'two' });
    const done = await status();
    expect(done.currentRevision).toBe(done.updateRevision);
    expect(done.currentRevision).not.toBe(first);
    expect((await harness.resource(ControllerRevisions).objects()).map(revision => revision.revision)).toEqual([1, 2]);
  });

  it('leaves pods below the partition, and makes them anew as they were', async () => {
    await create(3, { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } });
    await driver.converge();
    await patch({ template: template('two') });
    await driver.converge();
    expect(await images()).toEqual({ 'db-0': 'one', 'db-1': 'one', 'db-2': 'two' });
    await harness.resource(Pods).delete('db-0', { gracePeriodSeconds: 0 });
    await harness.settle();
    expect((await images())['db-0']).toBe('one');
  });

  it('goes back to an earlier revision instead of making another', async () => {
    await create(1);
    await driver.converge();
    await patch({ template: template('two') });
    await driver.converge();
    await patch({ template: template('one') });
    await driver.converge();
    const revisions = await harness.resource(ControllerRevisions).objects();
    expect(revisions.map(revision => revision.revision).sort()).toEqual([2, 3]);
    expect(await images()).toEqual({ 'db-0': 'one' });
  });

  it('waits for the user with OnDelete', async () => {
    await create(1, { updateStrategy: { type: 'OnDelete' } });
    await driver.converge();
    await patch({ template: template('two') });
    await driver.converge();
    expect(await images()).toEqual({ 'db-0': 'one' });
    await harness.resource(Pods).delete('db-0');
    await driver.converge();
    expect(await images()).toEqual({ 'db-0': 'two' });
  });

  it('keeps as many unused revisions as the limit says', async () => {
    await create(1, { revisionHistoryLimit: 1 });
    await driver.converge();
    for (const image of ['two', 'three', 'four']) {
      await patch({ template: template(image) });
      await driver.converge();
    }
    expect((await harness.resource(ControllerRevisions).objects()).map(revision => revision.revision)).toEqual([3, 4]);
  });

  it('counts from the start ordinal', async () => {
    await create(2, { ordinals: { start: 5 } });
    await driver.converge();
    expect(await driver.names()).toEqual(['db-5', 'db-6']);
  });

  it('waits for minReadySeconds', async () => {
    await create(2, { minReadySeconds: 10 });
    await driver.run();
    expect(await driver.names()).toEqual(['db-0']);
    await harness.advance(10_000);
    expect(await driver.names()).toEqual(['db-0', 'db-1']);
  });

  it('makes a claim for each pod and leaves it behind', async () => {
    await create(2, withClaims);
    await driver.converge();
    const claims = () => harness.resource(PersistentVolumeClaims).objects();
    expect((await claims()).map(claim => claim.metadata.name)).toEqual(['data-db-0', 'data-db-1']);
    expect((await claims())[0]!.metadata.labels).toEqual({ app: 'db' });
    const pod = await harness.resource(Pods).get('db-1');
    expect(pod.spec.volumes).toEqual([{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-1' } }]);
    await patch({ replicas: 1 });
    await driver.converge();
    expect(await claims()).toHaveLength(2);
    expect((await claims())[1]!.metadata.ownerReferences ?? []).toEqual([]);
  });

  it('gives claims the owners that the retention policy asks for', async () => {
    await create(2, { ...withClaims, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } });
    await driver.converge();
    const ownerKinds = async (name: string) =>
      (await harness.resource(PersistentVolumeClaims).get(name)).metadata.ownerReferences?.map(reference => reference.kind) ?? [];
    expect(await ownerKinds('data-db-1')).toEqual(['StatefulSet']);
    await patch({ replicas: 1 });
    expect(await ownerKinds('data-db-1')).toEqual(['Pod']);
    expect(await ownerKinds('data-db-0')).toEqual(['StatefulSet']);
    await patch({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' } });
    expect(await ownerKinds('data-db-0')).toEqual([]);
  });

  it('adopts pods of its name only', async () => {
    const stray = (name: string) => ({ metadata: { name, labels: { app: 'db' } }, spec: template('x').spec }) as never;
    await harness.resource(Pods).create(stray('db-0'));
    await harness.resource(Pods).create(stray('other-0'));
    await create(1);
    const owner = async (name: string) => (await harness.resource(Pods).get(name)).metadata.ownerReferences?.[0]?.name;
    expect(await owner('db-0')).toBe('db');
    expect(await owner('other-0')).toBeUndefined();
  });
});
