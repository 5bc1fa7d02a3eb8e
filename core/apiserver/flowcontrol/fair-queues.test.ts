import { describe, expect, it } from '@jest/globals';
import type { Passage } from './request-limiter.js';
import { FlowControlBench, level, queuingLevel, schemaOf, user } from './testing/flow-control-bench.js';

const queuing = { queues: 64, handSize: 1, queueLengthLimit: 50 };

/** One level has all seats but those that the others keep, which are none that matter here. */
function bench(seats: number, more: Partial<typeof queuing> = {}): FlowControlBench {
  const levels = [queuingLevel('only', 1000, { ...queuing, ...more })];
  return new FlowControlBench(seats, levels, [schemaOf('people', 'only')]);
}

const person = (name: string): ReturnType<typeof user> => user(name, 'people');

class Client {
  /** As `wait` reads it. */
  readonly #listeners = new Set<() => void>();

  once(_event: string, listener: () => void): void {
    this.#listeners.add(listener);
  }

  off(_event: string, listener: () => void): void {
    this.#listeners.delete(listener);
  }

  close(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

const wait = (passage: Passage, client = new Client()): Promise<void> => passage.wait(client as never);
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

describe('the queues of a level', () => {
  it('let through at once what finds a seat', () => {
    const { limit } = bench(4);
    expect(limit).toBeDefined();
    const at = bench(4);
    const passages = Array.from({ length: 4 }, () => at.enter(person('a')));
    expect(passages.map(({ mustWait, retryAfterSeconds }) => [mustWait, retryAfterSeconds])).toEqual(
      passages.map(() => [false, undefined]),
    );
    expect(passages[0]!.classification).toEqual({ flowSchemaUid: 'uid-of-schema-people', priorityLevelUid: 'uid-of-only' });
    expect(at.enter(person('a')).mustWait).toBe(true);
    for (const passage of passages) passage.end();
    expect(at.levels.all().find(({ name }) => name === 'only')!.queues.seatsInUse).toBe(1);
  });

  it('keep a few seats for who has none', () => {
    const at = bench(16);
    const flood = Array.from({ length: 16 }, () => at.enter(person('flooder')));
    expect(flood.filter(({ mustWait }) => mustWait)).toHaveLength(2);
    const others = ['b', 'c', 'd'].map(name => at.enter(person(name)));
    expect(others.map(({ mustWait }) => mustWait)).toEqual([false, false, true]);
    const only = at.levels.all().find(({ name }) => name === 'only')!;
    expect([only.queues.seatsInUse, only.queues.waitingRequests]).toEqual([16, 3]);
    flood[0]!.end();
    expect([only.queues.seatsInUse, only.queues.waitingRequests]).toEqual([16, 2]);
    flood[1]!.end();
    flood[2]!.end();
    expect([only.queues.seatsInUse, only.queues.waitingRequests]).toEqual([14, 2]);
  });

  it('serve flows in turns, however many requests one has', async () => {
    const at = bench(1);
    const first = at.enter(person('busy'));
    const order: string[] = [];
    const queue = (name: string): void => {
      const passage = at.enter(person(name));
      void wait(passage).then(async () => {
        order.push(name);
        await at.clock.advance(3);
        passage.end();
      });
    };
    for (let more = 0; more < 20; more++) queue('busy');
    await at.clock.advance(1);
    for (let more = 0; more < 3; more++) queue('calm');
    first.end();
    for (let turn = 0; turn < 60; turn++) await settled();
    expect(order).toHaveLength(23);
    // Each of the calm one's requests waits for about one of the busy one's, not for all that came before.
    expect(order.slice(0, 8).filter(name => name === 'calm')).toHaveLength(3);
  });

  it('charge a flow for how long its requests really take', async () => {
    const at = bench(1);
    const first = at.enter(person('slow'));
    const order: string[] = [];
    const queue = (name: string, servedMs: number): void => {
      const passage = at.enter(person(name));
      void wait(passage).then(async () => {
        order.push(name);
        await at.clock.advance(servedMs);
        passage.end();
      });
    };
    for (let more = 0; more < 6; more++) {
      queue('slow', 90);
      queue('quick', 10);
    }
    await at.clock.advance(10);
    first.end();
    for (let turn = 0; turn < 60; turn++) await settled();
    expect(order).toHaveLength(12);
    expect(order.slice(0, 7).filter(name => name === 'quick')).toHaveLength(6);
  });

  it('go on with those behind a wide request whose client has gone', async () => {
    const at = bench(64);
    const { queues } = at.levels.all().find(({ name }) => name === 'only')!;
    while (queues.seatsInUse < queues.limit - 3) at.enter(person(`p${queues.seatsInUse}`));
    at.stored = { count: 100_000, bytes: 1e9 };
    const client = new Client();
    const wide = at.enter(person('wide'), 'GET', '/api/v1/configmaps');
    const given = wait(wide, client);
    await at.clock.advance(1000);
    const narrow = at.enter(person('narrow'));
    let isServed = false;
    void wait(narrow).then(() => (isServed = true));
    await settled();
    expect([queues.waitingRequests, isServed]).toEqual([2, false]);
    client.close();
    await given;
    await settled();
    expect([queues.waitingRequests, isServed]).toEqual([0, true]);
  });

  it('turn away what does not fit into a queue', async () => {
    const at = bench(1, { queueLengthLimit: 2 });
    const running = at.enter(person('a'));
    const waiting = [at.enter(person('a')), at.enter(person('a'))];
    const full = at.enter(person('a'));
    expect(full.retryAfterSeconds).toBe(1);
    expect(full.mustWait).toBe(false);
    // Another flow has another queue, and had nothing served so far.
    const other = at.enter(person('b'));
    expect(other.mustWait).toBe(true);
    expect(at.lines(/rejected_requests_total/)).toEqual([
      'apiserver_flowcontrol_rejected_requests_total{flow_schema="people",priority_level="only",reason="queue-full"} 1',
    ]);
    full.end();
    running.end();
    await wait(other);
    expect(other.retryAfterSeconds).toBeUndefined();
    other.end();
    await wait(waiting[0]!);
    expect(waiting[0]!.retryAfterSeconds).toBeUndefined();
    expect(waiting[1]!.mustWait).toBe(true);
  });

  it('turn away what waited for a quarter of its time, and whose client has gone', async () => {
    const at = bench(1);
    const running = at.enter(person('a'));
    const client = new Client();
    const [patient, hasty, gone] = [
      at.enter(person('a')),
      at.enter(person('a'), 'GET', '/api/v1/pods?timeout=8s'),
      at.enter(person('a')),
    ];
    const waits = [wait(patient), wait(hasty), wait(gone, client)];
    expect(client.listeners).toBe(1);
    client.close();
    await waits[2];
    expect(gone.retryAfterSeconds).toBe(1);
    expect(client.listeners).toBe(0);
    await at.clock.advance(1999);
    expect(hasty.mustWait).toBe(true);
    await at.clock.advance(1);
    await waits[1];
    expect(hasty.retryAfterSeconds).toBe(1);
    await at.clock.advance(13_000);
    await waits[0];
    expect(patient.retryAfterSeconds).toBe(1);
    expect(at.lines(/rejected_requests_total|current_inqueue|wait_duration_seconds_count/)).toEqual(
      expect.arrayContaining([
        'apiserver_flowcontrol_rejected_requests_total{flow_schema="people",priority_level="only",reason="time-out"} 3',
        'apiserver_flowcontrol_current_inqueue_requests{flow_schema="people",priority_level="only"} 0',
        'apiserver_flowcontrol_request_wait_duration_seconds_count{execute="false",flow_schema="people",priority_level="only"} 3',
      ]),
    );
    running.end();
    expect(at.enter(person('a')).mustWait).toBe(false);
  });

  it('do without queues where a level rejects', () => {
    const reject = level('reject', {
      nominalConcurrencyShares: 1000,
      lendablePercent: 0,
      borrowingLimitPercent: 0,
      limitResponse: { type: 'Reject' },
    });
    const at = new FlowControlBench(1, [reject], [schemaOf('people', 'reject')]);
    const running = at.enter(person('a'));
    const refused = at.enter(person('b'));
    expect([running.retryAfterSeconds, refused.retryAfterSeconds]).toEqual([undefined, 1]);
    refused.end();
    running.end();
    running.end();
    expect(at.enter(person('b')).retryAfterSeconds).toBeUndefined();
    expect(at.lines(/rejected_requests_total/)).toEqual([
      'apiserver_flowcontrol_rejected_requests_total{flow_schema="people",priority_level="reject",reason="concurrency-limit"} 1',
    ]);
  });

  it('let wide requests have all their seats, and none pass them by', async () => {
    const at = bench(12);
    at.stored = { count: 100, bytes: 800_000 };
    const narrow = at.enter(person('a'));
    const lists = [0, 1].map(() => at.enter(person('b'), 'GET', '/api/v1/pods'));
    const queues = at.levels.all().find(({ name }) => name === 'only')!.queues;
    // 15 % of the seats are the most for one request.
    expect(queues.seatsInUse).toBe(1 + 2 * 2);
    // Wide ones are let in, but begin in a turn of their own.
    expect(lists.map(({ mustWait }) => mustWait)).toEqual([true, true]);
    await Promise.all(lists.map(list => wait(list)));
    expect(lists.map(({ retryAfterSeconds }) => retryAfterSeconds)).toEqual([undefined, undefined]);
    narrow.end();
    for (const list of lists) list.end();
    expect(queues.isIdle).toBe(true);
    expect(queues.seatsInUse).toBe(0);
  });

  it('let one request go alone that is wider than all there is', async () => {
    const at = bench(20, { handSize: 1 });
    at.stored = { count: 10, bytes: 10_000_000 };
    at.levels.digest([queuingLevel('only', 1000, queuing)], [schemaOf('people', 'only')]);
    const only = at.levels.all().find(({ name }) => name === 'only')!;
    const list = at.enter(person('a'), 'GET', '/api/v1/pods');
    expect(only.queues.seatsInUse).toBe(3);
    only.configure(2, 20, at.clock.monotonicMs());
    const other = at.enter(person('b'), 'GET', '/api/v1/pods');
    expect(other.mustWait).toBe(true);
    list.end();
    await wait(other);
    expect(only.queues.seatsInUse).toBe(3);
    other.end();
    expect(only.queues.seatsInUse).toBe(0);
  });

  it('keep seats for a while for the events of what was changed', async () => {
    const at = bench(4);
    const watch = at.request('GET', '/api/v1/namespaces/default/configmaps?watch=true');
    for (let count = 0; count < 25; count++) at.watches.register(watch, '');
    const { queues } = at.levels.all().find(({ name }) => name === 'only')!;
    const change = at.enter(person('a'), 'POST', '/api/v1/namespaces/default/configmaps');
    change.end();
    // 25 watchers are 3 seats for 5 ms; here one seat for 15 ms.
    expect([queues.isIdle, queues.seatsInUse]).toEqual([true, 1]);
    await at.clock.advance(14);
    expect(queues.seatsInUse).toBe(1);
    await at.clock.advance(1);
    expect(queues.seatsInUse).toBe(0);
  });

  it('serve who waits when there are more seats, and drain when they are no longer wanted', async () => {
    const at = bench(1);
    const running = at.enter(person('a'));
    const waiting = [at.enter(person('a')), at.enter(person('b'))];
    const only = at.levels.all().find(({ name }) => name === 'only')!;
    only.configure(2, 2, at.clock.monotonicMs());
    expect(only.queues.waitingRequests).toBe(1);
    at.levels.digest([], []);
    expect(only.isQuiescing).toBe(true);
    expect(at.levels.all().map(({ name }) => name)).toEqual(['catch-all', 'exempt', 'only']);
    running.end();
    await Promise.all(waiting.map(passage => wait(passage).then(() => passage.end())));
    expect(at.levels.all().map(({ name }) => name)).toEqual(['catch-all', 'exempt']);
  });
});
