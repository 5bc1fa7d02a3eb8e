import { describe, expect, it } from '@jest/globals';
import { UsageStore } from './usage-store.js';

const second = 1_000_000_000;

function pod(uid: string, ...containers: { name: string; timeMs: number; cpuSeconds: number; startedAtMs?: number }[]) {
  return {
    namespace: 'default',
    name: 'web',
    uid,
    containers: containers.map(({ cpuSeconds, ...rest }) => ({
      ...rest,
      cpuUsageCoreNanos: cpuSeconds * second,
      memoryWorkingSetBytes: 1024,
    })),
  };
}

describe('rates of usage', () => {
  it('are made of the last two samples', () => {
    const store = new UsageStore();
    const node = (timeMs: number, cpuSeconds: number) => ({
      nodeName: 'n',
      node: { timeMs, cpuUsageCoreNanos: cpuSeconds * second, memoryWorkingSetBytes: timeMs },
      pods: [pod('u', { name: 'a', timeMs, cpuSeconds: cpuSeconds / 2 })],
    });
    store.add([node(10_000, 100)]);
    expect(store.node('n')).toBeUndefined();
    expect(store.pod('default', 'web')).toBeUndefined();
    store.add([node(20_000, 105)]);
    expect(store.node('n')).toEqual({ timeMs: 20_000, windowMs: 10_000, cpuNanocores: 0.5 * second, memoryBytes: 20_000 });
    expect(store.pod('default', 'web')).toEqual({
      uid: 'u',
      containers: [{ name: 'a', timeMs: 20_000, windowMs: 10_000, cpuNanocores: 0.25 * second, memoryBytes: 1024 }],
    });
    // The same measurement again changes nothing.
    store.add([node(20_000, 105)]);
    expect(store.node('n')?.windowMs).toBe(10_000);
    store.add([node(21_000, 107)]);
    expect(store.node('n')?.cpuNanocores).toBe(2 * second);
  });

  it('begin with the container, and never span a restart or another pod of the name', () => {
    const store = new UsageStore();
    const add = (...pods: ReturnType<typeof pod>[]) => store.add([{ nodeName: 'n', pods }]);
    add(pod('u', { name: 'a', timeMs: 10_000, cpuSeconds: 1, startedAtMs: 5_000 }));
    expect(store.pod('default', 'web')?.containers[0]).toMatchObject({ windowMs: 5_000, cpuNanocores: second / 5 });
    add(pod('u', { name: 'a', timeMs: 20_000, cpuSeconds: 8, startedAtMs: 16_000 }));
    expect(store.pod('default', 'web')?.containers[0]).toMatchObject({ windowMs: 4_000, cpuNanocores: 2 * second });
    add(pod('v', { name: 'a', timeMs: 30_000, cpuSeconds: 9 }));
    expect(store.pod('default', 'web')).toBeUndefined();
    add(pod('v', { name: 'a', timeMs: 40_000, cpuSeconds: 2 }));
    expect(store.pod('default', 'web')).toBeUndefined();
  });

  it('of a pod are known when all its containers are, and forgotten with it', () => {
    const store = new UsageStore();
    const both = (timeMs: number) => [
      { name: 'a', timeMs, cpuSeconds: 1, startedAtMs: 0 },
      { name: 'b', timeMs, cpuSeconds: 1 },
    ];
    store.add([{ nodeName: 'n', pods: [pod('u', ...both(10_000))] }]);
    expect(store.pod('default', 'web')).toBeUndefined();
    store.add([{ nodeName: 'n', pods: [pod('u', ...both(20_000))] }]);
    expect(store.pod('default', 'web')?.containers).toHaveLength(2);
    for (let round = 0; round < 4; round++) store.add([]);
    expect(store.pod('default', 'web')).toBeUndefined();
  });
});
