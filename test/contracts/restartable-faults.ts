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
    const run = casesFor(flags, faultPatienceMs, () => (hasStarted = true)).get(name);
    if (!run) return Promise.resolve(`the suite has no case "${name}"`);
    return run().then(
      () => `passed: ${name}`,
      (error: unknown) => (hasStarted ? `noticed: ${name}` : `did not start: ${String(error)}`),
    );
  };

  describe(`the ${slot} suite turns red for one that`, () => {
    // What a fault keeps silent about is waited for in vain, and that may as well be waited for together.
    let running: Promise<string[]> | undefined;
    const tries = faults.flatMap(fault => fault.noticedBy.map(name => ({ fault, name })));
    const outcomes = (): Promise<string[]> =>
      (running ??= inFours(
        tries.map(
          ({ fault, name }) =>
            async () =>
              outcome(await flagsFor(fault), name),
        ),
      ));
    for (const fault of faults) {
      it(
        fault.name,
        async () => {
          const own = (await outcomes()).filter((_, at) => tries[at]!.fault === fault);
          expect(own).toEqual(fault.noticedBy.map(name => `noticed: ${name}`));
        },
        120_000,
      );
    }

    it('and stays green for one without a fault, as long as each has its fault', async () => {
      const sound = casesFor(await flagsFor(undefined), 10_000);
      expect([...new Set(faults.flatMap(({ noticedBy }) => noticedBy))].sort()).toEqual([...sound.keys()].sort());
      await inFours([...sound.values()]);
    }, 120_000);
  });
}

/** Longer than what is promised takes while three others run. */
const faultPatienceMs = 2000;

/** What all resolve, in their order; four run at a time. */
async function inFours<T>(all: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < all.length; at = next++) results[at] = await all[at]!();
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  return results;
}
