import { describe, expect, it } from '@jest/globals';
import type { EndpointSlice, Service } from '../../../core/plugin-api/index.js';
import { ServiceRules } from './service-rules.js';
import type { RulesSettings } from './service-rules.js';
import { service, slice, testSettings } from './testing/objects.js';
import type { EndpointInput } from './testing/objects.js';

const prefix = 'inet k3s-services ';

/** Lines of a script without the table's name. */
function lines(script: string): string[] {
  return script
    .split('\n')
    .filter(line => line !== '')
    .map(line => line.replace(prefix, ''));
}

function rules(settings: Partial<RulesSettings> = {}) {
  const subject = new ServiceRules({ ...testSettings, ...settings });
  const change = (object: Service, ...slices: EndpointSlice[]) =>
    subject.change([{ key: `default/${object.metadata.name}`, service: object, slices }]);
  return {
    subject,
    change,
    /** Script lines of a change. */
    lines: (object: Service, ...slices: EndpointSlice[]) => lines(change(object, ...slices).script),
  };
}

const web = (spec: Partial<Service['spec']> = {}, ingress: readonly string[] = []): Service =>
  service('web', { clusterIP: '10.43.0.20', ...spec }, ingress);

describe('scripts of Services', () => {
  it('spreads a ClusterIP over its endpoints', () => {
    expect(rules().lines(web(), slice('web', ['10.42.0.5', '10.42.0.6', '10.42.0.7']))).toEqual([
      'add chain cluster/default/web/tcp/80/4',
      'add rule cluster/default/web/tcp/80/4 numgen random mod 3 0 meta l4proto tcp dnat ip to 10.42.0.5:8080',
      'add rule cluster/default/web/tcp/80/4 numgen random mod 2 0 meta l4proto tcp dnat ip to 10.42.0.6:8080',
      'add rule cluster/default/web/tcp/80/4 meta l4proto tcp dnat ip to 10.42.0.7:8080',
      'add element cluster-ips-4 { 10.43.0.20 }',
      'add element service-ips-4 { 10.43.0.20 . tcp . 80 : goto cluster/default/web/tcp/80/4 }',
      'add element hairpins-4 { 10.42.0.5 . 10.42.0.5, 10.42.0.6 . 10.42.0.6, 10.42.0.7 . 10.42.0.7 }',
    ]);
  });

  it('touches only what an endpoint changes', () => {
    const { lines: change } = rules();
    change(web(), slice('web', ['10.42.0.5', '10.42.0.6']));
    expect(change(web(), slice('web', ['10.42.0.5', '10.42.0.6']))).toEqual([]);
    expect(change(web(), slice('web', ['10.42.0.5']))).toEqual([
      'flush chain cluster/default/web/tcp/80/4',
      'delete element hairpins-4 { 10.42.0.6 . 10.42.0.6 }',
      'add rule cluster/default/web/tcp/80/4 meta l4proto tcp dnat ip to 10.42.0.5:8080',
    ]);
    expect(change(web(), slice('web', []))).toEqual([
      'flush chain cluster/default/web/tcp/80/4',
      'delete element service-ips-4 { 10.43.0.20 . tcp . 80 }',
      'delete element hairpins-4 { 10.42.0.5 . 10.42.0.5 }',
      'delete chain cluster/default/web/tcp/80/4',
      'add element no-endpoint-ips-4 { 10.43.0.20 . tcp . 80 : goto refuse }',
    ]);
  });

  it('leaves nothing of a Service that is gone', () => {
    const { subject, change } = rules();
    const empty = subject.wholeTable();
    change(web({ type: 'NodePort', sessionAffinity: 'ClientIP' }), slice('web', ['10.42.0.5']));
    expect(subject.wholeTable()).not.toBe(empty);
    subject.change([{ key: 'default/web', service: undefined, slices: [] }]);
    expect(subject.wholeTable()).toBe(empty);
  });

  it('masquerades what comes from outside to any endpoint', () => {
    const script = rules().lines(
      web({ type: 'NodePort', ports: [{ port: 80, targetPort: 8080, nodePort: 30_080 }], externalIPs: ['198.51.100.7'] }),
      slice('web', ['10.42.0.5']),
    );
    expect(script).toEqual(
      expect.arrayContaining([
        'add rule external/default/web/tcp/80/4 meta mark set meta mark or 0x4000',
        'add rule external/default/web/tcp/80/4 goto cluster/default/web/tcp/80/4',
        'add element service-ports-4 { tcp . 30080 : goto external/default/web/tcp/80/4 }',
      ]),
    );
    expect(script.find(line => line.startsWith('add element service-ips-4'))).toContain(
      '198.51.100.7 . tcp . 80 : goto external/default/web/tcp/80/4',
    );
  });

  it('keeps outside traffic on the node by externalTrafficPolicy Local, and lets the inside in', () => {
    const local = web({
      type: 'NodePort',
      ports: [{ port: 80, targetPort: 8080, nodePort: 30_080 }],
      externalTrafficPolicy: 'Local',
    });
    const here: EndpointInput = { address: '10.42.0.5' };
    const there: EndpointInput = { address: '10.42.1.5', node: 'node-b' };
    expect(rules().lines(local, slice('web', [here, there]))).toEqual(
      expect.arrayContaining([
        'add rule external/default/web/tcp/80/4 ip saddr 10.42.0.0/16 goto cluster/default/web/tcp/80/4',
        'add rule external/default/web/tcp/80/4 fib saddr type local meta mark set meta mark or 0x4000',
        'add rule external/default/web/tcp/80/4 fib saddr type local goto cluster/default/web/tcp/80/4',
        'add rule external/default/web/tcp/80/4 goto local/default/web/tcp/80/4',
        'add rule local/default/web/tcp/80/4 meta l4proto tcp dnat ip to 10.42.0.5:8080',
      ]),
    );
    const elsewhere = rules().lines(local, slice('web', [there]));
    expect(elsewhere).toContain('add element no-endpoint-ports-4 { tcp . 30080 : drop }');
    expect(elsewhere.join('\n')).not.toContain('goto local/');
  });

  it('refuses or drops a ClusterIP by internalTrafficPolicy Local', () => {
    const local = web({ internalTrafficPolicy: 'Local' });
    expect(rules().lines(local, slice('web', [{ address: '10.42.1.5', node: 'node-b' }]))).toContain(
      'add element no-endpoint-ips-4 { 10.43.0.20 . tcp . 80 : drop }',
    );
    expect(rules().lines(local, slice('web', ['10.42.0.5']))).toContain(
      'add element service-ips-4 { 10.43.0.20 . tcp . 80 : goto local/default/web/tcp/80/4 }',
    );
    expect(rules().lines(local)).toContain('add element no-endpoint-ips-4 { 10.43.0.20 . tcp . 80 : goto refuse }');
  });

  it.each<[string, EndpointInput[], string[]]>([
    [
      'ready before all',
      [{ address: '10.42.0.5' }, { address: '10.42.0.6', ready: false, serving: true, terminating: true }],
      ['5'],
    ],
    ['serving while terminating', [{ address: '10.42.0.6', ready: false, serving: true, terminating: true }], ['6']],
    ['not serving', [{ address: '10.42.0.6', ready: false, serving: false, terminating: true }], []],
    ['not ready', [{ address: '10.42.0.6', ready: false }], []],
    [
      'another zone',
      [
        { address: '10.42.0.5', zoneHint: 'a' },
        { address: '10.42.0.6', zoneHint: 'b' },
      ],
      ['6'],
    ],
    ['hints of some only', [{ address: '10.42.0.5', zoneHint: 'a' }, { address: '10.42.0.6' }], ['5', '6']],
    ['hints of other zones only', [{ address: '10.42.0.5', zoneHint: 'c' }], ['5']],
  ])('chooses endpoints: %s', (_name, endpoints, expected) => {
    const script = rules({ zone: 'b' }).lines(web(), slice('web', endpoints));
    const chosen = script.flatMap(line => /dnat ip to 10\.42\.0\.(\d+)/.exec(line)?.[1] ?? []);
    expect(chosen).toEqual(expected);
  });

  it('remembers clients by sets with a timeout', () => {
    const { lines: change, subject } = rules();
    const script = change(
      web({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }),
      slice('web', ['10.42.0.5', '10.42.0.6']),
    );
    const set = 'affinity/default/web/tcp/80/4/60/10.42.0.5/8080';
    expect(script).toEqual(
      expect.arrayContaining([
        `add set ${set} { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }`,
        `add rule endpoint/default/web/tcp/80/4/10.42.0.5/8080 update @${set} { ip saddr }`,
        `add rule cluster/default/web/tcp/80/4 ip saddr @${set} goto endpoint/default/web/tcp/80/4/10.42.0.5/8080`,
        'add rule cluster/default/web/tcp/80/4 numgen random mod 2 0 goto endpoint/default/web/tcp/80/4/10.42.0.5/8080',
      ]),
    );
    const elem = [{ elem: { val: '10.42.0.9', timeout: 60, expires: 33 } }];
    expect(
      subject.rememberedClients([
        { set: { table: 'k3s-services', name: set, elem } },
        { set: { table: 'k3s-services', name: 'affinity/default/gone/tcp/80/4/60/10.42.0.5/8080', elem } },
      ]),
    ).toBe(`add element inet k3s-services ${set} { 10.42.0.9 expires 33s }\n`);
  });

  it('lets only source ranges use a load balancer', () => {
    const balanced = web(
      {
        type: 'LoadBalancer',
        ports: [{ port: 80, targetPort: 8080, nodePort: 30_080 }],
        loadBalancerSourceRanges: ['203.0.113.0/24', ' 10.0.0.0/8 ', '2001:db8::/32'],
      },
      ['198.51.100.9'],
    );
    const script = rules().lines(balanced, slice('web', ['10.42.0.5']));
    expect(script.filter(line => line.includes('firewall'))).toEqual([
      'add chain firewall/default/web/tcp/80/4',
      'add rule firewall/default/web/tcp/80/4 ip saddr 203.0.113.0/24 return',
      'add rule firewall/default/web/tcp/80/4 ip saddr 10.0.0.0/8 return',
      'add rule firewall/default/web/tcp/80/4 drop',
      'add element firewall-ips-4 { 198.51.100.9 . tcp . 80 : goto firewall/default/web/tcp/80/4 }',
    ]);
  });

  it('lets nothing into the script that nft would refuse', () => {
    const odd = web(
      {
        type: 'LoadBalancer',
        externalIPs: ['010.0.0.1', '198.51.100.7', 'fe80::1%eth0'],
        loadBalancerSourceRanges: ['010.0.0.0/8', '10.0.0.0/33', '10.0.0.0/8/8', '2001:db8::1%1/64'],
      },
      ['198.51.100.9', '1.2.3.04'],
    );
    const script = rules().lines(odd, slice('web', ['10.42.0.5', '10.42.0.07']));
    expect(script.join('\n')).not.toMatch(/010\.|%|\.04|\.07|\/33|\/8 /);
    expect(script).toContain('add rule firewall/default/web/tcp/80/4 drop');
    expect(script.join('\n')).toContain('198.51.100.7 . tcp . 80');
  });

  it("answers on every local address where a load balancer uses the node's own, but never on ports of the node", () => {
    const ports = [
      { name: 'http', port: 80, targetPort: 8080 },
      { name: 'api', port: 6443, targetPort: 8080 },
    ];
    const balanced = web({ type: 'LoadBalancer', ports }, ['192.0.2.1']);
    const script = rules().lines(
      balanced,
      slice('web', ['10.42.0.5'], { portName: 'http' }),
      slice('web', ['10.42.0.5'], { portName: 'api' }),
    );
    expect(script).toContain('add element service-ports-4 { tcp . 80 : goto external/default/web/tcp/http/4 }');
    expect(
      rules({ nodeAddresses: [] })
        .lines(balanced, slice('web', ['10.42.0.5'], { portName: 'http' }))
        .join('\n'),
    ).not.toContain('service-ports-4');
  });

  it('gives an address that two Services claim to the older one, and to the other when it goes', () => {
    const { subject, lines: change } = rules();
    const older = service('older', { clusterIP: '10.43.0.1', externalIPs: ['198.51.100.7'] });
    const newer = service('newer', { clusterIP: '10.43.0.2', externalIPs: ['198.51.100.7'] });
    newer.metadata.creationTimestamp = '2026-02-01T00:00:00Z';
    change(newer, slice('newer', ['10.42.0.6']));
    const key = '198.51.100.7 . tcp . 80';
    const taken = change(older, slice('older', ['10.42.0.5'])).filter(line => line.includes(key));
    expect(taken).toEqual([
      `delete element service-ips-4 { ${key} }`,
      expect.stringContaining(`${key} : goto external/default/older/tcp/80/4`),
    ]);
    const given = lines(subject.change([{ key: 'default/older', service: undefined, slices: [] }]).script);
    expect(given).toContain(`add element service-ips-4 { ${key} : goto external/default/newer/tcp/80/4 }`);
  });

  it('turns many endpoints into a map', () => {
    const addresses = Array.from({ length: 20 }, (_, index) => `10.42.0.${index + 10}`);
    const { lines: change } = rules();
    const map = 'endpoints/cluster/default/web/tcp/80/4';
    const script = change(web(), slice('web', addresses));
    expect(script).toContain(
      `add rule cluster/default/web/tcp/80/4 meta l4proto tcp dnat ip to numgen random mod 20 map @${map}`,
    );
    expect(script[0]).toBe(`add map ${map} { typeof numgen random mod 2 : ip daddr . tcp dport; }`);
    const fewer = change(web(), slice('web', addresses.slice(1)));
    expect(fewer.slice(0, 2)).toEqual([`flush map ${map}`, 'flush chain cluster/default/web/tcp/80/4']);
    expect(change(web(), slice('web', addresses.slice(10)))).toContain(`delete map ${map}`);
  });

  it('serves both families', () => {
    const both = web({ clusterIPs: ['10.43.0.20', 'fd43:0:0:0::20'] });
    const script = rules({ families: [4, 6] }).lines(both, slice('web', ['10.42.0.5']), slice('web', ['fd42::5']));
    expect(script).toEqual(
      expect.arrayContaining([
        'add element service-ips-4 { 10.43.0.20 . tcp . 80 : goto cluster/default/web/tcp/80/4 }',
        'add element service-ips-6 { fd43::20 . tcp . 80 : goto cluster/default/web/tcp/80/6 }',
        'add rule cluster/default/web/tcp/80/6 meta l4proto tcp dnat ip6 to [fd42::5]:8080',
      ]),
    );
  });

  it.each([
    ['headless', web({ clusterIP: 'None', clusterIPs: ['None'] })],
    ['ExternalName', web({ type: 'ExternalName', clusterIP: '', clusterIPs: [] })],
    [
      "another proxy's",
      { ...web(), metadata: { ...web().metadata, labels: { 'service.kubernetes.io/service-proxy-name': 'x' } } },
    ],
  ])('leaves a Service alone that is %s', (_name, object) => {
    expect(rules().lines(object, slice('web', ['10.42.0.5']))).toEqual([]);
  });

  it('counts local endpoints for health checks of load balancers', () => {
    const { subject, change } = rules();
    const balanced = web({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 }, ['198.51.100.9']);
    const endpoints = [
      { address: '10.42.0.5' },
      { address: '10.42.0.6', ready: false },
      { address: '10.42.1.5', node: 'node-b' },
    ];
    expect(change(balanced, slice('web', endpoints)).healthChecks).toBe(true);
    expect([...subject.healthChecks.values()]).toEqual([{ namespace: 'default', name: 'web', port: 31_000, localEndpoints: 1 }]);
    expect(change(balanced, slice('web', endpoints)).healthChecks).toBe(false);
    const six = slice('web', [{ address: 'fd00:42::5', node: 'node-a' }]);
    const both = { ...six, metadata: { ...six.metadata, name: 'web-6' } };
    expect(change(balanced, slice('web', endpoints), both).healthChecks).toBe(false);
    expect(change(web(), slice('web', endpoints)).healthChecks).toBe(true);
    expect(subject.healthChecks.size).toBe(0);
  });
});
