import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../../base/clock.js';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Client } from '../../client/client.js';
import type { ContainerRuntime } from '../../contracts/container-runtime.js';
import { ContainerLogs } from '../logs/container-logs.js';
import type { LogOptions } from '../logs/log-selection.js';
import { cadvisorMetrics } from './cadvisor-metrics.js';
import { kubeletConfiguration } from './configz.js';
import { HostMeasures } from './host-measures.js';
import { HttpProblem } from './http-problem.js';
import type { NodePods } from './node-pods.js';
import { NodeStats } from './node-stats.js';
import { RequestAccess } from './request-access.js';
import { kubeletMetrics, probeMetrics, resourceMetrics, statsSummary } from './stats-documents.js';
import { StreamRoutes } from './stream-routes.js';
import { serveSystemLogs } from './system-logs.js';
import type { KubeletSettings } from '../kubelet-context.js';

export interface KubeletServerOptions {
  readonly nodeName: string;
  readonly client: Client;
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined while the kubelet starts: answered with 503. */
  readonly pods: () => NodePods | undefined;
  readonly settings: () => KubeletSettings;
  readonly tls: { readonly certPem: string; readonly keyPem: string; readonly clientCaPem: string };
  /** Undefined: all of this machine's. */
  readonly host?: string | undefined;
}

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** The kubelet's HTTPS API: logs, streams, pods, statistics, for the API server and for who may see `nodes/...`. */
export class KubeletServer {
  readonly #options: KubeletServerOptions;
  readonly #access: RequestAccess;
  readonly #logs: ContainerLogs;
  readonly #streams: StreamRoutes;
  readonly #measures: HostMeasures;
  /** What the node and its pods use; shared with others who want to know. */
  readonly stats: NodeStats;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(options: KubeletServerOptions) {
    this.#options = options;
    this.#access = new RequestAccess(options);
    this.#logs = new ContainerLogs(options);
    this.stats = new NodeStats({ ...options, pods: () => this.#pods() });
    this.#measures = new HostMeasures({
      ...options,
      settings: options.settings(),
      processes: uid => this.#pods().processes(uid),
    });
    this.#streams = new StreamRoutes({ ...options, pods: () => this.#pods() });
  }

  /** Resolves the port. 0 asks for a free one. Rejects PORT_IN_USE or LISTEN_FAILED. */
  async listen(port: number): Promise<number> {
    const { tls, host } = this.#options;
    const server = createServer({
      key: tls.keyPem,
      cert: tls.certPem,
      ca: tls.clientCaPem,
      requestCert: true,
      // Who has no certificate may have a token.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response));
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(request, socket, head));
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    server.on('secureConnection', socket => {
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', error => reject(listenError(error, port)));
      server.listen({ port, ...(host === undefined ? {} : { host }) }, () => resolve());
    });
    this.#server = server;
    return (server.address() as AddressInfo).port;
  }

  /** Cuts off what runs. Twice is safe. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise<void>(resolve => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #pods(): NodePods {
    const pods = this.#options.pods();
    if (!pods) throw new HttpProblem(503, 'the kubelet is starting');
    return pods;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    try {
      const { pathname, path, query } = parse(request);
      await this.#access.check(request, pathname);
      await this.#route({ request, response, path, query });
    } catch (error) {
      const { status, message } = this.#problem(request, error);
      if (response.headersSent) return void response.destroy();
      response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      const { pathname, path, query } = parse(request);
      await this.#access.check(request, pathname);
      await this.#streams.serve({ request, socket, head, path, query });
    } catch (error) {
      const { status, message } = this.#problem(request, error);
      const body = `${message}\n`;
      const lines = [
        `HTTP/1.1 ${status} ${status === 404 ? 'Not Found' : 'Refused'}`,
        'Content-Type: text/plain; charset=utf-8',
        `Content-Length: ${Buffer.byteLength(body)}`,
        'Connection: close',
      ];
      socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
    }
  }

  #problem(request: IncomingMessage, error: unknown): { status: number; message: string } {
    if (error instanceof HttpProblem) return { status: error.httpStatus, message: error.message };
    const path = (request.url ?? '').split('?')[0];
    this.#options.logger.warn('a request to the kubelet failed', { path, error: errorText(error) });
    return { status: 500, message: errorText(error) };
  }

  async #route(call: Call): Promise<void> {
    const { path, response } = call;
    const isRead = call.request.method === 'GET' || call.request.method === 'HEAD';
    const place = path.join('/');
    if (path[0] === 'exec' || path[0] === 'attach' || path[0] === 'portForward') {
      throw new HttpProblem(400, 'Upgrade request required');
    }
    if (!isRead) throw new HttpProblem(405, 'Method Not Allowed');
    if (path[0] === 'containerLogs' && path.length === 4) return this.#containerLogs(call);
    if (place === 'healthz' || place === 'healthz/ping' || place === 'healthz/log') return sendText(response, 'ok');
    if (place === 'healthz/syncloop') {
      this.#pods();
      return sendText(response, 'ok');
    }
    if (place === 'pods') return sendJson(response, this.#podList());
    if (place === 'runningpods') return sendJson(response, this.#runningPods());
    if (place === 'configz') return sendJson(response, kubeletConfiguration(this.#options.settings()));
    if (path[0] === 'stats' || path[0] === 'metrics') return this.#statistics(place, response);
    if (path[0] === 'logs' && (await this.#options.runtime.status()).onHost) return serveSystemLogs(response, path.slice(1));
    throw new HttpProblem(404, '404 page not found');
  }

  async #statistics(place: string, response: ServerResponse): Promise<void> {
    if (place === 'metrics/probes') return sendText(response, probeMetrics(this.#pods().probeCounts()));
    const usage = await this.stats.read();
    if (place === 'metrics/resource') return sendText(response, resourceMetrics(usage));
    if (!['stats', 'stats/summary', 'metrics', 'metrics/cadvisor'].includes(place))
      throw new HttpProblem(404, '404 page not found');
    const measured = usage.onHost ? await this.#measures.read(usage.pods.map(({ pod }) => pod)) : undefined;
    if (place === 'metrics') return sendText(response, kubeletMetrics(usage, measured));
    if (place === 'metrics/cadvisor') return sendText(response, cadvisorMetrics(usage, measured));
    sendJson(response, statsSummary(usage, measured));
  }

  /** What runs, as the runtime says it. */
  #runningPods(): object {
    const pods = this.#pods();
    const items = pods.list().flatMap(({ metadata: { name, namespace, uid } }) => {
      const running = pods.runtimeState(uid ?? '').containers.filter(({ state }) => state === 'running');
      if (running.length === 0) return [];
      const containers = running.map(own => ({ name: own.name, image: own.imageReference, resources: {} }));
      return [{ metadata: { name, namespace, uid }, spec: { containers }, status: {} }];
    });
    return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
  }

  #podList(): object {
    const pods = this.#pods();
    const items = pods.list().map(pod => ({ ...pod, status: pods.status(pod) ?? pod.status }));
    return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
  }

  async #containerLogs({ response, path, query }: Call): Promise<void> {
    const [, namespace = '', name = '', container = ''] = path;
    const pods = this.#pods();
    const pod = pods.find(namespace, name);
    if (!pod) throw new HttpProblem(404, `pod "${name}" does not exist`);
    const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec;
    if (![...containers, ...initContainers, ...ephemeralContainers].some(own => own.name === container)) {
      throw new HttpProblem(404, `container "${container}" not found in pod "${name}"`);
    }
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    let log: AsyncGenerator<Buffer>;
    try {
      const request = { status: pods.status(pod) ?? pod.status, container, options: logOptions(query) };
      log = await this.#logs.open(pod, request, gone.signal);
    } catch (error) {
      if (errorCode(error) !== 'LOG_UNAVAILABLE') throw error;
      throw new HttpProblem(400, errorText(error), error);
    }
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' });
    response.flushHeaders();
    try {
      await pipeline(Readable.from(log, { objectMode: false }), response);
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    }
  }
}

function parse(request: IncomingMessage): { pathname: string; path: string[]; query: URLSearchParams } {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const pathname = mark < 0 ? url : url.slice(0, mark);
  try {
    const path = pathname.split('/').slice(1).map(decodeURIComponent);
    if (path.at(-1) === '') path.pop();
    if (path.some(segment => segment === '' || segment === '.' || segment === '..'))
      throw new HttpProblem(404, '404 page not found');
    return { pathname: `/${path.join('/')}`, path, query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)) };
  } catch (error) {
    if (error instanceof HttpProblem) throw error;
    throw new HttpProblem(400, `invalid path "${pathname}"`, error);
  }
}

function logOptions(query: URLSearchParams): LogOptions {
  const flag = (name: string): boolean => query.get(name) === 'true' || query.get(name) === '1';
  const number = (name: 'sinceSeconds' | 'tailLines' | 'limitBytes'): Partial<Record<typeof name, number>> => {
    const text = query.get(name);
    if (text === null || text === '') return {};
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0) throw new HttpProblem(400, `invalid ${name} "${text}"`);
    return { [name]: value };
  };
  const sinceTime = query.get('sinceTime');
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    ...number('sinceSeconds'),
    ...number('tailLines'),
    ...number('limitBytes'),
    ...(sinceTime ? { sinceTime } : {}),
  };
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
}

function sendJson(response: ServerResponse, document: object): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(document));
}

function listenError(error: Error, port: number): CodedError {
  const inUse = errorCode(error) === 'EADDRINUSE';
  const text = inUse ? `port ${port} of the kubelet is in use` : `the kubelet cannot listen on port ${port}: ${errorText(error)}`;
  return new CodedError(inUse ? 'PORT_IN_USE' : 'LISTEN_FAILED', text, { cause: error });
}
