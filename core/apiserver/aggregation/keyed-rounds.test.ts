import { describe, expect, it } from '@jest/globals';
import { deferred } from '../../base/deferred.js';
import { FakeClock } from '../../base/fake-clock.js';
import { KeyedRounds } from './keyed-rounds.js';

describe('rounds of keys', () => {
  it('run one at a time for a key, and once more for all that came meanwhile', async () => {
    const first = deferred();
    const worked: string[] = [];
    const rounds = new KeyedRounds({
      clock: new FakeClock(),
      backoff: { initialMs: 1, maximumMs: 1 },
      work: async key => {
        worked.push(key);
        if (worked.length === 1) await first.promise;
        return undefined;
      },
      failed: () => undefined,
    });
    rounds.add('a');
    rounds.add('b');
    await Promise.resolve();
    rounds.add('a');
    rounds.add('a');
    first.resolve();
    await rounds.settled();
    expect(worked).toEqual(['a', 'b', 'a']);
  });

  it('come again by themselves, later and later after failures, and not at all when it is over', async () => {
    const clock = new FakeClock();
    const times: number[] = [];
    let fails = 3;
    const rounds = new KeyedRounds({
      clock,
      backoff: { initialMs: 10, maximumMs: 30 },
      work: async () => {
        times.push(clock.now());
        if (fails-- > 0) throw new Error('no');
        return 100;
      },
      failed: (_key, error) => expect(error).toEqual(new Error('no')),
    });
    const start = clock.now();
    rounds.add('a');
    await clock.advance(0);
    await clock.advance(170);
    expect(times.map(time => time - start)).toEqual([0, 10, 30, 60, 160]);
    rounds.add('a');
    await clock.advance(0);
    expect(clock.pendingTimers).toBe(1);
    await rounds.dispose();
    rounds.add('a');
    await clock.advance(1000);
    expect([times.length, clock.pendingTimers]).toEqual([6, 0]);
  });

  it('are given up at the end', async () => {
    const failed: unknown[] = [];
    const rounds = new KeyedRounds({
      clock: new FakeClock(),
      backoff: { initialMs: 1, maximumMs: 1 },
      work: (_key, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('over')))),
      failed: (_key, error) => failed.push(error),
    });
    rounds.add('a');
    await Promise.resolve();
    await rounds.dispose();
    expect(failed).toEqual([]);
  });
});
