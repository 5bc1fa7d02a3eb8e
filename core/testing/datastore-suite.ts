import assert from 'node:assert/strict';
import type { Datastore } from '../contracts/datastore.js';
import { lifecycleCases } from './datastore-suite-lifecycle.js';
import { Recorder, assertSound, bytes, randomHistory, shown, text } from './datastore-suite-support.js';
import { rejection } from './rejection.js';
import type { Case, ConflictError, StoreUnderTest } from './datastore-suite-support.js';
import type { TestRunner } from './test-runner.js';
import { watchCases } from './datastore-suite-watch.js';

export type { StoreUnderTest } from './datastore-suite-support.js';

/**
 * Every promise of the Datastore contract, as tests. `makeStore` gives a new, empty, open store for each of them.
 * Engines of third parties run it as ours do: `datastoreSuite({ describe, it }, makeStore)`.
 */
export function datastoreSuite({ describe, it }: TestRunner, makeStore: () => Promise<StoreUnderTest>): void {
  const test: Case = (name, body) =>
    it(name, async () => {
      const subject = await makeStore();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });
  describe('writes', () => writeCases(test));
  describe('reads', () => readCases(test));
  describe('compaction', () => compactionCases(test));
  describe('watch', () => watchCases(test));
  describe('lifecycle', () => lifecycleCases(test));
}

function writeCases(test: Case): void {
  test('an empty store has revision 1 and nothing in it', async ({ store }) => {
    assert.equal(await store.currentRevision(), 1);
    assert.deepEqual(await store.list('/'), { revision: 1, items: [], more: false });
    assert.equal(await store.count('/'), 0);
    assert.equal(await store.get('/a'), undefined);
  });

  test('create gives the next revision and keeps the bytes', async ({ store }) => {
    const every = Uint8Array.from({ length: 256 }, (_, index) => index);
    assert.equal(await store.create('/a', every), 2);
    assert.equal(await store.currentRevision(), 2);
    const item = await store.get('/a');
    assert.deepEqual({ ...item, value: [...item!.value] }, { key: '/a', value: [...every], createRevision: 2, modRevision: 2 });
    const large = new Uint8Array(1_500_000).fill(7);
    assert.equal(await store.create('/large', large), 3);
    assert.ok(Buffer.from(large).equals((await store.get('/large'))!.value));
  });

  test('create of an existing key conflicts, shows what is there and uses no revision', async ({ store }) => {
    await store.create('/a', bytes('first'));
    const error = (await rejection(store.create('/a', bytes('second')), 'DATASTORE_CONFLICT')) as ConflictError;
    assert.deepEqual(shown(error.current), { key: '/a', value: 'first', createRevision: 2, modRevision: 2 });
    assert.equal(await store.currentRevision(), 2);
    assert.equal(await store.create('/b', bytes('b')), 3);
    assert.equal(text((await store.get('/a'))!.value), 'first');
  });

  test('update replaces the value and keeps the create revision', async ({ store }) => {
    await store.create('/a', bytes('first'));
    assert.equal(await store.update('/a', bytes('second'), 2), 3);
    assert.deepEqual(shown(await store.get('/a')), { key: '/a', value: 'second', createRevision: 2, modRevision: 3 });
  });

  test('a stale update conflicts, shows what is there and changes nothing', async ({ store }) => {
    await store.create('/a', bytes('first'));
    await store.update('/a', bytes('second'), 2);
    const error = (await rejection(store.update('/a', bytes('third'), 2), 'DATASTORE_CONFLICT')) as ConflictError;
    assert.deepEqual(shown(error.current), { key: '/a', value: 'second', createRevision: 2, modRevision: 3 });
    assert.equal(text((await store.get('/a'))!.value), 'second');
    assert.equal(await store.currentRevision(), 3);
  });

  test('an update of a removed or absent key conflicts with nothing and does not create it', async ({ store }) => {
    await store.create('/a', bytes('first'));
    await store.delete('/a', 2);
    for (const expected of [2, 3, 0]) {
      const error = (await rejection(store.update('/a', bytes('again'), expected), 'DATASTORE_CONFLICT')) as ConflictError;
      assert.equal(error.current, undefined);
    }
    assert.equal(await store.get('/a'), undefined);
    assert.equal(await store.currentRevision(), 3);
  });

  test('delete needs the right revision and has one of its own', async ({ store }) => {
    await store.create('/a', bytes('first'));
    const stale = (await rejection(store.delete('/a', 1), 'DATASTORE_CONFLICT')) as ConflictError;
    assert.deepEqual(shown(stale.current), { key: '/a', value: 'first', createRevision: 2, modRevision: 2 });
    assert.equal(await store.delete('/a', 2), 3);
    assert.equal(await store.get('/a'), undefined);
    assert.equal(await store.currentRevision(), 3);
    const absent = (await rejection(store.delete('/a', 3), 'DATASTORE_CONFLICT')) as ConflictError;
    assert.equal(absent.current, undefined);
  });

  test('a key that is created again begins anew', async ({ store }) => {
    await store.create('/a', bytes('first'));
    await store.delete('/a', 2);
    assert.equal(await store.create('/a', bytes('second')), 4);
    assert.deepEqual(shown(await store.get('/a')), { key: '/a', value: 'second', createRevision: 4, modRevision: 4 });
    await rejection(store.update('/a', bytes('third'), 2), 'DATASTORE_CONFLICT');
  });

  test('concurrent writes get revisions of their own, without gaps', async ({ store }) => {
    const revisions = await Promise.all(
      Array.from({ length: 500 }, (_, index) => store.create(`/k/${index}`, bytes(`${index}`))),
    );
    assert.deepEqual(
      revisions.toSorted((a, b) => a - b),
      Array.from({ length: 500 }, (_, index) => index + 2),
    );
    for (const [index, revision] of revisions.entries()) assert.equal((await store.get(`/k/${index}`))!.modRevision, revision);
    assert.equal(await store.count('/k/'), 500);
  });

  test('of concurrent writers of one key exactly one wins, and the others see it', async ({ store }) => {
    await store.create('/a', bytes('start'));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => store.update('/a', bytes(`writer ${index}`), 2)),
    );
    const winners = outcomes.flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [index] : []));
    assert.equal(winners.length, 1);
    assert.equal(text((await store.get('/a'))!.value), `writer ${winners[0]}`);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        assert.equal((outcome.reason as ConflictError).current?.modRevision, 3);
      }
    }
    assert.equal(await store.currentRevision(), 3);
    const creates = await Promise.allSettled(Array.from({ length: 20 }, () => store.create('/b', bytes('b'))));
    assert.equal(creates.filter(outcome => outcome.status === 'fulfilled').length, 1);
  });

  test('relaxed writes obey the same conditions and are seen at once', async ({ store }) => {
    const lease = new Recorder(store, '/leases/', 1);
    let revision = await store.create('/leases/a', bytes('0'), { relaxed: true });
    for (let turn = 1; turn <= 20; turn++) {
      const next = await store.update('/leases/a', bytes(`${turn}`), revision, { relaxed: true });
      assert.equal(next, revision + 1);
      assert.equal(lease.revision, next);
      revision = next;
    }
    await rejection(store.update('/leases/a', bytes('stale'), 2, { relaxed: true }), 'DATASTORE_CONFLICT');
    assert.equal(text((await store.get('/leases/a'))!.value), '20');
  });
}

function readCases(test: Case): void {
  test('keys come in the order of their bytes, and a prefix takes nothing beside it', async ({ store }) => {
    const keys = [
      '/a',
      '/a/',
      '/a/0',
      '/a/A',
      '/a/a',
      '/a/a/b',
      '/a/a0',
      '/a/~',
      '/a/é',
      '/a/\uff5e',
      '/a/\u{1f600}',
      '/a0',
      '/b',
    ];
    for (const key of keys.toReversed()) await store.create(key, bytes(key));
    assert.deepEqual(await keysOf(store, ''), keys);
    assert.deepEqual(await keysOf(store, '/a/'), keys.slice(1, 11));
    assert.deepEqual(await keysOf(store, '/a/a'), ['/a/a', '/a/a/b', '/a/a0']);
    assert.deepEqual(await keysOf(store, '/a/\uff5e'), ['/a/\uff5e']);
    assert.deepEqual(await keysOf(store, '/a/\u{1f600}'), ['/a/\u{1f600}']);
    assert.equal(await store.count('/a/'), 10);
    assert.equal(await store.count(''), 13);
  });

  test('a write is seen by every later read', async ({ store }) => {
    for (let index = 0; index < 50; index++) {
      const revision = await store.create(`/k/${index}`, bytes(`${index}`));
      const [item, page, count, current] = await Promise.all([
        store.get(`/k/${index}`),
        store.list('/k/'),
        store.count('/k/'),
        store.currentRevision(),
      ]);
      assert.equal(item?.modRevision, revision);
      assert.ok(page.revision >= revision && page.items.length === index + 1);
      assert.equal(count, index + 1);
      assert.ok(current >= revision);
    }
  });

  test('pages show the revision of the first while writes go on', async ({ store }) => {
    for (let index = 0; index < 10; index++) await store.create(`/k/${index}`, bytes(`${index}`));
    const first = await store.list('/k/', { limit: 4 });
    assert.deepEqual([first.revision, first.more, first.items.length], [11, true, 4]);
    await store.delete('/k/5', 7);
    await store.create('/k/45', bytes('late'));
    await store.create('/k/99', bytes('late'));
    await store.update('/k/8', bytes('changed'), 10);
    await store.update('/k/8', bytes('changed again'), 15);
    const second = await store.list('/k/', { limit: 4, after: first.items.at(-1)!.key, revision: first.revision });
    assert.equal(second.revision, 11);
    assert.equal(second.more, true);
    const third = await store.list('/k/', { limit: 4, after: second.items.at(-1)!.key, revision: first.revision });
    assert.equal(third.more, false);
    const all = [...first.items, ...second.items, ...third.items];
    assert.deepEqual(
      all.map(item => [item.key, text(item.value), item.modRevision]),
      Array.from({ length: 10 }, (_, index) => [`/k/${index}`, `${index}`, index + 2]),
    );
  });

  test('more is told exactly', async ({ store }) => {
    for (const key of ['/k/a', '/k/b', '/k/c', '/l']) await store.create(key, bytes(key));
    assert.equal((await store.list('/k/', { limit: 3 })).more, false);
    assert.equal((await store.list('/k/', { limit: 2 })).more, true);
    assert.deepEqual(
      (await store.list('/k/', { limit: 2, after: '/k/a' })).items.map(item => item.key),
      ['/k/b', '/k/c'],
    );
    assert.equal((await store.list('/k/', { limit: 2, after: '/k/a' })).more, false);
    assert.deepEqual(await store.list('/k/', { after: '/k/c' }), { revision: 5, items: [], more: false });
    assert.deepEqual((await store.list('/k/', { after: '/a' })).items.length, 3);
  });

  test('a long list is whole and of one revision while writes go on', async ({ store }) => {
    const value = new Uint8Array(100_000).fill(1);
    await Promise.all(Array.from({ length: 120 }, (_, index) => store.create(`/k/${String(index).padStart(3, '0')}`, value)));
    const listing = store.list('/k/');
    const writes = Array.from({ length: 50 }, (_, index) => store.create(`/k/000-${index}`, bytes('late')));
    const page = await listing;
    await Promise.all(writes);
    const late = page.items.filter(item => item.value.byteLength < 10);
    assert.equal(page.items.length - late.length, 120);
    assert.ok(page.items.every(item => item.modRevision <= page.revision));
    assert.equal(page.more, false);
    assert.equal((await store.list('/k/', { revision: page.revision })).items.length, page.items.length);
    assert.equal((await store.list('/k/', { limit: 100 })).items.length, 100);
  });

  test('every kept revision can be read', async ({ store }) => {
    const model = await randomHistory(store, 150, 11);
    for (const revision of model.revisions) {
      for (const prefix of ['/model/', '/model/pods/', '/model/nodes/3']) {
        const page = await store.list(prefix, { revision });
        assert.equal(page.revision, revision);
        assert.deepEqual(page.items.map(shown), model.list(prefix, revision), `${prefix} at ${revision}`);
      }
      const key = '/model/pods/1';
      assert.deepEqual(shown(await store.get(key, { revision })), model.list(key, revision)[0]);
    }
  });

  test('a revision that is not reached yet is refused', async ({ store }) => {
    await store.create('/a', bytes('a'));
    await rejection(store.get('/a', { revision: 3 }), 'DATASTORE_FUTURE_REVISION');
    await rejection(store.list('/', { revision: 1000 }), 'DATASTORE_FUTURE_REVISION');
    assert.equal((await store.get('/a', { revision: 2 }))!.modRevision, 2);
  });
}

function compactionCases(test: Case): void {
  test('compaction forgets what lies below and keeps the rest', async ({ store }) => {
    const model = await randomHistory(store, 120, 5);
    const now = await store.currentRevision();
    const cut = now - 40;
    await store.compact(cut);
    assert.equal(await store.currentRevision(), now);
    for (const revision of model.revisions) {
      if (revision < cut) {
        const error = await rejection(store.list('/model/', { revision }), 'DATASTORE_COMPACTED');
        assert.equal((error as Error & { compactedRevision: number }).compactedRevision, cut);
        await rejection(store.get('/model/pods/1', { revision }), 'DATASTORE_COMPACTED');
      } else {
        assert.deepEqual((await store.list('/model/', { revision })).items.map(shown), model.list('/model/', revision));
      }
    }
    assert.deepEqual((await store.list('/model/')).items.map(shown), model.list('/model/', now));
    await assertSound(store);
  });

  test('a watch from before the compacted revision ends, one from it goes on with values before', async ({ store }) => {
    const model = await randomHistory(store, 60, 6);
    const now = await store.currentRevision();
    await store.compact(now - 20);
    const late = await new Recorder(store, '/model/', now - 21).finished();
    assert.equal((late.error as { code?: string } | undefined)?.code, 'DATASTORE_COMPACTED');
    assert.equal(late.events.length, 0);
    const young = await new Recorder(store, '/model/', now - 20).reached(now);
    assert.deepEqual(
      young.plain(),
      model.events.filter(event => (event['revision'] as number) > now - 20),
    );
    young.dispose();
  });

  test('compacting twice, backwards or everything is safe; the future is refused', async ({ store }) => {
    for (let index = 0; index < 30; index++) await store.create(`/k/${index}`, bytes(`${index}`));
    await store.delete('/k/3', 5);
    await store.compact(20);
    await store.compact(20);
    await store.compact(10);
    await rejection(store.list('/', { revision: 19 }), 'DATASTORE_COMPACTED');
    assert.equal((await store.list('/', { revision: 20 })).items.length, 19);
    await rejection(store.compact(33), 'DATASTORE_FUTURE_REVISION');
    await store.compact(32);
    assert.equal((await store.list('/')).items.length, 29);
    assert.equal(await store.currentRevision(), 32);
    assert.equal(await store.update('/k/4', bytes('new'), 6), 33);
    await assertSound(store);
  });

  test('compaction while writes go on loses nothing', async ({ store }) => {
    const watch = new Recorder(store, '/', 1);
    const last = new Map<string, number>();
    await Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        const key = `/k/${writer}`;
        let revision = await store.create(key, bytes('0'));
        for (let turn = 1; turn < 60; turn++) {
          revision = await store.update(key, bytes(`${turn}`), revision);
          if (turn % 20 === 0) await store.compact(revision - 5);
        }
        last.set(key, revision);
      }),
    );
    await watch.reached(1201);
    assert.equal(watch.events.length, 1200);
    for (const [key, revision] of last) assert.deepEqual([(await store.get(key))!.modRevision, key], [revision, key]);
    await assertSound(store);
    watch.dispose();
  });
}

async function keysOf(store: Datastore, prefix: string): Promise<string[]> {
  return (await store.list(prefix)).items.map(item => item.key);
}
