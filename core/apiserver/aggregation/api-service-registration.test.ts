import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { APIService } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { ApiTransport } from '../../contracts/api-transport.js';
import type { KubeObject } from '../../machinery/object.js';
import { StatusError } from '../../machinery/status-error.js';
import type { Follow } from './api-service-registration.js';
import { ApiServiceRegistration } from './api-service-registration.js';

type Feed = Parameters<Follow>[1];
const label = 'kube-aggregator.kubernetes.io/automanaged';

describe('the registration of APIServices', () => {
  let clock: FakeClock;
  let services: Map<string, APIService>;
  let feeds: Record<string, Feed>;
  let writes: string[];
  let failing: StatusError | undefined;
  let registration: ApiServiceRegistration;

  const put = (service: APIService): void => {
    services.set(service.metadata.name!, service);
    feeds['apiservices']?.upsert(service as unknown as KubeObject);
  };
  const remove = (name: string): void => {
    services.delete(name);
    feeds['apiservices']!.delete('', name);
  };
  const service = (name: string, mode: string | undefined, spec: object = {}): APIService =>
    ({ metadata: { name, uid: `uid of ${name}`, labels: mode ? { [label]: mode } : {} }, spec }) as unknown as APIService;
  const define = (name: string, versions: Readonly<Record<string, boolean>>): void =>
    feeds['customresourcedefinitions']!.upsert({
      metadata: { name },
      spec: {
        group: 'x.example.com',
        versions: Object.entries(versions).map(([version, served]) => ({ name: version, served })),
      },
    } as unknown as KubeObject);
  const wrote = async (): Promise<string[]> => {
    await clock.advance(0);
    return writes.splice(0).sort();
  };

  beforeEach(() => {
    clock = new FakeClock();
    services = new Map();
    feeds = {};
    writes = [];
    failing = undefined;
    const write = (verb: string, name: string): void => {
      writes.push(`${verb} ${name}`);
      if (failing) throw failing;
    };
    registration = new ApiServiceRegistration({
      clock,
      logger: silentLogger,
      local: [{ group: 'apps', version: 'v1', priority: { group: 17800, version: 15 } }],
      current: name => services.get(name),
      follow: ({ resource }, feed) => {
        feeds[resource] = feed;
        if (resource === 'apiservices') for (const each of services.values()) feed.upsert(each as unknown as KubeObject);
        return { dispose: () => undefined };
      },
      transport: {
        create: async ({ object }: { object: APIService }) => {
          write('create', object.metadata.name!);
          put(object);
        },
        update: async ({ object }: { object: APIService }) => {
          write('update', object.metadata.name!);
          put(object);
        },
        delete: async ({ name, options }: { name: string; options: object }) => {
          write('delete', name);
          expect(options).toEqual({ preconditions: { uid: `uid of ${name}` } });
          remove(name);
        },
      } as unknown as ApiTransport,
    });
  });
  afterEach(() => registration.dispose());

  it('makes those of this server once, and leaves them to the user then', async () => {
    await registration.start();
    expect(await wrote()).toEqual(['create v1.apps']);
    expect(services.get('v1.apps')).toMatchObject({
      metadata: { labels: { [label]: 'onstart' } },
      spec: { group: 'apps', version: 'v1', groupPriorityMinimum: 17800, versionPriority: 15 },
    });
    put(service('v1.apps', 'onstart', { group: 'other' }));
    remove('v1.apps');
    expect(await wrote()).toEqual([]);
  });

  it('puts back at the start what is its own, takes away what nobody serves, and leaves what is not its own', async () => {
    for (const each of [
      service('v1.apps', 'onstart', { group: 'changed' }),
      service('v1.gone', 'onstart'),
      service('v1.lost', 'true'),
      service('v1.taken', 'onstart', { service: { namespace: 'default', name: 'mine' } }),
      service('v1.users', undefined, { group: 'users' }),
    ])
      services.set(each.metadata.name!, each);
    await registration.start();
    expect(await wrote()).toEqual(['delete v1.gone', 'delete v1.lost', 'update v1.apps']);
    put(service('v1.late', 'onstart'));
    expect(await wrote()).toEqual([]);
  });

  it('keeps those of custom resources, as long as one definition serves the version', async () => {
    await registration.start();
    await wrote();
    define('a.x.example.com', { v1: true, v2: false });
    define('b.x.example.com', { v1: true });
    expect(await wrote()).toEqual(['create v1.x.example.com']);
    expect(services.get('v1.x.example.com')).toMatchObject({
      metadata: { labels: { [label]: 'true' } },
      spec: { groupPriorityMinimum: 1000, versionPriority: 100 },
    });
    put({ ...service('v1.x.example.com', 'true', { versionPriority: 1 }) });
    expect(await wrote()).toEqual(['update v1.x.example.com']);
    services.delete('v1.x.example.com');
    feeds['apiservices']!.delete('', 'v1.x.example.com');
    expect(await wrote()).toEqual(['create v1.x.example.com']);
    put(service('v1.x.example.com', 'true', services.get('v1.x.example.com')!.spec));
    define('a.x.example.com', { v2: true });
    expect(await wrote()).toEqual(['create v2.x.example.com']);
    feeds['customresourcedefinitions']!.delete('', 'b.x.example.com');
    expect(await wrote()).toEqual(['delete v1.x.example.com']);
  });

  it('does not take what somebody else has made for a version of custom resources', async () => {
    await registration.start();
    await wrote();
    put(service('v1.x.example.com', undefined, { service: { namespace: 'default', name: 'mine' } }));
    define('a.x.example.com', { v1: true });
    expect(await wrote()).toEqual([]);
  });

  it('tries again what failed, but not where somebody else was faster', async () => {
    failing = new StatusError(503, 'ServiceUnavailable', 'no');
    await registration.start();
    expect(await wrote()).toEqual(['create v1.apps']);
    failing = undefined;
    await clock.advance(5);
    expect(await wrote()).toEqual(['create v1.apps']);
    failing = new StatusError(409, 'AlreadyExists', 'no');
    define('a.x.example.com', { v1: true });
    expect(await wrote()).toEqual(['create v1.x.example.com']);
    await clock.advance(60_000);
    expect(await wrote()).toEqual([]);
  });
});
