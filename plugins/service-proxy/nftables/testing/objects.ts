import type { Endpoint, EndpointSlice, Service, ServiceSpec } from '../../../../core/plugin-api/index.js';
import type { RulesSettings } from '../service-rules.js';

export interface EndpointInput {
  readonly address: string;
  readonly node?: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly zoneHint?: string;
}

export function service(
  name: string,
  spec: Partial<ServiceSpec> & { clusterIP: string },
  ingress: readonly string[] = [],
): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { clusterIPs: [spec.clusterIP], type: 'ClusterIP', ports: [{ port: 80, targetPort: 8080 }], ...spec },
    status: { loadBalancer: { ingress: ingress.map(ip => ({ ip })) } },
  };
}

/** A slice of one nameless port; endpoints given as addresses are ready and on `node-a`. */
export function slice(
  serviceName: string,
  endpoints: readonly (string | EndpointInput)[],
  options: { readonly port?: number; readonly protocol?: string; readonly portName?: string } = {},
): EndpointSlice {
  const { port = 8080, protocol = 'TCP', portName = '' } = options;
  const inputs = endpoints.map(input => (typeof input === 'string' ? { address: input } : input));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${serviceName}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: inputs[0]?.address.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: inputs.map(toEndpoint),
    ports: [{ name: portName, port, protocol }],
  };
}

function toEndpoint({
  address,
  node = 'node-a',
  ready = true,
  serving = ready,
  terminating = false,
  zoneHint,
}: EndpointInput): Endpoint {
  return {
    addresses: [address],
    nodeName: node,
    conditions: { ready, serving, terminating },
    ...(zoneHint && { hints: { forZones: [{ name: zoneHint }] } }),
  };
}

export const testSettings: RulesSettings = {
  families: [4],
  clusterCidrs: ['10.42.0.0/16'],
  nodePortAddresses: [],
  nodePortsOnLoopback: true,
  nodeName: 'node-a',
  zone: undefined,
  nodeAddresses: ['192.0.2.1'],
  reservedPorts: [6443],
};
