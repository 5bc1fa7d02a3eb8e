import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods, ReplicaSets, ReplicationControllers } from '../api/generated/resources.js';
import type { Pod, ReplicaSet, ReplicationController } from '../api/generated/types.js';
import { controllerOf } from '../api/owners.js';
import { forbidden } from '../machinery/status-error.js';
import { replicasetController } from './replicaset-controller.js';
import { replicationController } from './replication-controller.js';
import { ControllerHarness } from './testing/harness.js';
import { PodDriver } from './testing/pods.js';

const replicaSet = (replicas: number, extra: object = {}): ReplicaSet =>
  ({
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main' }] } },
      ...extra,
    },
  }) as unknown as ReplicaSet;

describe('ReplicaSet controller', () => {
  let harness: ControllerHarness;
  let driver: PodDriver;
  const sets = () => harness.resource(ReplicaSets);
  const scale = async (replicas: number) => {
    await sets().patch('web', 'merge', { spec: { replicas } });
    await harness.settle();
  };

  beforeEach(async () => {
    harness = new ControllerHarness();
    driver = new PodDriver(harness);
    await harness.start(replicasetController);
  });
  afterEach(() => harness.stop());

  it('creates pods with owner and generated names, and counts them', async () => {
    await sets().create(replicaSet(3));
    await harness.settle();
    const pods = await driver.pods();
    expect(pods).toHaveLength(3);
    expect(pods[0]!.metadata).toMatchObject({ generateName: 'web-', labels: { app: 'web' } });
    expect(controllerOf(pods[0]!)).toMatchObject({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web',
      blockOwnerDeletion: true,
    });
    expect(harness.events('SuccessfulCreate')).toHaveLength(3);
    expect((await sets().get('web')).status).toEqual({
      replicas: 3,
      fullyLabeledReplicas: 3,
      terminatingReplicas: 0,
      observedGeneration: 1,
    });
    await driver.run();
    expect((await sets().get('web')).status).toMatchObject({ readyReplicas: 3, availableReplicas: 3 });
  });

  it('replaces failed and deleted pods at once', async () => {
    await sets().create(replicaSet(2));
    await harness.settle();
    await driver.run();
    const [first, second] = await driver.names();
    await driver.finish(first!, 1);
    expect(await driver.pods()).toHaveLength(3);
    await harness.resource(Pods).delete(second!);
    await harness.settle();
    expect(await driver.pods()).toHaveLength(4);
    expect((await sets().get('web')).status).toMatchObject({ replicas: 2, terminatingReplicas: 1 });
  });

  it('deletes pods that are not ready first, then those of low deletion cost', async () => {
    await sets().create(replicaSet(4));
    await harness.settle();
    await driver.run();
    const [a, b, c, d] = (await driver.names()) as [string, string, string, string];
    await driver.setStatus(c, driver.readyStatus(false));
    await harness.resource(Pods).patch(b, 'merge', {
      metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' } },
    });
    await harness.settle();
    await scale(2);
    await driver.reap();
    expect((await driver.names()).sort()).toEqual([a, d].sort());
    expect(harness.events('SuccessfulDelete').sort()).toEqual([b, c].map(name => `SuccessfulDelete Deleted pod: ${name}`).sort());
  });

  it('adopts matching orphans and releases pods that match no more', async () => {
    await harness.resource(Pods).create({ metadata: { name: 'stray', labels: { app: 'web' } }, spec: {} } as unknown as Pod);
    await sets().create(replicaSet(2));
    await harness.settle();
    expect(await driver.pods()).toHaveLength(2);
    expect(controllerOf(await harness.resource(Pods).get('stray'))?.name).toBe('web');
    await harness.resource(Pods).patch('stray', 'merge', { metadata: { labels: { app: 'other' } } });
    await harness.settle();
    expect(controllerOf(await harness.resource(Pods).get('stray'))).toBeUndefined();
    expect(await driver.pods({ app: 'web' })).toHaveLength(2);
  });

  it('does not adopt for a set that is being deleted', async () => {
    await sets().create({ ...replicaSet(0), metadata: { name: 'web', finalizers: ['x/hold'] } } as ReplicaSet);
    await sets().delete('web');
    await harness.resource(Pods).create({ metadata: { name: 'stray', labels: { app: 'web' } }, spec: {} } as unknown as Pod);
    await harness.settle();
    expect(controllerOf(await harness.resource(Pods).get('stray'))).toBeUndefined();
  });

  it('starts slowly, reports the failure, backs off and recovers', async () => {
    let full = true;
    harness.transport.reactors.push(action => {
      const subject = { group: '', resource: 'pods', name: 'x' };
      if (full && action.verb === 'create' && action.resource === 'pods') throw forbidden(subject, 'exceeded quota: q');
    });
    await sets().create(replicaSet(10));
    await harness.settle();
    // One by the sync, one more because the sync's own status is a change to look at; not ten.
    expect(harness.transport.writes().filter(write => write === 'create pods')).toHaveLength(2);
    expect(harness.events('FailedCreate')[0]).toBe('FailedCreate Error creating: pods "x" is forbidden: exceeded quota: q');
    const failed = (await sets().get('web')).status;
    expect(failed.conditions).toEqual([
      expect.objectContaining({ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate' }),
    ]);
    full = false;
    await harness.advance(60_000);
    expect(await driver.pods()).toHaveLength(10);
    expect((await sets().get('web')).status.conditions).toBeUndefined();
  });

  it('counts pods as available after minReadySeconds', async () => {
    await sets().create(replicaSet(1, { minReadySeconds: 30 }));
    await harness.settle();
    await driver.run();
    expect((await sets().get('web')).status.availableReplicas).toBeUndefined();
    await harness.advance(29_000);
    expect((await sets().get('web')).status).toMatchObject({ readyReplicas: 1 });
    expect((await sets().get('web')).status.availableReplicas).toBeUndefined();
    await harness.advance(1000);
    expect((await sets().get('web')).status.availableReplicas).toBe(1);
  });

  it('does not create twice while its informer lags behind', async () => {
    await sets().create(replicaSet(5));
    await harness.settle();
    for (let i = 0; i < 5; i++) await sets().patch('web', 'merge', { metadata: { annotations: { i: String(i) } } });
    await harness.settle();
    expect(await driver.pods()).toHaveLength(5);
  });
});

describe('ReplicationController controller', () => {
  it('works as a ReplicaSet with a plain selector', async () => {
    const harness = new ControllerHarness();
    await harness.start(replicationController);
    const spec = { replicas: 2, selector: { a: 'b' }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [] } } };
    await harness.resource(ReplicationControllers).create({ metadata: { name: 'rc' }, spec } as unknown as ReplicationController);
    await harness.settle();
    expect(await new PodDriver(harness).pods()).toHaveLength(2);
    expect((await harness.resource(ReplicationControllers).get('rc')).status).toEqual({
      replicas: 2,
      fullyLabeledReplicas: 2,
      observedGeneration: 1,
    });
    await harness.stop();
  });
});
