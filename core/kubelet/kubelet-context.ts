import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Client } from '../client/client.js';
import type { EventRecorder } from '../client/event-recorder.js';
import type { ContainerRuntime } from '../contracts/container-runtime.js';
import type { Pod } from '../api/generated/types.js';
import type { KubeletTuning } from './kubelet-tuning.js';

/** What every part of the kubelet is given. */
export interface KubeletContext {
  readonly settings: KubeletSettings;
  /** Speaks as `system:node:NAME`. */
  readonly client: Client;
  readonly runtime: ContainerRuntime;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface KubeletSettings {
  readonly nodeName: string;
  /** As users see it, `v1.36.0+k3s-ts`. */
  readonly version: string;
  /** Addresses of the node, one of each family, first family first. */
  readonly nodeIps: readonly string[];
  readonly externalIps: readonly string[];
  readonly internalDns: readonly string[];
  readonly externalDns: readonly string[];
  /** `key=value`. */
  readonly labels: readonly string[];
  /** `key=value:effect`. */
  readonly taints: readonly string[];
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** Pods that the node takes, where the runtime does not say. */
  readonly maximumPods: number;
  /** Port of the kubelet's HTTPS API; 0 while there is none. */
  readonly port: number;
  /** Root of pods' volumes and the like. */
  readonly rootDir: string;
  readonly podLogsDir: string;
  /** Links to the logs of all containers. */
  readonly containerLogsDir: string;
  /** Manifests of static pods. */
  readonly podManifestsDir: string;
  /** Of this node's control groups: '' where there is but one node on the host, else `/k3s-HASH`. */
  readonly cgroupRoot: string;
  /** What names the node's name servers; first that names one beside loopback. */
  readonly resolvConf: readonly string[];
  /** Tools that k3s brought along go before those of the host. */
  readonly preferBundledBin?: boolean;
  /** What the user wants otherwise than K3s. */
  readonly tuning?: KubeletTuning;
}

/** `name_namespace(uid)`, as messages name a pod. Source: pkg/kubelet/util/format. */
export function podText(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
}

export function podUid(pod: Pod): string {
  return pod.metadata.uid ?? '';
}
