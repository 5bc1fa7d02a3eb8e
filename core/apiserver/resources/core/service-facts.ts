import type { Service } from '../../../api/generated/types.js';
import { parseAddress } from '../../../machinery/names.js';

/** What follows from a Service's type and addresses. Source: pkg/api/service, the helpers of its registry. */
export const isHeadless = ({ spec }: Readonly<Service>): boolean =>
  spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';
export const needsClusterIp = ({ spec }: Readonly<Service>): boolean => spec.type !== 'ExternalName';
export const isLoadBalancer = ({ spec }: Readonly<Service>): boolean => spec.type === 'LoadBalancer';
export const hasNodePorts = ({ spec }: Readonly<Service>): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer';
export const needsHealthCheck = ({ spec }: Readonly<Service>): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

export function isExternallyAccessible({ spec }: Readonly<Service>): boolean {
  return spec.type === 'LoadBalancer' || spec.type === 'NodePort' || (spec.type === 'ClusterIP' && !!spec.externalIPs?.length);
}

/** Whether ports without a node port get one. */
export function allocatesNodePorts({ spec }: Readonly<Service>): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

export function sameList(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  const [a, b] = [one ?? [], other ?? []];
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

export function familyOf(address: string): 'IPv4' | 'IPv6' | 'unknown' {
  const parsed = parseAddress(address);
  if (!parsed) return 'unknown';
  return parsed.family === 4 ? 'IPv4' : 'IPv6';
}

/** Addresses and node ports that the Service holds. */
export function claimOf(service: Readonly<Service>): { service: string; addresses: string[]; ports: number[] } {
  const { spec, metadata } = service;
  const addresses = needsClusterIp(service) ? (spec.clusterIPs ?? []).filter(address => address && address !== 'None') : [];
  const ports = new Set((spec.ports ?? []).map(port => port.nodePort ?? 0).filter(port => port > 0));
  if (spec.healthCheckNodePort) ports.add(spec.healthCheckNodePort);
  return { service: `${metadata.namespace}/${metadata.name}`, addresses, ports: [...ports] };
}
