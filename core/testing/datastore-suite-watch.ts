import assert from 'node:assert/strict';
import { Recorder, bytes, plain, randomHistory, seededRandom } from './datastore-suite-support.js';
import type { Case } from './datastore-suite-support.js';

export function watchCases(test: Case): void {
  test('a live watch tells creates, updates and removals under its prefix', async ({ store }) => {
    const pods = new Recorder(store, '/pods/', 1);
    const exact = new Recorder(store, '/pods/a', 1);
    await store.create('/pods/a', bytes('1'));
    await store.create('/nodes/a', bytes('n'));
    await store.update('/pods/a', bytes('2'), 2);
    const end = await store.delete('/pods/a', 4);
    const expected = [
      { type: 'put', key: '/pods/a', revision: 2, value: '1', createRevision: 2 },
      { type: 'put', key: '/pods/a', revision: 4, value: '2', createRevision: 2, previousValue: '1' },
      { type: 'delete', key: '/pods/a', revision: 5, previousValue: '2' },
    ];
    assert.deepEqual((await pods.reached(end)).plain(), expected);
    assert.deepEqual((await exact.reached(end)).plain(), expected);
    assert.equal(pods.events[0]!.previousValue, undefined);
    pods.dispose();
    exact.dispose();
  });

  test('a watch from a past revision tells exactly what came after it, then goes on', async ({ store }) => {
    const model = await randomHistory(store, 150, 3);
    const now = await store.currentRevision();
    const watches = model.revisions
      .filter((_, index) => index % 7 === 0)
      .map(after => [after, new Recorder(store, '/model/pods/', after)] as const);
    const next = await store.create('/model/pods/new', bytes('new'));
    assert.equal(next, now + 1);
    model.put('/model/pods/new', 'new', next);
    for (const [after, watch] of watches) {
      await watch.reached(next);
      const expected = model.events.filter(
        event => (event['revision'] as number) > after && (event['key'] as string).startsWith('/model/pods/'),
      );
      assert.deepEqual(watch.plain(), expected, `after ${after}`);
      watch.dispose();
    }
  });

  test('a long history is told whole', async ({ store }) => {
    const writers = 64;
    const turns = 160;
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        let revision = await store.create(`/k/${writer}`, bytes('0'));
        for (let turn = 1; turn < turns; turn++) revision = await store.update(`/k/${writer}`, bytes(`${turn}`), revision);
      }),
    );
    const watch = await new Recorder(store, '/k/', 1).reached(writers * turns + 1);
    assert.equal(watch.events.length, writers * turns);
    const turnOf = new Map<string, number>();
    for (const [index, event] of watch.events.entries()) {
      assert.equal(event.revision, index + 2);
      const turn = (turnOf.get(event.key) ?? -1) + 1;
      assert.deepEqual(plain(event)['value'], `${turn}`);
      assert.deepEqual(plain(event)['previousValue'], turn === 0 ? undefined : `${turn - 1}`);
      turnOf.set(event.key, turn);
    }
    watch.dispose();
  });

  test('watches that begin in a burst of writes have no gap and nothing twice', async ({ store }) => {
    const random = seededRandom(9);
    const watches: [number, Recorder][] = [];
    const total = 1500;
    const writes: Promise<number>[] = [];
    for (let index = 0; index < total; index++) {
      writes.push(store.create(`/k/${index}`, bytes(`${index}`)));
      if (index % 50 === 0) await new Promise(resolve => setImmediate(resolve));
      if (index % 100 !== 0) continue;
      const now = await store.currentRevision();
      const after = 1 + random(now);
      watches.push([after, new Recorder(store, '/k/', after)]);
    }
    const last = Math.max(...(await Promise.all(writes)));
    assert.equal(last, total + 1);
    for (const [after, watch] of watches) {
      await watch.reached(last);
      assert.deepEqual(
        watch.events.map(event => event.revision),
        Array.from({ length: last - after }, (_, index) => after + index + 1),
      );
      watch.dispose();
    }
  });

  test('a write is told before it is answered', async ({ store }) => {
    const watch = new Recorder(store, '/k/', 1);
    const settled = new Set<number>();
    watch.onBatch = events => {
      for (const event of events) {
        if (settled.has(event.revision)) watch.faults.push(`write ${event.revision} was answered before it was told`);
      }
    };
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const key = `/k/${index}`;
        const revision = await store.create(key, bytes('1'));
        settled.add(revision);
        assert.ok(watch.revision >= revision, `write ${revision} was answered when the watch was at ${watch.revision}`);
        const removed = await store.delete(key, await store.update(key, bytes('2'), revision));
        settled.add(removed);
        assert.ok(watch.revision >= removed, `removal ${removed} was answered when the watch was at ${watch.revision}`);
      }),
    );
    assert.deepEqual(watch.faults, []);
    assert.equal(watch.events.length, 600);
    watch.dispose();
  });

  test('what a write is told to have become is what the watch tells', async ({ store }) => {
    const watch = new Recorder(store, '/', 1);
    const answered = new Map<number, string>();
    await Promise.all(
      Array.from(
        { length: 300 },
        async (_, index) => void answered.set(await store.create(`/k/${index}`, bytes('x')), `/k/${index}`),
      ),
    );
    await watch.reached(301);
    assert.equal(answered.size, 300);
    for (const event of watch.events) assert.equal(event.key, answered.get(event.revision));
    watch.dispose();
  });

  test('writes elsewhere are told as progress', async ({ store }) => {
    const watch = new Recorder(store, '/quiet/', 1);
    const revision = await store.create('/loud/a', bytes('a'));
    store.requestProgress();
    await watch.reached(revision);
    const conflict = store.create('/loud/a', bytes('a')).catch(() => undefined);
    const next = await store.update('/loud/a', bytes('b'), revision);
    await conflict;
    store.requestProgress();
    await watch.reached(next);
    assert.deepEqual(watch.events, []);
    const late = new Recorder(store, '/quiet/', 1);
    store.requestProgress();
    await late.reached(next);
    assert.deepEqual(late.events, []);
    watch.dispose();
    late.dispose();
  });

  test('a disposed watch hears nothing more, and others go on', async ({ store }) => {
    const left = new Recorder(store, '/', 1);
    const right = new Recorder(store, '/', 1);
    const never = new Recorder(store, '/', 1);
    never.dispose();
    left.onBatch = events => events.length > 0 && left.dispose();
    await store.create('/a', bytes('a'));
    const last = await store.create('/b', bytes('b'));
    await right.reached(last);
    assert.deepEqual([left.events.length, right.events.length, never.events.length], [1, 2, 0]);
    assert.deepEqual([left.faults, never.faults], [[], []]);
    assert.equal(left.ended, false);
    right.dispose();
  });

  test('a watch from a revision that is not reached yet tells only what comes after it', async ({ store }) => {
    const watch = new Recorder(store, '/', 4);
    for (const key of ['/a', '/b', '/c', '/d']) await store.create(key, bytes(key));
    await watch.reached(5);
    assert.deepEqual(watch.plain(), [{ type: 'put', key: '/d', revision: 5, value: '/d', createRevision: 5 }]);
    watch.dispose();
  });

  test('many watches under load all hear everything in order', async ({ store }) => {
    const watches = Array.from({ length: 200 }, (_, index) => new Recorder(store, index % 2 === 0 ? '/k/' : '/', 1));
    await Promise.all(Array.from({ length: 500 }, (_, index) => store.create(`/k/${index}`, bytes(`${index}`))));
    for (const watch of watches) {
      await watch.reached(501);
      assert.equal(watch.events.length, 500);
      watch.dispose();
    }
  });

  test('a watch may be opened and closed from inside another one', async ({ store }) => {
    const inner: Recorder[] = [];
    const outer = new Recorder(store, '/', 1);
    outer.onBatch = (events, revision) => {
      for (const event of events) if (event.key.startsWith('/start/')) inner.push(new Recorder(store, '/', revision - 1));
      for (const event of events) if (event.key.startsWith('/stop/')) inner[0]!.dispose();
    };
    await store.create('/start/a', bytes('a'));
    await store.create('/start/b', bytes('b'));
    await store.create('/stop/a', bytes('a'));
    const last = await store.create('/end', bytes('e'));
    await inner[1]!.reached(last);
    assert.deepEqual(
      inner[1]!.events.map(event => event.key),
      ['/start/b', '/stop/a', '/end'],
    );
    assert.deepEqual(inner[0]!.faults, []);
    inner[1]!.dispose();
    outer.dispose();
  });
}
