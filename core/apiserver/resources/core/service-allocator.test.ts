import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../base/fake-clock.js';
import { InMemoryServiceAllocator } from './service-allocator.js';

const taken = 'provided IP is already allocated';

describe('InMemoryServiceAllocator', () => {
  let clock: FakeClock;
  let allocator: InMemoryServiceAllocator;

  beforeEach(() => {
    clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
    allocator = new InMemoryServiceAllocator({ cidrs: ['10.43.0.0/24'], nodePorts: { first: 30000, last: 30099 }, clock });
  });

  const recordAddress = (address: string): void => allocator.record({ service: `a/${address}`, addresses: [address], ports: [] });
  const recordPort = (port: number): void => allocator.record({ service: `a/${port}`, addresses: [], ports: [port] });

  it('picks above the lower band until that is used up', () => {
    const pickOne = (): number => {
      const address = allocator.suggestAddress('IPv4', false);
      recordAddress(address);
      return Number(address.split('.')[3]);
    };
    const picked = Array.from({ length: 254 }, pickOne);
    expect(picked.slice(0, 238).every(last => last > 16)).toBe(true);
    expect([...picked.slice(238)].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
    expect(() => allocator.suggestAddress('IPv4', false)).toThrow('range is full');
  });

  it('does the same with node ports', () => {
    const pickOne = (): number => {
      const port = allocator.suggestPort(false);
      recordPort(port);
      return port;
    };
    const picked = Array.from({ length: 100 }, pickOne);
    expect(picked.slice(0, 84).every(port => port >= 30016)).toBe(true);
    expect(new Set(picked).size).toBe(100);
    expect(() => allocator.suggestPort(false)).toThrow('range is full');
  });

  it('is not used up by writes that were refused', () => {
    const addresses = Array.from({ length: 254 }, () => allocator.suggestAddress('IPv4', false));
    const ports = Array.from({ length: 100 }, () => allocator.suggestPort(false));
    expect([new Set(addresses).size, new Set(ports).size]).toEqual([254, 100]);
    expect(addresses).toContain(allocator.suggestAddress('IPv4', false));
    expect(ports).toContain(allocator.suggestPort(false));
  });

  it('gives a suggestion free again when nobody stored it', async () => {
    const address = allocator.suggestAddress('IPv4', false);
    expect(allocator.addressProblem(address)).toBe(taken);
    await clock.advance(31_000);
    expect(allocator.addressProblem(address)).toBeUndefined();
  });

  it('shows a dry run an address that nothing can have', () => {
    const address = allocator.suggestAddress('IPv4', true);
    expect(allocator.addressProblem(address)).toBe('the provided network does not match the current range');
  });

  it('refuses a family without a range', () => {
    expect(() => allocator.suggestAddress('IPv6', false)).toThrow('range is full');
  });

  it.each(['10.44.0.1', '10.43.0.0', '10.43.0.255', 'fd00::1'])('knows that %s is outside', address => {
    expect(allocator.addressProblem(address)).toBe('the provided network does not match the current range');
  });

  it('knows the ports it may give', () => {
    expect(allocator.portProblem(80)).toBe('provided port is not in the valid range. The range of valid ports is 30000-30099');
    expect(allocator.portProblem(30099)).toBeUndefined();
  });

  it('keeps a reservation from others and takes it back when the write fails', () => {
    const claim = { service: 'a/x', addresses: ['10.43.0.5'], ports: [30001] };
    const release = allocator.reserve(claim);
    expect(() => allocator.reserve({ service: 'a/y', addresses: ['10.43.0.5'], ports: [] })).toThrow(taken);
    expect(() => allocator.reserve({ service: 'a/y', addresses: [], ports: [30001] })).toThrow(
      'provided port is already allocated',
    );
    release();
    expect(allocator.addressProblem('10.43.0.5')).toBeUndefined();
    expect(allocator.portProblem(30001)).toBeUndefined();
  });

  it('keeps what is stored though a later write of its owner fails', () => {
    const claim = { service: 'a/x', addresses: ['10.43.0.5'], ports: [30001] };
    allocator.record(claim);
    allocator.reserve({ ...claim, ports: [30001, 30002] })();
    expect(allocator.addressProblem('10.43.0.5')).toBe(taken);
    expect(allocator.portProblem(30001)).toBe('provided port is already allocated');
    expect(allocator.portProblem(30002)).toBeUndefined();
  });

  it('gives free what a Service no longer has', () => {
    allocator.record({ service: 'a/x', addresses: ['10.43.0.5'], ports: [30001, 30002] });
    allocator.record({ service: 'a/x', addresses: ['10.43.0.5'], ports: [30002] });
    expect(allocator.portProblem(30001)).toBeUndefined();
    allocator.record({ service: 'a/x', addresses: [], ports: [] });
    expect(allocator.addressProblem('10.43.0.5')).toBeUndefined();
  });

  it('lets two Services that share an address by an old mistake go one after the other', () => {
    allocator.record({ service: 'a/x', addresses: ['10.43.0.5'], ports: [] });
    allocator.record({ service: 'a/y', addresses: ['10.43.0.5'], ports: [] });
    allocator.record({ service: 'a/x', addresses: [], ports: [] });
    expect(allocator.addressProblem('10.43.0.5')).toBe(taken);
    allocator.clear();
    expect(allocator.addressProblem('10.43.0.5')).toBeUndefined();
  });
});
