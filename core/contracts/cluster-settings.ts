/**
 * What the whole cluster or this node was told by flags and files, checked and typed. Frozen. Bound by the kernel.
 * What only one plugin reads (`--kubelet-arg`, `--flannel-backend`, `--pause-image` ...) is an option of that plugin instead, which
 * claims the flag in its descriptor (`PluginOptions`).
 */
export interface ClusterSettings {
  readonly role: 'server' | 'agent';
  /** Release name shown to users, like `v1.36.0+k3s-ts`. */
  readonly version: string;
  /** `default`, `edge`, `ci`, `sandbox`, `ha`. */
  readonly preset: string;

  /** Address that the HTTPS listener binds to. */
  readonly bindAddress: string;
  /** 0: the system chooses. */
  readonly httpsListenPort: number;
  /** Address in the `kubernetes` Service's endpoints; undefined: the node's own address. */
  readonly advertiseAddress: string | undefined;
  /** Undefined: the port that is listened on. */
  readonly advertisePort: number | undefined;
  /** Further names and addresses of the serving certificate. */
  readonly tlsSans: readonly string[];

  /** Pod ranges, the first is the primary family. */
  readonly clusterCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly serviceNodePortRange: { readonly first: number; readonly last: number };
  /** ClusterIPs of the DNS Service, one for each service range. */
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;

  /** This machine's Node. False: a server without a node (`--disable-agent`). */
  readonly nodeEnabled: boolean;
  readonly nodeName: string;
  readonly nodeIps: readonly string[];
  readonly nodeExternalIps: readonly string[];
  readonly nodeInternalDns: readonly string[];
  readonly nodeExternalDns: readonly string[];
  /** `key=value`, set at registration only. */
  readonly nodeLabels: readonly string[];
  /** `key=value:effect`, set at registration only. */
  readonly nodeTaints: readonly string[];

  /** Tools that k3s brought along go before those of the host. */
  readonly preferBundledBin: boolean;

  /** Undefined: made at the first start. */
  readonly token: string | undefined;
  /** Undefined: the same as `token`. */
  readonly agentToken: string | undefined;
  /** `--server`: the server to join. */
  readonly serverUrl: string | undefined;
  readonly kubeconfig: KubeconfigSettings;

  /** Names given to `--disable`: plugin ids, aliases, base names of manifest files. */
  readonly disabled: readonly string[];
}

export const ClusterSettings: unique symbol = Symbol.for('k3s/cluster-settings@1');

export interface KubeconfigSettings {
  /** File mode, like 0o600. */
  readonly mode: number;
  readonly group: string | undefined;
  /** Name of cluster, user and context. */
  readonly name: string;
}
