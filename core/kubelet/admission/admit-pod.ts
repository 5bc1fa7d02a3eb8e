import { requiredNodeAffinityMatches } from '../../api/node-affinity.js';
import { parseResourceList, podRequests } from '../../api/pod-resources.js';
import type { ResourceQuantities } from '../../api/pod-resources.js';
import { isExtendedResource } from '../../api/resource-names.js';
import { firstUntoleratedTaint } from '../../api/taints.js';
import type { Node, Pod } from '../../api/generated/types.js';
import { parseQuantity, Quantity } from '../../machinery/quantity.js';
import { refusedBySysctl } from './sysctls.js';

export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

export interface NodeWorld {
  /** Pods that hold resources of the node. */
  readonly others: readonly Pod[];
  /** Profiles of AppArmor are kept to. */
  readonly appArmor: boolean;
  /** How many devices of each resource are held, when this pod holds any: so many the node must have. */
  readonly devices?: ReadonlyMap<string, number> | undefined;
  /** Sysctls that pods may set beside the safe ones. */
  readonly unsafeSysctls?: readonly string[];
}

/**
 * The scheduler's last word, spoken by the node: a pod bound by hand, or by a scheduler that was late, is refused when it does not
 * fit. Source: pkg/kubelet/lifecycle/predicate.go.
 */
export function admitPod(pod: Pod, node: Node | undefined, world: NodeWorld): Refusal | undefined {
  if (!node) return undefined;
  const { others, appArmor, unsafeSysctls } = world;
  return (
    refusedBySysctl(pod, node.status?.nodeInfo?.kernelVersion ?? '', unsafeSysctls) ??
    refusedByOperatingSystem(pod, node) ??
    refusedByGroupsPolicy(pod, node) ??
    refusedByResources(pod, node, world) ??
    refusedByAffinity(pod, node) ??
    refusedByPorts(pod, others) ??
    refusedByTaint(pod, node) ??
    (appArmor ? undefined : refusedByAppArmor(pod))
  );
}

/** Source: rejectPodAdmissionBasedOnOSSelector, rejectPodAdmissionBasedOnOSField. */
function refusedByOperatingSystem({ metadata, spec }: Pod, node: Node): Refusal | undefined {
  const own = node.status?.nodeInfo?.operatingSystem;
  const label = metadata.labels?.['kubernetes.io/os'];
  if (label !== undefined && label !== own) {
    const message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
    return { reason: 'PodOSSelectorNodeLabelDoesNotMatch', message };
  }
  if (!spec.os || spec.os.name === own) return undefined;
  return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
}

/** Before it runs with groups that it was to be kept from. */
function refusedByGroupsPolicy({ spec }: Pod, node: Node): Refusal | undefined {
  if (spec.securityContext?.supplementalGroupsPolicy !== 'Strict') return undefined;
  if (node.status?.features?.supplementalGroupsPolicy) return undefined;
  const message = 'SupplementalGroupsPolicy=Strict is not supported in this node';
  return { reason: 'SupplementalGroupsPolicyNotSupported', message };
}

/** On a host without AppArmor no profile would be kept to. Source: pkg/security/apparmor/validate.go. */
function refusedByAppArmor({ spec }: Pod): Refusal | undefined {
  const all = [...spec.containers, ...(spec.initContainers ?? [])];
  const wanted = all.some(({ securityContext }) => {
    const profile = securityContext?.appArmorProfile ?? spec.securityContext?.appArmorProfile;
    return profile !== undefined && profile.type !== 'Unconfined';
  });
  if (!wanted) return undefined;
  return { reason: 'AppArmor', message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host' };
}

function refusedByResources(pod: Pod, node: Node, { others, devices }: NodeWorld): Refusal | undefined {
  const allocatable = parseResourceList(node.status?.allocatable);
  for (const [name, held] of devices ?? []) {
    if ((allocatable.get(name)?.value() ?? 0) < held) allocatable.set(name, parseQuantity(String(held)));
  }
  const podLimit = allocatable.get('pods')?.value();
  if (podLimit !== undefined && others.length + 1 > podLimit) {
    return outOf('pods', 1, others.length, podLimit);
  }
  const used: ResourceQuantities = new Map();
  const requests = podRequests(pod);
  if (requests.size === 0) return undefined;
  for (const other of others) {
    for (const [name, amount] of podRequests(other)) used.set(name, (used.get(name) ?? Quantity.zero).add(amount));
  }
  for (const [name, wanted] of requests) {
    // What the node knows nothing of, others give: the cluster, or a driver of dynamic resource allocation.
    if (wanted.isZero || (isExtendedResource(name) && !allocatable.has(name))) continue;
    const capacity = allocatable.get(name) ?? Quantity.zero;
    const taken = used.get(name) ?? Quantity.zero;
    if (taken.add(wanted).compare(capacity) <= 0) continue;
    const number = (amount: Quantity): number => (name === 'cpu' ? amount.milliValue() : amount.value());
    return outOf(name, number(wanted), number(taken), number(capacity));
  }
  return undefined;
}

function outOf(name: string, requested: number, used: number, capacity: number): Refusal {
  const numbers = `requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return { reason: `OutOf${name}`, message: `Node didn't have enough resource: ${name}, ${numbers}` };
}

function refusedByAffinity(pod: Pod, node: Node): Refusal | undefined {
  if (requiredNodeAffinityMatches(pod, node)) return undefined;
  return { reason: 'NodeAffinity', message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" };
}

function refusedByPorts(pod: Pod, others: readonly Pod[]): Refusal | undefined {
  const wanted = hostPorts(pod);
  if (wanted.length === 0) return undefined;
  const taken = others.flatMap(hostPorts);
  const clash = wanted.some(port =>
    taken.some(
      other =>
        other.protocol === port.protocol &&
        other.port === port.port &&
        (other.ip === port.ip || other.ip === '0.0.0.0' || port.ip === '0.0.0.0'),
    ),
  );
  if (!clash) return undefined;
  return {
    reason: 'NodePorts',
    message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  };
}

function hostPorts(pod: Pod): { ip: string; port: number; protocol: string }[] {
  return [
    ...pod.spec.containers,
    ...(pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
  ].flatMap(({ ports }) =>
    (ports ?? [])
      .filter(({ hostPort }) => hostPort)
      .map(({ hostIP, hostPort, protocol }) => ({ ip: hostIP || '0.0.0.0', port: hostPort!, protocol: protocol ?? 'TCP' })),
  );
}

function refusedByTaint(pod: Pod, node: Node): Refusal | undefined {
  const taint = firstUntoleratedTaint(node.spec.taints, pod.spec.tolerations, ({ effect }) => effect === 'NoExecute');
  if (!taint) return undefined;
  return {
    reason: 'TaintToleration',
    message: "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
  };
}
