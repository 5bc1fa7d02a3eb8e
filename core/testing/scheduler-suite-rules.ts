import assert from 'node:assert/strict';
import { Resources } from '../plugin-api/index.js';
import type { PersistentVolume, PersistentVolumeClaim, PodSpec, PriorityClass } from '../plugin-api/index.js';
import type { SchedulerCase } from './scheduler-suite.js';
import { namespace } from './scheduler-suite-support.js';
import type { SchedulerWorld } from './scheduler-suite-support.js';
import { until } from './until.js';

const host = 'kubernetes.io/hostname';

/** Rules that hold for every pod, whoever schedules it: a pod that no node suits waits. */
export function ruleCases(test: SchedulerCase): void {
  test('no node gets more than it has: CPU, memory, pods, resources of others', async world => {
    await world.node('n1', { allocatable: { pods: '4', 'x.org/gpu': '1' } });
    await world.pod('a', { cpu: '600m' });
    await world.bound('a');
    await world.pod('cpu', { cpu: '401m' });
    assert.match(await world.refused('cpu'), /cpu/i);
    await world.pod('memory', { spec: asking({ memory: '2Gi' }) });
    assert.match(await world.refused('memory'), /memory/i);
    const gpu = { requests: { 'x.org/gpu': '1' }, limits: { 'x.org/gpu': '1' } };
    await world.pod('gpu', { spec: { containers: [{ name: 'main', image: 'busybox', resources: gpu }] } as Partial<PodSpec> });
    await world.bound('gpu');
    await world.pod('gpu2', { spec: { containers: [{ name: 'main', image: 'busybox', resources: gpu }] } as Partial<PodSpec> });
    assert.match(await world.refused('gpu2'), /gpu/i);
    await world.pod('b', { cpu: '400m' });
    await world.bound('b');
    await world.pod('c');
    await world.bound('c');
    await world.pod('fifth');
    assert.match(await world.refused('fifth'), /pods/i);
  });

  test('init containers count with the most that they ask for, sidecars with all', async world => {
    await world.node('n1');
    const container = (name: string, cpu: string, more = {}) => ({
      name,
      image: 'busybox',
      resources: { requests: { cpu } },
      ...more,
    });
    const pod = (name: string, ...initContainers: object[]) =>
      world.pod(name, { cpu: '100m', spec: { initContainers } as Partial<PodSpec> });
    await pod('init', container('i', '1100m'));
    await world.refused('init');
    await pod('sidecar', container('s', '950m', { restartPolicy: 'Always' }));
    await world.refused('sidecar');
    await pod('fits', container('i', '900m'), container('j', '950m'));
    await world.bound('fits');
  });

  test('nodeSelector and required node affinity', async world => {
    await world.node('n1', { labels: { zone: 'a', size: '3' } });
    await world.node('n2', { labels: { zone: 'b', size: '7', extra: '' } });
    const needing = (...matchExpressions: object[]): Partial<PodSpec> => affinity({ nodeSelectorTerms: [{ matchExpressions }] });
    await world.pod('selector', { spec: { nodeSelector: { zone: 'b' } } });
    await world.pod('nobody', { spec: { nodeSelector: { zone: 'c' } } });
    await world.pod('in', { spec: needing({ key: 'zone', operator: 'In', values: ['x', 'b'] }) });
    await world.pod('not-in', { spec: needing({ key: 'zone', operator: 'NotIn', values: ['a'] }) });
    await world.pod('exists', { spec: needing({ key: 'extra', operator: 'Exists' }) });
    await world.pod('absent', { spec: needing({ key: 'extra', operator: 'DoesNotExist' }) });
    await world.pod('greater', { spec: needing({ key: 'size', operator: 'Gt', values: ['5'] }) });
    await world.pod('less', { spec: needing({ key: 'size', operator: 'Lt', values: ['5'] }) });
    const fields = [{ key: 'metadata.name', operator: 'In', values: ['n1'] }];
    await world.pod('field', { spec: affinity({ nodeSelectorTerms: [{ matchFields: fields }] }) });
    const both = needing({ key: 'zone', operator: 'In', values: ['a'] });
    await world.pod('both', { spec: { ...both, nodeSelector: { zone: 'b' } } });
    const nodes: Record<string, string> = {
      ...{ selector: 'n2', in: 'n2', 'not-in': 'n2', exists: 'n2' },
      ...{ absent: 'n1', greater: 'n2', less: 'n1', field: 'n1' },
    };
    for (const [name, node] of Object.entries(nodes)) assert.equal(await world.bound(name), node, name);
    await world.refused('nobody');
    await world.refused('both');
  });

  test('taints and cordons keep pods away that do not tolerate them', async world => {
    await world.node('n1', { taints: [{ key: 'x', value: '1', effect: 'NoSchedule' }] });
    await world.node('n2', { taints: [{ key: 'y', effect: 'NoExecute' }] });
    await world.node('n3', { unschedulable: true });
    const tolerating = (node: string, ...tolerations: object[]) =>
      ({ nodeSelector: { [host]: node }, tolerations }) as unknown as Partial<PodSpec>;
    await world.pod('plain');
    await world.pod('other', { spec: tolerating('n1', { key: 'x', value: '2', effect: 'NoSchedule' }) });
    await world.pod('half', { spec: tolerating('n2', { key: 'y', operator: 'Exists', effect: 'NoSchedule' }) });
    await world.pod('equal', { spec: tolerating('n1', { key: 'x', value: '1', effect: 'NoSchedule' }) });
    await world.pod('exists', { spec: tolerating('n2', { key: 'y', operator: 'Exists' }) });
    await world.pod('all', { spec: tolerating('n3', { operator: 'Exists' }) });
    assert.equal(await world.bound('equal'), 'n1');
    assert.equal(await world.bound('exists'), 'n2');
    assert.equal(await world.bound('all'), 'n3');
    for (const name of ['plain', 'other', 'half']) await world.refused(name);
  });

  test('a taint that only prefers others is a matter of taste', async world => {
    await world.node('n1', { taints: [{ key: 'x', effect: 'PreferNoSchedule' }] });
    await world.pod('a');
    assert.equal(await world.bound('a'), 'n1');
  });

  test('two pods never share a host port', async world => {
    await world.node('n1');
    const ports = (...list: object[]) =>
      ({ containers: [{ name: 'main', image: 'busybox', ports: list }] }) as unknown as Partial<PodSpec>;
    await world.pod('a', { spec: ports({ containerPort: 80, hostPort: 8080 }) });
    await world.bound('a');
    await world.pod('same', { spec: ports({ containerPort: 81, hostPort: 8080, hostIP: '127.0.0.1' }) });
    await world.pod('udp', { spec: ports({ containerPort: 80, hostPort: 8080, protocol: 'UDP' }) });
    await world.pod('other', { spec: ports({ containerPort: 80, hostPort: 8081 }) });
    await world.bound('udp');
    await world.bound('other');
    await world.refused('same');
  });

  test('required pod affinity and anti-affinity', async world => {
    for (const name of ['n1', 'n2']) await world.node(name);
    const term = { topologyKey: host, labelSelector: { matchLabels: { app: 'web' } } };
    const required = { requiredDuringSchedulingIgnoredDuringExecution: [term] };
    const apart = { labels: { app: 'web' }, spec: { affinity: { podAntiAffinity: required } } as Partial<PodSpec> };
    const found: (string | undefined)[] = [];
    for (const name of ['a', 'b']) {
      await world.pod(name, apart);
      found.push(await world.boundOrRefused(name, 'affinity'));
    }
    await world.pod('third', apart);
    await world.refused('third');
    const bound = found.filter(name => name !== undefined);
    assert.equal(new Set(bound).size, bound.length, 'pods that must be apart share a node');
    await world.remove('b');
    await world.pod('beside', { spec: { affinity: { podAffinity: required } } as Partial<PodSpec> });
    const beside = await world.boundOrRefused('beside', 'affinity');
    if (beside !== undefined) assert.equal(beside, (await world.get('a')).spec.nodeName);
  });

  test('topology spread that must not be broken', async world => {
    for (const name of ['n1', 'n2']) await world.node(name, { labels: { zone: name } });
    const constraint = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' };
    const topologySpreadConstraints = [{ ...constraint, labelSelector: { matchLabels: { app: 'web' } } }];
    const pod = (name: string) => world.pod(name, { labels: { app: 'web' }, spec: { topologySpreadConstraints } });
    await pod('a');
    const first = await world.boundOrRefused('a', 'topology');
    await pod('b');
    const second = await world.boundOrRefused('b', 'topology');
    if (first === undefined || second === undefined) return;
    assert.notEqual(first, second);
    await world.nodes.patch(second, 'merge', { spec: { unschedulable: true } });
    await pod('c');
    assert.equal(await world.boundOrRefused('c', 'topology'), first);
    await pod('d');
    await world.refused('d');
  });

  test('a pod goes where its volumes are, and waits for those that are not there', async world => {
    for (const name of ['n1', 'n2']) await world.node(name);
    await world.pod('missing', { spec: claiming('nowhere') });
    assert.match(await world.refused('missing'), /volume/i);
    await makeVolume(world, 'data', 'n2');
    await world.pod('a', { spec: claiming('data') });
    const found = await world.boundOrRefused('a', 'volume');
    if (found !== undefined) assert.equal(found, 'n2');
  });

  test('a pod of higher priority drives others out where nothing else helps', async world => {
    const urgent = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'urgent' }, value: 1000 };
    await world.client.resource(Resources.PriorityClasses).create(urgent as PriorityClass);
    await world.node('n1');
    await world.pod('low', { cpu: '900m' });
    await world.bound('low');
    await world.pod('equal', { cpu: '900m' });
    await world.refused('equal');
    await world.pod('high', { cpu: '900m', spec: { priorityClassName: 'urgent' } });
    if (world.mayRefuse('preemption')) {
      await world.refused('high');
      return;
    }
    await until('the pod that is in the way is told to go', async () => (await world.get('low')).metadata.deletionTimestamp);
    assert.equal((await world.get('high')).status.nominatedNodeName, 'n1');
    assert.equal((await world.get('equal')).spec.nodeName, undefined);
    await world.remove('low');
    assert.equal(await world.bound('high'), 'n1');
    await world.isUnbound('equal');
  });
}

function asking(requests: Record<string, string>): Partial<PodSpec> {
  return { containers: [{ name: 'main', image: 'busybox', resources: { requests } }] } as Partial<PodSpec>;
}

function affinity(required: object): Partial<PodSpec> {
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } } as Partial<PodSpec>;
}

function claiming(claimName: string): Partial<PodSpec> {
  return { volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }] } as Partial<PodSpec>;
}

/** A local volume of one node, with its claim. */
async function makeVolume(world: SchedulerWorld, name: string, node: string): Promise<void> {
  const { client } = world;
  const common = { accessModes: ['ReadWriteOnce'], storageClassName: 'by-hand' };
  const terms = [{ matchExpressions: [{ key: host, operator: 'In', values: [node] }] }];
  await client.resource(Resources.PersistentVolumes).create({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      ...common,
      capacity: { storage: '1Gi' },
      local: { path: `/mnt/${name}` },
      nodeAffinity: { required: { nodeSelectorTerms: terms } },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name },
    },
  } as unknown as PersistentVolume);
  const claims = client.resource(Resources.PersistentVolumeClaims, namespace);
  await claims.create({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { ...common, volumeName: name, resources: { requests: { storage: '1Gi' } } },
  } as unknown as PersistentVolumeClaim);
  await until(`claim ${name} is bound`, async () => ((await claims.get(name)).status?.phase === 'Bound' ? true : undefined));
}
