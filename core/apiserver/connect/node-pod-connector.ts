import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Duplex } from 'node:stream';
import { errorText } from '../../base/errors.js';
import type { Node, Pod } from '../../api/generated/types.js';
import type { ClusterDialer } from '../../contracts/cluster-dialer.js';
import type {
  NodeProxyRequest,
  PodAttachRequest,
  PodConnector,
  PodExecRequest,
  PodLogRequest,
  PodPortForwardRequest,
  PodStream,
  ProxyTarget,
} from '../../contracts/pod-connector.js';
import { badRequest, internalError, serviceUnavailable, StatusError } from '../../machinery/status-error.js';
import type { CertificatePair } from '../../pki/cluster-certificates.js';
import { acceptOneWay, isWebSocket, messageStream, offeredProtocols } from './one-way-socket.js';
import { endToEndHeaders, exchange, isCredential, overTls, splice, upgradeHead } from './forward.js';
import { ProxyRewriter } from './proxy-rewriter.js';

export interface NodePodConnectorOptions {
  readonly dialer: ClusterDialer;
  /** Undefined: there is no such Node. */
  readonly node: (name: string) => Readonly<Node> | undefined;
  /** Verifies kubelets. */
  readonly serverCaPem: () => string;
  /** The API server's identity towards kubelets. */
  readonly client: () => CertificatePair;
}

interface KubeletAddress {
  readonly nodeName: string;
  readonly host: string;
  readonly port: number;
}

/** What K3s prefers, `--kubelet-preferred-address-types`. */
const addressTypes = ['InternalIP', 'ExternalIP', 'InternalDNS', 'ExternalDNS', 'Hostname'];
const errorLimitBytes = 50_000;

/** Reaches pods through their node's kubelet, and addresses of pods and Services directly. Source: pkg/registry/core/pod/strategy.go. */
export class NodePodConnector implements PodConnector {
  readonly #options: NodePodConnectorOptions;

  constructor(options: NodePodConnectorOptions) {
    this.#options = options;
  }

  async log(pod: Pod, stream: PodStream, options: PodLogRequest): Promise<void> {
    const { response, socket } = stream;
    const query = new URLSearchParams();
    if (options.follow) query.set('follow', 'true');
    if (options.previous) query.set('previous', 'true');
    if (options.timestamps) query.set('timestamps', 'true');
    for (const name of ['sinceSeconds', 'sinceTime', 'tailLines', 'limitBytes'] as const) {
      if (options[name] !== undefined) query.set(name, String(options[name]));
    }
    const address = this.#addressOf(pod.spec.nodeName ?? '');
    const path = `/containerLogs/${podPath(pod)}/${encodeURIComponent(options.container)}?${query}`;
    const gone = new AbortController();
    (response ?? socket)?.once('close', () => gone.abort());
    let answer: IncomingMessage;
    try {
      const kubelet = await this.#dialKubelet(address);
      answer = await exchange(kubelet, { method: 'GET', path, headers: { host: hostOf(address) }, signal: gone.signal });
    } catch (error) {
      if (gone.signal.aborted) return;
      throw new StatusError(500, '', `Get "https://${hostOf(address)}${path}": ${errorText(error)}`);
    }
    const { statusCode: code = 500 } = answer;
    if (code < 200 || code > 206) throw await kubeletRefusal(answer, code, pod.metadata.name ?? '');
    if (response) return passOn(answer, response, { 'content-type': answer.headers['content-type'] ?? 'text/plain' });
    if (socket) await logMessages(answer, { ...stream, socket });
  }

  exec(pod: Pod, stream: PodStream, options: PodExecRequest): Promise<void> {
    const query = streamQuery(options);
    for (const word of options.command) query.append('command', word);
    return this.#upgrade(pod, stream, `/exec/${podPath(pod)}/${encodeURIComponent(options.container)}?${query}`);
  }

  attach(pod: Pod, stream: PodStream, options: PodAttachRequest): Promise<void> {
    return this.#upgrade(pod, stream, `/attach/${podPath(pod)}/${encodeURIComponent(options.container)}?${streamQuery(options)}`);
  }

  portForward(pod: Pod, stream: PodStream, { ports }: PodPortForwardRequest): Promise<void> {
    const query = new URLSearchParams(ports.map(port => ['port', String(port)] as [string, string]));
    return this.#upgrade(pod, stream, `/portForward/${podPath(pod)}?${query}`);
  }

  async proxy(target: ProxyTarget, stream: PodStream): Promise<void> {
    const { scheme, host, port } = target;
    const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    const dial = async (): Promise<Duplex> => {
      const plain = await this.#options.dialer.dial({ type: 'pod', host, port });
      // Pods' certificates are nobody's that we know.
      return scheme === 'https' ? overTls(plain, { host }) : plain;
    };
    await this.#pass(stream, { authority, path: target.path, dial });
  }

  async nodeProxy(node: Node, stream: PodStream, { port, path, scheme }: NodeProxyRequest): Promise<void> {
    const own = this.#address(node);
    const address = { ...own, port: port ?? own.port };
    const isKubelet = address.port === own.port;
    const dial = async (): Promise<Duplex> => {
      if (isKubelet) return this.#dialKubelet(address);
      const plain = await this.#options.dialer.dial({ type: 'node', ...address });
      return scheme === 'https' ? overTls(plain, { host: address.host }) : plain;
    };
    await this.#pass(stream, { authority: hostOf(address), path, dial });
  }

  async #pass(
    stream: PodStream,
    to: { readonly authority: string; readonly path: string; readonly dial: () => Promise<Duplex> },
  ): Promise<void> {
    const { request, response, socket, head } = stream;
    const rewriter = new ProxyRewriter(request, to.authority);
    const path = rewriter.backendPath(to.path);
    if (response && path === undefined) {
      response.writeHead(301, { Location: rewriter.withSlash() }).end();
      return;
    }
    const headers: OutgoingHttpHeaders = {
      ...endToEndHeaders(request.headers, isCredential),
      host: to.authority,
      ...rewriter.forwardedHeaders(),
    };
    let backend: Duplex;
    try {
      backend = await to.dial();
    } catch (error) {
      throw serviceUnavailable(`error trying to reach service: ${errorText(error)}`);
    }
    if (socket) {
      backend.write(upgradeHead(request, path ?? to.path, headers));
      if (head && head.length > 0) backend.write(head);
      return splice(socket, backend);
    }
    if (!response) return;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    let answer: IncomingMessage;
    try {
      const { method = 'GET' } = request;
      const hasBody = method !== 'GET' && method !== 'HEAD';
      answer = await exchange(backend, {
        method,
        path: path ?? to.path,
        headers,
        signal: gone.signal,
        ...(hasBody || Number(request.headers['content-length'] ?? 0) > 0 ? { body: request } : {}),
      });
    } catch (error) {
      if (gone.signal.aborted) return;
      throw serviceUnavailable(`error trying to reach service: ${errorText(error)}`);
    }
    const answerHeaders = endToEndHeaders(answer.headers, () => false);
    await passOn(answer, response, answerHeaders, rewriter);
  }

  /** The kubelet answers the upgrade itself; whatever it says reaches the client as it is. */
  async #upgrade(pod: Pod, { request, socket, head, response }: PodStream, path: string): Promise<void> {
    const address = this.#addressOf(pod.spec.nodeName ?? '');
    if (!socket) {
      response?.setHeader('Connection', 'close');
      throw badRequest('Upgrade request required');
    }
    let kubelet: Duplex;
    try {
      kubelet = await this.#dialKubelet(address);
    } catch (error) {
      throw new StatusError(500, '', `error dialing backend: ${errorText(error)}`);
    }
    const headers = { ...endToEndHeaders(request.headers, isCredential), host: hostOf(address) };
    kubelet.write(upgradeHead(request, path, headers));
    if (head && head.length > 0) kubelet.write(head);
    await splice(socket, kubelet);
  }

  async #dialKubelet(address: KubeletAddress): Promise<Duplex> {
    const plain = await this.#options.dialer.dial({ type: 'node', ...address });
    return overTls(plain, { host: address.host, caPem: this.#options.serverCaPem(), ...this.#options.client() });
  }

  #addressOf(nodeName: string): KubeletAddress {
    const node = this.#options.node(nodeName);
    if (!node) throw new StatusError(404, 'NotFound', `nodes "${nodeName}" not found`, { name: nodeName, kind: 'nodes' });
    return this.#address(node);
  }

  #address({ metadata, status }: Readonly<Node>): KubeletAddress {
    const addresses = status?.addresses ?? [];
    const found = addressTypes.map(type => addresses.find(address => address.type === type)).find(address => address);
    if (!found) {
      const known = addresses.map(({ type, address }) => `{${type} ${address}}`).join(' ');
      throw new StatusError(500, '', `no preferred addresses found; known addresses: [${known}]`);
    }
    const port = status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
    if (port === 0) throw serviceUnavailable(`node "${metadata.name}" does not serve its kubelet's API`);
    return { nodeName: metadata.name ?? '', host: found.address, port };
  }
}

function podPath({ metadata: { namespace = '', name = '' } }: Pod): string {
  return `${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

function hostOf({ host, port }: KubeletAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The kubelet names its streams otherwise than the API. */
function streamQuery({ stdin, stdout, stderr, tty }: PodAttachRequest): URLSearchParams {
  const query = new URLSearchParams();
  if (stdin) query.set('input', '1');
  if (stdout) query.set('output', '1');
  if (stderr) query.set('error', '1');
  if (tty) query.set('tty', '1');
  return query;
}

/** Source: registry/generic/rest/response_checker.go. */
async function kubeletRefusal(answer: IncomingMessage, code: number, name: string): Promise<StatusError> {
  const message = (await text(answer)).slice(0, errorLimitBytes).trim();
  if (code === 500) return internalError(message);
  if (code === 400) return badRequest(message);
  const reasons: Readonly<Record<number, string>> = {
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'NotFound',
    503: 'ServiceUnavailable',
  };
  const reason = reasons[code] ?? '';
  const words: Readonly<Record<number, string>> = {
    404: `the server could not find the requested resource ( pods/log ${name})`,
    503: 'the server is currently unable to handle the request',
  };
  const said =
    words[code] ?? `${message || `the server responded with the status code ${code} but did not return more information`}`;
  return new StatusError(code, reason, said, {
    name,
    kind: 'pods/log',
    causes: [{ reason: 'UnexpectedServerResponse', message }],
  });
}

const logProtocols = ['', 'binary.k8s.io', 'base64.binary.k8s.io'];

/** A log on a WebSocket. An empty message says that it begins. Source: streaming's wsstream.Reader. */
async function logMessages(log: IncomingMessage, { request, socket, head }: PodStream & { socket: Duplex }): Promise<void> {
  const protocol = offeredProtocols(request).find(name => logProtocols.includes(name));
  if (!isWebSocket(request) || protocol === undefined) {
    log.destroy();
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
    return;
  }
  const client = await acceptOneWay({ request, socket, head: head ?? Buffer.alloc(0) }, protocol);
  if (!client) {
    log.destroy();
    return;
  }
  const base64 = protocol === 'base64.binary.k8s.io';
  client.on('close', () => log.destroy());
  client.send(base64 ? '' : Buffer.alloc(0), { binary: !base64 });
  // Once bytes are out, a broken stream can only be told by breaking the connection.
  await pipeline(log, messageStream(client, base64)).catch(() => client.terminate());
}

async function passOn(
  answer: IncomingMessage,
  response: ServerResponse,
  headers: OutgoingHttpHeaders,
  rewriter?: ProxyRewriter,
): Promise<void> {
  if (rewriter) {
    rewriter.rewriteLocation(headers);
    if (rewriter.wantsBody(headers)) {
      const body = await rewriter.rewriteBody(answer, headers);
      response.writeHead(answer.statusCode ?? 502, headers);
      response.end(body);
      return;
    }
  }
  response.writeHead(answer.statusCode ?? 502, headers);
  response.flushHeaders();
  // Once bytes are out, a broken stream can only be told by breaking the answer.
  await pipeline(answer, response).catch(() => response.destroy());
}
