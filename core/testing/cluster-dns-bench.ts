import { Resolver } from 'node:dns/promises';
import { errorCode, Resources } from '../plugin-api/index.js';
import type { Client, EndpointSlice, Service } from '../plugin-api/index.js';
import { DnsUpstream } from './dns-talk.js';
import type { Place } from './dns-talk.js';
import { until } from './until.js';

/** What a cluster for the suite is started with. */
export interface ClusterDnsConditions {
  /** `address:port` of the server that the plugin has to ask for names outside of the cluster. */
  readonly upstream: string;
  /** Further flags of `k3s server` that the case needs (`--cluster-domain` ...). */
  readonly flags: readonly string[];
}

/** A running cluster whose DNS is the one under test. `startRestartableCluster(['--plugin', directory, ...])` makes one. */
export interface ClusterDnsUnderTest {
  /** Of the cluster's administrator; another one after `restart`. */
  readonly client: Client;
  /** Stops the cluster and starts it again with the same objects; `meanwhile` changes them while no DNS plugin runs. */
  restart(meanwhile?: (client: Client) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export type QuestionType = 'A' | 'AAAA' | 'CNAME' | 'PTR' | 'SRV' | 'TXT';

export interface SuiteServiceSpec {
  readonly type?: 'ExternalName';
  readonly externalName?: string;
  readonly clusterIP?: string;
  readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: 'TCP' | 'UDP' }[];
}

export interface SuiteEndpoint {
  readonly address: string;
  readonly hostname?: string;
  readonly ready?: boolean;
}

const outcomes: Readonly<Record<string, string>> = { ENOTFOUND: 'NXDOMAIN', ENODATA: 'NODATA', ESERVFAIL: 'SERVFAIL' };

/** What the cases are written in: Services and slices in `default`, an upstream server, and questions. */
export class ClusterDnsBench {
  readonly subject: ClusterDnsUnderTest;
  readonly upstream: DnsUpstream;
  readonly patienceMs: number;

  private constructor(subject: ClusterDnsUnderTest, upstream: DnsUpstream, patienceMs: number) {
    this.subject = subject;
    this.upstream = upstream;
    this.patienceMs = patienceMs;
  }

  static async start(
    makeSubject: (conditions: ClusterDnsConditions) => Promise<ClusterDnsUnderTest>,
    flags: readonly string[],
    patienceMs: number,
  ): Promise<ClusterDnsBench> {
    const upstream = new DnsUpstream();
    const address = await upstream.start();
    try {
      return new ClusterDnsBench(await makeSubject({ upstream: address, flags }), upstream, patienceMs);
    } catch (error) {
      upstream.stop();
      throw error;
    }
  }

  get client(): Client {
    return this.subject.client;
  }

  async dispose(): Promise<void> {
    this.upstream.stop();
    await this.subject.stop();
  }

  /** Where Service kube-dns leads to. Throws while it leads nowhere. */
  async listener(): Promise<Place> {
    const labelSelector = 'kubernetes.io/service-name=kube-dns';
    const { spec } = await this.client.resource(Resources.Services, 'kube-system').get('kube-dns');
    const slices = await this.client.resource(Resources.EndpointSlices, 'kube-system').objects({ labelSelector });
    const place = (protocol: string): Place => {
      const served = spec.ports?.find(port => port.port === 53 && (port.protocol ?? 'TCP') === protocol);
      if (!served) throw new Error(`Service kube-dns has no port 53/${protocol}`);
      for (const { endpoints, ports } of slices) {
        const port = ports?.find(each => (each.name ?? '') === (served.name ?? ''))?.port;
        const address = endpoints?.find(({ conditions }) => conditions?.ready !== false)?.addresses?.[0];
        if (port !== undefined && address !== undefined) return { address, port };
      }
      throw new Error(`Service kube-dns has no endpoint for 53/${protocol}`);
    };
    const [udp, tcp] = [place('UDP'), place('TCP')];
    if (udp.address !== tcp.address || udp.port !== tcp.port)
      throw new Error('UDP and TCP have to have the same address and port');
    return udp;
  }

  reached(): Promise<Place> {
    return until('Service kube-dns with a listener', () => this.listener(), this.patienceMs);
  }

  /**
   * What the answer is made of, in order: `10.43.0.1`, `10.42.0.1, 10.42.0.2`, `80 web.default.svc.cluster.local`; without an answer
   * `NXDOMAIN`, `NODATA`, `SERVFAIL` or the resolver's own code. Over UDP, and over TCP when that was truncated.
   */
  async ask(name: string, type: QuestionType = 'A', place?: Place): Promise<string> {
    const { address, port } = place ?? (await this.listener());
    // It keeps what it heard, so each question gets another one.
    const resolver = new Resolver({ timeout: 1000, tries: 2 });
    resolver.setServers([address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`]);
    try {
      return (await records(resolver, name, type)).sort().join(', ');
    } catch (error) {
      const code = errorCode(error) ?? '';
      return outcomes[code] ?? code;
    }
  }

  /** Waits until the answer is this one. */
  async answered(expected: string | RegExp, name: string, type: QuestionType = 'A'): Promise<void> {
    await until(
      `${type} of ${name} is ${expected}`,
      async () => {
        const last = await this.ask(name, type);
        if (typeof expected === 'string' ? last === expected : expected.test(last)) return true;
        throw new Error(`it is ${last}`);
      },
      this.patienceMs,
    );
  }

  /** Resolves its ClusterIP. */
  async service(name: string, spec: SuiteServiceSpec = {}): Promise<string> {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } };
    return (await this.client.resource(Resources.Services, 'default').create(service as unknown as Service)).spec.clusterIP ?? '';
  }

  async slice(service: string, endpoints: readonly SuiteEndpoint[], port?: { name: string; port: number }): Promise<void> {
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { generateName: `${service}-`, labels: { 'kubernetes.io/service-name': service } },
      addressType: endpoints[0]!.address.includes(':') ? 'IPv6' : 'IPv4',
      endpoints: endpoints.map(({ address, hostname, ready = true }) => ({
        addresses: [address],
        conditions: { ready },
        ...(hostname !== undefined && { hostname }),
      })),
      ports: port ? [{ ...port, protocol: 'TCP' }] : [],
    } as unknown as EndpointSlice;
    await this.client.resource(Resources.EndpointSlices, 'default').create(slice);
  }
}

async function records(resolver: Resolver, name: string, type: QuestionType): Promise<string[]> {
  switch (type) {
    case 'A':
      return resolver.resolve4(name);
    case 'AAAA':
      return resolver.resolve6(name);
    case 'CNAME':
      return resolver.resolveCname(name);
    case 'PTR':
      return resolver.resolvePtr(name);
    case 'TXT':
      return (await resolver.resolveTxt(name)).map(texts => texts.join(''));
    case 'SRV':
      return (await resolver.resolveSrv(name)).map(({ port, name: target }) => `${port} ${target}`);
  }
}
