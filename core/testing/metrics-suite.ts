import assert from 'node:assert/strict';
import { isStatusError, Quantity, Resources } from '../plugin-api/index.js';
import type { CallerIdentity, Client, Node, NodeUsage, Pod, RoleBinding } from '../plugin-api/index.js';
import type { ScriptedUsage } from './scripted-usage.js';
import type { TestRunner } from './test-runner.js';
import { until } from './until.js';

/** A running cluster with the plugin under test, without a node, whose time moves only when it is told to. */
export interface MetricsUnderTest {
  /** Of the cluster's administrator. */
  readonly client: Client;
  /** The only source of metrics. */
  readonly usage: ScriptedUsage;
  nowMs(): number;
  advanceTime(byMs: number): Promise<void>;
  /** Stops the plugin, calls `whileAway`, and resolves when it runs again. */
  restart(whileAway: () => Promise<void>): Promise<void>;
  dispose(): Promise<void>;
}

export type { ScriptedUsage } from './scripted-usage.js';

type Case = (name: string, body: (world: World) => Promise<void>) => void;
type Metrics = Record<string, unknown> & { readonly metadata: { readonly name: string; readonly labels?: object } };
type Usage = Readonly<Record<'cpu' | 'memory', string>>;

/** Longer than any plugin may take from one measurement to the next. */
const roundMs = 20_000;
const mebibyte = 1024 * 1024;

/**
 * What the slot `metrics` promises, as tests: metrics.k8s.io as `kubectl top` and autoscalers read it. `makeMetrics` gives a new
 * cluster for each of them; `metricsCluster` makes one with a plugin.
 */
export function metricsSuite({ describe, it }: TestRunner, makeMetrics: () => Promise<MetricsUnderTest>): void {
  const test: Case = (name, body) =>
    it(name, async () => {
      const subject = await makeMetrics();
      try {
        const world = new World(subject);
        await world.begin();
        await body(world);
      } finally {
        await subject.dispose();
      }
    });
  describe('figures', () => figureCases(test));
  describe('objects', () => objectCases(test));
  describe('failures', () => failureCases(test));
}

function figureCases(test: Case): void {
  test('CPU is what was used between two measurements, memory what is used now', async world => {
    await world.pod('web', { main: { cores: 0.25, mebibytes: 64 }, side: { cores: 2, mebibytes: 3 } });
    world.node = { cores: 1.5, mebibytes: 1024 };
    await world.rounds(2);
    assert.deepEqual(await world.nodeUsage('n1'), { cores: 1.5, mebibytes: 1024 });
    assert.deepEqual(await world.podUsage('web'), {
      main: { cores: 0.25, mebibytes: 64 },
      side: { cores: 2, mebibytes: 3 },
    });
  });

  test('what changes is seen at the next measurement, without what was before', async world => {
    await world.pod('web', { main: { cores: 2, mebibytes: 64 } });
    await world.rounds(2);
    world.set('web', { main: { cores: 0.5, mebibytes: 16 } });
    await world.rounds(2);
    assert.deepEqual(await world.podUsage('web'), { main: { cores: 0.5, mebibytes: 16 } });
  });

  test('what is not known yet is left out, and never told as nothing', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 64 } });
    assert.deepEqual(await world.pods.objects(), []);
    await assert.rejects(world.pods.get('web'), error => isStatusError(error, 'NotFound'));
    await assert.rejects(world.nodes.get('n1'), error => isStatusError(error, 'NotFound'));
  });

  test('a pod is told of when all its containers are known', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 64 } });
    await world.pod('other', { main: { cores: 1, mebibytes: 64 } });
    await world.rounds(2);
    world.set('web', { main: { cores: 1, mebibytes: 64 }, late: { cores: 1, mebibytes: 1, countedFromMs: world.nowMs } });
    // The first time that the late one is measured.
    world.answersOnce();
    await world.rounds(1);
    assert.deepEqual(await world.names(), ['other']);
    world.answersAgain();
    await world.rounds(2);
    assert.deepEqual(Object.keys(await world.podUsage('web')), ['main', 'late']);
  });

  test('a counter that began again never makes a figure below zero or a wild one', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 64 } });
    await world.rounds(2);
    world.set('web', { main: { cores: 0.5, mebibytes: 64, countedFromMs: world.nowMs } });
    for (let round = 0; round < 4; round++) {
      await world.rounds(1);
      const usage = await world.podUsage('web').catch(() => undefined);
      if (usage) assert.ok(usage['main']!.cores >= 0 && usage['main']!.cores <= 1, `${usage['main']!.cores} cores`);
    }
    assert.deepEqual(await world.podUsage('web'), { main: { cores: 0.5, mebibytes: 64 } });
  });

  test('time and window say when it was measured', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 64 } });
    await world.rounds(2);
    for (const { timestamp, window } of [await world.pods.get('web'), await world.nodes.get('n1')]) {
      const ageMs = world.nowMs - Date.parse(String(timestamp));
      assert.ok(ageMs >= 0 && ageMs <= roundMs, `measured ${ageMs} ms ago`);
      assert.match(String(window), /^([0-9.]+(h|m|s|ms))+$/);
    }
  });
}

function objectCases(test: Case): void {
  test('pods are found by namespace, name and label', async world => {
    const { client } = world;
    await world.pod('a', { main: { cores: 1, mebibytes: 1 } }, { app: 'x' });
    await world.pod('b', { main: { cores: 1, mebibytes: 1 } }, { app: 'y' });
    await world.pod('c', { main: { cores: 1, mebibytes: 1 } }, {}, 'kube-system');
    await world.rounds(2);
    assert.deepEqual(await world.names(), ['a', 'b']);
    const everywhere = await client.resource(Resources.MetricsPods).objects();
    assert.deepEqual(everywhere.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort(), [
      'default/a',
      'default/b',
      'kube-system/c',
    ]);
    const chosen = await world.pods.objects({ labelSelector: 'app=y' });
    assert.deepEqual(
      chosen.map(({ metadata }) => [metadata.name, metadata.labels]),
      [['b', { app: 'y' }]],
    );
    const nodes = await world.nodes.objects({ labelSelector: 'zone=here' });
    assert.deepEqual(
      nodes.map(({ metadata }) => metadata.name),
      ['n1'],
    );
    assert.deepEqual(await world.nodes.objects({ labelSelector: 'zone=there' }), []);
  });

  test('what is gone is not told of, whatever the sources say', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 1 } });
    await world.rounds(2);
    assert.deepEqual(await world.names(), ['web']);
    await world.client.resource(Resources.Pods, 'default').delete('web', { gracePeriodSeconds: 0 });
    await world.client.resource(Resources.Nodes).delete('n1');
    assert.deepEqual(await world.names(), []);
    await assert.rejects(world.pods.get('web'), error => isStatusError(error, 'NotFound'));
    assert.deepEqual(await world.nodes.objects(), []);
  });

  test('a pod of the same name is another pod', async world => {
    await world.pod('web', { main: { cores: 2, mebibytes: 99 } });
    await world.rounds(2);
    assert.deepEqual(await world.names(), ['web']);
    await world.client.resource(Resources.Pods, 'default').delete('web', { gracePeriodSeconds: 0 });
    await world.pod('web', { main: { cores: 0.5, mebibytes: 1, countedFromMs: world.nowMs } });
    assert.deepEqual(await world.names(), []);
    await world.rounds(3);
    assert.deepEqual(await world.podUsage('web'), { main: { cores: 0.5, mebibytes: 1 } });
  });

  test('nobody can write them', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 1 } });
    await world.rounds(2);
    await assert.rejects(world.pods.delete('web'), error => isStatusError(error, 'MethodNotAllowed'));
    const object = await world.pods.get('web');
    await assert.rejects(world.pods.create({ ...object }), error => isStatusError(error, 'MethodNotAllowed'));
    assert.deepEqual(await world.names(), ['web']);
  });

  test('who may view a namespace may read its pods, and nobody else', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 1 } });
    await world.rounds(2);
    const caller: CallerIdentity = { name: 'viewer', groups: ['system:authenticated'] };
    const viewer = world.client.as(caller);
    const read = () => viewer.resource(Resources.MetricsPods, 'default').objects();
    await assert.rejects(read(), error => isStatusError(error, 'Forbidden'));
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' };
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'viewer' }];
    const binding = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'v' },
      roleRef,
      subjects,
    };
    await world.client.resource(Resources.RoleBindings, 'default').create(binding as RoleBinding);
    assert.equal((await until('the viewer may read', read)).length, 1);
    await assert.rejects(viewer.resource(Resources.MetricsPods).list(), error => isStatusError(error, 'Forbidden'));
  });
}

function failureCases(test: Case): void {
  test('a source that fails is asked again, and what it said before is not taken back at once', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 1 } });
    await world.rounds(2);
    const asked = world.usage.asked;
    world.usage.answer = () => Promise.reject(new Error('told to fail by a test'));
    await world.rounds(1);
    assert.ok(world.usage.asked > asked, 'it was not asked again');
    assert.deepEqual(await world.names(), ['web']);
    world.answersAgain();
    world.set('web', { main: { cores: 0.5, mebibytes: 1 } });
    await world.rounds(2);
    assert.deepEqual(await world.podUsage('web'), { main: { cores: 0.5, mebibytes: 1 } });
  });

  test('a source that never answers keeps nobody waiting for ever', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 1 } });
    world.usage.answer = () => new Promise(() => undefined);
    await world.pass(3 * roundMs);
    world.answersAgain();
    await world.pass(4 * roundMs);
    assert.deepEqual(await world.podUsage('web'), { main: { cores: 1, mebibytes: 1 } });
  });

  test('while it is away the API says so, and after a restart it measures again', async world => {
    await world.pod('web', { main: { cores: 1, mebibytes: 1 } });
    await world.rounds(2);
    await world.restart(async () => {
      await assert.rejects(world.pods.list(), error => isStatusError(error, 'ServiceUnavailable'));
      world.set('web', { main: { cores: 0.25, mebibytes: 2 } });
    });
    await world.rounds(3);
    assert.deepEqual(await world.podUsage('web'), { main: { cores: 0.25, mebibytes: 2 } });
  });
}

interface Load {
  readonly cores: number;
  readonly mebibytes: number;
  /** When its counter began. */
  readonly countedFromMs?: number;
}

interface Counter {
  load: Load;
  /** Nanoseconds of CPU up to `atMs`. */
  nanos: number;
  atMs: number;
}

/** One node, `n1`, and pods on it, whose usage the cases set. */
class World {
  readonly client: Client;
  readonly usage: ScriptedUsage;
  readonly #subject: MetricsUnderTest;
  readonly #pods = new Map<string, { namespace: string; name: string; uid: string; containers: Map<string, Counter> }>();
  readonly #node: Counter;

  constructor(subject: MetricsUnderTest) {
    this.#subject = subject;
    this.client = subject.client;
    this.usage = subject.usage;
    this.#node = { load: { cores: 1, mebibytes: 1 }, nanos: 0, atMs: subject.nowMs() };
    this.answersAgain();
  }

  get nowMs(): number {
    return this.#subject.nowMs();
  }

  get pods() {
    return this.client.resource<Metrics>(Resources.MetricsPods as never, 'default');
  }

  get nodes() {
    return this.client.resource<Metrics>(Resources.MetricsNodes as never);
  }

  restart(whileAway: () => Promise<void>): Promise<void> {
    return this.#subject.restart(whileAway);
  }

  async begin(): Promise<void> {
    const metadata = { name: 'n1', labels: { zone: 'here' } };
    await this.client.resource(Resources.Nodes).create({ apiVersion: 'v1', kind: 'Node', metadata } as unknown as Node);
    for (const namespace of ['default', 'kube-system']) {
      const accounts = this.client.resource(Resources.ServiceAccounts, namespace);
      await until('the account that pods run as', () => accounts.get('default'));
    }
  }

  set node(load: Load) {
    change(this.#node, load, this.nowMs);
  }

  async pod(
    name: string,
    loads: Record<string, Load>,
    labels: Record<string, string> = {},
    namespace = 'default',
  ): Promise<void> {
    const containers = Object.keys(loads).map(container => ({ name: container, image: 'busybox' }));
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec: { nodeName: 'n1', containers } };
    const { uid } = (await this.client.resource(Resources.Pods, namespace).create(pod as unknown as Pod)).metadata;
    this.#pods.set(`${namespace}/${name}`, { namespace, name, uid: uid!, containers: new Map() });
    this.set(name, loads, namespace);
  }

  /** From now on. */
  set(name: string, loads: Record<string, Load>, namespace = 'default'): void {
    const { containers } = this.#pods.get(`${namespace}/${name}`)!;
    for (const [container, load] of Object.entries(loads)) {
      const known = containers.get(container);
      if (known && load.countedFromMs === undefined) change(known, load, this.nowMs);
      else containers.set(container, { load, nanos: 0, atMs: load.countedFromMs ?? this.nowMs });
    }
  }

  /** Sources answer truly. */
  answersAgain(): void {
    this.usage.answer = () => this.#measure();
  }

  /** They answer for now once; later measurements get the same answer. */
  answersOnce(): void {
    let answer: NodeUsage[] | undefined;
    this.usage.answer = () => (answer ??= this.#measure());
  }

  /** A second at a time: a plugin that takes its time on each measurement shall have it. */
  async pass(timeMs: number): Promise<void> {
    for (let passedMs = 0; passedMs < timeMs; passedMs += 1000) await this.#subject.advanceTime(1000);
  }

  /** Lets time pass in which so many measurements are made at least. */
  async rounds(count: number): Promise<void> {
    for (let round = 0; round < count; round++) {
      const { asked } = this.usage;
      await this.pass(roundMs);
      assert.ok(this.usage.asked > asked, `the sources were not asked within ${roundMs} ms`);
    }
  }

  async names(): Promise<string[]> {
    return (await this.pods.objects()).map(({ metadata }) => metadata.name).sort();
  }

  async nodeUsage(name: string): Promise<Load> {
    const found = (await this.nodes.objects()).find(({ metadata }) => metadata.name === name);
    assert.ok(found, `nothing is told of node ${name}`);
    return loadOf(found['usage'] as Usage);
  }

  async podUsage(name: string): Promise<Record<string, Load>> {
    const found = (await this.pods.objects()).find(({ metadata }) => metadata.name === name);
    assert.ok(found, `nothing is told of pod ${name}`);
    const { containers } = found as unknown as { containers: { name: string; usage: Usage }[] };
    return Object.fromEntries(containers.map(container => [container.name, loadOf(container.usage)]));
  }

  #measure(): NodeUsage[] {
    const timeMs = this.nowMs;
    const sample = (counter: Counter) => {
      const { load } = counter;
      const nanos = counter.nanos + (timeMs - counter.atMs) * 1e6 * load.cores;
      return { timeMs, cpuUsageCoreNanos: nanos, memoryWorkingSetBytes: load.mebibytes * mebibyte };
    };
    const pods = [...this.#pods.values()].map(({ containers, ...pod }) => ({
      ...pod,
      containers: [...containers]
        .filter(([, { load }]) => (load.countedFromMs ?? 0) <= timeMs)
        .map(([name, counter]) => ({ name, ...sample(counter) })),
    }));
    return [{ nodeName: 'n1', node: sample(this.#node), pods }];
  }
}

function change(counter: Counter, load: Load, nowMs: number): void {
  counter.nanos += (nowMs - counter.atMs) * 1e6 * counter.load.cores;
  counter.atMs = nowMs;
  counter.load = load;
}

function loadOf({ cpu, memory }: Usage): Load {
  return { cores: Quantity.parse(cpu).toNumber(), mebibytes: Quantity.parse(memory).toNumber() / mebibyte };
}
