import type { ObjectMeta } from '../machinery/object.js';

export interface SigningRequest {
  /** PEM of a PKCS#10 request. */
  readonly requestPem: string;
  /** Which of the cluster's authorities signs. */
  readonly authority: 'client' | 'server';
  readonly usages: readonly ('client' | 'server')[];
  readonly lifetimeMs: number;
}

/** What a PKCS#10 request asks for. */
export interface RequestContent {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** How many names of other kinds (mail addresses, URIs) it has. */
  readonly otherNames: number;
}

/** The cluster's own keys, as far as controllers use them: certificate authorities and the key of service account tokens. */
export interface ClusterAuthority {
  /** Bundle that verifies the API server: what pods find as `ca.crt`. */
  readonly serverCaPem: string;
  /** Reads a request. Throws CodedError PKI_MALFORMED. */
  inspect(requestPem: string): RequestContent;
  /**
   * A certificate in PEM with its chain, for a request that was approved. Subject and names are those of the request; who calls has
   * checked them. Never lives longer than the authority. Throws CodedError (`PKI_BAD_REQUEST`: the signature does not verify).
   */
  sign(request: SigningRequest): Promise<string>;
  /**
   * A token for a Secret of type `kubernetes.io/service-account-token`: without end and audience, good while the Secret holds it and
   * the account exists.
   */
  serviceAccountToken(account: { readonly metadata: ObjectMeta }, secretName: string): Promise<string> | string;
}

export const ClusterAuthority: unique symbol = Symbol.for('k3s/cluster-authority@1');
