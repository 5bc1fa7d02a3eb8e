import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { Nodes } from '../api/generated/resources.js';
import { Client } from '../client/client.js';
import { ApiEventRecorder } from '../client/event-recorder.js';
import type { ApiTransport, CallerIdentity } from '../contracts/api-transport.js';
import type { ClusterPaths } from '../contracts/cluster-paths.js';
import type { ClusterSettings } from '../contracts/cluster-settings.js';
import type { ContainerRuntime } from '../contracts/container-runtime.js';
import type { NodeCredentials } from '../contracts/node-credentials.js';
import type { Ledger } from '../contracts/ledger.js';
import type { MetricsSource } from '../contracts/metrics-source.js';
import type { Part } from '../contracts/part.js';
import { defaultAddress } from '../host/host-facts.js';
import { ProcSysctl } from '../host/sysctl.js';
import type { Sysctl } from '../host/sysctl.js';
import type { NodePods } from './server/node-pods.js';
import { Kubelet } from './kubelet.js';
import type { KubeletSettings } from './kubelet-context.js';
import type { KubeletTuning } from './kubelet-tuning.js';
import { checkKernelDefaults, setKernelDefaults } from './node/kernel-defaults.js';
import type { PodConnector } from './pod-connector.js';
import { KubeletServer } from './server/kubelet-server.js';
import { takePort } from './server/kubelet-port.js';
import { servingCredentials } from './server/serving-credentials.js';

export interface KubeletPartOptions {
  readonly transport: ApiTransport;
  readonly runtime: ContainerRuntime;
  readonly settings: ClusterSettings;
  readonly paths: Pick<ClusterPaths, 'agent' | 'runDir'>;
  /** Absent: nothing of the host is noted, for nodes without one. */
  readonly ledger?: Ledger;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: the settings' node. Several kubelets in one process have a name and a runtime each. */
  readonly nodeName?: string;
  /** Absent: there is no HTTPS API, and nobody reaches the pods. */
  readonly credentials?: NodeCredentials;
  /** Port of the HTTPS API, 0 for a free one. Absent: 10250; where that is taken, a simulated node has a free one. */
  readonly port?: number;
  readonly tuning?: KubeletTuning;
  /** For tests. Absent: this machine's. */
  readonly sysctl?: Sysctl;
}

/** Source: plugin/pkg/auth/nodeidentifier. */
export function nodeIdentity(nodeName: string): CallerIdentity {
  return { name: `system:node:${nodeName}`, groups: ['system:nodes', 'system:authenticated'] };
}

/** The kubelet as a part of the kernel. */
export class KubeletPart implements Part {
  readonly #options: KubeletPartOptions;
  #kubelet: Kubelet | undefined;
  #recorder: ApiEventRecorder | undefined;
  #server: KubeletServer | undefined;
  /** With the port that is listened on. */
  #settings: KubeletSettings | undefined;

  constructor(options: KubeletPartOptions) {
    this.#options = options;
  }

  get connector(): PodConnector | undefined {
    return this.#kubelet?.connector;
  }

  /** For metrics.k8s.io: what this node's HTTPS API would say. */
  get metrics(): MetricsSource {
    return {
      usage: async () => {
        const read = await this.#server?.stats.read();
        if (!read) return [];
        const { nodeName, timeMs, cpuUsageCoreNanos, memoryWorkingSetBytes, pods } = read;
        return [
          {
            nodeName,
            node: { timeMs, cpuUsageCoreNanos, memoryWorkingSetBytes },
            pods: pods.map(({ pod, containers }) => ({
              namespace: pod.metadata.namespace ?? '',
              name: pod.metadata.name ?? '',
              uid: this.#kubelet?.nodePods?.apiUid(pod) ?? pod.metadata.uid ?? '',
              containers: containers.map(({ state, stats }) => ({
                name: state.name,
                timeMs: stats.timeMs,
                cpuUsageCoreNanos: stats.cpuUsageCoreNanos,
                memoryWorkingSetBytes: stats.memoryWorkingSetBytes,
                ...(state.startedAtMs === undefined ? {} : { startedAtMs: state.startedAtMs }),
              })),
            })),
          },
        ];
      },
    };
  }

  async init(): Promise<void> {
    if (this.#options.tuning?.protectKernelDefaults) await checkKernelDefaults(this.#sysctl);
  }

  get #sysctl(): Sysctl {
    return this.#options.sysctl ?? new ProcSysctl();
  }

  async start(signal: AbortSignal): Promise<void> {
    const { transport, runtime, clock, ledger, logger, tuning } = this.#options;
    if (!tuning?.protectKernelDefaults && (await runtime.status()).onHost) {
      for (const problem of await setKernelDefaults(this.#sysctl)) logger.warn('a kernel setting stays as it is', { problem });
    }
    const found = await kubeletSettings(this.#options);
    const client = new Client(transport, nodeIdentity(found.nodeName), 'kubelet');
    const settings = { ...found, port: await this.#listen(found, client) };
    this.#settings = settings;
    const recorder = new ApiEventRecorder({ client, clock, logger, component: 'kubelet', host: settings.nodeName });
    this.#recorder = recorder;
    this.#kubelet = new Kubelet({ settings, client, runtime, recorder, clock, logger, ...(ledger ? { ledger } : {}) });
    await this.#kubelet.start(signal);
    if (this.#options.settings.role === 'server') await this.#markServer(settings.nodeName);
    const node = { kind: 'Node', name: settings.nodeName, uid: settings.nodeName };
    recorder.event(node, 'Normal', 'Starting', 'Starting kubelet.');
  }

  /** Resolves the port; 0 when there is no HTTPS API. */
  async #listen(settings: KubeletSettings, client: Client): Promise<number> {
    const { credentials, runtime, clock, logger, paths, tuning, nodeName: ownName } = this.#options;
    const port = tuning?.port ?? this.#options.port;
    if (!credentials) return 0;
    const { nodeName, nodeIps, externalIps, internalDns, externalDns } = settings;
    const tls = await servingCredentials({
      credentials,
      directory: ownName === undefined ? paths.agent.dir : join(paths.agent.dir, ownName),
      nodeName,
      addresses: [...nodeIps, ...externalIps, ...internalDns, ...externalDns],
    });
    const isLoopback = nodeIps.every(address => address === '::1' || address.startsWith('127.'));
    const host = isLoopback ? nodeIps[0] : undefined;
    const pods = (): NodePods | undefined => this.#kubelet?.nodePods;
    const server = new KubeletServer({
      nodeName,
      client,
      runtime,
      clock,
      logger,
      pods,
      tls,
      host,
      settings: () => this.#settings ?? settings,
    });
    this.#server = server;
    return takePort({ server, runtime, logger, port });
  }

  /** Kubelets may not give roles to their nodes: the server does, as in K3s. */
  async #markServer(nodeName: string): Promise<void> {
    const { transport, logger } = this.#options;
    const nodes = new Client(transport, serverIdentity, 'k3s').resource(Nodes);
    try {
      const { metadata } = await nodes.get(nodeName);
      if (metadata.labels?.[controlPlaneLabel] === 'true') return;
      await nodes.patch(nodeName, 'merge', { metadata: { labels: { [controlPlaneLabel]: 'true' } } });
    } catch (error) {
      logger.warn('the node was not labelled as a server', { error });
    }
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
    await this.#kubelet?.stop();
    await this.#recorder?.stop();
    this.#kubelet = undefined;
    this.#recorder = undefined;
  }
}

const serverIdentity: CallerIdentity = { name: 'system:admin', groups: ['system:masters', 'system:authenticated'] };
const controlPlaneLabel = 'node-role.kubernetes.io/control-plane';
const maximumPods = 110;

function cgroupName(runDir: string): string {
  const own = basename(runDir);
  return own.startsWith('k3s-') ? own : `k3s-${createHash('sha256').update(runDir).digest('hex').slice(0, 8)}`;
}

async function kubeletSettings({ settings, paths, nodeName, tuning = {} }: KubeletPartOptions): Promise<KubeletSettings> {
  const nodeIps = settings.nodeIps.length > 0 ? settings.nodeIps : [(await defaultAddress()) ?? '127.0.0.1'];
  return {
    nodeName: nodeName ?? settings.nodeName,
    version: settings.version,
    nodeIps,
    externalIps: settings.nodeExternalIps,
    internalDns: settings.nodeInternalDns,
    externalDns: settings.nodeExternalDns,
    labels: settings.nodeLabels,
    taints: settings.nodeTaints,
    clusterDns: tuning.clusterDns ?? settings.clusterDns,
    clusterDomain: tuning.clusterDomain ?? settings.clusterDomain,
    maximumPods: tuning.maximumPods ?? maximumPods,
    port: 0,
    rootDir: paths.agent.kubeletDir,
    podLogsDir: paths.agent.podLogsDir,
    containerLogsDir: paths.agent.containerLogsDir,
    podManifestsDir: paths.agent.podManifestsDir,
    // Of the same name as the node's runtime directory, which tells nodes of one host apart.
    cgroupRoot: paths.runDir === '/run/k3s' ? '' : `/${cgroupName(paths.runDir)}`,
    resolvConf: tuning.resolvConf === undefined ? ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] : [tuning.resolvConf],
    preferBundledBin: settings.preferBundledBin,
    tuning,
  };
}
