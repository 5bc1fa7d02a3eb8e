import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigMaps, Namespaces, Nodes, Pods, ReplicaSets } from '../api/generated/resources.js';
import type { ConfigMap, Node, Pod, ReplicaSet } from '../api/generated/types.js';
import { conflict } from '../machinery/status-error.js';
import type { OwnerReference } from '../machinery/object.js';
import { garbageCollectorController } from './garbage-collector-controller.js';
import { fakeCatalogue, fakeEnvironment } from './testing/environment.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { KubeObject } from '../machinery/object.js';
import { ControllerHarness } from './testing/harness.js';

describe('garbage collector', () => {
  let harness: ControllerHarness;
  const sets = (namespace = 'default') => harness.resource(ReplicaSets, namespace);
  const pods = (namespace = 'default') => harness.resource(Pods, namespace);
  const reference = (set: ReplicaSet, extra: Partial<OwnerReference> = {}): OwnerReference => ({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: set.metadata.name,
    uid: set.metadata.uid!,
    ...extra,
  });
  const createSet = (name: string, metadata: object = {}) =>
    sets().create({ metadata: { name, ...metadata } } as unknown as ReplicaSet);
  const createPod = async (name: string, ownerReferences: OwnerReference[], namespace = 'default') => {
    await pods(namespace).create({ metadata: { name, ownerReferences }, spec: { containers: [] } } as unknown as Pod);
    await harness.settle();
  };
  const podNames = async (namespace = 'default') => (await pods(namespace).objects()).map(pod => pod.metadata.name);
  const setNames = async () => (await sets().objects()).map(set => set.metadata.name);
  const remove = async (name: string, propagationPolicy?: 'Foreground' | 'Orphan' | 'Background') => {
    await sets().delete(name, { propagationPolicy });
    await harness.settle();
  };

  beforeEach(async () => {
    harness = new ControllerHarness();
    harness.environment = fakeEnvironment(fakeCatalogue([ConfigMaps, Namespaces, Nodes, Pods, ReplicaSets]));
    await harness.start(garbageCollectorController.create);
  });
  afterEach(() => harness.stop());

  it('deletes dependents in the background, chains of them too', async () => {
    const first = await createSet('first');
    const second = await createSet('second', { ownerReferences: [reference(first)] });
    await createPod('web', [reference(second)]);
    await createPod('free', []);
    await remove('first', 'Background');
    expect(await setNames()).toEqual([]);
    expect(await podNames()).toEqual(['free']);
  });

  it('keeps a dependent while one of its owners is there, without the reference to the other', async () => {
    const [a, b] = [await createSet('a'), await createSet('b')];
    await createPod('web', [reference(a), reference(b)]);
    await remove('a');
    expect((await pods().get('web')).metadata.ownerReferences).toEqual([reference(b)]);
    await remove('b');
    expect(await podNames()).toEqual([]);
  });

  it('deletes in the foreground: the owner goes when what blocks it has gone', async () => {
    const owner = await createSet('owner');
    await createPod('blocking', [reference(owner, { blockOwnerDeletion: true })]);
    await createPod('other', [reference(owner)]);
    await pods().patch('blocking', 'merge', { metadata: { finalizers: ['example.com/hold'] } });
    await harness.settle();
    await remove('owner', 'Foreground');
    expect(await podNames()).toEqual(['blocking']);
    expect((await pods().get('blocking')).metadata.deletionTimestamp).toBeDefined();
    expect((await sets().get('owner')).metadata.finalizers).toEqual(['foregroundDeletion']);
    await pods().patch('blocking', 'merge', { metadata: { finalizers: null } });
    await harness.settle();
    expect(await setNames()).toEqual([]);
  });

  it('lets the owner go when a dependent blocks it no more', async () => {
    const owner = await createSet('owner');
    await createPod('blocking', [reference(owner, { blockOwnerDeletion: true })]);
    await pods().patch('blocking', 'merge', { metadata: { finalizers: ['example.com/hold'] } });
    await remove('owner', 'Foreground');
    await pods().patch('blocking', 'merge', { metadata: { ownerReferences: [reference(owner, { blockOwnerDeletion: false })] } });
    await harness.settle();
    expect(await setNames()).toEqual([]);
  });

  it('carries a foreground deletion on to dependents that have dependents', async () => {
    const first = await createSet('first');
    const second = await createSet('second', { ownerReferences: [reference(first, { blockOwnerDeletion: true })] });
    await createPod('web', [reference(second, { blockOwnerDeletion: true })]);
    await pods().patch('web', 'merge', { metadata: { finalizers: ['example.com/hold'] } });
    await harness.settle();
    await remove('first', 'Foreground');
    expect((await sets().get('second')).metadata.finalizers).toEqual(['foregroundDeletion']);
    await pods().patch('web', 'merge', { metadata: { finalizers: null } });
    await harness.settle();
    expect([...(await setNames()), ...(await podNames())]).toEqual([]);
  });

  it('ends a circle of owners that are deleted in the foreground', async () => {
    const first = await createSet('first');
    const second = await createSet('second', { ownerReferences: [reference(first, { blockOwnerDeletion: true })] });
    await sets().patch('first', 'merge', { metadata: { ownerReferences: [reference(second, { blockOwnerDeletion: true })] } });
    await harness.settle();
    await remove('first', 'Foreground');
    await harness.advance(5000);
    expect(await setNames()).toEqual([]);
  });

  it('orphans', async () => {
    const [owner, other] = [await createSet('owner'), await createSet('other')];
    await createPod('web', [reference(owner), reference(other)]);
    await createPod('solo', [reference(owner)]);
    await remove('owner', 'Orphan');
    expect(await setNames()).toEqual(['other']);
    expect((await pods().get('web')).metadata.ownerReferences).toEqual([reference(other)]);
    expect((await pods().get('solo')).metadata.ownerReferences ?? []).toEqual([]);
  });

  it('deletes what names an owner that never was, and what names one by a wrong name', async () => {
    const owner = await createSet('owner');
    await createPod('lost', [{ ...reference(owner), uid: 'unknown' }]);
    await createPod('wrong', [{ ...reference(owner), name: 'wrong' }]);
    await createPod('right', [reference(owner)]);
    await harness.advance(2000);
    expect(await podNames()).toEqual(['right']);
  });

  it('deletes what names an owner of another namespace, and says so', async () => {
    const owner = await createSet('owner');
    await createPod('web', [reference(owner)], 'other');
    expect(await podNames('other')).toEqual([]);
    expect(harness.events('OwnerRefInvalidNamespace')).toEqual([
      `OwnerRefInvalidNamespace ownerRef [apps/v1/ReplicaSet, namespace: other, name: owner, uid: ${owner.metadata.uid}] does not exist in namespace "other"`,
    ]);
    expect(await setNames()).toEqual(['owner']);
  });

  it('leaves alone what is cluster-scoped and names a namespaced owner', async () => {
    const owner = await createSet('owner');
    const metadata = { name: 'node', ownerReferences: [reference(owner)] };
    await harness.resource(Nodes).create({ metadata } as unknown as Node);
    await remove('owner');
    await harness.advance(10_000);
    expect((await harness.resource(Nodes).objects()).map(node => node.metadata.name)).toEqual(['node']);
  });

  it('follows cluster-scoped owners into namespaces', async () => {
    const node = await harness.resource(Nodes).create({ metadata: { name: 'node' } } as unknown as Node);
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'node', uid: node.metadata.uid! };
    await createPod('web', [owner], 'one');
    await createPod('web', [owner], 'two');
    await harness.resource(Nodes).delete('node');
    await harness.settle();
    expect([...(await podNames('one')), ...(await podNames('two'))]).toEqual([]);
  });

  it('tries again after conflicts, and gives up its claim on versions when the owners stayed the same', async () => {
    const owner = await createSet('owner');
    await createPod('web', [reference(owner)]);
    let conflicts = 2;
    harness.transport.reactors.push(action => {
      if (action.verb === 'delete' && action.resource === 'pods' && conflicts-- > 0) {
        throw conflict({ group: '', resource: 'pods', name: 'web' });
      }
    });
    await remove('owner');
    await harness.advance(1000);
    expect(await podNames()).toEqual([]);
    expect(conflicts).toBeLessThan(0);
  });

  it('watches resources that appear later', async () => {
    const later = new ControllerHarness();
    const resources = fakeCatalogue([Pods]).slice();
    later.environment = { ...fakeEnvironment(), catalogue: { resources: () => resources } };
    await later.start(garbageCollectorController.create);
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'nobody' };
    await later.resource(Pods).create({ metadata: { name: 'web', ownerReferences: [owner] } } as unknown as Pod);
    await later.advance(1000);
    expect(await later.resource(Pods).objects()).toHaveLength(1);
    resources.push(...fakeCatalogue([ConfigMaps]));
    const made = await later.resource(ConfigMaps).create({ metadata: { name: 'two' } } as unknown as ConfigMap);
    await later.advance(31_000);
    expect(await later.resource(Pods).objects()).toHaveLength(0);
    const owned = { apiVersion: 'v1', kind: 'ConfigMap', name: 'two', uid: made.metadata.uid! };
    await later.resource(Pods).create({ metadata: { name: 'web', ownerReferences: [owned] } } as unknown as Pod);
    await later.settle();
    await later.resource(ConfigMaps).delete('two');
    await later.settle();
    expect(await later.resource(Pods).objects()).toHaveLength(0);
    await later.stop();
  });

  it('goes on watching what a server does not tell of at the moment', async () => {
    const later = new ControllerHarness();
    const thing = {
      group: 'x.example.com',
      version: 'v1',
      resource: 'things',
      kind: 'Thing',
      namespaced: true,
    } as ResourceReference<KubeObject>;
    const all = fakeCatalogue([Pods, thing]);
    let resources = all;
    let isCurrent = true;
    const extensions = () => [{ group: 'x.example.com', version: 'v1', isCurrent }];
    later.environment = { ...fakeEnvironment(), catalogue: { resources: () => resources, extensions } };
    await later.start(garbageCollectorController.create);
    const things = later.resource(thing);
    const made = await things.create({ metadata: { name: 'owner' } } as KubeObject);
    const owner = { apiVersion: 'x.example.com/v1', kind: 'Thing', name: 'owner', uid: made.metadata.uid! };
    await later.resource(Pods).create({ metadata: { name: 'web', ownerReferences: [owner] } } as unknown as Pod);
    await later.settle();
    resources = fakeCatalogue([Pods]);
    isCurrent = false;
    await later.advance(31_000);
    await things.delete('owner');
    await later.settle();
    resources = all;
    isCurrent = true;
    await later.advance(31_000);
    expect(await later.resource(Pods).objects()).toEqual([]);
    await later.stop();
  });
});
