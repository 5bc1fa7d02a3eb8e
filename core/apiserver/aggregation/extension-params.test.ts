import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { deferred } from '../../base/deferred.js';
import type { Deferred } from '../../base/deferred.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import type { CataloguedResource } from '../../contracts/resource-catalogue.js';
import { labelSelectorFromObject } from '../../machinery/label-selector.js';
import type { KubeObject } from '../../machinery/object.js';
import type { FollowedObjects } from './extension-objects.js';
import { ExtensionParams } from './extension-params.js';

const fishes: ResourceReference<KubeObject> = {
  group: 'fish.example.com',
  version: 'v1',
  resource: 'fishes',
  kind: 'Fish',
  namespaced: true,
};

class FakeObjects implements FollowedObjects {
  readonly listed: Deferred<void> = deferred();
  stopped = false;
  readonly #objects: readonly KubeObject[];

  constructor(objects: readonly KubeObject[]) {
    this.#objects = objects;
  }

  whenSynced(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.listed.reject(signal.reason));
    return this.listed.promise;
  }

  get(namespace: string, name: string): KubeObject | undefined {
    return this.#objects.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  }

  *entries(within?: string): ReturnType<FollowedObjects['entries']> & Generator {
    for (const object of this.#objects) {
      const { namespace = '', name = '', labels = {} } = object.metadata;
      if (within === undefined || within === namespace) yield { namespace, name, labels, uid: '', resourceVersion: '1', object };
    }
  }

  stop(): Promise<void> {
    this.stopped = true;
    return Promise.resolve();
  }
}

const fish = (namespace: string, name: string, labels: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'fish.example.com/v1',
  kind: 'Fish',
  metadata: { namespace, name, labels },
});
const nemo = fish('default', 'nemo', { orange: 'yes' });
const dory = fish('sea', 'dory', { orange: 'no' });

describe('parameters that extension servers serve', () => {
  let clock: FakeClock;
  let served: CataloguedResource[];
  let followed: FakeObjects[];
  let params: ExtensionParams;

  beforeEach(() => {
    clock = new FakeClock();
    served = [{ reference: fishes, verbs: ['get', 'list', 'watch'] }];
    followed = [];
    params = new ExtensionParams({
      clock,
      catalogue: () => served,
      follow: () => {
        const objects = new FakeObjects([nemo, dory]);
        followed.push(objects);
        return objects;
      },
    });
  });

  afterEach(async () => {
    await params.dispose();
    expect(followed.every(({ stopped }) => stopped)).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  const find = (): NonNullable<ReturnType<ExtensionParams['find']>> => params.find('fish.example.com', 'v1', 'Fish')!;

  it('are found by name and by labels, followed once', async () => {
    const resource = find();
    expect(resource.namespaced).toBe(true);
    expect(followed).toHaveLength(0);
    const waiting = resource.get('default', 'nemo');
    followed[0]!.listed.resolve();
    expect(await waiting).toBe(nemo);
    expect(await find().get('default', 'dory')).toBeUndefined();
    const any = labelSelectorFromObject({});
    expect(await find().list('', any)).toEqual([nemo, dory]);
    expect(await find().list('sea', any)).toEqual([dory]);
    expect(await find().list('', labelSelectorFromObject({ matchLabels: { orange: 'yes' } }))).toEqual([nemo]);
    expect(followed).toHaveLength(1);
  });

  it('are not found of what is not served, or cannot be followed', () => {
    expect(params.find('fish.example.com', 'v1', 'Shark')).toBeUndefined();
    expect(params.find('fish.example.com', 'v2', 'Fish')).toBeUndefined();
    served = [{ reference: fishes, verbs: ['get', 'list'] }];
    expect(params.find('fish.example.com', 'v1', 'Fish')).toBeUndefined();
  });

  it('are waited for no longer than a second', async () => {
    const waiting = find().get('default', 'nemo');
    const refused = expect(waiting).rejects.toThrow(
      'paramKind kind `&ParamKind{APIVersion:fish.example.com/v1,Kind:Fish,}` not yet synced to use for admission',
    );
    await clock.advance(1000);
    await refused;
  });

  it('are let go when they are served no longer, and followed anew when they are again', async () => {
    const before = find().get('default', 'nemo');
    followed[0]!.listed.resolve();
    await before;
    params.refresh();
    expect(followed[0]!.stopped).toBe(false);
    served = [];
    params.refresh();
    expect(followed[0]!.stopped).toBe(true);
    served = [{ reference: fishes, verbs: ['list', 'watch'] }];
    const again = find().get('sea', 'dory');
    followed[1]!.listed.resolve();
    expect(await again).toBe(dory);
  });

  it('are let go when nobody asks for ten minutes', async () => {
    const first = find().get('default', 'nemo');
    followed[0]!.listed.resolve();
    await first;
    await clock.advance(9 * 60_000);
    await find().get('default', 'nemo');
    await clock.advance(9 * 60_000);
    expect(followed[0]!.stopped).toBe(false);
    await clock.advance(60_000);
    expect(followed[0]!.stopped).toBe(true);
  });

  it('are not to be had of a server that stops', async () => {
    const resource = find();
    await params.dispose();
    await expect(resource.get('default', 'nemo')).rejects.toThrow('the server is stopping');
  });
});
