import { describe, expect, it } from '@jest/globals';
import { AddressPool, nodeRange } from './address-pool.js';

describe('AddressPool', () => {
  it('gives addresses from the third on, and released ones only after all others', () => {
    const pool = new AddressPool('10.42.3.0/29');
    expect([pool.take(), pool.take(), pool.take()]).toEqual(['10.42.3.2', '10.42.3.3', '10.42.3.4']);
    pool.release('10.42.3.2');
    expect([pool.take(), pool.take(), pool.take()]).toEqual(['10.42.3.5', '10.42.3.6', '10.42.3.2']);
    expect(() => pool.take()).toThrow('no IP addresses available in range set: 10.42.3.0/29');
  });

  it('knows IPv6', () => {
    const pool = new AddressPool('fd00:42::/64');
    expect([pool.take(), pool.take()]).toEqual(['fd00:42::2', 'fd00:42::3']);
  });

  it('cuts a cluster range into ranges of nodes', () => {
    expect(nodeRange('10.42.0.0/16', 3, 24)).toBe('10.42.3.0/24');
    expect(nodeRange('10.42.0.0/16', 259, 24)).toBe('10.42.3.0/24');
    expect(nodeRange('10.42.7.0/26', 5, 24)).toBe('10.42.7.0/26');
  });
});
