import { beforeEach, describe, expect, it } from '@jest/globals';
import { deferred } from '../../base/deferred.js';
import { FakeClock } from '../../base/fake-clock.js';
import { SinkLogger } from '../../base/logger.js';
import type { ResourceCache } from './resource-cache.js';
import { StorageHub } from './storage-hub.js';
import { ScriptedStore } from './testing/scripted-store.js';

const turn = (): Promise<void> => new Promise(setImmediate);

describe('StorageHub', () => {
  let store: ScriptedStore;
  let clock: FakeClock;
  let hub: StorageHub;
  let cache: ResourceCache;
  let logged: string[];

  beforeEach(async () => {
    store = new ScriptedStore();
    clock = new FakeClock();
    logged = [];
    const logger = new SinkLogger(record => logged.push(record.message), 'warn');
    hub = new StorageHub({ datastore: store.asDatastore, logger, clock });
    cache = hub.register('configmaps', { namespaced: true });
    store.put('/registry/configmaps/ns/a');
    await hub.start();
  });
  const names = (): string[] => Array.from(cache.entries(), ({ name }) => name);

  it('shows what there was while it loads anew, and never less', async () => {
    const seen: string[] = [];
    cache.listen(event => void (event && seen.push(event.entry.name)), {
      onReset: () => seen.push(`reset ${names().join()}`),
      onLoaded: () => seen.push(`loaded ${names().join()}`),
    });
    const gate = deferred();
    store.gate = gate.promise;
    store.break();
    expect(names()).toEqual(['a']);
    store.put('/registry/configmaps/ns/b');
    store.remove('/registry/configmaps/ns/a');
    const late = hub.fresh();
    await turn();
    expect([names(), cache.count, seen]).toEqual([['a'], 1, []]);
    gate.resolve();
    await late;
    expect([names(), cache.count]).toEqual([['b'], 1]);
    expect(seen).toEqual(['reset b', 'loaded b']);
    store.put('/registry/configmaps/ns/c');
    expect(names()).toEqual(['b', 'c']);
    expect(cache.history(hub.revision - 1)).toHaveLength(1);
  });

  it('tells a reader that it is too early, but not for having been busy itself', async () => {
    const { listener } = store;
    store.listener = undefined;
    store.put('/registry/configmaps/ns/b');
    const fresh = hub.fresh();
    await turn();
    // The timer and the news are due in the same turn.
    clock.setTimer(3000, () => listener!.batch(store.events.slice(-1), store.revision));
    await clock.advance(3000);
    expect(await fresh).toBe(store.revision);
    const early = expect(hub.reached(store.revision + 1)).rejects.toMatchObject({ status: { code: 504 } });
    await clock.advance(3000);
    await early;
    expect(clock.pendingTimers).toBe(0);
  });

  it('opens no cache between two watches', async () => {
    const gate = deferred();
    store.gate = gate.promise;
    store.break();
    store.put('/registry/example.com/things/ns/x');
    const opening = hub.open('example.com/things', { namespaced: true });
    await turn();
    gate.resolve();
    const opened = await opening;
    store.put('/registry/example.com/things/ns/y');
    expect(Array.from(opened.entries(), ({ name }) => name)).toEqual(['x', 'y']);
  });

  it('goes on serving what it has when it stops, and ends watches without an error', async () => {
    const ends: string[] = [];
    cache.listen(() => undefined, { onReset: () => ends.push('reset'), onClosed: () => ends.push('closed') });
    await hub.stop();
    expect([names(), ends]).toEqual([['a'], ['closed']]);
    store.put('/registry/configmaps/ns/b');
    await expect(hub.fresh()).rejects.toMatchObject({ status: { message: 'Timeout: the server is stopping' } });
    await expect(hub.open('example.com/things', { namespaced: true })).rejects.toMatchObject({ status: { code: 504 } });
    expect(clock.pendingTimers).toBe(0);
  });

  it('tells all listeners, whatever one of them throws', () => {
    const seen: string[] = [];
    cache.listen(() => {
      throw new Error('broken listener');
    }, {});
    cache.listen(event => void (event && seen.push(event.entry.name)), {});
    store.put('/registry/configmaps/ns/b');
    expect([seen, logged]).toEqual([['b'], ['a listener of a cache failed']]);
  });

  it('starts without an object that cannot be read', async () => {
    store.put('/registry/configmaps/ns/broken', '{');
    store.break();
    await turn();
    expect(names()).toEqual(['a']);
    expect(logged).toContain('an object in the store cannot be read and is not served');
    expect(store.listener).toBeDefined();
  });
});
