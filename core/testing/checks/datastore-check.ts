import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SinglePlugin } from '../../cluster/index.js';
import type { Datastore } from '../../plugin-api/index.js';
import { datastoreSuite } from '../datastore-suite.js';
import type { StoreUnderTest } from '../datastore-suite.js';
import type { SlotCheck } from './slot-check.js';

export const checkDatastore: SlotCheck = async (plugin, { note }) => {
  const durable = await keepsData(plugin);
  if (!durable) note('keeps nothing over a stop, so what a store opened again promises was not tried');
  return runner => datastoreSuite(runner, () => openDatastore(plugin, durable));
};

async function openDatastore(plugin: SinglePlugin, durable: boolean): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-plugin-check-'));
  const open = async (): Promise<{ contract: Datastore; dispose(): Promise<void> }> => {
    const opened = await plugin.makeContract<Datastore>(join(directory, 'data'));
    await opened.contract.open();
    return opened;
  };
  let made = await open();
  const close = async (): Promise<void> => {
    await made.contract.close();
    await made.dispose();
  };
  const reopen = async (): Promise<Datastore> => {
    await close();
    made = await open();
    return made.contract;
  };
  return {
    store: made.contract,
    ...(durable && { reopen }),
    backupPath: () => join(directory, 'backup'),
    async dispose() {
      await close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function keepsData(plugin: SinglePlugin): Promise<boolean> {
  const subject = await openDatastore(plugin, true);
  try {
    await subject.store.create('/kept', Buffer.from('kept'));
    return (await (await subject.reopen!()).get('/kept')) !== undefined;
  } finally {
    await subject.dispose();
  }
}
