import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pod } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type { ClusterEvent, SchedulerPlugin } from '../../contracts/scheduler-plugin.js';
import { pod } from '../testing/objects.js';
import type { PodFields } from '../testing/objects.js';
import { KeyedHeap } from './heap.js';
import { SchedulingQueue } from './scheduling-queue.js';

const nodeAdded: ClusterEvent = { resource: 'Node', action: ClusterAction.Add };
const podDeleted: ClusterEvent = { resource: 'AssignedPod', action: ClusterAction.Delete };

describe('SchedulingQueue', () => {
  let clock: FakeClock;
  let queue: SchedulingQueue;
  let gate: string | undefined;
  const plugins: SchedulerPlugin[] = [
    { name: 'Nodes', events: [{ resource: 'Node', action: ClusterAction.Add }] },
    { name: 'Big', events: [{ resource: 'Node', action: ClusterAction.Add, mayHelp: (_pod, _old, next) => next === 'big' }] },
    { name: 'Pods', events: [{ resource: 'Pod', action: ClusterAction.Delete }] },
    { name: 'Anything' },
    {
      name: 'Gate',
      events: [{ resource: 'Pod', action: ClusterAction.Delete }],
      preEnqueue: ({ metadata }) => (metadata.name === gate ? { code: 'UnschedulableAndUnresolvable', reasons: [] } : undefined),
    },
  ];

  beforeEach(() => {
    clock = new FakeClock();
    gate = undefined;
    queue = new SchedulingQueue({ clock, plugins, onReady: () => undefined });
    queue.start();
  });
  afterEach(() => {
    queue.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  const add = (name: string, fields?: PodFields): Pod => {
    const added = pod(name, fields);
    queue.add({ object: added });
    return added;
  };
  const popName = (): string | undefined => queue.pop()?.info.pod.metadata.name;
  /** Takes the pod and gives it back as turned away by these plugins (by nobody: as an error). */
  const turnAway = (...rejecting: string[]): void => {
    const queued = queue.pop()!;
    queued.unschedulablePlugins = new Set(rejecting);
    queue.returnUnscheduled(queued);
  };

  it('counts pauses by time that passes, whatever happens to the clock', async () => {
    add('p');
    turnAway();
    clock.jump(-86_400_000);
    await clock.advance(2000);
    expect(popName()).toBe('p');
  });

  it('gives the most important first, then the oldest', () => {
    add('a');
    add('b', { priority: 5 });
    add('c');
    add('d', { priority: 5 });
    expect([popName(), popName(), popName(), popName(), popName()]).toEqual(['b', 'd', 'a', 'c', undefined]);
  });

  it('leaves a pod aside until what its plugin waits for happens', () => {
    add('p');
    turnAway('Nodes');
    queue.onEvent(podDeleted, undefined, undefined);
    expect(queue.place('uid-p')).toBe('unschedulable');
    queue.onEvent(nodeAdded, undefined, undefined);
    expect(queue.place('uid-p')).toBe('backoff');
  });

  it('asks the plugin whether the change may help', () => {
    add('p');
    turnAway('Big');
    queue.onEvent(nodeAdded, undefined, 'small');
    expect(queue.place('uid-p')).toBe('unschedulable');
    queue.onEvent(nodeAdded, undefined, 'big');
    expect(queue.place('uid-p')).toBe('backoff');
  });

  it('takes any event where a plugin names none', () => {
    add('p');
    turnAway('Anything');
    queue.onEvent(podDeleted, undefined, undefined);
    expect(queue.place('uid-p')).toBe('backoff');
  });

  it('does not lose what happens during an attempt', () => {
    add('p');
    const queued = queue.pop()!;
    queue.onEvent(nodeAdded, undefined, undefined);
    queued.unschedulablePlugins = new Set(['Nodes']);
    queue.returnUnscheduled(queued);
    expect(queue.place('uid-p')).toBe('backoff');
  });

  it('forgets a pod that is done', () => {
    add('p');
    queue.pop();
    expect(queue.place('uid-p')).toBe('in-flight');
    queue.done('uid-p');
    expect(queue.place('uid-p')).toBeUndefined();
    expect(queue.isListening).toBe(false);
  });

  it('gives a pod that backs off early when nobody else waits', () => {
    add('p');
    turnAway('Nodes');
    queue.onEvent(nodeAdded, undefined, undefined);
    add('q');
    expect([popName(), popName()]).toEqual(['q', 'p']);
  });

  it('does not give one early that failed by an error', async () => {
    add('p');
    turnAway();
    expect(queue.place('uid-p')).toBe('backoff');
    expect(popName()).toBeUndefined();
    await clock.advance(2000);
    expect(popName()).toBe('p');
  });

  it('backs off twice as long each time, up to ten seconds', async () => {
    add('p');
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      turnAway();
      const startMs = clock.now();
      while (queue.place('uid-p') !== 'active') await clock.advance(500);
      waits.push(clock.now() - startMs);
    }
    // A window more, since a back-off ends with its window.
    expect(waits).toEqual([2000, 3000, 5000, 9000, 11_000, 11_000]);
  });

  it('starts over with errors after the plugins had their say', () => {
    add('p');
    const queued = queue.pop()!;
    queued.consecutiveErrors = 4;
    queued.unschedulablePlugins = new Set(['Nodes']);
    queue.returnUnscheduled(queued);
    expect(queued.consecutiveErrors).toBe(0);
    expect(queued.unschedulableCount).toBe(1);
  });

  it('brings pods back without back-off for plugins that asked to wait', () => {
    add('p');
    const queued = queue.pop()!;
    queued.pendingPlugins = new Set(['Nodes']);
    queue.returnUnscheduled(queued);
    queue.onEvent(nodeAdded, undefined, undefined);
    expect(queue.place('uid-p')).toBe('active');
  });

  it('tries everybody again after five minutes', async () => {
    add('p');
    turnAway('Nodes');
    await clock.advance(5 * 60_000);
    expect(queue.place('uid-p')).toBe('unschedulable');
    await clock.advance(60_000);
    expect(queue.place('uid-p')).toBe('active');
  });

  it('keeps gated pods out, whatever happens, until the gate opens at one of its events', () => {
    gate = 'p';
    add('p');
    expect(queue.place('uid-p')).toBe('unschedulable');
    queue.onEvent(podDeleted, undefined, undefined);
    expect(queue.place('uid-p')).toBe('unschedulable');
    gate = undefined;
    queue.onEvent(nodeAdded, undefined, undefined);
    expect(queue.place('uid-p')).toBe('unschedulable');
    queue.onEvent(podDeleted, undefined, undefined);
    expect(queue.place('uid-p')).toBe('active');
  });

  it('leaves out of an event whom it is told to', () => {
    add('p', { priority: 5 });
    turnAway('Nodes');
    queue.onEvent(nodeAdded, undefined, undefined, info => info.priority < 5);
    expect(queue.place('uid-p')).toBe('unschedulable');
  });

  it('brings a pod back at once when asked to', () => {
    add('p');
    turnAway('Nodes');
    queue.activate('uid-p');
    expect(queue.place('uid-p')).toBe('active');
  });

  it('takes updates wherever the pod is', () => {
    const before = add('p');
    const after = pod('p', { labels: { a: 'b' } });
    queue.update(before, { object: after });
    const queued = queue.pop()!;
    expect(queued.info.pod).toBe(after);
    queued.unschedulablePlugins = new Set(['Nodes']);
    queue.returnUnscheduled(queued);
    const last = pod('p', { labels: { a: 'c' } });
    queue.update(after, { object: last });
    expect(queue.place('uid-p')).toBe('unschedulable');
    expect(queue.pop()).toBeUndefined();
    queue.activate('uid-p');
    expect(queue.pop()!.info.pod).toBe(last);
  });

  it('forgets deleted pods wherever they are', () => {
    add('active');
    add('waiting', { priority: 1 });
    turnAway('Nodes');
    queue.delete('uid-active');
    queue.delete('uid-waiting');
    expect(queue.counts).toEqual({ active: 0, backoff: 0, unschedulable: 0 });
  });

  it('keeps nominations up with the pods', () => {
    const before = add('p', { status: { nominatedNodeName: 'n1' } });
    const names = (node: string): string[] => queue.nominator.podsFor(node).map(({ pod: { metadata } }) => metadata.name);
    expect(names('n1')).toEqual(['p']);
    const moved = pod('p', { status: { nominatedNodeName: 'n2' } });
    queue.update(before, { object: moved });
    expect([names('n1'), names('n2')]).toEqual([[], ['p']]);
    const cleared = pod('p');
    queue.update(moved, { object: cleared });
    expect(names('n2')).toEqual([]);
    queue.nominator.set(queue.pop()!.info, 'n3');
    queue.update(cleared, { object: pod('p', { labels: { a: 'b' } }) });
    expect(names('n3')).toEqual(['p']);
    queue.delete('uid-p');
    expect(names('n3')).toEqual([]);
  });
});

describe('KeyedHeap', () => {
  it('gives all in order, with replacements and removals from anywhere', () => {
    const heap = new KeyedHeap<{ key: string; rank: number }>(
      ({ key }) => key,
      (a, b) => a.rank < b.rank,
    );
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) % 1000;
    const expected = new Map<string, number>();
    for (let i = 0; i < 2000; i++) {
      const key = `k${random() % 200}`;
      if (random() % 3 === 0) {
        expect(heap.delete(key) !== undefined).toBe(expected.delete(key));
      } else {
        const rank = random();
        heap.set({ key, rank });
        expected.set(key, rank);
      }
    }
    expect(heap.size).toBe(expected.size);
    const ranks: number[] = [];
    for (let item = heap.pop(); item; item = heap.pop()) ranks.push(item.rank);
    expect(ranks).toEqual([...expected.values()].sort((a, b) => a - b));
  });
});
