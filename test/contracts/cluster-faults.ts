import { describe, expect, it } from '@jest/globals';
import { errorCode, errorText } from '../../core/base/errors.js';
import { casesOf } from '../../core/testing/index.js';
import type { Suite } from '../../core/testing/index.js';

export interface NamedFault {
  readonly name: string;
  readonly noticedBy: string;
}

/** A promise of a slot is tested only if a part that breaks it turns the case red, and a sound one leaves it green. */
export function describeFaults(slot: string, faults: readonly NamedFault[], suiteWith: (fault: string) => Suite): void {
  const run = async (fault: string, name: string): Promise<string> => {
    const found = casesOf(suiteWith(fault)).find(({ title }) => title === name);
    if (!found) return `the suite has no case "${name}"`;
    return found.body().then(
      () => `passed: ${name}`,
      error => {
        // Whatever has a code is the cluster's own, which did not begin.
        const code = errorCode(error);
        return code === undefined || code === 'ERR_ASSERTION' ? `noticed: ${name}` : errorText(error);
      },
    );
  };
  const names = [...new Set(faults.map(({ noticedBy }) => noticedBy))];

  describe(`the ${slot} suite turns red for a part that`, () => {
    // What a fault keeps silent about is waited for in vain, and that may as well be waited for together.
    let running: Promise<Map<string, string>> | undefined;
    const outcomes = (): Promise<Map<string, string>> =>
      (running ??= Promise.all(faults.map(async ({ name, noticedBy }) => [name, await run(name, noticedBy)] as const)).then(
        found => new Map(found),
      ));
    for (const { name, noticedBy } of faults) {
      it(name, async () => expect((await outcomes()).get(name)).toBe(`noticed: ${noticedBy}`), 90_000);
    }

    it('and stays green for one without a fault', async () => {
      for (let at = 0; at < names.length; at += 4) {
        const some = names.slice(at, at + 4);
        expect(await Promise.all(some.map(name => run('', name)))).toEqual(some.map(name => `passed: ${name}`));
      }
    }, 60_000);

    it('and has a fault for every case', () => {
      const all = casesOf(suiteWith('')).map(({ title }) => title);
      expect(names.sort()).toEqual(all.sort());
    });
  });
}
