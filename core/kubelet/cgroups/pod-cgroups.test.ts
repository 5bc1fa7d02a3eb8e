import { describe, expect, it } from '@jest/globals';
import type { Pod, ResourceRequirements } from '../../api/generated/types.js';
import { RecordingCgroups } from '../../host/cgroups.js';
import { PodCgroups } from './pod-cgroups.js';

function pod(uid: string, ...resources: ResourceRequirements[]): Pod {
  const containers = resources.map((own, at) => ({ name: `c${at}`, image: 'i', resources: own }));
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: uid, uid }, spec: { containers } } as unknown as Pod;
}

const allocatable = { cpu: '4', memory: '8Gi' };
const guaranteed = { requests: { cpu: '500m', memory: '64Mi' }, limits: { cpu: '500m', memory: '64Mi' } };

async function make(root = '') {
  const cgroups = new RecordingCgroups();
  const entries: string[] = [];
  const ledger = {
    record: async (kind: string, name: string) => void entries.push(`${kind} ${name}`),
    forget: async (kind: string, name: string) => void entries.splice(entries.indexOf(`${kind} ${name}`), 1),
    list: () => Promise.resolve([]),
  };
  const tree = new PodCgroups({ cgroups, root, ledger });
  await tree.start(allocatable, 32_768);
  return { cgroups, entries, tree };
}

describe('PodCgroups', () => {
  it('makes the tree with the limits of the node and notes it', async () => {
    const { cgroups, entries } = await make('/k3s-1');
    expect(cgroups.groups.get('/k3s-1/kubepods')).toEqual({
      cpuShares: 4096,
      memoryBytes: 8 * 1024 ** 3,
      pids: 32_768,
    });
    expect(cgroups.groups.get('/k3s-1/kubepods/besteffort')).toEqual({ cpuShares: 2 });
    expect(entries).toEqual(['cgroup /k3s-1']);
  });

  it('puts pods where their class says, with what they may use as a whole', async () => {
    const { cgroups, tree } = await make();
    expect(await tree.ensure(pod('g', guaranteed, guaranteed))).toBe('/kubepods/podg');
    expect(await tree.ensure(pod('b', { requests: { cpu: '1' }, limits: { memory: '1Gi' } }))).toBe('/kubepods/burstable/podb');
    expect(await tree.ensure(pod('n', {}))).toBe('/kubepods/besteffort/podn');
    const cpuPeriodMicros = 100_000;
    const memoryBytes = 128 * 1024 ** 2;
    expect(cgroups.groups.get('/kubepods/podg')).toEqual({
      cpuShares: 1024,
      cpuPeriodMicros,
      cpuQuotaMicros: 100_000,
      memoryBytes,
    });
    const burstable = { cpuShares: 1024, cpuPeriodMicros, cpuQuotaMicros: -1, memoryBytes: 1024 ** 3 };
    expect(cgroups.groups.get('/kubepods/burstable/podb')).toEqual(burstable);
    const none = { cpuShares: 2, cpuPeriodMicros, cpuQuotaMicros: -1, memoryBytes: -1 };
    expect(cgroups.groups.get('/kubepods/besteffort/podn')).toEqual(none);
  });

  it('gives no limit to a pod of which one container has none', async () => {
    const { cgroups, tree } = await make();
    await tree.ensure(pod('b', { limits: { cpu: '1', memory: '1Gi' } }, {}));
    expect(cgroups.groups.get('/kubepods/burstable/podb')).toMatchObject({ cpuQuotaMicros: -1, memoryBytes: -1 });
  });

  it('lets burstable pods together weigh what they request', async () => {
    const { cgroups, tree } = await make();
    const shares = () => cgroups.groups.get('/kubepods/burstable')?.cpuShares;
    await tree.ensure(pod('a', { requests: { cpu: '500m' } }));
    await tree.ensure(pod('b', { requests: { cpu: '250m' } }));
    expect(shares()).toBe(768);
    await tree.remove('a');
    expect(shares()).toBe(256);
    await tree.remove('b');
    expect(shares()).toBe(2);
  });

  it('weigh the last sum, whichever write was slower, and also after one that failed', async () => {
    const { cgroups, tree } = await make();
    const { ensure } = cgroups;
    const gates: PromiseWithResolvers<void>[] = [];
    cgroups.ensure = async (path, limits) => {
      if (path !== '/kubepods/burstable') return ensure.call(cgroups, path, limits);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
      return ensure.call(cgroups, path, limits);
    };
    const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
    const first = tree.ensure(pod('a', { requests: { cpu: '1' } }));
    const second = tree.ensure(pod('b', { requests: { cpu: '1' } }));
    await settle();
    for (let at = gates.length - 1; at >= 0; at--) gates[at]!.resolve();
    await settle();
    for (const gate of gates) gate.resolve();
    await Promise.all([first, second]);
    expect(cgroups.groups.get('/kubepods/burstable')).toEqual({ cpuShares: 2048 });
    cgroups.ensure = async () => Promise.reject(new Error('refused'));
    await expect(tree.remove('a')).rejects.toThrow('refused');
    cgroups.ensure = ensure;
    await tree.ensure(pod('c', {}));
    expect(cgroups.groups.get('/kubepods/burstable')).toEqual({ cpuShares: 1024 });
  });

  it('has a container die as a whole and never swap, as far as the kernel can', async () => {
    const { tree } = await make();
    expect(tree.containerKeys).toEqual({ 'memory.oom.group': '1', 'memory.swap.max': '0' });
    const cgroups = new RecordingCgroups();
    cgroups.lacking.add('memory.swap.max');
    const other = new PodCgroups({ cgroups, root: '' });
    await other.start(allocatable, 32_768);
    expect(other.containerKeys).toEqual({ 'memory.oom.group': '1' });
    cgroups.version = 1;
    const old = new PodCgroups({ cgroups, root: '' });
    await old.start(allocatable, 32_768);
    expect(old.containerKeys).toEqual({});
  });

  it('writes only what changed', async () => {
    const { cgroups, tree } = await make();
    await tree.ensure(pod('g', guaranteed));
    const before = cgroups.writes.length;
    await tree.ensure(pod('g', guaranteed));
    expect(cgroups.writes).toHaveLength(before);
  });

  it('knows the groups of earlier starts, and goes only when none of a pod is left', async () => {
    const { cgroups, entries, tree } = await make();
    await cgroups.ensure('/kubepods/burstable/podold-1/container', {});
    expect(await tree.podUids()).toEqual(['old-1']);
    await tree.stop();
    expect(cgroups.groups.has('/kubepods')).toBe(true);
    expect(entries).toEqual(['cgroup /kubepods']);
    await tree.remove('old-1');
    await tree.stop();
    expect([...cgroups.groups.keys()]).toEqual([]);
    expect(entries).toEqual([]);
  });
});
