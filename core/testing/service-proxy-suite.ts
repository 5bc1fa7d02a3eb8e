import assert from 'node:assert/strict';
import { Resources } from '../plugin-api/index.js';
import type { Client, Endpoint, EndpointSlice, Service, ServicePort, ServiceSpec } from '../plugin-api/index.js';
import type { Protocol, Question } from './network-talk.js';
import type { TestRunner } from './test-runner.js';

/** From where a case asks, and where endpoints are. */
export interface Place {
  readonly name: string;
  readonly address: string;
  /** `NAME CLIENT_ADDRESS` of who answered, or `error CODE`, for each time. */
  ask(question: Question): Promise<string[]>;
  /** A server that answers with its name and who asked. What it resolves ends it. */
  answer(port: number, protocol: Protocol): Promise<() => Promise<void>>;
}

/** A service proxy under test, on a running node. Cases share nothing; each gets one of its own. */
export interface ServiceProxyUnderTest {
  readonly client: Client;
  readonly nodeName: string;
  /** Where node ports answer. */
  readonly nodeAddress: string;
  readonly node: Place;
  readonly pods: readonly [Place, Place];
  /** Pods have networks of their own and ask from there, and ClusterIPs can be carried. False: node ports alone are looked at. */
  readonly carriesClusterIps: boolean;
  /** Services go on while k3s is stopped. */
  readonly outlivesStop: boolean;
  /** An orderly stop of k3s and a next start, with the objects kept. */
  restart(whileStopped?: () => Promise<void>): Promise<Client>;
  /** How long a case waits for what must come; 15 s when absent. */
  readonly patienceMs?: number;
  dispose(): Promise<void>;
}

/**
 * Every promise of a service proxy that can be seen from its node and from pods. Without `clusterAddresses` those that need pods with
 * networks of their own are left out.
 */
export function serviceProxySuite(
  { describe, it }: TestRunner,
  subject: () => Promise<ServiceProxyUnderTest>,
  { clusterAddresses = true }: { readonly clusterAddresses?: boolean } = {},
): void {
  const test: Case = (name, body) =>
    it(name, async () => {
      const bench = new ProxyWorkbench(await subject());
      try {
        await body(bench);
      } finally {
        await bench.dispose();
      }
    });
  const inside: Case = (name, body) =>
    test(name, async bench => {
      if (bench.subject.carriesClusterIps) await body(bench);
    });
  describe('node ports', () => nodePortCases(test));
  if (clusterAddresses) describe('cluster addresses', () => clusterCases(inside));
  describe('a new start', () => restartCases(test));
}

type Case = (name: string, body: (bench: ProxyWorkbench) => Promise<void>) => void;

interface Asking {
  readonly from?: Place;
  readonly protocol?: Protocol;
  readonly times?: number;
  readonly localPort?: number;
}

interface Target {
  readonly place: Place;
  readonly conditions?: Endpoint['conditions'];
  readonly nodeName?: string;
}

class ProxyWorkbench {
  readonly subject: ServiceProxyUnderTest;
  client: Client;
  readonly #closing: (() => Promise<void>)[] = [];
  #nextPort = 21_000 + (process.pid % 400);

  constructor(subject: ServiceProxyUnderTest) {
    this.subject = subject;
    this.client = subject.client;
  }

  /** Servers of a protocol in both pods, each on a port of its own: the pods may share an address. */
  async servers(protocol: Protocol = 'TCP'): Promise<{ place: Place; port: number }[]> {
    const made: { place: Place; port: number }[] = [];
    for (const place of this.subject.pods) {
      const port = this.#nextPort++;
      this.#closing.push(await place.answer(port, protocol));
      made.push({ place, port });
    }
    return made;
  }

  /** Creates a Service; its endpoints are `point`ed to by hand. */
  async service(name: string, spec: GivenSpec): Promise<Service> {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec } as Service;
    return this.client.resource(Resources.Services, 'default').create(service);
  }

  /** One slice for each port, so that each endpoint may have another one. */
  async point(
    service: string,
    targets: readonly (Target & { readonly port: number })[],
    options: SliceOptions = {},
  ): Promise<void> {
    const { protocol = 'TCP', portName = '' } = options;
    const slices = this.client.resource(Resources.EndpointSlices, 'default');
    const old = await slices.list({ labelSelector: `kubernetes.io/service-name=${service},port=${portName || 'only'}` });
    const wanted = targets.map(({ place, port, conditions, nodeName = this.subject.nodeName }, index): EndpointSlice => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${service}-${portName || 'only'}-${index}`,
        labels: { 'kubernetes.io/service-name': service, port: portName || 'only' },
      },
      addressType: 'IPv4',
      endpoints: [{ addresses: [place.address], conditions: conditions ?? { ready: true }, nodeName }],
      ports: [{ name: portName, protocol, port }],
    }));
    for (const slice of wanted) {
      const name = slice.metadata.name!;
      if (old.entries.some(entry => entry.name === name)) await slices.update(name, slice);
      else await slices.create(slice);
    }
    for (const { name } of old.entries) {
      if (!wanted.some(({ metadata }) => metadata.name === name)) await slices.delete(name);
    }
  }

  async ask(address: string, port: number, asking: Asking = {}): Promise<string[]> {
    const { from = this.subject.node, protocol = 'TCP', times = 1, localPort = 0 } = asking;
    return from.ask({ address, port, protocol, times, localPort, timeoutMs: 1000 });
  }

  /** Who answers: names without the clients' addresses, or errors. */
  async names(address: string, port: number, asking: Asking = {}): Promise<string[]> {
    return (await this.ask(address, port, asking)).map(said => (said.startsWith('error') ? said : said.split(' ')[0]!));
  }

  /** Asks until all of the answers are as wanted, since rules come a little after objects. */
  async until(wanted: RegExp, address: string, port: number, asking: Asking = {}): Promise<void> {
    for (const deadline = Date.now() + (this.subject.patienceMs ?? 15_000); ;) {
      const said = await this.names(address, port, asking);
      if (said.every(each => wanted.test(each))) return;
      assert.ok(Date.now() < deadline, `${address}:${port} says ${said.join(', ')}, not ${String(wanted)}`);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  /** Asks until both pods answer, and nothing else. */
  async untilBoth(address: string, port: number, from = this.subject.node): Promise<void> {
    for (const deadline = Date.now() + (this.subject.patienceMs ?? 15_000); ;) {
      const said = [...new Set(await this.names(address, port, { from, times: 40 }))].sort().join(', ');
      if (said === 'pod-a, pod-b') return;
      assert.ok(Date.now() < deadline, `${address}:${port} says ${said} to ${from.name}`);
    }
  }

  async dispose(): Promise<void> {
    for (const close of this.#closing) await close();
    await this.subject.dispose();
  }
}

/** What a user writes: the API server fills in the rest. */
type GivenSpec = Omit<ServiceSpec, 'ports'> & { readonly ports?: readonly Partial<ServicePort>[] };

interface SliceOptions {
  readonly protocol?: Protocol;
  readonly portName?: string;
}

const refused = /^error (ECONNREFUSED)$/;
/** Of a datagram nobody needs to say that it was not wanted. */
const unanswered = /^error (ECONNREFUSED|TIMEOUT)$/;

function nodePortOf(service: Service, index = 0): number {
  const port = service.spec.ports?.[index]?.nodePort;
  assert.ok(port, 'a node port');
  return port;
}

function nodePortCases(test: Case): void {
  test('lead to every endpoint', async bench => {
    const port = nodePortOf(await bench.service('web', { type: 'NodePort', ports: [{ port: 80 }] }));
    await bench.point('web', await bench.servers());
    await bench.untilBoth(bench.subject.nodeAddress, port);
  });

  test('of a Service without endpoints refuse at once', async bench => {
    const port = nodePortOf(await bench.service('empty', { type: 'NodePort', ports: [{ port: 80 }] }));
    await bench.until(refused, bench.subject.nodeAddress, port);
    const [one] = await bench.servers();
    await bench.point('empty', [one!]);
    await bench.until(/^pod-a$/, bench.subject.nodeAddress, port);
    await bench.point('empty', []);
    await bench.until(refused, bench.subject.nodeAddress, port);
  });

  test('follow endpoints that come and go', async bench => {
    const port = nodePortOf(await bench.service('moving', { type: 'NodePort', ports: [{ port: 80 }] }));
    const [one, two] = await bench.servers();
    await bench.point('moving', [one!]);
    await bench.until(/^pod-a$/, bench.subject.nodeAddress, port, { times: 4 });
    await bench.point('moving', [two!]);
    await bench.until(/^pod-b$/, bench.subject.nodeAddress, port, { times: 4 });
  });

  test('leave out endpoints that are not ready, and take those that end when there are no others', async bench => {
    const port = nodePortOf(await bench.service('ending', { type: 'NodePort', ports: [{ port: 80 }] }));
    const [one, two] = await bench.servers();
    const ending = { ready: false, serving: true, terminating: true };
    await bench.point('ending', [one!, { ...two!, conditions: ending }]);
    await bench.until(/^pod-a$/, bench.subject.nodeAddress, port, { times: 8 });
    await bench.point('ending', [
      { ...one!, conditions: { ready: false } },
      { ...two!, conditions: ending },
    ]);
    await bench.until(/^pod-b$/, bench.subject.nodeAddress, port, { times: 8 });
  });

  test('keep apart the ports of a Service, by their names', async bench => {
    const ports = [
      { name: 'one', port: 80 },
      { name: 'two', port: 81 },
    ];
    const service = await bench.service('ported', { type: 'NodePort', ports });
    const [one, two] = await bench.servers();
    await bench.point('ported', [one!], { portName: 'one' });
    await bench.point('ported', [two!], { portName: 'two' });
    await bench.until(/^pod-a$/, bench.subject.nodeAddress, nodePortOf(service, 0), { times: 4 });
    await bench.until(/^pod-b$/, bench.subject.nodeAddress, nodePortOf(service, 1), { times: 4 });
  });

  test('carry datagrams, and move clients that keep their port', async bench => {
    const port = nodePortOf(await bench.service('names', { type: 'NodePort', ports: [{ port: 53, protocol: 'UDP' }] }));
    const [one, two] = await bench.servers('UDP');
    const asking = { protocol: 'UDP', localPort: 21_900 + (process.pid % 90) } as const;
    await bench.point('names', [one!], { protocol: 'UDP' });
    await bench.until(/^pod-a$/, bench.subject.nodeAddress, port, asking);
    await bench.point('names', [two!], { protocol: 'UDP' });
    await bench.until(/^pod-b$/, bench.subject.nodeAddress, port, asking);
    await bench.point('names', [], { protocol: 'UDP' });
    await bench.until(unanswered, bench.subject.nodeAddress, port, asking);
  });

  test('keep a client at its endpoint by sessionAffinity', async bench => {
    const port = nodePortOf(
      await bench.service('sticky', { type: 'NodePort', sessionAffinity: 'ClientIP', ports: [{ port: 80 }] }),
    );
    await bench.point('sticky', await bench.servers());
    await bench.until(/^pod-[ab]$/, bench.subject.nodeAddress, port);
    assert.equal(new Set(await bench.names(bench.subject.nodeAddress, port, { times: 30 })).size, 1);
  });

  test('answer no more when their Service is gone', async bench => {
    const port = nodePortOf(await bench.service('gone', { type: 'NodePort', ports: [{ port: 80 }] }));
    await bench.point('gone', await bench.servers());
    await bench.until(/^pod-[ab]$/, bench.subject.nodeAddress, port);
    await bench.client.resource(Resources.Services, 'default').delete('gone');
    await bench.until(refused, bench.subject.nodeAddress, port);
  });

  test('of many Services that come together all answer, whatever else there is', async bench => {
    const [one] = await bench.servers();
    await bench.service('headless', { clusterIP: 'None', ports: [{ port: 80 }] });
    await bench.service('elsewhere', { type: 'ExternalName', externalName: 'example.com' });
    await bench.point('nobody', [one!]);
    const services = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const name = `many-${index}`;
        const service = await bench.service(name, { type: 'NodePort', ports: [{ port: 80 }] });
        await bench.point(name, [one!]);
        return service;
      }),
    );
    for (const service of services) await bench.until(/^pod-a$/, bench.subject.nodeAddress, nodePortOf(service));
  });
}

function clusterCases(test: Case): void {
  test('lead to every endpoint, from pods and from the node, also to the pod that asks', async bench => {
    const { spec } = await bench.service('web', { ports: [{ port: 80 }] });
    await bench.point('web', await bench.servers());
    for (const from of [bench.subject.node, ...bench.subject.pods]) {
      await bench.untilBoth(spec.clusterIP!, 80, from);
    }
  });

  test('refuse at once where there are no endpoints, and on ports that the Service does not have', async bench => {
    const { spec } = await bench.service('empty', { ports: [{ port: 80 }] });
    const [one] = await bench.servers();
    for (const from of [bench.subject.node, bench.subject.pods[1]]) await bench.until(refused, spec.clusterIP!, 80, { from });
    await bench.point('empty', [one!]);
    for (const from of [bench.subject.node, bench.subject.pods[1]]) {
      await bench.until(/^pod-a$/, spec.clusterIP!, 80, { from });
      assert.match((await bench.names(spec.clusterIP!, 81, { from }))[0]!, refused);
    }
  });

  test('carry datagrams', async bench => {
    const { spec } = await bench.service('names', { ports: [{ port: 53, protocol: 'UDP' }] });
    const [one] = await bench.servers('UDP');
    await bench.point('names', [one!], { protocol: 'UDP' });
    for (const from of [bench.subject.node, bench.subject.pods[1]]) {
      await bench.until(/^pod-a$/, spec.clusterIP!, 53, { from, protocol: 'UDP' });
    }
  });

  test('stay on the node by internalTrafficPolicy', async bench => {
    const { spec } = await bench.service('local', { internalTrafficPolicy: 'Local', ports: [{ port: 80 }] });
    const [one, two] = await bench.servers();
    await bench.point('local', [one!, { ...two!, nodeName: 'node-b' }]);
    await bench.until(/^pod-a$/, spec.clusterIP!, 80, { times: 8 });
    await bench.point('local', [{ ...two!, nodeName: 'node-b' }]);
    await bench.until(unanswered, spec.clusterIP!, 80);
  });

  test('of the outside lead to endpoints too', async bench => {
    const service = await bench.service('outer', {
      type: 'LoadBalancer',
      externalIPs: ['198.51.100.7'],
      ports: [{ port: 80 }],
    });
    const [one] = await bench.servers();
    await bench.point('outer', [one!]);
    const status = { loadBalancer: { ingress: [{ ip: '198.51.100.8' }] } };
    await bench.client.resource(Resources.Services, 'default').updateStatus('outer', { ...service, status });
    for (const address of ['198.51.100.7', '198.51.100.8']) {
      await bench.until(/^pod-a$/, address, 80, { from: bench.subject.pods[1] });
    }
  });
}

function restartCases(test: Case): void {
  test('carries Services as they are then', async bench => {
    const { subject } = bench;
    const old = await bench.service('old', { type: 'NodePort', ports: [{ port: 80 }] });
    const [one, two] = await bench.servers();
    await bench.point('old', [one!]);
    await bench.until(/^pod-a$/, subject.nodeAddress, nodePortOf(old));
    bench.client = await subject.restart(async () => {
      if (subject.outlivesStop)
        assert.deepEqual(await bench.names(subject.nodeAddress, nodePortOf(old)), ['pod-a'], 'while stopped');
    });
    await bench.until(/^pod-a$/, subject.nodeAddress, nodePortOf(old));
    await bench.point('old', [two!]);
    await bench.until(/^pod-b$/, subject.nodeAddress, nodePortOf(old), { times: 4 });
  });
}
