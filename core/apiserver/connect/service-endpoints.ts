import { randomInt } from 'node:crypto';
import type { EndpointSlice, Service } from '../../api/generated/types.js';
import { EndpointSlices, Services } from '../../api/generated/resources.js';
import type { DialTarget } from '../../contracts/cluster-dialer.js';
import { notFound, serviceUnavailable } from '../../machinery/status-error.js';
import type { ResourceStores } from '../registry/resource-definition.js';

const routable = new Set(['ClusterIP', 'NodePort', 'LoadBalancer']);

/**
 * A ready endpoint behind a port of a Service: what is reached without the Service network of a node.
 * Source: apiserver pkg/util/proxy ResolveEndpoint.
 */
export function resolveServiceEndpoint(stores: ResourceStores, namespace: string, name: string, port: number): DialTarget {
  const service = stores.get<Service>(Services)?.cache.get(namespace, name)?.object;
  if (!service) throw notFound({ group: '', resource: 'service', name });
  const { type = 'ClusterIP', ports = [], ipFamilies = [] } = service.spec;
  if (!routable.has(type)) throw new Error(`unsupported service type "${type}"`);
  const wanted = ports.find(candidate => candidate.port === port);
  if (!wanted) throw serviceUnavailable(`no service port ${port} found for service "${name}"`);
  for (const slice of slicesOf(stores, namespace, name, ipFamilies[0])) {
    const target = slice.ports?.find(candidate => (candidate.name ?? '') === (wanted.name ?? ''))?.port;
    const ready = (slice.endpoints ?? []).filter(
      ({ conditions, addresses }) => conditions?.ready !== false && addresses.length > 0,
    );
    if (target === undefined || ready.length === 0) continue;
    const { addresses, nodeName } = ready[randomInt(ready.length)]!;
    return { type: 'service', host: addresses[0]!, port: target, ...(nodeName ? { nodeName } : {}) };
  }
  throw serviceUnavailable(`no endpoints available for service "${name}"`);
}

/** Those of the Service's first address family first. */
function slicesOf(
  stores: ResourceStores,
  namespace: string,
  name: string,
  firstFamily: string | undefined,
): Readonly<EndpointSlice>[] {
  const found: Readonly<EndpointSlice>[] = [];
  for (const entry of stores.get<EndpointSlice>(EndpointSlices)?.cache.entries(namespace) ?? []) {
    if (entry.labels['kubernetes.io/service-name'] === name) found.push(entry.object);
  }
  const rank = ({ addressType }: Readonly<EndpointSlice>): number => (addressType === firstFamily ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b));
}
