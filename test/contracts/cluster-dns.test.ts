import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterDnsSuite, startRestartableCluster } from '../../core/testing/index.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cluster-dns-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('coredns', () => {
  clusterDnsSuite({ describe, it }, async ({ upstream, flags }) => {
    const config = join(directory, `${upstream}.yaml`);
    const options = { coredns: { port: 0, metricsPort: 0, upstream }, dataplane: { mode: 'in-process' } };
    await writeFile(config, JSON.stringify({ 'plugin-options': options }));
    return startRestartableCluster(['--config', config, '--slot', 'cluster-dns=coredns', ...flags]);
  });
});
