import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Disposable } from '../../core/base/disposable.js';
import { FakeClock } from '../../core/base/fake-clock.js';
import { silentLogger } from '../../core/base/logger.js';
import type { ConfigMap } from '../../core/api/generated/types.js';
import { ConfigMaps } from '../../core/api/generated/resources.js';
import { ApiServer } from '../../core/apiserver/api-server.js';
import { MastersAuthorizer } from '../../core/apiserver/auth/authorizer.js';
import { configMap } from '../../core/apiserver/resources/core/config-map.js';
import { Client } from '../../core/client/client.js';
import type { WatchEvent } from '../../core/contracts/api-transport.js';
import type { WatchListener } from '../../core/contracts/datastore.js';
import { isStatusError } from '../../core/machinery/status-error.js';
import { CelRuleEngine } from '../../core/machinery/structural/rule-engine.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';

/** A store whose watches can be made to fail, as a remote engine's do. */
class BreakableDatastore extends MemoryDatastore {
  readonly #listeners: WatchListener[] = [];

  override watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable {
    this.#listeners.push(listener);
    return super.watch(prefix, afterRevision, listener);
  }

  breakWatches(error: Error): void {
    for (const listener of this.#listeners.splice(0)) listener.end(error);
  }
}

const admin = { name: 'admin', groups: ['system:masters'] };

describe('lists and watches of the API server', () => {
  let clock: FakeClock;
  let datastore: BreakableDatastore;
  let server: ApiServer;
  let client: Client;

  beforeEach(async () => {
    clock = new FakeClock();
    datastore = new BreakableDatastore({ logger: silentLogger, clock });
    await datastore.open();
    server = new ApiServer({
      datastore,
      definitions: [configMap],
      ruleEngine: new CelRuleEngine(),
      authenticator: { authenticate: () => ({ kind: 'no-credentials' }) },
      authorizer: new MastersAuthorizer(),
      admission: () => [],
      clock,
      logger: silentLogger,
      version: { gitVersion: 'v1.36.0' },
    });
    await server.start();
    client = new Client(server.transport, admin, 'test');
  });

  afterEach(async () => {
    await server.stop();
    await datastore.close();
  });

  const maps = (): ReturnType<typeof client.resource<ConfigMap>> => client.resource(ConfigMaps, 'default');
  const make = (name: string, labels: Record<string, string> = {}): Promise<ConfigMap> =>
    maps().create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels }, data: { a: '1' } });

  async function take(events: AsyncIterator<WatchEvent<ConfigMap>>, count: number): Promise<string[]> {
    const seen: string[] = [];
    while (seen.length < count) {
      const { value, done } = await events.next();
      if (done) throw new Error(`the watch ended after ${seen.join(', ')}`);
      const event = value as WatchEvent<ConfigMap>;
      seen.push(
        event.type === 'BOOKMARK' ? `BOOKMARK${event.initialEventsEnd ? ' end' : ''}` : `${event.type} ${event.entry.name}`,
      );
    }
    return seen;
  }

  it('reads its own writes, with one revision for everything', async () => {
    const one = await make('one');
    const two = await make('two');
    expect(Number(two.metadata.resourceVersion)).toBe(Number(one.metadata.resourceVersion) + 1);
    const list = await maps().list();
    expect(list.entries.map(entry => entry.name)).toEqual(['one', 'two']);
    expect(list.resourceVersion).toBe(two.metadata.resourceVersion);
    expect(Object.isFrozen(list.entries[0]!.object.data)).toBe(true);
  });

  it('watches from a version: what was missed, then what comes', async () => {
    const one = await make('one');
    await make('two');
    const events = maps().watch({ resourceVersion: one.metadata.resourceVersion })[Symbol.asyncIterator]();
    expect(await take(events, 1)).toEqual(['ADDED two']);
    await maps().patch('one', 'merge', { data: { a: '2' } });
    await maps().delete('two');
    expect(await take(events, 2)).toEqual(['MODIFIED one', 'DELETED two']);
    await events.return?.();
  });

  it('marks the end of initial events for WatchList', async () => {
    await make('one');
    const events = maps()
      .watch({ sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true })
      [Symbol.asyncIterator]();
    expect(await take(events, 2)).toEqual(['ADDED one', 'BOOKMARK end']);
    await events.return?.();
  });

  it('turns objects that enter or leave a selector into ADDED and DELETED', async () => {
    await make('one', { tier: 'front' });
    const start = (await maps().list()).resourceVersion;
    const events = maps().watch({ labelSelector: 'tier=front', resourceVersion: start })[Symbol.asyncIterator]();
    await make('two');
    await maps().patch('two', 'merge', { metadata: { labels: { tier: 'front' } } });
    await maps().patch('one', 'merge', { metadata: { labels: { tier: 'back' } } });
    expect(await take(events, 2)).toEqual(['ADDED two', 'DELETED one']);
    await events.return?.();
  });

  it('replays from the datastore what its own history has forgotten, and says Expired after compaction', async () => {
    const first = await make('first');
    for (let at = 0; at < 1500; at++) await maps().patch('first', 'merge', { data: { a: String(at) } });
    expect(
      server.endpoint('', 'v1', 'configmaps')!.served.store.cache.history(Number(first.metadata.resourceVersion)),
    ).toBeUndefined();
    const events = maps().watch({ resourceVersion: first.metadata.resourceVersion })[Symbol.asyncIterator]();
    const seen = await take(events, 1500);
    expect(new Set(seen)).toEqual(new Set(['MODIFIED first']));
    await events.return?.();
    await datastore.compact(Number(first.metadata.resourceVersion) + 10);
    const late = maps().watch({ resourceVersion: first.metadata.resourceVersion })[Symbol.asyncIterator]();
    await expect(late.next()).rejects.toMatchObject({ code: 'Expired' });
  });

  it('cuts off a reader that falls behind', async () => {
    const start = (await maps().list()).resourceVersion;
    const events = maps().watch({ resourceVersion: start })[Symbol.asyncIterator]();
    const first = events.next();
    await make('one');
    await first;
    for (let at = 0; at < 20_005; at++) await maps().patch('one', 'merge', { data: { a: String(at) } });
    let error: unknown;
    try {
      for (;;) if ((await events.next()).done) break;
    } catch (caught) {
      error = caught;
    }
    expect(isStatusError(error, 'Expired')).toBe(true);
  }, 60_000);

  it('pages at one revision while others write, and goes on inconsistently after compaction', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await make(name);
    const first = await maps().list({ limit: 2 });
    expect(first.entries.map(entry => entry.name)).toEqual(['a', 'b']);
    expect(first.remainingItemCount).toBe(3);
    await make('bb');
    await maps().delete('d');
    const second = await maps().list({ limit: 2, continue: first.continue });
    expect(second.entries.map(entry => entry.name)).toEqual(['c', 'd']);
    expect(second.resourceVersion).toBe(first.resourceVersion);
    // The newest state has e behind d.
    expect(second.remainingItemCount).toBe(1);
    await make('f');
    await datastore.compact(Number((await maps().list()).resourceVersion));
    const expired = await maps()
      .list({ limit: 2, continue: second.continue })
      .catch((error: unknown) => error);
    expect(isStatusError(expired, 'Expired')).toBe(true);
    const token = isStatusError(expired) ? expired.status.metadata.continue : undefined;
    const rest = await maps().list({ continue: token });
    expect(rest.entries.map(entry => entry.name)).toEqual(['e', 'f']);
  });

  it('refuses what it cannot select by, and versions that make no sense', async () => {
    await expect(maps().list({ fieldSelector: 'data.a=1' })).rejects.toMatchObject({ code: 'BadRequest' });
    await expect(maps().list({ labelSelector: 'a in b' })).rejects.toMatchObject({ code: 'BadRequest' });
    await expect(maps().list({ resourceVersion: 'x' })).rejects.toMatchObject({ code: 'BadRequest' });
    await expect(maps().list({ resourceVersionMatch: 'Exact' })).rejects.toMatchObject({ code: 'Invalid' });
    const future = maps().list({ resourceVersion: '1000000' });
    future.catch(() => undefined);
    await new Promise(resolve => setImmediate(resolve));
    await clock.advance(3100);
    await expect(future).rejects.toMatchObject({ code: 'Timeout' });
  });

  it('updates under a version or not at all, and retries what names none', async () => {
    const one = await make('one');
    await maps().patch('one', 'merge', { data: { a: '2' } });
    await expect(maps().update('one', { ...one, data: { a: '3' } })).rejects.toMatchObject({ code: 'Conflict' });
    await Promise.all(Array.from({ length: 30 }, (_, at) => maps().patch('one', 'merge', { data: { [`k${at}`]: 'x' } })));
    expect(Object.keys((await maps().get('one')).data!)).toHaveLength(31);
  });

  it('writes nothing when nothing changes, and nothing at all in a dry run', async () => {
    const one = await make('one');
    const same = await maps().update('one', one);
    expect(same.metadata.resourceVersion).toBe(one.metadata.resourceVersion);
    await maps().create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'dry' } }, { dryRun: true });
    await expect(maps().get('dry')).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('keeps a deleted object while it has finalizers', async () => {
    await maps().create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    const marked = await maps().delete('held');
    expect(marked?.metadata.deletionTimestamp).toBe('2026-01-01T00:00:00Z');
    await expect(
      maps().patch('held', 'merge', { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } }),
    ).rejects.toMatchObject({
      code: 'Invalid',
    });
    await maps().patch('held', 'merge', { metadata: { finalizers: null } });
    await expect(maps().get('held')).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('makes names, and refuses those that exist', async () => {
    const made = await maps().create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '', generateName: 'gen-' } });
    expect(made.metadata.name).toMatch(/^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    await make('one');
    await expect(make('one')).rejects.toMatchObject({ code: 'AlreadyExists', message: 'configmaps "one" already exists' });
  });

  it('loads anew when the datastore breaks the watch, and tells watchers', async () => {
    await make('one');
    const start = (await maps().list()).resourceVersion;
    const events = maps().watch({ resourceVersion: start })[Symbol.asyncIterator]();
    const pending = events.next();
    await Promise.resolve();
    await new Promise(resolve => setImmediate(resolve));
    datastore.breakWatches(new Error('test'));
    await expect(pending).rejects.toMatchObject({ code: 'Expired' });
    await make('two');
    expect((await maps().list()).entries.map(entry => entry.name)).toEqual(['one', 'two']);
  });

  it('show the last state while the server stops, never an empty one', async () => {
    const maps = client.resource(ConfigMaps, 'default');
    await maps.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept', namespace: 'default' } });
    const watching = maps.watch({ resourceVersion: '0' })[Symbol.asyncIterator]();
    const first = await watching.next();
    expect(first.value).toMatchObject({ type: 'ADDED' });
    await server.stop();
    // It ends as after its time, so that who watches goes on from there with the next server.
    expect(await watching.next()).toEqual({ done: true, value: undefined });
    for (const resourceVersion of ['', '0']) {
      const { entries } = await maps.list({ resourceVersion });
      expect(entries.map(({ name }) => name)).toEqual(['kept']);
    }
  });
});
