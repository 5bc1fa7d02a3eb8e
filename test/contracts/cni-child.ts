import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDebianPackages } from '../../core/host/debian-packages.js';
import { hasOwnNetwork, runTool } from '../../core/testing/cni-pods.js';
import { serveCases } from '../support/remote-cases.js';
import { defineCniCases } from './cni-cases.js';

/** The process that wires pods, in the network namespace that it was started in. */
const directory = await mkdtemp(join(tmpdir(), 'cni-child-'));
const configuration = join(directory, 'config.yaml');

await serveCases(runner => defineCniCases(runner, configuration), {
  async setUp() {
    await runTool('ip', 'link', 'set', 'lo', 'up');
    assert.ok(hasOwnNetwork());
    const plugins = join(readDebianPackages()!.root('containernetworking-plugins')!, 'usr/lib/cni');
    await writeFile(configuration, JSON.stringify({ 'plugin-options': { flannel: { binaryDirectories: [plugins] } } }));
  },
  cleanUp: () => rm(directory, { recursive: true, force: true }),
});
