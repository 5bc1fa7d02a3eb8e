import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { isStatusError, Resources } from '../plugin-api/index.js';
import type { Client, EndpointSlice, Namespace, ResourceClient, Service, ServicePort, ServiceSpec } from '../plugin-api/index.js';
import type { TestRunner } from './test-runner.js';
import { until } from './until.js';

/** A running cluster whose load balancer is the one under test. `startRestartableCluster(['--plugin', directory])` makes one. */
export interface LoadBalancerUnderTest {
  /** Of the cluster's administrator; another one after `restart`. */
  readonly client: Client;
  /** Stops the cluster and starts it again with the same objects; `meanwhile` changes them while no load balancer runs. */
  restart(meanwhile?: (client: Client) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export interface LoadBalancerSuiteOptions {
  /** What does not happen within this time does not happen; 10 s when absent. */
  readonly patienceMs?: number;
}

/** Pods behind a Service listen on 8080. */
type ServiceChanges = Omit<Partial<ServiceSpec>, 'ports'> & { ports?: readonly Omit<ServicePort, 'targetPort'>[] };

/** More than this many of the same port may all be served; then nothing can be said about those that wait. */
const rivals = 16;
const foreignAddress = '198.51.100.77';
const foreignClass = 'suite.example.com/somebody-else';

/**
 * What Services of type LoadBalancer are promised, through the API. A case has a cluster of its own, which is empty. Three Services
 * with different ports must be served at the same time.
 */
export function loadBalancerSuite(
  { describe, it }: TestRunner,
  makeSubject: () => Promise<LoadBalancerUnderTest>,
  { patienceMs = 10_000 }: LoadBalancerSuiteOptions = {},
): void {
  const promise = (name: string, body: (bench: Workbench) => Promise<void>): void =>
    it(name, async () => {
      const subject = await makeSubject();
      try {
        await body(new Workbench(subject, patienceMs));
      } finally {
        await subject.stop();
      }
    });

  describe('addresses', () => {
    promise('a Service of type LoadBalancer gets addresses, of its families', async bench => {
      await bench.create('web');
      const { spec, status } = await bench.served('web');
      for (const { ip, hostname, ipMode = 'VIP' } of status?.loadBalancer?.ingress ?? []) {
        assert.ok(ip === undefined || hostname === undefined, 'an entry is an address or a name');
        if (ip !== undefined)
          assert.ok(spec.ipFamilies?.includes(`IPv${isIP(ip)}`), `${ip} is none of ${spec.ipFamilies?.join()}`);
        assert.ok(['VIP', 'Proxy'].includes(ipMode), `ipMode ${ipMode}`);
      }
    });

    promise('Services of other types get none', async bench => {
      await bench.create('inner', { type: 'ClusterIP' });
      await bench.create('port', { type: 'NodePort' });
      await bench.create('headless', { type: 'ClusterIP', clusterIP: 'None' });
      await bench.create('outside', { type: 'ExternalName', externalName: 'example.com', ports: undefined });
      await bench.barrier();
      for (const name of ['inner', 'port', 'headless', 'outside']) assert.deepEqual(await bench.addresses(name), [], name);
    });

    promise('one of another loadBalancerClass is left alone', async bench => {
      await bench.create('foreign', { loadBalancerClass: foreignClass });
      await bench.create('waiting', { loadBalancerClass: foreignClass, ports: [{ name: 'a', port: 8181 }] });
      await bench.writeIngress('foreign', [{ ip: foreignAddress }]);
      await bench.barrier();
      assert.deepEqual(await bench.addresses('foreign'), [foreignAddress]);
      assert.deepEqual(await bench.addresses('waiting'), []);
    });

    promise('no node ports are needed', async bench => {
      await bench.create('web', { allocateLoadBalancerNodePorts: false });
      await bench.served('web');
    });

    promise('TCP and UDP on one number are two ports', async bench => {
      await bench.create('both', {
        ports: [
          { name: 'tcp', port: 8053, protocol: 'TCP' },
          { name: 'udp', port: 8053, protocol: 'UDP' },
        ],
      });
      await bench.create('tcp', { ports: [{ port: 8153, protocol: 'TCP' }] });
      await bench.create('udp', { ports: [{ port: 8153, protocol: 'UDP' }] });
      for (const name of ['both', 'tcp', 'udp']) await bench.served(name);
    });

    promise('Services of one name in two namespaces both get theirs', async bench => {
      const metadata = { name: 'other' };
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata } as Namespace;
      await bench.subject.client.resource(Resources.Namespaces).create(namespace);
      await bench.create('web');
      await bench.create('web', { ports: [{ port: 8182 }] }, 'other');
      await bench.served('web');
      await bench.served('web', 'other');
    });

    promise('with externalTrafficPolicy Local there is one once an endpoint is ready', async bench => {
      await bench.create('local', { externalTrafficPolicy: 'Local', selector: undefined });
      await bench.addEndpoint('local');
      await bench.served('local');
    });

    promise('no address and port is given to two', async bench => {
      await bench.fill();
      const taken = new Map<string, string>();
      for (const { metadata, spec, status } of await bench.services().objects()) {
        for (const { ip = '', hostname = '', ports } of status?.loadBalancer?.ingress ?? []) {
          for (const { port, protocol = 'TCP' } of ports ?? spec.ports ?? []) {
            const key = `${ip}${hostname}:${port}/${protocol}`;
            assert.equal(taken.get(key), undefined, `${key} is given to ${taken.get(key)} and ${metadata.name}`);
            taken.set(key, metadata.name!);
          }
        }
      }
    });

    promise('one that cannot be served says why, and is served when it can be', async bench => {
      const { served, waiting } = await bench.fill();
      if (waiting.length === 0) return;
      await bench.services().delete(served[0]!);
      await until(`an address for one of ${waiting.join(', ')}`, patienceMs, async () => {
        const found = await Promise.all(waiting.map(name => bench.addresses(name)));
        return found.some(addresses => addresses.length > 0);
      });
    });
  });

  describe('changes', () => {
    promise('a Service that becomes one gets an address, and loses it when it is none any more', async bench => {
      await bench.create('web', { type: 'ClusterIP' });
      for (let round = 0; round < 2; round++) {
        await bench.patch('web', { spec: { type: 'LoadBalancer' } });
        await bench.served('web');
        await bench.patch('web', { spec: { type: 'ClusterIP' } });
        await bench.unserved('web');
      }
    });

    promise('other ports keep the address', async bench => {
      await bench.create('web');
      const before = await bench.served('web');
      await bench.patch('web', { spec: { ports: [{ name: 'new', port: 8183 }] } });
      await bench.barrier();
      assert.deepEqual(await bench.addresses('web'), addressesOf(before));
    });

    promise('a deletion comes to its end, and what it held can be had again', async bench => {
      let room: number | undefined;
      for (const round of ['first', 'second']) {
        const { served, waiting } = await bench.fill(round);
        assert.equal(served.length, (room ??= served.length), 'as many as before');
        // Those that wait go first, so that nobody moves up.
        for (const name of [...waiting, ...served]) await bench.services().delete(name);
        for (const name of served) await until(`the end of ${name}`, patienceMs, () => bench.isGone(name));
      }
    });

    promise('an address that somebody else wrote or removed is put right', async bench => {
      await bench.create('web');
      const before = addressesOf(await bench.served('web'));
      for (const wrong of [null, [{ ip: foreignAddress }]]) {
        await bench.writeIngress('web', wrong);
        await until(`${before.join()} again`, patienceMs, async () => (await bench.addresses('web')).join() === before.join());
      }
    });

    promise('what others wrote in the object stays', async bench => {
      const created = await bench.create('web');
      await bench.served('web');
      const conditions = [
        { type: 'Suite', status: 'True', reason: 'Tested', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ];
      await bench.services().subresource('status').patch('web', 'merge', { status: { conditions } });
      await bench.writeIngress('web', null);
      const { metadata, spec, status } = await bench.served('web');
      assert.deepEqual(spec, created.spec);
      assert.deepEqual(metadata.labels, created.metadata.labels);
      assert.equal(metadata.annotations?.['suite.example.com/note'], 'of the suite');
      assert.ok(
        status?.conditions?.some(({ type }) => type === 'Suite'),
        'the condition of somebody else is gone',
      );
    });

    promise('what is so already is not written again', async bench => {
      await bench.create('web');
      const before = await bench.served('web');
      for (let round = 0; round < 2; round++) {
        await bench.barrier();
        assert.equal((await bench.services().get('web')).metadata.resourceVersion, before.metadata.resourceVersion);
      }
    });
  });

  describe('restarts', () => {
    promise('addresses stay, without a moment in between', async bench => {
      const before: Service[] = [];
      for (const name of ['one', 'two']) {
        await bench.create(name, { ports: [{ port: 8190 + name.length + before.length }] });
        before.push(await bench.served(name));
      }
      await bench.subject.restart();
      await bench.barrier();
      for (const { metadata, status } of before) {
        const after = await bench.services().get(metadata.name!);
        assert.deepEqual(after.status?.loadBalancer, status?.loadBalancer);
        assert.equal(after.metadata.resourceVersion, metadata.resourceVersion, `${metadata.name} was written to`);
      }
    });

    promise('what came, went or changed meanwhile is seen', async bench => {
      await bench.create('changed');
      await bench.create('gone', { ports: [{ port: 8191 }] });
      await bench.served('changed');
      await bench.served('gone');
      await bench.subject.restart(async client => {
        const services = client.resource(Resources.Services, 'default');
        await services.patch('changed', 'merge', { spec: { type: 'ClusterIP' } });
        // One whose finalizer needs the load balancer goes when that is there.
        await services.delete('gone');
        await services.create(serviceOf('came', { ports: [{ port: 8192 }] }));
      });
      await bench.served('came');
      await bench.unserved('changed');
      await until('the end of the deletion', patienceMs, () => bench.isGone('gone'));
      await bench.create('again', { ports: [{ port: 8191 }] });
      await bench.served('again');
    });
  });
}

/** What the cases are written in. */
class Workbench {
  readonly subject: LoadBalancerUnderTest;
  readonly #patienceMs: number;
  #barriers = 0;

  constructor(subject: LoadBalancerUnderTest, patienceMs: number) {
    this.subject = subject;
    this.#patienceMs = patienceMs;
  }

  services(namespace = 'default'): ResourceClient<Service> {
    return this.subject.client.resource(Resources.Services, namespace);
  }

  create(name: string, spec: ServiceChanges = {}, namespace?: string): Promise<Service> {
    return this.services(namespace).create(serviceOf(name, spec));
  }

  patch(name: string, patch: object): Promise<Service> {
    return this.services().patch(name, 'merge', patch);
  }

  writeIngress(name: string, ingress: readonly object[] | null): Promise<Service> {
    return this.services()
      .subresource('status')
      .patch(name, 'merge', { status: { loadBalancer: { ingress } } });
  }

  async addresses(name: string): Promise<string[]> {
    return addressesOf(await this.services().get(name));
  }

  /** Waits for an address; the object that has it. */
  served(name: string, namespace?: string): Promise<Service> {
    return until(`an address for ${name}`, this.#patienceMs, async () => {
      const service = await this.services(namespace).get(name);
      return addressesOf(service).length > 0 && service;
    });
  }

  async unserved(name: string): Promise<void> {
    await until(`no address for ${name}`, this.#patienceMs, async () => (await this.addresses(name)).length === 0);
  }

  async isGone(name: string): Promise<boolean> {
    try {
      await this.services().get(name);
      return false;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return true;
      throw error;
    }
  }

  /** A Service that came later is served: what came before was seen. */
  async barrier(): Promise<void> {
    const name = `barrier-${++this.#barriers}`;
    await this.create(name, { ports: [{ port: 8300 + this.#barriers }] });
    await this.served(name);
    await this.services().delete(name);
    await until(`the end of ${name}`, this.#patienceMs, () => this.isGone(name));
  }

  /** Many Services of the same port, until each has an address or an event that says why not. */
  async fill(prefix = 'rival'): Promise<{ served: string[]; waiting: string[] }> {
    const names = Array.from({ length: rivals }, (_, index) => `${prefix}-${index}`);
    await Promise.all(names.map(name => this.create(name)));
    const events = this.subject.client.resource(Resources.Events, 'default');
    const served: string[] = [];
    const waiting: string[] = [];
    await until('an address or a Warning event for each Service', this.#patienceMs, async () => {
      const warned = new Set((await events.objects()).filter(isWarning).map(({ involvedObject }) => involvedObject.name));
      served.length = waiting.length = 0;
      for (const service of await this.services().objects()) {
        const name = service.metadata.name!;
        if (addressesOf(service).length > 0) served.push(name);
        else if (warned.has(name)) waiting.push(name);
      }
      return served.length + waiting.length === rivals;
    });
    return { served, waiting };
  }

  /** What the endpoint slice controller writes when a pod of the Service is ready. */
  async addEndpoint(serviceName: string): Promise<void> {
    const [node] = await this.subject.client.resource(Resources.Nodes).objects();
    const slice: EndpointSlice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${serviceName}-suite`, labels: { 'kubernetes.io/service-name': serviceName } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.42.0.200'], conditions: { ready: true }, nodeName: node?.metadata.name }],
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    };
    await this.subject.client.resource(Resources.EndpointSlices, 'default').create(slice);
  }
}

const isWarning = ({ type, message }: { type?: string; message?: string }): boolean => type === 'Warning' && !!message;

function serviceOf(name: string, spec: ServiceChanges = {}): Service {
  const metadata = { name, labels: { app: name }, annotations: { 'suite.example.com/note': 'of the suite' } };
  const ports = ('ports' in spec ? (spec.ports ?? []) : [{ port: 8180 }]).map(port => ({ ...port, targetPort: 8080 }));
  const whole = { type: 'LoadBalancer', selector: { app: name }, ...spec, ...(ports.length > 0 && { ports }) };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: whole } as unknown as Service;
}

function addressesOf({ status }: Service): string[] {
  return (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '');
}
