import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { APIService } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { ApiTransport } from '../../contracts/api-transport.js';
import { StatusError } from '../../machinery/status-error.js';
import type { ResourceStores } from '../registry/resource-definition.js';
import { AvailabilityController } from './availability-controller.js';
import { AvailabilityMetrics } from './availability-metrics.js';
import { FakeExtension } from './testing/fake-extension.js';

const name = 'v1.fish.example.com';

/** As much of a cache as the controller reads. */
class FakeCache {
  readonly objects = new Map<string, object>();
  readonly listeners: ((event: object) => void)[] = [];

  get(_namespace: string, key: string): { object: object } | undefined {
    const object = this.objects.get(key);
    return object && { object };
  }

  *entries(): Generator<object> {
    for (const object of this.objects.values()) {
      yield { labels: (object as { metadata: { labels: object } }).metadata.labels, object };
    }
  }

  listen(listener: (event: object) => void): { dispose(): void } {
    this.listeners.push(listener);
    return { dispose: () => undefined };
  }

  put(key: string, object: object): void {
    this.objects.set(key, object);
    const { labels = {}, namespace = '' } = (object as { metadata: { labels?: object; namespace?: string } }).metadata;
    for (const listener of this.listeners) listener({ type: 'put', entry: { namespace, name: key, labels } });
  }
}

describe('the availability of APIServices', () => {
  let clock: FakeClock;
  let caches: Record<'apiservices' | 'services' | 'endpointslices', FakeCache>;
  let fish: FakeExtension;
  let writes: number;
  let refuse: StatusError | undefined;
  let metrics: AvailabilityMetrics;
  let controller: AvailabilityController;

  const put = (spec: object): void => {
    const service = { metadata: { name }, spec: { group: 'fish.example.com', version: 'v1', ...spec }, status: {} };
    caches.apiservices.put(name, service);
    controller.upsert(service as unknown as APIService);
  };
  const remote = { service: { namespace: 'default', name: 'fish', port: 443 } };
  const condition = (): unknown => {
    const { status } = caches.apiservices.objects.get(name) as APIService;
    return status.conditions?.map(({ status: is, reason }) => [is, reason]);
  };
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      await new Promise(resolve => setImmediate(resolve));
      await clock.advance(0);
    }
  };

  beforeEach(() => {
    clock = new FakeClock();
    caches = { apiservices: new FakeCache(), services: new FakeCache(), endpointslices: new FakeCache() };
    fish = new FakeExtension(() => ({}));
    writes = 0;
    refuse = undefined;
    metrics = new AvailabilityMetrics();
    controller = new AvailabilityController({
      transport: {
        update: async ({ object }: { object: APIService }) => {
          writes++;
          if (refuse) throw refuse;
          caches.apiservices.objects.set(name, object);
          controller.upsert(object);
          return object;
        },
      } as unknown as ApiTransport,
      stores: {
        get: ({ resource }: { resource: keyof typeof caches }) => ({ cache: caches[resource] }),
      } as unknown as ResourceStores,
      clock,
      logger: silentLogger,
      metrics,
      server: () => fish.server,
    });
    controller.start();
  });
  afterEach(() => controller.dispose());

  const complete = (): void => {
    caches.services.put('fish', { metadata: { namespace: 'default' }, spec: { ports: [{ name: 'https', port: 443 }] } });
    caches.endpointslices.put('fish-1', {
      metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': 'fish' } },
      endpoints: [{ addresses: ['192.0.2.9'] }],
      ports: [{ name: 'https', port: 8443 }],
    });
  };

  it('is true at once for those of this server, and nothing is looked at again', async () => {
    put({});
    await settle();
    expect([condition(), clock.pendingTimers]).toEqual([[['True', 'Local']], 0]);
  });

  it('is looked at when the Service or its endpoints change, and every half minute', async () => {
    put(remote);
    await settle();
    expect(condition()).toEqual([['False', 'ServiceNotFound']]);
    complete();
    await settle();
    expect([condition(), writes, fish.asked.length]).toEqual([[['True', 'Passed']], 2, 5]);
    await clock.advance(29_999);
    expect(fish.asked).toHaveLength(5);
    await clock.advance(1);
    await settle();
    expect([writes, fish.asked.length]).toEqual([2, 10]);
    caches.services.put('other', { metadata: { namespace: 'default' } });
    await settle();
    expect(fish.asked).toHaveLength(10);
  });

  it('is true when one of its endpoints answers', async () => {
    complete();
    let asked = 0;
    fish.answer = () => (++asked === 3 ? {} : { status: 404 });
    put(remote);
    await settle();
    expect(condition()).toEqual([['True', 'Passed']]);
  });

  it('is false when nobody answers in time, and looked at soon again', async () => {
    complete();
    fish.answer = () => new Promise(() => undefined);
    put(remote);
    await settle();
    await clock.advance(5000);
    await settle();
    expect(condition()).toEqual([['False', 'FailedDiscoveryCheck']]);
    const { status } = caches.apiservices.objects.get(name) as APIService;
    const url = 'https://192.0.2.9:8443/apis/fish.example.com/v1';
    expect(status.conditions![0]!.message).toBe(
      `failing or missing response from ${url}: Get "${url}": context deadline exceeded`,
    );
    fish.answer = () => ({});
    await clock.advance(5);
    await settle();
    expect(condition()).toEqual([['True', 'Passed']]);
    expect(metrics.text()).toContain(`aggregator_unavailable_apiservice{name="${name}"} 0`);
  });

  it('is written again when somebody else has written meanwhile', async () => {
    refuse = new StatusError(409, 'Conflict', 'no');
    put({});
    await settle();
    expect(writes).toBe(1);
    refuse = undefined;
    await clock.advance(5);
    await settle();
    expect([writes, condition()]).toEqual([2, [['True', 'Local']]]);
  });

  it('ends with the APIService', async () => {
    complete();
    put(remote);
    await settle();
    caches.apiservices.objects.delete(name);
    controller.delete('', name);
    await clock.advance(30_000);
    await settle();
    expect([clock.pendingTimers, metrics.text().includes(name)]).toEqual([0, false]);
  });
});
