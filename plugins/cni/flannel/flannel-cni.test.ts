import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { FakeTransport } from '../../../core/client/testing/fake-transport.js';
import { settle } from '../../../core/client/testing/settle.js';
import type { ClusterPaths } from '../../../core/contracts/cluster-paths.js';
import type { ClusterSettings } from '../../../core/contracts/cluster-settings.js';
import { RecordingConntrack } from '../../../core/host/conntrack.js';
import { RecordingLinks } from '../../../core/host/links.js';
import { RecordingNftables } from '../../../core/host/nftables.js';
import { RecordingSysctl } from '../../../core/host/sysctl.js';
import { Client, Resources, silentLogger } from '../../../core/plugin-api/index.js';
import { FlannelCni } from './flannel-cni.js';
import type { FlannelOptions } from './index.js';
import { MemoryLedger } from './testing/memory-ledger.js';
import { nodeObject } from './testing/node-object.js';

describe('flannel', () => {
  let directory: string;
  let running: FlannelCni[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flannel-'));
    running = [];
  });
  afterEach(async () => {
    for (const part of running) await part.stop();
    await rm(directory, { recursive: true, force: true });
  });

  function make(options: Partial<FlannelOptions> = {}, clusterCidrs = ['10.42.0.0/16']) {
    const clock = new FakeClock();
    const transport = new FakeTransport(clock);
    const api = new Client(transport, { name: 'tester', groups: [] });
    const links = new RecordingLinks();
    links.links.push({
      name: 'eth0',
      index: 2,
      mtu: 1500,
      up: true,
      address: '02:00:00:00:00:01',
      kind: undefined,
      details: {},
      addresses: [{ family: 'inet', address: '192.0.2.1', prefixLength: 24, scope: 'global' }],
    });
    const host = {
      links,
      conntrack: new RecordingConntrack(),
      nftables: new RecordingNftables(),
      sysctl: new RecordingSysctl({ 'net/ipv4/ip_forward': '0' }),
    };
    const ledger = new MemoryLedger();
    const part = new FlannelCni({
      transport,
      settings: {
        nodeName: 'node-a',
        nodeIps: ['192.0.2.1'],
        nodeExternalIps: ['203.0.113.1'],
        clusterCidrs,
      } as unknown as ClusterSettings,
      clusterPaths: {
        binDir: join(directory, 'bin'),
        agent: { dir: join(directory, 'agent'), etcDir: join(directory, 'etc') },
      } as unknown as ClusterPaths,
      options: {
        backend: 'vxlan',
        ipv6Masquerade: false,
        externalIp: false,
        interface: '',
        configurationFile: '',
        cniConfigurationFile: '',
        binaryDirectories: [],
        ...options,
      },
      clock,
      logger: silentLogger,
      ledger,
      host,
    });
    running.push(part);
    const start = async (): Promise<void> => {
      const { signal } = new AbortController();
      await part.init(signal);
      await part.start(signal);
      await quiet();
    };
    /** Until the part has nothing left to do; only its own work takes more than turns of the event loop. */
    const quiet = async (): Promise<void> => {
      do await settle();
      while (!part.idle);
    };
    const configuration = join(directory, 'etc', 'cni', 'net.d', '10-flannel.conflist');
    return {
      part,
      clock,
      host,
      links,
      api,
      transport,
      ledger,
      start,
      quiet,
      configuration,
      nodes: api.resource(Resources.Nodes),
    };
  }

  it('needs an IPv4 range', async () => {
    const { part } = make({}, ['fd00:42::/56']);
    await expect(part.init(AbortSignal.timeout(5000))).rejects.toMatchObject({
      code: 'FLANNEL_IPV6_ONLY',
      message: 'pods with IPv6 addresses alone are not built: --cluster-cidr is fd00:42::/56',
    });
  });

  it('writes the CNI configuration as soon as the node has its range, and not before', async () => {
    const { start, quiet, nodes, configuration, host, ledger, part } = make();
    await nodes.create(nodeObject('node-a', []));
    await start();
    await expect(readFile(configuration, 'utf8')).rejects.toMatchObject({ code: 'ENOENT' });
    await nodes.update('node-a', nodeObject('node-a', ['10.42.0.0/24']));
    await quiet();
    const { name, plugins } = JSON.parse(await readFile(configuration, 'utf8')) as {
      name: string;
      plugins: Record<string, unknown>[];
    };
    expect([name, plugins.map(({ type }) => type)]).toEqual(['cbr0', ['bridge', 'bandwidth']]);
    expect(plugins[0]).toMatchObject({
      bridge: 'cni0',
      mtu: 1450,
      hairpinMode: true,
      isDefaultGateway: true,
      ipMasq: false,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.42.0.0/24' }]] },
    });
    expect(part.paths).toEqual({
      configurationDirectory: join(directory, 'etc', 'cni', 'net.d'),
      binaryDirectories: [join(directory, 'bin', 'cni')],
    });
    expect(host.sysctl.writes).toEqual(['net/ipv4/ip_forward=1']);
    expect(ledger.names()).toEqual([
      'nftables-table inet k3s-flannel',
      'link cni0',
      `file ${configuration}`,
      `directory ${join(directory, 'agent', 'cni', 'networks')}`,
      'link flannel.1',
    ]);
  });

  it('masquerades what leaves the cluster', async () => {
    const { start, nodes, host } = make();
    await nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    await start();
    const rules = host.nftables.scripts
      .join('')
      .split('\n')
      .map(line => line.trim());
    expect(rules.filter(rule => rule.startsWith('ip '))).toEqual([
      'ip saddr 10.42.0.0/16 ip daddr 10.42.0.0/16 return',
      'ip saddr 10.42.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random',
      'ip saddr != 10.42.0.0/16 ip daddr 10.42.0.0/24 return',
      'ip saddr != 10.42.0.0/16 ip daddr 10.42.0.0/16 masquerade fully-random',
    ]);
  });

  it('makes the VXLAN link, says so on the node, and connects other nodes', async () => {
    const { start, quiet, nodes, links, ledger } = make();
    await nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    await start();
    expect(links.changes).toEqual([
      expect.stringMatching(
        /^ip link add flannel\.1 address [0-9a-f:]{17} mtu 1450 type vxlan id 1 local 192\.0\.2\.1 dev eth0 dstport 8472 nolearning$/,
      ),
      'ip addr replace 10.42.0.0/32 dev flannel.1',
      'ip link set flannel.1 mtu 1450 up',
    ]);
    const own = await nodes.get('node-a');
    expect(own.metadata.annotations).toEqual({
      'flannel.alpha.coreos.com/backend-data': expect.stringMatching(/^\{"VNI":1,"VtepMAC":"[0-9a-f:]{17}"\}$/),
      'flannel.alpha.coreos.com/backend-type': 'vxlan',
      'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
      'flannel.alpha.coreos.com/public-ip': '192.0.2.1',
    });
    links.changes.length = 0;
    const other = nodeObject('node-b', ['10.42.1.0/24'], {
      'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"AA:bb:cc:00:00:02"}',
      'flannel.alpha.coreos.com/backend-type': 'vxlan',
      'flannel.alpha.coreos.com/public-ip': '192.0.2.2',
    });
    await nodes.create(other);
    await quiet();
    expect(links.changes).toEqual([
      'bridge fdb replace aa:bb:cc:00:00:02 dev flannel.1 dst 192.0.2.2',
      'ip neigh replace 10.42.1.0 lladdr aa:bb:cc:00:00:02 dev flannel.1 nud permanent',
      'ip route replace 10.42.1.0/24 via 10.42.1.0 dev flannel.1 onlink',
    ]);
    expect(ledger.names()).toContain('route 10.42.1.0/24');
    links.changes.length = 0;
    await nodes.delete('node-b');
    await quiet();
    expect(links.changes).toContain('ip -4 route delete 10.42.1.0/24');
    expect(ledger.names()).not.toContain('route 10.42.1.0/24');
  });

  it.each([
    ['no JSON', { 'flannel.alpha.coreos.com/backend-data': '{' }],
    ['another backend', { 'flannel.alpha.coreos.com/backend-type': 'host-gw' }],
    ['an address with words for ip in it', { 'flannel.alpha.coreos.com/public-ip': '192.0.2.2 dev lo' }],
    ['no address', { 'flannel.alpha.coreos.com/public-ip': '' }],
  ])('leaves a node alone whose annotations say %s', async (_name, fault) => {
    const { start, quiet, nodes, links } = make();
    await nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    await start();
    links.changes.length = 0;
    const good = {
      'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"aa:bb:cc:00:00:02"}',
      'flannel.alpha.coreos.com/backend-type': 'vxlan',
      'flannel.alpha.coreos.com/public-ip': '192.0.2.2',
    };
    await nodes.create(nodeObject('node-b', ['10.42.1.0/24'], { ...good, ...fault }));
    await quiet();
    expect(links.changes).toEqual([]);
  });

  it('routes by the other nodes themselves with host-gw', async () => {
    const { start, nodes, links, configuration } = make({ backend: 'host-gw' });
    await nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    const other = { 'flannel.alpha.coreos.com/backend-type': 'host-gw', 'flannel.alpha.coreos.com/public-ip': '192.0.2.2' };
    await nodes.create(nodeObject('node-b', ['10.42.1.0/24'], other));
    await start();
    expect(links.changes).toEqual(['ip route replace 10.42.1.0/24 via 192.0.2.2']);
    expect(await readFile(configuration, 'utf8')).toContain('"mtu": 1500');
  });

  it('takes routes away to nodes that left while it was away', async () => {
    const { start, nodes, links, ledger } = make();
    await ledger.record('route', '10.42.7.0/24');
    await nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    await start();
    expect(links.changes).toContain('ip -4 route delete 10.42.7.0/24');
  });

  it('makes a bridge of another range anew', async () => {
    const { start, nodes, links } = make();
    const addresses = [{ family: 'inet' as const, address: '10.42.3.1', prefixLength: 24, scope: 'global' }];
    links.links.push({ name: 'cni0', index: 9, mtu: 1450, up: true, address: undefined, kind: 'bridge', details: {}, addresses });
    await nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    await start();
    expect(links.changes[0]).toBe('ip link delete dev cni0');
  });

  it('tries again when the host refuses', async () => {
    const { start, nodes, host, configuration, quiet, clock } = make();
    await nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    host.nftables.failNext = new Error('busy');
    await start();
    await expect(readFile(configuration)).rejects.toMatchObject({ code: 'ENOENT' });
    await clock.advance(60_000);
    await quiet();
    expect(await readFile(configuration, 'utf8')).toContain('10.42.0.0/24');
  });

  it('does nothing with the backend none, and refuses wireguard-native by name', async () => {
    const none = make({ backend: 'none' });
    await none.nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    await none.start();
    expect(none.host.nftables.scripts).toEqual([]);
    expect(none.part.paths.configurationDirectory).toBe('/etc/cni/net.d');
    await expect(make({ backend: 'wireguard-native' }).start()).rejects.toMatchObject({ code: 'FLANNEL_BACKEND' });
  });

  it('reads the backend of --flannel-conf, and installs --flannel-cni-conf', async () => {
    const file = join(directory, 'net-conf.json');
    const cni = join(directory, 'mine.conflist');
    await writeFile(file, '{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan","VNI":7,"Port":4789,"MTU":1300}}');
    await writeFile(cni, '{"name":"mine"}');
    const { start, nodes, links, configuration } = make({ configurationFile: file, cniConfigurationFile: cni });
    await nodes.create(nodeObject('node-a', ['10.42.0.0/24']));
    await start();
    expect(links.changes[0]).toMatch(/add flannel\.7 .* mtu 1300 type vxlan id 7 .* dstport 4789/);
    expect(await readFile(configuration, 'utf8')).toBe('{"name":"mine"}');
    await writeFile(file, '{"Backend":{"VNI":"7"}}');
    await expect(make({ configurationFile: file }).start()).rejects.toMatchObject({ code: 'FLANNEL_CONF' });
  });
});
