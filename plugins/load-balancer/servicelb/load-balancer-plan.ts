import { isIP } from 'node:net';
import { firstUntoleratedTaint, keepsPodsAway } from '../../../core/plugin-api/index.js';
import type { EndpointSlice, Node, Service, Toleration } from '../../../core/plugin-api/index.js';

export const enableLabel = 'svccontroller.k3s.cattle.io/enablelb';
export const poolLabel = 'svccontroller.k3s.cattle.io/lbpool';
/** With a pool's name at the end: a node may be in many. Source: k3s-io/k3s#14547. */
export const poolLabelPrefix = 'lbpool.svccontroller.k3s.cattle.io/';
const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** Taints that K3s' load balancer pods tolerated, and so does what took their place. */
const toleratedAlways: readonly Toleration[] = [
  'CriticalAddonsOnly',
  'node-role.kubernetes.io/control-plane',
  'node-role.kubernetes.io/etcd',
  'node-role.kubernetes.io/master',
  'node.kubernetes.io/disk-pressure',
  'node.kubernetes.io/memory-pressure',
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/pid-pressure',
  'node.kubernetes.io/unreachable',
  'node.kubernetes.io/unschedulable',
].map(key => ({ key, operator: 'Exists' }));

export interface PlanInput {
  readonly services: readonly Service[];
  readonly nodes: readonly Node[];
  /** Slices of one Service, by `namespace/name`. */
  slicesOf(key: string): readonly EndpointSlice[];
  /** What a Service tolerates beside what all do, by its key; absent: nothing. */
  readonly tolerations?: ReadonlyMap<string, readonly Toleration[]>;
  /** TCP ports that the nodes need themselves. */
  readonly reservedPorts: readonly number[];
}

export interface LoadBalancerPlan {
  /** Addresses on which the Service is to answer, sorted. */
  readonly addresses: readonly string[];
  /** Why it does not answer on nodes that it asked for, one sentence; undefined: nothing is in its way. */
  readonly conflict: string | undefined;
}

/** Whether this load balancer serves it: those with a class are somebody else's. */
export function isServed(service: Service): boolean {
  return service.spec.type === 'LoadBalancer' && !service.spec.loadBalancerClass && !service.metadata.deletionTimestamp;
}

export const keyOf = ({ metadata }: Service): string => `${metadata.namespace}/${metadata.name}`;

/**
 * Which Service answers on which addresses. A port of a node belongs to one Service, the oldest that asked for it, as a host port
 * did. Nodes with external addresses answer on those; without any in the cluster, on their internal ones. Source: K3s'
 * pkg/cloudprovider/servicelb.go.
 */
export function planLoadBalancers(input: PlanInput): Map<string, LoadBalancerPlan> {
  const ready = input.nodes.filter(isReady);
  // The label with any value makes it a list: K3s looks for the key here, for `true` below.
  const chosenOnly = input.nodes.some(node => enableLabel in (node.metadata.labels ?? {}));
  /** Owner by node, port and protocol. */
  const taken = new Map<string, string>();
  const plans = new Map<string, LoadBalancerPlan>();
  for (const service of input.services.filter(isServed).sort(byAge)) {
    const key = keyOf(service);
    const pool = service.metadata.labels?.[poolLabel];
    // Without any node that is enabled, a pool counts once it has a node at all.
    const poolCounts = pool && (chosenOnly || input.nodes.some(node => isInPool(node, pool)));
    const tolerations = [...toleratedAlways, ...(input.tolerations?.get(key) ?? [])];
    const candidates = ready.filter(
      node =>
        (!chosenOnly || node.metadata.labels?.[enableLabel] === 'true') &&
        (!poolCounts || isInPool(node, pool)) &&
        !firstUntoleratedTaint(node.spec.taints, tolerations, keepsPodsAway),
    );
    const conflicts = new Map<string, string[]>();
    const free = candidates.filter(node => {
      const holder = holderOf(service, node, taken, input.reservedPorts);
      if (holder) conflicts.set(holder, [...(conflicts.get(holder) ?? []), node.metadata.name!]);
      return !holder;
    });
    for (const node of free) for (const port of portsOf(service)) taken.set(`${node.metadata.name} ${port}`, key);
    plans.set(key, { addresses: addressesOf(service, withEndpoints(service, free, input)), conflict: sentence(conflicts) });
  }
  return plans;
}

function isReady(node: Node): boolean {
  const { labels = {}, deletionTimestamp } = node.metadata;
  if (deletionTimestamp || excludeLabel in labels) return false;
  return (node.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
}

function isInPool(node: Node, pool: string): boolean {
  const labels = node.metadata.labels ?? {};
  return labels[poolLabel] === pool || labels[poolLabelPrefix + pool] === 'true';
}

function byAge(a: Service, b: Service): number {
  const left = `${a.metadata.creationTimestamp ?? ''} ${keyOf(a)}`;
  const right = `${b.metadata.creationTimestamp ?? ''} ${keyOf(b)}`;
  return left < right ? -1 : 1;
}

function portsOf(service: Service): string[] {
  return (service.spec.ports ?? []).map(({ port, protocol = 'TCP' }) => `${port}/${protocol}`);
}

/** `port PORT by HOLDER` of the first port of the Service that somebody else has on the node. */
function holderOf(
  service: Service,
  node: Node,
  taken: ReadonlyMap<string, string>,
  reserved: readonly number[],
): string | undefined {
  for (const port of portsOf(service)) {
    const holder = taken.get(`${node.metadata.name} ${port}`);
    if (holder) return `port ${port} is taken by service ${holder}`;
    if (reserved.some(number => port === `${number}/TCP`)) return `port ${port} is used by the node itself`;
  }
  return undefined;
}

/** With the policy Local an address without an endpoint behind it would swallow connections. */
function withEndpoints(service: Service, nodes: readonly Node[], input: PlanInput): readonly Node[] {
  if (service.spec.externalTrafficPolicy !== 'Local') return nodes;
  const names = new Set<string>();
  for (const { endpoints } of input.slicesOf(keyOf(service))) {
    for (const { nodeName, conditions } of endpoints ?? []) {
      if (nodeName && (conditions?.ready ?? true)) names.add(nodeName);
    }
  }
  return nodes.filter(({ metadata }) => names.has(metadata.name!));
}

function addressesOf(service: Service, nodes: readonly Node[]): string[] {
  const all = nodes.flatMap(node => node.status?.addresses ?? []);
  const ofType = (wanted: string): string[] => all.filter(({ type }) => type === wanted).map(({ address }) => address);
  const external = ofType('ExternalIP');
  const found = new Set(external.length > 0 ? external : ofType('InternalIP'));
  const families = (service.spec.ipFamilies ?? ['IPv4']).map(family => (family === 'IPv6' ? 6 : 4));
  return families.flatMap(family => [...found].filter(address => isIP(address) === family).sort());
}

function sentence(conflicts: ReadonlyMap<string, readonly string[]>): string | undefined {
  if (conflicts.size === 0) return undefined;
  return [...conflicts].map(([holder, nodes]) => `${holder} on ${nodes.toSorted().join(', ')}`).join('; ');
}
