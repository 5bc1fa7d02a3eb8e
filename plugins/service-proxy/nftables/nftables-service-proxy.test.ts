import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NftCommand } from '../../../core/host/nftables.js';
import { mayUseNamespaces } from '../../../core/host/testing/network-namespace.js';
import { Resources } from '../../../core/plugin-api/index.js';
import type { Node } from '../../../core/plugin-api/index.js';
import { ServiceRules } from './service-rules.js';
import { service, slice, testSettings } from './testing/objects.js';
import { ProxyNetwork } from './testing/proxy-network.js';

const real = mayUseNamespaces() || process.env['K3S_TEST_REQUIRE'] === '1' ? describe : describe.skip;

real('Services in the kernel (needs root, nft, conntrack)', () => {
  let net: ProxyNetwork;

  beforeAll(async () => {
    net = await ProxyNetwork.create();
    await net.start();
  });
  afterAll(() => net.dispose());

  const both = ['10.42.0.5', '10.42.0.6'];
  const node = '192.0.2.1';

  it('records what it makes', () => {
    expect(net.ledger.entries.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'nftables-table inet k3s-services',
      'route 10.43.0.0/16',
    ]);
  });

  it('tells load balancers and monitors how it is', async () => {
    const ask = async (port: number, path: string): Promise<{ status: number; text: string }> => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: answer.status, text: await answer.text() };
    };
    const { healthzPort, metricsPort } = net;
    // There is no Node yet.
    expect((await ask(healthzPort, '/healthz')).status).toBe(503);
    const nodes = net.api.resource(Resources.Nodes);
    const settled = async (status: number): Promise<Record<string, unknown>> => {
      for (let tries = 0; tries < 200; tries++) {
        const answer = await ask(healthzPort, '/healthz');
        if (answer.status === status) return JSON.parse(answer.text) as Record<string, unknown>;
        await new Promise(resolve => setTimeout(resolve, 10));
      }
      throw new Error(`no ${status}`);
    };
    const own = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a' }, spec: {} } as unknown as Node;
    await nodes.create(own);
    const status = { IPv4: { lastUpdated: expect.any(String), healthy: true } };
    expect(await settled(200)).toMatchObject({ nodeEligible: true, healthy: true, status });
    const taints = [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }];
    await nodes.update('node-a', { ...own, spec: { taints } } as unknown as Node);
    expect(await settled(503)).toMatchObject({ nodeEligible: false, healthy: true });
    const livez = await ask(healthzPort, '/livez');
    expect([livez.status, JSON.parse(livez.text)]).toEqual([200, expect.not.objectContaining({ nodeEligible: false })]);
    expect((await ask(healthzPort, '/metrics')).status).toBe(404);
    expect(await ask(metricsPort, '/proxyMode')).toEqual({ status: 200, text: 'nftables' });
    expect(await ask(metricsPort, '/healthz')).toEqual({ status: 200, text: 'ok' });
    await net.settled();
    const { text } = await ask(metricsPort, '/metrics');
    expect(text).toMatch(/^kubeproxy_sync_full_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} 1$/m);
    expect(text).toMatch(/^kubeproxy_sync_partial_proxy_rules_duration_seconds_bucket\{ip_family="IPv4",le="\+Inf"\} [1-9]/m);
    expect(text).toMatch(/^kubeproxy_proxy_livez_total\{code="200"\} 1$/m);
    expect(text).toMatch(/^kubeproxy_sync_proxy_rules_service_changes_total [1-9]/m);
  });

  it('carries a ClusterIP from pods and from the node, to every endpoint, and shows pods their true client', async () => {
    await net.serve(service('web', { clusterIP: '10.43.0.20' }), both);
    const answers = new Set<string>();
    for (let i = 0; i < 24; i++) answers.add(await net.podA.ask('10.43.0.20', 80));
    // The second one is pod-a reaching itself: it sees the node's bridge as its client.
    expect([...answers].sort()).toEqual(['pod-a 10.42.0.1', 'pod-b 10.42.0.5']);
    expect(await net.node.ask('10.43.0.20', 80)).toMatch(/^pod-[ab] 10\.42\.0\.1$/);
  });

  it('refuses a port that the Service does not have, at once', async () => {
    await net.serve(service('web', { clusterIP: '10.43.0.20' }), both);
    expect(await net.podA.ask('10.43.0.20', 81)).toBe('error ECONNREFUSED');
    expect(await net.node.ask('10.43.0.20', 81)).toBe('error ECONNREFUSED');
  });

  it('refuses a Service without endpoints, and takes endpoints up', async () => {
    const empty = service('empty', {
      clusterIP: '10.43.0.21',
      type: 'NodePort',
      ports: [{ port: 80, targetPort: 8080, nodePort: 30_021 }],
    });
    await net.serve(empty, []);
    expect(await net.podA.ask('10.43.0.21', 80)).toBe('error ECONNREFUSED');
    expect(await net.client.ask('10.43.0.21', 80)).toBe('error ECONNREFUSED');
    expect(await net.client.ask(node, 30_021)).toBe('error ECONNREFUSED');
    await net.serve(empty, ['10.42.0.6']);
    expect(await net.podA.ask('10.43.0.21', 80)).toBe('pod-b 10.42.0.5');
    await net.serve(empty, []);
    expect(await net.podA.ask('10.43.0.21', 80)).toBe('error ECONNREFUSED');
  });

  it('carries node ports on every address of the node, loopback too', async () => {
    const ports = [{ port: 80, targetPort: 8080, nodePort: 30_080 }];
    await net.serve(service('ported', { clusterIP: '10.43.0.22', type: 'NodePort', ports }), ['10.42.0.5']);
    expect(await net.client.ask(node, 30_080)).toBe('pod-a 10.42.0.1');
    expect(await net.client.ask('10.42.0.1', 30_080)).toBe('pod-a 10.42.0.1');
    expect(await net.podB.ask(node, 30_080)).toBe('pod-a 10.42.0.1');
    expect(await net.node.ask(node, 30_080)).toBe('pod-a 10.42.0.1');
    expect(await net.node.ask('127.0.0.1', 30_080)).toBe('pod-a 10.42.0.1');
  });

  it('keeps the client address by externalTrafficPolicy Local, and drops where no endpoint is local', async () => {
    const local = service('local', {
      clusterIP: '10.43.0.23',
      type: 'NodePort',
      externalTrafficPolicy: 'Local',
      ports: [{ port: 80, targetPort: 8080, nodePort: 30_081 }],
    });
    const elsewhere = { address: '10.42.0.6', node: 'node-b' };
    await net.serve(local, ['10.42.0.5', elsewhere]);
    for (let i = 0; i < 6; i++) expect(await net.client.ask(node, 30_081)).toBe('pod-a 192.0.2.9');
    await net.serve(local, [elsewhere]);
    expect(await net.client.ask(node, 30_081, { timeoutMs: 300 })).toBe('error TIMEOUT');
    // Inside, the policy for outside does not count.
    expect(await net.podA.ask('10.43.0.23', 80)).toBe('pod-b 10.42.0.5');
    expect(await net.node.ask(node, 30_081)).toBe('pod-b 10.42.0.1');
  });

  it('drops by internalTrafficPolicy Local where no endpoint is local', async () => {
    const inner = service('inner', { clusterIP: '10.43.0.24', internalTrafficPolicy: 'Local' });
    await net.serve(inner, [{ address: '10.42.0.6', node: 'node-b' }]);
    expect(await net.podA.ask('10.43.0.24', 80, { timeoutMs: 300 })).toBe('error TIMEOUT');
    await net.serve(inner, [{ address: '10.42.0.6' }]);
    expect(await net.podA.ask('10.43.0.24', 80)).toBe('pod-b 10.42.0.5');
  });

  it('keeps a client at its endpoint, also over a restart of the proxy', async () => {
    await net.serve(
      service('sticky', {
        clusterIP: '10.43.0.25',
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
      }),
      both,
    );
    const first = await net.client.ask('10.43.0.25', 80);
    const asked = async (): Promise<Set<string>> => {
      const answers = new Set<string>();
      for (let i = 0; i < 12; i++) answers.add(await net.client.ask('10.43.0.25', 80));
      return answers;
    };
    expect([...(await asked())]).toEqual([first]);
    await net.proxy.stop();
    await net.start();
    expect([...(await asked())]).toEqual([first]);
  });

  it('gives load balancer addresses to source ranges only', async () => {
    const balanced = service(
      'balanced',
      {
        clusterIP: '10.43.0.26',
        type: 'LoadBalancer',
        loadBalancerSourceRanges: ['192.0.2.9/32'],
        ports: [{ port: 8443, targetPort: 8080 }],
      },
      [node],
    );
    await net.serve(balanced, ['10.42.0.6']);
    expect(await net.client.ask(node, 8443)).toBe('pod-b 10.42.0.1');
    await net.serve({ ...balanced, spec: { ...balanced.spec, loadBalancerSourceRanges: ['192.0.2.10/32'] } }, ['10.42.0.6']);
    expect(await net.client.ask(node, 8443, { timeoutMs: 300 })).toBe('error TIMEOUT');
    // Not even by another address of the node.
    expect(await net.client.ask('10.42.0.1', 8443, { timeoutMs: 300 })).toBe('error TIMEOUT');
    await net.serve({ ...balanced, spec: { ...balanced.spec, loadBalancerSourceRanges: [] } }, ['10.42.0.6']);
    expect(await net.client.ask(node, 8443)).toBe('pod-b 10.42.0.1');
    expect(await net.node.ask('127.0.0.1', 8443)).toBe('pod-b 10.42.0.1');
  });

  it('carries external addresses', async () => {
    await net.serve(service('outer', { clusterIP: '10.43.0.27', externalIPs: ['198.51.100.7'] }), ['10.42.0.5']);
    expect(await net.client.ask('198.51.100.7', 80)).toBe('pod-a 10.42.0.1');
    expect(await net.podB.ask('198.51.100.7', 80)).toBe('pod-a 10.42.0.1');
  });

  it('moves UDP clients that keep their port to the endpoints of now', async () => {
    const dns = service('dns', { clusterIP: '10.43.0.10', ports: [{ port: 53, targetPort: 5353, protocol: 'UDP' }] });
    const udp = { port: 5353, protocol: 'UDP' };
    // Flows are forgotten just after the rules have changed.
    const ask = async (wanted: string): Promise<string> => {
      let answer = '';
      for (const end = Date.now() + 5000; answer !== wanted && Date.now() < end;) {
        answer = await net.client.ask('10.43.0.10', 53, { protocol: 'udp', localPort: 40_053, timeoutMs: 200 });
      }
      return answer;
    };
    await net.serve(dns, ['10.42.0.5'], udp);
    expect(await ask('pod-a 10.42.0.1')).toBe('pod-a 10.42.0.1');
    await net.serve(dns, ['10.42.0.6'], udp);
    expect(await ask('pod-b 10.42.0.1')).toBe('pod-b 10.42.0.1');
    await net.serve(dns, [], udp);
    expect(await ask('error TIMEOUT')).toBe('error TIMEOUT');
    await net.serve(dns, ['10.42.0.5'], udp);
    expect(await ask('pod-a 10.42.0.1')).toBe('pod-a 10.42.0.1');
  });

  it('spreads over many endpoints by a map', async () => {
    const many = Array.from({ length: 30 }, (_, index) => `10.42.9.${index + 1}`);
    await net.serve(service('many', { clusterIP: '10.43.0.28' }), [...many, '10.42.0.5']);
    await net.serve(service('many', { clusterIP: '10.43.0.28' }), [...Array.from(many, (_, i) => `10.42.0.${5 + (i % 2)}`)]);
    expect(await net.client.ask('10.43.0.28', 80)).toMatch(/^pod-[ab]/);
  });

  it('gives the kernel rules of both families that it takes', async () => {
    const rules = new ServiceRules({
      ...testSettings,
      families: [4, 6],
      clusterCidrs: ['10.42.0.0/16', '10.44.0.0/16', 'fd42::/56'],
      nodePortAddresses: ['192.0.2.0/24', '2001:db8::/64'],
      nodeAddresses: ['2001:db8::1'],
    });
    const both = { clusterIP: '10.43.0.30', clusterIPs: ['10.43.0.30', 'fd43::30'] };
    const many = Array.from({ length: 20 }, (_, index) => `fd42::${index + 1}`);
    const states = [
      {
        name: 'balanced',
        spec: { ...both, type: 'LoadBalancer', externalTrafficPolicy: 'Local', loadBalancerSourceRanges: ['2001:db8:1::/48'] },
        endpoints: ['fd42::5', { address: 'fd42::6', node: 'node-b' }],
      },
      { name: 'sticky', spec: { ...both, sessionAffinity: 'ClientIP' }, endpoints: ['fd42::5', 'fd42::6'] },
      { name: 'many', spec: both, endpoints: many },
      { name: 'none', spec: both, endpoints: [] },
    ].map(({ name, spec, endpoints }, index) => {
      const ports = ['TCP', 'UDP', 'SCTP'].map((protocol, at) => ({
        name: protocol.toLowerCase(),
        protocol,
        port: 80 + index,
        targetPort: 8080,
        ...(name === 'balanced' && { nodePort: 30_100 + 10 * index + at }),
      }));
      const object = service(name, { ...spec, ports }, name === 'balanced' ? ['2001:db8::1'] : []);
      const slices = ports.map(port => slice(name, endpoints, { portName: port.name, protocol: port.protocol }));
      return { key: `default/${name}`, service: object, slices };
    });
    rules.change(states);
    await net.client.commands.run({ command: 'nft', arguments: ['-f', '-'], input: rules.wholeTable() });
    // Each half goes, and all comes back, as changes of what is there.
    for (const half of [states.slice(0, 2), states.slice(2)]) {
      const gone = rules.change(half.map(({ key }) => ({ key, service: undefined, slices: [] })));
      await net.client.commands.run({ command: 'nft', arguments: ['-f', '-'], input: gone.script });
    }
    const { script } = rules.change(states);
    await net.client.commands.run({ command: 'nft', arguments: ['-f', '-'], input: script });
    const { stdout } = await net.client.commands.run({ command: 'nft', arguments: ['list', 'table', 'inet', 'k3s-services'] });
    expect(stdout).toContain('dnat ip6 to [fd42::5]:8080');
    await new NftCommand(net.client.commands).deleteTable('inet', 'k3s-services');
  });

  it('puts the rules back that somebody flushed when it starts again, and leaves them when it stops', async () => {
    await net.serve(service('web', { clusterIP: '10.43.0.20' }), both);
    await net.proxy.stop();
    expect(await net.client.ask('10.43.0.20', 80)).toMatch(/^pod-/);
    await net.nftables.deleteTable('inet', 'k3s-services');
    await expect(net.proxy.ready()).rejects.toMatchObject({ code: 'SERVICE_PROXY_NOT_READY' });
    await net.start();
    expect(await net.client.ask('10.43.0.20', 80)).toMatch(/^pod-/);
  });
});
