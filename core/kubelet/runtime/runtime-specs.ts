import { join } from 'node:path';
import { CodedError } from '../../base/errors.js';
import { podQosClass } from '../../api/pod-resources.js';
import type { Container, Pod } from '../../api/generated/types.js';
import type { ContainerSpec, ImageState, LinuxResources, Mount, SandboxSpec } from '../../contracts/container-runtime.js';
import { parseQuantity } from '../../machinery/quantity.js';
import { normalName } from '../admission/sysctls.js';
import { podDns } from '../dns/pod-dns.js';
import type { PodDns } from '../dns/pod-dns.js';
import type { DeviceOptions } from '../devices/pod-devices.js';
import type { KubeletSettings } from '../kubelet-context.js';
import { containerSecurity, podGroups } from './container-security.js';
import { expand } from './expansion.js';
import { containerAnnotations, containerLabels, sandboxLabels, withTerminationFile } from './runtime-labels.js';

/** Where the logs of a pod's containers lie. */
export function podLogDirectory(pod: Pick<Pod, 'metadata'>, { podLogsDir }: Pick<KubeletSettings, 'podLogsDir'>): string {
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  return join(podLogsDir, `${namespace}_${name}_${uid}`);
}

export interface SandboxMaking {
  readonly attempt: number;
  readonly runtimeHandler: string;
  /** Of the pod's control groups, '' where it has none. */
  readonly cgroupParent: string;
  /** Undefined: the runtime's own. */
  readonly nodeDns: PodDns | undefined;
}

/** Source: pkg/kubelet/kuberuntime generatePodSandboxConfig. */
export function sandboxSpec(pod: Pod, settings: KubeletSettings, made: SandboxMaking): SandboxSpec {
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  const { spec } = pod;
  const security = spec.securityContext ?? {};
  return {
    podUid: uid,
    podName: name,
    podNamespace: namespace,
    attempt: made.attempt,
    hostname: podHostname(pod, settings),
    logDirectory: podLogDirectory(pod, settings),
    labels: sandboxLabels(pod),
    annotations: { ...pod.metadata.annotations },
    dns: podDns(pod, settings, made.nodeDns),
    portMappings: spec.containers.flatMap(({ ports }) =>
      (ports ?? [])
        .filter(({ hostPort }) => hostPort)
        .map(port => ({
          protocol: (port.protocol ?? 'TCP') as 'TCP' | 'UDP' | 'SCTP',
          containerPort: port.containerPort,
          hostPort: port.hostPort!,
          hostIp: port.hostIP ?? '',
        })),
    ),
    hostNetwork: spec.hostNetwork ?? false,
    hostPid: spec.hostPID ?? false,
    hostIpc: spec.hostIPC ?? false,
    sharePid: spec.shareProcessNamespace ?? false,
    cgroupParent: made.cgroupParent,
    sysctls: Object.fromEntries((security.sysctls ?? []).map(({ name, value }) => [normalName(name), value])),
    runtimeHandler: made.runtimeHandler,
    security: {
      privileged: spec.containers.some(({ securityContext }) => securityContext?.privileged),
      ...(security.runAsUser === undefined ? {} : { runAsUser: security.runAsUser }),
      ...(security.runAsGroup === undefined ? {} : { runAsGroup: security.runAsGroup }),
      ...podGroups(pod),
      readOnlyRootFilesystem: false,
      seccomp: { type: 'RuntimeDefault' },
      ...(security.seLinuxOptions ? { selinux: security.seLinuxOptions } : {}),
    },
  };
}

function podHostname(pod: Pod, settings: KubeletSettings): string {
  if (pod.spec.hostNetwork) return settings.nodeName;
  const { hostname, subdomain, hostnameOverride, setHostnameAsFQDN } = pod.spec;
  if (hostnameOverride) return hostnameOverride;
  // The kernel takes 64 characters; names of pods may be longer.
  const short = (hostname ?? pod.metadata.name ?? '').slice(0, 63).replace(/[-.]+$/, '');
  return setHostnameAsFQDN && subdomain ? `${short}.${subdomain}.${pod.metadata.namespace}.svc.${settings.clusterDomain}` : short;
}

export interface ContainerSpecInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly restartCount: number;
  readonly imageId: string;
  readonly image: ImageState | undefined;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly Mount[];
  readonly targetContainerId: string | undefined;
  /** The kubelet's. */
  readonly rootDir: string;
  /** Memory of the machine, for the out-of-memory score. */
  readonly memoryBytes: number;
  /** Of the container's control group, beside its limits. */
  readonly cgroupKeys: Readonly<Record<string, string>>;
  /** Of plugins of the node. */
  readonly devices: DeviceOptions | undefined;
}

/** Throws CREATE_CONTAINER_CONFIG. Source: pkg/kubelet/kuberuntime generateContainerConfig. */
export function containerSpec(input: ContainerSpecInput): ContainerSpec {
  const { pod, container, restartCount, environment, devices } = input;
  const [device] = container.volumeDevices ?? [];
  if (device) {
    const text = `block volumes are not supported by this node: volumeDevices of "${container.name}" name "${device.name}"`;
    throw new CodedError('CREATE_CONTAINER_CONFIG', text);
  }
  const expanded = (words: readonly string[] | undefined): string[] =>
    (words ?? []).map(word => expand(word, name => environment.get(name)));
  return {
    name: container.name,
    attempt: restartCount,
    image: input.imageId,
    userImage: container.image ?? '',
    command: expanded(container.command),
    args: expanded(container.args),
    workingDirectory: container.workingDir ?? '',
    environment: Array.from(environment, ([name, value]) => ({ name, value })),
    mounts: [...(devices?.mounts ?? []), ...input.mounts],
    devices: devices?.devices ?? [],
    ...(devices?.cdiDevices.length ? { cdiDevices: devices.cdiDevices } : {}),
    labels: containerLabels(pod, container),
    annotations: {
      ...devices?.annotations,
      ...withTerminationFile(containerAnnotations(pod, container, restartCount), input.mounts),
    },
    logPath: join(container.name, `${restartCount}.log`),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    ...(container.lifecycle?.stopSignal ? { stopSignal: container.lifecycle.stopSignal } : {}),
    resources: { ...linuxResources(pod, container, input.memoryBytes), unified: input.cgroupKeys },
    security: containerSecurity(input),
    pidMode: input.targetContainerId
      ? { targetContainerId: input.targetContainerId }
      : pod.spec.hostPID
        ? 'node'
        : pod.spec.shareProcessNamespace
          ? 'pod'
          : 'container',
  };
}

/** Source: pkg/kubelet/cm/helpers_linux.go, pkg/kubelet/qos. */
export function linuxResources(pod: Pod, container: Container, memoryBytes: number): LinuxResources {
  const { limits = {}, requests = {} } = container.resources ?? {};
  const cpuLimit = limits['cpu'] === undefined ? 0 : parseQuantity(limits['cpu']).milliValue();
  const cpuRequest = requests['cpu'] === undefined ? cpuLimit : parseQuantity(requests['cpu']).milliValue();
  const memoryLimit = limits['memory'] === undefined ? 0 : parseQuantity(limits['memory']).value();
  const cpuPeriodMicros = 100_000;
  return {
    cpuShares: cpuRequest === 0 ? 2 : Math.min(262_144, Math.max(2, Math.floor((cpuRequest * 1024) / 1000))),
    ...(cpuLimit > 0 ? { cpuPeriodMicros, cpuQuotaMicros: Math.max(1000, Math.floor((cpuLimit * cpuPeriodMicros) / 1000)) } : {}),
    ...(memoryLimit > 0 ? { memoryLimitBytes: memoryLimit } : {}),
    oomScoreAdjust: oomScore(pod, container, memoryBytes),
  };
}

function oomScore(pod: Pod, container: Container, memoryBytes: number): number {
  if ((pod.spec.priority ?? 0) >= 2_000_000_000) return -997;
  const qos = podQosClass(pod.spec);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const { requests, limits } = container.resources ?? {};
  const request = parseQuantity(requests?.['memory'] ?? limits?.['memory'] ?? '0').value();
  const score = 1000 - Math.floor((1000 * request) / Math.max(1, memoryBytes));
  return score < 3 ? 3 : score === 1000 ? 999 : score;
}
