import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Deployments, Pods, ReplicaSets } from '../api/generated/resources.js';
import type { Deployment, ReplicaSet } from '../api/generated/types.js';
import { findCondition } from '../api/objects.js';
import { controllerOf } from '../api/owners.js';
import { forbidden } from '../machinery/status-error.js';
import { deploymentController } from './deployment-controller.js';
import { replicasetController } from './replicaset-controller.js';
import { ControllerHarness } from './testing/harness.js';
import { PodDriver } from './testing/pods.js';

const deployment = (replicas: number, extra: object = {}): Deployment =>
  ({
    metadata: { name: 'web', annotations: { note: 'first' } },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: template('one'),
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...extra,
    },
  }) as unknown as Deployment;

function template(image: string) {
  return { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image }] } };
}

describe('Deployment controller', () => {
  let harness: ControllerHarness;
  let driver: PodDriver;
  const deployments = () => harness.resource(Deployments);
  const get = () => deployments().get('web');
  const sets = async () => {
    const found = await harness.resource(ReplicaSets).objects();
    return found.sort((a, b) => revision(a) - revision(b));
  };
  const revision = (set: ReplicaSet) => Number(set.metadata.annotations?.['deployment.kubernetes.io/revision']);
  const sizes = async () => (await sets()).map(set => set.spec.replicas);
  const patch = async (spec: object) => {
    await deployments().patch('web', 'merge', { spec });
    await harness.settle();
  };
  const rollTo = (image: string) => patch({ template: template(image) });
  const condition = async (type: string) => findCondition((await get()).status.conditions, type);

  beforeEach(async () => {
    harness = new ControllerHarness();
    driver = new PodDriver(harness);
    await harness.start(deploymentController, replicasetController);
  });
  afterEach(() => harness.stop());

  it('creates a replica set and reports progress to completion', async () => {
    await deployments().create(deployment(3));
    await harness.settle();
    const [set] = await sets();
    const hash = set!.metadata.labels?.['pod-template-hash'];
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]+$/);
    expect(set!.metadata).toMatchObject({
      name: `web-${hash}`,
      annotations: {
        note: 'first',
        'deployment.kubernetes.io/revision': '1',
        'deployment.kubernetes.io/desired-replicas': '3',
        'deployment.kubernetes.io/max-replicas': '4',
      },
    });
    expect(set!.spec.selector?.matchLabels).toEqual({ app: 'web', 'pod-template-hash': hash });
    expect(harness.events('ScalingReplicaSet')).toEqual([`ScalingReplicaSet Scaled up replica set web-${hash} from 0 to 3`]);
    expect(await condition('Available')).toMatchObject({ status: 'False', reason: 'MinimumReplicasUnavailable' });
    await driver.converge();
    const done = await get();
    expect(done.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('1');
    expect(done.status).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
    });
    expect(done.status.unavailableReplicas).toBeUndefined();
    expect(await condition('Available')).toMatchObject({ status: 'True', reason: 'MinimumReplicasAvailable' });
    expect(await condition('Progressing')).toMatchObject({
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "web-${hash}" has successfully progressed.`,
    });
  });

  it('rolls within surge and unavailability, never beyond', async () => {
    await deployments().create(deployment(4));
    await driver.converge();
    await rollTo('two');
    expect(await sizes()).toEqual([3, 2]);
    expect((await driver.pods()).filter(pod => !pod.metadata.deletionTimestamp)).toHaveLength(5);
    let fewestReady = 4;
    for (let round = 0; round < 10; round++) {
      const ready = (await get()).status.availableReplicas ?? 0;
      fewestReady = Math.min(fewestReady, ready);
      await driver.run();
      await driver.reap();
    }
    expect(fewestReady).toBe(3);
    expect(await sizes()).toEqual([0, 4]);
    expect((await sets()).map(revision)).toEqual([1, 2]);
    expect((await get()).metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('2');
  });

  it('does not roll on while new pods fail, and times out', async () => {
    await deployments().create(deployment(4, { progressDeadlineSeconds: 60 }));
    await driver.converge();
    await rollTo('broken');
    await driver.reap();
    expect(await sizes()).toEqual([3, 2]);
    await harness.advance(30_000);
    expect(await condition('Progressing')).toMatchObject({ status: 'True', reason: 'ReplicaSetUpdated' });
    await harness.advance(32_000);
    expect(await condition('Progressing')).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' });
    expect(await condition('Available')).toMatchObject({ status: 'True' });
    expect(await sizes()).toEqual([3, 2]);
  });

  it('goes back to an earlier template with the old set and a new revision', async () => {
    await deployments().create(deployment(2));
    await driver.converge();
    await rollTo('two');
    await driver.converge();
    await rollTo('one');
    await driver.converge();
    const all = await sets();
    expect(all.map(set => [revision(set), set.spec.replicas])).toEqual([
      [2, 0],
      [3, 2],
    ]);
    expect(all[1]!.metadata.annotations?.['deployment.kubernetes.io/revision-history']).toBe('1');
  });

  it('counts revisions in 64 bits', async () => {
    await deployments().create(deployment(1));
    await driver.converge();
    const [set] = await sets();
    const annotations = { 'deployment.kubernetes.io/revision': '3546343826724305832' };
    await harness.resource(ReplicaSets).patch(set!.metadata.name, 'merge', { metadata: { annotations } });
    await rollTo('two');
    expect((await get()).metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('3546343826724305833');
  });

  it('obeys the rollback annotation', async () => {
    await deployments().create(deployment(1));
    await driver.converge();
    await rollTo('two');
    await driver.converge();
    await deployments().patch('web', 'merge', { metadata: { annotations: { 'deprecated.deployment.rollback.to': '1' } } });
    await driver.converge();
    expect((await get()).spec.template.spec.containers[0]!.image).toBe('one');
    expect((await get()).metadata.annotations).not.toHaveProperty('deprecated.deployment.rollback.to');
    expect(harness.events('DeploymentRollback')).toEqual(['DeploymentRollback Rolled back deployment "web" to revision 1']);
  });

  it('recreates: new pods only after the last old one is gone', async () => {
    await deployments().create(deployment(2, { strategy: { type: 'Recreate' } }));
    await driver.converge();
    await rollTo('two');
    expect(await sizes()).toEqual([0]);
    expect(await driver.pods()).toHaveLength(2);
    await driver.reap();
    expect(await sizes()).toEqual([0, 2]);
    expect(await driver.pods()).toHaveLength(2);
  });

  it('scales in proportion during a rollout', async () => {
    await deployments().create(
      deployment(10, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } }),
    );
    await driver.converge();
    await rollTo('stuck');
    expect(await sizes()).toEqual([8, 5]);
    await patch({ replicas: 15 });
    expect(await sizes()).toEqual([11, 7]);
  });

  it('scales without a rollout, up and down', async () => {
    await deployments().create(deployment(2));
    await driver.converge();
    await patch({ replicas: 4 });
    expect(await sizes()).toEqual([4]);
    await driver.converge();
    await patch({ replicas: 1 });
    await driver.converge();
    expect(await sizes()).toEqual([1]);
    expect(harness.events('ScalingReplicaSet').map(text => text.replace(/web-\w+/, 'SET'))).toEqual([
      'ScalingReplicaSet Scaled up replica set SET from 0 to 2',
      'ScalingReplicaSet Scaled up replica set SET from 2 to 4',
      'ScalingReplicaSet Scaled down replica set SET from 4 to 1',
    ]);
  });

  it('does nothing to templates while paused, and says so', async () => {
    await deployments().create(deployment(2));
    await driver.converge();
    await patch({ paused: true });
    await rollTo('two');
    expect(await sizes()).toEqual([2]);
    expect(await condition('Progressing')).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' });
    await patch({ replicas: 3 });
    expect(await sizes()).toEqual([3]);
    await patch({ paused: false });
    await driver.converge();
    expect(await sizes()).toEqual([0, 3]);
  });

  it('keeps as many old sets as the history limit says', async () => {
    await deployments().create(deployment(1, { revisionHistoryLimit: 1 }));
    await driver.converge();
    for (const image of ['two', 'three', 'four']) {
      await rollTo(image);
      await driver.converge();
    }
    expect((await sets()).map(revision)).toEqual([3, 4]);
  });

  it('gets around a hash collision', async () => {
    await deployments().create(deployment(1, { paused: true }));
    await harness.settle();
    const probe = new ControllerHarness();
    await probe.start(deploymentController);
    await probe.resource(Deployments).create(deployment(1));
    await probe.settle();
    const [colliding] = await probe.resource(ReplicaSets).objects();
    await probe.stop();
    const { name } = colliding!.metadata;
    const spec = { replicas: 0, selector: { matchLabels: { x: 'y' } }, template: { metadata: { labels: { x: 'y' } }, spec: {} } };
    await harness.resource(ReplicaSets).create({ metadata: { name }, spec } as unknown as ReplicaSet);
    await patch({ paused: false });
    await harness.advance(1000);
    expect((await get()).status.collisionCount).toBe(1);
    const owned = (await sets()).filter(set => controllerOf(set)?.name === 'web');
    expect(owned).toHaveLength(1);
    expect(owned[0]!.metadata.name).not.toBe(name);
  });

  it('reports that pods cannot be created', async () => {
    harness.transport.reactors.push(action => {
      const subject = { group: '', resource: 'pods', name: '' };
      if (action.verb === 'create' && action.resource === 'pods') throw forbidden(subject, 'no');
    });
    await deployments().create(deployment(1));
    await harness.settle();
    expect(await condition('ReplicaFailure')).toMatchObject({
      status: 'True',
      reason: 'FailedCreate',
      message: 'pods is forbidden: no',
    });
  });

  it('adopts a matching replica set', async () => {
    const spec = { replicas: 1, selector: { matchLabels: { app: 'web' } }, template: template('one') };
    const orphan = { metadata: { name: 'orphan', labels: { app: 'web' } }, spec } as unknown as ReplicaSet;
    await harness.resource(ReplicaSets).create(orphan);
    await deployments().create(deployment(2));
    await harness.settle();
    const all = await sets();
    expect(all).toHaveLength(1);
    expect(controllerOf(all[0]!)?.name).toBe('web');
    expect(all[0]!.spec.replicas).toBe(2);
    expect(await harness.resource(Pods).objects()).toHaveLength(2);
  });
});
