import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import Database from 'better-sqlite3';
import { SystemClock } from '../../../core/base/clock.js';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { silentLogger } from '../../../core/base/logger.js';
import type { DatastoreEvent } from '../../../core/contracts/datastore.js';
import { Recorder } from '../../../core/testing/datastore-suite-support.js';
import { SqliteDatastore } from './sqlite-datastore.js';

let root: string;
let opened: SqliteDatastore[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sqlite-'));
  opened = [];
});
afterEach(async () => {
  for (const store of opened) await store.close();
  rmSync(root, { recursive: true });
});

function makeStore(options: { directory?: string; quotaBytes?: number } = {}): SqliteDatastore {
  const { directory = join(root, 'db'), quotaBytes } = options;
  const store = new SqliteDatastore({ directory, logger: silentLogger, clock: new FakeClock(), quotaBytes });
  opened.push(store);
  return store;
}

async function openStore(options: { directory?: string; quotaBytes?: number } = {}): Promise<SqliteDatastore> {
  const store = makeStore(options);
  await store.open();
  return store;
}

/** What a power failure would leave: the files as they are, without the process. */
function snapshot(name: string): string {
  const directory = join(root, name);
  mkdirSync(directory);
  for (const file of ['state.db', 'state.db-wal']) copyFileSync(join(root, 'db', file), join(directory, file));
  return directory;
}

function alter(statement: string): void {
  const database = new Database(join(root, 'db', 'state.db'));
  database.exec(statement);
  database.close();
}

const value = Buffer.from('value');

describe('SqliteDatastore', () => {
  it('is the only one that has the file open, and says who has', async () => {
    await openStore();
    await expect(makeStore().open()).rejects.toMatchObject({
      code: 'DATASTORE_UNAVAILABLE',
      message: expect.stringContaining(`in use by this process (pid ${process.pid})`),
    });
  });

  it('keeps its files from others', async () => {
    const store = await openStore();
    await store.create('/a', value);
    const folder = join(root, 'db');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder).sort()).toEqual(['state.db', 'state.db-wal']);
    for (const file of readdirSync(folder)) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
    await store.backup(join(root, 'copy'));
    expect(statSync(join(root, 'copy')).mode & 0o777).toBe(0o600);
    expect(readdirSync(root).sort()).toEqual(['copy', 'db']);
  });

  it('refuses a newer format and leaves the file alone', async () => {
    await (await openStore()).close();
    alter('pragma user_version = 99');
    await expect(makeStore().open()).rejects.toMatchObject({ code: 'DATASTORE_NEWER_FORMAT', mend: expect.any(String) });
    alter('pragma user_version = 1');
    await openStore();
  });

  it('refuses the SQLite file of somebody else', async () => {
    mkdirSync(join(root, 'db'));
    alter('create table kine (id integer primary key)');
    await expect(makeStore().open()).rejects.toMatchObject({ code: 'DATASTORE_UNSUPPORTED' });
  });

  it('says of a file that is none of SQLite that it is damaged, and what to do', async () => {
    mkdirSync(join(root, 'db'));
    writeFileSync(join(root, 'db', 'state.db'), Buffer.alloc(20_000, 'garbage'));
    await expect(makeStore().open()).rejects.toMatchObject({
      code: 'DATASTORE_CORRUPT',
      mend: expect.stringContaining('restore a backup'),
    });
  });

  it('finds damaged pages, and never answers with what they hold', async () => {
    const store = await openStore();
    await Promise.all(Array.from({ length: 200 }, (_, index) => store.create(`/k/${index}`, Buffer.alloc(1000, 'v'))));
    await store.close();
    const file = join(root, 'db', 'state.db');
    const descriptor = openSync(file, 'r+');
    const pages = statSync(file).size / 4096;
    for (let page = 20; page < pages; page += 2) writeSync(descriptor, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096);
    closeSync(descriptor);
    const damaged = await openStore();
    expect((await damaged.checkIntegrity()).length).toBeGreaterThan(0);
    await expect(damaged.list('/k/')).rejects.toMatchObject({ code: 'DATASTORE_CORRUPT', mend: expect.any(String) });
  });

  it('refuses writes for which there is no room, loses nothing, and goes on when there is', async () => {
    const store = await openStore({ quotaBytes: 400_000 });
    const events: DatastoreEvent[] = [];
    store.watch('/', 1, { batch: batch => void events.push(...batch), end: () => undefined });
    const acknowledged = new Map<string, number>();
    let refused = 0;
    for (let round = 0; round < 60; round++) {
      await Promise.all(
        Array.from({ length: 10 }, async (_, index) => {
          const key = `/k/${round}/${index}`;
          await store.create(key, Buffer.alloc(1000, 'v')).then(
            revision => acknowledged.set(key, revision),
            (error: unknown) => {
              expect(error).toMatchObject({ code: 'DATASTORE_FULL', mend: expect.any(String) });
              refused++;
            },
          );
        }),
      );
    }
    expect(refused).toBeGreaterThan(100);
    expect(acknowledged.size).toBeGreaterThan(100);
    expect(acknowledged.size + refused).toBe(600);
    const page = await store.list('/k/');
    expect(new Map(page.items.map(item => [item.key, item.modRevision]))).toEqual(acknowledged);
    expect(events.map(event => event.revision)).toEqual(Array.from({ length: acknowledged.size }, (_, index) => index + 2));
    expect(await store.currentRevision()).toBe(acknowledged.size + 1);
    expect((await store.checkIntegrity()).join()).toBe('');
    await store.close();
    const larger = await openStore();
    expect(await larger.create('/k/more', value)).toBe(acknowledged.size + 2);
  });

  it('goes on above all revisions that were seen when the disk lost relaxed writes', async () => {
    const store = await openStore();
    await store.create('/a', value);
    let lease = await store.create('/lease', value, { relaxed: true });
    const disk = snapshot('disk');
    const kept = await store.currentRevision();
    for (let turn = 0; turn < 50; turn++) lease = await store.update('/lease', value, lease, { relaxed: true });
    expect(lease).toBe(kept + 50);

    const after = await openStore({ directory: disk });
    expect(await after.currentRevision()).toBeGreaterThan(lease);
    // Whoever saw what was lost must begin anew; whoever saw only what is there goes on.
    await expect(after.get('/a', { revision: lease })).rejects.toMatchObject({ code: 'DATASTORE_COMPACTED' });
    await expect(after.list('/', { revision: kept + 1 })).rejects.toMatchObject({ code: 'DATASTORE_COMPACTED' });
    expect((await after.get('/lease', { revision: kept }))?.modRevision).toBe(kept);
    const ended = new Promise(resolve => after.watch('/', lease, { batch: () => undefined, end: resolve }));
    expect(await ended).toMatchObject({ code: 'DATASTORE_COMPACTED' });
    const next = await after.create('/b', value);
    expect(next).toBeGreaterThan(lease);
    const watch = await new Recorder(after, '/', kept).reached(next);
    expect(watch.events.map(event => event.revision)).toEqual([next]);
    expect((await after.checkIntegrity()).join()).toBe('');
    await after.compact(next);
    expect((await after.list('/', { revision: next })).items.length).toBe(3);
  });

  it('skips no revision after a clean stop, nor after a kill when nothing was relaxed', async () => {
    const store = await openStore();
    await store.create('/a', value, { relaxed: true });
    await store.close();
    const again = await openStore();
    expect(await again.create('/b', value)).toBe(3);
    const killed = await openStore({ directory: snapshot('killed') });
    expect(await killed.create('/c', value)).toBe(4);
  });

  it('keeps the write-ahead log short', async () => {
    const store = await openStore();
    for (let round = 0; round < 40; round++) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => store.create(`/k/${round}/${index}`, Buffer.alloc(4000, 'v'))));
    }
    expect(statSync(join(root, 'db', 'state.db-wal')).size).toBeLessThan(12 * 1024 * 1024);
  });

  it('names the folder that a backup cannot go to', async () => {
    const store = await openStore();
    await expect(store.backup(join(root, 'absent', 'copy'))).rejects.toThrow(/absent/);
    expect(await store.create('/a', value)).toBe(2);
  });

  it('fails what is under way when its worker is gone, says so once, and can be closed', async () => {
    const failures: Error[] = [];
    let worker: Worker | undefined;
    const post = jest.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker) {
      worker = this;
    });
    const directory = join(root, 'db');
    const store = new SqliteDatastore({
      directory,
      logger: silentLogger,
      clock: new FakeClock(),
      onFailure: error => failures.push(error),
    });
    opened.push(store);
    await store.open();
    const ended = new Promise(resolve => store.watch('/', 1, { batch: () => undefined, end: resolve }));
    const outcomes = Promise.allSettled([store.create('/a', value), store.get('/a'), store.size(), store.compact(1)]);
    await new Promise(resolve => setImmediate(resolve));
    post.mockRestore();
    await worker!.terminate();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'DATASTORE_UNAVAILABLE' } });
    expect(await ended).toMatchObject({ code: 'DATASTORE_UNAVAILABLE' });
    await expect(store.create('/b', value)).rejects.toMatchObject({ code: 'DATASTORE_UNAVAILABLE' });
    expect(failures).toHaveLength(1);
    await store.close();
    expect(await (await openStore()).currentRevision()).toBe(1);
  });

  it('can be closed when it could not be opened', async () => {
    writeFileSync(join(root, 'file'), '');
    const store = new SqliteDatastore({ directory: join(root, 'file'), logger: silentLogger, clock: new SystemClock() });
    await expect(store.open()).rejects.toThrow();
    await store.close();
    await expect(store.get('/a')).rejects.toMatchObject({ code: 'DATASTORE_CLOSED' });
  });
});
