import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Deployments, PodDisruptionBudgets, Pods, ReplicaSets } from '../api/generated/resources.js';
import type { Deployment, Pod, PodDisruptionBudget, ReplicaSet } from '../api/generated/types.js';
import { controllerReference } from '../api/owners.js';
import { formatTime } from '../api/time.js';
import { disruptionController } from './disruption-controller.js';
import { ControllerHarness } from './testing/harness.js';

describe('disruption controller', () => {
  let harness: ControllerHarness;
  let replicaSet: ReplicaSet;
  const budgets = () => harness.resource(PodDisruptionBudgets);
  const pods = () => harness.resource(Pods);
  const status = async () => (await budgets().get('web')).status;
  const condition = async () => (await status()).conditions?.[0];
  const createBudget = async (spec: object) => {
    const selector = { matchLabels: { app: 'web' } };
    await budgets().create({ metadata: { name: 'web' }, spec: { selector, ...spec } } as unknown as PodDisruptionBudget);
    await harness.settle();
  };
  const createPod = async (name: string, ready = true, owned = true) => {
    const ownerReferences = owned ? [controllerReference(replicaSet, ReplicaSets)] : [];
    await pods().create({
      metadata: { name, labels: { app: 'web' }, ownerReferences },
      spec: { nodeName: 'node', containers: [] },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
    } as unknown as Pod);
    await harness.settle();
  };

  beforeEach(async () => {
    harness = new ControllerHarness();
    const deployment = await harness
      .resource(Deployments)
      .create({ metadata: { name: 'web' }, spec: { replicas: 4 } } as unknown as Deployment);
    replicaSet = await harness.resource(ReplicaSets).create({
      metadata: { name: 'web-1', ownerReferences: [controllerReference(deployment, Deployments)] },
      spec: { replicas: 3 },
    } as unknown as ReplicaSet);
    await harness.start(disruptionController.create);
  });
  afterEach(() => harness.stop());

  it('counts pods for a number that must be available', async () => {
    await createBudget({ minAvailable: 1 });
    expect(await condition()).toMatchObject({ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods' });
    expect(harness.events('NoPods')[0]).toBe('NoPods No matching pods found');
    await createPod('a');
    await createPod('b');
    await createPod('c', false);
    expect(await status()).toMatchObject({
      observedGeneration: 1,
      disruptionsAllowed: 1,
      currentHealthy: 2,
      desiredHealthy: 1,
      expectedPods: 3,
    });
    expect(await condition()).toMatchObject({ status: 'True', reason: 'SufficientPods' });
    await pods().delete('a');
    await harness.settle();
    expect(await status()).toMatchObject({ disruptionsAllowed: 0, currentHealthy: 1 });
    const writes = harness.transport.writes().length;
    await harness.advance(600_000);
    expect(harness.transport.writes()).toHaveLength(writes);
  });

  it('takes shares of what the deployment asks for', async () => {
    for (const name of ['a', 'b', 'c']) await createPod(name);
    await createBudget({ minAvailable: '50%' });
    expect(await status()).toMatchObject({ expectedPods: 4, desiredHealthy: 2, disruptionsAllowed: 1 });
    await budgets().patch('web', 'merge', { spec: { minAvailable: null, maxUnavailable: 1 } });
    await harness.settle();
    expect(await status()).toMatchObject({ expectedPods: 4, desiredHealthy: 3, disruptionsAllowed: 0, observedGeneration: 2 });
    await budgets().patch('web', 'merge', { spec: { maxUnavailable: '30%' } });
    await harness.settle();
    expect(await status()).toMatchObject({ desiredHealthy: 2, disruptionsAllowed: 1 });
  });

  it('remembers evictions until the pod goes or two minutes have passed', async () => {
    for (const name of ['a', 'b', 'c']) await createPod(name);
    await createBudget({ minAvailable: 1 });
    const now = formatTime(harness.clock.now());
    await budgets()
      .subresource('status')
      .patch('web', 'merge', { status: { disruptedPods: { a: now, gone: now } } });
    await harness.settle();
    expect(await status()).toMatchObject({ disruptedPods: { a: now }, currentHealthy: 2, disruptionsAllowed: 1 });
    await harness.advance(121_000);
    expect((await status()).disruptedPods).toBeUndefined();
    expect(await status()).toMatchObject({ currentHealthy: 3, disruptionsAllowed: 2 });
    expect(harness.events('NotDeleted')).toEqual(["NotDeleted Pod was expected by PDB default/web to be deleted but it wasn't"]);
  });

  it('allows nothing where it cannot count, and tells of pods without a controller', async () => {
    await createPod('alone', true, false);
    await createBudget({ maxUnavailable: 1 });
    expect(harness.events('UnmanagedPods')[0]).toContain('please set ".spec.minAvailable"');
    expect(await status()).toMatchObject({ expectedPods: 0, disruptionsAllowed: 0 });
    const reference = { ...controllerReference(replicaSet, ReplicaSets), uid: 'other' };
    await pods().patch('alone', 'merge', { metadata: { ownerReferences: [reference] } });
    await harness.settle();
    expect(await condition()).toMatchObject({
      status: 'False',
      reason: 'SyncFailed',
      message: 'found no controllers for pod "alone"',
    });
  });

  it('takes back the mark of a disruption that did not happen', async () => {
    await createPod('a');
    const lastTransitionTime = formatTime(harness.clock.now());
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', lastTransitionTime }];
    await pods().subresource('status').patch('a', 'strategic', { status: { conditions } });
    await harness.advance(119_000);
    const mark = async () => (await pods().get('a')).status.conditions?.find(known => known.type === 'DisruptionTarget');
    expect((await mark())?.status).toBe('True');
    await harness.advance(2000);
    expect((await mark())?.status).toBe('False');
  });
});
