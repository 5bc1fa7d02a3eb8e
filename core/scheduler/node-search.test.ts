import { describe, expect, it } from '@jest/globals';
import type { SchedulerPlugin } from '../contracts/scheduler-plugin.js';
import type { FitError } from './fit-error.js';
import { Framework } from './framework.js';
import { feasibleNodesWanted, NodeSearch } from './node-search.js';
import { PodInfo } from './pod-info.js';
import { Nominator } from './queue/nominator.js';
import { AttemptState, unresolvable, unschedulable } from './status.js';
import { node, pod } from './testing/objects.js';
import { cacheOf } from './testing/plugin-run.js';

describe('feasibleNodesWanted', () => {
  const cases: [number, number][] = [
    [1, 1],
    [99, 99],
    [100, 100],
    [1000, 420],
    [5000, 500],
    [6000, 300],
  ];
  it.each(cases)('of %i: %i', (nodes, wanted) => expect(feasibleNodesWanted(nodes)).toBe(wanted));
});

describe('NodeSearch', () => {
  const nodes = ['a', 'b', 'c'].map(name => node(name));
  const search = (plugins: SchedulerPlugin[], random = () => 0.5, nominator = new Nominator()) => {
    const cache = cacheOf(nodes);
    return new NodeSearch(cache, new Framework(plugins, nominator), random);
  };
  const message = (found: string | FitError): string => (typeof found === 'string' ? found : found.message);
  const find = (plugins: SchedulerPlugin[], random?: () => number) =>
    search(plugins, random).find(new AttemptState(), new PodInfo({ object: pod('p') }));

  it('gives each of the best the same chance', () => {
    const plugins: SchedulerPlugin[] = [{ name: 'Even', score: () => 50 }];
    const seen = new Map<string, number>();
    let seed = 3;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let i = 0; i < 900; i++) {
      const name = message(find(plugins, random));
      seen.set(name, (seen.get(name) ?? 0) + 1);
    }
    for (const count of seen.values()) expect(count).toBeGreaterThan(230);
    expect(seen.size).toBe(3);
  });

  it('weighs the scores', () => {
    const likes = (name: string, weight: number): SchedulerPlugin => ({
      name: `Likes-${name}`,
      weight,
      score: (_s, _p, n) => (n.name === name ? 100 : 0),
    });
    expect(find([likes('a', 1), likes('b', 3), likes('c', 2)])).toBe('b');
  });

  it('refuses scores out of range', () => {
    expect(() => find([{ name: 'Wild', score: () => 101 }])).toThrow('plugin "Wild" returns an invalid score 101');
  });

  it('says what a plugin said of all nodes, and nothing of single ones', () => {
    const plugins: SchedulerPlugin[] = [
      { name: 'Never', preFilter: () => ({ status: unresolvable('Never', 'not at all') }) },
      { name: 'Silent', filter: () => unschedulable('Silent', 'unheard') },
    ];
    const error = find(plugins) as FitError;
    expect(error.message).toBe('0/3 nodes are available: not at all.');
    expect([...error.unschedulablePlugins]).toEqual(['Never']);
  });

  it('looks only at the nodes that plugins agree on', () => {
    const only = (name: string, ...names: string[]): SchedulerPlugin => ({
      name,
      preFilter: () => ({ nodeNames: new Set(names) }),
    });
    expect(find([only('X', 'a', 'b'), only('Y', 'b', 'c')])).toBe('b');
    expect(message(find([only('X', 'a'), only('Y', 'b')]))).toBe(
      "0/3 nodes are available: node(s) didn't satisfy plugin(s) [X Y] simultaneously.",
    );
    expect(message(find([only('X')]))).toBe("0/3 nodes are available: node(s) didn't satisfy plugin X.");
    const busy: SchedulerPlugin = { name: 'Busy', filter: () => unschedulable('Busy', 'busy') };
    expect(message(find([only('X', 'a'), busy]))).toBe(
      "0/3 nodes are available: 1 busy, 2 node(s) didn't satisfy plugin(s) [X].",
    );
  });

  it('tries the nominated node first, and all others when it will not do', () => {
    const asked: string[] = [];
    const plugin: SchedulerPlugin = {
      name: 'Asked',
      filter: (_state, _pod, { name }) => {
        asked.push(name);
        return name === 'a' ? unschedulable('Asked', 'no') : undefined;
      },
      score: (_state, _pod, { name }) => (name === 'b' ? 100 : 0),
    };
    const nominated = (nominatedNodeName: string) => new PodInfo({ object: pod('p', { status: { nominatedNodeName } }) });
    expect(search([plugin]).find(new AttemptState(), nominated('c'))).toBe('c');
    expect(asked).toEqual(['c']);
    expect(search([plugin]).find(new AttemptState(), nominated('a'))).toBe('b');
    expect(search([plugin]).find(new AttemptState(), nominated('gone'))).toBe('b');
  });

  it('counts pods that wait for a node and are as important', () => {
    const nominator = new Nominator();
    nominator.set(new PodInfo({ object: pod('rival', { priority: 5 }) }), 'a');
    const single: SchedulerPlugin = {
      name: 'One',
      filter: (_s, _p, { podCount }) => (podCount > 0 ? unschedulable('One', 'taken') : undefined),
    };
    const nodesFor = (priority: number): string => {
      const state = new AttemptState();
      const cache = cacheOf([nodes[0]!]);
      return message(
        new NodeSearch(cache, new Framework([single], nominator), () => 0).find(
          state,
          new PodInfo({ object: pod('p', { priority }) }),
        ),
      );
    };
    expect(nodesFor(5)).toBe('0/1 nodes are available: 1 taken.');
    expect(nodesFor(6)).toBe('a');
  });

  it('looks at other nodes of a large cluster each time', () => {
    const many = Array.from({ length: 300 }, (_, i) => node(`n${i}`));
    const asked = new Set<string>();
    const plugin: SchedulerPlugin = { name: 'Asked', filter: (_s, _p, { name }) => void asked.add(name), score: () => 0 };
    const large = new NodeSearch(cacheOf(many), new Framework([plugin], new Nominator()), () => 0);
    large.find(new AttemptState(), new PodInfo({ object: pod('p') }));
    expect(asked.size).toBe(feasibleNodesWanted(300));
    for (let i = 0; i < 2; i++) large.find(new AttemptState(), new PodInfo({ object: pod('p') }));
    expect(asked.size).toBe(300);
  });
});

describe('SchedulerCache', () => {
  it('lets the zones take turns', () => {
    const zone = (name: string, value: string) => node(name, { labels: { 'topology.kubernetes.io/zone': value } });
    const cache = cacheOf([zone('a1', 'a'), zone('a2', 'a'), zone('a3', 'a'), zone('b1', 'b'), zone('b2', 'b')]);
    expect(cache.nodes.map(({ name }) => name)).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
  });

  it('keeps pods of nodes that are not known yet, and of nodes that went', () => {
    const cache = cacheOf([], [pod('p', { nodeName: 'n', requests: { cpu: '1' } })]);
    expect(cache.nodes).toEqual([]);
    cache.setNode(node('n'));
    expect(cache.node('n')!.requested.milliCpu).toBe(1000);
    cache.removeNode('n');
    expect(cache.node('n')).toBeUndefined();
    cache.setNode(node('n'));
    expect(cache.node('n')!.podCount).toBe(1);
    cache.removePod('uid-p');
    expect(cache.node('n')!.requested.milliCpu).toBe(0);
  });

  it('takes the word of the API over what it assumed', () => {
    const cache = cacheOf([node('a'), node('b')]);
    cache.assume(new PodInfo({ object: pod('p', { nodeName: 'a' }) }), 'a');
    expect(cache.isAssumed('uid-p')).toBe(true);
    expect(() => cache.assume(new PodInfo({ object: pod('p') }), 'b')).toThrow('is in the cache');
    cache.setPod(pod('p', { nodeName: 'b' }));
    expect(cache.isAssumed('uid-p')).toBe(false);
    expect([cache.node('a')!.podCount, cache.node('b')!.podCount]).toEqual([0, 1]);
    cache.forget('uid-p');
    expect(cache.node('b')!.podCount).toBe(1);
  });

  it('sees resizes and labels in updates', () => {
    const cache = cacheOf([node('a')], [pod('p', { nodeName: 'a', requests: { cpu: '1' }, meta: { generation: 1 } })]);
    cache.setPod(pod('p', { nodeName: 'a', requests: { cpu: '2' }, meta: { generation: 2 } }));
    expect(cache.node('a')!.requested.milliCpu).toBe(2000);
    const running = { containerStatuses: [{ name: 'main', resources: { requests: { cpu: '3' } } }] as never };
    cache.setPod(pod('p', { nodeName: 'a', requests: { cpu: '2' }, meta: { generation: 2 }, status: running }));
    expect(cache.node('a')!.requested.milliCpu).toBe(3000);
  });

  it('keeps of placed pods only what is needed', () => {
    const cache = cacheOf(
      [node('a')],
      [pod('p', { nodeName: 'a', labels: { a: 'b' }, meta: { annotations: { big: 'x'.repeat(1000) } } })],
    );
    expect(JSON.stringify(cache.pod('uid-p')!.info.pod).length).toBeLessThan(400);
  });
});
