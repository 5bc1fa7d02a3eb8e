import { expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { KubeObject } from '../../machinery/object.js';
import type { ResourceStore } from '../registry/resource-store.js';
import { StorageHub } from '../storage/storage-hub.js';
import { ScriptedStore } from '../storage/testing/scripted-store.js';
import { openWatch } from './watch-source.js';

it('a watch from long ago misses nothing of what happens while it is told of the past', async () => {
  const store = new ScriptedStore();
  const clock = new FakeClock();
  const hub = new StorageHub({ datastore: store.asDatastore, logger: silentLogger, clock });
  const cache = hub.register('configmaps', { namespaced: true });
  await hub.start();
  const from = store.revision;
  let count = 0;
  // More than a cache remembers.
  const flood = (): void => {
    for (let i = 0; i < 1500; i++) store.put(`/registry/configmaps/ns/m${count++}`);
  };
  flood();
  let replays = 0;
  store.onReplay = () => void (++replays === 1 && flood());
  const seen: string[] = [];
  const watch = await openWatch(
    { store: { cache } as unknown as ResourceStore<KubeObject>, hub, clock },
    { namespace: '', name: undefined, labels: undefined, fields: undefined },
    { resourceVersion: String(from) },
    { change: (_type, { name }) => seen.push(name), bookmark: () => undefined, end: () => undefined },
  );
  store.put('/registry/configmaps/ns/last');
  expect(seen).toEqual([...Array.from({ length: count }, (_, i) => `m${i}`), 'last']);
  expect(replays).toBe(2);
  await watch.dispose();
});
