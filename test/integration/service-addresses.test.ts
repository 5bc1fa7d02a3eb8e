import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Endpoints,
  EndpointSlices,
  IPAddresses,
  Namespaces,
  ServiceCIDRs,
  Services,
} from '../../core/api/generated/resources.js';
import type { IPAddress, Service, ServiceCIDR } from '../../core/api/generated/types.js';
import { SystemClock } from '../../core/base/clock.js';
import { silentLogger } from '../../core/base/logger.js';
import { Client } from '../../core/client/client.js';
import { produce } from '../../core/machinery/object.js';
import { isStatusError, serviceUnavailable } from '../../core/machinery/status-error.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';

const admin = { name: 'admin', groups: ['system:masters'] };

async function eventually<T>(read: () => Promise<T>, isRight: (value: T) => boolean): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    let value: T | undefined;
    try {
      value = await read();
      if (isRight(value)) return value;
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    if (attempt === 200) throw new Error(`still ${JSON.stringify(value)}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

describe('addresses of Services', () => {
  let server: RunningApiServer;
  let client: Client;
  beforeAll(async () => {
    server = await startApiServer();
    client = new Client(server.part.transport, admin);
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    for (const { metadata } of await services().objects())
      if (metadata.name !== 'kubernetes') await services().delete(metadata.name!);
  });

  const services = () => client.resource(Services, 'default');
  const addresses = () => client.resource(IPAddresses);
  const names = async (): Promise<string[]> => (await addresses().objects()).map(({ metadata }) => metadata.name!).sort();
  const create = (name: string, spec: object = {}): Promise<Service> =>
    services().create({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } } as unknown as Service);
  const createAddress = (name: string): Promise<IPAddress> =>
    addresses().create({
      metadata: { name },
      spec: { parentRef: { group: 'example.com', resource: 'routers', name: 'r' } },
    } as unknown as IPAddress);

  it('has the default range, ready, and the address of the API', async () => {
    const range = await client.resource(ServiceCIDRs).get('kubernetes');
    expect(range.spec.cidrs).toEqual(['10.43.0.0/16']);
    expect(range.status?.conditions).toEqual([
      {
        type: 'Ready',
        status: 'True',
        reason: '',
        message: 'Kubernetes default Service CIDR is ready',
        lastTransitionTime: expect.any(String),
      },
    ]);
    expect(await names()).toEqual(['10.43.0.1']);
  });

  it('are IPAddress objects that come and go with their Service', async () => {
    const { spec } = await create('web');
    const object = await addresses().get(spec.clusterIP!);
    expect(object.metadata.labels).toEqual({
      'ipaddress.kubernetes.io/ip-family': 'IPv4',
      'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
    });
    expect(object.spec.parentRef).toEqual({ resource: 'services', namespace: 'default', name: 'web' });
    await services().delete('web');
    expect(await names()).toEqual(['10.43.0.1']);
    expect((await create('web', { clusterIP: spec.clusterIP })).spec.clusterIP).toBe(spec.clusterIP);
  });

  it('are not given to a Service while an IPAddress has them', async () => {
    await createAddress('10.43.7.7');
    await expect(create('late', { clusterIP: '10.43.7.7' })).rejects.toThrow(
      'spec.clusterIPs: Invalid value: ["10.43.7.7"]: failed to allocate IP 10.43.7.7: provided IP is already allocated',
    );
    await addresses().delete('10.43.7.7');
    expect((await create('late', { clusterIP: '10.43.7.7' })).spec.clusterIP).toBe('10.43.7.7');
  });

  it('are given back by what is not stored', async () => {
    await create('web');
    const before = await names();
    await expect(create('web')).rejects.toThrow('already exists');
    await expect(create('bad', { ports: [] })).rejects.toThrow('spec.ports');
    const dry = await services().create({ metadata: { name: 'dry' }, spec: { ports: [{ port: 80 }] } } as unknown as Service, {
      dryRun: true,
    });
    expect(dry.spec.clusterIP).toMatch(/^10\.43\./);
    expect(await names()).toEqual(before);
  });

  it('are given back by a Service that needs none any more', async () => {
    const service = await create('web');
    await services().update(
      'web',
      produce(service, draft => {
        draft.spec = { type: 'ExternalName', externalName: 'example.com' };
      }),
    );
    await eventually(names, list => list.join() === '10.43.0.1');
  });

  it('are never given twice, however many ask at once', async () => {
    const made = await Promise.all(Array.from({ length: 200 }, (_, index) => create(`many-${index}`)));
    expect(new Set(made.map(({ spec }) => spec.clusterIP)).size).toBe(200);
    const asked = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => create(`one-${index}`, { clusterIP: '10.43.9.9' })),
    );
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await names()).toHaveLength(202);
  });

  it('come out of further ranges too, as long as these are ready', async () => {
    const ranges = client.resource(ServiceCIDRs);
    const outside = 'the provided network does not match the current range';
    await expect(create('far', { clusterIP: '10.99.0.5' })).rejects.toThrow(outside);
    await ranges.create({
      metadata: { name: 'more', finalizers: ['x/y'] },
      spec: { cidrs: ['10.99.0.0/24'] },
    } as unknown as ServiceCIDR);
    const { spec } = await create('far', { clusterIP: '10.99.0.5' });
    expect(spec.clusterIP).toBe('10.99.0.5');
    await ranges.delete('more');
    await eventually(
      async () => {
        try {
          await create('further', { clusterIP: '10.99.0.6' });
        } catch (error) {
          return String(error);
        }
        await services().delete('further');
        return '';
      },
      text => text.includes(outside),
    );
    await ranges.patch('more', 'merge', { metadata: { finalizers: null } });
  });

  it('get their object back when somebody deletes it', async () => {
    const { spec } = await create('web');
    await addresses().delete(spec.clusterIP!);
    const again = await eventually(
      () => addresses().get(spec.clusterIP!),
      () => true,
    );
    expect(again.spec.parentRef).toMatchObject({ name: 'web' });
  });

  it('are repaired after a crash: missing ones made, those that leaked removed', async () => {
    const clock = new SystemClock();
    const datastore = new MemoryDatastore({ clock, logger: silentLogger });
    await datastore.open();
    const prefix = '/registry/ipaddresses/';
    const first = await startApiServer({ sharedDatastore: datastore });
    const firstClient = new Client(first.part.transport, admin);
    const web = await firstClient
      .resource(Services, 'default')
      .create({ metadata: { name: 'web' }, spec: { ports: [{ port: 80 }] } } as unknown as Service);
    await first.stop();
    // As an older version left it, and as a crash between two writes does.
    const stored = await datastore.get(prefix + web.spec.clusterIP!);
    await datastore.delete(prefix + web.spec.clusterIP!, stored!.modRevision);
    const leaked = JSON.parse(Buffer.from(stored!.value).toString()) as IPAddress;
    const orphan = { ...leaked, metadata: { ...leaked.metadata, name: '10.43.8.8', creationTimestamp: '2026-01-01T00:00:00Z' } };
    await datastore.create(`${prefix}10.43.8.8`, Buffer.from(JSON.stringify(orphan)));
    const second = await startApiServer({ sharedDatastore: datastore });
    const list = async (): Promise<string> => {
      const objects = await new Client(second.part.transport, admin).resource(IPAddresses).objects();
      return objects
        .map(({ metadata }) => metadata.name!)
        .sort()
        .join();
    };
    await eventually(list, text => text === ['10.43.0.1', web.spec.clusterIP].sort().join());
    await second.stop();
    await datastore.close();
  });

  it('lets two servers over one datastore never give one address twice', async () => {
    const clock = new SystemClock();
    const datastore = new MemoryDatastore({ clock, logger: silentLogger });
    await datastore.open();
    // Small enough for both to pick the same: who comes second picks again.
    const options = { sharedDatastore: datastore, serviceCidrs: ['10.43.9.0/26'] };
    const servers = [await startApiServer(options), await startApiServer(options)];
    try {
      const clients = servers.map(({ part }) => new Client(part.transport, admin).resource(Services, 'default'));
      const ask = (name: string, at: number, clusterIP?: string): Promise<Service> =>
        clients[at % 2]!.create({ metadata: { name }, spec: { ports: [{ port: 80 }], clusterIP } } as unknown as Service);
      const asked = await Promise.allSettled(Array.from({ length: 10 }, (_, at) => ask(`one-${at}`, at, '10.43.9.9')));
      expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const made = await Promise.all(Array.from({ length: 40 }, (_, at) => ask(`many-${at}`, at)));
      expect(new Set(made.map(({ spec }) => spec.clusterIP)).size).toBe(40);
    } finally {
      for (const running of servers) await running.stop();
      await datastore.close();
    }
  });
});

describe('addresses and standing objects while writes fail', () => {
  it('go on: a Service is deleted though its address stays, what is missing is tried again', async () => {
    const refused: string[] = [];
    let [refusesAddresses, refusesServices] = [true, 0];
    const server = await startApiServer({
      admission: [
        {
          name: 'Refusing',
          validate({ operation, resource, name }) {
            const isRefused =
              (refusesAddresses && operation === 'DELETE' && resource === 'ipaddresses') ||
              (operation === 'CREATE' && resource === 'services' && name === 'kubernetes' && refusesServices-- > 0);
            if (!isRefused) return;
            refused.push(`${operation} ${resource}`);
            throw serviceUnavailable('not now');
          },
        },
      ],
    });
    const client = new Client(server.part.transport, admin);
    const services = client.resource(Services, 'default');
    try {
      const web = await services.create({ metadata: { name: 'web' }, spec: { ports: [{ port: 80 }] } } as unknown as Service);
      await services.delete('web');
      expect((await client.resource(IPAddresses).get(web.spec.clusterIP!)).spec.parentRef).toMatchObject({ name: 'web' });
      refusesAddresses = false;
      refusesServices = 1;
      await services.delete('kubernetes');
      await eventually(
        () => services.get('kubernetes'),
        () => true,
      );
      expect(refused).toEqual(['DELETE ipaddresses', 'CREATE services']);
    } finally {
      await server.stop();
    }
  });
});

describe('a server that finds the address of the API taken', () => {
  it('starts all the same, and takes the address when it is free', async () => {
    const clock = new SystemClock();
    const datastore = new MemoryDatastore({ clock, logger: silentLogger });
    await datastore.open();
    const servicesOf = ({ part }: RunningApiServer) => new Client(part.transport, admin).resource(Services, 'default');
    const first = await startApiServer({ sharedDatastore: datastore });
    await servicesOf(first).delete('kubernetes');
    const thief = { metadata: { name: 'thief' }, spec: { clusterIP: '10.43.0.1', ports: [{ port: 80 }] } };
    await servicesOf(first).create(thief as unknown as Service);
    await first.stop();
    const second = await startApiServer({ sharedDatastore: datastore });
    await expect(servicesOf(second).get('kubernetes')).rejects.toThrow('not found');
    await servicesOf(second).delete('thief');
    const { spec } = await eventually(
      () => servicesOf(second).get('kubernetes'),
      () => true,
    );
    expect(spec.clusterIP).toBe('10.43.0.1');
    await second.stop();
    await datastore.close();
  });
});

describe('what every cluster has', () => {
  let server: RunningApiServer;
  let client: Client;
  beforeAll(async () => {
    server = await startApiServer();
    client = new Client(server.part.transport, admin);
  });
  afterAll(() => server.stop());

  it('comes back when it is deleted', async () => {
    const services = client.resource(Services, 'default');
    const before = await services.get('kubernetes');
    await services.delete('kubernetes');
    const after = await eventually(
      () => services.get('kubernetes'),
      () => true,
    );
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
    expect(after.spec.clusterIP).toBe('10.43.0.1');
    const endpoints = await eventually(
      () => client.resource(Endpoints, 'default').get('kubernetes'),
      () => true,
    );
    expect(endpoints.subsets?.[0]?.addresses).toEqual([{ ip: '192.0.2.1' }]);
    await client.resource(EndpointSlices, 'default').delete('kubernetes');
    await eventually(
      () => client.resource(EndpointSlices, 'default').get('kubernetes'),
      () => true,
    );
  });

  it('comes back as it was when somebody empties it, and keeps what other servers wrote', async () => {
    const endpoints = client.resource(Endpoints, 'default');
    await endpoints.patch('kubernetes', 'merge', { subsets: [{ addresses: [{ ip: '192.0.2.9' }], ports: [{ port: 1 }] }] });
    const mended = await eventually(
      () => endpoints.get('kubernetes'),
      ({ subsets }) => subsets?.[0]?.addresses?.length === 2,
    );
    expect(mended.subsets?.[0]?.addresses).toEqual([{ ip: '192.0.2.1' }, { ip: '192.0.2.9' }]);
  });

  it('has namespaces that come back', async () => {
    const namespaces = client.resource(Namespaces);
    await namespaces.delete('kube-node-lease');
    const finalized = await namespaces.get('kube-node-lease');
    await namespaces.subresource('finalize').update(
      'kube-node-lease',
      produce(finalized, draft => void (draft.spec = { finalizers: [] })),
    );
    const again = await eventually(
      () => namespaces.get('kube-node-lease'),
      ({ metadata }) => metadata.uid !== finalized.metadata.uid,
    );
    expect(again.status?.phase).toBe('Active');
  });

  it('has a default range that comes back', async () => {
    const ranges = client.resource(ServiceCIDRs);
    await ranges.delete('kubernetes');
    const again = await eventually(
      () => ranges.get('kubernetes'),
      ({ status }) => status?.conditions?.[0]?.status === 'True',
    );
    expect(again.spec.cidrs).toEqual(['10.43.0.0/16']);
  });
});
