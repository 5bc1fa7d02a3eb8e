import { mkdtemp, rename, rm, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../core/base/fake-clock.js';
import { silentLogger } from '../../core/base/logger.js';
import type { Datastore } from '../../core/contracts/datastore.js';
import type { StoreUnderTest } from '../../core/testing/datastore-suite.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';
import { SqliteDatastore } from '../../plugins/datastore/sqlite/sqlite-datastore.js';

const logger = silentLogger;

export async function memoryStore(): Promise<StoreUnderTest> {
  const clock = new FakeClock();
  const store = new MemoryDatastore({ logger, clock });
  await store.open();
  return { store, advanceTime: byMs => clock.advance(byMs), dispose: () => store.close() };
}

export async function sqliteStore(): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'datastore-'));
  const clock = new FakeClock();
  const openIn = async (folder: string): Promise<Datastore> => {
    const opened = new SqliteDatastore({ directory: folder, logger, clock });
    await opened.open();
    return opened;
  };
  let store = await openIn(directory);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openIn(directory);
      return store;
    },
    advanceTime: byMs => clock.advance(byMs),
    backupPath: () => join(directory, 'copy.db'),
    openBackup: async path => {
      const folder = join(directory, 'restored');
      await mkdir(folder);
      await rename(path, join(folder, 'state.db'));
      return openIn(folder);
    },
    dispose: async () => {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}
