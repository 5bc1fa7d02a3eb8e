import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { datastoreSuite, FakeClock, silentLogger } from 'k3s-ts/testing';
import { JournalDatastore } from './journal-datastore.js';

const clock = new FakeClock();

async function openStore(directory: string): Promise<JournalDatastore> {
  const store = new JournalDatastore({ logger: silentLogger, clock, directory, rewriteAboveBytes: 10_000 });
  await store.open();
  return store;
}

const makeDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'journal-'));

void describe('the journal datastore', () => {
  datastoreSuite({ describe, it }, async () => {
    const directory = await makeDirectory();
    let store = await openStore(directory);
    return {
      store,
      reopen: async () => {
        await store.close();
        return (store = await openStore(directory));
      },
      advanceTime: byMs => clock.advance(byMs),
      backupPath: () => join(directory, 'copy'),
      openBackup: async path => {
        const folder = join(directory, 'restored');
        await mkdir(folder);
        await rename(path, join(folder, 'journal'));
        return openStore(folder);
      },
      dispose: async () => {
        await store.close();
        await rm(directory, { recursive: true });
      },
    };
  });

  void it('opens from a journal that was cut anywhere, with a prefix of its history', async () => {
    const directory = await makeDirectory();
    const store = await openStore(directory);
    // A commit each.
    for (let index = 0; index < 20; index++) await store.create(`/k/${index}`, Buffer.from(`value ${index}`));
    await store.close();
    const whole = await readFile(join(directory, 'journal'));
    const seen = new Set<number>();
    for (let length = whole.length; length > 100; length -= 7) {
      await writeFile(join(directory, 'journal'), whole);
      await truncate(join(directory, 'journal'), length);
      const cut = await openStore(directory);
      const revision = await cut.currentRevision();
      seen.add(revision);
      assert.equal(await cut.count('/k/'), revision - 1);
      assert.equal(await cut.create('/new', Buffer.from('new')), revision + 1);
      assert.deepEqual(await cut.checkIntegrity(), []);
      await cut.close();
    }
    assert.ok(seen.size > 15, `${seen.size} different revisions`);
    await rm(directory, { recursive: true });
  });

  void it('refuses a journal that is damaged in the middle, is none, or was written by a newer version', async () => {
    const directory = await makeDirectory();
    const store = await openStore(directory);
    for (let index = 0; index < 20; index++) await store.create(`/k/${index}`, Buffer.from(`value ${index}`));
    await store.close();
    const bytes = await readFile(join(directory, 'journal'));
    const damaged = Buffer.from(bytes);
    damaged[bytes.length >> 1]! ^= 1;
    await writeFile(join(directory, 'journal'), damaged);
    await assert.rejects(openStore(directory), { code: 'DATASTORE_CORRUPT' });
    await writeFile(join(directory, 'journal'), 'something else');
    await assert.rejects(openStore(directory), { code: 'DATASTORE_CORRUPT' });
    const { encodeFrame } = await import('./frames.js');
    await writeFile(join(directory, 'journal'), encodeFrame([{ kind: 'start', format: 2, revision: 1 }]));
    await assert.rejects(openStore(directory), { code: 'DATASTORE_NEWER_FORMAT' });
    await rm(directory, { recursive: true });
  });

  void it('takes back what the disk refused, and says when it cannot go on', async context => {
    const directory = await makeDirectory();
    const store = await openStore(directory);
    await store.create('/a', Buffer.from('a'));
    const handle = await import('node:fs/promises').then(({ open }) => open(join(directory, 'journal'), 'r'));
    const prototype = Object.getPrototypeOf(handle) as { write: unknown; datasync(): Promise<void> };
    await handle.close();
    const full = context.mock.method(prototype as { write(): Promise<never> }, 'write', () =>
      Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' })),
    );
    await assert.rejects(store.update('/a', Buffer.from('b'), 2), { code: 'DATASTORE_FULL' });
    full.mock.restore();
    assert.equal(await store.currentRevision(), 2);
    assert.equal(await store.update('/a', Buffer.from('c'), 2), 3);
    assert.deepEqual(await store.checkIntegrity(), []);
    const torn = context.mock.method(prototype, 'datasync', () => Promise.reject(new Error('input/output error')));
    await assert.rejects(store.create('/b', Buffer.from('b')), { code: 'DATASTORE_UNAVAILABLE' });
    torn.mock.restore();
    await assert.rejects(store.create('/b', Buffer.from('b')), { code: 'DATASTORE_UNAVAILABLE' });
    await store.close();
    await rm(directory, { recursive: true });
  });
});
