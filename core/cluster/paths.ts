import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { ClusterPaths } from '../contracts/cluster-paths.js';

export interface PathOptions {
  /** `--data-dir`; absent: the default of the user. */
  readonly dataDir?: string;
  readonly kubeconfigFile?: string;
  readonly registriesFile: string;
  /** Host files may be used: root, and not a temporary cluster. */
  readonly ownsHost: boolean;
  readonly homeDir: string;
}

const defaultDataDir = '/var/lib/rancher/k3s';

/** K3s' file layout. Everything lies below the data directory when the host is not ours, and node files when it is not the default. */
export function makeClusterPaths(options: PathOptions): ClusterPaths {
  const { ownsHost, homeDir } = options;
  const dataDir = resolve(options.dataDir ?? (ownsHost ? defaultDataDir : join(homeDir, '.rancher/k3s')));
  const isDefault = ownsHost && dataDir === defaultDataDir;
  const server = join(dataDir, 'server');
  const agent = join(dataDir, 'agent');
  const etc = join(agent, 'etc');
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 8);
  return Object.freeze({
    dataDir,
    runDir: isDefault ? '/run/k3s' : ownsHost ? `/run/k3s-${hash}` : join(dataDir, 'run'),
    kubeconfigFile: resolve(options.kubeconfigFile ?? (ownsHost ? '/etc/rancher/k3s/k3s.yaml' : join(dataDir, 'k3s.yaml'))),
    registriesFile: resolve(options.registriesFile),
    binDir: join(dataDir, 'data', 'current', 'bin'),
    storageDir: join(dataDir, 'storage'),
    ledgerFile: join(dataDir, 'ledger.jsonl'),
    server: Object.freeze({
      dir: server,
      tokenFile: join(server, 'token'),
      nodeTokenFile: join(server, 'node-token'),
      agentTokenFile: join(server, 'agent-token'),
      manifestsDir: join(server, 'manifests'),
      staticDir: join(server, 'static'),
      tlsDir: join(server, 'tls'),
      dbDir: join(server, 'db'),
      databaseFile: join(server, 'db', 'state.db'),
      snapshotsDir: join(server, 'db', 'snapshots'),
      credDir: join(server, 'cred'),
    }),
    agent: Object.freeze({
      dir: agent,
      imagesDir: join(agent, 'images'),
      etcDir: etc,
      kubeletConfigDir: join(etc, 'kubelet.conf.d'),
      containerdDir: join(agent, 'containerd'),
      containerdLogFile: join(agent, 'containerd', 'containerd.log'),
      kubeletDir: isDefault ? '/var/lib/kubelet' : join(agent, 'kubelet'),
      podLogsDir: isDefault ? '/var/log/pods' : join(agent, 'pod-logs'),
      containerLogsDir: isDefault ? '/var/log/containers' : join(agent, 'container-logs'),
      podManifestsDir: join(agent, 'pod-manifests'),
      nodePasswordFile: isDefault ? '/etc/rancher/node/password' : join(agent, 'node-password'),
    }),
  });
}
