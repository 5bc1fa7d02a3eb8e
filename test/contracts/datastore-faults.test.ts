import { describe, expect, it } from '@jest/globals';
import { datastoreSuite } from '../../core/testing/datastore-suite.js';
import type { StoreUnderTest } from '../../core/testing/datastore-suite.js';
import { casesOf } from '../../core/testing/test-runner.js';
import type { Fault } from './datastore-faults.js';
import { faults, faultyStore } from './datastore-faults.js';
import { memoryStore } from './datastore-stores.js';

/** The suite's cases, by their own names without the groups'. */
function casesFor(makeStore: () => Promise<StoreUnderTest>): Map<string, () => Promise<void>> {
  const cases = casesOf(runner => datastoreSuite(runner, makeStore));
  return new Map(cases.map(({ title, body }) => [title, body]));
}

/** All at once: what a fault keeps silent about is waited for in vain, and that may as well be waited for together. */
let running: Map<string, Promise<string[]>> | undefined;

function outcomesOf(fault: Fault): Promise<string[]> {
  running ??= new Map(faults.map(each => [each.name, Promise.all(each.noticedBy.map(name => outcome(each, name)))]));
  return running.get(fault.name)!;
}

async function outcome(fault: Fault, name: string): Promise<string> {
  const run = casesFor(() => faultyStore(fault)).get(name);
  if (!run) return `the suite has no case "${name}"`;
  return run().then(
    () => `passed: ${name}`,
    () => `noticed: ${name}`,
  );
}

/** A promise of the contract is tested only if an engine that breaks it turns the suite red. */
describe('the datastore suite turns red for an engine that', () => {
  for (const fault of faults) {
    it(fault.name, async () => {
      expect(await outcomesOf(fault)).toEqual(fault.noticedBy.map(name => `noticed: ${name}`));
    });
  }

  it('and stays green for one without a fault', async () => {
    const sound = casesFor(memoryStore);
    const named = new Set(faults.flatMap(fault => fault.noticedBy));
    await Promise.all([...named].map(name => sound.get(name)!()));
  });
});
