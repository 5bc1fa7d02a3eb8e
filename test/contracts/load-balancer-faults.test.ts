import { describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { loadBalancerSuite } from '../../core/testing/load-balancer-suite.js';
import { startRestartableCluster } from '../../core/testing/restartable-cluster.js';
import { casesOf } from '../../core/testing/test-runner.js';
import { makeFaults } from './load-balancer-faults.js';

const faultyPlugin = fileURLToPath(new URL('faulty-load-balancer.js', import.meta.url));
const faults = makeFaults();

/** The suite's cases, by their own names without the groups'. */
function casesFor(fault: string, patienceMs: number): Map<string, () => Promise<void>> {
  const flags = ['--plugin', faultyPlugin, '--fault', fault];
  const cases = casesOf(runner => loadBalancerSuite(runner, () => startRestartableCluster(flags), { patienceMs }));
  return new Map(cases.map(({ name, body }) => [name.slice(name.indexOf(': ') + 2), body]));
}

async function outcome(fault: string, name: string): Promise<string> {
  const run = casesFor(fault, 1000).get(name);
  if (!run) return `the suite has no case "${name}"`;
  return run().then(
    () => `passed: ${name}`,
    () => `noticed: ${name}`,
  );
}

describe('the load balancer suite turns red for one that', () => {
  for (const { name: fault, noticedBy } of faults) {
    it(fault, async () => {
      const outcomes = await Promise.all(noticedBy.map(name => outcome(fault, name)));
      expect(outcomes).toEqual(noticedBy.map(name => `noticed: ${name}`));
    });
  }

  it('and stays green for one without a fault, as long as each has its fault', async () => {
    const sound = casesFor('', 10_000);
    expect([...new Set(faults.flatMap(({ noticedBy }) => noticedBy))].sort()).toEqual([...sound.keys()].sort());
    for (const run of sound.values()) await run();
  }, 120_000);
});
