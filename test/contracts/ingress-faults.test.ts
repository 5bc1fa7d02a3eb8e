import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ingressSuite } from '../../core/testing/ingress-suite.js';
import { startRestartableCluster } from '../../core/testing/restartable-cluster.js';
import type { RestartableCluster } from '../../core/testing/restartable-cluster.js';
import { casesOf } from '../../core/testing/test-runner.js';
import { faults } from './ingress-faults.js';
import type { IngressFault } from './ingress-faults.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ingress-faults-'));
  await mkdir(join(directory, 'node_modules'));
  await symlink(root, join(directory, 'node_modules', 'k3s-ts'));
});
afterAll(() => rm(directory, { recursive: true }));

/** A copy of the template, with the fault in it. */
async function packageWith(fault: IngressFault | undefined): Promise<string> {
  const copy = await mkdtemp(join(directory, 'package-'));
  await cp(join(root, 'dist/core/cli/templates/ingress/src'), copy, {
    recursive: true,
    filter: path => !/contract-test|\.map$/.test(path),
  });
  await writeFile(join(copy, 'package.json'), JSON.stringify({ name: 'template', type: 'module', exports: './index.js' }));
  if (!fault) return join(copy, 'index.js');
  const code = await readFile(join(copy, fault.file), 'utf8');
  if (code.split(fault.before).length !== 2) throw new Error(`${fault.file} does not have "${fault.before}" once`);
  await writeFile(
    join(copy, fault.file),
    code.replace(fault.before, () => fault.after),
  );
  return join(copy, 'index.js');
}

/** The suite's cases, by their own names without the groups'. `started` is called once there is something to try. */
function casesFor(path: string, patienceMs: number, started = (): void => undefined): Map<string, () => Promise<void>> {
  const makeSubject = async (): Promise<RestartableCluster> => {
    const cluster = await startRestartableCluster(['--plugin', path]);
    started();
    return cluster;
  };
  const cases = casesOf(runner => ingressSuite(runner, makeSubject, { patienceMs }));
  return new Map(cases.map(({ name, body }) => [name.slice(name.indexOf(': ') + 2), body]));
}

async function outcome(path: string, name: string): Promise<string> {
  let hasStarted = false;
  const run = casesFor(path, 1000, () => (hasStarted = true)).get(name);
  if (!run) return `the suite has no case "${name}"`;
  return run().then(
    () => `passed: ${name}`,
    (error: unknown) => (hasStarted ? `noticed: ${name}` : `did not start: ${String(error)}`),
  );
}

describe('the ingress suite turns red for one that', () => {
  for (const fault of faults) {
    it(fault.name, async () => {
      const path = await packageWith(fault);
      const outcomes: string[] = [];
      for (const name of fault.noticedBy) outcomes.push(await outcome(path, name));
      expect(outcomes).toEqual(fault.noticedBy.map(name => `noticed: ${name}`));
    });
  }

  it('and stays green for one without a fault, as long as each has its fault', async () => {
    const sound = casesFor(await packageWith(undefined), 10_000);
    expect([...new Set(faults.flatMap(({ noticedBy }) => noticedBy))].sort()).toEqual([...sound.keys()].sort());
    for (const run of sound.values()) await run();
  }, 120_000);
});
