/** What a node gets from the cluster's authorities. The API server gives it in its own process, an agent asks its server. */
export interface NodeCredentials {
  /** Bundle that verifies clients of the kubelet's HTTPS API. */
  clientCaPem(): Promise<string>;
  /**
   * The certificate of the kubelet's HTTPS API for a key that the node made. `currentPem` comes back when it is still good: it names the
   * node and all addresses, and has time left.
   */
  kubeletServing(request: KubeletServingRequest): Promise<string>;
}

export const NodeCredentials: unique symbol = Symbol.for('k3s/node-credentials@1');

export interface KubeletServingRequest {
  readonly nodeName: string;
  readonly addresses: readonly string[];
  readonly keyPem: string;
  readonly currentPem?: string | undefined;
}
