import { describe, expect, it } from '@jest/globals';
import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { KubeObject } from '../../../machinery/object.js';
import { runAdmission } from '../../registry/admission-chain.js';
import { MutationRound } from './mutation-rounds.js';

/** Runs one plugin in its round, and another behind it that touches the object in the first one. */
async function rounds(
  visit: (round: MutationRound) => void,
  touch: (object: KubeObject) => void = () => undefined,
): Promise<number> {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } } as KubeObject;
  let count = 0;
  const policies = {
    name: 'Policies',
    mutate(attributes: AdmissionAttributes): void {
      count++;
      const round = new MutationRound('Policies', attributes);
      visit(round);
      round.end();
    },
  };
  const other = {
    name: 'Other',
    mutate(attributes: AdmissionAttributes): void {
      if (!attributes.rounds!.isSecond) touch(object);
      attributes.rounds!.askForSecond();
    },
  };
  await runAdmission([policies, other], 'mutate', { object } as unknown as AdmissionAttributes);
  return count;
}

describe('rounds of mutating policies', () => {
  it('are two at most; in the second one nobody is invoked who did not ask for it', async () => {
    const invoked: string[] = [];
    const count = await rounds(round => {
      for (const key of ['eager', 'plain']) {
        if (round.skips(key)) continue;
        invoked.push(key);
        if (key === 'eager') round.made(key);
      }
      round.changed();
    });
    expect({ count, invoked }).toEqual({ count: 2, invoked: ['eager', 'plain', 'eager'] });
  });

  it('invoke again where another plugin has changed the object since', async () => {
    const visit = (seen: boolean[]) => (round: MutationRound) => {
      seen.push(round.skips('eager'));
      round.made('eager');
    };
    const untouched: boolean[] = [];
    await rounds(visit(untouched));
    expect(untouched).toEqual([false, true]);
    const touched: boolean[] = [];
    await rounds(visit(touched), object => (object.metadata.labels = { a: 'b' }));
    expect(touched).toEqual([false, false]);
  });

  it('know nothing of each other where there are none', () => {
    const round = new MutationRound('Policies', { object: undefined } as unknown as AdmissionAttributes);
    round.made('a');
    round.changed();
    round.end();
    expect(round.skips('a')).toBe(false);
  });
});
