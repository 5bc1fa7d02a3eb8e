import { describe, expect, it } from '@jest/globals';
import { parseProxyArguments } from './proxy-arguments.js';

describe('--kube-proxy-arg', () => {
  it.each<[string[], readonly string[]]>([
    [[], ['10.0.0.0/8']],
    [['nodeport-addresses=192.0.2.0/24,2001:db8::/64'], ['192.0.2.0/24', '2001:db8::/64']],
    [['--nodeport-addresses=primary'], ['192.0.2.1']],
    [['nodeport-addresses='], []],
  ])('%j gives node ports on %j', (given, expected) => {
    expect(parseProxyArguments(given, ['192.0.2.1'], ['10.0.0.0/8']).nodePortAddresses).toEqual(expected);
  });

  it('names what has no effect', () => {
    const given = ['proxy-mode=ipvs', 'metrics-bind-address=0.0.0.0', 'v=4'];
    expect(parseProxyArguments(given, []).withoutEffect).toEqual(['proxy-mode', 'metrics-bind-address', 'v']);
  });

  it.each(['masquerade-all=true', 'nodeport-addresses=here', 'nodeport-addresses=1.2.3.4/33', 'nodeport-addresses=1.2.3.4/8;x'])(
    'refuses %s',
    argument => {
      expect(() => parseProxyArguments([argument], [])).toThrow(expect.objectContaining({ code: 'PROXY_ARGUMENT' }));
    },
  );
});
