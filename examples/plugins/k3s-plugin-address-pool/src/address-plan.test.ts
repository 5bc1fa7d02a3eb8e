import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Service, ServiceSpec } from 'k3s-ts/plugin';
import { planAddresses } from './address-plan.js';
import { readPools, refuseOverlaps } from './address-pools.js';

let made = 0;

function service(name: string, spec: Partial<ServiceSpec> = {}, annotations: Record<string, string> = {}): Service {
  const creationTimestamp = `2026-01-01T00:00:${String(10 + made++).padStart(2, '0')}Z`;
  const metadata = { name, namespace: 'default', uid: name, creationTimestamp, annotations };
  const whole = { type: 'LoadBalancer', ipFamilies: ['IPv4'], ports: [{ port: 80 }], selector: { app: name }, ...spec };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: whole, status: {} } as unknown as Service;
}

/** Addresses, or the problem, by name. */
function planned(pools: string[], services: Service[], current: Record<string, string[]> = {}): Record<string, string> {
  const plans = planAddresses(services, readPools(pools), ({ metadata }) => current[metadata.name!] ?? []);
  return Object.fromEntries(
    [...plans].map(([name, { addresses, problem }]) => [name, [...addresses, ...(problem ? [problem.text] : [])].join(' ')]),
  );
}

void describe('pools', () => {
  const refused: readonly (readonly [string[], RegExp])[] = [
    [[], /no pool is given/],
    [['203.0.113.300'], /"203.0.113.300" is no address/],
    [['203.0.113.9-203.0.113.3'], /ends before it begins/],
    [['203.0.113.9-2001:db8::1'], /goes from one address family to another/],
    [['203.0.113.0/33'], /needs a prefix length of 0 to 32/],
    [['203.0.113.9/28'], /begins in the middle of 203.0.113.0\/28/],
    [['203.0.113.0/28-203.0.113.9'], /neither FIRST-LAST nor a CIDR/],
    [['203.0.113.0/28', 'b=203.0.113.15'], /203.0.113.15 overlaps 203.0.113.0\/28/],
    [['203.0.113.0/28', '198.51.100.0/28'], /two pools called "default"/],
    [['Bad Name=203.0.113.0/28'], /cannot be the name of a pool/],
    [['127.0.0.0/28'], /reaches into 127.0.0.0\/8/],
    [['::/64'], /reaches into ::\/127/],
  ];
  for (const [pools, why] of refused)
    void it(`${JSON.stringify(pools)} are refused`, () => assert.throws(() => readPools(pools), why));

  void it('may not reach into the ranges of pods and Services', () => {
    const pools = readPools(['10.42.7.0/24', 'six=2001:db8::/112']);
    assert.throws(
      () => refuseOverlaps(pools, ['10.42.0.1/16'], "the pods' range"),
      /"default" has 10.42.7.0\/24, which overlaps the pods' range 10.42/,
    );
    assert.throws(() => refuseOverlaps(pools, ['10.43.0.0/16', '2001:db8::/64'], 'a range'), /"six"/);
    refuseOverlaps(pools, ['10.43.0.0/16'], 'a range');
  });
});

void describe('a plan', () => {
  void it('gives the first free address, the oldest first, and says who goes without', () => {
    assert.deepEqual(planned(['203.0.113.8/31'], [service('a'), service('b'), service('c')]), {
      a: '203.0.113.8',
      b: '203.0.113.9',
      c: 'no IPv4 address is free in the pool default',
    });
  });

  void it('leaves everybody what they have, also to the younger', () => {
    const services = [service('a'), service('b')];
    assert.deepEqual(planned(['203.0.113.8/31'], services, { b: ['203.0.113.8'] }), { a: '203.0.113.9', b: '203.0.113.8' });
    assert.deepEqual(planned(['203.0.113.8/31'], services, { a: ['198.51.100.1'] }), { a: '203.0.113.8', b: '203.0.113.9' });
  });

  void it('gives what is asked for, before anybody takes it by chance', () => {
    const asks = [
      service('any'),
      service('field', { loadBalancerIP: '203.0.113.8' }),
      service('annotation', {}, { 'metallb.universe.tf/loadBalancerIPs': '203.0.113.10' }),
      service('late', { loadBalancerIP: '203.0.113.8' }),
      service('outside', { loadBalancerIP: '203.0.113.99' }),
      service('pool', {}, { 'metallb.io/address-pool': 'dmz' }),
      service('typo', {}, { 'metallb.io/address-pool': 'dmx' }),
      service('both', { loadBalancerIP: '203.0.113.8' }, { 'metallb.io/loadBalancerIPs': '203.0.113.9' }),
      service('twice', {}, { 'metallb.io/loadBalancerIPs': '203.0.113.9,203.0.113.10' }),
      service('family', { loadBalancerIP: '2001:db8::1' }),
      service('nonsense', { loadBalancerIP: 'mine' }),
    ];
    assert.deepEqual(planned(['203.0.113.8/30', 'dmz=198.51.100.1'], asks), {
      any: '203.0.113.9',
      field: '203.0.113.8',
      annotation: '203.0.113.10',
      late: '203.0.113.8 is held by default/field',
      outside: '203.0.113.99 is not in any pool',
      pool: '198.51.100.1',
      typo: 'there is no pool "dmx"; there are default, dmz',
      both: 'addresses are asked for twice, by annotation and by spec.loadBalancerIP',
      twice: 'two IPv4 addresses are asked for',
      family: '2001:db8::1 is asked for by a Service of IPv4',
      nonsense: '"mine" is no address',
    });
  });

  void it('moves a Service that asks for another address', () => {
    const moved = [service('a', { loadBalancerIP: '203.0.113.9' }), service('b')];
    assert.deepEqual(planned(['203.0.113.8/31'], moved, { a: ['203.0.113.8'] }), { a: '203.0.113.9', b: '203.0.113.8' });
  });

  void it('gives an address of each family, and all or none where both are required', () => {
    const both = { ipFamilies: ['IPv6', 'IPv4'] };
    const spelled = { ...both, loadBalancerIP: '2001:DB8:0::0007' };
    const services = [
      service('a', both),
      service('b', both),
      service('c', { ...both, ipFamilyPolicy: 'RequireDualStack' }),
      service('d', spelled),
    ];
    assert.deepEqual(planned(['203.0.113.8', '2=2001:db8::/125'], services), {
      d: '2001:db8::7',
      a: '2001:db8:: 203.0.113.8',
      b: '2001:db8::1 no IPv4 address is free in the pools default, 2',
      c: 'no IPv4 address is free in the pools default, 2',
    });
  });

  void it('shares an address among those who agree to it', () => {
    const key = { 'metallb.io/allow-shared-ip': 'web' };
    const dns = (name: string, protocol: string, more: Partial<ServiceSpec> = {}): Service =>
      service(name, { ports: [{ port: 53, protocol, targetPort: 53 }], ...more }, key);
    const local = { externalTrafficPolicy: 'Local' };
    assert.deepEqual(planned(['203.0.113.8/30'], [dns('tcp', 'TCP'), dns('udp', 'UDP'), dns('again', 'UDP'), service('other')]), {
      tcp: '203.0.113.8',
      udp: '203.0.113.8',
      again: '203.0.113.9',
      other: '203.0.113.10',
    });
    assert.deepEqual(planned(['203.0.113.8/30'], [dns('a', 'TCP', local), dns('b', 'UDP', local)]), {
      a: '203.0.113.8',
      b: '203.0.113.9',
    });
    const selector = { app: 'same' };
    assert.deepEqual(
      planned(['203.0.113.8/30'], [dns('a', 'TCP', { ...local, selector }), dns('b', 'UDP', { ...local, selector })]),
      {
        a: '203.0.113.8',
        b: '203.0.113.8',
      },
    );
  });
});
