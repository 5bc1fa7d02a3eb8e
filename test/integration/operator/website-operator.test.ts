import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { FakeClock, startCluster, until } from 'k3s-ts/testing';
import type { TestCluster } from 'k3s-ts/testing';
import { WebsiteOperator } from './website-operator.js';

const namespace = 'default';
const clock = new FakeClock(Date.now());
let cluster: TestCluster;
let core: CoreV1Api;
let operator: WebsiteOperator;

beforeAll(async () => {
  cluster = await startCluster({ preset: 'sandbox', clock });
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfigFile);
  core = config.makeApiClient(CoreV1Api);
  operator = new WebsiteOperator(config, namespace, (delayMs, callback) => void clock.setTimer(delayMs, callback));
  await operator.start();
  await until('the account that pods run as', () => core.readNamespacedServiceAccount({ namespace, name: 'default' }));
});
afterAll(async () => {
  await operator.stop();
  await cluster.stop();
});

const createSite = (name: string, image = 'nginx:1') =>
  core.createNamespacedConfigMap({
    namespace,
    body: { metadata: { name, labels: { 'example.org/website': '' } }, data: { image } },
  });

/** Lets time pass, five seconds a step, until the site says so. */
const becomes = (name: string, state: string) =>
  until(`${name} is ${state}`, async () => {
    const { data } = await core.readNamespacedConfigMap({ namespace, name });
    if (data?.['state'] === state) return state;
    await clock.advance(5000);
    return undefined;
  });

describe('the operator of websites', () => {
  it('makes a pod, and says when it is ready', async () => {
    await createSite('blog');
    await becomes('blog', 'Ready');
    await core.deleteNamespacedConfigMap({ namespace, name: 'blog' });
    await until('its pod is gone', async () => {
      await clock.advance(5000);
      return (await core.listNamespacedPod({ namespace })).items.length === 0 ? true : undefined;
    });
  });

  it('sees a site that does not answer, and one that does again', async () => {
    cluster.simulation.setProbe({ pod: 'shop' }, { ok: false, output: 'HTTP probe failed with statuscode: 503' });
    await createSite('shop');
    await becomes('shop', 'Starting');
    cluster.simulation.setProbe({ pod: 'shop' }, undefined);
    await becomes('shop', 'Ready');
  });

  it('makes a pod that failed again, a minute later', async () => {
    await createSite('wiki');
    await becomes('wiki', 'Ready');
    const first = await core.readNamespacedPod({ namespace, name: 'wiki' });
    cluster.simulation.exit({ pod: 'wiki' }, 3);
    await becomes('wiki', 'Failed');
    await clock.advance(50_000);
    expect((await core.readNamespacedPod({ namespace, name: 'wiki' })).metadata!.uid).toBe(first.metadata!.uid);
    await becomes('wiki', 'Ready');
    expect((await core.readNamespacedPod({ namespace, name: 'wiki' })).metadata!.uid).not.toBe(first.metadata!.uid);
  });

  it('says when there is no such image, and goes on when there is', async () => {
    cluster.simulation.failImage('ghost:1', 'RUNTIME_IMAGE_NOT_FOUND');
    await createSite('ghost', 'ghost:1');
    await becomes('ghost', 'NoImage');
    cluster.simulation.clearImage('ghost:1');
    await becomes('ghost', 'Ready');
  });
});
