import { describe, expect, it } from '@jest/globals';
import type { EndpointSlice, Service } from '../../../core/plugin-api/index.js';
import { dnsService, dnsSlice } from './entries.js';

const metadata = { namespace: 'default', name: 'db', labels: { 'kubernetes.io/service-name': 'db' } };

describe('what names need of objects', () => {
  it('is the endpoints that are ready, or that nobody says are not, with their hostnames', () => {
    const slice = {
      metadata,
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['10.42.0.1'], hostname: 'db-0', conditions: { ready: true } },
        { addresses: ['10.42.0.2'], conditions: { ready: false, serving: true, terminating: true } },
        { addresses: ['10.42.0.3'] },
        // Of a Service with publishNotReadyAddresses the slice controller calls those ready too that are not.
        { addresses: ['10.42.0.4'], hostname: 'db-3', conditions: { ready: true, serving: false } },
      ],
      ports: [{ name: 'sql', port: 5432 }, { name: 'all' }],
    } as unknown as EndpointSlice;
    expect(dnsSlice(slice)).toEqual({
      kind: 'slice',
      namespace: 'default',
      service: 'db',
      endpoints: [
        { addresses: ['10.42.0.1'], hostname: 'db-0' },
        { addresses: ['10.42.0.3'] },
        { addresses: ['10.42.0.4'], hostname: 'db-3' },
      ],
      ports: [{ name: 'sql', protocol: 'TCP', port: 5432 }],
    });
    expect(dnsSlice({ ...slice, addressType: 'FQDN' } as EndpointSlice)).toBeUndefined();
    expect(dnsSlice({ ...slice, metadata: { ...metadata, labels: {} } } as EndpointSlice)).toBeUndefined();
  });

  it.each([
    [
      { clusterIP: 'None', clusterIPs: ['None'] },
      { clusterIps: [], headless: true },
    ],
    [{ clusterIP: '10.43.0.1' }, { clusterIps: ['10.43.0.1'], headless: false }],
    [
      { type: 'ExternalName', externalName: 'x.org' },
      { clusterIps: [], headless: false, externalName: 'x.org' },
    ],
    [{}, { clusterIps: [], headless: false }],
  ])('is of a Service %j', (spec, expected) => {
    const service = { metadata, spec } as unknown as Service;
    expect(dnsService(service)).toEqual({ kind: 'service', namespace: 'default', name: 'db', ports: [], ...expected });
  });
});
