import { randomInt } from 'node:crypto';
import type { Endpoints as EndpointsObject, Pod, Service } from '../../../api/generated/types.js';
import { Endpoints, Pods } from '../../../api/generated/resources.js';
import type { PodConnector } from '../../../contracts/pod-connector.js';
import { isStatusError, notFound, serviceUnavailable } from '../../../machinery/status-error.js';
import type { ConnectSubresource, RequestContext } from '../../registry/resource-definition.js';
import type { ResourceStore } from '../../registry/resource-store.js';
import type { StoredObject } from '../../storage/stored-object.js';
import { proxyMethods } from './pod-connect.js';
import { splitProxyName } from './proxy-names.js';

/** Requests passed on to one of the pods behind a Service. Source: ResourceLocation of services. */
export function serviceProxy(connector: PodConnector | undefined): ConnectSubresource<Service> {
  return {
    type: 'connect',
    methods: proxyMethods,
    async connect(find, stream, context) {
      const { scheme, name, port } = splitProxyName('service', context.name);
      const portName = isNumber(port) ? namedPort(await find(name), BigInt(port.replace('+', ''))) : port;
      const target = await findEndpoint(name, portName, context);
      if (!connector) throw serviceUnavailable('no node connection');
      await connector.proxy({ ...target, scheme: scheme === 'https' ? 'https' : 'http', path: stream.path || '/' }, stream);
    },
  };
}

/** Other texts, also numbers of more than 64 bits, are names of ports. */
function isNumber(port: string): boolean {
  return /^[+-]?\d+$/.test(port) && BigInt.asIntN(64, BigInt(port.replace('+', ''))) === BigInt(port.replace('+', ''));
}

function namedPort(service: Readonly<Service>, wanted: bigint): string {
  const port = service.spec.ports?.find(candidate => BigInt(candidate.port) === wanted);
  if (!port) throw serviceUnavailable(`no service port ${wanted} found for service "${service.metadata.name}"`);
  return port.name ?? '';
}

async function findEndpoint(name: string, portName: string, context: RequestContext): Promise<{ host: string; port: number }> {
  const store = context.stores.get<EndpointsObject>(Endpoints);
  if (!store) throw serviceUnavailable('endpoints are not served');
  const { subsets = [] } = (await endpointsOf(store, name, context)).object as Readonly<EndpointsObject>;
  if (!subsets.length) throw serviceUnavailable(`no endpoints available for service "${name}"`);
  const candidates = subsets.flatMap(subset => {
    const port = subset.ports?.find(candidate => (candidate.name ?? '') === portName);
    return port ? (subset.addresses ?? []).map(address => ({ address, port: port.port })) : [];
  });
  const start = candidates.length ? randomInt(candidates.length) : 0;
  for (let i = 0; i < candidates.length; i++) {
    const { address, port } = candidates[(start + i) % candidates.length]!;
    if (isAddressOfPod(address, context)) return { host: address.ip, port };
  }
  throw serviceUnavailable(`no endpoints available for service "${context.name}"`);
}

/** Upstream's store takes the kind it misses from the request, which is for a Service. */
async function endpointsOf(
  store: ResourceStore<EndpointsObject>,
  name: string,
  { namespace }: RequestContext,
): Promise<StoredObject<EndpointsObject>> {
  try {
    return await store.get(namespace, name);
  } catch (error) {
    throw isStatusError(error, 'NotFound') ? notFound({ group: '', resource: 'services', name }) : error;
  }
}

type Address = NonNullable<NonNullable<EndpointsObject['subsets']>[number]['addresses']>[number];

/** Only addresses that a pod of the same namespace has; endpoints can be written by users. */
function isAddressOfPod({ ip, targetRef }: Address, context: RequestContext): boolean {
  if (!targetRef?.name || targetRef.namespace !== context.namespace) return false;
  try {
    const pod = context.stores.get<Pod>(Pods)?.cached(context.namespace, targetRef.name).object;
    return (pod?.status?.podIPs ?? []).some(address => address.ip === ip);
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return false;
    throw error;
  }
}
