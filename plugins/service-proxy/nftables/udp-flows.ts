import type { UdpFlow } from '../../../core/host/conntrack.js';
import type { ServicePort } from './service-port.js';

/**
 * Flows that go on to an endpoint that is not behind their Service any more, or that began before anybody was. UDP has no end by
 * which the kernel would forget them: a client that keeps its port would be lost for good. Source: kube-proxy's conntrack cleanup.
 */
export function staleUdpFlows(
  flows: readonly UdpFlow[],
  ports: Iterable<ServicePort>,
  nodeAddresses: readonly string[],
): UdpFlow[] {
  const byAddress = new Map<string, Set<string>>();
  const byNodePort = new Map<string, Set<string>>();
  for (const port of ports) {
    if (port.protocol !== 'udp') continue;
    const endpoints = new Set([...port.clusterEndpoints, ...port.localEndpoints].map(key));
    for (const address of [...port.clusterIps, ...port.externalIps, ...port.loadBalancerIps]) {
      byAddress.set(key({ address, port: port.port }), endpoints);
    }
    if (port.nodePort) byNodePort.set(`${port.family} ${port.nodePort}`, endpoints);
  }
  const local = new Set([...nodeAddresses, '127.0.0.1']);
  return flows.filter(flow => {
    const translated = flow.answerer !== flow.destination;
    let endpoints = byAddress.get(key({ address: flow.destination, port: flow.destinationPort }));
    // Somebody else's port of that number is none of ours.
    if (!endpoints && (translated || local.has(flow.destination))) {
      endpoints = byNodePort.get(`${flow.family} ${flow.destinationPort}`);
    }
    if (!endpoints) return false;
    if (endpoints.size === 0) return translated;
    return !endpoints.has(key({ address: flow.answerer, port: flow.answererPort }));
  });
}

const key = ({ address, port }: { readonly address: string; readonly port: number }): string => `${address} ${port}`;
