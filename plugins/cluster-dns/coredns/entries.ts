import type { EndpointSlice, Service } from '../../../core/plugin-api/index.js';
import type { DnsPort, DnsService, DnsSlice } from './dataplane/state.js';

export const serviceNameLabel = 'kubernetes.io/service-name';

/** A Service as names need it. */
export function dnsService({ metadata, spec }: Service): DnsService {
  const { clusterIP, clusterIPs, externalName, type, ports } = spec;
  const isExternal = type === 'ExternalName';
  const addresses = clusterIPs?.length ? clusterIPs : clusterIP ? [clusterIP] : [];
  const headless = !isExternal && addresses[0] === 'None';
  return {
    kind: 'service',
    namespace: metadata.namespace!,
    name: metadata.name!,
    clusterIps: headless || isExternal ? [] : addresses,
    headless,
    ...(isExternal && externalName !== undefined && { externalName }),
    ports: (ports ?? []).map(({ name = '', protocol = 'TCP', port }) => ({ name, protocol, port })),
  };
}

/** A slice with its ready endpoints; undefined when it belongs to no Service or holds no addresses. */
export function dnsSlice({ metadata, addressType, endpoints, ports }: EndpointSlice): DnsSlice | undefined {
  const service = metadata.labels?.[serviceNameLabel];
  if (service === undefined || addressType === 'FQDN') return undefined;
  return {
    kind: 'slice',
    namespace: metadata.namespace!,
    service,
    endpoints: (endpoints ?? [])
      // Publishing of endpoints that are not ready is the slice controller's decision: it calls them ready.
      .filter(({ conditions }) => conditions?.ready !== false)
      .map(({ addresses, hostname }) => ({ addresses: addresses ?? [], ...(hostname ? { hostname } : {}) })),
    ports: (ports ?? []).flatMap(({ name = '', protocol = 'TCP', port }): DnsPort[] =>
      port === undefined ? [] : [{ name, protocol, port }],
    ),
  };
}
