import { describe, expect, it } from '@jest/globals';
import type { UdpFlow } from '../../../core/host/conntrack.js';
import { parseUdpFlow } from '../../../core/host/conntrack.js';
import type { ServicePort } from './service-port.js';
import { ServiceRules } from './service-rules.js';
import { service, slice, testSettings } from './testing/objects.js';
import { staleUdpFlows } from './udp-flows.js';

const ports = [{ port: 53, targetPort: 53, protocol: 'UDP', nodePort: 30_053 }];

function portsWith(addresses: readonly string[]): Iterable<ServicePort> {
  const rules = new ServiceRules(testSettings);
  const dns = service('dns', { clusterIP: '10.43.0.10', type: 'NodePort', ports });
  rules.change([{ key: 'default/dns', service: dns, slices: [slice('dns', addresses, { port: 53, protocol: 'UDP' })] }]);
  return rules.ports();
}

const flow = (destination: string, answerer: string, destinationPort = 53, answererPort = 53): UdpFlow => ({
  family: 4,
  source: '10.42.0.9',
  sourcePort: 4000,
  destination,
  destinationPort,
  answerer,
  answererPort,
});

describe('UDP flows of Services', () => {
  it.each<[string, UdpFlow, readonly string[], boolean]>([
    ['to an endpoint that is there', flow('10.43.0.10', '10.42.0.5'), ['10.42.0.5'], false],
    ['to an endpoint that is gone', flow('10.43.0.10', '10.42.0.4'), ['10.42.0.5'], true],
    ['from before anybody was there', flow('10.43.0.10', '10.43.0.10'), ['10.42.0.5'], true],
    ['while nobody is there', flow('10.43.0.10', '10.43.0.10'), [], false],
    ['to the last endpoint', flow('10.43.0.10', '10.42.0.5'), [], true],
    ['through a node port', flow('192.0.2.1', '10.42.0.4', 30_053), ['10.42.0.5'], true],
    ["to somebody else's port", flow('203.0.113.9', '203.0.113.9', 30_053, 30_053), ['10.42.0.5'], false],
    ['past Services', flow('10.42.0.7', '10.42.0.7'), ['10.42.0.5'], false],
  ])('%s', (_name, given, endpoints, stale) => {
    expect(staleUdpFlows([given], portsWith(endpoints), ['192.0.2.1'])).toEqual(stale ? [given] : []);
  });

  it('are read from the lines of conntrack', () => {
    const line =
      'udp      17 29 src=10.42.0.9 dst=10.43.0.10 sport=4000 dport=53 [UNREPLIED] src=10.42.0.5 dst=10.42.0.9 sport=5353 dport=4000 mark=0 use=1';
    expect(parseUdpFlow(line, 4)).toEqual(flow('10.43.0.10', '10.42.0.5', 53, 5353));
    expect(parseUdpFlow('conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.', 4)).toBeUndefined();
  });
});
