import { afterAll, beforeAll } from '@jest/globals';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clusterDnsSuite, startRestartableCluster } from '../../core/testing/index.js';
import { describeFaults } from './cluster-faults.js';
import { faults } from './cluster-dns-faults.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cluster-dns-faults-'));
  await mkdir(join(directory, 'node_modules'));
  await symlink(root, join(directory, 'node_modules', 'k3s-ts'));
});
afterAll(() => rm(directory, { recursive: true }));

/** A copy of the template, with the fault in it. */
async function packageWith(name: string): Promise<string> {
  const copy = await mkdtemp(join(directory, 'package-'));
  await cp(join(root, 'dist/core/cli/templates/cluster-dns/src'), copy, {
    recursive: true,
    filter: path => !/contract-test|\.map$/.test(path),
  });
  await writeFile(join(copy, 'package.json'), JSON.stringify({ name: 'template', type: 'module', exports: './index.js' }));
  const fault = faults.find(each => each.name === name);
  if (fault) {
    const { file, before, after } = fault;
    const code = await readFile(join(copy, file), 'utf8');
    const count = code.split(before).length - 1;
    // With a code it is not taken for a promise that was broken.
    if (count !== 1) throw Object.assign(new Error(`${file} has "${before}" ${count} times`), { code: 'ERR_NO_FAULT' });
    await writeFile(
      join(copy, file),
      code.replace(before, () => after),
    );
  }
  return join(copy, 'index.js');
}

describeFaults(
  'cluster DNS',
  faults,
  fault => runner =>
    clusterDnsSuite(
      runner,
      async ({ upstream, flags }) =>
        startRestartableCluster(['--plugin', await packageWith(fault), '--template-cluster-dns-upstream', upstream, ...flags]),
      { patienceMs: fault === '' ? 10_000 : 5000 },
    ),
);
