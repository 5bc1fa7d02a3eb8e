import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Node, Pod } from '../api/generated/types.js';

/**
 * The way from the API server to what runs on nodes. Source: KEP-2885 and the kubelet's server; the options are those of
 * core/v1 Pod*Options, checked by the API server: the container exists, the pod has a node.
 * Failures before the first byte are StatusErrors and become the answer; later ones end the stream.
 */
export interface PodConnector {
  log(pod: Pod, stream: PodStream, options: PodLogRequest): Promise<void>;
  exec(pod: Pod, stream: PodStream, options: PodExecRequest): Promise<void>;
  attach(pod: Pod, stream: PodStream, options: PodAttachRequest): Promise<void>;
  portForward(pod: Pod, stream: PodStream, options: PodPortForwardRequest): Promise<void>;
  /** Passes an HTTP request, or an upgraded connection, on to an address in the cluster: a pod's or a service's. */
  proxy(target: ProxyTarget, stream: PodStream): Promise<void>;
  /** Passes a request on to the kubelet of a node. `port` where the path names another than the kubelet's own. */
  nodeProxy(node: Node, stream: PodStream, options: NodeProxyRequest): Promise<void>;
}

export const PodConnector: unique symbol = Symbol.for('k3s/pod-connector@1');

/** A client's connection: `response` for plain requests, `socket` and `head` for upgraded ones. */
export interface PodStream {
  readonly request: IncomingMessage;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly response?: ServerResponse;
  readonly socket?: Duplex;
  readonly head?: Buffer;
}

export interface PodLogRequest {
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly tailLines?: number;
  readonly limitBytes?: number;
}

export interface PodAttachRequest {
  readonly container: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface PodExecRequest extends PodAttachRequest {
  readonly command: readonly string[];
}

export interface PodPortForwardRequest {
  /** Empty where the client names them on the connection (SPDY). */
  readonly ports: readonly number[];
}

export interface ProxyTarget {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** With a leading slash; the query is the stream's. */
  readonly path: string;
}

export interface NodeProxyRequest {
  readonly scheme?: 'http' | 'https';
  readonly port?: number;
  readonly path: string;
}
