import { describe, expect, it } from '@jest/globals';
import { parseProxyArguments, proxyArguments } from './proxy-arguments.js';

const defaults = { nodePortAddresses: ['10.0.0.0/8'], nodePortsOnLoopback: true };

describe('--kube-proxy-arg', () => {
  it.each<[string[], readonly string[]]>([
    [[], ['10.0.0.0/8']],
    [['nodeport-addresses=192.0.2.0/24,2001:db8::/64'], ['192.0.2.0/24', '2001:db8::/64']],
    [['--nodeport-addresses=primary'], ['192.0.2.1']],
    [['nodeport-addresses='], []],
  ])('%j gives node ports on %j', (given, expected) => {
    expect(parseProxyArguments(given, ['192.0.2.1'], defaults).nodePortAddresses).toEqual(expected);
  });

  it("closes node ports on loopback, also against the plugin's own option", () => {
    expect(parseProxyArguments(['iptables-localhost-nodeports=false'], [], defaults).nodePortsOnLoopback).toBe(false);
    expect(parseProxyArguments([], [], defaults).nodePortsOnLoopback).toBe(true);
  });

  it('says where health and metrics answer: on loopback, as with K3s, unless told otherwise', () => {
    const read = (given: string[], nodeIps = ['192.0.2.1']): unknown => {
      const { healthz, metrics } = parseProxyArguments(given, nodeIps, defaults);
      return [healthz, metrics].map(where => where && `${where.host} ${where.port}`);
    };
    expect(read([])).toEqual(['127.0.0.1 10256', '127.0.0.1 10249']);
    expect(read([], ['2001:db8::1'])).toEqual(['::1 10256', '::1 10249']);
    expect(read(['healthz-bind-address=0.0.0.0', 'metrics-bind-address='])).toEqual(['0.0.0.0 10256', undefined]);
    expect(read(['healthz-bind-address=[::]:1', '--metrics-bind-address=192.0.2.1:2'])).toEqual([':: 1', '192.0.2.1 2']);
  });

  it.each([
    'healthz-bind-address=here',
    'metrics-bind-address=1.2.3.4:99999',
    'nodeport-addresses=here',
    'nodeport-addresses=1.2.3.4/33',
    'nodeport-addresses=1.2.3.4/8;x',
  ])('refuses %s', argument => {
    expect(() => parseProxyArguments([argument], [], defaults)).toThrow(/^"[^"]+" is not /);
  });

  it("has options whose ranges are as the arguments'", () => {
    expect(() => parseProxyArguments([], [], { ...defaults, nodePortAddresses: ['here'] })).toThrow('"here" is not a range');
  });

  it('knows every flag of kube-proxy, sorted', () => {
    const names = Object.keys(proxyArguments.table);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(expect.arrayContaining(['conntrack-max-per-core', 'masquerade-all', 'proxy-mode']));
  });
});
