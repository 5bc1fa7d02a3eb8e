import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PreparedCluster } from '../cluster/prepare-cluster.js';
import { exampleScripts, packageScripts, runPreparation } from './host-packages.js';

let root: string;
beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), 'prepare-'))));
afterEach(() => rm(root, { recursive: true }));

function prepared(more: { ownsHost?: boolean; nodeEnabled?: boolean; plugin?: string; binaries?: string }): PreparedCluster {
  const { ownsHost = true, nodeEnabled = true, plugin = 'containerd', binaries } = more;
  const options = binaries === undefined ? undefined : { binaries };
  const plugins = [{ id: plugin, by: 'test', options }];
  return {
    ownsHost,
    settings: { nodeEnabled },
    selection: { plugins },
    paths: { dataDir: '/d', agent: { imagesDir: '/d/images' } },
  } as unknown as PreparedCluster;
}

describe('what a start fetches and builds before', () => {
  it('is for containerd on a host of our own, and no packages when its programs are on PATH', () => {
    const files = (more: Parameters<typeof prepared>[0]): string[] =>
      [...packageScripts(prepared(more)), ...exampleScripts(prepared(more))].map(({ file }) => file);
    expect(files({})).toEqual(['scripts/runtime/fetch.mjs', 'scripts/example-image.mjs']);
    expect(files({ binaries: 'path' })).toEqual(['scripts/example-image.mjs']);
    for (const more of [{ ownsHost: false }, { nodeEnabled: false }, { plugin: 'simulated' }]) expect(files(more)).toEqual([]);
  });

  it('prints the lines of its scripts, and fails with the error line of the first that is needed', async () => {
    await writeFile(join(root, 'good.mjs'), 'console.error("Fetching " + process.argv[2])');
    await writeFile(
      join(root, 'bad.mjs'),
      'console.error("Trying ..."); console.error("error: no network; plug it in"); process.exit(1)',
    );
    await writeFile(join(root, 'killed.mjs'), 'process.kill(process.pid, "SIGKILL")');
    const lines: string[] = [];
    const run = (...scripts: { file: string; arguments: string[]; optionalBecause?: string }[]): Promise<void> =>
      runPreparation(scripts, line => lines.push(line), { root });
    const good = { file: 'good.mjs', arguments: ['runc'] };
    await run({ file: 'missing.mjs', arguments: [] }, { file: 'bad.mjs', arguments: [], optionalBecause: 'that is fine' }, good);
    expect(lines).toEqual(['Trying ...', 'warning: no network; plug it in; that is fine', 'Fetching runc']);
    await run({ ...good, arguments: ['again'], makes: join(root, 'good.mjs') } as typeof good);
    expect(lines).toHaveLength(3);
    const needed = run({ file: 'bad.mjs', arguments: [] });
    await expect(needed).rejects.toMatchObject({ code: 'PREPARATION_FAILED', message: 'no network; plug it in' });
    await expect(run({ file: 'killed.mjs', arguments: [] })).rejects.toThrow('ended with a signal');
  });
});
