import { describe, it } from 'node:test';
import { datastoreSuite, FakeClock, silentLogger } from 'k3s-ts/testing';
import { TemplateDatastore } from './template-datastore.js';

/** Every promise of the contract. A store that keeps its data also gives `reopen`, `backupPath` and `openBackup`. */
void describe('template-datastore', () => {
  datastoreSuite({ describe, it }, async () => {
    const clock = new FakeClock();
    const store = new TemplateDatastore({ logger: silentLogger, clock });
    await store.open();
    return { store, advanceTime: byMs => clock.advance(byMs), dispose: () => store.close() };
  });
});
