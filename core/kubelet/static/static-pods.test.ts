import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { Pods } from '../../api/generated/resources.js';
import type { Node, Pod } from '../../api/generated/types.js';
import { Client } from '../../client/client.js';
import { FakeTransport } from '../../client/testing/fake-transport.js';
import { mirrorHash } from './static-pod.js';
import { StaticPods } from './static-pods.js';

const node = { metadata: { name: 'node-a', uid: 'node-uid' } } as Node;
const manifest = (name: string, image: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\nspec:\n  containers:\n  - name: c\n    image: ${image}\n`;

describe('static pods', () => {
  const clock = new FakeClock();
  let directory: string;
  let client: Client;
  let known: Pod[];
  let statics: StaticPods;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'static-'));
    client = new Client(new FakeTransport(clock), { name: 'system:node:node-a', groups: ['system:nodes'] });
    known = [];
    statics = new StaticPods({
      context: { client, clock, logger: silentLogger },
      directory,
      node: () => node,
      pods: () => known,
    });
  });
  afterEach(async () => {
    await statics.stop();
    await rm(directory, { recursive: true });
    expect(clock.pendingTimers).toBe(0);
  });

  /** One round, with what the API has before and after it. */
  async function sync(): Promise<Pod[]> {
    known = (await client.resource(Pods, 'default').list()).entries.map(({ object }) => object);
    await statics.sync();
    return (await client.resource(Pods, 'default').list()).entries.map(({ object }) => object);
  }

  it('are put into the API as mirror pods of this node', async () => {
    await writeFile(join(directory, 'web.yaml'), manifest('web', 'nginx'));
    await writeFile(join(directory, '.web.yaml.swp'), 'no manifest');
    const [pod, ...others] = await sync();
    expect(others).toEqual([]);
    expect(pod!.metadata).toMatchObject({
      name: 'web-node-a',
      namespace: 'default',
      annotations: { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.mirror': mirrorHash(pod!) },
      ownerReferences: [{ kind: 'Node', name: 'node-a', uid: 'node-uid', controller: true }],
    });
    expect(pod!.spec).toMatchObject({ nodeName: 'node-a', tolerations: [{ operator: 'Exists', effect: 'NoExecute' }] });
  });

  it('follow their files, and come back when they are deleted in the API', async () => {
    const file = join(directory, 'web.yaml');
    await writeFile(file, manifest('web', 'nginx:1'));
    const [first] = await sync();
    const [same] = await sync();
    expect(same!.metadata.uid).toBe(first!.metadata.uid);
    await client.resource(Pods, 'default').delete('web-node-a', { gracePeriodSeconds: 0 });
    const [again] = await sync();
    expect(again!.metadata.uid).not.toBe(first!.metadata.uid);
    await writeFile(file, manifest('web', 'nginx:2'));
    for (const pod of await sync()) expect(pod.metadata.deletionTimestamp).toBeDefined();
    await client
      .resource(Pods, 'default')
      .delete('web-node-a', { gracePeriodSeconds: 0 })
      .catch(() => undefined);
    const [changed] = await sync();
    expect(changed!.spec.containers[0]!.image).toBe('nginx:2');
    await rm(file);
    for (const pod of await sync()) expect(pod.metadata.deletionTimestamp).toBeDefined();
  });

  it('do not end for a file that cannot be read', async () => {
    const file = join(directory, 'web.yaml');
    await writeFile(file, manifest('web', 'nginx'));
    await sync();
    await writeFile(file, 'kind: Pod\nmetadata: [');
    const [pod] = await sync();
    expect(pod!.metadata.deletionTimestamp).toBeUndefined();
  });

  it('never touch pods of others', async () => {
    const other = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other' }, spec: { containers: [] } } as unknown as Pod;
    await client.resource(Pods, 'default').create(other);
    const [pod] = await sync();
    expect(pod!.metadata.deletionTimestamp).toBeUndefined();
  });
});
