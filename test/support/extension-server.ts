import { createServer } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { createAuthority } from '../../core/pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../core/pki/private-key.js';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Common name of the certificate that the client showed. */
  readonly client: string | undefined;
}

export interface ExtensionServerOptions {
  /** What its certificate is for. */
  readonly names: readonly string[];
  readonly group: string;
  readonly version: string;
  /** It knows only the older form of discovery. */
  readonly legacyDiscovery?: boolean;
  /** It knows only OpenAPI 2. */
  readonly withoutV3?: boolean;
}

interface Fish {
  apiVersion: string;
  kind: 'Fish';
  metadata: { name: string; namespace: string; uid: string; resourceVersion: string };
  [field: string]: unknown;
}

/** A server that an APIService may name: it serves `fishes` of one version, of namespaces, and remembers what it was asked. */
export class TestExtensionServer {
  readonly caBundle: string;
  readonly requests: SeenRequest[] = [];
  /** When set, it answers with this status and nothing else. */
  broken: number | undefined;
  /** Resources that discovery names beside fishes. */
  extraResources: readonly string[] = [];
  readonly #server: Server;
  readonly #options: ExtensionServerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #fishes = new Map<string, Fish>();
  readonly #watchers = new Set<ServerResponse>();
  readonly #answers = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>();
  #revision = 1;

  private constructor(server: Server, caBundle: string, options: ExtensionServerOptions) {
    this.#server = server;
    this.#options = options;
    this.caBundle = caBundle;
    const echo = new WebSocketServer({ noServer: true });
    server.on('secureConnection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', () => undefined);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response));
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.#note(request);
      echo.handleUpgrade(request, socket, head, client => client.on('message', data => client.send(`echo ${String(data)}`)));
    });
  }

  static async start(options: ExtensionServerOptions): Promise<TestExtensionServer> {
    const authority = await createAuthority('extension-authority');
    const key = generatePrivateKeyPem();
    const cert = await authority.issue(key, { commonName: 'extension', subjectAltNames: [...options.names], usages: ['server'] });
    const server = createServer({ key, cert, requestCert: true, rejectUnauthorized: false }) as unknown as Server;
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return new TestExtensionServer(server, Buffer.from(authority.certificatePem).toString('base64'), options);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What it answers to a path of its own; undefined: as it otherwise does. */
  answer(path: string, answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined): void {
    if (answer) this.#answers.set(path, answer);
    else this.#answers.delete(path);
  }

  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.breakConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #note(request: IncomingMessage): void {
    const certificate = (request.socket as TLSSocket).getPeerCertificate();
    const client = certificate.subject?.CN;
    this.requests.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      client: Array.isArray(client) ? client[0] : client,
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#note(request);
    const url = new URL(request.url ?? '/', 'https://x');
    const own = this.#answers.get(url.pathname);
    if (own) return own(request, response);
    if (this.broken !== undefined) return void response.writeHead(this.broken).end();
    const { group, version } = this.#options;
    const root = `/apis/${group}/${version}`;
    const document = this.#document(url.pathname, request, response);
    if (document) return send(response, 200, document);
    const match = /^\/(?:namespaces\/([^/]+)\/)?fishes(?:\/([^/]+))?$/.exec(url.pathname.slice(root.length));
    if (!url.pathname.startsWith(root) || !match) return send(response, 404, status(404, 'NotFound', 'no such path'));
    const [, namespace = '', name] = match;
    await this.#fish(request, response, { namespace, name, isWatch: url.searchParams.get('watch') === 'true' });
  }

  #document(path: string, request: IncomingMessage, response: ServerResponse): object | undefined {
    const { group, version, legacyDiscovery, withoutV3 } = this.#options;
    const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'update', 'watch'];
    const names = ['fishes', ...this.extraResources];
    switch (path) {
      case '/apis': {
        if (legacyDiscovery || !request.headers.accept?.includes('APIGroupDiscoveryList'))
          return { kind: 'APIGroupList', groups: [] };
        response.setHeader('Content-Type', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
        const resources = names.map(resource => ({
          resource,
          responseKind: { group, version, kind: 'Fish' },
          scope: 'Namespaced',
          singularResource: 'fish',
          verbs,
        }));
        return { kind: 'APIGroupDiscoveryList', items: [{ metadata: { name: group }, versions: [{ version, resources }] }] };
      }
      case `/apis/${group}/${version}`: {
        const resources = names.map(name => ({ name, singularName: 'fish', namespaced: true, kind: 'Fish', verbs }));
        return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/${version}`, resources };
      }
      case '/openapi/v3':
        if (withoutV3) return undefined;
        return { paths: { [`apis/${group}/${version}`]: { serverRelativeURL: `/openapi/v3/apis/${group}/${version}?hash=F` } } };
      case `/openapi/v3/apis/${group}/${version}`:
        if (withoutV3) return undefined;
        return { openapi: '3.0.0', info: { title: 'fish', version: '1' }, paths: {} };
      case '/openapi/v2':
        response.setHeader('ETag', '"v2"');
        return {
          swagger: '2.0',
          info: { title: 'fish', version: '1' },
          paths: {
            [`/apis/${group}/${version}/fishes`]: {
              get: {
                produces: ['application/json'],
                responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/example.Fish' } } },
              },
            },
            '/healthz': { get: { responses: { 200: { description: 'OK' } } } },
          },
          definitions: {
            'example.Fish': { type: 'object', properties: { metadata: { $ref: '#/definitions/io.k8s.api.core.v1.Pod' } } },
            'io.k8s.api.core.v1.Pod': { type: 'string' },
            unused: { type: 'string' },
          },
        };
      default:
        return undefined;
    }
  }

  async #fish(
    request: IncomingMessage,
    response: ServerResponse,
    { namespace, name, isWatch }: { namespace: string; name: string | undefined; isWatch: boolean },
  ): Promise<void> {
    const { group, version } = this.#options;
    const apiVersion = `${group}/${version}`;
    const here = [...this.#fishes.values()].filter(({ metadata }) => namespace === '' || metadata.namespace === namespace);
    if (isWatch) {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.flushHeaders();
      this.#watchers.add(response);
      response.once('close', () => this.#watchers.delete(response));
      return;
    }
    if (request.method === 'POST') {
      const body = JSON.parse(await text(request)) as Fish;
      const metadata = { ...body.metadata, namespace, uid: `uid-${this.#revision}`, resourceVersion: String(++this.#revision) };
      const fish = { ...body, apiVersion, kind: 'Fish' as const, metadata };
      this.#fishes.set(`${namespace}/${metadata.name}`, fish);
      this.#tell('ADDED', fish);
      return send(response, 201, fish);
    }
    if (request.method === 'DELETE') {
      for (const fish of here.filter(({ metadata }) => name === undefined || metadata.name === name)) {
        this.#fishes.delete(`${fish.metadata.namespace}/${fish.metadata.name}`);
        this.#tell('DELETED', fish);
      }
      return send(response, 200, { kind: 'Status', apiVersion: 'v1', status: 'Success' });
    }
    if (name === undefined) {
      const metadata = { resourceVersion: String(this.#revision) };
      return send(response, 200, { kind: 'FishList', apiVersion, metadata, items: here });
    }
    const found = this.#fishes.get(`${namespace}/${name}`);
    send(response, found ? 200 : 404, found ?? status(404, 'NotFound', `fishes "${name}" not found`));
  }

  #tell(type: string, object: Fish): void {
    for (const watcher of this.#watchers) watcher.write(`${JSON.stringify({ type, object })}\n`);
  }
}

function send(response: ServerResponse, code: number, body: object): void {
  if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', 'application/json');
  response.writeHead(code).end(JSON.stringify(body));
}

function status(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}
