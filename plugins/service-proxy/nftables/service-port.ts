import { isIP } from 'node:net';
import type { Endpoint as SliceEndpoint, EndpointSlice, Service } from '../../../core/plugin-api/index.js';

export type IpFamily = 4 | 6;
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** Who may be behind a service port. */
export interface ServiceEndpoint {
  readonly address: string;
  readonly port: number;
  /** On this node. */
  readonly local: boolean;
}

/** One port of one Service in one address family: what packets may be sent to, and who is behind it. */
export interface ServicePort {
  /** `namespace/name/protocol/port/family`. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly createdAt: string;
  readonly family: IpFamily;
  readonly protocol: Protocol;
  readonly port: number;
  readonly clusterIps: readonly string[];
  readonly externalIps: readonly string[];
  readonly loadBalancerIps: readonly string[];
  /** 0: none. */
  readonly nodePort: number;
  /** Who may use the load balancer's addresses; undefined: everybody. */
  readonly sourceRanges: readonly string[] | undefined;
  /** How long a client stays with its endpoint; 0: not at all. */
  readonly affinitySeconds: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** For traffic that any endpoint may take. */
  readonly clusterEndpoints: readonly ServiceEndpoint[];
  /** For traffic that must stay on this node. */
  readonly localEndpoints: readonly ServiceEndpoint[];
  /** Somebody somewhere could answer, even where nobody here does. */
  readonly hasAnyEndpoints: boolean;
}

export interface NodeTopology {
  readonly nodeName: string;
  /** Label `topology.kubernetes.io/zone` of this node. */
  readonly zone: string | undefined;
}

const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';
const headlessLabel = 'service.kubernetes.io/headless';
export const serviceNameLabel = 'kubernetes.io/service-name';

/** Whether this proxy carries the Service at all. */
export function isProxied(service: Service): boolean {
  const labels = service.metadata.labels ?? {};
  const { clusterIP, type } = service.spec;
  if (proxyNameLabel in labels || headlessLabel in labels || type === 'ExternalName') return false;
  return clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None';
}

/** The key `namespace/name` of the Service that a slice belongs to; undefined for slices that are not ours to read. */
export function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const labels = slice.metadata.labels ?? {};
  const name = labels[serviceNameLabel];
  return name && !(proxyNameLabel in labels) && !(headlessLabel in labels) ? `${slice.metadata.namespace}/${name}` : undefined;
}

/** A Service and its slices as service ports. Source: kube-proxy's service and endpoint maps. */
export function servicePorts(
  service: Service,
  slices: readonly EndpointSlice[],
  families: readonly IpFamily[],
  topology: NodeTopology,
): ServicePort[] {
  if (!isProxied(service)) return [];
  return families.flatMap(family => {
    const clusterIps = addressesOf(service.spec.clusterIPs ?? [service.spec.clusterIP!], family);
    if (clusterIps.length === 0) return [];
    return (service.spec.ports ?? []).flatMap(port => {
      const protocol = (port.protocol ?? 'TCP').toLowerCase();
      if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') return [];
      const frontend = frontendOf(service, { port: port.port, nodePort: port.nodePort, family, protocol, clusterIps });
      const candidates = endpointsOf(slices, { family, protocol, portName: port.name ?? '' }, topology.nodeName);
      const id = `${service.metadata.namespace}/${service.metadata.name}/${protocol}/${port.name || port.port}/${family}`;
      return [{ id, ...frontend, ...categorize(frontend, candidates, topology, service.spec.trafficDistribution) }];
    });
  });
}

type Frontend = Omit<ServicePort, 'id' | 'clusterEndpoints' | 'localEndpoints' | 'hasAnyEndpoints'>;

interface PortOfFamily {
  readonly port: number;
  readonly nodePort: number | undefined;
  readonly family: IpFamily;
  readonly protocol: Protocol;
  readonly clusterIps: readonly string[];
}

function frontendOf({ metadata, spec, status }: Service, given: PortOfFamily): Frontend {
  const { family, port, protocol, clusterIps } = given;
  const ingress = spec.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : [];
  const virtual = ingress.flatMap(({ ip, ipMode }) => (ip && ipMode !== 'Proxy' ? [ip] : []));
  const ranges = (spec.loadBalancerSourceRanges ?? []).map(range => range.trim());
  const wanted = ranges.filter(range => range.includes(':') === (family === 6));
  const open = wanted.length === 0 || wanted.some(range => range.endsWith('/0'));
  const affinity = spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : 0;
  return {
    namespace: metadata.namespace!,
    name: metadata.name!,
    createdAt: metadata.creationTimestamp ?? '',
    family,
    protocol,
    port,
    clusterIps,
    externalIps: addressesOf(spec.externalIPs ?? [], family),
    loadBalancerIps: addressesOf(virtual, family),
    nodePort: given.nodePort ?? 0,
    // Ranges that nobody can read let nobody in.
    sourceRanges: open ? undefined : wanted.filter(range => isRange(range, family)),
    affinitySeconds: affinity,
    internalLocal: spec.internalTrafficPolicy === 'Local',
    externalLocal: spec.externalTrafficPolicy === 'Local',
  };
}

interface Candidate extends ServiceEndpoint {
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
}

function endpointsOf(
  slices: readonly EndpointSlice[],
  wanted: { readonly family: IpFamily; readonly protocol: Protocol; readonly portName: string },
  nodeName: string,
): Candidate[] {
  const found = new Map<string, Candidate>();
  const addressType = wanted.family === 4 ? 'IPv4' : 'IPv6';
  for (const slice of slices) {
    if (slice.addressType !== addressType) continue;
    for (const port of slice.ports ?? []) {
      if (port.port === undefined || (port.name ?? '') !== wanted.portName) continue;
      if ((port.protocol ?? 'TCP').toLowerCase() !== wanted.protocol) continue;
      for (const endpoint of slice.endpoints ?? []) {
        const candidate = candidateOf(endpoint, port.port, wanted.family, nodeName);
        if (!candidate) continue;
        const key = `${candidate.address} ${candidate.port}`;
        const known = found.get(key);
        // While slices are rewritten an endpoint may stand in two of them: the better state counts.
        if (!known || (!known.ready && candidate.ready)) found.set(key, candidate);
      }
    }
  }
  // One order for all, so that the same endpoints always give the same rules.
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
}

function candidateOf(endpoint: SliceEndpoint, port: number, family: IpFamily, nodeName: string): Candidate | undefined {
  const [address] = addressesOf((endpoint.addresses ?? []).slice(0, 1), family);
  if (address === undefined) return undefined;
  const { ready, serving, terminating } = endpoint.conditions ?? {};
  return {
    address,
    port,
    local: endpoint.nodeName === nodeName,
    ready: ready ?? true,
    serving: serving ?? true,
    terminating: terminating ?? false,
    zoneHints: (endpoint.hints?.forZones ?? []).map(zone => zone.name),
    nodeHints: (endpoint.hints?.forNodes ?? []).map(node => node.name),
  };
}

type Categories = Pick<ServicePort, 'clusterEndpoints' | 'localEndpoints' | 'hasAnyEndpoints'>;

/**
 * Who takes which traffic. Ready endpoints first; where there are none, those that still serve while they terminate (KEP-1669).
 * Hints narrow the choice only where every ready endpoint carries them (KEP-2433, KEP-3015).
 */
function categorize(
  frontend: Frontend,
  candidates: readonly Candidate[],
  topology: NodeTopology,
  trafficDistribution: string | undefined,
): Categories {
  const { internalLocal, externalLocal } = frontend;
  const external = frontend.nodePort > 0 || frontend.externalIps.length > 0 || frontend.loadBalancerIps.length > 0;
  const ready = candidates.filter(candidate => candidate.ready);
  const leaving = candidates.filter(candidate => candidate.serving && candidate.terminating);
  let clusterEndpoints: readonly Candidate[] = [];
  if (!internalLocal || external) {
    clusterEndpoints = nearest(ready, topology, trafficDistribution);
    if (clusterEndpoints.length === 0) clusterEndpoints = leaving;
  }
  let localEndpoints: readonly Candidate[] = [];
  if (internalLocal || (externalLocal && external)) {
    localEndpoints = ready.filter(candidate => candidate.local);
    if (localEndpoints.length === 0) localEndpoints = leaving.filter(candidate => candidate.local && !candidate.ready);
  }
  return {
    clusterEndpoints: clusterEndpoints.map(plain),
    localEndpoints: localEndpoints.map(plain),
    hasAnyEndpoints: ready.length > 0 || leaving.length > 0,
  };
}

function nearest(
  ready: readonly Candidate[],
  { nodeName, zone }: NodeTopology,
  trafficDistribution: string | undefined,
): readonly Candidate[] {
  if (trafficDistribution === 'PreferSameNode' && ready.every(candidate => candidate.nodeHints.length > 0)) {
    const here = ready.filter(candidate => candidate.nodeHints.includes(nodeName));
    if (here.length > 0) return here;
  }
  if (zone !== undefined && ready.every(candidate => candidate.zoneHints.length > 0)) {
    const near = ready.filter(candidate => candidate.zoneHints.includes(zone));
    if (near.length > 0) return near;
  }
  return ready;
}

function plain({ address, port, local }: Candidate): ServiceEndpoint {
  return { address, port, local };
}

/**
 * Addresses of one family, as nft takes them. What it would not take (leading zeros, zones: the API lets some through) is left out:
 * one such Service must not keep the rules of all others from the kernel.
 */
function addressesOf(addresses: readonly string[], family: IpFamily): string[] {
  const known = addresses.filter(address => isIP(address) === family && !address.includes('%'));
  // One spelling of each: two for one key of a map would be refused as well.
  return family === 4 ? known : known.map(address => new URL(`http://[${address}]`).hostname.slice(1, -1));
}

/** The same for ranges. */
export function isRange(range: string, family: IpFamily): boolean {
  const [address = '', length = '', ...rest] = range.split('/');
  const longest = family === 4 ? 32 : 128;
  return addressesOf([address], family).length > 0 && /^\d{1,3}$/.test(length) && Number(length) <= longest && rest.length === 0;
}
