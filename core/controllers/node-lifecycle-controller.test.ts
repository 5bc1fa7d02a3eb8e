import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Leases, Nodes, Pods } from '../api/generated/resources.js';
import type { Lease, Node, Pod } from '../api/generated/types.js';
import { formatMicroTime, formatTime } from '../api/time.js';
import { zoneState } from './node-health.js';
import { nodeLifecycleController } from './node-lifecycle-controller.js';
import { taintEvictionController } from './taint-eviction-controller.js';
import { ControllerHarness } from './testing/harness.js';

describe('node lifecycle', () => {
  let harness: ControllerHarness;
  const nodes = () => harness.resource(Nodes);
  const leases = () => harness.resource(Leases, 'kube-node-lease');
  const alive = new Set<string>();
  const addNode = async (name: string, labels: Record<string, string> = {}) => {
    alive.add(name);
    const now = formatTime(harness.clock.now());
    const conditions = ['Ready', 'MemoryPressure'].map(type => ({
      type,
      status: type === 'Ready' ? 'True' : 'False',
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    }));
    await nodes().create({ metadata: { name, labels }, spec: {}, status: { conditions } } as unknown as Node);
    const spec = { renewTime: formatMicroTime(harness.clock.now()) };
    await leases().create({ metadata: { name }, spec } as unknown as Lease);
  };
  const setReady = async (name: string, status: string) => {
    const now = formatTime(harness.clock.now());
    const condition = { type: 'Ready', status, lastHeartbeatTime: now, lastTransitionTime: now };
    await nodes()
      .subresource('status')
      .patch(name, 'strategic', { status: { conditions: [condition] } });
  };
  /** Time goes on, and the leases of those alive are renewed. */
  const pass = async (seconds: number) => {
    for (let left = seconds; left > 0; left -= 5) {
      for (const name of alive) {
        await leases().patch(name, 'merge', { spec: { renewTime: formatMicroTime(harness.clock.now()) } });
      }
      await harness.advance(Math.min(5, left) * 1000);
    }
  };
  const ready = async (name: string) => (await nodes().get(name)).status.conditions?.find(c => c.type === 'Ready');
  const taints = async (name: string) =>
    ((await nodes().get(name)).spec.taints ?? []).map(taint => `${taint.key.split('/')[1]}:${taint.effect}`).sort();
  const addPod = async (name: string, nodeName: string, tolerations: object[] = []) => {
    await harness.resource(Pods).create({
      metadata: { name },
      spec: { nodeName, containers: [], tolerations },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    } as unknown as Pod);
    await harness.settle();
  };
  const pod = (name: string) => harness.resource(Pods).get(name);

  beforeEach(async () => {
    alive.clear();
    harness = new ControllerHarness();
    await addNode('a');
    await addNode('b');
    await addNode('c');
    await harness.start(nodeLifecycleController.create, taintEvictionController.create);
  });
  afterEach(() => harness.stop());

  it.each([86_400_000, -86_400_000])('leaves nodes and their pods alone when the clock is set by %d ms', async byMs => {
    await addPod('brief', 'a', [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 600 }]);
    await nodes().patch('a', 'merge', { spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } });
    await pass(20);
    // It comes between a renewal and the next look.
    harness.clock.jump(byMs);
    await harness.advance(5000);
    await pass(100);
    expect((await ready('a'))?.status).toBe('True');
    expect(await taints('b')).toEqual([]);
    expect((await pod('brief')).metadata.deletionTimestamp).toBeUndefined();
  });

  it('leaves nodes alone that renew their lease', async () => {
    await pass(120);
    expect((await ready('a'))?.status).toBe('True');
    expect(await taints('a')).toEqual([]);
    expect(harness.events('RegisteredNode')).toContain('RegisteredNode Node a event: Registered Node a in Controller');
  });

  it('marks a silent node as unknown after 50 seconds, its pods as not ready, and taints it', async () => {
    await addPod('web', 'a', [
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 30 },
    ]);
    alive.delete('a');
    await pass(45);
    expect((await ready('a'))?.status).toBe('True');
    await pass(15);
    expect(await ready('a')).toMatchObject({
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
    });
    expect((await nodes().get('a')).status.conditions?.map(c => [c.type, c.status])).toEqual([
      ['Ready', 'Unknown'],
      ['MemoryPressure', 'Unknown'],
      ['DiskPressure', 'Unknown'],
      ['PIDPressure', 'Unknown'],
    ]);
    expect(await taints('a')).toEqual(['unreachable:NoExecute', 'unreachable:NoSchedule']);
    expect((await pod('web')).status.conditions).toMatchObject([{ type: 'Ready', status: 'False' }]);
    expect(harness.events('NodeNotReady')).toEqual([
      'NodeNotReady Node a status is now: NodeNotReady',
      'NodeNotReady Node is not ready',
    ]);
    expect((await pod('web')).metadata.deletionTimestamp).toBeUndefined();
    await pass(35);
    expect((await pod('web')).metadata.deletionTimestamp).toBeDefined();
    expect((await pod('web')).status.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager' }),
    );
    expect(harness.events('TaintManagerEviction')).toEqual(['TaintManagerEviction Marking for deletion Pod default/web']);
  });

  it('takes the taints back when the node is there again, and lets its pods stay', async () => {
    await addPod('web', 'a', [{ operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }]);
    alive.delete('a');
    await pass(65);
    expect(await taints('a')).toEqual(['unreachable:NoExecute', 'unreachable:NoSchedule']);
    alive.add('a');
    await setReady('a', 'True');
    await pass(10);
    expect(await taints('a')).toEqual([]);
    expect(harness.events('TaintManagerEviction')).toEqual(['TaintManagerEviction Cancelling deletion of Pod default/web']);
    await pass(320);
    expect((await pod('web')).metadata.deletionTimestamp).toBeUndefined();
  });

  it('evicts at once what does not tolerate, never what tolerates for ever', async () => {
    await addPod('plain', 'a');
    await addPod('daemon', 'a', [{ operator: 'Exists' }]);
    await nodes().patch('a', 'merge', { spec: { taints: [{ key: 'mine', effect: 'NoExecute' }] } });
    await harness.settle();
    expect((await pod('plain')).metadata.deletionTimestamp).toBeDefined();
    await pass(600);
    expect((await pod('daemon')).metadata.deletionTimestamp).toBeUndefined();
    await addPod('late', 'a');
    expect((await pod('late')).metadata.deletionTimestamp).toBeDefined();
  });

  it('turns conditions and unschedulable into taints, and back', async () => {
    await nodes().patch('a', 'merge', { spec: { unschedulable: true, taints: [{ key: 'mine', effect: 'NoSchedule' }] } });
    await setReady('a', 'False');
    await pass(10);
    expect(await taints('a')).toEqual([
      'not-ready:NoExecute',
      'not-ready:NoSchedule',
      'undefined:NoSchedule',
      'unschedulable:NoSchedule',
    ]);
    await nodes().patch('a', 'merge', { spec: { unschedulable: null } });
    await setReady('a', 'True');
    await pass(10);
    expect((await nodes().get('a')).spec.taints).toEqual([{ key: 'mine', effect: 'NoSchedule' }]);
  });

  it('evicts one node of a zone in ten seconds', async () => {
    for (const name of ['d', 'e', 'f']) await addNode(name);
    await pass(5);
    await setReady('a', 'False');
    await setReady('b', 'False');
    const tainted = async () => (await Promise.all(['a', 'b'].map(taints))).filter(list => list.includes('not-ready:NoExecute'));
    await pass(6);
    expect(await tainted()).toHaveLength(1);
    await pass(10);
    expect(await tainted()).toHaveLength(2);
  });

  it('spares everybody while no node is ready', async () => {
    await addPod('web', 'a');
    alive.clear();
    await pass(90);
    expect((await ready('a'))?.status).toBe('Unknown');
    for (const name of ['a', 'b', 'c']) expect(await taints(name)).toEqual(['unreachable:NoSchedule']);
    expect((await pod('web')).metadata.deletionTimestamp).toBeUndefined();
    for (const name of ['b', 'c']) {
      alive.add(name);
      await setReady(name, 'True');
    }
    await pass(70);
    expect(await taints('a')).toContain('unreachable:NoExecute');
    expect(await harness.resource(Pods).objects()).toMatchObject([{ metadata: { deletionTimestamp: expect.any(String) } }]);
  });

  it('tells of nodes that never came up and of nodes that went', async () => {
    await nodes().create({ metadata: { name: 'new' }, spec: {} } as unknown as Node);
    await pass(70);
    expect(await ready('new')).toMatchObject({ status: 'Unknown', reason: 'NodeStatusNeverUpdated' });
    await nodes().delete('new');
    await pass(6);
    expect(harness.events('RemovingNode')).toEqual(['RemovingNode Node new event: Removing Node new from Controller']);
  });

  it('gives labels their old names too', async () => {
    await addNode('labelled', { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' });
    await harness.settle();
    expect((await nodes().get('labelled')).metadata.labels).toMatchObject({
      'beta.kubernetes.io/os': 'linux',
      'beta.kubernetes.io/arch': 'amd64',
    });
  });

  it('judges zones by their share of ready nodes', () => {
    const zone = (ready: number, silent: number) => zoneState([...Array(ready).fill(true), ...Array(silent).fill(false)]);
    expect([zone(0, 1), zone(5, 5), zone(4, 6), zone(1, 2), zone(3, 0), zone(0, 0)]).toEqual([
      'FullDisruption',
      'Normal',
      'PartialDisruption',
      'Normal',
      'Normal',
      'Normal',
    ]);
  });
});
