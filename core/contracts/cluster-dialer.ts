import type { Duplex } from 'node:stream';

/**
 * How the API server reaches nodes, pods, Services and webhooks: a plain stream, TLS is the caller's. On this machine's network first;
 * a tunnel takes its place where a node cannot be reached.
 */
export interface ClusterDialer {
  /** Rejects CodedErrors `DIAL_FAILED` (the message as Go words it: `dial tcp HOST:PORT: connect: connection refused`) and `DIAL_TIMEOUT`. */
  dial(target: DialTarget, signal?: AbortSignal): Promise<Duplex>;
}

export const ClusterDialer: unique symbol = Symbol.for('k3s/cluster-dialer@1');

export interface DialTarget {
  readonly type: 'node' | 'pod' | 'service' | 'url';
  /** Node that the address belongs to, where that is known: what a tunnel goes by. */
  readonly nodeName?: string;
  readonly host: string;
  readonly port: number;
}
