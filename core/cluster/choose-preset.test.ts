import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { presets } from '../../presets/index.js';
import { discardCluster, prepareCluster } from './index.js';
import type { PreparedCluster } from './index.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'preset-'));
  await writeFile(join(dir, 'config.yaml'), '');
});
afterAll(() => rm(dir, { recursive: true }));

async function prepare(...argumentList: string[]): Promise<PreparedCluster> {
  const environment = { K3S_CONFIG_FILE: join(dir, 'config.yaml') };
  const prepared = await prepareCluster({
    command: 'server',
    arguments: argumentList,
    environment,
    isRoot: true,
    workingDirectory: dir,
  });
  await discardCluster(prepared);
  return prepared;
}

const chosen = ({ selection }: PreparedCluster): string[] => selection.plugins.map(({ id }) => id);

describe('presets of ours', () => {
  it.each(Object.keys(presets).filter(name => name !== 'ha'))('%s starts what it says', async name => {
    const prepared = await prepare(`--preset=${name}`);
    const { slots, flags = {} } = presets[name]!;
    const named = Object.values(slots)
      .flat()
      .filter(id => id !== '*' && id !== 'none');
    const missing = prepared.selection.notBuilt.map(({ plugin }) => plugin);
    expect(chosen(prepared)).toEqual(expect.arrayContaining(named.filter(id => !missing.includes(id))));
    expect(prepared.config.values).toMatchObject(flags);
    expect(prepared.warnings).toEqual([]);
  });

  it('edge runs no ingress, load balancer, metrics and Helm; ci keeps nothing on disk', async () => {
    const edge = chosen(await prepare('--preset=edge'));
    for (const id of ['traefik', 'servicelb', 'metrics-server', 'helm-controller']) expect(edge).not.toContain(id);
    expect(edge).toEqual(expect.arrayContaining(['sqlite', 'coredns', 'local-storage']));
    expect(chosen(await prepare('--preset=ci'))).toEqual(expect.arrayContaining(['memory', 'containerd', 'traefik']));
  });

  it('ha is refused as long as there is no such datastore, and starts with another', async () => {
    await expect(prepare('--preset=ha')).rejects.toMatchObject({
      message: 'preset ha needs the datastore etcd, which this version does not build yet',
    });
    expect(chosen(await prepare('--preset=ha', '--datastore-endpoint=sqlite://'))).toContain('sqlite');
  });
});

describe("a user's preset", () => {
  const write = (text: string): Promise<void> => writeFile(join(dir, 'mine.yaml'), text);

  it('begins with one of ours; flags beat it', async () => {
    await write(
      'from: edge\nslots: {datastore: memory, metrics: metrics-server}\nflags: {https-listen-port: 7443, debug: true}\n',
    );
    const prepared = await prepare('--preset=./mine.yaml', '--debug=false');
    expect(prepared.preset.id).toBe('mine');
    expect(chosen(prepared)).toEqual(expect.arrayContaining(['memory', 'metrics-server']));
    expect(chosen(prepared)).not.toContain('traefik');
    expect(prepared.config.values).toMatchObject({ 'https-listen-port': 7443, debug: false });
  });

  it.each([
    ['slots: {datastor: memory}', 'unknown slot "datastor" (did you mean "datastore"?)'],
    ['slots: {datastore: 1}', 'slots.datastore must be the name of a plugin, or a list of them'],
    ['flags: {debugg: true}', 'unknown flag "debugg" (did you mean "debug"?)'],
    ['slot: {}', 'unknown key "slot" (did you mean "slots"?)'],
    ['from: edg', '"from" must be one of ci, default, edge, ha, sandbox'],
    ['temporary: 1', '"temporary" must be true or false'],
    ['pluginOptions: {flannel: 1}', 'pluginOptions.flannel must be a map'],
    ['flags: 1', '"flags" must be a map'],
    ['- a', 'must be a map'],
    ['a: b: c', expect.stringMatching(/^cannot be read: [^\n]+$/)],
  ])('%s is refused in one line', async (text, problem) => {
    await write(`${text}\n`);
    const message = await prepare('--preset=mine.yaml').catch(error => (error as Error).message);
    expect(String(message).replace('--preset mine.yaml: ', '')).toEqual(problem);
  });

  it('that is not there is named', async () => {
    await expect(prepare('--preset=./none.yaml')).rejects.toThrow(/^--preset \.\/none\.yaml: cannot be read: .*ENOENT/);
  });
});
