import {
  firstUntoleratedTaint,
  keepsPodsAway,
  parseResourceList,
  podRequests,
  preferredNodeAffinityScore,
  Quantity,
  requiredNodeAffinityMatches,
} from 'k3s-ts/plugin';
import type { Node, Pod, ResourceQuantities } from 'k3s-ts/plugin';

/** A node, with what its pods leave free. */
export class Room {
  readonly node: Node;
  readonly #free: ResourceQuantities;
  readonly #hostPorts: string[] = [];

  constructor(node: Node) {
    this.node = node;
    this.#free = parseResourceList(node.status.allocatable as Record<string, string> | undefined);
  }

  get name(): string {
    return this.node.metadata.name;
  }

  add(pod: Pod): void {
    for (const [name, amount] of wanted(pod)) this.#free.set(name, this.#freeOf(name).sub(amount));
    this.#hostPorts.push(...hostPorts(pod));
  }

  /** Why the pod cannot run here; empty: it can. */
  misfits(pod: Pod): string[] {
    const reasons: string[] = [];
    const { spec } = this.node;
    const taint = firstUntoleratedTaint(spec?.taints, pod.spec.tolerations, keepsPodsAway);
    if (taint) reasons.push(`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`);
    const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;
    if (spec?.unschedulable && firstUntoleratedTaint([cordon], pod.spec.tolerations)) reasons.push('node(s) were unschedulable');
    if (!requiredNodeAffinityMatches(pod, this.node)) reasons.push("node(s) didn't match Pod's node affinity/selector");
    if (hostPorts(pod).some(port => this.#hostPorts.some(taken => portsCollide(port, taken)))) {
      reasons.push("node(s) didn't have free ports for the requested pod ports");
    }
    for (const [name, amount] of wanted(pod)) {
      if (amount.compare(this.#freeOf(name)) > 0) reasons.push(name === 'pods' ? 'Too many pods' : `Insufficient ${name}`);
    }
    return reasons;
  }

  /** The higher the better: what the pod prefers first, then how much CPU stays free. */
  score(pod: Pod): number {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    return preferredNodeAffinityScore(preferred, this.node) * 1e6 + this.#freeOf('cpu').toNumber();
  }

  #freeOf(name: string): Quantity {
    return this.#free.get(name) ?? Quantity.zero;
  }
}

/** What this scheduler does not know how to do. It must not place such a pod: it might be wrong. */
export function notSupported({ spec }: Pod): string | undefined {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const between = [podAffinity, podAntiAffinity].flatMap(each => each?.requiredDuringSchedulingIgnoredDuringExecution ?? []);
  if (between.length > 0) return 'affinity between pods';
  if (spec.topologySpreadConstraints?.some(each => each.whenUnsatisfiable === 'DoNotSchedule')) return 'topology spread';
  if (spec.volumes?.some(volume => volume.persistentVolumeClaim ?? volume.ephemeral)) return 'a persistent volume';
  if (spec.resourceClaims?.length) return 'a resource claim';
  return undefined;
}

function wanted(pod: Pod): ResourceQuantities {
  const amounts = podRequests(pod, { useStatusResources: true });
  for (const [name, amount] of amounts) if (amount.isZero) amounts.delete(name);
  return amounts.set('pods', Quantity.parse('1'));
}

/** `PROTOCOL/PORT/ADDRESS` */
function hostPorts({ spec }: Pod): string[] {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...spec.containers, ...sidecars].flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort }) => hostPort)
      .map(({ hostPort, hostIP, protocol = 'TCP' }) => `${protocol}/${hostPort}/${hostIP || '0.0.0.0'}`),
  );
}

function portsCollide(left: string, right: string): boolean {
  const [leftProtocol, leftPort, leftAddress] = left.split('/');
  const [rightProtocol, rightPort, rightAddress] = right.split('/');
  if (leftProtocol !== rightProtocol || leftPort !== rightPort) return false;
  return leftAddress === rightAddress || leftAddress === '0.0.0.0' || rightAddress === '0.0.0.0';
}
