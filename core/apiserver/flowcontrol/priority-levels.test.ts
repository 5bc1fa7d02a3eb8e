import { describe, expect, it } from '@jest/globals';
import type { PriorityLevelConfiguration } from '../../api/generated/types.js';
import { isUsable } from './priority-levels.js';
import { FlowControlBench, level, queuingLevel, schemaOf, user } from './testing/flow-control-bench.js';

const queuing = { queues: 16, handSize: 4, queueLengthLimit: 50 };
const lending = (name: string, fields: object): PriorityLevelConfiguration =>
  level(name, { nominalConcurrencyShares: 100, limitResponse: { type: 'Queue', queuing }, ...fields });

/** Two levels that lend each other nearly everything. */
function lenders(): FlowControlBench {
  const levels = [
    lending('a', { lendablePercent: 90 }),
    lending('b', { lendablePercent: 90 }),
    lending('catch-all', { nominalConcurrencyShares: 0 }),
  ];
  return new FlowControlBench(100, levels, [schemaOf('as', 'a'), schemaOf('bs', 'b')]);
}

describe('priority levels', () => {
  it('share the seats of the server as upstream shares them', () => {
    const bench = new FlowControlBench(600);
    const seats = Object.fromEntries(
      bench.levels.all().map(({ name, nominal, lower, upper }) => [name, [nominal, lower, upper]]),
    );
    expect(seats).toEqual({
      'catch-all': [13, 13, 613],
      exempt: [0, 0, 600],
      'global-default': [49, 24, 649],
      'leader-election': [25, 25, 625],
      'node-high': [98, 73, 698],
      system: [74, 50, 674],
      'workload-high': [98, 49, 698],
      'workload-low': [245, 24, 845],
    });
    const all = bench.levels.all().reduce((sum, { queues }) => sum + queues.limit, 0);
    expect(all).toBeGreaterThanOrEqual(600);
    expect(all).toBeLessThan(610);
  });

  it('borrow what others do not need, and give it back within a period', async () => {
    const bench = lenders();
    expect([bench.limit('a'), bench.limit('b')]).toEqual([50, 50]);
    const running = Array.from({ length: 50 }, () => bench.enter(user('u', 'as')));
    for (let more = 0; more < 40; more++) bench.enter(user('u', 'as'));
    await bench.clock.advance(10_000);
    // 90 are wanted; the other one keeps a tenth of its own.
    expect([bench.limit('a'), bench.limit('b')]).toEqual([95, 5]);
    for (let more = 0; more < 50; more++) bench.enter(user('v', 'bs'));
    await bench.clock.advance(10_000);
    expect(bench.limit('b')).toBeGreaterThanOrEqual(45);
    expect(bench.limit('a') + bench.limit('b')).toBe(100);
    expect(running.every(({ retryAfterSeconds }) => retryAfterSeconds === undefined)).toBe(true);
    expect(bench.lines(/demand_seats_high_watermark.*"a"|seat_fair_frac/)).toHaveLength(2);
  });

  it('look at the demand no longer when there is none', async () => {
    const bench = lenders();
    expect(bench.clock.pendingTimers).toBe(0);
    bench.enter(user('u', 'as')).end();
    expect(bench.clock.pendingTimers).toBe(1);
    await bench.clock.advance(3 * 60 * 60_000);
    expect(bench.clock.pendingTimers).toBe(0);
    bench.enter(user('u', 'as')).end();
    expect(bench.clock.pendingTimers).toBe(1);
    bench.levels.dispose();
    bench.enter(user('u', 'as')).end();
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it('stay as they are where the bounds leave no way', async () => {
    const none = { lendablePercent: 50, borrowingLimitPercent: 0 };
    const bench = new FlowControlBench(
      10,
      [lending('a', none), lending('b', none), lending('catch-all', none)],
      [schemaOf('as', 'a')],
    );
    const before = bench.levels.all().map(({ queues }) => queues.limit);
    bench.enter(user('u', 'as'));
    await bench.clock.advance(10_000);
    expect(bench.levels.all().map(({ queues }) => queues.limit)).toEqual(before);
  });

  it('come down to what they keep where exempt requests take the rest', async () => {
    const bench = lenders();
    for (let count = 0; count < 95; count++) bench.enter(user('admin', 'system:masters'));
    await bench.clock.advance(10_000);
    expect([bench.limit('a'), bench.limit('b')]).toEqual([5, 5]);
    for (let count = 0; count < 50; count++) bench.enter(user('v', 'bs'));
    await bench.clock.advance(10_000);
    expect([bench.limit('a'), bench.limit('b')]).toEqual([5, 5]);
  });

  it('come down together where exempt requests take a part', async () => {
    const bench = lenders();
    for (let count = 0; count < 50; count++) bench.enter(user('admin', 'system:masters'));
    for (let count = 0; count < 50; count++) for (const group of ['as', 'bs']) bench.enter(user('v', group));
    await bench.clock.advance(10_000);
    expect([bench.limit('a'), bench.limit('b')]).toEqual([25, 25]);
  });

  it('are used only where they can be', () => {
    const right = queuingLevel('a', 1, queuing);
    const wrong = (spec: object): PriorityLevelConfiguration => ({ ...right, spec: { ...right.spec, ...spec } });
    expect(isUsable(right)).toBe(true);
    expect(isUsable(wrong({ limited: undefined }))).toBe(false);
    expect(isUsable(wrong({ type: 'Exempt', limited: undefined, exempt: {} }))).toBe(false);
    expect(isUsable(wrong({ exempt: {} }))).toBe(false);
    expect(isUsable(wrong({ limited: { limitResponse: { type: 'Reject', queuing } } }))).toBe(false);
    const bench = new FlowControlBench(10, [right, wrong({ exempt: {} })], [schemaOf('as', 'a')]);
    expect(bench.levels.all().map(({ name }) => name)).toEqual(['a', 'catch-all', 'exempt']);
  });
});
