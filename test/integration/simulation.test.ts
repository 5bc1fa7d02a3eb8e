import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CoreV1Api, Exec, KubeConfig } from '@kubernetes/client-node';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { FakeClock, startCluster, until } from '../../core/testing/index.js';
import type { TestCluster } from '../../core/testing/index.js';
import { Resources } from '../../core/plugin-api/index.js';

const namespace = 'default';
const clock = new FakeClock(Date.now());
const config = new KubeConfig();
let cluster: TestCluster;
let core: CoreV1Api;

beforeAll(async () => {
  cluster = await startCluster({ clock });
  config.loadFromFile(cluster.kubeconfigFile);
  core = config.makeApiClient(CoreV1Api);
  await until('the account that pods run as', () => core.readNamespacedServiceAccount({ namespace, name: 'default' }));
});
afterAll(() => cluster.stop());

const create = (name: string) =>
  core.createNamespacedPod({
    namespace,
    body: { metadata: { name }, spec: { containers: [{ name: 'main', image: 'busybox' }] } },
  });
const phase = async (name: string) => (await core.readNamespacedPod({ namespace, name })).status?.phase;
const runs = (name: string) => until(`${name} runs`, async () => ((await phase(name)) === 'Running' ? true : undefined));

/** What tests of strangers may tell a simulated node to do, through a whole cluster with a clock that they move. */
describe('the simulated node of a test', () => {
  it('takes its time', async () => {
    cluster.simulation.setDelayMs('startContainer', 20_000);
    await create('slow');
    const beganMs = clock.now();
    await until('slow runs', async () => {
      await clock.advance(1000);
      return (await phase('slow')) === 'Running' ? true : undefined;
    });
    expect(clock.now() - beganMs).toBeGreaterThanOrEqual(20_000);
    cluster.simulation.setDelayMs('startContainer', 0);
  });

  it('fails as often as it is told', async () => {
    cluster.simulation.failNext('runSandbox', new Error('no room'));
    await create('unlucky');
    const events = cluster.client.resource(Resources.Events, namespace);
    await until('the failure is told', async () => (await events.objects()).find(({ message }) => message?.includes('no room')));
    await until('it runs after all', async () => {
      await clock.advance(5000);
      return (await phase('unlucky')) === 'Running' ? true : undefined;
    });
  });

  it('prints, answers commands, and uses what it is told', async () => {
    await create('talker');
    await runs('talker');
    expect(cluster.simulation.log({ pod: 'talker' }, 'hello')).toBeUndefined();
    expect(await core.readNamespacedPodLog({ namespace, name: 'talker' })).toBe('hello\n');

    cluster.simulation.setExec({ pod: 'talker' }, command => ({ exitCode: 3, output: `ran ${command.join(' ')}` }));
    const output = new PassThrough();
    const exited = Promise.withResolvers<string | undefined>();
    await new Exec(config).exec(namespace, 'talker', 'main', ['backup', 'now'], output, null, null, false, status => {
      exited.resolve(status.details?.causes?.[0]?.message);
      output.end();
    });
    expect(await exited.promise).toBe('3');
    expect(await text(output)).toBe('ran backup now');

    const used = async () =>
      (await cluster.client.resource(Resources.MetricsPods, namespace).get('talker')).containers[0]!.usage as object;
    cluster.simulation.setStats({ pod: 'talker' }, { cpuMillicores: 250, memoryBytes: 64 * 1024 * 1024 });
    await clock.advance(60_000);
    expect(await used()).toEqual({ cpu: '250m', memory: '64Mi' });
    cluster.simulation.setStats({ pod: 'talker' }, { cpuMillicores: 2000, memoryBytes: 1024 });
    await clock.advance(60_000);
    expect(await used()).toEqual({ cpu: '2', memory: '1Ki' });
    cluster.simulation.setStats({ pod: 'talker' }, undefined);
    await clock.advance(60_000);
    expect(await used()).toEqual({ cpu: '1m', memory: '8Mi' });
  });
});

it('a cluster without a node has no simulation, and parts that it lacks cannot be restarted', async () => {
  const other = await startCluster({ arguments: ['--disable-agent'] });
  try {
    expect(() => other.simulation).toThrow();
    await expect(other.restartPart('schedular')).rejects.toThrow('no part schedular is in this kernel');
  } finally {
    await other.stop();
  }
});
