import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import { APIServices, EndpointSlices, Services } from '../../core/api/generated/resources.js';
import type { APIService } from '../../core/api/generated/types.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import { LocalDialer } from '../../core/apiserver/connect/local-dialer.js';
import { until } from '../../core/testing/until.js';
import { startApiServer } from './api-server.js';
import type { RunningApiServer } from './api-server.js';
import { TestExtensionServer } from './extension-server.js';
import type { ExtensionServerOptions } from './extension-server.js';

export const administrator = { name: 'admin', groups: ['system:masters'] };
const namespace = 'default';

export interface TestAnswer {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface TestAsk {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

/** An API server, and a server with fishes beside it, behind the Service `default/NAME`. */
export class AggregationBench {
  readonly api: RunningApiServer;
  readonly extension: TestExtensionServer;
  readonly #group: string;
  readonly #version: string;

  private constructor(api: RunningApiServer, extension: TestExtensionServer, options: ExtensionServerOptions) {
    this.api = api;
    this.extension = extension;
    this.#group = options.group;
    this.#version = options.version;
  }

  static async start(
    options: Partial<ExtensionServerOptions> = {},
    apiOptions: Parameters<typeof startApiServer>[0] = {},
  ): Promise<AggregationBench> {
    const all = { names: ['fish.default.svc'], group: 'fish.example.com', version: 'v1', ...options };
    const extension = await TestExtensionServer.start(all);
    const local = new LocalDialer();
    const dialer = {
      dial: (_target: unknown, signal?: AbortSignal) =>
        local.dial({ type: 'url', host: '127.0.0.1', port: extension.port }, signal),
    };
    return new AggregationBench(await startApiServer({ ...apiOptions, dialer }), extension, all);
  }

  get name(): string {
    return `${this.#version}.${this.#group}`;
  }

  get root(): string {
    return `/apis/${this.#group}/${this.#version}`;
  }

  async create(resource: ResourceReference, object: object): Promise<void> {
    const { group, version, kind, namespaced } = resource;
    const apiVersion = group ? `${group}/${version}` : version;
    await this.api.part.transport.create({
      caller: administrator,
      resource,
      ...(namespaced ? { namespace } : {}),
      object: { kind, apiVersion, ...object },
    });
  }

  /** The Service with its port. */
  service(port = 443): Promise<void> {
    return this.create(Services, {
      metadata: { name: 'fish', namespace },
      spec: { ports: [{ name: 'https', port, targetPort: 8443 }] },
    });
  }

  endpoints(ready = true): Promise<void> {
    return this.create(EndpointSlices as ResourceReference, {
      metadata: { name: 'fish-1', namespace, labels: { 'kubernetes.io/service-name': 'fish' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['192.0.2.9'], conditions: { ready } }],
      ports: [{ name: 'https', port: 8443 }],
    });
  }

  register(spec: object = { caBundle: this.extension.caBundle }): Promise<void> {
    return this.create(APIServices as ResourceReference, {
      metadata: { name: this.name },
      spec: {
        group: this.#group,
        version: this.#version,
        groupPriorityMinimum: 2000,
        versionPriority: 10,
        service: { namespace, name: 'fish' },
        ...spec,
      },
    });
  }

  /** All of it, and discovery that knows the server. */
  async registered(): Promise<void> {
    await this.service();
    await this.endpoints();
    await this.register();
    await this.condition('Passed');
    await until('discovery of the extension server', () =>
      this.api.part.catalogue.extensions!().every(({ isCurrent }) => isCurrent),
    );
  }

  get apiService(): APIService | undefined {
    const endpoint = this.api.part.server.endpoint('apiregistration.k8s.io', 'v1', 'apiservices');
    return endpoint?.served.store.cache.get('', this.name)?.object as APIService | undefined;
  }

  /** Waits until the condition gives a reason; resolves its message. */
  async condition(reason: string): Promise<string> {
    const found = (): string | undefined =>
      this.apiService?.status.conditions?.find(condition => condition.reason === reason)?.message;
    await until(`the condition ${reason}`, () => found() !== undefined);
    return found()!;
  }

  /** As the administrator, over HTTPS. */
  async ask(path: string, ask: TestAsk = {}): Promise<TestAnswer> {
    const answer = await this.open(path, ask);
    return { code: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) };
  }

  /** Resolves with the head of the answer. */
  open(path: string, { method = 'GET', headers = {}, body }: TestAsk = {}): Promise<IncomingMessage> {
    const bytes = body === undefined ? undefined : JSON.stringify(body);
    const type = bytes === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const call = request({ ...this.credentials, path, method, headers: { ...type, ...headers } }, resolve);
      call.on('error', reject);
      call.end(bytes);
    });
  }

  get credentials(): RequestOptions {
    const { certificates, server } = this.api.part;
    const { certPem, keyPem } = certificates.clients['client-admin'];
    return { host: '127.0.0.1', port: server.port, ca: certificates.serverCaPem, cert: certPem, key: keyPem, agent: false };
  }

  async stop(): Promise<void> {
    await this.api.stop();
    await this.extension.stop();
  }
}
