/**
 * Where everything lies, all absolute. Nothing is created by asking. K3s' own layout; with a data directory of its own choosing a
 * cluster keeps its runtime and node files apart (`/run/k3s-<hash>`), so that several can live on one host.
 */
export interface ClusterPaths {
  /** `--data-dir`. */
  readonly dataDir: string;
  /** Sockets and runtime state, gone after a reboot: `/run/k3s`, `/run/k3s-<hash>`, or below the data directory without root. */
  readonly runDir: string;
  /** `--write-kubeconfig`. */
  readonly kubeconfigFile: string;
  /** `--private-registry`. */
  readonly registriesFile: string;
  /** Bundled tools, unpacked. */
  readonly binDir: string;
  /** Base of local volumes. */
  readonly storageDir: string;
  /** What each owner made on this host (`Ledger`). */
  readonly ledgerFile: string;
  readonly server: ServerPaths;
  readonly agent: AgentPaths;
}

export const ClusterPaths: unique symbol = Symbol.for('k3s/cluster-paths@1');

export interface ServerPaths {
  /** `<data-dir>/server`. */
  readonly dir: string;
  readonly tokenFile: string;
  readonly nodeTokenFile: string;
  readonly agentTokenFile: string;
  readonly manifestsDir: string;
  readonly staticDir: string;
  readonly tlsDir: string;
  readonly dbDir: string;
  /** The sqlite datastore. */
  readonly databaseFile: string;
  readonly snapshotsDir: string;
  /** Kubeconfigs of our own parts, encryption configuration. */
  readonly credDir: string;
}

export interface AgentPaths {
  /** `<data-dir>/agent`. */
  readonly dir: string;
  /** Archives in here are imported. */
  readonly imagesDir: string;
  readonly etcDir: string;
  readonly kubeletConfigDir: string;
  /** containerd's root. */
  readonly containerdDir: string;
  readonly containerdLogFile: string;
  /** The kubelet's root: pods' volumes and the like. */
  readonly kubeletDir: string;
  /** `/var/log/pods`, or below the data directory. */
  readonly podLogsDir: string;
  /** `/var/log/containers`, or below the data directory: links to the logs of all containers. */
  readonly containerLogsDir: string;
  readonly podManifestsDir: string;
  readonly nodePasswordFile: string;
}
