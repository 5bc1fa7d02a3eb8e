import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkClusterDns } from '../../core/testing/checks/cluster-dns-check.js';
import { casesOf, clusterDnsSuite, startRestartableCluster } from '../../core/testing/index.js';
import { definePlugin } from '../../core/plugin-api/descriptor.js';

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

describe('k3s plugin check of a cluster DNS', () => {
  const checked = async (flags: Parameters<typeof definePlugin>[0]['flags']): Promise<{ groups: Set<string>; notes: string }> => {
    const notes: string[] = [];
    const load = (): Promise<never> => Promise.reject(new Error('never loaded'));
    const options = { upstream: { default: '', format: String } };
    const descriptor = definePlugin({ id: 'x', slot: 'cluster-dns', contract: 1, options, ...(flags && { flags }), load });
    const makeContract = load;
    const context = { directory: '/nowhere', flags: [], note: (text: string) => void notes.push(text) };
    const cases = casesOf(await checkClusterDns({ descriptor, makeContract }, context));
    return { groups: new Set(cases.map(({ name }) => name.split(':')[0]!)), notes: notes.join('\n') };
  };

  it('leaves other names out, and says so, when nothing tells the plugin whom to ask', async () => {
    const found = await checked(undefined);
    expect(found.groups).not.toContain('other names');
    expect(found.notes).toContain('names outside of the cluster were not tried');
    const told = await checked({
      'x-upstream': { option: 'upstream', kind: 'string', summary: 'whom to ask', command: 'server' },
    });
    expect(told.groups).toContain('other names');
    expect(told.notes).not.toContain('not tried: that takes');
  });

  it('passes on why a cluster does not start', async () => {
    const suite = casesOf(runner => clusterDnsSuite(runner, () => Promise.reject(new Error('no cluster today'))));
    await expect(suite[0]!.body()).rejects.toThrow('no cluster today');
  });
});
