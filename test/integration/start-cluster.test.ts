import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '../../core/testing/index.js';
import { Resources } from '../../core/plugin-api/index.js';
import type { ConfigMap, Node } from '../../core/plugin-api/index.js';

describe('startCluster', () => {
  let own: string;
  const before = process.env['TMPDIR'];
  beforeAll(async () => {
    own = await mkdtemp(join(tmpdir(), 'start-cluster-'));
    process.env['TMPDIR'] = own;
  });
  afterAll(async () => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    await rm(own, { recursive: true, force: true });
  });

  /** Sockets, listeners, processes, workers and timers of this process; what a single request to a file takes comes and goes. */
  const resources = (): string[] =>
    process
      .getActiveResourcesInfo()
      .filter(kind => !kind.startsWith('FSReq'))
      .sort();

  it('gives several clusters at once, which know nothing of each other, and leaves nothing behind', async () => {
    // What modules keep for the life of the process (a worker, a cached handle) is there after the first.
    await (await startCluster({ preset: 'sandbox' })).stop();
    await new Promise(resolve => setImmediate(resolve));
    const resourcesBefore = resources();
    const listenersBefore = process.eventNames().map(name => [name, process.listenerCount(name)]);

    const clusters = await Promise.all([1, 2, 3].map(() => startCluster({ preset: 'sandbox' })));
    try {
      for (const [at, { client }] of clusters.entries()) {
        const maps = client.resource(Resources.ConfigMaps, 'default');
        await maps.create({ metadata: { name: 'mine' }, data: { at: String(at) } } as unknown as ConfigMap);
        expect((await client.resource(Resources.Nodes).objects()).map(({ metadata }: Node) => metadata.name)).toHaveLength(1);
      }
      const seen = await Promise.all(
        clusters.map(async ({ client }) => (await client.resource(Resources.ConfigMaps, 'default').get('mine')).data),
      );
      expect(seen).toEqual([{ at: '0' }, { at: '1' }, { at: '2' }]);
      expect(new Set(clusters.map(({ kubeconfigFile }) => kubeconfigFile)).size).toBe(3);
    } finally {
      for (const cluster of clusters) await cluster.stop();
    }
    await clusters[0]!.stop();
    const more = (): string[] => {
      const rest = [...resourcesBefore];
      return resources().filter(kind => !rest.includes(kind) || rest.splice(rest.indexOf(kind), 1).length === 0);
    };
    for (let turn = 0; turn < 20 && more().length > 0; turn++) await new Promise(resolve => setTimeout(resolve, 50));
    expect(more()).toEqual([]);
    expect(process.eventNames().map(name => [name, process.listenerCount(name)])).toEqual(listenersBefore);
    expect(await readdir(own)).toEqual([]);
  }, 60_000);

  it('says in one line why it did not start, and leaves nothing behind either', async () => {
    await expect(startCluster({ preset: 'sandbox', arguments: ['--cluster-dns', 'here'] })).rejects.toThrow(/cluster-dns/);
    await expect(startCluster({ preset: 'sandbxo' })).rejects.toThrow(/sandbxo/);
    expect(await readdir(own)).toEqual([]);
  });
});
