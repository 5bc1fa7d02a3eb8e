import type { Endpoint, EndpointSlice, Service, ServicePort } from 'k3s-ts/plugin';

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** What is to be listened on, and where that leads. */
export interface PlannedListener {
  readonly protocol: 'TCP' | 'UDP';
  /** '0.0.0.0' for node ports. */
  readonly address: string;
  readonly port: number;
  /** Never empty: where there is nobody, nothing listens, and the kernel refuses. */
  readonly targets: readonly Target[];
  /** Clients stay at their target for so long; 0: they do not. */
  readonly affinityMs: number;
}

/** The IPv4 addresses of a Service beside the node's own. */
export function addressesOf({ spec, status }: Service): { cluster: string[]; outside: string[] } {
  if (spec.type === 'ExternalName' || spec.clusterIP === 'None') return { cluster: [], outside: [] };
  const ingress = status.loadBalancer?.ingress ?? [];
  return {
    cluster: (spec.clusterIPs ?? []).filter(isIpv4),
    outside: [...(spec.externalIPs ?? []), ...ingress.flatMap(({ ip }) => ip ?? [])].filter(isIpv4),
  };
}

/** All listeners of a Service. `slices` are its own. */
export function planService(service: Service, slices: readonly EndpointSlice[], nodeName: string): PlannedListener[] {
  const { spec } = service;
  const { cluster, outside } = addressesOf(service);
  const planned: PlannedListener[] = [];
  for (const port of spec.ports ?? []) {
    const protocol = port.protocol ?? 'TCP';
    if (protocol !== 'TCP' && protocol !== 'UDP') continue;
    const stickySeconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800;
    const affinityMs = spec.sessionAffinity === 'ClientIP' ? stickySeconds * 1000 : 0;
    const plan = (address: string, at: number, policy: string | undefined): void => {
      const targets = targetsOf(slices, port, policy === 'Local' ? nodeName : undefined);
      if (targets.length > 0) planned.push({ protocol, address, port: at, targets, affinityMs });
    };
    for (const address of cluster) plan(address, port.port, spec.internalTrafficPolicy);
    for (const address of outside) plan(address, port.port, spec.externalTrafficPolicy);
    if (port.nodePort) plan('0.0.0.0', port.nodePort, spec.externalTrafficPolicy);
  }
  return planned;
}

/** Ready endpoints; where there are none, those that end and still serve (KEP-1669). `nodeName`: of this node only. */
function targetsOf(slices: readonly EndpointSlice[], { name = '' }: ServicePort, nodeName: string | undefined): Target[] {
  const ready: Target[] = [];
  const ending: Target[] = [];
  for (const { addressType, endpoints, ports } of slices) {
    const port = ports?.find(each => (each.name ?? '') === name)?.port;
    if (addressType !== 'IPv4' || port === undefined) continue;
    for (const endpoint of endpoints ?? []) {
      if (nodeName !== undefined && endpoint.nodeName !== nodeName) continue;
      const list = stateOf(endpoint) === 'ready' ? ready : stateOf(endpoint) === 'ending' ? ending : undefined;
      for (const address of endpoint.addresses) list?.push({ address, port });
    }
  }
  return ready.length > 0 ? ready : ending;
}

function stateOf({ conditions }: Endpoint): 'ready' | 'ending' | 'neither' {
  if (conditions?.ready ?? true) return 'ready';
  return conditions?.terminating && (conditions.serving ?? true) ? 'ending' : 'neither';
}

function isIpv4(address: string): boolean {
  return !address.includes(':');
}
