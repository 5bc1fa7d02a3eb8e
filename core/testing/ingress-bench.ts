import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { createAuthority } from '../pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../pki/private-key.js';
import { Resources } from '../plugin-api/index.js';
import type { Client, EndpointSlice, Ingress, IngressSpec, Secret, Service } from '../plugin-api/index.js';
import { until } from './until.js';

/** A running cluster whose ingress is the one under test. `startRestartableCluster(['--plugin', directory])` makes one. */
export interface IngressUnderTest {
  /** Of the cluster's administrator; another one after `restart`. */
  readonly client: Client;
  /** Stops the cluster and starts it again with the same objects; `meanwhile` changes them while no ingress runs. */
  restart(meanwhile?: (client: Client) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

interface Place {
  readonly address: string;
  readonly port: number;
}

export interface Listeners {
  readonly plain: Place;
  readonly secure: Place;
}

export interface Question {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
  readonly isSecure?: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Common name of the certificate; '' without TLS. */
  readonly certificate: string;
}

/** What an endpoint says about a request that reached it. */
export interface Reached {
  readonly endpoint: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Paths = Readonly<Record<string, string>>;

/** What the cases are written in: endpoints that are servers of this process, Services and Ingresses in `default`, and questions. */
export class IngressBench {
  readonly subject: IngressUnderTest;
  readonly patienceMs: number;
  readonly #servers = new Map<string, Server>();
  #nodeAddress: string | undefined;

  constructor(subject: IngressUnderTest, patienceMs: number) {
    this.subject = subject;
    this.patienceMs = patienceMs;
  }

  get client(): Client {
    return this.subject.client;
  }

  async dispose(): Promise<void> {
    for (const server of this.#servers.values()) {
      server.close();
      server.closeAllConnections();
    }
    await this.subject.stop();
  }

  /** The listeners behind ports 80 and 443 of a Service of type LoadBalancer: what the load balancer leads to. */
  listeners(): Promise<Listeners> {
    return until(
      'a Service of type LoadBalancer with endpoints for its ports 80 and 443',
      async () => {
        for (const { metadata, spec } of await this.client.resource(Resources.Services).objects()) {
          const ports = (spec.ports ?? []).map(({ port }) => port);
          if (spec.type !== 'LoadBalancer' || !ports.includes(80) || !ports.includes(443)) continue;
          const labelSelector = `kubernetes.io/service-name=${metadata.name}`;
          const slices = await this.client.resource(Resources.EndpointSlices, metadata.namespace).objects({ labelSelector });
          const place = (wanted: number): Place | undefined => {
            const name = spec.ports!.find(({ port }) => port === wanted)?.name ?? '';
            for (const slice of slices) {
              const port = slice.ports?.find(each => (each.name ?? '') === name)?.port;
              const address = slice.endpoints?.find(({ conditions }) => conditions?.ready !== false)?.addresses?.[0];
              if (port !== undefined && address !== undefined) return { address, port };
            }
            return undefined;
          };
          const [plain, secure] = [place(80), place(443)];
          if (plain && secure) return { plain, secure };
        }
        return undefined;
      },
      this.patienceMs,
    );
  }

  async ask(host: string, { path = '/', method = 'GET', headers, body, isSecure = false }: Question = {}): Promise<Answer> {
    const { plain, secure } = await this.listeners();
    const place = isSecure ? secure : plain;
    const request = (isSecure ? httpsRequest : httpRequest)({
      host: place.address,
      port: place.port,
      path,
      method,
      agent: false,
      headers: { host, ...headers },
      timeout: this.patienceMs,
      // Whoever is asked, names of this suite are certified by nobody.
      ...(isSecure && { servername: host, rejectUnauthorized: false }),
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const certificate = isSecure ? String((response.socket as TLSSocket).getPeerCertificate().subject?.CN ?? '') : '';
    return { status: response.statusCode!, headers: response.headers, body: await text(response), certificate };
  }

  /** The name of the endpoint that answers, `404` and the like when none does. */
  async answerer(host: string, question?: Question): Promise<string> {
    const { status, body } = await this.ask(host, question);
    return status === 200 ? (JSON.parse(body) as Reached).endpoint : String(status);
  }

  /** Waits until `host` is answered by this endpoint, or with this status. */
  async answeredBy(expected: string | RegExp, host: string, question?: Question): Promise<void> {
    let last = '';
    const what = (): string => `${host}${question?.path ?? '/'} answered by ${expected}`;
    await until(
      what(),
      async () => {
        last = await this.answerer(host, question);
        if (typeof expected === 'string' ? last === expected : expected.test(last)) return true;
        throw new Error(`it is ${last}`);
      },
      this.patienceMs,
    );
  }

  /** A server of this process, a Service and a slice that leads to it. `listen` gets the server to give it more to do. */
  async backend(name: string, listen?: (server: Server) => void): Promise<void> {
    const port = await this.listen(name, listen);
    await this.service(name);
    await this.slice(name, name, port);
  }

  async listen(name: string, more?: (server: Server) => void): Promise<number> {
    const server = createServer((request, response) => {
      void text(request).then(body => {
        const { method = '', url = '', headers } = request;
        const reached: Reached = { endpoint: name, method, url, headers, body };
        response.setHeader('x-suite', name);
        response.end(JSON.stringify(reached));
      });
    });
    more?.(server);
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    this.#servers.set(name, server);
    return (server.address() as AddressInfo).port;
  }

  async service(name: string, ports = [{ name: 'web', port: 80 }]): Promise<void> {
    const spec = { ports: ports.map(port => ({ ...port, targetPort: 8080 })) };
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec } as unknown as Service;
    await this.client.resource(Resources.Services, 'default').create(service);
  }

  async slice(service: string, name: string, port: number, ready = true, portName = 'web'): Promise<void> {
    const slice: EndpointSlice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `suite-${name}`, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [await this.nodeAddress()], conditions: { ready } }],
      ports: [{ name: portName, port, protocol: 'TCP' }],
    };
    await this.client.resource(Resources.EndpointSlices, 'default').create(slice);
  }

  async setReady(name: string, ready: boolean): Promise<void> {
    const endpoints = [{ addresses: [await this.nodeAddress()], conditions: { ready } }];
    await this.client.resource(Resources.EndpointSlices, 'default').patch(`suite-${name}`, 'merge', { endpoints });
  }

  /** Slices cannot hold the loopback addresses. */
  async nodeAddress(): Promise<string> {
    return (this.#nodeAddress ??= await until(
      'the address of the node',
      async () => {
        const [node] = await this.client.resource(Resources.Nodes).objects();
        return node?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
      },
      this.patienceMs,
    ));
  }

  /** Paths as `/x` (Prefix) or `=/x` (Exact), each with the name of a Service, whose port 80 is asked. */
  async route(name: string, host: string, paths: Paths, more: Partial<IngressSpec> = {}): Promise<void> {
    await this.client.resource(Resources.Ingresses, 'default').create(ingressOf(name, host, paths, more));
  }

  /** An Ingress that came later is served: what came before was seen. */
  async barrier(service: string): Promise<void> {
    const host = `barrier-${++barriers}.test`;
    await this.route(host, host, { '/': service });
    await this.answeredBy(service, host);
  }

  async tlsSecret(name: string, host: string, commonName: string): Promise<void> {
    const key = generatePrivateKeyPem();
    const authority = await createAuthority('suite');
    const chain = await authority.issue(key, { commonName, subjectAltNames: [host], usages: ['server'] });
    const data = { 'tls.crt': Buffer.from(chain).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') };
    const secret = { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name }, data };
    const secrets = this.client.resource(Resources.Secrets, 'default');
    await secrets.create(secret as Secret).catch(() => secrets.patch(name, 'merge', { data }));
  }
}

let barriers = 0;

export function ingressOf(name: string, host: string, paths: Paths, more: Partial<IngressSpec> = {}): Ingress {
  const http = {
    paths: Object.entries(paths).map(([path, service]) => ({
      path: path.replace(/^=/, ''),
      pathType: path.startsWith('=') ? 'Exact' : 'Prefix',
      backend: { service: { name: service, port: { number: 80 } } },
    })),
  };
  const rules = http.paths.length > 0 ? [{ ...(host && { host }), http }] : undefined;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name },
    spec: { ...(rules && { rules }), ...more },
  } as unknown as Ingress;
}
