import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../plugin-api/index.js';
import { Recorder, assertSound, bytes, randomHistory, shown, text } from './datastore-suite-support.js';
import { rejection } from './rejection.js';
import type { Case, StoreUnderTest } from './datastore-suite-support.js';

export function lifecycleCases(test: Case): void {
  test('a key with a time to live goes when its time is over, by an ordinary removal', async subject => {
    const { store } = subject;
    const watch = new Recorder(store, '/', 1);
    await store.create('/short', bytes('s'), { timeToLiveSeconds: 2 });
    await store.create('/long', bytes('l'), { timeToLiveSeconds: 3600 });
    await pass(subject, 1000);
    assert.equal(text((await store.get('/short'))?.value), 's');
    await pass(subject, 2100);
    await watch.reached(4);
    assert.deepEqual(watch.plain().at(-1), { type: 'delete', key: '/short', revision: 4, previousValue: 's' });
    assert.equal(await store.get('/short'), undefined);
    assert.equal(text((await store.get('/long'))?.value), 'l');
    assert.equal(await store.currentRevision(), 4);
    assert.equal(text((await store.get('/short', { revision: 3 }))!.value), 's');
    assert.equal(await store.create('/short', bytes('again')), 5);
    watch.dispose();
  });

  test('a later write renews the time to live or ends it', async subject => {
    const { store } = subject;
    for (const key of ['/renewed', '/kept', '/gone', '/again']) await store.create(key, bytes('1'), { timeToLiveSeconds: 2 });
    await pass(subject, 1000);
    await store.update('/renewed', bytes('2'), 2, { timeToLiveSeconds: 3 });
    await store.update('/kept', bytes('2'), 3);
    await store.delete('/again', 5);
    await store.create('/again', bytes('2'));
    const watch = new Recorder(store, '/', 9);
    await pass(subject, 2100);
    await watch.reached(10);
    assert.deepEqual(
      (await store.list('/')).items.map(item => item.key),
      ['/again', '/kept', '/renewed'],
    );
    await pass(subject, 2100);
    await watch.reached(11);
    assert.deepEqual(
      (await store.list('/')).items.map(item => item.key),
      ['/again', '/kept'],
    );
    watch.dispose();
  });

  test('close lets running calls end, ends watches without an error and refuses what comes later', async ({ store }) => {
    const watch = new Recorder(store, '/', 1);
    const writes = Array.from({ length: 100 }, (_, index) => store.create(`/k/${index}`, bytes(`${index}`)));
    const read = store.list('/');
    const closing = store.close();
    assert.equal(Math.max(...(await Promise.all(writes))), 101);
    await read;
    await closing;
    await watch.finished();
    assert.equal(watch.error, undefined);
    assert.equal(watch.events.length, 100);
    const calls: (() => Promise<unknown>)[] = [
      () => store.create('/late', bytes('l')),
      () => store.update('/k/1', bytes('l'), 3),
      () => store.delete('/k/1', 3),
      () => store.get('/k/1'),
      () => store.list('/'),
      () => store.count('/'),
      () => store.currentRevision(),
      () => store.compact(2),
      () => store.size(),
      () => store.defragment(),
      () => store.checkIntegrity(),
    ];
    for (const call of calls) await rejection(call(), 'DATASTORE_CLOSED');
    const late = await new Recorder(store, '/', 1).finished();
    assert.equal(errorCode(late.error), 'DATASTORE_CLOSED');
    await store.close();
  });

  test('what was written is there when the store is opened again, with its history', async subject => {
    if (!subject.reopen) return;
    const model = await randomHistory(subject.store, 100, 21);
    const before = await subject.store.currentRevision();
    await subject.store.compact(before - 50);
    await subject.store.create('/ttl', bytes('t'), { timeToLiveSeconds: 2 });
    const store = await subject.reopen();
    assert.equal(await store.currentRevision(), before + 1);
    for (const revision of model.revisions) {
      if (revision < before - 50) await rejection(store.list('/model/', { revision }), 'DATASTORE_COMPACTED');
      else assert.deepEqual((await store.list('/model/', { revision })).items.map(shown), model.list('/model/', revision));
    }
    const watch = await new Recorder(store, '/model/', before - 50).reached(before + 1);
    assert.deepEqual(
      watch.plain(),
      model.events.filter(event => (event['revision'] as number) > before - 50),
    );
    await pass(subject, 3100);
    await watch.reached(before + 2);
    assert.equal(await store.get('/ttl'), undefined);
    assert.equal(await store.create('/new', bytes('n')), before + 3);
    await assertSound(store);
    watch.dispose();
  });

  test('sizes grow with what is stored, and freed space is given back', async ({ store }) => {
    const empty = await store.size();
    const value = new Uint8Array(10_000).fill(3);
    const revisions = await Promise.all(Array.from({ length: 300 }, (_, index) => store.create(`/k/${index}`, value)));
    const full = await store.size();
    assert.ok(full.usedBytes - empty.usedBytes >= 2_500_000, `used ${empty.usedBytes} -> ${full.usedBytes}`);
    assert.ok(full.totalBytes >= full.usedBytes);
    await Promise.all(revisions.map((revision, index) => store.delete(`/k/${index}`, revision)));
    await store.compact(await store.currentRevision());
    await store.defragment();
    const after = await store.size();
    assert.ok(after.totalBytes < full.totalBytes / 2, `total ${full.totalBytes} -> ${after.totalBytes}`);
    await assertSound(store);
  });

  test('a backup is a whole store of one revision, taken while writes go on', async subject => {
    const { store } = subject;
    if (!subject.backupPath) return rejectsBackup(subject);
    if (!subject.openBackup) return backsUpOrRefuses(subject, subject.backupPath());
    await Promise.all(Array.from({ length: 300 }, (_, index) => store.create(`/before/${index}`, new Uint8Array(5000).fill(1))));
    const path = subject.backupPath();
    const copying = store.backup(path);
    const during = Array.from({ length: 300 }, (_, index) => store.create(`/during/${index}`, bytes(`${index}`)));
    await copying;
    await Promise.all(during);
    await assert.rejects(store.backup(path), 'a file that exists must not be replaced');
    const copy = await subject.openBackup(path);
    try {
      const page = await copy.list('/');
      assert.equal(page.items.filter(item => item.key.startsWith('/before/')).length, 300);
      // A prefix of the history: no write is there without those before it.
      const revision = await copy.currentRevision();
      assert.equal(page.items.length, revision - 1);
      await assertSound(copy);
    } finally {
      await copy.close();
    }
  });

  test('a store that was used is sound', async ({ store }) => {
    await randomHistory(store, 200, 33);
    await assertSound(store);
  });
}

async function rejectsBackup({ store }: StoreUnderTest): Promise<void> {
  await rejection(store.backup('/nonexistent/backup'), 'DATASTORE_UNSUPPORTED');
}

/** Where nobody can say how a backup is opened, it is at least whole or refused, and nothing is replaced by a second one. */
async function backsUpOrRefuses({ store }: StoreUnderTest, path: string): Promise<void> {
  await store.create('/a', bytes('a'));
  try {
    await store.backup(path);
  } catch (error) {
    assert.equal(errorCode(error), 'DATASTORE_UNSUPPORTED', String(error));
    return;
  }
  await access(path);
  await assert.rejects(store.backup(path), 'a file that exists must not be replaced');
}

async function pass({ advanceTime }: StoreUnderTest, byMs: number): Promise<void> {
  if (advanceTime) await advanceTime(byMs);
  else await sleep(byMs);
}
