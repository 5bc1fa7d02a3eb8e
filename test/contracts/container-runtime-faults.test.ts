import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { containerRuntimeSuite } from '../../core/testing/container-runtime-suite.js';
import type { RuntimeUnderTest } from '../../core/testing/container-runtime-suite.js';
import { casesOf } from '../../core/testing/test-runner.js';
import type { SuiteCase } from '../../core/testing/test-runner.js';
import { faults, SoundRuntime } from './container-runtime-faults.js';

const image = 'k3s.local/box:1';
const runtimes: SoundRuntime[] = [];

const casesFor = (subject: () => RuntimeUnderTest): SuiteCase[] => casesOf(runner => containerRuntimeSuite(runner, subject));

/** The names of the cases that fail. */
async function brokenBy(runtime: SoundRuntime): Promise<string[]> {
  runtimes.push(runtime);
  await runtime.pullImage(image, {});
  const subject: RuntimeUnderTest = {
    runtime,
    image,
    otherImage: 'k3s.local/other:1',
    logDirectory: '/nowhere',
    cgroupRoot: '',
    restart: () => runtime.restarted(),
    patienceMs: 2000,
  };
  const outcomes = casesFor(() => subject).map(({ title, body }) =>
    body().then(
      () => [],
      () => [title],
    ),
  );
  return (await Promise.all(outcomes)).flat();
}

/** A promise of the contract is tested only if a runtime that breaks it turns the suite red. */
describe('the container runtime suite turns red for a runtime that', () => {
  // All at once: what a fault keeps silent about is waited for in vain, and that may as well be waited for together.
  let outcomes: Map<string, string[]>;
  let sound: string[];
  beforeAll(async () => {
    const all = faults.map(async ({ name, make }) => [name, await brokenBy(make())] as const);
    [outcomes, sound] = await Promise.all([Promise.all(all).then(entries => new Map(entries)), brokenBy(new SoundRuntime())]);
  });
  afterAll(() => runtimes.forEach(runtime => runtime.stop()));

  it.each(faults)('$name', ({ name, noticedBy }) => {
    expect(outcomes.get(name)).toEqual(noticedBy);
  });

  it('and stays green for one without a fault', () => {
    expect(sound).toEqual([]);
  });

  it('and has a fault for each of its cases', () => {
    const noticed = new Set(faults.flatMap(({ noticedBy }) => noticedBy));
    const names = casesFor(onlyNames).map(({ title }) => title);
    expect(names.filter(name => !noticed.has(name))).toEqual([]);
  });
});

function onlyNames(): never {
  throw new Error('no case is run');
}
