import { networkInterfaces } from 'node:os';
import { EndpointSlices, Endpoints, Services } from '../api/generated/resources.js';
import type { EndpointSlice, Endpoints as EndpointsObject, Service } from '../api/generated/types.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import type { KubeObject } from '../machinery/object.js';
import { jsonEqual, produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import { apiServerIdentity } from './bootstrap.js';

export interface KubernetesServiceOptions {
  readonly transport: ApiTransport;
  /** The first address of the service range. */
  readonly clusterIp: string;
  /** Where pods reach this server; undefined when it has no address but the loopback. */
  readonly address: string | undefined;
  readonly port: number;
}

export const kubernetesService = { namespace: 'default', name: 'kubernetes' } as const;
const { name, namespace } = kubernetesService;
const servicePort = 443;

/**
 * Service `default/kubernetes` with its endpoints: how pods find the API. `alone` makes this server's address the only one, as at its
 * start; else those of other servers that share the datastore are kept, each of which puts its own back in the same way.
 * Source: kube-apiserver's kubernetesservice controller.
 */
export async function ensureKubernetesService(options: KubernetesServiceOptions, alone: boolean): Promise<void> {
  const { clusterIp, address, port } = options;
  const family = clusterIp.includes(':') ? 'IPv6' : 'IPv4';
  await ensure<Service>(options.transport, Services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ipFamilies: [family],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ports: [{ name: 'https', protocol: 'TCP', port: servicePort, targetPort: port }],
    },
    status: { loadBalancer: {} },
  });
  if (address === undefined) return;
  await ensure<EndpointsObject>(
    options.transport,
    Endpoints,
    {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
      subsets: [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
    },
    (draft, wanted) => {
      const [own] = wanted.subsets!;
      const known = draft.subsets?.[0]?.addresses ?? [];
      const others = alone ? [] : known.filter(({ ip }) => ip !== address);
      const addresses = [...others, ...own!.addresses!].sort((a, b) => (a.ip! < b.ip! ? -1 : 1));
      draft.subsets = [{ ...own!, addresses }];
      draft.metadata.labels = { ...draft.metadata.labels, ...wanted.metadata.labels };
    },
  );
  await ensure<EndpointSlice>(
    options.transport,
    EndpointSlices,
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: address.includes(':') ? 'IPv6' : 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    },
    (draft, wanted) => {
      const others = alone ? [] : (draft.endpoints ?? []).filter(({ addresses }) => addresses[0] !== address);
      draft.endpoints = [...others, ...wanted.endpoints!].sort((a, b) => (a.addresses[0]! < b.addresses[0]! ? -1 : 1));
      draft.ports = wanted.ports;
      draft.metadata.labels = { ...draft.metadata.labels, ...wanted.metadata.labels };
    },
  );
}

async function ensure<T extends { metadata: { name?: string; namespace?: string; labels?: Record<string, string> } }>(
  transport: ApiTransport,
  resource: ResourceReference<T>,
  wanted: T,
  mend?: (draft: T, wanted: T) => void,
): Promise<void> {
  const call = { caller: apiServerIdentity, resource, namespace, userAgent: 'kube-apiserver' };
  let existing: T;
  try {
    existing = await transport.get<T>({ ...call, name });
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
    await transport.create<T>({ ...call, object: wanted });
    return;
  }
  if (!mend) return;
  const next = produce(existing, draft => mend(draft, wanted));
  if (!jsonEqual(next as unknown as KubeObject, existing)) await transport.update<T>({ ...call, name, object: next });
}

/** The address under which others reach this machine: as told, the node's, else that of the first interface that is up. */
export function advertisedAddress(told: string | undefined, nodeIps: readonly string[]): string | undefined {
  const own = told ?? nodeIps[0];
  // Endpoints may not lie in the loopback range: pods would reach themselves.
  if (own !== undefined) return own.startsWith('127.') || own === '::1' ? undefined : own;
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (!address.internal && address.family === 'IPv4' && !address.address.startsWith('169.254.')) return address.address;
    }
  }
  return undefined;
}
