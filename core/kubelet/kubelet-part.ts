import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { Client } from '../client/client.js';
import { ApiEventRecorder } from '../client/event-recorder.js';
import type { ApiTransport, CallerIdentity } from '../contracts/api-transport.js';
import type { ClusterPaths } from '../contracts/cluster-paths.js';
import type { ClusterSettings } from '../contracts/cluster-settings.js';
import type { ContainerRuntime } from '../contracts/container-runtime.js';
import type { Part } from '../contracts/part.js';
import { defaultAddress } from '../host/host-facts.js';
import { Kubelet } from './kubelet.js';
import type { KubeletSettings } from './kubelet-context.js';
import type { PodConnector } from './pod-connector.js';

export interface KubeletPartOptions {
  readonly transport: ApiTransport;
  readonly runtime: ContainerRuntime;
  readonly settings: ClusterSettings;
  readonly paths: Pick<ClusterPaths, 'agent'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: the settings' node. Several kubelets in one process have a name and a runtime each. */
  readonly nodeName?: string;
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

  constructor(options: KubeletPartOptions) {
    this.#options = options;
  }

  get connector(): PodConnector | undefined {
    return this.#kubelet?.connector;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { transport, runtime, clock, logger } = this.#options;
    const settings = await kubeletSettings(this.#options);
    const client = new Client(transport, nodeIdentity(settings.nodeName), 'kubelet');
    const recorder = new ApiEventRecorder({ client, clock, logger, component: 'kubelet', host: settings.nodeName });
    this.#recorder = recorder;
    this.#kubelet = new Kubelet({ settings, client, runtime, recorder, clock, logger });
    await this.#kubelet.start(signal);
    const node = { kind: 'Node', name: settings.nodeName, uid: settings.nodeName };
    recorder.event(node, 'Normal', 'Starting', 'Starting kubelet.');
  }

  async stop(): Promise<void> {
    await this.#kubelet?.stop();
    await this.#recorder?.stop();
    this.#kubelet = undefined;
    this.#recorder = undefined;
  }
}

const maximumPods = 110;

async function kubeletSettings({ settings, paths, nodeName }: KubeletPartOptions): Promise<KubeletSettings> {
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
    clusterDns: settings.clusterDns,
    clusterDomain: settings.clusterDomain,
    maximumPods,
    port: 0,
    rootDir: paths.agent.kubeletDir,
    podLogsDir: paths.agent.podLogsDir,
  };
}
