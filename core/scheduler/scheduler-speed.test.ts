import { describe, expect, it } from '@jest/globals';
import { Nodes, Pods, ReplicaSets, Services } from '../api/generated/resources.js';
import type { ReplicaSet, Service } from '../api/generated/types.js';
import { SchedulerHarness } from './testing/harness.js';
import { node, pod } from './testing/objects.js';

const podCount = 5000;
const nodeCount = 100;
/** Far below what it does, so that a busy machine does not turn it red; a scan of all pods per attempt would. */
const slowestPodsPerSecond = 300;

/** Pods as a ReplicaSet behind a Service makes them: the default spreading looks at all of their siblings. */
async function podsPerSecond(): Promise<number> {
  const harness = new SchedulerHarness();
  await harness.start();
  const labels = { app: 'web' };
  await harness.create(Services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: labels },
  } as unknown as Service);
  await harness.create(ReplicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { matchLabels: labels } },
  } as unknown as ReplicaSet);
  const zones = ['a', 'b', 'c'];
  for (let i = 0; i < nodeCount; i++) {
    const allocatable = { cpu: '64', memory: '256Gi' };
    await harness.admin
      .resource(Nodes)
      .create(node(`n${i}`, { allocatable, labels: { 'topology.kubernetes.io/zone': zones[i % 3]! } }));
  }
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'uid-web', controller: true }];
  const requests = { cpu: '100m', memory: '128Mi' };
  for (let i = 0; i < podCount; i++) {
    await harness.admin.resource(Pods, 'default').create(pod(`p${i}`, { labels, requests, meta: { ownerReferences } }));
  }
  const startMs = performance.now();
  const bound = (): number => harness.recorder.events.length;
  while (bound() < podCount && performance.now() - startMs < 25_000) await new Promise(resolve => setImmediate(resolve));
  const seconds = (performance.now() - startMs) / 1000;
  expect(harness.recorder.lines('Scheduled')).toHaveLength(podCount);
  const perNode = [...harness.scheduler.cache.nodes].map(info => info.podCount);
  expect(Math.max(...perNode) - Math.min(...perNode)).toBeLessThanOrEqual(6);
  await harness.stop();
  return podCount / seconds;
}

describe('speed', () => {
  it(`binds ${podCount} pods on ${nodeCount} nodes`, async () => {
    const speed = await podsPerSecond();
    process.stdout.write(`scheduler: ${Math.round(speed)} pods a second (${podCount} pods, ${nodeCount} nodes, API in memory)\n`);
    expect(speed).toBeGreaterThan(slowestPodsPerSecond);
  });
});
