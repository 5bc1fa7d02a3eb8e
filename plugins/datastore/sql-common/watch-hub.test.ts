import { describe, expect, it } from '@jest/globals';
import type { DatastoreEvent, WatchListener } from '../../../core/contracts/datastore.js';
import { WatchHub } from './watch-hub.js';

function event(revision: number, key = '/k/a'): DatastoreEvent {
  return { type: 'put', key, revision, value: Buffer.from(String(revision)), createRevision: revision };
}

/** An engine whose history is a list. */
function makeHub(limits: { maximumEvents?: number; maximumBytes?: number } = {}) {
  const history: DatastoreEvent[] = [];
  const reads: number[] = [];
  const errors: unknown[] = [];
  const hub = new WatchHub({
    maximumEvents: limits.maximumEvents ?? 8,
    maximumBytes: limits.maximumBytes ?? 1_000_000,
    readHistory: async (prefix, after) => {
      reads.push(after);
      const events = history.filter(each => each.revision > after && each.key.startsWith(prefix)).slice(0, 5);
      return { events, through: events.length === 5 ? events.at(-1)!.revision : hub.revision };
    },
    onListenerError: error => errors.push(error),
  });
  hub.start(1);
  const publish = (...events: DatastoreEvent[]): void => {
    history.push(...events);
    hub.publish(events);
  };
  return { hub, publish, reads, errors };
}

function collect(): WatchListener & { revisions: number[]; ended: boolean } {
  const revisions: number[] = [];
  const listener = {
    revisions,
    ended: false,
    batch: (events: readonly DatastoreEvent[]) => void revisions.push(...events.map(each => each.revision)),
    end: () => void (listener.ended = true),
  };
  return listener;
}

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

describe('WatchHub', () => {
  it('serves young watches from the ring, older ones from the history and both without a gap', async () => {
    const { hub, publish, reads } = makeHub();
    for (let revision = 2; revision <= 30; revision++) publish(event(revision));
    const young = collect();
    const old = collect();
    hub.watch('/k/', 25, young);
    await settle();
    expect(reads).toEqual([]);
    hub.watch('/k/', 3, old);
    publish(event(31), event(32));
    await settle();
    publish(event(33));
    expect(young.revisions).toEqual([26, 27, 28, 29, 30, 31, 32, 33]);
    expect(old.revisions).toEqual(Array.from({ length: 30 }, (_, index) => index + 4));
    expect(reads.length).toBeGreaterThan(1);
  });

  it('keeps no more bytes than it may, but always the newest event', () => {
    const { hub, publish } = makeHub({ maximumEvents: 64, maximumBytes: 400 });
    for (let revision = 2; revision <= 20; revision++) publish(event(revision));
    expect(hub.recent(20)?.revision).toBe(20);
    expect(hub.recent(18)?.revision).toBe(18);
    expect(hub.recent(16)).toBeUndefined();
    publish({ ...event(21), value: new Uint8Array(5000) });
    expect(hub.recent(21)?.revision).toBe(21);
    expect(hub.recent(20)).toBeUndefined();
  });

  it('finds watches by any kind of prefix', async () => {
    const { hub, publish } = makeHub();
    const prefixes = ['', '/', '/k', '/k/', '/k/a', '/k/a/', '/k/b', '/l/'];
    const listeners = prefixes.map(prefix => {
      const listener = collect();
      hub.watch(prefix, 1, listener);
      return listener;
    });
    await settle();
    publish(event(2, '/k/a'), event(3, '/k/a/b'), event(4, '/l/x'), event(5, 'bare'));
    expect(Object.fromEntries(prefixes.map((prefix, index) => [prefix, listeners[index]!.revisions]))).toEqual({
      '': [2, 3, 4, 5],
      '/': [2, 3, 4],
      '/k': [2, 3],
      '/k/': [2, 3],
      '/k/a': [2, 3],
      '/k/a/': [3],
      '/k/b': [],
      '/l/': [4],
    });
  });

  it('ends a watch whose listener throws, and only that one', async () => {
    const { hub, publish, errors } = makeHub();
    const good = collect();
    const bad = {
      ...collect(),
      batch: () => {
        throw new Error('careless');
      },
    };
    hub.watch('/', 5, bad);
    hub.watch('/', 1, good);
    await settle();
    for (let revision = 2; revision <= 8; revision++) publish(event(revision));
    expect(good.revisions).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(errors).toHaveLength(1);
  });

  it('leaves nothing behind of disposed watches', async () => {
    const { hub, publish } = makeHub();
    const listener = collect();
    const subscription = hub.watch('/', 1, listener);
    await settle();
    void subscription.dispose();
    void subscription.dispose();
    publish(event(2));
    hub.end(undefined);
    expect(listener.revisions).toEqual([]);
    expect(listener.ended).toBe(false);
  });
});
