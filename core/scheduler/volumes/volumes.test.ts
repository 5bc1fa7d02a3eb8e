import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CSIDrivers,
  CSINodes,
  CSIStorageCapacities,
  Nodes,
  PersistentVolumeClaims,
  PersistentVolumes,
  Pods,
  StorageClasses,
} from '../../api/generated/resources.js';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../api/generated/types.js';
import { settle } from '../../client/testing/settle.js';
import { conflict } from '../../machinery/status-error.js';
import { SchedulerHarness } from '../testing/harness.js';
import { node, pod } from '../testing/objects.js';
import type { PodFields } from '../testing/objects.js';
import { UsedInformers } from '../used-informers.js';
import { StorageObjects } from './claims.js';
import { VolumeBinder, volumeReasons } from './volume-binder.js';
import type { NodeVolumes } from './volume-binder.js';

const using = (...names: string[]): PodFields => ({
  volumes: names.map(name => ({ name, persistentVolumeClaim: { claimName: name } })),
});
const claim = (
  name: string,
  fields: { spec?: object; annotations?: Record<string, string>; status?: object } = {},
): PersistentVolumeClaim =>
  ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: 'default', annotations: fields.annotations },
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'late',
      resources: { requests: { storage: '1Gi' } },
      ...fields.spec,
    },
    status: fields.status ?? { phase: 'Pending' },
  }) as unknown as PersistentVolumeClaim;
const boundClaim = (name: string, volumeName: string, spec: object = {}): PersistentVolumeClaim =>
  claim(name, {
    spec: { volumeName, ...spec },
    annotations: { 'pv.kubernetes.io/bind-completed': 'yes' },
    status: { phase: 'Bound' },
  });
const onNodes = (...values: string[]) => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values }] }] },
});
const volume = (name: string, spec: object = {}, labels?: Record<string, string>): PersistentVolume =>
  ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, labels },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'late', capacity: { storage: '1Gi' }, ...spec },
    status: { phase: 'Available' },
  }) as unknown as PersistentVolume;
const storageClass = (name: string, volumeBindingMode: string, more: object = {}): StorageClass =>
  ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name },
    provisioner: 'csi.example.com',
    volumeBindingMode,
    ...more,
  }) as unknown as StorageClass;
const notHelpful = (count: number): string =>
  `no new claims to deallocate, preemption: 0/${count} nodes are available: ${count} Preemption is not helpful for scheduling.`;

describe('volumes', () => {
  let harness: SchedulerHarness;

  beforeEach(async () => {
    harness = new SchedulerHarness();
    await harness.start();
    await harness.create(Nodes, node('n1'), node('n2'));
    await harness.create(StorageClasses, storageClass('late', 'WaitForFirstConsumer'), storageClass('early', 'Immediate'));
  });
  afterEach(async () => {
    await harness.stop();
    expect(harness.clock.pendingTimers).toBe(0);
  });
  const claims = () => harness.admin.resource(PersistentVolumeClaims, 'default');
  const volumes = () => harness.admin.resource(PersistentVolumes);

  it('waits for a claim that is not there, and comes back with it', async () => {
    await harness.create(PersistentVolumes, volume('v'));
    await harness.create(Pods, pod('p', using('data')));
    expect(await harness.reasonOf('p')).toBe(`0/2 nodes are available: persistentvolumeclaim "data" not found. ${notHelpful(2)}`);
    await harness.create(PersistentVolumeClaims, boundClaim('data', 'v'));
    expect(await harness.nodeOf('p')).toBeDefined();
  });

  it('waits for claims that are bound without its doing', async () => {
    await harness.create(PersistentVolumeClaims, claim('data', { spec: { storageClassName: 'early' } }));
    await harness.create(Pods, pod('p', using('data')));
    expect(await harness.reasonOf('p')).toBe(
      `0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. ${notHelpful(2)}`,
    );
    await harness.create(PersistentVolumes, volume('v', { storageClassName: 'early' }));
    await claims().patch('data', 'merge', {
      metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
      spec: { volumeName: 'v' },
    });
    await settle(20);
    expect(await harness.nodeOf('p')).toBeDefined();
  });

  it('goes where its volume is', async () => {
    await harness.create(PersistentVolumes, volume('v', { nodeAffinity: onNodes('n2') }));
    await harness.create(PersistentVolumeClaims, boundClaim('data', 'v'));
    await harness.create(Pods, pod('p', using('data')));
    expect(await harness.nodeOf('p')).toBe('n2');
  });

  const rejections: [string, PersistentVolumeClaim, PersistentVolume[], string][] = [
    [
      'a volume on no node',
      boundClaim('data', 'v'),
      [volume('v', { nodeAffinity: onNodes('n9') })],
      "2 node(s) didn't match PersistentVolume's node affinity.",
    ],
    [
      'a lost claim',
      claim('data', { status: { phase: 'Lost' }, spec: { volumeName: 'v' } }),
      [volume('v')],
      'persistentvolumeclaim "data" bound to non-existent persistentvolume "v".',
    ],
    [
      'a class that provisions nothing and no volume',
      claim('data', { spec: { storageClassName: 'local' } }),
      [],
      "2 node(s) didn't find available persistent volumes to bind.",
    ],
  ];
  it.each(rejections)('%s', async (_name, data, list, reason) => {
    await harness.create(
      StorageClasses,
      storageClass('local', 'WaitForFirstConsumer', { provisioner: 'kubernetes.io/no-provisioner' }),
    );
    await harness.create(PersistentVolumes, ...list);
    await harness.create(PersistentVolumeClaims, data);
    await harness.create(Pods, pod('p', using('data')));
    expect(await harness.reasonOf('p')).toBe(`0/2 nodes are available: ${reason} ${notHelpful(2)}`);
  });

  it('takes the smallest free volume that will do and waits until it is bound', async () => {
    await harness.create(
      PersistentVolumes,
      volume('big', { capacity: { storage: '9Gi' } }),
      volume('right', { capacity: { storage: '2Gi' }, nodeAffinity: onNodes('n2') }),
      volume('small', { capacity: { storage: '500Mi' } }),
      volume('other', { storageClassName: 'x' }),
    );
    await harness.create(Nodes, node('n3', { unschedulable: true }));
    await harness.admin.resource(Nodes).patch('n1', 'merge', { spec: { unschedulable: true } });
    await settle(20);
    await harness.create(PersistentVolumeClaims, claim('data'));
    await harness.create(Pods, pod('p', using('data')));
    expect((await volumes().get('right')).spec.claimRef).toMatchObject({
      kind: 'PersistentVolumeClaim',
      name: 'data',
      namespace: 'default',
    });
    expect((await volumes().get('right')).metadata.annotations).toEqual({ 'pv.kubernetes.io/bound-by-controller': 'yes' });
    expect(await harness.nodeOf('p')).toBeUndefined();
    expect((await harness.pod('p')).status.nominatedNodeName).toBe('n2');
    await claims().patch('data', 'merge', {
      metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
      spec: { volumeName: 'right' },
    });
    await settle(20);
    expect(await harness.nodeOf('p')).toBe('n2');
  });

  it('does not give one volume to two pods', async () => {
    await harness.create(
      StorageClasses,
      storageClass('local', 'WaitForFirstConsumer', { provisioner: 'kubernetes.io/no-provisioner' }),
    );
    const local = { storageClassName: 'local' };
    await harness.create(PersistentVolumes, volume('v', local));
    await harness.create(PersistentVolumeClaims, claim('a', { spec: local }), claim('b', { spec: local }));
    await harness.create(Pods, pod('p', using('a')), pod('q', using('b')));
    expect((await volumes().get('v')).spec.claimRef).toMatchObject({ name: 'a' });
    expect(await harness.reasonOf('q')).toMatch(/2 node\(s\) didn't find available persistent volumes to bind\./);
  });

  it('names the node to the provisioner and waits', async () => {
    await harness.create(PersistentVolumeClaims, claim('data'));
    await harness.create(Pods, pod('p', { ...using('data'), nodeSelector: { 'kubernetes.io/hostname': 'n2' } }));
    expect((await claims().get('data')).metadata.annotations).toEqual({ 'volume.kubernetes.io/selected-node': 'n2' });
    expect(await harness.nodeOf('p')).toBeUndefined();
    await harness.create(PersistentVolumes, volume('v', { nodeAffinity: onNodes('n2') }));
    await claims().patch('data', 'merge', {
      metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
      spec: { volumeName: 'v' },
    });
    await settle(20);
    expect(await harness.nodeOf('p')).toBe('n2');
  });

  const shared: [string, () => Promise<void>, () => Promise<void>][] = [
    ['provisioned', async () => undefined, () => harness.create(PersistentVolumes, volume('v', { nodeAffinity: onNodes('n2') }))],
    ['taken', () => harness.create(PersistentVolumes, volume('v', { nodeAffinity: onNodes('n2') })), async () => undefined],
  ];
  it.each(shared)('binds two pods at once that share a claim whose volume is %s', async (_how, before, after) => {
    await before();
    await harness.create(PersistentVolumeClaims, claim('data'));
    const onSecond = { ...using('data'), nodeSelector: { 'kubernetes.io/hostname': 'n2' } };
    await harness.create(Pods, pod('p', onSecond), pod('q', onSecond));
    await after();
    await claims().patch('data', 'merge', {
      metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
      spec: { volumeName: 'v' },
    });
    await settle(20);
    // Without the clock's help.
    expect(await harness.nodeOf('p')).toBe('n2');
    expect(await harness.nodeOf('q')).toBe('n2');
    expect(harness.recorder.lines('FailedScheduling')).toEqual([]);
  });

  it('does not take a change of somebody else for its own', async () => {
    await harness.create(PersistentVolumeClaims, claim('data'));
    let isMeddling = true;
    harness.transport.reactors.push(({ verb, resource, caller }) => {
      if (!isMeddling || caller !== 'system:kube-scheduler' || verb !== 'update' || resource !== 'persistentvolumeclaims') return;
      isMeddling = false;
      throw conflict({ group: '', resource: 'persistentvolumeclaims', name: 'data' });
    });
    await harness.create(Pods, pod('p', using('data')));
    expect(await harness.reasonOf('p')).toMatch(/^running PreBind plugin "VolumeBinding": .* the object has been modified/);
  });

  it('holds nothing of claims that are done, and what one pod gives up is no loss for the other', async () => {
    const { client, clock, informers } = harness;
    const used = new UsedInformers(informers);
    const binder = new VolumeBinder({ client, clock, informers: used, storage: new StorageObjects(used) });
    await harness.create(PersistentVolumeClaims, claim('data'));
    const held = pod('held', { ...using('data'), schedulerName: 'other' });
    await harness.create(Pods, held);
    const [n1, n2] = [harness.scheduler.cache.node('n1')!.node, harness.scheduler.cache.node('n2')!.node];
    const first = binder.assume(held, 'n1', binder.find(binder.claimsOf(held), n1) as NodeVolumes)!;
    const second = binder.assume(held, 'n1', binder.find(binder.claimsOf(held), n1) as NodeVolumes)!;
    binder.revert(second);
    expect(binder.find(binder.claimsOf(held), n2)).toEqual([volumeReasons.bindConflict]);
    const binding = binder.bind(held, 'n1', first, new AbortController().signal);
    await settle(20);
    await harness.create(PersistentVolumes, volume('v'));
    await claims().patch('data', 'merge', {
      metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
      spec: { volumeName: 'v' },
    });
    await settle(20);
    await binding;
    expect(binder.assumedCount).toBe(0);
  });

  it('tries again when the provisioner gives the claim back', async () => {
    await harness.create(PersistentVolumeClaims, claim('data'));
    await harness.create(Pods, pod('p', { ...using('data'), nodeSelector: { 'kubernetes.io/hostname': 'n2' } }));
    await claims().patch('data', 'merge', { metadata: { annotations: { 'volume.kubernetes.io/selected-node': null } } });
    await settle(20);
    expect(await harness.reasonOf('p')).toBe(
      'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"',
    );
    await harness.clock.advance(3000);
    await settle(20);
    expect((await claims().get('data')).metadata.annotations).toEqual({ 'volume.kubernetes.io/selected-node': 'n2' });
  });

  it('gives up after ten minutes', async () => {
    await harness.create(PersistentVolumeClaims, claim('data'));
    await harness.create(Pods, pod('p', using('data')));
    await harness.clock.advance(600_000);
    await settle(20);
    expect(await harness.reasonOf('p')).toBe(
      'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded',
    );
  });

  it('lets go of everything when the pod is deleted meanwhile', async () => {
    await harness.create(PersistentVolumeClaims, claim('data'));
    await harness.create(Pods, pod('p', { ...using('data'), requests: { cpu: '1' } }));
    expect(harness.scheduler.cache.nodes.reduce((sum, { podCount }) => sum + podCount, 0)).toBe(1);
    await harness.admin.resource(Pods, 'default').delete('p');
    await settle(20);
    expect(harness.scheduler.cache.nodes.reduce((sum, { podCount }) => sum + podCount, 0)).toBe(0);
    expect(harness.transport.writes()).not.toContain('create pods/binding');
  });

  it('keeps to the topologies of the class', async () => {
    const allowedTopologies = [{ matchLabelExpressions: [{ key: 'kubernetes.io/hostname', values: ['n2'] }] }];
    await harness.create(StorageClasses, storageClass('there', 'WaitForFirstConsumer', { allowedTopologies }));
    await harness.create(PersistentVolumeClaims, claim('data', { spec: { storageClassName: 'there' } }));
    await harness.create(Pods, pod('p', using('data')));
    expect((await claims().get('data')).metadata.annotations).toEqual({ 'volume.kubernetes.io/selected-node': 'n2' });
  });

  it('asks for capacity where the driver publishes it', async () => {
    await harness.create(CSIDrivers, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: 'csi.example.com' },
      spec: { storageCapacity: true },
    } as unknown as CSIDriver);
    await harness.create(PersistentVolumeClaims, claim('data'));
    await harness.create(Pods, pod('p', using('data')));
    expect(await harness.reasonOf('p')).toBe(
      `0/2 nodes are available: 2 node(s) did not have enough free storage. ${notHelpful(2)}`,
    );
    const capacity = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIStorageCapacity',
      metadata: { name: 'c', namespace: 'default' },
      storageClassName: 'late',
      capacity: '10Gi',
      nodeTopology: { matchLabels: { 'kubernetes.io/hostname': 'n1' } },
    };
    await harness.create(CSIStorageCapacities, capacity as unknown as CSIStorageCapacity);
    expect((await claims().get('data')).metadata.annotations).toEqual({ 'volume.kubernetes.io/selected-node': 'n1' });
  });

  it('gives a ReadWriteOncePod claim to one pod', async () => {
    await harness.create(PersistentVolumes, volume('v'));
    await harness.create(PersistentVolumeClaims, boundClaim('data', 'v', { accessModes: ['ReadWriteOncePod'] }));
    await harness.create(Pods, pod('first', using('data')));
    await harness.create(Pods, pod('second', using('data')));
    expect(await harness.nodeOf('first')).toBeDefined();
    expect(await harness.reasonOf('second')).toMatch(
      /^0\/2 nodes are available: 2 node\(s\) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod\./,
    );
    await harness.create(Pods, pod('urgent', { ...using('data'), priority: 10 }));
    expect((await harness.pod('first')).metadata.deletionTimestamp).toBeDefined();
  });

  it('keeps to the number of volumes that a driver can attach', async () => {
    const csiNode = (name: string, count: number) =>
      ({
        apiVersion: 'storage.k8s.io/v1',
        kind: 'CSINode',
        metadata: { name },
        spec: { drivers: [{ name: 'd', nodeID: name, allocatable: { count } }] },
      }) as unknown as CSINode;
    await harness.create(CSINodes, csiNode('n1', 1), csiNode('n2', 0));
    const csi = (volumeHandle: string) => ({ csi: { driver: 'd', volumeHandle } });
    await harness.create(PersistentVolumes, volume('v', csi('1')), volume('w', csi('2')));
    await harness.create(PersistentVolumeClaims, boundClaim('a', 'v'), boundClaim('b', 'w'));
    await harness.create(Pods, pod('p', using('a')));
    expect(await harness.nodeOf('p')).toBe('n1');
    await harness.create(Pods, pod('same', using('a')));
    expect(await harness.nodeOf('same')).toBe('n1');
    await harness.create(Pods, pod('more', using('b')));
    expect(await harness.reasonOf('more')).toMatch(/^0\/2 nodes are available: 2 node\(s\) exceed max volume count\./);
  });

  it('keeps to the zones that a volume is labelled with', async () => {
    const zone = (value: string) => ({ 'topology.kubernetes.io/zone': value });
    await harness.create(Nodes, node('za', { labels: zone('a') }), node('zc', { labels: zone('c') }));
    for (const name of ['n1', 'n2']) await harness.admin.resource(Nodes).patch(name, 'merge', { spec: { unschedulable: true } });
    await harness.create(PersistentVolumes, volume('v', {}, zone('b__c')));
    await harness.create(PersistentVolumeClaims, boundClaim('data', 'v'));
    await harness.create(Pods, pod('p', using('data')));
    expect(await harness.nodeOf('p')).toBe('zc');
  });

  it('waits for the claims of ephemeral volumes and takes only its own', async () => {
    const volumes = [{ name: 'scratch', ephemeral: {} }];
    await harness.create(PersistentVolumes, volume('v'));
    await harness.create(Pods, pod('p', { volumes }));
    expect(await harness.reasonOf('p')).toBe(
      `0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch". ${notHelpful(2)}`,
    );
    await harness.create(PersistentVolumeClaims, boundClaim('p-scratch', 'v'));
    expect(await harness.reasonOf('p')).toMatch(/PVC default\/p-scratch was not created for pod default\/p \(pod is not owner\)/);
    const { uid } = (await harness.pod('p')).metadata;
    await claims().patch('p-scratch', 'merge', {
      metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid, controller: true }] },
    });
    await settle(20);
    expect(await harness.nodeOf('p')).toBeDefined();
  });
});
