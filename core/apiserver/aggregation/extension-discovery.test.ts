import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { ExtensionDiscovery } from './extension-discovery.js';
import type { FakeAnswer } from './testing/fake-extension.js';
import { FakeExtension } from './testing/fake-extension.js';

const type = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList';
const list = (...names: string[]): FakeAnswer => ({
  headers: { 'content-type': type, etag: '"1"' },
  body: {
    items: [
      { metadata: { name: 'other.example.com' }, versions: [{ version: 'v1', resources: [{ resource: 'other' }] }] },
      {
        metadata: { name: 'fish.example.com' },
        versions: [{ version: 'v1', resources: names.map(resource => ({ resource, verbs: ['get', 7], scope: 'Cluster' })) }],
      },
    ],
  },
});

describe('the discovery of extension servers', () => {
  let clock: FakeClock;
  let changes: number;
  let discovery: ExtensionDiscovery;

  beforeEach(() => {
    clock = new FakeClock();
    changes = 0;
    discovery = new ExtensionDiscovery({ clock, logger: silentLogger, changed: () => changes++ });
  });
  afterEach(() => discovery.dispose());

  const shown = (): unknown =>
    discovery.versions().map(({ isCurrent, resources }) => [isCurrent, resources.map(each => each.resource)]);

  it('is asked for again every minute, with the tag of what is known', async () => {
    const fish = new FakeExtension(() => list('fishes'));
    discovery.set(fish.server);
    expect(shown()).toEqual([[false, []]]);
    await clock.advance(0);
    expect(shown()).toEqual([[true, ['fishes']]]);
    expect(discovery.versions()[0]!.resources).toEqual([
      {
        resource: 'fishes',
        responseKind: { group: '', version: '', kind: '' },
        scope: 'Cluster',
        singularResource: '',
        verbs: ['get'],
      },
    ]);
    expect(fish.asked[0]!.user).toEqual({ name: 'system:kube-aggregator', groups: ['system:masters'] });
    const before = changes;
    fish.answer = () => ({ status: 304 });
    await clock.advance(60_000);
    expect(fish.asked[1]!.headers).toMatchObject({ 'if-none-match': '"1"' });
    expect([shown(), changes]).toEqual([[[true, ['fishes']]], before]);
    fish.answer = () => list('fishes', 'ponds');
    await clock.advance(60_000);
    expect(shown()).toEqual([[true, ['fishes', 'ponds']]]);
  });

  it('is stale while nobody answers, and asked for again sooner', async () => {
    const fish = new FakeExtension(() => list('fishes'));
    discovery.set(fish.server);
    await clock.advance(0);
    fish.answer = () => ({ status: 503 });
    await clock.advance(60_000);
    expect(shown()).toEqual([[false, ['fishes']]]);
    fish.answer = () => list('ponds');
    await clock.advance(500);
    expect(shown()).toEqual([[true, ['ponds']]]);
  });

  it('waits five seconds for a slow server', async () => {
    const fish = new FakeExtension(() => new Promise(() => undefined));
    discovery.set(fish.server);
    await clock.advance(0);
    await clock.advance(4999);
    expect(fish.paths).toEqual(['/apis']);
    await clock.advance(1);
    await clock.advance(500);
    expect(fish.paths).toEqual(['/apis', '/apis']);
    expect(fish.asked[0]!.signal!.aborted).toBe(true);
  });

  it('asks nothing of a server that is not available, until it is', async () => {
    const fish = new FakeExtension(() => list('fishes'));
    fish.isAvailable = false;
    discovery.set(fish.server);
    await clock.advance(600_000);
    expect([fish.paths, shown()]).toEqual([[], [[false, []]]]);
    fish.isAvailable = true;
    discovery.set(fish.server);
    await clock.advance(0);
    expect(shown()).toEqual([[true, ['fishes']]]);
  });

  it('falls back to the older form, whatever the newer says', async () => {
    const fish = new FakeExtension(({ path }) =>
      path === '/apis' ? { status: 403 } : { body: { resources: [{ name: 'fishes', namespaced: true, verbs: ['get'] }, 7] } },
    );
    discovery.set(fish.server);
    await clock.advance(0);
    expect(fish.paths).toEqual(['/apis', '/apis/fish.example.com/v1']);
    expect(shown()).toEqual([[true, ['fishes']]]);
    fish.answer = () => ({ status: 404 });
    await clock.advance(60_000);
    expect(shown()).toEqual([[false, ['fishes']]]);
    fish.answer = ({ path }) => (path === '/apis' ? { headers: { 'content-type': type }, body: 'no json' } : {});
    await clock.advance(500);
    expect(shown()).toEqual([[false, ['fishes']]]);
  });

  it('is forgotten with its APIService, also in the middle', async () => {
    const fish = new FakeExtension(() => list('fishes'));
    discovery.set(fish.server);
    discovery.delete('v1.fish.example.com');
    await clock.advance(600_000);
    expect([shown(), clock.pendingTimers]).toEqual([[], 0]);
  });
});
