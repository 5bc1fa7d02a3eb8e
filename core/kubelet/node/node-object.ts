import { CodedError } from '../../base/errors.js';
import { isExtendedResource } from '../../api/resource-names.js';
import { formatTime } from '../../api/time.js';
import type { ImageState, RuntimeHandler, RuntimeStatus } from '../../contracts/container-runtime.js';
import type { Node, NodeAddress, NodeCondition, NodeRuntimeHandler, NodeStatus, Taint } from '../../api/generated/types.js';
import type { HostFacts } from '../../host/host-facts.js';
import { parseQuantity } from '../../machinery/quantity.js';
import { thresholds } from '../eviction/signals.js';
import type { PressureCondition, Threshold } from '../eviction/signals.js';
import type { NodeDevices } from '../devices/device-manager.js';
import type { KubeletSettings } from '../kubelet-context.js';
import type { KubeletTuning } from '../kubelet-tuning.js';

export interface NodeInput {
  readonly settings: KubeletSettings;
  readonly host: HostFacts;
  /** Undefined: the runtime does not answer. */
  readonly runtime: RuntimeStatus | undefined;
  readonly runtimeProblem: string | undefined;
  readonly images: readonly ImageState[];
  readonly pressure: ReadonlySet<PressureCondition>;
  /** What device plugins offer. */
  readonly devices: NodeDevices | undefined;
  readonly nowMs: number;
}

const imageLimit = 50;

/** The Node at its registration. Source: pkg/kubelet initialNode; labels of K3s. */
export function initialNode(input: NodeInput): Node {
  const { settings, host } = input;
  const labels: Record<string, string> = {
    'beta.kubernetes.io/arch': host.architecture,
    'beta.kubernetes.io/instance-type': 'k3s',
    'beta.kubernetes.io/os': host.operatingSystem,
    'kubernetes.io/arch': host.architecture,
    'kubernetes.io/hostname': settings.nodeName,
    'kubernetes.io/os': host.operatingSystem,
    'node.kubernetes.io/instance-type': 'k3s',
  };
  for (const label of settings.labels) {
    const at = label.indexOf('=');
    labels[at < 0 ? label : label.slice(0, at)] = at < 0 ? '' : label.slice(at + 1);
  }
  const taints = settings.taints.map(parseTaint);
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: settings.nodeName,
      labels,
      annotations: {
        'k3s.io/hostname': settings.nodeName,
        'k3s.io/internal-ip': settings.nodeIps.join(','),
        ...(settings.externalIps.length > 0 ? { 'k3s.io/external-ip': settings.externalIps.join(',') } : {}),
        'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
      },
    },
    spec: { providerID: `k3s://${settings.nodeName}`, ...(taints.length > 0 ? { taints } : {}) },
    status: nodeStatus(input, undefined),
  };
}

/** `key=value:Effect` or `key:Effect`. Throws NODE_TAINT_INVALID. */
export function parseTaint(text: string): Taint {
  const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text);
  if (!match) throw new CodedError('NODE_TAINT_INVALID', `invalid taint "${text}"`, { mend: 'write it as key=value:NoSchedule' });
  return { key: match[1]!, ...(match[2] ? { value: match[2] } : {}), effect: match[3]! };
}

/** What the Node says now; transition times are taken over from `previous`. */
export function nodeStatus(input: NodeInput, previous: NodeStatus | undefined): NodeStatus {
  const { settings, host, runtime, devices } = input;
  const { capacity, allocatable } = nodeResources(input);
  // Who writes them into the capacity, means them for pods.
  const ofOthers = Object.fromEntries(Object.entries(previous?.capacity ?? {}).filter(([name]) => isExtendedResource(name)));
  return {
    addresses: addresses(settings),
    capacity: { ...ofOthers, ...capacity, ...devices?.capacity },
    allocatable: { ...ofOthers, ...allocatable, ...devices?.allocatable },
    conditions: conditions(input, previous?.conditions),
    daemonEndpoints: { kubeletEndpoint: { Port: settings.port } },
    nodeInfo: {
      machineID: host.machineId,
      systemUUID: host.systemUuid,
      bootID: host.bootId,
      kernelVersion: host.kernelVersion,
      osImage: host.osImage,
      containerRuntimeVersion: runtime ? `${runtime.name}://${runtime.version}` : '',
      kubeletVersion: settings.version,
      kubeProxyVersion: '',
      operatingSystem: host.operatingSystem,
      architecture: host.architecture,
      ...(host.swapBytes > 0 ? { swap: { capacity: host.swapBytes } } : {}),
    },
    ...(input.images.length > 0 ? { images: imageList(input.images) } : {}),
    ...(runtime && runtime.handlers.length > 0 ? { runtimeHandlers: runtime.handlers.map(runtimeHandler) } : {}),
    features: { supplementalGroupsPolicy: runtime?.features.supplementalGroupsPolicy ?? false },
  };
}

export function nodeResources({ settings, host, runtime }: Pick<NodeInput, 'settings' | 'host' | 'runtime'>): {
  capacity: Record<string, string>;
  allocatable: Record<string, string>;
} {
  const ofHost: Record<string, string> = {
    cpu: String(host.cpus),
    'ephemeral-storage': `${Math.floor(host.storageBytes / 1024)}Ki`,
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory: `${Math.floor(host.memoryBytes / 1024)}Ki`,
    pods: String(settings.maximumPods),
  };
  const { tuning = {} } = settings;
  if (runtime?.capacity) {
    const pods: Record<string, string> = tuning.maximumPods === undefined ? {} : { pods: String(tuning.maximumPods) };
    const capacity = { ...ofHost, ...runtime.capacity, ...pods };
    return { capacity, allocatable: withoutReserved(capacity, tuning) };
  }
  const { limit = { fraction: 0 } }: Partial<Threshold> =
    (tuning.evictionThresholds ?? thresholds).find(own => own.signal === 'nodefs.available') ?? {};
  const kept = 'bytes' in limit ? limit.bytes : Math.floor(host.storageBytes * limit.fraction);
  const storage = String(Math.max(0, host.storageBytes - kept));
  return { capacity: ofHost, allocatable: withoutReserved({ ...ofHost, 'ephemeral-storage': storage }, tuning) };
}

/** What the system and Kubernetes keep is not for pods, nor is the memory below a limit that the user set. */
function withoutReserved(
  resources: Record<string, string>,
  { reserved = {}, evictionThresholds }: KubeletTuning,
): Record<string, string> {
  const memory = evictionThresholds?.find(({ signal }) => signal === 'memory.available')?.limit;
  const kept: Record<string, number> = { ...reserved };
  if (memory && 'bytes' in memory) kept['memory'] = (kept['memory'] ?? 0) + memory.bytes;
  const left = Object.entries(kept).flatMap(([name, amount]) => {
    const whole = resources[name];
    if (whole === undefined || amount === 0) return [];
    const rest = parseQuantity(whole).sub(parseQuantity(name === 'cpu' ? `${Math.round(amount * 1000)}m` : String(amount)));
    return [[name, rest.toNumber() < 0 ? '0' : String(rest)]];
  });
  return { ...resources, ...Object.fromEntries(left) };
}

function runtimeHandler({ name, recursiveReadOnlyMounts, userNamespaces }: RuntimeHandler): NodeRuntimeHandler {
  return { name, features: { recursiveReadOnlyMounts, userNamespaces } };
}

function addresses(settings: KubeletSettings): NodeAddress[] {
  const list = (type: string, values: readonly string[]): NodeAddress[] => values.map(address => ({ type, address }));
  return [
    ...list('InternalIP', settings.nodeIps),
    ...list('ExternalIP', settings.externalIps),
    ...list('InternalDNS', settings.internalDns),
    ...list('ExternalDNS', settings.externalDns),
    { type: 'Hostname', address: settings.nodeName },
  ];
}

function imageList(images: readonly ImageState[]): { names: string[]; sizeBytes: number }[] {
  return [...images]
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .slice(0, imageLimit)
    .map(({ tags, digests, sizeBytes }) => ({ names: [...digests, ...tags].slice(0, 5), sizeBytes }));
}

/** Why pods of the pod network cannot run; undefined when they can. */
export function networkProblem(runtime: RuntimeStatus | undefined): string | undefined {
  if (!runtime || runtime.networkReady) return undefined;
  const state = 'NetworkReady=false reason:NetworkPluginNotReady';
  return `container runtime network not ready: ${state} message:Network plugin returns error: ${runtime.networkMessage}`;
}

function conditions(input: NodeInput, previous: readonly NodeCondition[] | undefined): NodeCondition[] {
  const { runtime, nowMs } = input;
  const problems: string[] = [];
  if (input.runtimeProblem !== undefined) problems.push(`container runtime is down: ${input.runtimeProblem}`);
  else if (runtime && !runtime.ready) problems.push(`container runtime is down: ${runtime.message}`);
  const network = networkProblem(runtime);
  if (network !== undefined) problems.push(network);
  const lastHeartbeatTime = formatTime(nowMs);
  const condition = (type: string, status: string, reason: string, message: string): NodeCondition => {
    const before = previous?.find(own => own.type === type);
    const same = before?.status === status;
    return {
      type,
      status,
      lastHeartbeatTime,
      lastTransitionTime: same ? before.lastTransitionTime : lastHeartbeatTime,
      reason,
      message,
    };
  };
  return [
    input.pressure.has('MemoryPressure')
      ? condition('MemoryPressure', 'True', 'KubeletHasInsufficientMemory', 'kubelet has insufficient memory available')
      : condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    input.pressure.has('DiskPressure')
      ? condition('DiskPressure', 'True', 'KubeletHasDiskPressure', 'kubelet has disk pressure')
      : condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    problems.length === 0
      ? condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status')
      : condition('Ready', 'False', 'KubeletNotReady', problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`),
  ];
}
