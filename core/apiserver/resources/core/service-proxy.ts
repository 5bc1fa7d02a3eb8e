import { randomInt } from 'node:crypto';
import type { Endpoints as EndpointsObject, Pod, Service } from '../../../api/generated/types.js';
import { Endpoints, Pods } from '../../../api/generated/resources.js';
import type { PodConnector } from '../../../contracts/pod-connector.js';
import { badRequest, isStatusError, serviceUnavailable } from '../../../machinery/status-error.js';
import type { ConnectSubresource, RequestContext } from '../../registry/resource-definition.js';
import { proxyMethods } from './pod-connect.js';
import { splitProxyName } from './proxy-names.js';

/** Requests passed on to one of the pods behind a Service. Source: ResourceLocation of services. */
export function serviceProxy(connector: PodConnector | undefined): ConnectSubresource<Service> {
  return {
    type: 'connect',
    methods: proxyMethods,
    parentName: text => splitProxyName(text)?.name ?? text,
    async connect(service, stream, context) {
      const split = splitProxyName(context.name);
      if (!split) throw badRequest(`invalid service request "${context.name}"`);
      const portName = namedPort(service, split.port);
      const target = await findEndpoint(service.metadata.name, portName, context);
      if (!connector) throw serviceUnavailable('no node connection');
      await connector.proxy({ ...target, scheme: split.scheme === 'https' ? 'https' : 'http', path: stream.path || '/' }, stream);
    },
  };
}

function namedPort(service: Readonly<Service>, text: string): string {
  if (!/^[0-9]+$/.test(text)) return text;
  const port = service.spec.ports?.find(candidate => candidate.port === Number(text));
  if (!port) throw serviceUnavailable(`no service port ${Number(text)} found for service "${service.metadata.name}"`);
  return port.name ?? '';
}

async function findEndpoint(name: string, portName: string, context: RequestContext): Promise<{ host: string; port: number }> {
  const store = context.stores.get<EndpointsObject>(Endpoints);
  if (!store) throw serviceUnavailable('endpoints are not served');
  const { subsets = [] } = (await store.get(context.namespace, name)).object as Readonly<EndpointsObject>;
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
