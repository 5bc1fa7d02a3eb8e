import { describe, expect, it } from '@jest/globals';
import { FakeStores, object } from '../admission/testing/admission-fixture.js';
import { resolveServiceEndpoint } from './service-endpoints.js';

const port = { name: 'web', port: 443 };
const service = (name: string, spec: object): object => object('Service', name, { spec: { ports: [port], ...spec } });

function stores(slices: readonly object[]): FakeStores {
  return new FakeStores({
    '/services': [
      service('one', { ipFamilies: ['IPv6'] }),
      service('named', { type: 'ExternalName', ports: [] }),
      service('other', {}),
    ],
    'discovery.k8s.io/endpointslices': slices,
  });
}

const slice = (addressType: string, address: string, more: object = {}): object => ({
  ...object('EndpointSlice', address),
  metadata: { name: `s-${address}`, namespace: 'default', labels: { 'kubernetes.io/service-name': 'one' } },
  addressType,
  ports: [{ name: 'web', port: 8443 }],
  endpoints: [{ addresses: [address], nodeName: 'node' }],
  ...more,
});

describe('the endpoint of a Service', () => {
  it('is of its first address family, with the port of that name', () => {
    const found = resolveServiceEndpoint(stores([slice('IPv4', '10.0.0.1'), slice('IPv6', 'fd00::1')]), 'default', 'one', 443);
    expect(found).toEqual({ type: 'service', host: 'fd00::1', port: 8443, nodeName: 'node' });
  });

  it('is not of a slice without the port or without anybody ready', () => {
    const all = [
      slice('IPv6', 'fd00::1', { ports: [{ name: 'other', port: 1 }] }),
      slice('IPv6', 'fd00::2', { endpoints: [{ addresses: ['fd00::2'], conditions: { ready: false } }] }),
      slice('IPv4', '10.0.0.1'),
    ];
    expect(resolveServiceEndpoint(stores(all), 'default', 'one', 443)).toMatchObject({ host: '10.0.0.1' });
    expect(() => resolveServiceEndpoint(stores(all), 'default', 'other', 443)).toThrow(
      'no endpoints available for service "other"',
    );
  });

  it('cannot be found of what is no such Service', () => {
    const find = (name: string, at: number) => (): unknown => resolveServiceEndpoint(stores([]), 'default', name, at);
    expect(find('none', 443)).toThrow('service "none" not found');
    expect(find('named', 443)).toThrow('unsupported service type "ExternalName"');
    expect(find('one', 80)).toThrow('no service port 80 found for service "one"');
  });
});
