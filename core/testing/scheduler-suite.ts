import assert from 'node:assert/strict';
import { Resources } from '../plugin-api/index.js';
import type { Binding, PodSpec, PriorityClass } from '../plugin-api/index.js';
import { ruleCases } from './scheduler-suite-rules.js';
import { namespace, scheduled, SchedulerWorld } from './scheduler-suite-support.js';
import type { SchedulerUnderTest } from './scheduler-suite-support.js';
import type { TestRunner } from './test-runner.js';
import { until } from './until.js';

export type { Refusable, SchedulerUnderTest } from './scheduler-suite-support.js';

export type SchedulerCase = (name: string, body: (world: SchedulerWorld) => Promise<void>) => void;

/**
 * What the slot `scheduler` promises, as tests, seen through the API as users and controllers see it. `makeScheduler` gives a new
 * cluster without nodes for each of them; `schedulerCluster` makes one with a plugin.
 */
export function schedulerSuite({ describe, it }: TestRunner, makeScheduler: () => Promise<SchedulerUnderTest>): void {
  const test: SchedulerCase = (name, body) =>
    it(name, async () => {
      const subject = await makeScheduler();
      try {
        await body(new SchedulerWorld(subject));
      } finally {
        await subject.dispose();
      }
    });
  describe('binding', () => bindingCases(test));
  describe('rules', () => ruleCases(test));
  describe('waiting', () => waitingCases(test));
  describe('lifecycle', () => lifecycleCases(test));
}

function bindingCases(test: SchedulerCase): void {
  test('a pod is bound to a node that fits, and condition and event say so', async world => {
    await world.node('n1');
    await world.pod('a', { cpu: '100m' });
    assert.equal(await world.bound('a'), 'n1');
    assert.equal(scheduled(await world.get('a'))?.status, 'True');
    const { message } = await eventOf(world, 'a', 'Scheduled');
    assert.match(message ?? '', /default\/a\b.*\bn1\b/);
  });

  test('what scheduling gates hold back is left alone until the last gate is gone', async world => {
    await world.node('n1');
    await world.pod('gated', { spec: { schedulingGates: [{ name: 'x.org/a' }, { name: 'x.org/b' }] } });
    await world.pod('next');
    await world.bound('next');
    await world.isUnbound('gated');
    await world.pods.patch('gated', 'merge', { spec: { schedulingGates: [{ name: 'x.org/b' }] } });
    await world.pod('last');
    await world.bound('last');
    await world.isUnbound('gated');
    assert.equal(scheduled(await world.get('gated'))?.reason, 'SchedulingGated');
    await world.pods.patch('gated', 'merge', { spec: { schedulingGates: null } });
    assert.equal(await world.bound('gated'), 'n1');
  });

  test("another scheduler's pods are left alone, and those that it bound count", async world => {
    await world.node('n1');
    await world.pod('foreign', { cpu: '800m', spec: { schedulerName: 'of-somebody-else' } });
    await world.pod('mine', { cpu: '300m' });
    await world.bound('mine');
    await world.isUnbound('foreign');
    assert.equal(scheduled(await world.get('foreign')), undefined);
    await world.remove('mine');
    await bind(world, 'foreign', 'n1');
    await world.pod('late', { cpu: '300m' });
    await world.refused('late');
  });

  test('a pod that names its node counts there', async world => {
    await world.node('n1');
    await world.pod('placed', { cpu: '800m', spec: { nodeName: 'n1' } });
    await world.pod('a', { cpu: '300m' });
    await world.refused('a');
  });

  test('pods spread over equal nodes instead of filling one', async world => {
    await world.node('n1');
    await world.node('n2');
    const used = new Set<string>();
    for (const name of ['a', 'b', 'c', 'd']) {
      await world.pod(name, { cpu: '200m' });
      used.add(await world.bound(name));
    }
    assert.deepEqual([...used].sort(), ['n1', 'n2']);
  });

  test('of nodes that fit, the preferred one is taken', async world => {
    for (const name of ['n1', 'n2', 'n3']) await world.node(name, { labels: { disk: name === 'n2' ? 'ssd' : 'hdd' } });
    const preference = { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] };
    const nodeAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] };
    await world.pod('a', { cpu: '100m', spec: { affinity: { nodeAffinity } } as Partial<PodSpec> });
    assert.equal(await world.bound('a'), 'n2');
  });

  test('of many pods at once each is bound once, and no node gets more than it has', async world => {
    const nodes = ['n1', 'n2', 'n3', 'n4', 'n5'];
    await Promise.all(nodes.map(name => world.node(name, { allocatable: { pods: '100' } })));
    const names = Array.from({ length: 60 }, (_, index) => `p${index}`);
    await Promise.all(names.map(name => world.pod(name, { cpu: '100m' })));
    await until('50 pods are bound and 10 are told why not', async () => {
      const pods = await world.pods.objects();
      const bound = pods.filter(({ spec }) => spec.nodeName);
      const told = pods.filter(pod => scheduled(pod)?.reason === 'Unschedulable');
      return bound.length >= 50 && told.length + bound.length === 60 ? true : undefined;
    });
    const counts = new Map<string, number>();
    for (const { spec } of await world.pods.objects()) {
      if (spec.nodeName) counts.set(spec.nodeName, (counts.get(spec.nodeName) ?? 0) + 1);
    }
    assert.deepEqual([...counts.values()], [10, 10, 10, 10, 10]);
  });
}

function waitingCases(test: SchedulerCase): void {
  test('a pod that fits nowhere waits, and condition and event say why', async world => {
    await world.pod('early', { cpu: '100m' });
    assert.notEqual(await world.refused('early'), '');
    await world.node('n1');
    await world.bound('early');
    await world.pod('big', { cpu: '2' });
    assert.match(await world.refused('big'), /cpu/i);
    const event = await eventOf(world, 'big', 'FailedScheduling');
    assert.equal(event.type, 'Warning');
    assert.match(event.message ?? '', /cpu/i);
  });

  test('a waiting pod holds nobody up', async world => {
    await world.node('n1');
    await world.pod('big', { cpu: '2' });
    await world.refused('big');
    await world.pod('small', { cpu: '100m' });
    assert.equal(await world.bound('small'), 'n1');
    await world.isUnbound('big');
  });

  test('a waiting pod is bound when a node comes', async world => {
    await world.node('n1');
    await world.pod('big', { cpu: '2' });
    await world.refused('big');
    await world.node('n2', { allocatable: { cpu: '4' } });
    assert.equal(await world.bound('big'), 'n2');
  });

  test('a waiting pod is bound when a node changes so that it fits', async world => {
    await world.node('n1', { unschedulable: true });
    await world.node('n2', { taints: [{ key: 'x', effect: 'NoSchedule' }] });
    await world.node('n3', { labels: { kind: 'other' } });
    const wishes = { n1: 'cordoned', n2: 'tainted', n3: 'labelled' };
    for (const [node, name] of Object.entries(wishes)) {
      const nodeSelector: Record<string, string> = { 'kubernetes.io/hostname': node };
      if (node === 'n3') nodeSelector['kind'] = 'wanted';
      await world.pod(name, { spec: { nodeSelector } });
    }
    for (const name of Object.values(wishes)) await world.refused(name);
    await world.nodes.patch('n1', 'merge', { spec: { unschedulable: null } });
    await world.nodes.patch('n2', 'merge', { spec: { taints: null } });
    await world.nodes.patch('n3', 'merge', { metadata: { labels: { kind: 'wanted' } } });
    for (const [node, name] of Object.entries(wishes)) assert.equal(await world.bound(name), node);
  });

  test('a waiting pod is bound when another one goes or ends', async world => {
    await world.node('n1');
    await world.pod('a', { cpu: '600m' });
    await world.bound('a');
    await world.pod('b', { cpu: '600m' });
    await world.refused('b');
    await world.remove('a');
    await world.bound('b');
    await world.pod('c', { cpu: '600m' });
    await world.refused('c');
    await world.pods.subresource('status').patch('b', 'merge', { status: { phase: 'Succeeded' } });
    await world.bound('c');
  });

  test('a node that is gone gets no more pods, and one of its name is a new one', async world => {
    await world.node('n1');
    await world.pod('a', { cpu: '900m' });
    await world.bound('a');
    await world.nodes.delete('n1');
    await world.pod('b', { cpu: '100m' });
    await world.refused('b');
    await world.remove('a');
    await world.node('n1');
    assert.equal(await world.bound('b'), 'n1');
  });
}

function lifecycleCases(test: SchedulerCase): void {
  test('after a restart it goes on: what was bound counts, what came or went meanwhile too', async world => {
    await world.node('n1');
    await world.pod('kept', { cpu: '400m' });
    await world.bound('kept');
    await world.pod('gone', { cpu: '400m' });
    await world.bound('gone');
    await world.pod('waiting', { cpu: '500m' });
    await world.refused('waiting');
    await world.restart(async () => {
      await world.remove('gone');
      await world.pod('late', { cpu: '500m' });
    });
    const bound = await until('one of the two that wait is bound', async () => {
      const pods = await Promise.all(['waiting', 'late'].map(name => world.get(name)));
      const [first, ...others] = pods.filter(({ spec }) => spec.nodeName);
      assert.deepEqual(others, [], 'the node has room for one');
      return first;
    });
    await world.refused(bound.metadata.name === 'late' ? 'waiting' : 'late');
    assert.equal((await world.get('kept')).spec.nodeName, 'n1');
  });

  test('while it is stopped nothing is bound, and then what waited is taken by priority', async world => {
    const urgent = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'urgent' }, value: 1000 };
    await world.client.resource(Resources.PriorityClasses).create(urgent as PriorityClass);
    await world.node('n1');
    await world.restart(async () => {
      await world.pod('plain', { cpu: '900m' });
      await world.pod('urgent', { cpu: '900m', spec: { priorityClassName: 'urgent' } });
      await world.staysUnbound('plain', 'urgent');
    });
    assert.equal(await world.bound('urgent'), 'n1');
    await world.refused('plain');
  });
}

async function eventOf(world: SchedulerWorld, pod: string, reason: string) {
  const events = world.client.resource(Resources.Events, namespace);
  return until(`an event ${reason} of pod ${pod}`, async () =>
    (await events.objects()).find(event => event.reason === reason && event.involvedObject.name === pod),
  );
}

async function bind(world: SchedulerWorld, pod: string, node: string): Promise<void> {
  const target = { kind: 'Node', name: node };
  const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name: pod, namespace }, target } as Binding;
  await world.pods.subresource<Binding>('binding').create(body, { name: pod });
}
