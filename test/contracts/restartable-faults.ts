import { describe, expect, it } from '@jest/globals';
import { startRestartableCluster } from '../../core/testing/restartable-cluster.js';
import type { RestartableCluster } from '../../core/testing/restartable-cluster.js';
import { casesOf } from '../../core/testing/test-runner.js';
import type { TestRunner } from '../../core/testing/test-runner.js';

interface RestartableFaults<F> {
  readonly slot: string;
  readonly faults: readonly F[];
  /** The flags that bring a plugin with the fault, or a sound one. */
  flagsFor(fault: F | undefined): Promise<readonly string[]>;
  suite(runner: TestRunner, makeSubject: () => Promise<RestartableCluster>, options: { readonly patienceMs: number }): void;
}

/** For suites whose cases each have a cluster that can be started anew: every fault is noticed by its cases, one by one. */
export function describeRestartableFaults<F extends { readonly name: string; readonly noticedBy: readonly string[] }>({
  slot,
  faults,
  flagsFor,
  suite,
}: RestartableFaults<F>): void {
  /** By title. `started` is called once there is something to try. */
  const casesFor = (
    flags: readonly string[],
    patienceMs: number,
    started = (): void => undefined,
  ): Map<string, () => Promise<void>> => {
    const makeSubject = async (): Promise<RestartableCluster> => {
      const cluster = await startRestartableCluster(flags);
      started();
      return cluster;
    };
    const cases = casesOf(runner => suite(runner, makeSubject, { patienceMs }));
    return new Map(cases.map(({ title, body }) => [title, body]));
  };

  const outcome = (flags: readonly string[], name: string): Promise<string> => {
    let hasStarted = false;
    const run = casesFor(flags, 1000, () => (hasStarted = true)).get(name);
    if (!run) return Promise.resolve(`the suite has no case "${name}"`);
    return run().then(
      () => `passed: ${name}`,
      (error: unknown) => (hasStarted ? `noticed: ${name}` : `did not start: ${String(error)}`),
    );
  };

  describe(`the ${slot} suite turns red for one that`, () => {
    for (const fault of faults) {
      it(fault.name, async () => {
        const flags = await flagsFor(fault);
        const outcomes: string[] = [];
        for (const name of fault.noticedBy) outcomes.push(await outcome(flags, name));
        expect(outcomes).toEqual(fault.noticedBy.map(name => `noticed: ${name}`));
      });
    }

    it('and stays green for one without a fault, as long as each has its fault', async () => {
      const sound = casesFor(await flagsFor(undefined), 10_000);
      expect([...new Set(faults.flatMap(({ noticedBy }) => noticedBy))].sort()).toEqual([...sound.keys()].sort());
      for (const run of sound.values()) await run();
    }, 120_000);
  });
}
