import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../base/fake-clock.js';
import { silentLogger } from '../base/logger.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { KubeObject } from '../machinery/object.js';
import { badRequest, serviceUnavailable } from '../machinery/status-error.js';
import { Client } from './client.js';
import { SharedInformer } from './informer.js';
import { SharedInformerFactory } from './informer-factory.js';
import { FakeTransport } from './testing/fake-transport.js';
import { settle } from './testing/settle.js';

type Thing = KubeObject & { spec?: { node?: string } };
const Things: ResourceReference<Thing> = { group: 'x', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true };

const thing = (name: string, node?: string): Thing => ({
  apiVersion: 'x/v1',
  kind: 'Thing',
  metadata: { name },
  ...(node ? { spec: { node } } : {}),
});

describe('SharedInformer', () => {
  let clock: FakeClock;
  let transport: FakeTransport;
  let client: Client;
  let informer: SharedInformer<Thing>;
  let seen: string[];

  beforeEach(() => {
    clock = new FakeClock();
    transport = new FakeTransport(clock);
    client = new Client(transport, { name: 'tester', groups: [] });
    informer = new SharedInformer({ client, resource: Things, clock, logger: silentLogger, random: () => 0 });
    seen = [];
    informer.addHandler({
      added: entry => seen.push(`+${entry.name}`),
      updated: (previous, next) => seen.push(`${previous.resourceVersion}>${next.name}`),
      deleted: entry => seen.push(`-${entry.name}`),
    });
  });

  afterEach(() => informer.stop());

  it('hands over what is there, then follows changes in order', async () => {
    const things = client.resource(Things, 'ns');
    await things.create(thing('a'));
    informer.start();
    expect(informer.synced).toBe(false);
    await informer.whenSynced();
    expect(seen).toEqual(['+a']);
    const b = await things.create(thing('b', 'n1'));
    await things.patch('b', 'merge', { spec: { node: 'n2' } });
    await things.delete('a');
    await settle();
    expect(seen).toEqual(['+a', '+b', `${b.metadata.resourceVersion}>b`, '-a']);
    expect(informer.list('ns').map(t => t.metadata.name)).toEqual(['b']);
    expect(informer.get('ns', 'b')?.spec?.node).toBe('n2');
    expect(informer.list('other')).toEqual([]);
  });

  it('keeps indexes through updates and deletions, also those added late', async () => {
    const things = client.resource(Things, 'ns');
    await things.create(thing('a', 'n1'));
    informer.start();
    await informer.whenSynced();
    informer.addIndex('node', t => (t.spec?.node ? [t.spec.node] : []));
    expect(informer.byIndex('node', 'n1')).toHaveLength(1);
    await things.patch('a', 'merge', { spec: { node: 'n2' } });
    await things.create(thing('b', 'n2'));
    await settle();
    expect(informer.byIndex('node', 'n1')).toHaveLength(0);
    expect(informer.byIndex('node', 'n2')).toHaveLength(2);
    await things.delete('a');
    await settle();
    expect(informer.byIndex('node', 'n2').map(t => t.metadata.name)).toEqual(['b']);
  });

  it('tells late handlers what is there', async () => {
    await client.resource(Things, 'ns').create(thing('a'));
    informer.start();
    await informer.whenSynced();
    const late: string[] = [];
    const registration = informer.addHandler({ added: entry => late.push(entry.name) });
    expect(late).toEqual(['a']);
    void registration.dispose();
    await client.resource(Things, 'ns').create(thing('b'));
    await settle();
    expect(late).toEqual(['a']);
  });

  it('lists again after a cut-off with lost history, and tells the difference', async () => {
    const things = client.resource(Things, 'ns');
    await things.create(thing('a'));
    await things.create(thing('b'));
    informer.start();
    await informer.whenSynced();
    seen.length = 0;
    transport.cutOffWatchers();
    await things.delete('a');
    await things.create(thing('c'));
    transport.compact();
    await settle();
    await clock.advance(300);
    await settle();
    expect(seen.sort()).toEqual(['+c', '-a']);
  });

  it('watches on from the last version after a failure, without a new list', async () => {
    const things = client.resource(Things, 'ns');
    informer.start();
    await informer.whenSynced();
    await things.create(thing('a'));
    await settle();
    transport.cutOffWatchers(serviceUnavailable('gone for a moment'));
    await things.create(thing('b'));
    await settle();
    await clock.advance(300);
    await settle();
    expect(seen).toEqual(['+a', '+b']);
    expect(transport.actions.filter(action => action.verb === 'watch')).toHaveLength(2);
  });

  it('falls back to list and watch where the server cannot stream lists', async () => {
    let refused = 0;
    transport.reactors.push(action => {
      if (action.verb === 'watch' && refused++ === 0) throw badRequest('sendInitialEvents is forbidden');
    });
    await client.resource(Things, 'ns').create(thing('a'));
    informer.start();
    await informer.whenSynced();
    expect(seen).toEqual(['+a']);
    await client.resource(Things, 'ns').create(thing('b'));
    await settle();
    expect(seen).toEqual(['+a', '+b']);
    expect(transport.actions.filter(action => action.verb === 'list')).toHaveLength(1);
  });

  it('goes on when a handler throws', async () => {
    informer.addHandler({
      added: () => {
        throw new Error('broken handler');
      },
    });
    const after: string[] = [];
    informer.addHandler({ added: entry => after.push(entry.name) });
    await client.resource(Things, 'ns').create(thing('a'));
    informer.start();
    await informer.whenSynced();
    expect(after).toEqual(['a']);
  });

  it('is stopped when its resource is served no more and nobody listens', async () => {
    const factory = new SharedInformerFactory({ client, clock, logger: silentLogger });
    const shared = factory.informer(Things);
    const first = shared.addHandler({});
    const second = shared.addHandler({});
    factory.start();
    await factory.whenSynced();
    void first.dispose();
    factory.release(Things);
    expect(factory.informer(Things)).toBe(shared);
    void second.dispose();
    factory.release(Things);
    factory.release(Things);
    transport.cutOffWatchers();
    await clock.advance(60_000);
    await settle();
    expect(transport.actions.filter(({ verb }) => verb === 'watch')).toHaveLength(1);
    await client.resource(Things, 'ns').create(thing('a'));
    const again = factory.informer(Things);
    await again.whenSynced();
    expect(again.list('ns')).toHaveLength(1);
    await factory.stop();
  });
});
